#[cfg(feature = "hdr-log")]
use std::collections::BTreeMap;
use std::{borrow::Cow, time::Duration};

use karga_core::{Count, Outcome, Volume};

use crate::{
    Histogram,
    aggregate::Limits,
    bounded::{Add, Bounded},
    bucket::bucket_of,
    histogram::nanos,
};

/// The class of a failure that names none.
const FAILED: &str = "failed";

/// The class of an unknown outcome that names none.
const UNKNOWN: &str = "unknown";

/// How many iterations ended in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcomes {
    /// Iterations that did what they should.
    pub succeeded: u64,
    /// Iterations that are known to have failed, panics included.
    pub failed: u64,
    /// Iterations that may or may not have happened.
    pub unknown: u64,
}

impl Outcomes {
    /// All iterations that were recorded.
    pub const fn completed(&self) -> u64 {
        self.succeeded + self.failed + self.unknown
    }

    #[inline]
    pub(crate) fn record(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Success => self.succeeded += 1,
            Outcome::Unknown => self.unknown += 1,
            // Outcome is non_exhaustive: what is not known here is not a
            // success.
            _ => self.failed += 1,
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.unknown += other.unknown;
    }
}

/// How far a scenario was behind the newest data of its target, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lag {
    /// What the iteration that ended last said.
    pub latest: u64,
    /// When that iteration ended, since t0.
    pub at: Duration,
    /// The highest that any iteration said.
    pub highest: u64,
}

impl Lag {
    pub(crate) const fn new(lag: u64, at: Duration) -> Self {
        Self {
            latest: lag,
            at,
            highest: lag,
        }
    }

    /// The later one gives the latest; of two at the same time the higher
    /// does, so that the order of merging does not matter.
    pub(crate) fn merge(&mut self, other: Self) {
        (self.at, self.latest) = (self.at, self.latest).max((other.at, other.latest));
        self.highest = self.highest.max(other.highest);
    }
}

/// The times of one sample in nanoseconds, with the bucket of each.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) response: (u64, usize),
    pub(crate) service: (u64, usize),
    pub(crate) lateness: (u64, usize),
}

impl Times {
    #[inline]
    pub(crate) fn new(due: Duration, start: Duration, end: Duration) -> Self {
        let (due, start, end) = (nanos(due), nanos(start), nanos(end));
        let placed = |nanos| (nanos, bucket_of(nanos));
        Self {
            response: placed(end.saturating_sub(due)),
            service: placed(end.saturating_sub(start)),
            lateness: placed(start.saturating_sub(due)),
        }
    }
}

/// Everything that was recorded of some iterations: of a whole run, or of
/// those with one label, to which the [parts](karga_core::Part) with that label
/// belong.
#[derive(Debug, Clone)]
pub struct Stats {
    response: Histogram,
    service: Histogram,
    lateness: Histogram,
    outcomes: Outcomes,
    volume: Volume,
    lag: Option<Lag>,
    errors: Bounded<u64>,
    counts: Bounded<u64>,
}

/// What [`Stats`] are made of.
#[cfg(feature = "hdr-log")]
pub(crate) struct Parts {
    /// Response time, service time and lateness.
    pub(crate) times: [Histogram; 3],
    pub(crate) outcomes: Outcomes,
    pub(crate) volume: Volume,
    pub(crate) lag: Option<Lag>,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) counts: BTreeMap<String, u64>,
}

