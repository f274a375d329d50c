use std::time::Duration;

use karga_core::{Aggregate, Merge, Metric, Outcome, Panicked, Parts, Sample, Volume};

use crate::{
    Histogram, HistogramAggregateBuilder,
    bounded::Bounded,
    labelled::Labelled,
    slot::Slot,
    stats::{Lag, Outcomes, Stats, Times, class_of},
    timeline::{Counts, Timeline},
};

/// How many names and slots an aggregate keeps apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) labels: usize,
    pub(crate) errors: usize,
    pub(crate) counts: usize,
    pub(crate) steps: usize,
    pub(crate) timeline: usize,
}

impl Limits {
    pub(crate) const DEFAULT: Self = Self {
        labels: 32,
        errors: 32,
        counts: 32,
        steps: 32,
        timeline: 720,
    };

    fn min(self, other: Self) -> Self {
        Self {
            labels: self.labels.min(other.labels),
            errors: self.errors.min(other.errors),
            counts: self.counts.min(other.counts),
            steps: self.steps.min(other.steps),
            timeline: self.timeline.min(other.timeline),
        }
    }
}

/// Condenses samples into histograms, counts and a timeline.
///
/// - Response time, service time and lateness as [`Histogram`]s, in total and
///   for each label; the duration of each named step in total.
/// - Outcomes, error classes, messages and bytes, counts such as "retries",
///   lag: in total and for each label.
/// - A [timeline](Self::timeline) of what ended in each second: outcomes and
///   volumes in total, response times for each label too.
///
/// [Parts](Metric::parts) of an iteration are recorded into the rows of their
/// labels, as iterations with these labels are, and never into the total.
///
/// # Bounds
///
/// Names are bounded: beyond the limits that the [builder](Self::builder) sets,
/// those last in alphabetical order are counted together as "other". That
/// order, not the order of appearance, decides, so that merging is exact:
/// whoever recorded what, and in whatever order shards are merged, the result
/// is that of one aggregate which recorded every sample. Names are cut after
/// 120 bytes.
///
/// Memory, with the default limits, is some 100 KiB for the total and some
/// 150 KiB for each label in use (at most 0.7 MiB each, if times spread from
/// nanoseconds to an hour), and one to three bytes for each occupied bucket of
/// each slot of the timeline, for each label. With five labels whose times are
/// spread evenly over eight orders of magnitude, which no target's are, ten
/// minutes of 20,000 samples per second take 17 MB and a day of 1,000 per second
/// 67 MB.
///
/// # Cost
///
/// Recording an unlabelled success takes some 15 ns, no lock, and allocates
/// nothing but the buckets of a power of two when a value falls there for the
/// first time. A part of an iteration takes some 30 ns. A [fork](Merge::fork)
/// allocates nothing.
///
/// An interval is merged, copied, and merged into the total once for each
/// interval. That grows with the buckets in use and the labels, hardly with the
/// samples: of a second of 100,000 samples it takes 0.1 ms without labels and
/// 0.5 ms with five, if response times spread from 0.2 to 20 ms, and 1.2 ms
/// with five labels and 3 ms with 32, if they spread from 0.1 ms to 1 s. Each
/// further thread adds the merge of its own part. See `benches/record.rs`.
///
/// ```
/// use std::time::Duration;
/// use karga_core::{Aggregate, Iteration, Sample};
/// use karga_stats::HistogramAggregate;
///
/// let ms = Duration::from_millis;
/// let mut aggregate = HistogramAggregate::default();
/// // Due at 100 ms, started 2 ms late, done at 150 ms.
/// aggregate.record(&Sample::new(Iteration::new(0, 0, ms(100)), ms(102), ms(150), ()));
/// assert_eq!(aggregate.response_time().max(), ms(50));
/// assert_eq!(aggregate.service_time().max(), ms(48));
/// assert_eq!(aggregate.lateness().max(), ms(2));
/// ```
#[derive(Debug, Clone)]
pub struct HistogramAggregate {
    limits: Limits,
    total: Stats,
    labels: Bounded<Box<Labelled>>,
    steps: Bounded<Box<Histogram>>,
    /// Response times of iterations without a label, and counts of all.
    timeline: Timeline<Counts>,
}

