//! What a partition remembers of its idempotent producers, so that nothing is appended twice.

use std::collections::{HashMap, VecDeque};

use karga_kafka::records::Producer;

/// Batches of one producer that are remembered: as many as Kafka's producers keep in flight, and
/// as Kafka's brokers remember (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
const REMEMBERED_BATCHES: usize = 5;

/// Producers of one partition that are remembered; beyond that, the longest silent half is
/// forgotten. Kafka forgets after a day of silence instead.
const MAX_PRODUCERS: usize = 10_000;

/// What to do with a producer's batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is next in line.
    Append,
    /// It is here already, from this offset on.
    Duplicate { base_offset: i64 },
    /// Batches before it are missing, or it is older than what is remembered.
    OutOfOrder,
    /// A newer incarnation of the producer has written since.
    OldEpoch,
}

/// The idempotent producers of one partition, by id.
#[derive(Debug, Default)]
pub(crate) struct ProducerState {
    producers: HashMap<i64, Entry>,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    epoch: i16,
    batches: VecDeque<Remembered>,
    last_used: u64,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    first: i32,
    last: i32,
    base_offset: i64,
}

impl ProducerState {
    /// Judges a batch of `count` records, as Kafka's `ProducerAppendInfo` does.
    pub(crate) fn check(&self, producer: Producer, count: i32) -> Verdict {
        // A producer never seen may begin anywhere: its earlier batches may be long gone.
        let Some(entry) = self.producers.get(&producer.id) else {
            return Verdict::Append;
        };
        let first = producer.base_sequence;
        if producer.epoch != entry.epoch {
            return match () {
                () if producer.epoch < entry.epoch => Verdict::OldEpoch,
                () if first == 0 => Verdict::Append,
                () => Verdict::OutOfOrder,
            };
        }
        let last = last_sequence(first, count);
        let known = entry
            .batches
            .iter()
            .find(|batch| (batch.first, batch.last) == (first, last));
        if let Some(batch) = known {
            return Verdict::Duplicate {
                base_offset: batch.base_offset,
            };
        }
        match entry.batches.back() {
            Some(before) if next_sequence(before.last) != first => Verdict::OutOfOrder,
            _ => Verdict::Append,
        }
    }

    /// Remembers a batch that was appended at `base_offset`.
    pub(crate) fn appended(&mut self, producer: Producer, count: i32, base_offset: i64) {
        self.clock += 1;
        if self.producers.len() >= MAX_PRODUCERS && !self.producers.contains_key(&producer.id) {
            self.forget_half();
        }
        let entry = self.producers.entry(producer.id).or_insert_with(|| Entry {
            epoch: producer.epoch,
            batches: VecDeque::with_capacity(REMEMBERED_BATCHES),
            last_used: 0,
        });
        entry.last_used = self.clock;
        if entry.epoch != producer.epoch {
            entry.epoch = producer.epoch;
            entry.batches.clear();
        }
        if entry.batches.len() == REMEMBERED_BATCHES {
            entry.batches.pop_front();
        }
        entry.batches.push_back(Remembered {
            first: producer.base_sequence,
            last: last_sequence(producer.base_sequence, count),
            base_offset,
        });
    }

    fn forget_half(&mut self) {
        let mut uses: Vec<_> = self
            .producers
            .values()
            .map(|entry| entry.last_used)
            .collect();
        let middle = uses.len() / 2;
        let (_, median, _) = uses.select_nth_unstable(middle);
        let median = *median;
        self.producers.retain(|_, entry| entry.last_used >= median);
    }
}

/// Sequence numbers go up to 2^31 - 1 and then begin again at 0.
fn last_sequence(first: i32, count: i32) -> i32 {
    (i64::from(first) + i64::from(count) - 1).rem_euclid(1 << 31) as i32
}

fn next_sequence(last: i32) -> i32 {
    last_sequence(last, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn producer(epoch: i16, base_sequence: i32) -> Producer {
        Producer {
            id: 7,
            epoch,
            base_sequence,
        }
    }

    #[test]
    fn sequences_go_on_and_gaps_are_refused() {
        let mut state = ProducerState::default();
        assert_eq!(state.check(producer(0, 0), 10), Verdict::Append);
        state.appended(producer(0, 0), 10, 100);
        assert_eq!(state.check(producer(0, 11), 1), Verdict::OutOfOrder);
        assert_eq!(state.check(producer(0, 9), 1), Verdict::OutOfOrder);
        assert_eq!(state.check(producer(0, 10), 1), Verdict::Append);
    }

    #[test]
    fn the_last_five_batches_are_known_again_and_older_ones_are_out_of_order() {
        let mut state = ProducerState::default();
        for i in 0..6 {
            state.appended(producer(0, i * 10), 10, i64::from(i) * 1_000);
        }
        for i in 1..6 {
            let verdict = state.check(producer(0, i * 10), 10);
            assert_eq!(
                verdict,
                Verdict::Duplicate {
                    base_offset: i64::from(i) * 1_000
                }
            );
        }
        assert_eq!(state.check(producer(0, 0), 10), Verdict::OutOfOrder);
        // The same start but another length is not the same batch.
        assert_eq!(state.check(producer(0, 50), 9), Verdict::OutOfOrder);
    }

    #[test]
    fn a_new_epoch_begins_at_zero_and_fences_the_old_one() {
        let mut state = ProducerState::default();
        state.appended(producer(3, 0), 5, 0);
        assert_eq!(state.check(producer(4, 5), 1), Verdict::OutOfOrder);
        assert_eq!(state.check(producer(4, 0), 1), Verdict::Append);
        state.appended(producer(4, 0), 1, 5);
        assert_eq!(state.check(producer(3, 5), 1), Verdict::OldEpoch);
        assert_eq!(state.check(producer(4, 1), 1), Verdict::Append);
    }

    #[test]
    fn an_unknown_producer_may_begin_anywhere() {
        assert_eq!(
            ProducerState::default().check(producer(0, 999), 1),
            Verdict::Append
        );
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut state = ProducerState::default();
        state.appended(producer(0, i32::MAX - 1), 3, 0); // max - 1, max, 0
        assert_eq!(state.check(producer(0, 1), 1), Verdict::Append);
        let again = state.check(producer(0, i32::MAX - 1), 3);
        assert_eq!(again, Verdict::Duplicate { base_offset: 0 });
        state.appended(producer(0, 1), 1, 3);
        assert_eq!(next_sequence(i32::MAX), 0);
    }

    #[test]
    fn memory_for_producers_is_bounded() {
        let mut state = ProducerState::default();
        let count = 3 * MAX_PRODUCERS as i64;
        for id in 0..count {
            state.appended(
                Producer {
                    id,
                    epoch: 0,
                    base_sequence: 0,
                },
                1,
                id,
            );
            assert!(state.producers.len() <= MAX_PRODUCERS);
        }
        // The latest are the ones that are kept.
        let latest = Producer {
            id: count - 1,
            epoch: 0,
            base_sequence: 0,
        };
        assert!(matches!(state.check(latest, 1), Verdict::Duplicate { .. }));
    }
}
