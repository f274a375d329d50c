//! The named shapes of load: rates, lengths and counts, exactly, and arguments
//! that make no sense.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

mod support;

use std::{f64::consts::TAU, time::Duration};

use karga_core::{Executor, Observer, Schedule, Stage};
use karga_executors::{StageExecutor, StageExecutorBuilder};
use karga_stats::{HistogramAggregate, Thresholds};
use support::{Times, does, figures, ms, run, secs, sure, takes};

fn schedule(profile: StageExecutorBuilder) -> Schedule {
    profile.build().unwrap().schedule().clone()
}

/// The rates at these times, in seconds.
fn rates<const N: usize>(schedule: &Schedule, times: [f64; N]) -> [f64; N] {
    times.map(|t| schedule.rate_at(Duration::from_secs_f64(t)))
}

/// The profile has the same arrivals as these stages.
fn assert_same(profile: &Schedule, start: f64, stages: &[(u64, f64)]) {
    let stages = stages.iter().map(|(s, rate)| Stage::new(secs(*s), *rate));
    let same = Schedule::builder().start_rate(start).stages(stages);
    let same = same.build().unwrap();
    assert_eq!(profile.len(), same.len());
    assert_eq!(profile.duration(), same.duration());
    for n in 0..same.len() {
        assert_eq!(profile.due(n), same.due(n), "arrival {n}");
    }
}

#[test]
fn constant_is_one_hold() {
    let constant = schedule(StageExecutor::constant(500.0, secs(60)));
    assert_eq!(constant.len(), 30_000);
    assert_eq!(constant.duration(), secs(60));
    assert_eq!(rates(&constant, [0.0, 59.9, 60.0]), [500.0, 500.0, 0.0]);
    assert_same(&constant, 500.0, &[(60, 500.0)]);
}

#[test]
fn a_ramp_goes_up_or_down() {
    let up = schedule(StageExecutor::ramp(20.0, 100.0, secs(10)));
    assert_eq!(up.len(), 600);
    assert_eq!(rates(&up, [0.0, 2.5, 5.0, 10.0]), [20.0, 40.0, 60.0, 0.0]);
    assert_same(&up, 20.0, &[(10, 100.0)]);
    let down = schedule(StageExecutor::ramp(100.0, 0.0, secs(10)));
    assert_eq!(down.len(), 500);
    assert_same(&down, 100.0, &[(10, 0.0)]);
}

#[test]
fn a_spike_is_sudden_and_goes_back() {
    let spike = schedule(StageExecutor::spike(100.0, secs(20), 1000.0, secs(5)));
    assert_eq!(spike.len(), 2000 + 5000 + 2000);
    assert_eq!(spike.duration(), secs(45));
    assert_eq!(
        rates(&spike, [0.0, 19.999, 20.0, 24.999, 25.0, 44.999]),
        [100.0, 100.0, 1000.0, 1000.0, 100.0, 100.0]
    );
    assert_same(
        &spike,
        100.0,
        &[
            (20, 100.0),
            (0, 1000.0),
            (5, 1000.0),
            (0, 100.0),
            (20, 100.0),
        ],
    );
    // From nothing, as a sale that opens.
    let from_nothing = schedule(StageExecutor::spike(0.0, secs(20), 1000.0, secs(5)));
    assert_eq!(from_nothing.len(), 5000);
    assert_eq!(from_nothing.due(0), Some(secs(20)));
    assert_eq!(from_nothing.duration(), secs(45));
}

#[test]
fn stress_rises_in_levels() {
    let stress = schedule(StageExecutor::stress(100.0, 50.0, 3, secs(60), secs(10)));
    assert_eq!(stress.duration(), secs(200));
    assert_eq!(
        rates(&stress, [0.0, 59.0, 65.0, 70.0, 129.0, 135.0, 140.0, 199.0]),
        [100.0, 100.0, 125.0, 150.0, 150.0, 175.0, 200.0, 200.0]
    );
    assert_eq!(stress.len(), 6000 + 1250 + 9000 + 1750 + 12_000);
    assert_same(
        &stress,
        100.0,
        &[
            (60, 100.0),
            (10, 150.0),
            (60, 150.0),
            (10, 200.0),
            (60, 200.0),
        ],
    );
    // Without ramps it jumps; one level is a hold.
    let jumps = schedule(StageExecutor::stress(
        0.0,
        10.0,
        2,
        secs(10),
        Duration::ZERO,
    ));
    assert_eq!(rates(&jumps, [9.999, 10.0]), [0.0, 10.0]);
    assert_eq!(jumps.len(), 100);
    let one = schedule(StageExecutor::stress(10.0, 10.0, 1, secs(10), secs(1)));
    assert_eq!((one.len(), one.duration()), (100, secs(10)));
}

