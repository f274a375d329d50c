use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use karga_core::{Account, Action, Aggregate, Merge, Observer, Plan, Run, Snapshot, StopReason};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};

use super::{StageExecutor, execute::Stops};
use crate::{
    connect::message_of,
    health::{TOLERANCE, Usage},
    shard::Books,
    worker::{Seat, Shared, work},
};

/// A run from t0 to its end.
pub(super) struct Load<'a, A> {
    name: &'a str,
    plan: Plan,
    graceful_stop: Duration,
    interval: Duration,
    shared: Arc<Shared<A>>,
    tasks: Tasks<A>,
    books: Books<A>,
    started_at: Option<SystemTime>,
    /// Why and when, since t0, the run was stopped; no time before t0.
    stopped: Option<(StopReason, Option<Duration>)>,
    /// When the last snapshot was taken, since t0.
    last_snapshot: Duration,
    warnings: Vec<String>,
}

/// Ends all load when it is dropped.
struct Tasks<A> {
    set: JoinSet<()>,
    shared: Arc<Shared<A>>,
}

impl<A> Drop for Tasks<A> {
    fn drop(&mut self) {
        // The set aborts its tasks; the flag also ends the turn of a worker
        // that is running right now.
        self.shared.stop.stop();
    }
}

impl<'a, A: Merge> Load<'a, A> {
    /// Starts a worker for each action.
    pub(super) fn start<X>(
        executor: &StageExecutor,
        name: &'a str,
        shared: Arc<Shared<A>>,
        actions: Vec<X>,
        aggregate: A,
    ) -> Self
    where
        X: Action,
        A: Aggregate<X::Metric>,
    {
        let started_at = wall_clock(shared.clock.t0());
        let mut tasks = Tasks {
            set: JoinSet::new(),
            shared: Arc::clone(&shared),
        };
        for (user, action) in (0_u64..).zip(actions) {
            tasks
                .set
                .spawn(work(action, Seat::new(Arc::clone(&shared), user)));
        }
        Self {
            name,
            plan: executor.plan(),
            graceful_stop: executor.graceful_stop,
            interval: executor.interval,
            shared,
            tasks,
            books: Books::new(aggregate),
            started_at,
            stopped: None,
            last_snapshot: Duration::ZERO,
            warnings: Vec::new(),
        }
    }

    /// Watches over the run until its end.
    pub(super) async fn run<O>(
        mut self,
        stops: &mut Stops<'_>,
        observer: &mut O,
        usage: &Usage,
    ) -> Run<A>
    where
        O: Observer<A>,
    {
        let clock = self.shared.clock;
        let mut tick = clock.at(self.interval);
        let mut cut_at = clock
            .at(self.schedule_end())
            .and_then(|end| end.checked_add(self.graceful_stop));
        let end = clock.at(self.schedule_end());
        let mut cut = None;
        // The schedule has its full time, also when the last arrival is done
        // before: rates are counts by the time that was asked for.
        let mut idle = false;
        while !idle || (self.stopped.is_none() && cut.is_none() && self.has_time_left()) {
            let stop = tokio::select! {
                biased;
                reason = stops.next(), if self.stopped.is_none() => Some(reason),
                () = at(end), if idle => None,
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
                () = at(cut_at), if cut.is_none() => {
                    cut = Some(clock.now());
                    // Those who wait for their arrival to be due hear of it too.
                    self.shared.stop.stop();
                    self.tasks.set.abort_all();
                    None
                }
                () = at(tick) => {
                    tick = next_tick(tick, self.interval);
                    match self.tick(observer) {
                        ControlFlow::Break(reason) if self.stopped.is_none() => Some(reason),
                        _ => None,
                    }
                }
            };
            if let Some(reason) = stop {
                self.shared.stop.stop();
                let now = Instant::now();
                let time = now.checked_duration_since(clock.t0());
                self.stopped = Some((reason, time));
                // A grace time that runs already is not made longer.
                let from_now = now.checked_add(self.graceful_stop);
                cut_at = cut_at.into_iter().chain(from_now).min();
            }
        }
        self.finish(observer, usage, cut)
    }

    fn schedule_end(&self) -> Duration {
        self.shared.arriving.slice().schedule().duration()
    }

