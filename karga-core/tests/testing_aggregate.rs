//! The conformance kit for aggregates: it lets those pass that keep the
//! contract, and catches every broken promise for what it is.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use karga_core::{
    Aggregate, Merge, Metric, Panicked, Sample,
    testing::{self, AggregateKit, AggregateRule as Rule},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fault {
    #[default]
    None,
    RecordsNothing,
    RecordPanics,
    PanicsAreLost,
    ForkIsFull,
    ForkForgets,
    MergeCountsForks,
    LastOneWins,
    MeanOfMeans,
    MergeKeepsFastest,
    MergedIsClosed,
    CopyIsEmpty,
    CopyIsShared,
    CopiesOnlyWhenFull,
    ApartIsFull,
    ApartIsHandedOn,
    ForkOfApartIsHandedOn,
    NotHandedOn,
    KeepsAll,
}

/// Counts by label and keeps the slowest, and hands every sample on; breaks
/// one promise where it is told to.
#[derive(Debug, Default)]
struct Tally {
    fault: Fault,
    /// Configuration: only what took this long.
    at_least: Duration,
    labels: BTreeMap<String, u64>,
    shared: Arc<AtomicU64>,
    slowest: Duration,
    mean: f64,
    last: u64,
    apart: bool,
    closed: bool,
    handed_on: Arc<AtomicU64>,
    all: Vec<u64>,
}

impl PartialEq for Tally {
    fn eq(&self, other: &Self) -> bool {
        let shared = |tally: &Self| tally.shared.load(Ordering::SeqCst);
        (&self.labels, self.slowest, self.last) == (&other.labels, other.slowest, other.last)
            && (self.mean - other.mean).abs() < 1e-9
            && shared(self) == shared(other)
    }
}

impl Tally {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            at_least: Duration::from_micros(3),
            ..Self::default()
        }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn take<M: Metric>(&mut self, sample: &Sample<M>) {
        assert!(!self.is(Fault::RecordPanics), "by fault");
        if !self.apart && !self.is(Fault::NotHandedOn) {
            self.handed_on.fetch_add(1, Ordering::SeqCst);
        }
        if self.is(Fault::KeepsAll) {
            self.all.push(sample.iteration.index);
        }
        let time = sample.response_time();
        if self.is(Fault::RecordsNothing) || self.closed || time < self.at_least {
            return;
        }
        let label = sample.metric.label().unwrap_or("none".into());
        *self.labels.entry(label.into_owned()).or_default() += 1;
        self.slowest = self.slowest.max(time);
        if self.is(Fault::MeanOfMeans) {
            self.mean = (self.mean + time.as_secs_f64()) / 2.0;
        }
        if self.is(Fault::LastOneWins) {
            self.last = sample.iteration.index;
        }
        if self.is(Fault::CopyIsShared) {
            self.shared.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn copy(&self) -> Self {
        Self {
            labels: self.labels.clone(),
            shared: Arc::clone(&self.shared),
            slowest: self.slowest,
            mean: self.mean,
            last: self.last,
            ..self.fork()
        }
    }
}

impl Merge for Tally {
    fn fork(&self) -> Self {
        let fork = Self {
            fault: self.fault,
            at_least: self.at_least,
            apart: self.apart && !self.is(Fault::ForkOfApartIsHandedOn),
            handed_on: Arc::clone(&self.handed_on),
            ..Self::default()
        };
        match self.fault {
            Fault::ForkIsFull => Self {
                labels: self.labels.clone(),
                ..fork
            },
            Fault::ForkForgets => Self {
                at_least: Duration::ZERO,
                ..fork
            },
            _ => fork,
        }
    }

    fn merge(&mut self, other: Self) {
        for (label, count) in other.labels {
            *self.labels.entry(label).or_default() += count;
        }
        let shared = other.shared.load(Ordering::SeqCst);
        self.shared.fetch_add(shared, Ordering::SeqCst);
        let empty = self.slowest.is_zero() || other.slowest.is_zero();
        self.slowest = match self.fault {
            Fault::MergeKeepsFastest if !empty => self.slowest.min(other.slowest),
            _ => self.slowest.max(other.slowest),
        };
        self.closed = self.is(Fault::MergedIsClosed);
        match self.fault {
            Fault::MergeCountsForks => *self.labels.entry("merges".into()).or_default() += 1,
            Fault::LastOneWins if other.last > 0 => self.last = other.last,
            Fault::MeanOfMeans if self.mean == 0.0 => self.mean = other.mean,
            Fault::MeanOfMeans if other.mean > 0.0 => self.mean = (self.mean + other.mean) / 2.0,
            _ => {}
        }
    }

    fn duplicate(&self) -> Option<Self> {
        match self.fault {
            Fault::CopyIsEmpty => Some(self.fork()),
            Fault::CopiesOnlyWhenFull => (!self.labels.is_empty()).then(|| self.copy()),
            Fault::CopyIsShared => Some(self.copy()),
            _ => {
                let mut copy = self.copy();
                copy.shared = Arc::new(AtomicU64::new(self.shared.load(Ordering::SeqCst)));
                Some(copy)
            }
        }
    }

    fn fork_apart(&self) -> Self {
        let mut apart = match self.fault {
            Fault::ApartIsFull => self.copy(),
            _ => self.fork(),
        };
        apart.apart = !self.is(Fault::ApartIsHandedOn);
        apart
    }
}

impl<M: Metric> Aggregate<M> for Tally {
    fn record(&mut self, sample: &Sample<M>) {
        self.take(sample);
    }
    fn record_panic(&mut self, sample: &Sample<Panicked>) {
        if !self.is(Fault::PanicsAreLost) {
            self.take(sample);
        }
    }
}

fn kit(fault: Fault) -> AggregateKit<Tally> {
    let handed_on = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&handed_on);
    let make = move || Tally {
        handed_on: Arc::clone(&handed_on),
        ..Tally::new(fault)
    };
    testing::aggregate(make)
        .handed_on(move || counter.load(Ordering::SeqCst))
        .size(|tally| tally.labels.len() + tally.all.len())
}

