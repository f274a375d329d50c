//! Merging is associative and commutative, and a merged aggregate is the one
//! that would have recorded every sample.

mod samples;

use std::{borrow::Cow, time::Duration};

use karga_core::{Aggregate, Iteration, Merge, Outcome, Panicked, Sample, Volume};
use karga_stats::{Histogram, HistogramAggregate, Lag, Outcomes, Slot, Stats};
use proptest::{collection::vec, prelude::*};
use samples::{Everything, sample, small};

/// Everything that an aggregate answers.
#[derive(Debug, PartialEq)]
struct Answers {
    total: Part,
    labels: Vec<(String, Part)>,
    steps: Vec<(String, Histogram)>,
    timeline: Vec<Slot>,
}

#[derive(Debug, PartialEq)]
struct Part {
    times: [Histogram; 3],
    outcomes: Outcomes,
    volume: Volume,
    lag: Option<Lag>,
    errors: Vec<(String, u64)>,
    counts: Vec<(String, u64)>,
}

fn part(stats: &Stats) -> Part {
    let owned = |(name, count): (&str, u64)| (name.to_owned(), count);
    Part {
        times: [
            stats.response_time(),
            stats.service_time(),
            stats.lateness(),
        ]
        .map(Clone::clone),
        outcomes: stats.outcomes(),
        volume: stats.volume(),
        lag: stats.lag(),
        errors: stats.errors().map(owned).collect(),
        counts: stats.counts().map(owned).collect(),
    }
}

fn answers(aggregate: &HistogramAggregate) -> Answers {
    let labels = aggregate
        .labels()
        .map(|(name, stats)| (name.to_owned(), part(stats)));
    let steps = aggregate
        .steps()
        .map(|(name, times)| (name.to_owned(), times.clone()));
    Answers {
        total: part(aggregate.total()),
        labels: labels.collect(),
        steps: steps.collect(),
        timeline: aggregate.timeline().collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(300)
    })]

    #[test]
    fn shards_merged_in_any_order_are_one_aggregate(
        // Each sample goes to one of four shards, in the order it comes.
        samples in vec((0_usize..4, sample()), 0..60),
        order in Just([0, 1, 2, 3]).prop_shuffle(),
        // A shard is taken out and merged whenever a snapshot is due.
        snapshot_every in 1_usize..40,
    ) {
        let mut whole = small();
        let mut shards = [(); 4].map(|()| whole.fork());
        let mut total = whole.fork();
        for (n, (shard, sample)) in samples.iter().enumerate() {
            whole.record(sample);
            shards[*shard].record(sample);
            if n % snapshot_every == 0 {
                let fresh = total.fork();
                total.merge(std::mem::replace(&mut shards[*shard], fresh));
            }
        }
        let mut shards = shards.map(Some);
        // ((total + a) + b) + (c + d)
        let mut take = |n: usize| shards[order[n]].take().expect("each is taken once");
        total.merge(take(0));
        total.merge(take(1));
        let mut pair = take(2);
        pair.merge(take(3));
        pair.merge(total);
        prop_assert_eq!(answers(&pair), answers(&whole));
        prop_assert_eq!(pair, whole);
    }

    #[test]
    fn the_order_of_samples_does_not_matter(
        (samples, shuffled) in vec(sample(), 0..40)
            .prop_flat_map(|samples| (Just(samples.clone()), Just(samples).prop_shuffle())),
    ) {
        let [mut a, mut b] = [small(), small()];
        samples.iter().for_each(|sample| a.record(sample));
        shuffled.iter().for_each(|sample| b.record(sample));
        prop_assert_eq!(answers(&a), answers(&b));
    }

    #[test]
    fn every_part_counts_every_sample(samples in vec(sample(), 0..60)) {
        let mut aggregate = small();
        samples.iter().for_each(|sample| aggregate.record(sample));
        let Answers { total, labels, timeline, .. } = answers(&aggregate);
        let all = samples.len() as u64;
        let bad = total.outcomes.failed + total.outcomes.unknown;
        prop_assert_eq!(total.outcomes.completed(), all);
        for times in &total.times {
            prop_assert_eq!(times.count(), all);
        }
        prop_assert_eq!(total.errors.iter().map(|(_, count)| count).sum::<u64>(), bad);
        let labelled = samples.iter().map(|Sample { metric, .. }| {
            usize::from(metric.label.is_some()) + metric.parts.len()
        });
        let rows = labels.iter().map(|(_, part)| part.outcomes.completed());
        prop_assert_eq!(rows.sum::<u64>(), labelled.sum::<usize>() as u64);
        prop_assert!(labels.len() <= 3 + 1 && total.errors.len() <= 2 + 1);
        prop_assert!(timeline.len() <= 8);
        prop_assert!(timeline.is_sorted_by(|a, b| a.start + a.width <= b.start));
        let slots = timeline.iter().map(|slot| slot.response_time.count());
        prop_assert_eq!(slots.sum::<u64>(), all);
        for slot in &timeline {
            let here = samples.iter().filter(|sample| {
                (slot.start.as_secs()..=slot.start.as_secs() + (slot.width.as_secs() - 1))
                    .contains(&sample.end.as_secs())
            });
            prop_assert_eq!(slot.outcomes.completed(), here.count() as u64);
        }
        for (label, part) in &labels {
            let mut merged = Histogram::new();
            for slot in &timeline {
                let here = slot.labels().filter(|(held, _)| held == label);
                here.for_each(|(_, times)| merged.merge(times));
            }
            prop_assert_eq!(&merged, &part.times[0]);
        }
    }
}

