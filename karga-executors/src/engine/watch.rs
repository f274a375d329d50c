use std::{
    future::poll_fn,
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use karga_core::{
    Account, Action, Aggregate, GeneratorHealth, Merge, Observer, Plan, Run, Snapshot, StopReason,
    WarmUp,
};
use tokio::{
    task::{JoinError, JoinSet},
    time::Instant,
};

use super::{
    End, Load, PerPhase, Settings, Until,
    life::{Stops, plan},
    seat::{Seat, Shared},
};
use crate::{
    connect::message_of,
    health::{TOLERANCE, Usage},
    shard::{Books, Tally},
    timer::Wait,
};

/// Watches over a run from its beginning to its end.
pub(super) struct Watch<'a, A, L: Load> {
    name: &'a str,
    settings: &'a Settings,
    plan: Plan,
    shared: Arc<Shared<A, L>>,
    tasks: Tasks<A, L>,
    books: Books<A>,
    /// The wall clock at the beginning.
    began_at: Option<SystemTime>,
    /// From t0 on.
    usage: Option<Usage>,
    /// Why and when the run was stopped; no time before it began.
    stopped: Option<(StopReason, Option<Duration>)>,
    /// When those in flight were cut off.
    cut: Option<Duration>,
    /// When the last snapshot was taken, since t0.
    last_snapshot: Duration,
    /// What it showed as planned.
    last_planned: u64,
    warnings: Vec<String>,
}

/// Ends all load when it is dropped.
struct Tasks<A, L: Load> {
    set: JoinSet<()>,
    shared: Arc<Shared<A, L>>,
}

impl<A, L: Load> Drop for Tasks<A, L> {
    fn drop(&mut self) {
        // The set aborts its tasks; the flag also ends the turn of a user that
        // is running right now.
        self.shared.stop.stop();
    }
}

impl<'a, A: Merge, L: Load> Watch<'a, A, L> {
    /// Starts a user for each action.
    pub(super) fn start<X>(
        settings: &'a Settings,
        name: &'a str,
        shared: Arc<Shared<A, L>>,
        actions: Vec<X>,
        aggregate: A,
    ) -> Self
    where
        X: Action,
        A: Aggregate<X::Metric>,
    {
        let mut tasks = Tasks {
            set: JoinSet::new(),
            shared: Arc::clone(&shared),
        };
        let began_at = wall_clock(shared.clock.begin());
        let usage = settings.warm_up.is_zero().then(Usage::begin);
        for (user, action) in (0_u64..).zip(actions) {
            tasks.set.spawn(L::work(action, Seat::new(&shared, user)));
        }
        Self {
            name,
            settings,
            plan: plan(&shared.load, settings.warm_up),
            shared,
            tasks,
            books: Books::new(aggregate),
            began_at,
            usage,
            stopped: None,
            cut: None,
            last_snapshot: Duration::ZERO,
            last_planned: 0,
            warnings: Vec::new(),
        }
    }

