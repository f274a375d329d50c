use std::time::Duration;

use karga_core::Volume;

use crate::{
    Histogram,
    labelled::LabelSlot,
    stats::Outcomes,
    timeline::{Closed, Counts},
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
    /// How many iterations ended here in which way; parts are not among them.
    pub outcomes: Outcomes,
    /// What they moved.
    pub volume: Volume,
    /// The highest lag that one of them said, in messages.
    pub highest_lag: Option<u64>,
    /// The response times of all iterations that ended here, those with a label
    /// and those without.
    pub response_time: Histogram,
    /// Packed, as few of those who look at slots look at labels.
    labels: Vec<(String, Closed<()>)>,
}

impl Slot {
    /// The slot of this number, 2^shift seconds wide. `rest` is what has no
    /// label.
    pub(crate) fn new<'a>(
        (number, shift): (u64, u32),
        rest: &Closed<Counts>,
        labels: impl Iterator<Item = (&'a str, LabelSlot)>,
    ) -> Self {
        let mut response_time = Histogram::new();
        rest.add_to(&mut response_time);
        let labels = labels.filter_map(|(label, slot)| {
            let LabelSlot { iterations, parts } = slot;
            iterations.add_to(&mut response_time);
            let mut times = iterations;
            times.merge(parts);
            (times.exact.count > 0).then(|| (label.to_owned(), times))
        });
        let labels = labels.collect();
        Self {
            start: Duration::from_secs(number << shift),
            width: Duration::from_secs(1 << shift),
            outcomes: rest.tally.outcomes,
            volume: rest.tally.volume,
            highest_lag: rest.tally.highest_lag,
            response_time,
            labels,
        }
    }

    /// The response times for each label that has any here, in alphabetical
    /// order, "other" last: those of iterations and those of parts, which
    /// [`response_time`](Self::response_time) does not have. Iterations without
    /// a label are there alone.
    ///
    /// Histograms are unpacked one by one: keep what is needed of each.
    pub fn labels(&self) -> impl Iterator<Item = (&str, Histogram)> {
        self.labels.iter().map(|(label, times)| {
            let mut histogram = Histogram::new();
            times.add_to(&mut histogram);
            (label.as_str(), histogram)
        })
    }
}

impl<T> Closed<T> {
    pub(crate) fn add_to(&self, histogram: &mut Histogram) {
        histogram.add_exact(self.exact);
        for (bucket, count) in self.buckets.pairs() {
            histogram.add_bucket(bucket, count);
        }
    }
}
