//! Settings that make no sense are refused, each with its own message.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

mod support;

use std::time::Duration;

use karga_core::Stage;
use karga_executors::{MAX_WORKERS, StageExecutor, StageExecutorBuilder};
use support::{flat, secs};

fn refused(builder: StageExecutorBuilder) -> String {
    let error = builder.build().unwrap_err();
    assert_eq!(error.clone().to_string(), error.to_string());
    error.to_string()
}

#[test]
fn what_makes_no_sense_is_refused() {
    let good = || flat(10.0, secs(1));
    for (builder, text) in [
        (
            StageExecutor::builder(),
            "there are no stages: give at least one",
        ),
        (good().stages([]), "there are no stages: give at least one"),
        (
            good().start_rate(-5.0),
            "start rate -5: give arrivals per second",
        ),
        (
            good().start_rate(f64::NAN),
            "start rate NaN: give arrivals per second",
        ),
        (
            good().stages([Stage::new(secs(1), f64::INFINITY)]),
            "stage 1 has the rate inf: give arrivals per second",
        ),
        (
            good().stages([Stage::new(secs(1), 1.0), Stage::new(secs(1), -1.0)]),
            "stage 2 has the rate -1: give arrivals per second",
        ),
        (
            good().stages([Stage::new(Duration::ZERO, 1.0)]),
            "all stages (1) have a duration of zero",
        ),
        (
            good().start_rate(0.0).stages([Stage::new(secs(1), 0.0)]),
            "the rate is zero throughout",
        ),
        (
            good().stages([Stage::new(Duration::MAX, 1.0)]),
            "the stages last longer than 584 years",
        ),
        (
            good().workers(0),
            "0 workers can run nothing: set at least 1",
        ),
        (
            good().workers(MAX_WORKERS + 1),
            "1048577 workers are more than 2^20",
        ),
        (
            good().interval(Duration::ZERO),
            "an interval of 0 s cannot be observed",
        ),
        (good().slice(3, 3), "there is no slice 3 of 3"),
        (good().slice(11, 20), "slice 11 of 20 is empty"),
    ] {
        let message = refused(builder);
        assert!(message.starts_with(text), "{message}");
    }
}

#[test]
fn extremes_that_make_sense_are_built() {
    flat(1e9, secs(1)).build().unwrap();
    flat(1e-3, secs(1)).workers(MAX_WORKERS).build().unwrap();
    flat(1.0, secs(1))
        .graceful_stop(Duration::MAX)
        .interval(Duration::MAX)
        .build()
        .unwrap();
}
