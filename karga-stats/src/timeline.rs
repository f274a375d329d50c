use std::time::Duration;

use karga_core::{Outcome, Volume};

use crate::{
    Histogram,
    histogram::Exact,
    sparse::Sparse,
    stats::{Outcomes, add_volume},
};

/// What ended in each second of a run, in bounded memory: response times, and
/// what `T` tallies beside them.
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
pub(crate) struct Timeline<T> {
    /// The most slots; at least two.
    limit: u64,
    /// A slot is 2^shift seconds wide.
    shift: u32,
    /// The latest second that was seen.
    latest: u64,
    /// By the slot's number, ascending. May hold a part of an open slot too.
    closed: Vec<(u64, Closed<T>)>,
    /// The slot that was used last.
    open: Option<Box<Open<T>>>,
    /// The one that was used before it.
    before: Option<Box<Open<T>>>,
}

/// What is counted in a slot beside the response times.
pub(crate) trait Tally: Copy + Default {
    fn merge(&mut self, other: Self);
}

/// Response times alone.
impl Tally for () {
    fn merge(&mut self, (): Self) {}
}

/// How iterations ended, what they moved, and how far they were behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) outcomes: Outcomes,
    pub(crate) volume: Volume,
    pub(crate) highest_lag: Option<u64>,
}

impl Counts {
    #[inline]
    pub(crate) fn record(&mut self, outcome: Outcome, volume: Volume, lag: Option<u64>) {
        self.outcomes.record(outcome);
        add_volume(&mut self.volume, volume);
        self.highest_lag = self.highest_lag.max(lag);
    }
}

impl Tally for Counts {
    fn merge(&mut self, other: Self) {
        self.outcomes.merge(other.outcomes);
        add_volume(&mut self.volume, other.volume);
        self.highest_lag = self.highest_lag.max(other.highest_lag);
    }
}

/// What was recorded in a slot since it was opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Open<T> {
    slot: u64,
    pub(crate) tally: T,
    pub(crate) response: Histogram,
}

/// What was recorded in a slot that is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Closed<T> {
    pub(crate) tally: T,
    pub(crate) exact: Exact,
    pub(crate) buckets: Sparse,
}

impl<T: Tally> Timeline<T> {
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            limit: limit as u64,
            shift: 0,
            latest: 0,
            closed: Vec::new(),
            open: None,
            before: None,
        }
    }

    /// A timeline of what was recorded elsewhere, up to this second, in slots
    /// that ascend and are as wide as it takes.
    #[cfg(feature = "hdr-log")]
    pub(crate) const fn restore(limit: usize, latest: u64, closed: Vec<(u64, Closed<T>)>) -> Self {
        let limit = limit as u64;
        Self {
            limit,
            shift: shift_for(limit, latest),
            latest,
            closed,
            open: None,
            before: None,
        }
    }

    /// The latest second that was seen.
    #[cfg(feature = "hdr-log")]
    pub(crate) const fn latest(&self) -> u64 {
        self.latest
    }

    /// A slot is two to the power of this many seconds wide.
    pub(crate) const fn shift(&self) -> u32 {
        self.shift
    }

    /// The slot to record a sample into that ended then.
    #[inline]
    pub(crate) fn at(&mut self, end: Duration) -> &mut Open<T> {
        let second = end.as_secs();
        match &mut self.open {
            Some(open) if open.slot == second >> self.shift => {}
            _ => self.turn_to(second),
        }
        self.open
            .as_mut()
            .expect("invariant: turning to a slot opens it")
    }

    /// Opens the slot of this second, and closes the one that was used longest
    /// ago.
    #[cold]
    fn turn_to(&mut self, second: u64) {
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
        self.open = Some(open);
    }

    /// Moves what an open slot holds to the closed ones; it keeps its memory.
    fn close(&mut self, open: &mut Open<T>) {
        let closed = Closed::of(open);
        open.tally = T::default();
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
        if self.latest >> self.shift < self.limit {
            return;
        }
        self.close_all();
        let wider = shift_for(self.limit, self.latest) - self.shift;
        self.shift += wider;
        for (slot, _) in &mut self.closed {
            *slot >>= wider;
        }
        self.closed.dedup_by(|(slot, later), (before, earlier)| {
            let same = slot == before;
            if same {
                earlier.merge(std::mem::take(later));
            }
            same
        });
    }

    /// Makes the limit this one, if it is above it.
    pub(crate) fn lower_limit(&mut self, limit: usize) {
        self.limit = self.limit.min(limit as u64);
        self.reach(self.latest);
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

    /// The [`shift`](Self::shift) that it takes to reach this end.
    pub(crate) fn shift_reaching(&self, end: Duration) -> u32 {
        self.shift_reaching_second(self.latest_before(end))
    }

    /// The [`shift`](Self::shift) that it takes to reach this second.
    pub(crate) const fn shift_reaching_second(&self, second: u64) -> u32 {
        shift_for(self.limit, second)
    }

    /// The latest second that was seen or that is over at this end.
    pub(crate) fn latest_before(&self, end: Duration) -> u64 {
        // What ends on the second belongs to the one before.
        let second = end.saturating_sub(Duration::from_nanos(1)).as_secs();
        self.latest.max(second)
    }

    /// Whether nothing was recorded.
    pub(crate) const fn is_empty(&self) -> bool {
        self.open.is_none() && self.before.is_none() && self.closed.is_empty()
    }

    fn closed_slot(&mut self, slot: u64) -> &mut Closed<T> {
        let place = match self.closed.last() {
            Some(&(last, _)) if slot > last => self.closed.len(),
            _ => self.closed.partition_point(|&(held, _)| held < slot),
        };
        if self.closed.get(place).is_none_or(|&(held, _)| held != slot) {
            self.closed.insert(place, (slot, Closed::default()));
        }
        &mut self.closed[place].1
    }

    fn opened(&self) -> impl Iterator<Item = &Open<T>> {
        self.open.iter().chain(&self.before).map(|open| &**open)
    }

    /// The numbers of the slots in which something ended, ascending.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.closed.iter().map(|&(slot, _)| slot).collect();
        for open in self.opened() {
            if let Err(place) = numbers.binary_search(&open.slot) {
                numbers.insert(place, open.slot);
            }
        }
        numbers
    }

    /// What ended in one slot of a timeline whose slots are 2^shift seconds
    /// wide, which is no less than the width of this one.
    pub(crate) fn slot(&self, number: u64, shift: u32) -> Closed<T> {
        let wider = shift - self.shift;
        let mut all = Closed::default();
        let first = (self.closed).partition_point(|&(held, _)| held >> wider < number);
        let held = self.closed[first..]
            .iter()
            .take_while(|&&(held, _)| held >> wider == number);
        for (_, closed) in held {
            all.merge(closed.clone());
        }
        for open in self.opened().filter(|open| open.slot >> wider == number) {
            all.merge(Closed::of(open));
        }
        all
    }
}