#[test]
fn one_that_keeps_the_contract_passes() {
    kit(Fault::None).run();
    kit(Fault::None).samples(100).eq_by(|a, b| a == b).run();
    kit(Fault::None).figures(|tally| tally.labels.clone()).run();
    kit(Fault::None)
        .metrics(|random| {
            if random.one_in(3) {
                Err("slow")
            } else {
                Ok(random.duration())
            }
        })
        .run();
}

#[test]
fn each_broken_promise_is_caught_for_what_it_is() {
    let broken = [
        (Fault::RecordsNothing, Rule::Record),
        (Fault::RecordPanics, Rule::Record),
        (Fault::PanicsAreLost, Rule::RecordPanic),
        (Fault::ForkIsFull, Rule::ForkEmpty),
        (Fault::MergeCountsForks, Rule::ForkEmpty),
        (Fault::ForkForgets, Rule::ForkConfigured),
        (Fault::LastOneWins, Rule::Commutative),
        (Fault::MeanOfMeans, Rule::Associative),
        (Fault::MergeKeepsFastest, Rule::Split),
        (Fault::MergedIsClosed, Rule::RecordAfterMerge),
        (Fault::CopyIsEmpty, Rule::Duplicate),
        (Fault::CopyIsShared, Rule::Duplicate),
        (Fault::CopiesOnlyWhenFull, Rule::Duplicate),
        (Fault::ApartIsFull, Rule::Apart),
        (Fault::ApartIsHandedOn, Rule::Apart),
        (Fault::ForkOfApartIsHandedOn, Rule::Apart),
        (Fault::NotHandedOn, Rule::Apart),
        (Fault::KeepsAll, Rule::Memory),
    ];
    let mut wrong = Vec::new();
    for (fault, rule) in broken {
        match kit(fault).check() {
            Err(found) if found.rules() == [rule] => {}
            Err(found) => wrong.push(format!("{fault:?}, not only {rule:?}: {found}")),
            Ok(()) => wrong.push(format!("{fault:?} was not caught")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let mut untested = Rule::ALL.to_vec();
    untested.retain(|rule| broken.iter().all(|(_, caught)| caught != rule));
    assert_eq!(untested, []);
}

#[test]
fn what_is_skipped_is_not_told() {
    kit(Fault::PanicsAreLost)
        .skip(Rule::RecordPanic, "it counts successes only")
        .run();
}

#[test]
#[should_panic(expected = "Commutative: \"Merging is commutative.\" (`Merge::merge`)")]
fn a_failure_names_the_promise() {
    kit(Fault::LastOneWins).run();
}
