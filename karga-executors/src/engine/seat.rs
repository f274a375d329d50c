//! One virtual user's place in a run: it waits, runs iterations and records
//! them, whatever decides when.

use std::{
    future::{Future, poll_fn},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use karga_core::{Action, Aggregate, Iteration};

use super::{
    Load, PerPhase, Phase,
    ledger::{Ledger, Legacy},
    stop::Stop,
};
use crate::{
    clock::Clock,
    health::{InFlight, TOLERANCE},
    padded::Padded,
    shard::{Late, Shards},
    timer::{Timer, Wait},
};

/// How long a user keeps its thread when there is always something to do.
/// Long enough to make the cost of a switch vanish, short enough for timers,
/// sockets and the observer, who share the thread.
const TURN: Duration = Duration::from_micros(200);

/// The most iterations in one turn: more than a turn is long, unless a test
/// has paused the clock.
const MOST_IN_TURN: u32 = 4096;

/// What the users of a run share.
#[derive(Debug)]
pub(crate) struct Shared<A, L: Load> {
    pub(crate) load: L,
    pub(crate) users: u64,
    /// Counts from the beginning of the run.
    pub(crate) clock: Clock,
    /// How long after it t0 is.
    pub(crate) warm_up: Duration,
    pub(crate) timer: Timer,
    pub(crate) shards: Shards<A>,
    /// Those of the warm-up, if there is one.
    pub(crate) warm_shards: Option<Shards<A>>,
    pub(crate) ledger: Ledger<L::Rest>,
    pub(crate) in_flight: Padded<InFlight>,
    pub(crate) stop: Padded<Stop>,
}

impl<A, L: Load> Shared<A, L> {
    /// What an arrival that is due then belongs to, and since when its times
    /// count.
    #[inline]
    fn phase(&self, due: Duration) -> (Phase, Duration) {
        if due < self.warm_up {
            (Phase::WarmUp, Duration::ZERO)
        } else {
            (Phase::Result, self.warm_up)
        }
    }
}

/// A user's place in the run. Whatever ends the user, dropping the seat
/// accounts for what it held.
#[derive(Debug)]
pub(crate) struct Seat<A, L: Load> {
    shared: Arc<Shared<A, L>>,
    pub(crate) user: u64,
    /// What the user has not begun.
    pub(crate) rest: Option<L::Rest>,
    wait: Wait,
    holds: Holds,
    begun: PerPhase<u64>,
    latest_due: Option<Duration>,
    /// The last reading of the clock.
    pub(crate) now: Duration,
    /// When the user last waited for something.
    turn: Duration,
    /// How often it could have given its thread away since the last time that
    /// it did.
    in_turn: u32,
    /// Whether `now` is too old to be the start of an iteration.
    stale: bool,
    /// When the last iteration that had to wait was done.
    waited_until: Option<Duration>,
}

/// What a user holds.
#[derive(Debug, Clone, Copy)]
enum Holds {
    Nothing,
    /// An iteration that is begun.
    Running(Phase),
    /// The same, and it waits for something.
    InFlight(Phase),
}

/// One iteration to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) index: u64,
    pub(crate) due: Duration,
    pub(crate) late: Late,
}

impl<A, L: Load> Seat<A, L> {
    pub(crate) fn new(shared: &Arc<Shared<A, L>>, user: u64) -> Self {
        Self {
            wait: shared.timer.wait(user),
            rest: Some(shared.load.rest(user)),
            shared: Arc::clone(shared),
            user,
            holds: Holds::Nothing,
            begun: PerPhase::default(),
            latest_due: None,
            now: Duration::ZERO,
            turn: Duration::ZERO,
            in_turn: 0,
            stale: true,
            waited_until: None,
        }
    }

    pub(crate) fn shared(&self) -> Arc<Shared<A, L>> {
        Arc::clone(&self.shared)
    }

    pub(crate) fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// Waits for the beginning of the run: load may have been set to start
    /// together with that of others.
    pub(crate) async fn begin(&mut self) {
        self.wait_until(Duration::ZERO).await;
    }

    /// Waits until `time`, or for the stop.
    pub(crate) async fn wait_until(&mut self, time: Duration) {
        let Self {
            shared, wait, user, ..
        } = self;
        let deadline = shared.clock.at(time);
        poll_fn(|cx| {
            shared.stop.call(*user, cx.waker());
            match deadline {
                _ if shared.stop.is_set() => Poll::Ready(()),
                Some(deadline) => wait.poll(cx, deadline),
                // Beyond what the clock can tell.
                None => Poll::Pending,
            }
        })
        .await;
        self.look();
        self.turn = self.now;
    }

    /// Reads the clock.
    #[inline]
    pub(crate) fn look(&mut self) {
        self.now = self.shared.clock.now();
        self.stale = false;
    }

    /// Reads the clock, unless the iteration before, which never waited, has
    /// only just ended.
    #[inline]
    pub(crate) fn look_if_stale(&mut self) {
        if self.stale {
            self.look();
        }
    }

    /// Whether nothing may begin or be dropped any more. To be asked after the
    /// clock was read for that, so that what has a fate was due before the
    /// stop.
    #[inline]
    pub(crate) fn is_stopped(&self) -> bool {
        self.shared.stop.is_set()
    }

    /// Why an iteration is late that should have started at `due` and starts
    /// now. It is the target's fault if the user was `busy` waiting for it.
    #[inline]
    pub(crate) fn late(&self, due: Duration, busy: impl FnOnce(&Self) -> bool) -> Late {
        if self.now.saturating_sub(due) <= TOLERANCE {
            Late::No
        } else if busy(self) {
            Late::AllBusy
        } else {
            Late::FreeWorker
        }
    }

