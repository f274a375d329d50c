//! What became of every arrival. Completed and dropped ones, those cut off and
//! those never begun are counted each on their own, where it happens; that
//! they add up is a test of the executor, not the definition of one of them.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use karga_core::{Account, Arrivals, Slice, schedule::Block};

use crate::{padded::Padded, shard::Tally};

/// The arrivals to come, of one generator.
#[derive(Debug)]
pub(crate) struct Arriving {
    slice: Slice,
    /// The blocks of random arrivals that were drawn last; `None` for uniform
    /// ones, whose due times are cheap.
    drawn: Option<Mutex<VecDeque<Arc<Block>>>>,
    /// The next arrival of the slice that nobody has claimed.
    next: Padded<AtomicU64>,
}

/// One arrival, claimed by a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    /// Its number in the slice.
    pub(crate) k: u64,
    /// Its number in the whole schedule.
    pub(crate) index: u64,
    pub(crate) due: Duration,
}

impl Arriving {
    pub(crate) fn new(slice: Slice) -> Self {
        let uniform = slice.schedule().arrivals() == Arrivals::Uniform;
        Self {
            slice,
            drawn: (!uniform).then(Mutex::default),
            next: Padded::default(),
        }
    }

    pub(crate) fn slice(&self) -> &Slice {
        &self.slice
    }

    /// Claims the next arrival; `None` when there are no more. The memo holds
    /// what was drawn last and belongs to the worker.
    #[inline]
    pub(crate) fn claim(&self, memo: &mut Option<Arc<Block>>) -> Option<Claim> {
        let k = self.next.fetch_add(1, Ordering::Relaxed);
        let index = self.slice.index(k)?;
        let due = match &self.drawn {
            None => self.slice.schedule().due(index)?,
            Some(drawn) => match memo.as_ref().and_then(|block| block.due(index)) {
                Some(due) => due,
                None => {
                    let block = self.draw(drawn, index)?;
                    let due = block.due(index)?;
                    *memo = Some(block);
                    due
                }
            },
        };
        Some(Claim { k, index, due })
    }

    /// The block of an arrival. Workers are near each other, so a few blocks
    /// are kept for all of them.
    #[cold]
    fn draw(&self, drawn: &Mutex<VecDeque<Arc<Block>>>, index: u64) -> Option<Arc<Block>> {
        const KEPT: usize = 4;
        let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let known = drawn
            .iter()
            .find(|block| (block.first()..block.end()).contains(&index));
        if let Some(block) = known {
            return Some(Arc::clone(block));
        }
        let block = Arc::new(self.slice.schedule().block(index)?);
        if drawn.len() == KEPT {
            drawn.pop_front();
        }
        drawn.push_back(Arc::clone(&block));
        Some(block)
    }

    /// How many arrivals were claimed.
    pub(crate) fn claimed(&self) -> u64 {
        self.next.load(Ordering::Acquire).min(self.slice.len())
    }
}

/// Arrivals that did not become a sample.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    dropped: Padded<AtomicU64>,
    left: Mutex<Left>,
}

/// What workers leave behind when they end; bounded by their number.
#[derive(Debug, Default)]
struct Left {
    /// Iterations cut off in flight.
    cut: u64,
    /// Arrivals (numbers in the slice) that were claimed and never begun.
    unbegun: Vec<u64>,
    /// The latest due time of an arrival that was begun.
    latest_due: Option<Duration>,
}

impl Ledger {
    /// Counts an arrival that the overload policy lets go.
    pub(crate) fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Takes in what a worker leaves behind.
    pub(crate) fn leave(&self, cut: bool, unbegun: Option<u64>, latest_due: Option<Duration>) {
        let mut left = self.left();
        left.cut += u64::from(cut);
        left.unbegun.extend(unbegun);
        left.latest_due = left.latest_due.max(latest_due);
    }

    /// Whether any iteration was cut off in flight.
    pub(crate) fn has_cut(&self) -> bool {
        self.left().cut > 0
    }

    /// The account so far, `planned` being known.
    pub(crate) fn open(&self, planned: u64, tally: &Tally) -> Account {
        let cut = self.left().cut;
        Account::new(
            planned,
            tally.completed,
            self.dropped(),
            tally.unrecorded + cut,
        )
    }

    /// The account of a run that ended, after all workers have: arrivals were
    /// due `until` then, or not at all.
    pub(crate) fn close(
        &self,
        arriving: &Arriving,
        until: Option<Duration>,
        tally: &Tally,
    ) -> Account {
        let left = self.left();
        // What was begun was due, in any order in which two threads saw the
        // stop and the clock.
        let until = until.max(left.latest_due);
        let planned = until.map_or(0, |until| arriving.slice().count_until(until));
        let unclaimed = planned.saturating_sub(arriving.claimed());
        let unbegun = left.unbegun.iter().filter(|k| **k < planned).count() as u64;
        let account = Account::new(
            planned,
            tally.completed,
            self.dropped(),
            unclaimed + unbegun + left.cut + tally.unrecorded,
        );
        debug_assert!(account.is_balanced(), "{account:?}");
        account
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use karga_core::{Schedule, Stage};

    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// 1000/s for 1 s, of which so many are claimed.
    fn claimed(count: u64) -> Arriving {
        let schedule = Schedule::builder()
            .start_rate(1000.0)
            .stages([Stage::new(ms(1000), 1000.0)])
            .build()
            .unwrap();
        let arriving = Arriving::new(schedule.slice(0, 1).unwrap());
        for k in 0..count {
            let claim = arriving.claim(&mut None).unwrap();
            assert_eq!((claim.k, claim.index, claim.due), (k, k, ms(k)));
        }
        arriving
    }

    fn completed(completed: u64) -> Tally {
        Tally {
            completed,
            ..Tally::default()
        }
    }

    #[test]
    fn every_arrival_has_one_fate() {
        let ledger = Ledger::default();
        // Stopped at 99 ms, when 0 ... 99 were due and 0 ... 59 claimed: one
        // dropped, one cut off, one not begun, one that nobody could record.
        ledger.drop_one();
        ledger.leave(true, None, Some(ms(58)));
        ledger.leave(false, Some(59), None);
        let tally = Tally {
            unrecorded: 1,
            ..completed(56)
        };
        let account = ledger.close(&claimed(60), Some(ms(99)), &tally);
        assert_eq!(account, Account::new(100, 56, 1, 43));
        assert!(ledger.has_cut());
    }

    #[test]
    fn what_was_claimed_and_not_due_was_not_planned() {
        let ledger = Ledger::default();
        for k in 8..12 {
            ledger.leave(false, Some(k), Some(ms(7)));
        }
        let account = ledger.close(&claimed(12), Some(ms(9)), &completed(8));
        assert_eq!(account, Account::new(10, 8, 0, 2));
    }

    #[test]
    fn what_was_begun_was_planned() {
        let ledger = Ledger::default();
        ledger.leave(false, None, Some(ms(10)));
        let account = ledger.close(&claimed(11), Some(ms(9)), &completed(11));
        assert_eq!(account, Account::new(11, 11, 0, 0));
    }

    #[test]
    fn nothing_is_due_before_the_start() {
        let account = Ledger::default().close(&claimed(0), None, &completed(0));
        assert_eq!(account, Account::default());
    }
}
