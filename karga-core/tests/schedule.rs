//! Properties of schedules, by the public API.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

use std::time::Duration;

use karga_core::schedule::{Arrivals, MAX_RATE, Schedule, ScheduleError, Stage};
use proptest::prelude::*;

/// Ramps, holds, jumps and pauses of every size that a test can walk through.
fn stages() -> impl Strategy<Value = (f64, Vec<Stage>)> {
    let rate = prop_oneof![
        Just(0.0),
        0.01..10.0,
        (1_u32..100).prop_map(f64::from),
        100.0..20_000.0
    ];
    let length = prop_oneof![Just(0), 1_u64..2_000, (1_u64..20).prop_map(|s| s * 1000)];
    let stage =
        (length, rate.clone()).prop_map(|(ms, rate)| Stage::new(Duration::from_millis(ms), rate));
    (rate, prop::collection::vec(stage, 1..6))
}

fn schedule(arrivals: impl Strategy<Value = Arrivals>) -> impl Strategy<Value = Schedule> {
    (stages(), arrivals).prop_filter_map("no arrivals", |((start, stages), arrivals)| {
        Schedule::builder()
            .start_rate(start)
            .stages(stages)
            .arrivals(arrivals)
            .build()
            .ok()
    })
}

fn any_arrivals() -> impl Strategy<Value = Arrivals> {
    prop_oneof![
        Just(Arrivals::Uniform),
        any::<u64>().prop_map(|seed| Arrivals::Poisson { seed }),
    ]
}

/// Arrivals to look at: the first and last ones, and some between.
fn samples(len: u64) -> Vec<u64> {
    let mut ns: Vec<u64> = (0..len.min(50)).collect();
    ns.extend(len.saturating_sub(50)..len);
    ns.extend((0..50).map(|i| len / 50 * i));
    ns.retain(|n| *n < len);
    ns
}

proptest! {
    // A case looks at 150 arrivals; random ones take long in a debug build.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_area_at_due_n_is_n(schedule in schedule(Just(Arrivals::Uniform))) {
        for n in samples(schedule.len()) {
            let due = schedule.due(n).unwrap();
            let area = schedule.cumulative(due);
            // Due times are whole nanoseconds: half a one to either side.
            let tolerance = 1e-9 * (1.0 + schedule.rate_at(due)) + 1e-12 * n as f64;
            prop_assert!((area - n as f64).abs() <= tolerance, "n {n}, area {area} at {due:?}");
        }
        prop_assert_eq!(schedule.due(schedule.len()), None);
        prop_assert!(schedule.len() as f64 >= schedule.cumulative(schedule.duration()));
        prop_assert!(schedule.len() as f64 - 1.0 < schedule.cumulative(schedule.duration()));
    }

    #[test]
    fn due_times_are_in_order_and_within(schedule in schedule(any_arrivals())) {
        for n in samples(schedule.len()) {
            let due = schedule.due(n).unwrap();
            prop_assert!(due < schedule.duration() || schedule.arrivals() == Arrivals::Uniform);
            prop_assert!(due <= schedule.duration());
            if let Some(next) = schedule.due(n + 1) {
                prop_assert!(due <= next, "{n} at {due:?}, then {next:?}");
            }
        }
    }

    #[test]
    fn blocks_are_the_same_arrivals(schedule in schedule(any_arrivals())) {
        for n in samples(schedule.len()) {
            let block = schedule.block(n).unwrap();
            prop_assert!((block.first()..block.end()).contains(&n));
            prop_assert_eq!(block.due(n), schedule.due(n));
            prop_assert_eq!(block.due(block.end()), None);
        }
        prop_assert_eq!(schedule.block(schedule.len()), None);
    }

    #[test]
    fn counts_agree_with_due_times(schedule in schedule(any_arrivals()), at in 0.0..1.1) {
        let mut times = vec![schedule.duration().mul_f64(at), Duration::ZERO, schedule.duration(), Duration::MAX];
        times.extend(samples(schedule.len()).into_iter().step_by(10).flat_map(|n| {
            let due = schedule.due(n).unwrap();
            [due, due.saturating_sub(Duration::from_nanos(1))]
        }));
        for t in times {
            let count = schedule.count_until(t);
            if count > 0 {
                prop_assert!(schedule.due(count - 1).unwrap() <= t);
            }
            if let Some(next) = schedule.due(count) {
                prop_assert!(next > t, "{count} until {t:?}, but the next is at {next:?}");
            }
        }
    }

    #[test]
    fn slices_unite_to_the_whole(schedule in schedule(any_arrivals()), of in 1_u64..7) {
        let mut seen = Vec::new();
        let mut until = 0;
        let half = schedule.duration() / 2;
        for i in 0..of.min(schedule.len()) {
            let slice = schedule.slice(i, of).unwrap();
            until += slice.count_until(half);
            for k in 0..slice.len().min(400) {
                let n = slice.index(k).unwrap();
                prop_assert_eq!(n % of, i);
                if k % 40 == 0 {
                    prop_assert_eq!(slice.due(k), schedule.due(n));
                }
                seen.push(n);
            }
            prop_assert_eq!(slice.index(slice.len()), None);
            prop_assert_eq!(slice.due(slice.len()), None);
        }
        seen.sort_unstable();
        let whole = (0..schedule.len().min(400)).collect::<Vec<_>>();
        prop_assert_eq!(&seen[..whole.len()], &whole[..]);
        prop_assert_eq!(until, schedule.count_until(half));
    }

    #[test]
    fn a_seed_is_a_schedule((start, stages) in stages(), seed in any::<u64>()) {
        let build = |seed| {
            Schedule::builder()
                .start_rate(start)
                .stages(stages.clone())
                .arrivals(Arrivals::Poisson { seed })
                .build()
        };
        if let (Ok(a), Ok(b), Ok(other)) = (build(seed), build(seed), build(seed ^ 1)) {
            prop_assert_eq!(a.len(), b.len());
            let times = |s: &Schedule| samples(a.len()).into_iter().map(|n| s.due(n)).collect::<Vec<_>>();
            prop_assert_eq!(times(&a), times(&b));
            prop_assert_ne!(times(&a), times(&other));
        }
    }
}

