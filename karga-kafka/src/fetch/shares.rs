//! The partitions that the users of one scenario share, each in one pair of hands at a time.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Every partition's position, and which of them are free.
///
/// A user claims free partitions of one leader for one fetch, moves their positions on and lets
/// them go. So every record is read once by all users together, as by one consumer group, and a
/// fetch that is cancelled or fails leaves the positions as they were.
#[derive(Debug)]
pub(crate) struct Shares {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    slots: Vec<Slot>,
    /// Indices into `slots`; the one that was free the longest comes first.
    free: VecDeque<usize>,
    lag: u64,
}

/// One partition as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) partition: i32,
    /// The next offset to read.
    pub(crate) position: i64,
    /// The newest known.
    pub(crate) high_watermark: i64,
}

impl Slot {
    fn lag(&self) -> u64 {
        u64::try_from(self.high_watermark.saturating_sub(self.position)).unwrap_or(0)
    }
}

/// Partitions in the hands of one user; dropped, they are free again.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    shares: &'a Shares,
    held: Vec<(usize, Slot)>,
}

impl Shares {
    pub(crate) fn new(slots: Vec<Slot>) -> Self {
        Self {
            state: Mutex::new(State {
                free: (0..slots.len()).collect(),
                lag: slots.iter().map(Slot::lag).sum(),
                slots,
            }),
            freed: Notify::new(),
        }
    }

    /// How many partitions there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().slots.len()
    }

    /// Every partition.
    #[cfg(feature = "rskafka")]
    pub(crate) fn partitions(&self) -> Vec<i32> {
        let state = self.lock();
        state.slots.iter().map(|slot| slot.partition).collect()
    }

    /// High watermark less position, over all partitions.
    pub(crate) fn lag(&self) -> u64 {
        self.lock().lag
    }

    /// Claims at most `most` (but at least one) free partitions that have the same leader as the
    /// one that was free the longest; waits while none is free.
    pub(crate) async fn claim(
        &self,
        most: usize,
        leader: impl Fn(i32) -> Option<i32>,
    ) -> Claim<'_> {
        loop {
            // A permit that is given between the attempt and the wait is kept for the wait.
            if let Some(claim) = self.try_claim(most, &leader) {
                return claim;
            }
            self.freed.notified().await;
        }
    }

    fn try_claim(&self, most: usize, leader: &impl Fn(i32) -> Option<i32>) -> Option<Claim<'_>> {
        let mut state = self.lock();
        let first = state.free.pop_front()?;
        let mut held = vec![(first, state.slots[first])];
        if most > 1 && !state.free.is_empty() {
            let common = leader(state.slots[first].partition);
            let State { slots, free, .. } = &mut *state;
            free.retain(|&index| {
                let slot = slots[index];
                let takes = held.len() < most && leader(slot.partition) == common;
                if takes {
                    held.push((index, slot));
                }
                !takes
            });
        }
        if !state.free.is_empty() {
            self.freed.notify_one();
        }
        Some(Claim { shares: self, held })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and the state would be whole if it did.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim<'_> {
    /// The partitions held, never none.
    pub(crate) fn slots(&self) -> impl ExactSizeIterator<Item = Slot> {
        self.held.iter().map(|(_, slot)| *slot)
    }

    /// Changes one of the partitions held, for all to see; nothing if it is not held.
    pub(crate) fn update(&mut self, partition: i32, change: impl FnOnce(&mut Slot)) {
        let held = self.held.iter_mut();
        let Some((index, slot)) = held
            .into_iter()
            .find(|(_, slot)| slot.partition == partition)
        else {
            return;
        };
        let before = slot.lag();
        change(slot);
        let mut state = self.shares.lock();
        state.slots[*index] = *slot;
        state.lag = state.lag - before + slot.lag();
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.shares.lock();
        state.free.extend(self.held.iter().map(|(index, _)| *index));
        drop(state);
        self.shares.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(partitions: i32) -> Shares {
        let slot = |partition| Slot {
            partition,
            position: 0,
            high_watermark: 10,
        };
        Shares::new((0..partitions).map(slot).collect())
    }

    fn partitions(claim: &Claim<'_>) -> Vec<i32> {
        claim.slots().map(|slot| slot.partition).collect()
    }

    fn one_leader(_: i32) -> Option<i32> {
        Some(1)
    }

    #[tokio::test]
    async fn nobody_gets_what_another_holds_and_the_longest_free_comes_first() {
        let shares = shares(5);
        let first = shares.claim(2, one_leader).await;
        let second = shares.claim(2, one_leader).await;
        let third = shares.claim(2, one_leader).await;
        assert_eq!(partitions(&first), [0, 1]);
        assert_eq!(partitions(&second), [2, 3]);
        assert_eq!(partitions(&third), [4]);
        drop(second);
        drop(first);
        assert_eq!(partitions(&shares.claim(3, one_leader).await), [2, 3, 0]);
    }

    #[tokio::test]
    async fn a_claim_has_one_leader() {
        let shares = shares(4);
        let even_and_odd = |partition: i32| Some(partition % 2);
        assert_eq!(partitions(&shares.claim(9, even_and_odd).await), [0, 2]);
        // Those went to the end of the row.
        assert_eq!(partitions(&shares.claim(9, even_and_odd).await), [1, 3]);
    }

    #[tokio::test]
    async fn positions_and_lag_are_what_was_last_said() {
        let shares = shares(2);
        assert_eq!(shares.lag(), 20);
        let mut claim = shares.claim(1, one_leader).await;
        claim.update(0, |slot| slot.position = 7);
        claim.update(1, |slot| slot.position = 9); // not held
        assert_eq!(shares.lag(), 13);
        claim.update(0, |slot| slot.high_watermark = 5); // cannot be, but must not underflow
        assert_eq!(shares.lag(), 10);
        drop(claim);
        let claim = shares.claim(2, one_leader).await;
        let positions: Vec<_> = claim
            .slots()
            .map(|slot| (slot.partition, slot.position))
            .collect();
        assert_eq!(positions, [(1, 0), (0, 7)]);
    }

    #[tokio::test]
    async fn many_users_take_turns_and_none_is_forgotten() {
        let shares = std::sync::Arc::new(shares(3));
        let mut users = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let shares = std::sync::Arc::clone(&shares);
            users.spawn(async move {
                for _ in 0..50 {
                    let mut claim = shares.claim(2, one_leader).await;
                    let held = partitions(&claim);
                    // Others run, and find nothing or less.
                    tokio::task::yield_now().await;
                    for partition in held {
                        claim.update(partition, |slot| slot.position += 1);
                    }
                }
            });
        }
        while let Some(done) = users.join_next().await {
            done.unwrap();
        }
        let claim = shares.claim(3, one_leader).await;
        let reads: i64 = claim.slots().map(|slot| slot.position).sum();
        // Each of 1000 claims moved one or two partitions on by one.
        assert!((1000..=2000).contains(&reads), "{reads}");
    }

    #[tokio::test]
    async fn who_stops_waiting_takes_nobodys_turn() {
        let shares = shares(1);
        let claim = shares.claim(1, one_leader).await;
        let mut impatient = Box::pin(shares.claim(1, one_leader));
        let mut patient = Box::pin(shares.claim(1, one_leader));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(impatient.as_mut().poll(&mut context).is_pending());
        assert!(patient.as_mut().poll(&mut context).is_pending());
        drop(claim); // wakes the impatient one,
        drop(impatient); // which is gone before it runs.
        assert!(patient.as_mut().poll(&mut context).is_ready());
    }
}