#[test]
fn a_soak_ramps_up_and_down() {
    let soak = schedule(StageExecutor::soak(200.0, secs(300), secs(8 * 3600)));
    assert_eq!(soak.len(), 200 * (300 + 8 * 3600));
    assert_eq!(soak.duration(), secs(600 + 8 * 3600));
    assert_eq!(
        rates(&soak, [0.0, 150.0, 300.0, 29_100.0, 29_250.0]),
        [0.0, 100.0, 200.0, 200.0, 100.0]
    );
    let short = schedule(StageExecutor::soak(20.0, secs(10), secs(30)));
    assert_same(&short, 0.0, &[(10, 20.0), (30, 20.0), (10, 0.0)]);
    let bare = schedule(StageExecutor::soak(20.0, Duration::ZERO, secs(30)));
    assert_same(&bare, 20.0, &[(30, 20.0)]);
}

#[test]
fn a_breakpoint_is_a_staircase() {
    let stairs = schedule(StageExecutor::breakpoint(100.0, 50.0, secs(30), 250.0));
    assert_eq!(stairs.duration(), secs(120));
    assert_eq!(
        rates(&stairs, [0.0, 29.9, 30.0, 60.0, 90.0, 119.9]),
        [100.0, 100.0, 150.0, 200.0, 250.0, 250.0]
    );
    assert_eq!(stairs.len(), 30 * (100 + 150 + 200 + 250));
    // What is left before the maximum is a step too.
    let rest = schedule(StageExecutor::breakpoint(100.0, 50.0, secs(10), 220.0));
    assert_eq!(
        rates(&rest, [0.0, 10.0, 20.0, 30.0, 40.0]),
        [100.0, 150.0, 200.0, 220.0, 0.0]
    );
    // 0.1 + 3 x 0.1 is not 0.4 in binary, and no step of its own.
    let rounded = schedule(StageExecutor::breakpoint(0.1, 0.1, secs(100), 0.4));
    assert_eq!(rounded.duration(), secs(400));
    assert_eq!(rounded.len(), 10 + 20 + 30 + 40);
    // From nothing; and one level.
    let from_nothing = schedule(StageExecutor::breakpoint(0.0, 5.0, secs(1), 10.0));
    assert_eq!(rates(&from_nothing, [0.0, 1.0, 2.0]), [0.0, 5.0, 10.0]);
    let one = schedule(StageExecutor::breakpoint(7.0, 5.0, secs(1), 7.0));
    assert_eq!((one.len(), one.duration()), (7, secs(1)));
}

#[test]
fn a_sine_lies_on_its_curve() {
    let (mean, amplitude, period) = (100.0, 80.0, 60.0);
    let sine = schedule(StageExecutor::sine(mean, amplitude, secs(60), secs(600)));
    assert_eq!(sine.duration(), secs(600));
    assert_eq!(
        rates(&sine, [0.0, 15.0, 30.0, 45.0, 60.0, 555.0]),
        [100.0, 180.0, 100.0, 20.0, 100.0, 180.0].map(|rate: f64| rate)
    );
    // What is said of the lines.
    let bound = amplitude * std::f64::consts::PI.powi(2) / 8192.0;
    let mut worst = 0.0_f64;
    for n in 0..60_000_u32 {
        let t = f64::from(n) / 100.0;
        let [rate] = rates(&sine, [t]);
        let curve = mean + amplitude * (TAU * t / period).sin();
        worst = worst.max((rate - curve).abs());
    }
    assert!(worst <= bound * 1.000_001, "{worst}, not {bound}");
    assert!(worst > bound * 0.99, "the bound is not loose: {worst}");
    // Each period holds mean times period, to the rounding of f64.
    for n in 1..=10 {
        let area = sine.cumulative(secs(60 * n));
        assert!((area - 6000.0 * n as f64).abs() < 1e-8, "{area}");
        assert_eq!(
            sine.count_until(secs(60 * n) - Duration::from_nanos(1)),
            6000 * n
        );
    }
    assert_eq!(sine.len(), 60_000);
}