    /// Whether every arrival was claimed before the end of the schedule.
    fn has_time_left(&self) -> bool {
        let arriving = &self.shared.arriving;
        arriving.claimed() == arriving.slice().len()
            && self.shared.clock.now() < self.schedule_end()
    }

    /// Collects what was recorded and shows the observer how the run stands.
    fn tick<O>(&mut self, observer: &mut O) -> ControlFlow<StopReason>
    where
        O: Observer<A>,
    {
        self.books.collect(&self.shared.shards);
        let elapsed = self.shared.clock.now();
        let slice = self.shared.arriving.slice();
        let (due_until, offered_rate) = match &self.stopped {
            Some((_, time)) => (*time, 0.0),
            None => (Some(elapsed), slice.rate_at(elapsed)),
        };
        let planned = due_until.map_or(0, |time| slice.count_until(time));
        let account = self.shared.ledger.open(planned, &self.books.tally);
        let mut snapshot = self.snapshot(elapsed, account);
        snapshot.offered_rate = offered_rate;
        let answer = observer.on_interval(&snapshot);
        self.last_snapshot = elapsed;
        answer
    }

    fn snapshot(&self, elapsed: Duration, account: Account) -> Snapshot<'_, A> {
        let mut snapshot =
            Snapshot::new(self.name, elapsed, &self.books.interval, &self.books.total);
        snapshot.plan = self.plan;
        snapshot.interval_length = elapsed.saturating_sub(self.last_snapshot);
        snapshot.in_flight = self.shared.in_flight.now();
        snapshot.account = account;
        snapshot
    }

    /// Closes the books, after all workers have ended.
    fn finish<O>(mut self, observer: &mut O, usage: &Usage, cut: Option<Duration>) -> Run<A>
    where
        O: Observer<A>,
    {
        let shared = Arc::clone(&self.shared);
        let busy = usage.busy();
        let cpu = usage.cpu();
        self.books.collect(&shared.shards);
        let tally = self.books.tally;
        let all_claimed = shared.arriving.claimed() == shared.arriving.slice().len();
        let (reason, until) = match self.stopped.take() {
            Some((reason, time)) => (reason, time),
            // Arrivals remain that nobody stopped: the grace time is over, or
            // every worker is lost.
            None if cut.is_some() || all_claimed => {
                (StopReason::Completed, Some(self.schedule_end()))
            }
            None => (StopReason::Completed, Some(shared.clock.now())),
        };
        let until = until.map(|until| until.min(self.schedule_end()));
        let account = shared.ledger.close(&shared.arriving, until, &tally);
        if cut.is_some() && account.interrupted > 0 {
            self.warnings.push(format!(
                "the grace time of {:?} was over before {} arrivals could be completed",
                self.graceful_stop, account.interrupted
            ));
        }
        if tally.unrecorded > 0 {
            self.warnings.push(format!(
                "the aggregate panicked on {} samples; they count as interrupted",
                tally.unrecorded
            ));
        }
        let load_time = until.unwrap_or_default();
        let last_end = match cut {
            Some(cut) if shared.ledger.has_cut() => cut.max(tally.last_end),
            _ => tally.last_end,
        };
        let elapsed = last_end.max(load_time);
        let mut snapshot = self.snapshot(shared.clock.now(), account);
        snapshot.stopped = Some(&reason);
        // The answer to the last snapshot has no meaning.
        let _ = observer.on_interval(&snapshot);
        let (name, started_at) = (self.name, self.started_at);
        let warnings = std::mem::take(&mut self.warnings);
        let mut run = Run::new(name, self.books.total, account, elapsed);
        run.load_time = load_time;
        run.stop = reason;
        run.started_at = started_at;
        run.warnings = warnings;
        run.generator.workers = shared.workers;
        // An iteration that never had to wait was in flight for a moment too.
        run.generator.peak_in_flight = shared.in_flight.peak().max(account.completed.min(1));
        run.generator.tolerance = TOLERANCE;
        run.generator.late_with_free_worker = tally.late_with_free_worker;
        run.generator.late_with_all_busy = tally.late_with_all_busy;
        run.generator.busy = busy;
        run.generator.cpu = cpu;
        run
    }
}

/// Waits for an instant; for ever if there is none.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
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