#[test]
fn of_two_configurations_the_lower_limits_hold() {
    let end = Duration::from_secs(100);
    let sample = |label| {
        let due = Iteration::new(0, 0, Duration::ZERO);
        let metric = Everything {
            outcome: Outcome::Success,
            class: None,
            label: Some(Cow::Borrowed(label)),
            steps: Vec::new(),
            parts: Vec::new(),
            counts: Vec::new(),
            lag: None,
            volume: Volume::default(),
        };
        Sample::new(due, Duration::ZERO, end, metric)
    };
    let (mut low, mut high) = (small(), HistogramAggregate::default());
    low.record(&sample("low"));
    high.record(&sample("high"));
    let mut merged = high.clone();
    merged.merge(low.clone());
    low.merge(high);
    assert_eq!(answers(&merged), answers(&low));
    assert_eq!(merged.timeline_width(), Duration::from_secs(16));
    let slot = merged.timeline().next().expect("there is one");
    let labels: Vec<_> = slot.labels().map(|(label, _)| label.to_owned()).collect();
    assert_eq!(labels, ["high", "low"]);
}

#[test]
fn a_fork_is_empty_and_keeps_the_limits() {
    let mut aggregate = small();
    panic_in(&mut aggregate);
    let fork = aggregate.fork();
    assert_eq!(answers(&fork), answers(&small()));
    assert_eq!(format!("{fork:?}"), format!("{:?}", small()));
}

#[test]
fn a_copy_is_independent() {
    let mut aggregate = small();
    panic_in(&mut aggregate);
    let copy = aggregate.duplicate().expect("it can be copied");
    let before = answers(&copy);
    assert_eq!(before, answers(&aggregate));
    panic_in(&mut aggregate);
    assert_eq!(before, answers(&copy));
    assert_ne!(copy, aggregate);
}

#[test]
fn a_panic_is_a_failure_of_its_class() {
    let mut aggregate = small();
    panic_in(&mut aggregate);
    assert_eq!(aggregate.outcomes().failed, 1);
    assert_eq!(aggregate.errors().collect::<Vec<_>>(), [("panic", 1)]);
    assert_eq!(aggregate.response_time().max(), Duration::from_millis(30));
    assert_eq!(
        aggregate
            .timeline()
            .map(|slot| slot.outcomes.failed)
            .sum::<u64>(),
        1
    );
}

fn panic_in(aggregate: &mut HistogramAggregate) {
    let ms = Duration::from_millis;
    let sample = Sample::new(
        Iteration::new(0, 0, ms(10)),
        ms(20),
        ms(40),
        Panicked::new(),
    );
    Aggregate::<Everything>::record_panic(aggregate, &sample);
}