impl HistogramAggregate {
    /// Sets limits other than the default ones.
    pub fn builder() -> HistogramAggregateBuilder {
        HistogramAggregateBuilder::default()
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self {
            limits,
            total: Stats::new(&limits),
            labels: Bounded::new(limits.labels),
            steps: Bounded::new(limits.steps),
            timeline: Timeline::new(limits.timeline),
        }
    }

    /// Everything that was recorded of all iterations together.
    pub const fn total(&self) -> &Stats {
        &self.total
    }

    /// The response times of all iterations: from the due time to the end.
    pub const fn response_time(&self) -> &Histogram {
        self.total.response_time()
    }

    /// The service times of all iterations: from the actual start to the end.
    pub const fn service_time(&self) -> &Histogram {
        self.total.service_time()
    }

    /// How late all iterations started: from the due time to the actual start.
    pub const fn lateness(&self) -> &Histogram {
        self.total.lateness()
    }

    /// How many iterations ended in which way.
    pub const fn outcomes(&self) -> Outcomes {
        self.total.outcomes()
    }

    /// Messages and bytes that all iterations moved together.
    pub const fn volume(&self) -> Volume {
        self.total.volume()
    }

    /// How far behind the iterations were, if any said so.
    pub const fn lag(&self) -> Option<Lag> {
        self.total.lag()
    }

    /// The error classes and how often each happened; see [`Stats::errors`].
    pub fn errors(&self) -> impl Iterator<Item = (&str, u64)> {
        self.total.errors()
    }

    /// What else happened and how often; see [`Stats::counts`].
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.total.counts()
    }

    /// What was recorded for each label, of iterations and of their parts, in
    /// alphabetical order, "other" last.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &Stats)> {
        self.labels
            .iter()
            .map(|(label, labelled)| (label, &labelled.stats))
    }

    /// How long each named step took, in alphabetical order, "other" last.
    pub fn steps(&self) -> impl Iterator<Item = (&str, &Histogram)> {
        self.steps.iter().map(|(name, times)| (name, &**times))
    }

    /// What ended in each second, in order; seconds in which neither an
    /// iteration nor a part of one ended are left out. In long runs slots are
    /// [wider](Self::timeline_width).
    ///
    /// Slots are unpacked one by one: keep what is needed of each.
    pub fn timeline(&self) -> impl Iterator<Item = Slot> + '_ {
        let shift = self.timeline.shift();
        let numbers = self.slot_numbers().into_iter();
        numbers.map(move |number| self.slot(number, shift))
    }

    /// The numbers of the slots in which something ended, ascending.
    pub(crate) fn slot_numbers(&self) -> Vec<u64> {
        let mut numbers = self.timeline.numbers();
        for (_, labelled) in self.labels.iter() {
            // A part ends no later than its iteration, so the total's slots
            // are as wide as its label's, or wider.
            let wider = self.timeline.shift() - labelled.parts.shift();
            let parts = labelled.parts.numbers().into_iter();
            numbers.extend(parts.map(|number| number >> wider));
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Every slot up to `end`, also those in which nothing ended; slots are
    /// wider if it takes that to stay within the limit.
    pub(crate) fn timeline_through<T>(&self, end: Duration, each: impl Fn(Slot) -> T) -> Vec<T> {
        if self.timeline.is_empty() {
            return Vec::new();
        }
        let shift = self.timeline.shift_reaching(end);
        let last = self.timeline.latest_before(end) >> shift;
        (0..=last)
            .map(|number| each(self.slot(number, shift)))
            .collect()
    }

    fn slot(&self, number: u64, shift: u32) -> Slot {
        let rest = self.timeline.slot(number, shift);
        let labels = self.labels.iter();
        let labels = labels.map(|(label, held)| (label, held.slot(number, shift)));
        Slot::new((number, shift), &rest, labels)
    }

    /// The timeline of all iterations, with the response times of those that
    /// have no label.
    #[cfg(feature = "hdr-log")]
    pub(crate) const fn seconds(&self) -> &Timeline<Counts> {
        &self.timeline
    }

    /// What was recorded for each label, over time too.
    #[cfg(feature = "hdr-log")]
    pub(crate) fn labelled(&self) -> impl Iterator<Item = (&str, &Labelled)> {
        self.labels
            .iter()
            .map(|(label, labelled)| (label, &**labelled))
    }

    #[cfg(feature = "hdr-log")]
    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes in what was recorded elsewhere with the same limits.
    #[cfg(feature = "hdr-log")]
    pub(crate) fn restore(
        &mut self,
        total: Stats,
        labels: impl IntoIterator<Item = (String, Labelled)>,
        steps: impl IntoIterator<Item = (String, Histogram)>,
        timeline: Timeline<Counts>,
    ) {
        self.total = total;
        self.timeline = timeline;
        for (label, labelled) in labels {
            self.labels.add(label.into(), Box::new(labelled));
        }
        for (step, times) in steps {
            self.steps.add(step.into(), Box::new(times));
        }
    }

    /// Records each part into the row of its label. Out of the way of metrics
    /// that have none.
    fn record_parts(&mut self, parts: Parts<'_>, end: Duration) {
        let limits = self.limits;
        for part in parts {
            let labelled = self
                .labels
                .entry(&part.metric.label, || Box::new(Labelled::new(&limits)));
            // The timeline of the total reaches to the iteration's end.
            labelled.record_part(&part, part.end.min(end));
        }
    }

    /// How wide a slot of the timeline is: one second, doubled as often as it
    /// takes for the latest end to fit into the limit of slots.
    pub const fn timeline_width(&self) -> Duration {
        Duration::from_secs(1 << self.timeline.shift())
    }
}

impl Default for HistogramAggregate {
    fn default() -> Self {
        Self::with_limits(Limits::DEFAULT)
    }
}

impl Merge for HistogramAggregate {
    fn fork(&self) -> Self {
        Self::with_limits(self.limits)
    }

    /// Of two aggregates that were configured differently, the result has the
    /// lower limits.
    fn merge(&mut self, other: Self) {
        self.limits = self.limits.min(other.limits);
        self.total.merge(other.total);
        self.labels.merge(other.labels);
        for labelled in self.labels.values_mut() {
            labelled.lower_limits(&self.limits);
        }
        self.steps.merge(other.steps);
        self.timeline.merge(other.timeline);
    }

    fn duplicate(&self) -> Option<Self> {
        Some(self.clone())
    }
}

/// Two are equal if they have the same limits and everything that can be asked
/// of them is equal, whoever recorded what and in whatever order.
impl PartialEq for HistogramAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.limits == other.limits
            && self.total == other.total
            && self.labels().eq(other.labels())
            && self.steps().eq(other.steps())
            && self.timeline_width() == other.timeline_width()
            && self.timeline().eq(other.timeline())
    }
}

