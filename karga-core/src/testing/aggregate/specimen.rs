//! The samples that aggregates under test are given.

use std::{borrow::Cow, time::Duration};

use crate::{
    Count, Iteration, Metric, Outcome, Panicked, Part, Sample, Step, Volume, schedule::random,
};

/// A seeded generator of random numbers, for those who make metrics of their
/// own for the kit. The same seed gives the same numbers on every machine.
#[derive(Debug, Clone)]
pub struct Random {
    numbers: random::Random,
    /// How long the iteration took whose metric is being made.
    service_time: Duration,
}

impl Random {
    pub(super) fn new(seed: u64, key: u64) -> Self {
        Self {
            numbers: random::Random::new(seed, key),
            service_time: Duration::ZERO,
        }
    }

    /// From 0 up to, but without, `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.numbers.bits().checked_rem(n).unwrap_or(0)
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

/// A metric that has everything that a metric can have: labels, steps, parts,
/// error classes, counts, lag, volume, and outcomes that are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Specimen {
    outcome: Outcome,
    class: Option<Cow<'static, str>>,
    label: Option<Cow<'static, str>>,
    steps: Vec<Step>,
    parts: Vec<Part>,
    counts: Vec<Count>,
    lag: Option<u64>,
    volume: Volume,
}

impl Specimen {
    /// A specimen by chance.
    pub fn new(random: &mut Random) -> Self {
        let (outcome, class) = ended(random);
        let steps = ["dns", "connect", "first byte"];
        let steps = steps.into_iter().filter(|_| random.one_in(3));
        let steps: Vec<_> = steps.collect();
        Self {
            outcome,
            class,
            label: (!random.one_in(4)).then(|| name(random, &LABELS)),
            steps: steps
                .into_iter()
                .map(|step| Step::new(step, random.duration()))
                .collect(),
            parts: parts(random),
            counts: counts(random),
            lag: random.one_in(3).then(|| random.below(1000)),
            volume: volume(random),
        }
    }
}

const LABELS: [&str; 4] = ["login", "search", "basket", "checkout"];

fn ended(random: &mut Random) -> (Outcome, Option<Cow<'static, str>>) {
    let classes = ["timeout", "http 503", "ConnectionReset"];
    let outcome = match random.below(8) {
        0 => Outcome::Failure,
        1 => Outcome::Unknown,
        _ => return (Outcome::Success, None),
    };
    (outcome, Some(name(random, &classes)))
}

fn counts(random: &mut Random) -> Vec<Count> {
    let counts = ["retries", "reconnects"].into_iter();
    let counts: Vec<_> = counts.filter(|_| random.one_in(4)).collect();
    let count = |name| Count::new(name, random.below(4));
    counts.into_iter().map(count).collect()
}

fn volume(random: &mut Random) -> Volume {
    Volume::new(random.below(5), random.below(2000), random.below(100_000))
}

/// Up to three parts, one after the other, within the iteration.
fn parts(random: &mut Random) -> Vec<Part> {
    let count = random.below(4);
    let mut start = Duration::ZERO;
    let part = |_| {
        let left = random.service_time.saturating_sub(start).as_nanos() as u64;
        let end = start + Duration::from_nanos(random.below(left + 1));
        let mut part = Part::new(name(random, &LABELS), start, end);
        (part.outcome, part.error_class) = ended(random);
        part.volume = volume(random);
        part.counts = counts(random).into();
        start = end;
        part
    };
    (0..count).map(part).collect()
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
    fn parts(&self) -> &[Part] {
        &self.parts
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
        random.service_time = random.duration();
        let end = start + random.service_time;
        let iteration = Iteration::new(index, user, due);
        match random.one_in(40) {
            true => Taken::Panic(Sample::new(iteration, start, end, Panicked::new())),
            false => Taken::Sample(Sample::new(iteration, start, end, metric(&mut random))),
        }
    };
    (0..count).map(sample).collect()
}
