//! The samples that aggregates under test are given.

use std::{borrow::Cow, time::Duration};

use crate::{Count, Iteration, Metric, Outcome, Panicked, Sample, Step, Volume, schedule::random};

/// A seeded generator of random numbers, for those who make metrics of their
/// own for the kit. The same seed gives the same numbers on every machine.
#[derive(Debug, Clone)]
pub struct Random(random::Random);

impl Random {
    pub(super) fn new(seed: u64, key: u64) -> Self {
        Self(random::Random::new(seed, key))
    }

    /// From 0 up to, but without, `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0.bits().checked_rem(n).unwrap_or(0)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A duration of any order of magnitude, from nanoseconds to some seconds.
    pub fn duration(&mut self) -> Duration {
        let bits = self.below(34);
        Duration::from_nanos(self.below(1 << bits))
    }
}

/// A metric that has everything that a metric can have: labels, steps, error
/// classes, counts, lag, volume, and outcomes that are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Specimen {
    outcome: Outcome,
    class: Option<Cow<'static, str>>,
    label: Option<Cow<'static, str>>,
    steps: Vec<Step>,
    counts: Vec<Count>,
    lag: Option<u64>,
    volume: Volume,
}

impl Specimen {
    /// A specimen by chance.
    pub fn new(random: &mut Random) -> Self {
        let outcome = match random.below(8) {
            0 => Outcome::Failure,
            1 => Outcome::Unknown,
            _ => Outcome::Success,
        };
        let classes = ["timeout", "http 503", "ConnectionReset"];
        let failed = outcome != Outcome::Success;
        let labels = ["login", "search", "basket", "checkout"];
        let steps = ["dns", "connect", "first byte"];
        let counts = ["retries", "reconnects"];
        let steps = steps.into_iter().filter(|_| random.one_in(3));
        let steps: Vec<_> = steps.collect();
        let counts = counts.into_iter().filter(|_| random.one_in(4));
        let counts: Vec<_> = counts.collect();
        Self {
            outcome,
            class: failed.then(|| name(random, &classes)),
            label: (!random.one_in(4)).then(|| name(random, &labels)),
            steps: steps
                .into_iter()
                .map(|step| Step::new(step, random.duration()))
                .collect(),
            counts: counts
                .into_iter()
                .map(|count| Count::new(count, random.below(4)))
                .collect(),
            lag: random.one_in(3).then(|| random.below(1000)),
            volume: Volume::new(random.below(5), random.below(2000), random.below(100_000)),
        }
    }
}

/// One of these, lent or owned: aggregates must not tell the two apart.
fn name(random: &mut Random, names: &[&'static str]) -> Cow<'static, str> {
    let at = random.below(names.len() as u64) as usize;
    let name = names.get(at).copied().unwrap_or_default();
    match random.one_in(2) {
        true => Cow::Borrowed(name),
        false => Cow::Owned(name.to_owned()),
    }
}

#[diagnostic::do_not_recommend]
impl Metric for Specimen {
    fn outcome(&self) -> Outcome {
        self.outcome
    }
    fn volume(&self) -> Volume {
        self.volume
    }
    fn error_class(&self) -> Option<Cow<'static, str>> {
        self.class.clone()
    }
    fn label(&self) -> Option<Cow<'static, str>> {
        self.label.clone()
    }
    fn steps(&self) -> &[Step] {
        &self.steps
    }
    fn counts(&self) -> &[Count] {
        &self.counts
    }
    fn lag(&self) -> Option<u64> {
        self.lag
    }
}

/// What one iteration left.
pub(super) enum Taken<M> {
    Sample(Sample<M>),
    Panic(Sample<Panicked>),
}

/// `count` samples, some 1 ms apart; one in forty panicked.
pub(super) fn samples<M>(
    metric: &dyn Fn(&mut Random) -> M,
    seed: u64,
    count: u64,
) -> Vec<Taken<M>> {
    let mut random = Random::new(seed, 0);
    let sample = |index: u64| {
        let user = random.below(16);
        let due = Duration::from_millis(index) + Duration::from_micros(random.below(1000));
        let late = match random.one_in(8) {
            true => random.duration(),
            false => Duration::ZERO,
        };
        let start = due + late;
        let end = start + random.duration();
        let iteration = Iteration::new(index, user, due);
        match random.one_in(40) {
            true => Taken::Panic(Sample::new(iteration, start, end, Panicked::new())),
            false => Taken::Sample(Sample::new(iteration, start, end, metric(&mut random))),
        }
    };
    (0..count).map(sample).collect()
}
