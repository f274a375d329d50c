//! What became of every arrival. Completed and dropped ones, those cut off and
//! those never begun are counted each on their own, where it happens; that
//! they add up is a test of the executor, not the definition of one of them.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use karga_core::Account;

use super::{Load, PerPhase, Phase, Until};
use crate::{padded::Padded, shard::Tally};

/// Arrivals that did not become a sample, and what users leave behind.
#[derive(Debug)]
pub(crate) struct Ledger<R> {
    dropped: PerPhase<Padded<AtomicU64>>,
    left: Mutex<Left<R>>,
}

/// What users leave behind when they end; bounded by their number.
#[derive(Debug)]
struct Left<R> {
    /// Iterations that began.
    begun: PerPhase<u64>,
    /// Iterations cut off in flight.
    cut: PerPhase<u64>,
    /// Those of them, and of those never begun, whose users had to go.
    lost_early: u64,
    /// When one of the result was cut off because its user had to go.
    last_cut: Option<Duration>,
    /// Arrivals that were claimed and never begun.
    rests: Vec<R>,
    /// The latest due time of an arrival that was begun or dropped.
    latest_due: Option<Duration>,
}

/// What one user leaves behind.
#[derive(Debug)]
pub(crate) struct Legacy<R> {
    pub(crate) begun: PerPhase<u64>,
    /// Whether it was cut off in an iteration.
    pub(crate) cut: Option<Phase>,
    pub(crate) rest: Option<R>,
    pub(crate) latest_due: Option<Duration>,
}

impl<R> Default for Ledger<R> {
    fn default() -> Self {
        Self {
            dropped: PerPhase::default(),
            left: Mutex::new(Left {
                begun: PerPhase::default(),
                cut: PerPhase::default(),
                lost_early: 0,
                last_cut: None,
                rests: Vec::new(),
                latest_due: None,
            }),
        }
    }
}

impl<R> Ledger<R> {
    /// Counts an arrival that the overload policy lets go.
    pub(crate) fn drop_one(&self, phase: Phase) {
        self.dropped(phase).fetch_add(1, Ordering::Relaxed);
    }

    fn dropped(&self, phase: Phase) -> &AtomicU64 {
        match phase {
            Phase::WarmUp => &self.dropped.warm_up,
            Phase::Result => &self.dropped.result,
        }
    }

    /// Counts an iteration that is cut off while its user goes on to exist.
    pub(crate) fn cut_one(&self, phase: Phase, at: Duration) {
        let mut left = self.left();
        *left.cut.of(phase) += 1;
        left.lost_early += 1;
        if phase == Phase::Result {
            left.last_cut = left.last_cut.max(Some(at));
        }
    }

    /// Takes in what a user leaves behind.
    pub(crate) fn leave(&self, legacy: Legacy<R>) {
        let mut left = self.left();
        left.begun.add(legacy.begun);
        if let Some(phase) = legacy.cut {
            *left.cut.of(phase) += 1;
        }
        left.rests.extend(legacy.rest);
        left.latest_due = left.latest_due.max(legacy.latest_due);
    }

    /// Notes that so many were not begun because their user had to go.
    pub(crate) fn miss(&self, count: u64) {
        self.left().lost_early += count;
    }

    /// How many were cut off or not begun because their users had to go.
    pub(crate) fn lost_early(&self) -> u64 {
        self.left().lost_early
    }

    /// When the last iteration of the result was cut off, if the run cut those
    /// in flight at `cut`.
    pub(crate) fn last_cut(&self, cut: Option<Duration>) -> Option<Duration> {
        let left = self.left();
        let at_the_end = cut.filter(|_| left.cut.result > 0);
        left.last_cut.max(at_the_end)
    }

    /// The account of the result so far, in which what has begun was planned.
    /// Of what is collected already this is `tally`.
    ///
    /// What is `in_flight` is asked last, because an iteration is in flight no
    /// more before it is recorded or cut off: so none is counted twice.
    pub(crate) fn open(&self, tally: &Tally, in_flight: impl FnOnce() -> u64) -> Account {
        let interrupted = tally.unrecorded + self.left().cut.result;
        let dropped = self.dropped(Phase::Result).load(Ordering::Relaxed);
        let begun = tally.completed + dropped + interrupted + in_flight();
        Account::new(begun, tally.completed, dropped, interrupted)
    }

    /// The accounts of a run that ended, after all users have: arrivals were
    /// due `until` then, or not at all.
    pub(crate) fn close<L>(
        &self,
        load: &L,
        mut until: Until,
        tally: PerPhase<&Tally>,
    ) -> PerPhase<Account>
    where
        L: Load<Rest = R>,
    {
        let left = self.left();
        // What was begun or dropped was due, in any order in which two threads
        // saw the stop and the clock.
        until.time = until.time.max(left.latest_due);
        let planned = load.planned(until);
        let unbegun = load.unbegun(until, &left.rests);
        let account = |phase, planned: Option<u64>, unbegun, begun, cut, tally: &Tally| {
            let account = Account::new(
                planned.unwrap_or(begun),
                tally.completed,
                self.dropped(phase).load(Ordering::Relaxed),
                unbegun + cut + tally.unrecorded,
            );
            debug_assert!(account.is_balanced(), "{phase:?}: {account:?}");
            account
        };
        PerPhase::new(
            account(
                Phase::WarmUp,
                planned.warm_up,
                unbegun.warm_up,
                left.begun.warm_up,
                left.cut.warm_up,
                tally.warm_up,
            ),
            account(
                Phase::Result,
                planned.result,
                unbegun.result,
                left.begun.result,
                left.cut.result,
                tally.result,
            ),
        )
    }

    fn left(&self) -> MutexGuard<'_, Left<R>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
