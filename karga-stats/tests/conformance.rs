//! The histogram aggregate keeps the contract, alone and in a tuple, as the kit
//! of `karga-core` checks it for anybody's.

use std::time::Duration;

use karga_core::testing;
use karga_stats::HistogramAggregate;

/// With limits that the samples reach.
fn small() -> HistogramAggregate {
    HistogramAggregate::builder()
        .labels(2)
        .error_classes(2)
        .timeline_slots(16)
        .build()
        .expect("the limits are within theirs")
}

/// Everything of it whose number could grow; what each holds is bounded by the
/// histogram's range (see `memory.rs`).
fn parts(aggregate: &HistogramAggregate) -> usize {
    aggregate.labels().count()
        + aggregate.steps().count()
        + aggregate.errors().count()
        + aggregate.counts().count()
        + aggregate.timeline().count()
}

#[test]
fn the_histogram_aggregate() {
    testing::aggregate(HistogramAggregate::default)
        .size(parts)
        .run();
}

#[test]
fn one_that_has_reached_its_limits() {
    testing::aggregate(small).size(parts).run();
}

#[test]
fn a_tuple_and_a_box() {
    testing::aggregate(|| (small(), Box::new(HistogramAggregate::default()), ())).run();
}

#[test]
fn with_the_simplest_of_metrics() {
    let metric = |random: &mut testing::Random| match random.one_in(10) {
        true => Err("it failed"),
        false => Ok(Duration::from_nanos(random.below(1000))),
    };
    testing::aggregate(HistogramAggregate::default)
        .metrics(metric)
        .run();
}