fn poisson(seed: u64, start: f64, stages: &[(u64, f64)]) -> Schedule {
    Schedule::builder()
        .start_rate(start)
        .stages(
            stages
                .iter()
                .map(|(s, rate)| Stage::new(Duration::from_secs(*s), *rate)),
        )
        .arrivals(Arrivals::Poisson { seed })
        .build()
        .unwrap()
}

/// Every due time, block by block.
fn all(schedule: &Schedule) -> Vec<Duration> {
    let mut times = Vec::new();
    while let Some(block) = schedule.block(times.len() as u64) {
        times.extend((block.first()..block.end()).map(|n| block.due(n).unwrap()));
    }
    times
}

/// The largest distance between the distribution of `values` and `cdf`, times
/// the root of their number (Kolmogorov and Smirnov). Above 1.95, once in a
/// thousand times by chance.
fn distance(mut values: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let farthest = values
        .iter()
        .enumerate()
        .fold(0.0, |farthest: f64, (i, value)| {
            let wanted = cdf(*value);
            farthest
                .max((wanted - i as f64 / count).abs())
                .max((wanted - (i + 1) as f64 / count).abs())
        });
    farthest * count.sqrt()
}

#[test]
fn poisson_gaps_are_exponential() {
    for (seed, schedule) in [
        poisson(1, 1000.0, &[(100, 1000.0)]),
        // Along the area, a ramp is no different from a hold.
        poisson(2, 0.0, &[(50, 2000.0), (100, 0.0)]),
        poisson(
            3,
            5.0,
            &[(10, 5.0), (0, 4000.0), (20, 3000.0), (5, 0.0), (5, 2000.0)],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let places: Vec<f64> = all(&schedule)
            .into_iter()
            .map(|t| schedule.cumulative(t))
            .collect();
        assert_eq!(places.len() as u64, schedule.len());
        let gaps = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let distance = distance(gaps, |gap: f64| 1.0 - (-gap).exp());
        assert!(distance < 1.95, "seed {}: {distance}", seed + 1);
    }
}

#[test]
fn poisson_counts_vary_as_much_as_they_should() {
    // Windows cut across the blocks: 10,000 windows with 10 expected each.
    let schedule = poisson(4, 1000.0, &[(100, 1000.0)]);
    let mut counts = vec![0.0_f64; 10_000];
    for due in all(&schedule) {
        counts[(due.as_secs_f64() * 100.0) as usize] += 1.0;
    }
    let count = counts.len() as f64;
    let mean = counts.iter().sum::<f64>() / count;
    let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / count;
    // Standard errors: sqrt(10/10^4) and 10 sqrt(2/10^4).
    assert!((mean - 10.0).abs() < 4.0 * 0.032, "{mean}");
    assert!((variance - 10.0).abs() < 4.0 * 0.15, "{variance}");
    // Neighbouring windows know nothing of each other.
    let covariance = counts
        .windows(2)
        .map(|w| (w[0] - mean) * (w[1] - mean))
        .sum::<f64>()
        / count;
    assert!(
        (covariance / variance).abs() < 4.0 / count.sqrt(),
        "{covariance}"
    );
}

#[test]
fn poisson_lengths_are_poisson_too() {
    // Over 2000 seeds: mean 100, variance 100.
    let lengths: Vec<f64> = (0..2000)
        .map(|seed| poisson(seed, 100.0, &[(1, 100.0)]).len() as f64)
        .collect();
    let mean = lengths.iter().sum::<f64>() / 2000.0;
    let variance = lengths.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / 2000.0;
    assert!(
        (mean - 100.0).abs() < 4.0 * (100.0_f64 / 2000.0).sqrt(),
        "{mean}"
    );
    assert!(
        (variance - 100.0).abs() < 4.0 * 100.0 * (2.0_f64 / 2000.0).sqrt(),
        "{variance}"
    );
}

#[test]
fn a_seed_keeps_its_arrivals_over_versions() {
    // Drawn once; another value here means that every seed changed.
    let schedule = poisson(42, 0.0, &[(10, 1000.0), (10, 0.0)]);
    let nanos = |n| schedule.due(n).unwrap().as_nanos();
    assert_eq!((schedule.len(), nanos(0), nanos(5000)), PINNED);
}

const PINNED: (u64, u128, u128) = (10_002, 145_406_396, 10_113_993_899);

#[test]
fn a_staged_test_has_the_expected_times() {
    let schedule = Schedule::builder()
        .stages([
            Stage::new(Duration::from_secs(10), 100.0),
            Stage::new(Duration::from_secs(30), 100.0),
            Stage::new(Duration::from_secs(5), 0.0),
        ])
        .build()
        .unwrap();
    assert_eq!(schedule.len(), 500 + 3000 + 250);
    assert_eq!(schedule.duration(), Duration::from_secs(45));
    assert_eq!(schedule.due(0), Some(Duration::ZERO));
    assert_eq!(schedule.due(5), Some(Duration::from_secs(1)));
    assert_eq!(schedule.due(500), Some(Duration::from_secs(10)));
    assert_eq!(schedule.due(501), Some(Duration::from_millis(10_010)));
    assert_eq!(schedule.due(3500), Some(Duration::from_secs(40)));
    // 250 arrivals on the way down: 10 are left one second before the end.
    assert_eq!(schedule.due(3740), Some(Duration::from_secs(44)));
    assert_eq!(schedule.due(3750), None);
    assert_eq!(schedule.rate_at(Duration::from_secs(5)), 50.0);
    assert_eq!(schedule.rate_at(Duration::from_secs(45)), 0.0);
    assert_eq!(schedule.count_until(Duration::from_secs(10)), 501);
}

#[test]
fn a_long_fast_schedule_does_not_drift() {
    let schedule = Schedule::builder()
        .start_rate(1e6)
        .stages([Stage::new(Duration::from_secs(86_400 * 365), 1e6)])
        .build()
        .unwrap();
    let n = 31_535_999_999_999;
    assert_eq!(schedule.due(n), Some(Duration::from_micros(n)));
    assert_eq!(schedule.len(), n + 1);
}

fn refused(start: f64, stages: &[Stage]) -> String {
    let error = Schedule::builder()
        .start_rate(start)
        .stages(stages.iter().copied())
        .build()
        .unwrap_err();
    let copy: ScheduleError = error.clone();
    copy.to_string()
}

#[test]
fn what_cannot_be_run_cannot_be_built() {
    let second = Duration::from_secs(1);
    for rate in [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -1.0,
        -f64::MIN_POSITIVE,
        MAX_RATE * 1.1,
    ] {
        let message = refused(rate, &[Stage::new(second, 1.0)]);
        assert!(
            message.starts_with(&format!("start rate {rate}: give")),
            "{message}"
        );
        let message = refused(1.0, &[Stage::new(second, 1.0), Stage::new(second, rate)]);
        assert!(
            message.starts_with(&format!("stage 2 has the rate {rate}: give")),
            "{message}"
        );
    }
    assert!(refused(1.0, &[]).starts_with("there are no stages: give"));
    let message = refused(1.0, &[Stage::new(Duration::ZERO, 1.0)]);
    assert!(
        message.starts_with("all stages (1) have a duration of zero: give"),
        "{message}"
    );
    assert!(refused(0.0, &[Stage::new(second, 0.0)]).starts_with("the rate is zero throughout"));
    assert!(refused(0.0, &[Stage::new(Duration::MAX, 1.0)]).contains("longer than 584 years"));
    let year = Duration::from_secs(86_400 * 365);
    assert!(refused(1e9, &[Stage::new(year, 1e9)]).starts_with("3.1536e16 arrivals are more"));
}

#[test]
fn an_empty_draw_or_slice_is_refused() {
    let tiny = |seed| {
        Schedule::builder()
            .start_rate(0.01)
            .stages([Stage::new(Duration::from_secs(1), 0.01)])
            .arrivals(Arrivals::Poisson { seed })
            .build()
    };
    let message = tiny(1).unwrap_err().to_string();
    assert!(
        message.starts_with("the Poisson seed 1 draws no arrival where 0.01 are"),
        "{message}"
    );

    let schedule = Schedule::builder()
        .start_rate(3.0)
        .stages([Stage::new(Duration::from_secs(1), 3.0)])
        .build()
        .unwrap();
    assert_eq!(schedule.slice(2, 4).unwrap().len(), 1);
    let message = schedule.slice(3, 4).unwrap_err().to_string();
    assert!(message.starts_with("slice 3 of 4 is empty"), "{message}");
    for (i, of) in [(4, 4), (0, 0)] {
        let message = schedule.slice(i, of).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("there is no slice {i} of {of}")),
            "{message}"
        );
    }
}
