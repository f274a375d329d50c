use std::time::Duration;

use karga_core::{Outcome, Volume};

use crate::{
    Histogram,
    histogram::Exact,
    sparse::Sparse,
    stats::{Outcomes, add_volume},
};

/// What ended in one slot of the timeline: in one second or, in long runs, in
/// a power of two of seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slot {
    /// When it begins, since t0; a multiple of its width.
    pub start: Duration,
    /// How wide it is.
    pub width: Duration,
    /// How many iterations ended here in which way.
    pub outcomes: Outcomes,
    /// What they moved.
    pub volume: Volume,
    /// The highest lag that one of them said, in messages.
    pub highest_lag: Option<u64>,
    /// Their response times.
    pub response_time: Histogram,
}

/// What ended in each second of a run, in bounded memory.
///
/// Slots are one second wide until there would be more than the limit; then
/// neighbours are merged and all slots are twice as wide, and so on. The width
/// is a pure function of the limit and of the latest second that was seen, and
/// slots begin at multiples of the width since t0, so that timelines can be
/// merged in any order.
///
/// Samples come nearly in the order of their ends. So the slot that was used
/// last is kept open, with a histogram that is cheap to record into, and one
/// more beside it, as threads take turns where one slot ends and the next
/// begins. All others are closed and compact.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    /// The most slots; at least two.
    limit: u64,
    /// A slot is 2^shift seconds wide.
    shift: u32,
    /// The latest second that was seen.
    latest: u64,
    /// By the slot's number, ascending. May hold a part of an open slot too.
    closed: Vec<(u64, Closed)>,
    /// The slot that was used last.
    open: Option<Box<Open>>,
    /// The one that was used before it.
    before: Option<Box<Open>>,
}

/// What was recorded in a slot since it was opened.
#[derive(Debug, Clone, Default)]
struct Open {
    slot: u64,
    counts: Counts,
    response: Histogram,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    outcomes: Outcomes,
    volume: Volume,
    highest_lag: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct Closed {
    counts: Counts,
    exact: Exact,
    buckets: Sparse,
}

impl Timeline {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: limit as u64,
            shift: 0,
            latest: 0,
            closed: Vec::new(),
            open: None,
            before: None,
        }
    }

    /// How wide a slot is.
    pub(crate) const fn width(&self) -> Duration {
        Duration::from_secs(1 << self.shift)
    }

    /// Counts a sample that ended then, with its response time in nanoseconds
    /// and the bucket of that.
    #[inline]
    pub(crate) fn record(
        &mut self,
        end: Duration,
        response: (u64, usize),
        outcome: Outcome,
        volume: Volume,
        lag: Option<u64>,
    ) {
        let second = end.as_secs();
        let open = match &mut self.open {
            Some(open) if open.slot == second >> self.shift => open,
            _ => self.turn_to(second),
        };
        open.counts.outcomes.record(outcome);
        add_volume(&mut open.counts.volume, volume);
        open.counts.highest_lag = open.counts.highest_lag.max(lag);
        open.response.record_at(response.0, response.1);
    }

    /// Opens the slot of this second, and closes the one that was used longest
    /// ago.
    #[cold]
    fn turn_to(&mut self, second: u64) -> &mut Open {
        self.reach(second);
        let slot = second >> self.shift;
        std::mem::swap(&mut self.open, &mut self.before);
        let mut open = match self.open.take() {
            Some(open) if open.slot == slot => open,
            Some(mut open) => {
                self.close(&mut open);
                open
            }
            None => Box::default(),
        };
        open.slot = slot;
        self.open.insert(open)
    }

    /// Moves what an open slot holds to the closed ones; it keeps its memory.
    fn close(&mut self, open: &mut Open) {
        let closed = Closed {
            counts: std::mem::take(&mut open.counts),
            exact: open.response.exact(),
            buckets: Sparse::of(&open.response),
        };
        open.response.clear();
        self.closed_slot(open.slot).merge(closed);
    }

    fn close_all(&mut self) {
        for mut open in [self.open.take(), self.before.take()].into_iter().flatten() {
            self.close(&mut open);
        }
    }

    /// Makes the slots as wide as it takes to reach this second.
    fn reach(&mut self, second: u64) {
        self.latest = self.latest.max(second);
        if self.latest >> self.shift >= self.limit {
            self.close_all();
        }
        while self.latest >> self.shift >= self.limit {
            self.shift += 1;
            for (slot, _) in &mut self.closed {
                *slot >>= 1;
            }
            self.closed.dedup_by(|(slot, later), (before, earlier)| {
                let same = slot == before;
                if same {
                    earlier.merge(std::mem::take(later));
                }
                same
            });
        }
    }

    pub(crate) fn merge(&mut self, mut other: Self) {
        self.limit = self.limit.min(other.limit);
        other.limit = self.limit;
        let latest = self.latest.max(other.latest);
        self.reach(latest);
        other.close_all();
        other.reach(latest);
        for (slot, closed) in other.closed {
            self.closed_slot(slot).merge(closed);
        }
    }

    /// A copy whose slots reach this end.
    pub(crate) fn reaching(&self, end: Duration) -> Self {
        let mut copy = self.clone();
        // What ends on the second belongs to the one before.
        copy.reach(end.saturating_sub(Duration::from_nanos(1)).as_secs());
        copy
    }

    /// The slots from t0 to the latest second that was seen; there are none
    /// if nothing was.
    pub(crate) fn every_slot(&self) -> impl Iterator<Item = Slot> + '_ {
        let is_empty = self.opened().next().is_none() && self.closed.is_empty();
        let count = if is_empty {
            0
        } else {
            (self.latest >> self.shift) + 1
        };
        (0..count).map(|slot| self.slot(slot))
    }

    fn closed_slot(&mut self, slot: u64) -> &mut Closed {
        let place = match self.closed.last() {
            Some(&(last, _)) if slot > last => self.closed.len(),
            _ => self.closed.partition_point(|&(held, _)| held < slot),
        };
        if self.closed.get(place).is_none_or(|&(held, _)| held != slot) {
            self.closed.insert(place, (slot, Closed::default()));
        }
        &mut self.closed[place].1
    }

    fn opened(&self) -> impl Iterator<Item = &Open> {
        self.open.iter().chain(&self.before).map(|open| &**open)
    }

    /// The slots in which something ended, in order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        let mut numbers: Vec<u64> = self.closed.iter().map(|&(slot, _)| slot).collect();
        for open in self.opened() {
            if let Err(place) = numbers.binary_search(&open.slot) {
                numbers.insert(place, open.slot);
            }
        }
        numbers.into_iter().map(|slot| self.slot(slot))
    }

    fn slot(&self, slot: u64) -> Slot {
        let mut counts = Counts::default();
        let mut response_time = Histogram::new();
        for open in self.opened().filter(|open| open.slot == slot) {
            counts.merge(open.counts);
            response_time.merge(open.response.clone());
        }
        if let Ok(place) = self.closed.binary_search_by_key(&slot, |&(held, _)| held) {
            let closed = &self.closed[place].1;
            counts.merge(closed.counts);
            response_time.add_exact(closed.exact);
            for (bucket, count) in closed.buckets.pairs() {
                response_time.add_bucket(bucket, count);
            }
        }
        Slot {
            start: Duration::from_secs(slot << self.shift),
            width: self.width(),
            outcomes: counts.outcomes,
            volume: counts.volume,
            highest_lag: counts.highest_lag,
            response_time,
        }
    }
}