    /// Watches over the run until its end.
    pub(super) async fn run<O>(mut self, stops: &mut Stops<'_>, observer: &mut O) -> Run<A>
    where
        O: Observer<A>,
    {
        let clock = self.shared.clock;
        let Settings {
            interval, warm_up, ..
        } = *self.settings;
        let t0 = clock.at(warm_up);
        let after = |instant: Option<Instant>| instant.and_then(|at| at.checked_add(interval));
        let mut wait = self.shared.timer.wait_of_run();
        let mut tick = clock.at(interval);
        let end = clock.at(self.shared.load.duration());
        let mut cut_at = end.and_then(|end| end.checked_add(self.settings.graceful_stop));
        // Every user has ended.
        let mut idle = false;
        while !idle || self.has_time_left() {
            let warming_up = self.usage.is_none() && self.stopped.is_none();
            let times = [
                end.filter(|_| idle),
                cut_at.filter(|_| self.cut.is_none()),
                t0.filter(|_| warming_up),
                tick,
            ];
            let next = times.into_iter().flatten().min();
            let stop = tokio::select! {
                biased;
                reason = stops.next(observer), if self.stopped.is_none() => Some(reason),
                ended = self.tasks.set.join_next(), if !idle => match ended {
                    None => {
                        idle = true;
                        None
                    }
                    Some(ended) => {
                        self.warnings.extend(ended.err().and_then(warning_of));
                        None
                    }
                },
                () = until(&mut wait, next) => {
                    // What is later than that has its own turn, however late this one is: a
                    // cut-off must not come before those who were woken by then have run.
                    let is_next = |time: Option<Instant>| time.is_some() && time <= next;
                    if idle && is_next(end) {
                        break;
                    } else if self.cut.is_none() && is_next(cut_at) {
                        self.cut = Some(clock.now());
                        // Those who wait for their arrival to be due hear of it too.
                        self.shared.stop.stop();
                        self.tasks.set.abort_all();
                        None
                    } else if warming_up && is_next(t0) {
                        self.usage = Some(Usage::begin());
                        tick = after(t0);
                        None
                    } else {
                        tick = next_tick(tick, interval);
                        match self.tick(observer) {
                            ControlFlow::Break(reason) if self.stopped.is_none() => Some(reason),
                            _ => None,
                        }
                    }
                }
            };
            if let Some(reason) = stop {
                self.shared.stop.stop();
                let now = Instant::now();
                let time = now.checked_duration_since(clock.begin());
                self.stopped = Some((reason, time));
                // A grace time that runs already is not made longer.
                let from_now = now.checked_add(self.settings.graceful_stop);
                cut_at = cut_at.into_iter().chain(from_now).min();
            }
        }
        self.finish(observer)
    }

    /// Whether load has its full time still before it, although every user has
    /// ended: rates are counts by the time that was asked for.
    fn has_time_left(&self) -> bool {
        let load = &self.shared.load;
        self.stopped.is_none()
            && self.cut.is_none()
            && load.fills_its_time()
            && !load.remains()
            && self.shared.clock.now() < load.duration()
    }

    /// A time of the run, since t0; zero before that.
    fn since_t0(&self, time: Duration) -> Duration {
        time.saturating_sub(self.shared.warm_up)
    }

    /// How much of the warm-up is left; nothing of it passes after a stop.
    fn warm_up_left(&self) -> Option<Duration> {
        let now = match &self.stopped {
            Some((_, time)) => time.unwrap_or_default(),
            None => self.shared.clock.now(),
        };
        let left = self.shared.warm_up.checked_sub(now)?;
        (!left.is_zero()).then_some(left)
    }

    /// Collects what was recorded and shows the observer how the run stands.
    fn tick<O>(&mut self, observer: &mut O) -> ControlFlow<StopReason>
    where
        O: Observer<A>,
    {
        let mut snapshot;
        if self.warm_up_left().is_some() {
            snapshot = self.snapshot(Duration::ZERO, Account::default());
            snapshot.in_flight = 0;
        } else {
            self.books.collect(&self.shared.shards);
            let Shared {
                load,
                ledger,
                in_flight,
                clock,
                ..
            } = &*self.shared;
            let mut account = ledger.open(&self.books.tally, || in_flight.of_result());
            // The clock comes last: what has a fate by now was due by now.
            let now = clock.now();
            let (until, offered_rate) = match &self.stopped {
                Some((_, time)) => (
                    Until {
                        time: *time,
                        end: End::Stop,
                    },
                    0.0,
                ),
                None => (
                    Until {
                        time: Some(now),
                        end: End::NotYet,
                    },
                    load.rate_at(now),
                ),
            };
            let planned = load.planned(until).result.unwrap_or(account.planned);
            // Where that is what has begun, an iteration that is done and not
            // yet recorded is in neither figure for a moment.
            account.planned = planned.max(self.last_planned);
            self.last_planned = account.planned;
            snapshot = self.snapshot(self.since_t0(now), account);
            snapshot.offered_rate = offered_rate;
        }
        let answer = observer.on_interval(&snapshot);
        self.last_snapshot = snapshot.elapsed;
        answer
    }

    fn snapshot(&self, elapsed: Duration, account: Account) -> Snapshot<'_, A> {
        let mut snapshot =
            Snapshot::new(self.name, elapsed, &self.books.interval, &self.books.total);
        snapshot.plan = self.plan;
        snapshot.interval_length = elapsed.saturating_sub(self.last_snapshot);
        snapshot.in_flight = self.shared.in_flight.of_result();
        snapshot.account = account;
        snapshot.warm_up_left = self.warm_up_left();
        snapshot.model = self.shared.load.model();
        snapshot
    }

