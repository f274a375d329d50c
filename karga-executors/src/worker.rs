//! One virtual user under load: claims the next arrival, waits until it is
//! due, runs it and records it.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use karga_core::{Action, Aggregate, Iteration, schedule::Block};

use crate::{
    account::{Arriving, Claim, Ledger},
    clock::Clock,
    health::{InFlight, TOLERANCE},
    padded::Padded,
    shard::{Late, Shards},
    timer::{Timer, Wait},
};

/// How long a worker keeps its thread when there is always something to do.
/// Long enough to make the cost of a switch vanish, short enough for timers,
/// sockets and the observer, who share the thread.
const TURN: Duration = Duration::from_micros(200);

/// What the workers of a run share.
#[derive(Debug)]
pub(crate) struct Shared<A> {
    pub(crate) arriving: Arriving,
    /// How late an arrival may be before it is dropped.
    pub(crate) max_lag: Option<Duration>,
    pub(crate) workers: u64,
    pub(crate) clock: Clock,
    pub(crate) timer: Timer,
    pub(crate) shards: Shards<A>,
    pub(crate) ledger: Ledger,
    pub(crate) in_flight: Padded<InFlight>,
    pub(crate) stop: Padded<Stop>,
}

/// Tells workers not to begin anything any more.
#[derive(Debug)]
pub(crate) struct Stop {
    set: AtomicBool,
    /// Those who wait for an arrival to be due, one place for each worker.
    waiting: Box<[Mutex<Option<Waker>>]>,
}

impl Stop {
    pub(crate) fn new(workers: u64) -> Self {
        Self {
            set: AtomicBool::new(false),
            waiting: (0..workers).map(|_| Mutex::default()).collect(),
        }
    }