impl Eq for HistogramAggregate {}

impl<M: Metric> Aggregate<M> for HistogramAggregate {
    // Always inlined: what the metric never has is then left out, and the rest
    // costs a sixth less.
    #[inline(always)]
    fn record(&mut self, sample: &Sample<M>) {
        // The metric is asked for everything before anything is counted, so
        // that one which panics leaves no half-counted sample behind.
        let metric = &sample.metric;
        let outcome = metric.outcome();
        let volume = metric.volume();
        let class = match outcome {
            Outcome::Success => None,
            _ => Some(class_of(outcome, metric.error_class())),
        };
        let label = metric.label();
        let steps = metric.steps();
        let parts = sample.parts();
        let counts = metric.counts();
        let lag = metric.lag().map(|lag| Lag::new(lag, sample.end));

        let times = Times::new(sample.iteration.due, sample.start, sample.end);
        self.total.record(times, outcome, volume);
        self.total.record_extras(class.as_ref(), counts, lag);
        let slot = self.timeline.at(sample.end);
        let highest = lag.map(|lag| lag.latest);
        slot.tally.record(outcome, volume, highest);
        if label.is_none() {
            slot.response.record_at(times.response.0, times.response.1);
        }
        for step in steps {
            self.steps
                .entry(&step.name, Box::default)
                .record(step.duration);
        }
        if let Some(label) = label {
            let limits = self.limits;
            let labelled = &mut **self
                .labels
                .entry(&label, || Box::new(Labelled::new(&limits)));
            labelled.stats.record(times, outcome, volume);
            (labelled.stats).record_extras(class.as_ref(), counts, lag);
            let slot = labelled.timeline.at(sample.end);
            slot.response.record_at(times.response.0, times.response.1);
        }
        if parts.len() > 0 {
            self.record_parts(parts, sample.end);
        }
    }

    /// Counts the iteration as a failure of the class "panic". It has no
    /// label, as there is no metric that could say one.
    fn record_panic(&mut self, sample: &Sample<Panicked>) {
        Aggregate::<Panicked>::record(self, sample);
    }
}