    /// Closes the books, after all users have ended.
    fn finish<O>(mut self, observer: &mut O) -> Run<A>
    where
        O: Observer<A>,
    {
        let shared = Arc::clone(&self.shared);
        let (busy, cpu) = self
            .usage
            .as_ref()
            .map_or((None, None), |usage| (usage.busy(), usage.cpu()));
        self.books.collect(&shared.shards);
        let tally = self.books.tally;
        let warm = shared
            .warm_shards
            .as_ref()
            .map(|shards| shards.sum(&self.books.total));
        let until = self.until(&tally);
        let no_tally = Tally::default();
        let warm_tally = warm.as_ref().map_or(&no_tally, |(_, tally)| tally);
        let accounts = shared
            .ledger
            .close(&shared.load, until, PerPhase::new(warm_tally, &tally));
        self.remark(until, accounts, tally.unrecorded + warm_tally.unrecorded);
        let until = until.time.unwrap_or_default();
        let load_time = self.since_t0(until);
        let last_cut = shared.ledger.last_cut(self.cut).unwrap_or_default();
        let elapsed = tally.last_end.max(self.since_t0(last_cut)).max(load_time);
        let reason = match &self.stopped {
            Some((reason, _)) => reason.clone(),
            None => StopReason::Completed,
        };
        let mut snapshot = self.snapshot(self.since_t0(shared.clock.now()), accounts.result);
        if snapshot.warm_up_left.is_some() {
            snapshot.elapsed = Duration::ZERO;
            snapshot.interval_length = Duration::ZERO;
        }
        snapshot.stopped = Some(&reason);
        // The answer to the last snapshot has no meaning.
        let _ = observer.on_interval(&snapshot);
        let warm_up = shared.warm_up.min(until);
        let mut run = Run::new(self.name, self.books.total, accounts.result, elapsed);
        run.load_time = load_time;
        run.stop = reason;
        run.started_at = self.began_at.and_then(|at| at.checked_add(warm_up));
        run.warnings = std::mem::take(&mut self.warnings);
        run.model = shared.load.model();
        run.warm_up = warm.map(|(sum, _)| WarmUp::new(warm_up, sum, accounts.warm_up));
        let mut health = GeneratorHealth::default();
        health.workers = shared.users;
        // An iteration that never had to wait was in flight for a moment too.
        health.peak_in_flight = shared
            .in_flight
            .peak()
            .max(accounts.result.completed.min(1));
        health.tolerance = TOLERANCE;
        health.late_with_free_worker = tally.late_with_free_worker;
        health.late_with_all_busy = tally.late_with_all_busy;
        health.busy = busy;
        health.cpu = cpu;
        run.generator = health;
        run
    }

    /// Until when arrivals were due.
    fn until(&self, tally: &Tally) -> Until {
        let load = &self.shared.load;
        let end = load.duration();
        let time = match &self.stopped {
            Some((_, time)) => time.map(|time| time.min(end)),
            None if self.cut.is_some() => Some(end),
            // Every user is lost, although none was stopped or cut off.
            None if load.remains() => Some(self.shared.clock.now().min(end)),
            None if load.fills_its_time() => Some(end),
            None => {
                let done = tally.completed + tally.unrecorded;
                let all_done = load.arrivals().is_some_and(|all| done >= all);
                let last = match all_done {
                    true => self.shared.warm_up + tally.last_end,
                    false => self.shared.clock.now(),
                };
                Some(last.min(end))
            }
        };
        Until {
            time,
            end: match self.stopped {
                Some(_) => End::Stop,
                None => End::Over,
            },
        }
    }

    /// Says what the figures do not.
    fn remark(&mut self, until: Until, accounts: PerPhase<Account>, unrecorded: u64) {
        let interrupted = accounts.warm_up.interrupted + accounts.result.interrupted;
        if self.cut.is_some() && interrupted > 0 {
            self.warnings.push(format!(
                "the grace time of {:?} was over before {interrupted} arrivals could be completed",
                self.settings.graceful_stop
            ));
        }
        let lost_early = self.shared.ledger.lost_early();
        let of_load = self.shared.load.remark(until, interrupted, lost_early);
        self.warnings.extend(of_load);
        if unrecorded > 0 {
            self.warnings.push(format!(
                "the aggregate panicked on {unrecorded} samples; they count as interrupted"
            ));
        }
    }
}

/// Waits for an instant; for ever if there is none.
async fn until(wait: &mut Wait, instant: Option<Instant>) {
    match instant {
        Some(instant) => poll_fn(|cx| wait.poll(cx, instant)).await,
        None => std::future::pending().await,
    }
}

/// The next multiple of the interval after now; those missed are left out.
fn next_tick(tick: Option<Instant>, interval: Duration) -> Option<Instant> {
    let tick = tick?;
    let behind = Instant::now().saturating_duration_since(tick);
    let missed = u32::try_from(behind.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX);
    tick.checked_add(interval.checked_mul(missed.saturating_add(1))?)
}

/// The wall clock at an instant.
fn wall_clock(instant: Instant) -> Option<SystemTime> {
    let now = Instant::now();
    match instant.checked_duration_since(now) {
        Some(ahead) => SystemTime::now().checked_add(ahead),
        None => SystemTime::now().checked_sub(now - instant),
    }
}

/// A worker that panicked outside of an iteration is a defect; one that was
/// cut off is not.
fn warning_of(error: JoinError) -> Option<String> {
    let panic = error.try_into_panic().ok()?;
    Some(format!("a worker was lost: {}", message_of(&*panic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ticks_that_were_missed_are_left_out() {
        let second = Duration::from_secs(1);
        let t0 = Instant::now();
        let first = t0 + second;
        assert_eq!(next_tick(Some(first), second), Some(t0 + 2 * second));
        tokio::time::advance(Duration::from_millis(3500)).await;
        assert_eq!(next_tick(Some(first), second), Some(t0 + 4 * second));
        assert_eq!(next_tick(Some(first), Duration::MAX), None);
        assert_eq!(next_tick(None, second), None);
    }
}