    /// Stops. When this returns, a worker that looks at the clock and then at
    /// the flag sees the flag.
    pub(crate) fn stop(&self) {
        self.set.store(true, Ordering::SeqCst);
        for place in &self.waiting {
            let waker = place.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    #[inline]
    fn is_set(&self) -> bool {
        self.set.load(Ordering::SeqCst)
    }

    /// Has `waker` called at the stop.
    fn call(&self, worker: u64, waker: &Waker) {
        let place = usize::try_from(worker)
            .ok()
            .and_then(|at| self.waiting.get(at));
        if let Some(place) = place {
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *place {
                Some(known) if known.will_wake(waker) => {}
                place => *place = Some(waker.clone()),
            }
        }
    }
}

/// A worker's place in the run. Whatever ends the worker, dropping the seat
/// accounts for the arrival that it held.
#[derive(Debug)]
pub(crate) struct Seat<A> {
    shared: Arc<Shared<A>>,
    user: u64,
    wait: Wait,
    holds: Holds,
    latest_due: Option<Duration>,
    drawn: Option<Arc<Block>>,
}

/// What a worker holds.
#[derive(Debug, Clone, Copy)]
enum Holds {
    Nothing,
    /// An arrival of the slice that is not begun.
    Claimed(u64),
    /// An iteration that is begun.
    Running,
    /// The same, and it waits for something.
    InFlight,
}

impl<A> Seat<A> {
    pub(crate) fn new(shared: Arc<Shared<A>>, user: u64) -> Self {
        Self {
            wait: shared.timer.wait(user),
            shared,
            user,
            holds: Holds::Nothing,
            latest_due: None,
            drawn: None,
        }
    }

    #[inline]
    fn claim(&mut self) -> Option<Claim> {
        let claim = self.shared.arriving.claim(&mut self.drawn)?;
        self.holds = Holds::Claimed(claim.k);
        Some(claim)
    }

    /// Waits until `time`, or for the stop.
    async fn wait_until(&mut self, time: Duration) {
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
    }

    /// Why an arrival that starts at `start` is late, if it is. A worker that
    /// had been waiting for it was free.
    #[inline]
    fn lateness(&self, due: Duration, start: Duration, waited: bool) -> Late {
        if start.saturating_sub(due) <= TOLERANCE {
            Late::No
        } else if !waited && self.shared.in_flight.was_full_since(due) {
            Late::AllBusy
        } else {
            Late::FreeWorker
        }
    }
}

impl<A> Drop for Seat<A> {
    fn drop(&mut self) {
        let unbegun = match self.holds {
            Holds::Claimed(k) => Some(k),
            _ => None,
        };
        let cut = matches!(self.holds, Holds::Running | Holds::InFlight);
        if matches!(self.holds, Holds::InFlight) {
            self.shared.in_flight.abandon();
        }
        self.shared.ledger.leave(cut, unbegun, self.latest_due);
    }
}

/// Runs one worker to the end of the schedule, or to the stop.
pub(crate) async fn work<X, A>(action: X, mut seat: Seat<A>)
where
    X: Action,
    A: Aggregate<X::Metric>,
{
    let shared = Arc::clone(&seat.shared);
    let clock = shared.clock;
    // Load may have been set to start together with that of others.
    seat.wait_until(Duration::ZERO).await;
    let mut now = clock.now();
    let mut turn = now;
    while !shared.stop.is_set() {
        let Some(claim) = seat.claim() else { break };
        let due = claim.due;
        // `now` is the end of the iteration before: good enough to see that an
        // arrival is overdue, and one reading of the clock less.
        if due > now {
            now = clock.now();
        }
        let waited = due > now;
        if waited {
            seat.wait_until(due).await;
            now = clock.now();
            turn = now;
        } else if shared.max_lag.is_some_and(|max_lag| now - due > max_lag) {
            seat.holds = Holds::Nothing;
            shared.ledger.drop_one();
            now = clock.now();
            if now.saturating_sub(turn) >= TURN {
                tokio::task::yield_now().await;
                now = clock.now();
                turn = now;
            }
            continue;
        } else {
            now = clock.now();
        }
        // After the clock, so that what is begun was due before the stop.
        if shared.stop.is_set() {
            break;
        }
        let start = now;
        seat.holds = Holds::Running;
        seat.latest_due = Some(due);
        let late = seat.lateness(due, start, waited);
        let iteration = Iteration::new(claim.index, seat.user, due);
        let holds = &mut seat.holds;
        let metric = attempt(&action, iteration, || {
            if !matches!(holds, Holds::InFlight) {
                shared.in_flight.enter();
                *holds = Holds::InFlight;
            }
        })
        .await;
        let end = clock.now();
        if matches!(seat.holds, Holds::InFlight) {
            seat.holds = Holds::Running;
            shared.in_flight.leave(end, shared.workers);
            turn = end;
        }
        shared.shards.record(iteration, start, end, metric, late);
        seat.holds = Holds::Nothing;
        now = end;
        if now.saturating_sub(turn) >= TURN {
            tokio::task::yield_now().await;
            now = clock.now();
            turn = now;
        }
    }
}

/// Runs one iteration; `None` if it panicked: when it was made, polled or
/// dropped. `pending` is called whenever it has to wait.
#[inline]
async fn attempt<X: Action>(
    action: &X,
    iteration: Iteration,
    mut pending: impl FnMut(),
) -> Option<X::Metric> {
    let future = catch_unwind(AssertUnwindSafe(|| action.call(iteration))).ok()?;
    let mut future = pin!(Some(future));
    let metric = poll_fn(|cx| {
        let poll = catch_unwind(AssertUnwindSafe(|| {
            future
                .as_mut()
                .as_pin_mut()
                .map_or(Poll::Ready(None), |future| future.poll(cx).map(Some))
        }));
        match poll {
            Ok(Poll::Ready(metric)) => Poll::Ready(metric),
            Ok(Poll::Pending) => {
                pending();
                Poll::Pending
            }
            Err(_) => Poll::Ready(None),
        }
    })
    .await;
    catch_unwind(AssertUnwindSafe(|| future.set(None))).ok()?;
    metric
}