    /// Whether this user waited for the target at `due` or since.
    pub(crate) fn was_busy_since(&self, due: Duration) -> bool {
        self.waited_until.is_some_and(|until| until >= due)
    }

    /// Whether all users did, so that nobody was free for an arrival.
    pub(crate) fn were_all_busy_since(&self, due: Duration) -> bool {
        self.shared.in_flight.was_full_since(due)
    }

    /// Lets an arrival go, which is its end as a start would be.
    pub(crate) fn drop_one(&mut self, due: Duration) {
        self.latest_due = Some(due);
        let (phase, _) = self.shared.phase(due);
        self.shared.ledger.drop_one(phase);
    }

    /// Notes that so many of the user's iterations cannot begin because it has
    /// to go.
    pub(crate) fn miss(&self, count: u64) {
        self.shared.ledger.miss(count);
    }

    /// Lets others have the thread, if it was this user's for long.
    #[inline]
    pub(crate) async fn end_turn(&mut self) {
        self.in_turn += 1;
        if self.now.saturating_sub(self.turn) >= TURN || self.in_turn >= MOST_IN_TURN {
            tokio::task::yield_now().await;
            self.look();
            self.turn = self.now;
            self.in_turn = 0;
        }
    }

    /// Runs one iteration, now, and records it. Whenever it has to wait,
    /// `pending` is asked whether it is to be cut off.
    ///
    /// The caller takes what is begun out of `rest` itself, right before.
    #[inline]
    pub(crate) async fn run<X>(
        &mut self,
        action: &X,
        arrival: Arrival,
        mut pending: impl FnMut(&mut Context<'_>) -> Poll<()>,
    ) where
        X: Action,
        A: Aggregate<X::Metric>,
    {
        let Arrival { index, due, late } = arrival;
        let start = self.now;
        let shared = &*self.shared;
        let (phase, base) = shared.phase(due);
        self.holds = Holds::Running(phase);
        self.latest_due = Some(due);
        *self.begun.of(phase) += 1;
        let iteration = Iteration::new(index, self.user, due - base);
        let holds = &mut self.holds;
        let ended = attempt(action, iteration, |cx| {
            if !matches!(holds, Holds::InFlight(_)) {
                shared.in_flight.enter(phase);
                *holds = Holds::InFlight(phase);
            }
            pending(cx)
        })
        .await;
        let end = shared.clock.now();
        self.now = end;
        // An iteration that waits is long: one that follows it reads the clock
        // for itself, after this one is recorded.
        self.stale = matches!(self.holds, Holds::InFlight(_));
        if self.stale {
            self.holds = Holds::Running(phase);
            match ended {
                Ended::Cut => shared.in_flight.abandon(phase),
                _ => shared.in_flight.leave(phase, end, shared.users),
            }
            self.turn = end;
            self.waited_until = Some(end);
        }
        let metric = match ended {
            Ended::Done(metric) => Some(metric),
            Ended::Panicked => None,
            Ended::Cut => {
                self.holds = Holds::Nothing;
                shared.ledger.cut_one(phase, end);
                return;
            }
        };
        let warm = shared.warm_shards.as_ref();
        let shards = warm.filter(|_| phase == Phase::WarmUp);
        let shards = shards.unwrap_or(&shared.shards);
        shards.record(iteration, start - base, end - base, metric, late);
        self.holds = Holds::Nothing;
    }
}

impl<A, L: Load> Drop for Seat<A, L> {
    fn drop(&mut self) {
        if let Holds::InFlight(phase) = self.holds {
            self.shared.in_flight.abandon(phase);
        }
        self.shared.ledger.leave(Legacy {
            begun: mem::take(&mut self.begun),
            cut: match self.holds {
                Holds::Nothing => None,
                Holds::Running(phase) | Holds::InFlight(phase) => Some(phase),
            },
            rest: self.rest.take(),
            latest_due: self.latest_due,
        });
    }
}

/// How an iteration ended.
enum Ended<M> {
    Done(M),
    /// When it was made, polled or dropped.
    Panicked,
    Cut,
}

/// Runs one iteration. `pending` is called whenever it has to wait, and cuts it
/// off when it is ready.
#[inline]
async fn attempt<X: Action>(
    action: &X,
    iteration: Iteration,
    mut pending: impl FnMut(&mut Context<'_>) -> Poll<()>,
) -> Ended<X::Metric> {
    let Ok(future) = catch_unwind(AssertUnwindSafe(|| action.call(iteration))) else {
        return Ended::Panicked;
    };
    let mut future = pin!(Some(future));
    let ended = poll_fn(|cx| {
        let poll = catch_unwind(AssertUnwindSafe(|| {
            future
                .as_mut()
                .as_pin_mut()
                .map_or(Poll::Pending, |future| future.poll(cx))
        }));
        match poll {
            Ok(Poll::Ready(metric)) => Poll::Ready(Ended::Done(metric)),
            Ok(Poll::Pending) => pending(cx).map(|()| Ended::Cut),
            Err(_) => Poll::Ready(Ended::Panicked),
        }
    })
    .await;
    match catch_unwind(AssertUnwindSafe(|| future.set(None))) {
        Ok(()) => ended,
        Err(_) if matches!(ended, Ended::Cut) => Ended::Cut,
        Err(_) => Ended::Panicked,
    }
}