impl Counts {
    fn merge(&mut self, other: Self) {
        self.outcomes.merge(other.outcomes);
        add_volume(&mut self.volume, other.volume);
        self.highest_lag = self.highest_lag.max(other.highest_lag);
    }
}

impl Closed {
    fn merge(&mut self, other: Self) {
        self.counts.merge(other.counts);
        self.exact.add(other.exact);
        self.buckets.merge(other.buckets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUCCESS: Outcome = Outcome::Success;

    fn timeline(limit: usize, ends: impl IntoIterator<Item = u64>) -> Timeline {
        let mut timeline = Timeline::new(limit);
        for second in ends {
            let end = Duration::from_secs(second);
            timeline.record(end, (7, 7), SUCCESS, Volume::new(1, 0, 0), None);
        }
        timeline
    }

    fn list(timeline: &Timeline) -> Vec<(u64, u64)> {
        timeline
            .slots()
            .map(|slot| {
                assert_eq!(slot.outcomes.completed(), slot.response_time.count());
                assert_eq!(slot.outcomes.completed(), slot.volume.messages);
                (slot.start.as_secs(), slot.outcomes.completed())
            })
            .collect()
    }

    #[test]
    fn late_samples_find_their_slot() {
        let ends = [0, 2, 2, 0, 1, 2, 1];
        assert_eq!(list(&timeline(8, ends)), [(0, 2), (1, 2), (2, 3)]);
    }

    #[test]
    fn slots_widen_when_there_are_too_many() {
        let mut timeline = timeline(4, 0..4);
        assert_eq!(list(&timeline), [(0, 1), (1, 1), (2, 1), (3, 1)]);
        timeline.merge(self::timeline(4, [4]));
        assert_eq!(list(&timeline), [(0, 2), (2, 2), (4, 1)]);
        timeline.merge(self::timeline(4, [33, 31]));
        assert_eq!(timeline.width(), Duration::from_secs(16));
        assert_eq!(list(&timeline), [(0, 5), (16, 1), (32, 1)]);
    }

    #[test]
    fn the_end_of_time_has_a_slot_too() {
        let timeline = timeline(2, [u64::MAX, 0, u64::MAX]);
        assert_eq!(list(&timeline), [(0, 1), (1 << 63, 2)]);
    }

    #[test]
    fn a_merged_timeline_can_be_recorded_into() {
        let mut merged = timeline(8, [0, 1]);
        merged.merge(timeline(8, [1, 2, 3]));
        let mut record = |second, lag| {
            let end = Duration::from_secs(second);
            merged.record(end, (7, 7), SUCCESS, Volume::new(1, 0, 0), lag);
        };
        record(1, None);
        record(2, Some(9));
        record(0, None);
        record(2, Some(3));
        assert_eq!(list(&merged), [(0, 2), (1, 3), (2, 3), (3, 1)]);
        let lags: Vec<_> = merged.slots().map(|slot| slot.highest_lag).collect();
        assert_eq!(lags, [None, None, Some(9), None]);
    }
}