impl Stats {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            response: Histogram::new(),
            service: Histogram::new(),
            lateness: Histogram::new(),
            outcomes: Outcomes {
                succeeded: 0,
                failed: 0,
                unknown: 0,
            },
            volume: Volume::new(0, 0, 0),
            lag: None,
            errors: Bounded::new(limits.errors),
            counts: Bounded::new(limits.counts),
        }
    }

    /// Stats of what was recorded elsewhere.
    #[cfg(feature = "hdr-log")]
    pub(crate) fn restore(limits: &Limits, parts: Parts) -> Self {
        let mut stats = Self::new(limits);
        [stats.response, stats.service, stats.lateness] = parts.times;
        stats.outcomes = parts.outcomes;
        stats.volume = parts.volume;
        stats.lag = parts.lag;
        for (class, count) in parts.errors {
            stats.errors.add(Cow::Owned(class), count);
        }
        for (name, count) in parts.counts {
            stats.counts.add(Cow::Owned(name), count);
        }
        stats
    }

    /// From the due time to the end of each iteration: the headline.
    pub const fn response_time(&self) -> &Histogram {
        &self.response
    }

    /// From the actual start to the end of each iteration.
    pub const fn service_time(&self) -> &Histogram {
        &self.service
    }

    /// From the due time to the actual start of each iteration: the
    /// generator's own fault.
    pub const fn lateness(&self) -> &Histogram {
        &self.lateness
    }

    /// How many iterations ended in which way.
    pub const fn outcomes(&self) -> Outcomes {
        self.outcomes
    }

    /// Messages and bytes that were moved, by all iterations together.
    pub const fn volume(&self) -> Volume {
        self.volume
    }

    /// How far behind the iterations were, if any said so.
    pub const fn lag(&self) -> Option<Lag> {
        self.lag
    }

    /// The classes of what did not succeed and how often each happened, in
    /// alphabetical order, "other" last.
    ///
    /// A failure without a class counts as "failed", an unknown outcome
    /// without one as "unknown"; so the counts add up to both outcomes.
    pub fn errors(&self) -> impl Iterator<Item = (&str, u64)> {
        self.errors.iter().map(|(class, &count)| (class, count))
    }

    /// What else happened inside the iterations and how often, by name, such
    /// as "retries"; in alphabetical order, "other" last.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(name, &count)| (name, count))
    }

    /// Always inlined, as a call passes nine numbers through memory.
    #[inline(always)]
    pub(crate) fn record(&mut self, times: Times, outcome: Outcome, volume: Volume) {
        let Times {
            response,
            service,
            lateness,
        } = times;
        self.response.record_at(response.0, response.1);
        self.service.record_at(service.0, service.1);
        self.lateness.record_at(lateness.0, lateness.1);
        self.outcomes.record(outcome);
        add_volume(&mut self.volume, volume);
    }

    /// Counts what few samples have. That most have none of it costs a look,
    /// and nothing for a metric that never has.
    #[inline]
    pub(crate) fn record_extras(
        &mut self,
        class: Option<&Cow<'static, str>>,
        counts: &[Count],
        lag: Option<Lag>,
    ) {
        if class.is_some() || !counts.is_empty() || lag.is_some() {
            self.record_few(class, counts, lag);
        }
    }

    fn record_few(
        &mut self,
        class: Option<&Cow<'static, str>>,
        counts: &[Count],
        lag: Option<Lag>,
    ) {
        if let Some(class) = class {
            self.errors.entry(class, || 0).add(1);
        }
        for &Count { name, count, .. } in counts {
            self.counts.entry(&Cow::Borrowed(name), || 0).add(count);
        }
        if let Some(lag) = lag {
            self.record_lag(lag);
        }
    }

    fn record_lag(&mut self, lag: Lag) {
        match &mut self.lag {
            Some(mine) => mine.merge(lag),
            None => self.lag = Some(lag),
        }
    }

    /// Makes the limits these where they are above them.
    pub(crate) fn lower_limits(&mut self, limits: &Limits) {
        self.errors.lower_limit(limits.errors);
        self.counts.lower_limit(limits.counts);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.response.merge(other.response);
        self.service.merge(other.service);
        self.lateness.merge(other.lateness);
        self.outcomes.merge(other.outcomes);
        add_volume(&mut self.volume, other.volume);
        if let Some(lag) = other.lag {
            self.record_lag(lag);
        }
        self.errors.merge(other.errors);
        self.counts.merge(other.counts);
    }
}

impl PartialEq for Stats {
    fn eq(&self, other: &Self) -> bool {
        self.response == other.response
            && self.service == other.service
            && self.lateness == other.lateness
            && (self.outcomes, self.volume, self.lag) == (other.outcomes, other.volume, other.lag)
            && self.errors().eq(other.errors())
            && self.counts().eq(other.counts())
    }
}

impl Eq for Stats {}

/// The class that a sample counts under which did not succeed.
pub(crate) fn class_of(outcome: Outcome, class: Option<Cow<'static, str>>) -> Cow<'static, str> {
    class.unwrap_or(Cow::Borrowed(match outcome {
        Outcome::Unknown => UNKNOWN,
        _ => FAILED,
    }))
}

impl Add for Stats {
    fn add(&mut self, other: Self) {
        self.merge(other);
    }
}

/// Adds up, short of an overflow.
#[inline]
pub(crate) fn add_volume(mine: &mut Volume, other: Volume) {
    mine.messages = mine.messages.saturating_add(other.messages);
    mine.bytes_sent = mine.bytes_sent.saturating_add(other.bytes_sent);
    mine.bytes_received = mine.bytes_received.saturating_add(other.bytes_received);
}