#[test]
fn a_sine_may_end_inside_of_a_period() {
    // Half a period above the mean: 100 + 80 x 2/π by 10 s, within the bound.
    let half = schedule(StageExecutor::sine(100.0, 80.0, secs(20), secs(10)));
    assert_eq!(half.duration(), secs(10));
    let area = half.cumulative(secs(10));
    let exact = 1000.0 + 80.0 * 20.0 / std::f64::consts::PI;
    assert!((area / exact - 1.0).abs() < 5e-4, "{area}, not {exact}");
    // Inside of a line: the line is cut.
    let whole = schedule(StageExecutor::sine(100.0, 80.0, secs(20), secs(20)));
    let cut = schedule(StageExecutor::sine(100.0, 80.0, secs(20), ms(7_777)));
    assert_eq!(cut.duration(), ms(7_777));
    for n in 0..cut.len() {
        let (cut, whole) = (cut.due(n).unwrap(), whole.due(n).unwrap());
        assert!(
            cut.abs_diff(whole) <= Duration::from_nanos(2),
            "{n}: {cut:?}, not {whole:?}"
        );
    }
    // A period that 64 lines cannot share out in whole nanoseconds.
    let odd = Duration::from_nanos(1_000_000_007);
    let sine = schedule(StageExecutor::sine(5000.0, 5000.0, odd, 4 * odd));
    let wanted = 20_000.0 * odd.as_secs_f64();
    assert!((sine.cumulative(4 * odd) - wanted).abs() < 1e-4);
    // As high as it is deep, the rate is never below zero.
    assert_eq!(
        schedule(StageExecutor::sine(10.0, 10.0, secs(4), secs(8))).rate_at(secs(3)),
        0.0
    );
    assert_eq!(
        schedule(StageExecutor::sine(10.0, 0.0, secs(4), secs(8))).len(),
        80
    );
}

