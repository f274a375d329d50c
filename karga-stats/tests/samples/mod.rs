//! Random samples that have everything that a sample can have.

use std::{borrow::Cow, time::Duration};

use karga_core::{Count, Iteration, Metric, Outcome, Part, Sample, Step, Volume};
use karga_stats::HistogramAggregate;
use proptest::{collection::vec, prelude::*};

/// A metric that has everything that a metric can have.
#[derive(Debug, Clone)]
pub(crate) struct Everything {
    pub(crate) outcome: Outcome,
    pub(crate) class: Option<Cow<'static, str>>,
    pub(crate) label: Option<Cow<'static, str>>,
    pub(crate) steps: Vec<Step>,
    pub(crate) parts: Vec<Part>,
    pub(crate) counts: Vec<Count>,
    pub(crate) lag: Option<u64>,
    pub(crate) volume: Volume,
}

impl Metric for Everything {
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

/// More names than are kept, in both forms, and the one that stands for all
/// others.
fn name() -> impl Strategy<Value = Cow<'static, str>> {
    const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "other"];
    (0..NAMES.len(), any::<bool>()).prop_map(|(n, owned)| {
        if owned {
            Cow::Owned(NAMES[n].to_owned())
        } else {
            Cow::Borrowed(NAMES[n])
        }
    })
}

fn nanos() -> impl Strategy<Value = Duration> {
    // Every order of magnitude, some beyond the histogram's range.
    (0_u32..45, any::<u64>()).prop_map(|(bits, n)| Duration::from_nanos(n % (1 << bits)))
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Success),
        1 => Just(Outcome::Failure),
        1 => Just(Outcome::Unknown),
    ]
}

fn counts() -> impl Strategy<Value = Vec<Count>> {
    let count = (0_usize..4, 0_u64..5).prop_map(|(n, count)| {
        Count::new(
            ["retries", "reconnects", "throttled", "redirects"][n],
            count,
        )
    });
    vec(count, 0..3)
}

fn volume() -> impl Strategy<Value = Volume> {
    (0_u64..10, any::<u64>(), 0_u64..10).prop_map(|(m, s, r)| Volume::new(m, s, r))
}

/// A part of an iteration that takes so long.
fn part(service: Duration) -> impl Strategy<Value = Part> {
    let within = || (0_u32..=100).prop_map(move |percent| service * percent / 100);
    let what = (outcome(), proptest::option::of(name()), counts(), volume());
    (name(), within(), within(), what).prop_map(
        |(label, start, end, (outcome, class, counts, volume))| {
            // Also one that ends before it starts.
            let mut part = Part::new(label, start, end);
            (part.outcome, part.error_class, part.volume) = (outcome, class, volume);
            part.counts = counts.into();
            part
        },
    )
}

fn metric(service: Duration) -> impl Strategy<Value = Everything> {
    let step = (name(), nanos()).prop_map(|(name, took)| Step::new(name, took));
    (
        outcome(),
        proptest::option::of(name()),
        proptest::option::of(name()),
        (vec(step, 0..3), vec(part(service), 0..4)),
        counts(),
        proptest::option::of(0_u64..100),
        volume(),
    )
        .prop_map(
            |(outcome, class, label, (steps, parts), counts, lag, volume)| Everything {
                outcome,
                class,
                label,
                steps,
                parts,
                counts,
                lag,
                volume,
            },
        )
}

pub(crate) fn sample() -> impl Strategy<Value = Sample<Everything>> {
    // Ends within a few seconds, within some hours, or anywhere.
    let end = prop_oneof![
        6 => (0_u64..5_000).prop_map(Duration::from_millis),
        2 => (0_u64..20_000).prop_map(Duration::from_secs),
        1 => any::<Duration>(),
    ];
    // Some long enough for parts that end in seconds in which nothing else does.
    let service = prop_oneof![
        4 => nanos(),
        1 => (0_u64..10_000).prop_map(Duration::from_millis),
    ];
    (end, service, nanos()).prop_flat_map(|(end, service, late)| {
        let start = end.saturating_sub(service);
        let iteration = Iteration::new(0, 0, start.saturating_sub(late));
        metric(service).prop_map(move |metric| Sample::new(iteration, start, end, metric))
    })
}

pub(crate) fn small() -> HistogramAggregate {
    HistogramAggregate::builder()
        .labels(3)
        .error_classes(2)
        .counts(2)
        .steps(3)
        .timeline_slots(8)
        .build()
        .expect("the limits are valid")
}