impl<T: Tally> Closed<T> {
    fn of(open: &Open<T>) -> Self {
        Self {
            tally: open.tally,
            exact: open.response.exact(),
            buckets: Sparse::of(&open.response),
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.tally.merge(other.tally);
        self.exact.add(other.exact);
        self.buckets.merge(other.buckets);
    }
}

/// The width of slots, as a power of two of seconds, with which the latest
/// second has a number below the limit.
const fn shift_for(limit: u64, latest: u64) -> u32 {
    let mut shift = 0;
    while latest >> shift >= limit {
        shift += 1;
    }
    shift
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(timeline: &mut Timeline<Counts>, second: u64, lag: Option<u64>) {
        let slot = timeline.at(Duration::from_secs(second));
        let volume = Volume::new(1, 0, 0);
        slot.tally.record(Outcome::Success, volume, lag);
        slot.response.record_at(7, 7);
    }

    fn timeline(limit: usize, ends: impl IntoIterator<Item = u64>) -> Timeline<Counts> {
        let mut timeline = Timeline::new(limit);
        for second in ends {
            record(&mut timeline, second, None);
        }
        timeline
    }

    /// When each slot begins, and what ended there.
    fn slots(timeline: &Timeline<Counts>) -> Vec<(u64, Closed<Counts>)> {
        let shift = timeline.shift();
        let numbers = timeline.numbers().into_iter();
        numbers
            .map(|number| (number << shift, timeline.slot(number, shift)))
            .collect()
    }

    fn list(timeline: &Timeline<Counts>) -> Vec<(u64, u64)> {
        slots(timeline)
            .into_iter()
            .map(|(start, slot)| {
                let completed = slot.tally.outcomes.completed();
                assert_eq!(completed, slot.tally.volume.messages);
                assert_eq!(completed, slot.exact.count);
                assert_eq!(slot.buckets.pairs().collect::<Vec<_>>(), [(7, completed)]);
                (start, completed)
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
        assert_eq!(timeline.shift(), 4);
        assert_eq!(list(&timeline), [(0, 5), (16, 1), (32, 1)]);
    }

    #[test]
    fn a_lower_limit_widens_the_slots() {
        let mut timeline = timeline(8, 0..8);
        timeline.lower_limit(2);
        assert_eq!(list(&timeline), [(0, 4), (4, 4)]);
    }

    #[test]
    fn slots_can_be_read_as_wider_ones() {
        let timeline = timeline(8, [0, 1, 3, 5, 7, 2, 2]);
        let read = [0, 1].map(|number| timeline.slot(number, 2).exact.count);
        assert_eq!(read, [5, 2]);
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
        for (second, lag) in [(1, None), (2, Some(9)), (0, None), (2, Some(3))] {
            record(&mut merged, second, lag);
        }
        assert_eq!(list(&merged), [(0, 2), (1, 3), (2, 3), (3, 1)]);
        let lags: Vec<_> = slots(&merged)
            .into_iter()
            .map(|(_, slot)| slot.tally.highest_lag)
            .collect();
        assert_eq!(lags, [None, None, Some(9), None]);
    }
}