#[tokio::test(start_paused = true)]
async fn everything_else_can_still_be_set() {
    let profile = StageExecutor::spike(10.0, secs(2), 100.0, secs(1))
        .stop_on_ctrl_c(false)
        .workers(3)
        .slice(1, 2);
    let run = sure(run(profile, &takes(ms(1)), Times::default()).await);
    assert_eq!(figures(run.account), [70, 70, 0, 0]);
    assert_eq!(run.generator.workers, 3);
    assert_eq!(run.load_time, secs(5));
    assert!(
        run.aggregate
            .samples
            .iter()
            .all(|s| s.iteration.index % 2 == 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_breakpoint_is_found_by_a_threshold() {
    // 300/s are served at once, 400/s are not: from 60 s on.
    let action = does(|iteration| async move {
        let slow = iteration.due >= secs(60);
        tokio::time::sleep(if slow { ms(400) } else { ms(10) }).await;
    });
    let executor = StageExecutor::breakpoint(100.0, 100.0, secs(20), 1000.0)
        .workers(1000)
        .stop_on_ctrl_c(false)
        .build()
        .unwrap();
    let mut thresholds = Thresholds::parse(["p99(response_time) < 250ms"])
        .unwrap()
        .window(secs(5))
        .abort();
    let aggregate = HistogramAggregate::default();
    let run = executor.execute(&action, aggregate, &mut thresholds).await;
    let run = sure(run);
    let judgement = &Observer::judge(&mut thresholds, &run)[0];
    assert!(!judgement.passed);
    assert_eq!(judgement.stopped_at, Some(secs(61)));
    assert_eq!(judgement.last_good_rate, Some(300.0));
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    const NAN: f64 = f64::NAN;
    let (s, no_time) = (secs(1), Duration::ZERO);
    type Stages = StageExecutor;
    for (profile, text) in [
        (
            Stages::constant(0.0, s),
            "constant: rate 0: give arrivals per second, above zero",
        ),
        (
            Stages::constant(-5.0, s),
            "constant: rate -5: give arrivals per second, from 0 to 1e9",
        ),
        (
            Stages::constant(NAN, s),
            "constant: rate NaN: give arrivals per second, from 0 to 1e9",
        ),
        (Stages::constant(2e9, s), "constant: rate 2000000000: give"),
        (
            Stages::constant(5.0, no_time),
            "constant: duration 0ns: give it some time",
        ),
        (Stages::ramp(-1.0, 5.0, s), "ramp: from -1: give"),
        (Stages::ramp(1.0, f64::INFINITY, s), "ramp: to inf: give"),
        (Stages::ramp(0.0, 0.0, s), "ramp: to 0: from is zero too"),
        (Stages::ramp(1.0, 5.0, no_time), "ramp: duration 0ns: "),
        (Stages::spike(NAN, s, 5.0, s), "spike: base NaN: "),
        (
            Stages::spike(1.0, no_time, 5.0, s),
            "spike: base_duration 0ns: ",
        ),
        (
            Stages::spike(1.0, s, -5.0, s),
            "spike: peak -5: give arrivals",
        ),
        (
            Stages::spike(5.0, s, 5.0, s),
            "spike: peak 5: give a rate above base, which is 5",
        ),
        (
            Stages::spike(1.0, s, 5.0, no_time),
            "spike: peak_duration 0ns: ",
        ),
        (Stages::stress(-1.0, 5.0, 3, s, s), "stress: first -1: "),
        (Stages::stress(1.0, 0.0, 3, s, s), "stress: step 0: "),
        (Stages::stress(1.0, NAN, 3, s, s), "stress: step NaN: "),
        (
            Stages::stress(1.0, 5.0, 0, s, s),
            "stress: levels 0: give at least 1",
        ),
        (
            Stages::stress(1.0, 5.0, u32::MAX, s, s),
            "stress: levels 4294967295: give 131072 at most",
        ),
        (
            Stages::stress(1.0, 5e8, 3, s, s),
            "stress: levels 3: the last would be above 1e9/s: give fewer",
        ),
        (
            Stages::stress(1.0, 5.0, 3, no_time, s),
            "stress: hold 0ns: ",
        ),
        (Stages::soak(0.0, s, s), "soak: rate 0: "),
        (Stages::soak(5.0, s, no_time), "soak: hold 0ns: "),
        (
            Stages::breakpoint(NAN, 5.0, s, 9.0),
            "breakpoint: start_rate NaN: ",
        ),
        (Stages::breakpoint(1.0, 0.0, s, 9.0), "breakpoint: step 0: "),
        (
            Stages::breakpoint(1.0, -1.0, s, 9.0),
            "breakpoint: step -1: ",
        ),
        (
            Stages::breakpoint(1.0, 5.0, no_time, 9.0),
            "breakpoint: step_duration 0ns: ",
        ),
        (
            Stages::breakpoint(1.0, 5.0, s, NAN),
            "breakpoint: max_rate NaN: ",
        ),
        (
            Stages::breakpoint(10.0, 5.0, s, 9.0),
            "breakpoint: max_rate 9: give at least start_rate, which is 10",
        ),
        (
            Stages::breakpoint(0.0, 1e-3, s, 1e6),
            "breakpoint: step 0.001: it would take 1000000000 steps to max_rate, and 131071 are possible: give a larger one",
        ),
        (Stages::sine(0.0, 0.0, s, s), "sine: mean 0: "),
        (Stages::sine(10.0, NAN, s, s), "sine: amplitude NaN: "),
        (Stages::sine(10.0, -1.0, s, s), "sine: amplitude -1: "),
        (
            Stages::sine(10.0, 11.0, s, s),
            "sine: amplitude 11: a rate cannot be negative: give 10, the mean, at most",
        ),
        (
            Stages::sine(6e8, 6e8, s, s),
            "sine: amplitude 600000000: mean and amplitude",
        ),
        (
            Stages::sine(10.0, 1.0, no_time, s),
            "sine: period 0ns: give it some time",
        ),
        (Stages::sine(10.0, 1.0, s, no_time), "sine: duration 0ns: "),
        (
            Stages::sine(10.0, 1.0, ms(1), secs(3600)),
            "sine: period 1ms: the duration holds 3600000 of them, and 4096 are possible: give a longer one",
        ),
        // What a profile leaves to the schedule.
        (
            Stages::constant(1.0, Duration::MAX),
            "the stages last longer than 584 years",
        ),
        (
            Stages::soak(1.0, Duration::MAX, s),
            "the stages last longer than 584 years",
        ),
        (
            Stages::sine(1.0, 1.0, Duration::MAX, Duration::MAX),
            "the stages last longer",
        ),
        (
            Stages::sine(1.0, 1.0, Duration::MAX / 2, Duration::MAX),
            "the stages last longer",
        ),
    ] {
        let message = profile.build().unwrap_err().to_string();
        assert!(message.starts_with(text), "{message}");
    }
    // No later setting makes a wrong profile right.
    let error = Stages::constant(NAN, s)
        .stages([Stage::new(s, 1.0)])
        .workers(1)
        .build();
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("constant: rate NaN")
    );
}
