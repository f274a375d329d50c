//! The search for the highest rate: with pure targets, and through an executor.
#![expect(
    clippy::unwrap_used,
    reason = "what the helpers are given is known to be right"
)]

use std::{
    convert::Infallible,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use karga_core::{
    Account, Aggregate, Executor, Iteration, LoadModel, Run, Sample, StopReason, action_fn,
    scenario,
};
use karga_executors::StageExecutor;
use karga_stats::{
    Capacity, CapacityBuilder, CapacityEnd, CapacityError, CapacityReport, HistogramAggregate,
    InvalidCapacity, ProbeVerdict, Thresholds,
};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn builder() -> CapacityBuilder {
    let thresholds = Thresholds::parse(["p99(response_time) < 250ms", "failures < 1%"]).unwrap();
    Capacity::builder().thresholds(thresholds)
}

/// A second in which all answers took that long.
fn run(rate: f64, answer: Duration) -> Run<HistogramAggregate> {
    let mut aggregate = HistogramAggregate::default();
    for n in 0..10 {
        let due = ms(n);
        aggregate.record(&Sample::new(
            Iteration::new(n, 0, due),
            due,
            due + answer,
            (),
        ));
    }
    let name = format!("{rate}/s");
    Run::new(
        name,
        aggregate,
        Account::new(10, 10, 0, 0),
        Duration::from_secs(1),
    )
}

/// Drives a search whose probes never wait.
fn search(
    capacity: &Capacity,
    mut target: impl FnMut(f64) -> Run<HistogramAggregate>,
) -> Result<CapacityReport, CapacityError> {
    let probe = |rate| {
        let run = target(rate);
        async move { Ok::<_, Infallible>(run) }
    };
    let mut search = pin!(capacity.search(probe));
    match search
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("no probe waits"),
    }
}

#[test]
fn a_known_capacity_lies_in_the_interval() {
    for (limit, precision) in [(137.0, 0.05), (999.0, 0.01), (54_321.0, 0.3)] {
        let capacity = builder().precision(precision).build().unwrap();
        let target = |rate| run(rate, ms(if rate <= limit { 5 } else { 500 }));
        let report = search(&capacity, target).unwrap();
        let (low, high) = (
            report.highest_passing.unwrap(),
            report.lowest_failing.unwrap(),
        );
        assert!(low <= limit && limit < high, "{low} {limit} {high}");
        assert!(high <= low * (1.0 + precision), "{low} {high}");
        assert_eq!(report.end, CapacityEnd::Precision);
        for probe in &report.probes {
            assert_eq!(probe.verdict == ProbeVerdict::Passed, probe.rate <= limit);
            assert_eq!(probe.summary.name, format!("{}/s", probe.rate));
            assert_eq!(probe.summary.thresholds.len(), 2);
        }
    }
}

/// A seeded generator of numbers from 0 to 1 (xorshift64*, Vigna 2016).
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How many of 100 searches have the capacity within 10 % of its interval,
/// when every fifth probe is wrong wherever the rate is near the capacity.
fn found(repeats: u32) -> u32 {
    const LIMIT: f64 = 3_000.0;
    let capacity = builder().repeats(repeats).precision(0.05).build().unwrap();
    let searches = (0..100).filter(|&seed| {
        let mut random = random(seed);
        let target = |rate: f64| {
            let is_near = (rate / LIMIT).ln().abs() < 0.7;
            let is_wrong = is_near && random() < 0.2;
            run(rate, ms(if (rate <= LIMIT) != is_wrong { 5 } else { 500 }))
        };
        let report = search(&capacity, target).unwrap();
        let (low, high) = (
            report.highest_passing.unwrap(),
            report.lowest_failing.unwrap(),
        );
        low < LIMIT * 1.1 && high > LIMIT / 1.1
    });
    searches.count() as u32
}

#[test]
fn repeated_probes_find_the_capacity_of_a_noisy_target() {
    let found = [1, 3, 9].map(found);
    assert!(found.is_sorted(), "{found:?}");
    assert!(found[1] > 60 && found[2] > 90, "{found:?}");
}

#[test]
fn a_search_can_be_spawned() {
    fn assert_send<T: Send>(_: T) {}
    let capacity = builder().build().unwrap();
    assert_send(capacity.search(|rate| async move { Ok::<_, io::Error>(run(rate, ms(5))) }));
}

#[test]
fn the_highest_allowed_rate_may_pass() {
    let capacity = builder().max_rate(750.0).build().unwrap();
    let report = search(&capacity, |rate| run(rate, ms(5))).unwrap();
    assert_eq!(report.highest_passing, Some(750.0));
    assert_eq!(report.lowest_failing, None);
    assert_eq!(report.end, CapacityEnd::MaxRate);
    assert!(
        report
            .to_string()
            .starts_with("capacity: at least 750.0/s, which holds and is the highest rate")
    );
}

#[test]
fn a_first_probe_that_fails_says_to_start_lower() {
    let capacity = builder().start_rate(2_000.0).build().unwrap();
    let error = search(&capacity, |rate| run(rate, ms(300))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the first rate, 2,000/s, does not pass: p99(response_time) < 250ms: it was 300 ms over \
         10 samples; start lower"
    );
    let CapacityError::FirstProbeFailed { rate, report, .. } = error else {
        panic!("another error");
    };
    assert_eq!((rate, report.probes.len()), (2_000.0, 2));
    assert_eq!(
        (report.highest_passing, report.lowest_failing),
        (None, Some(2_000.0))
    );
}

#[test]
fn at_the_generators_limit_the_search_ends_and_says_so() {
    let capacity = builder().build().unwrap();
    let report = search(&capacity, |rate| {
        let mut run = run(rate, ms(5));
        if rate > 500.0 {
            // However good the response times are.
            run.generator.busy = Some(0.99);
            run.generator.late_with_all_busy = 5;
        }
        run
    })
    .unwrap();
    assert_eq!(report.end, CapacityEnd::Generator);
    assert_eq!(
        (report.highest_passing, report.lowest_failing),
        (Some(400.0), Some(800.0))
    );
    let text = report.to_string();
    assert!(
        text.contains("the upper end is its limit, not the target's"),
        "{text}"
    );
    let saturated = &report.probes[3];
    assert_eq!(saturated.verdict, ProbeVerdict::Saturated);
    assert!(
        saturated
            .reason
            .as_ref()
            .unwrap()
            .contains("ran out of CPU")
    );
}

#[test]
fn each_verdict_has_its_reason() {
    let first = |spoil: fn(&mut Run<HistogramAggregate>)| {
        let capacity = builder().build().unwrap();
        let error = search(&capacity, |rate| {
            let mut run = run(rate, ms(5));
            spoil(&mut run);
            run
        })
        .unwrap_err();
        let probe = error.report().probes[0].clone();
        (probe.verdict, probe.reason.unwrap())
    };
    let (verdict, reason) = first(|run| run.generator.late_with_all_busy = 5);
    assert_eq!(verdict, ProbeVerdict::Overloaded);
    assert!(
        reason.starts_with("5 of 10 arrivals (50.0 %) started"),
        "{reason}"
    );

    let (verdict, reason) = first(|run| {
        run.account = Account::new(1000, 999, 0, 1);
    });
    assert_eq!(verdict, ProbeVerdict::Overloaded);
    assert_eq!(
        reason,
        "1 of 1,000 arrivals were not completed before the run ended"
    );

    let (verdict, reason) = first(|run| run.aggregate = HistogramAggregate::default());
    assert_eq!(verdict, ProbeVerdict::Missed);
    assert!(
        reason.contains("failures < 1%: there are no samples"),
        "{reason}"
    );

    let (verdict, reason) = first(|run| run.stop = StopReason::Observer("enough".into()));
    assert_eq!(
        (verdict, reason.as_str()),
        (ProbeVerdict::Stopped, "stopped by an observer: enough")
    );
}

#[test]
fn failures_that_no_threshold_allows_fail_a_probe() {
    let failing = |rate: f64| {
        let mut run = run(rate, ms(5));
        let iteration = Iteration::new(10, 0, ms(0));
        let failed = Sample::new(iteration, ms(0), ms(5), Err::<(), _>("refused"));
        run.aggregate.record(&failed);
        run.account = Account::new(11, 11, 0, 0);
        run
    };
    let thresholds = |text| Thresholds::parse([text]).unwrap();
    let unsaid = builder().thresholds(thresholds("p99(response_time) < 250ms"));
    let error = search(&unsaid.build().unwrap(), failing).unwrap_err();
    let probe = &error.report().probes[0];
    assert_eq!(probe.verdict, ProbeVerdict::Failures);
    assert_eq!(
        probe.reason.as_deref(),
        Some("1 of 11 iterations did not succeed (1 refused), and no threshold says how many may")
    );
    let allowed = builder()
        .thresholds(thresholds("failures < 10%"))
        .max_rate(200.0);
    let report = search(&allowed.build().unwrap(), failing).unwrap();
    assert_eq!(report.highest_passing, Some(200.0));
}

#[test]
fn what_the_probe_was_watched_by_counts_too() {
    let capacity = builder().build().unwrap();
    let error = search(&capacity, |rate| {
        let mut run = run(rate, ms(5));
        let missed = ["p99(response_time) < 250ms", "lag < 5"];
        run.judgements = missed
            .map(|condition| karga_core::Judgement::new(condition, false, "seen in the window"))
            .to_vec();
        run.stop = StopReason::Observer("threshold".into());
        run
    })
    .unwrap_err();
    let probe = &error.report().probes[0];
    assert_eq!(probe.verdict, ProbeVerdict::Missed);
    assert_eq!(
        probe.reason.as_deref(),
        Some("p99(response_time) < 250ms: seen in the window; lag < 5: seen in the window")
    );
    // Each condition once.
    assert_eq!(probe.summary.thresholds.len(), 3);
}

#[test]
fn a_probe_that_cannot_be_run_loses_nothing_that_was_measured() {
    let capacity = builder().build().unwrap();
    let probe = |rate: f64| async move {
        if rate < 300.0 {
            Ok(run(rate, ms(5)))
        } else {
            Err(io::Error::other("no more ports"))
        }
    };
    let mut search = pin!(capacity.search(probe));
    let Poll::Ready(Err(error)) = search
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("it cannot be run");
    };
    assert_eq!(
        error.to_string(),
        "the probe of 400.0/s could not be run; probes before it: 2"
    );
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "no more ports");
    let rates: Vec<f64> = error
        .report()
        .probes
        .iter()
        .map(|probe| probe.rate)
        .collect();
    assert_eq!(rates, [100.0, 200.0]);
    assert_eq!(error.report().end, CapacityEnd::Unfinished);
}

#[test]
fn ctrl_c_ends_the_search_and_a_request_does_not() {
    let capacity = builder().max_rate(400.0).build().unwrap();
    let stopped = |reason: StopReason| {
        search(&capacity, |rate| {
            let mut run = run(rate, ms(5));
            if rate == 200.0 {
                run.stop = reason.clone();
            }
            run
        })
    };
    let error = stopped(StopReason::CtrlC).unwrap_err();
    assert!(matches!(error, CapacityError::Stopped { rate: 200.0, .. }));
    assert_eq!(error.report().probes.len(), 2);
    assert!(error.to_string().contains("Ctrl-C in its probe of 200.0/s"));
    assert!(stopped(StopReason::Requested).is_ok());
}

#[test]
fn a_closed_run_is_no_probe() {
    let capacity = builder().build().unwrap();
    let error = search(&capacity, |rate| {
        let mut run = run(rate, ms(5));
        run.model = LoadModel::Closed;
        run
    })
    .unwrap_err();
    assert!(matches!(error, CapacityError::Closed { rate: 100.0, .. }));
    assert_eq!(error.report().probes.len(), 1);
}

#[test]
fn bad_settings_are_refused_by_name() {
    let refused = |builder: CapacityBuilder| builder.build().unwrap_err();
    for (error, text) in [
        (
            refused(builder().start_rate(0.0)),
            "start_rate is 0; it must be from 1e-9 to 1e9 per second",
        ),
        (
            refused(builder().start_rate(f64::NAN)),
            "start_rate is NaN; it must be from 1e-9 to 1e9 per second",
        ),
        (
            refused(builder().max_rate(f64::INFINITY)),
            "max_rate is inf; it must be from 1e-9 to 1e9 per second",
        ),
        (
            refused(builder().start_rate(10.0).max_rate(9.0)),
            "max_rate is 9/s, which is below start_rate, 10/s",
        ),
        (
            refused(builder().factor(1.0)),
            "factor is 1; it must be from 1.01 to 100, for nearer rates cannot be told apart; how \
             narrow the answer is, is said by precision",
        ),
        (
            refused(builder().factor(f64::NAN)),
            "factor is NaN; it must be from 1.01 to 100, for nearer rates cannot be told apart; how \
             narrow the answer is, is said by precision",
        ),
        (
            refused(builder().factor(1.000_000_000_1)),
            "factor is 1.0000000001; it must be from 1.01 to 100, for nearer rates cannot be told \
             apart; how narrow the answer is, is said by precision",
        ),
        (
            refused(builder().start_rate(1e-310).max_rate(1e-309)),
            "start_rate is 0.0000000000000000000000000000000000000000000000000000000",
        ),
        (
            refused(builder().max_rate(1e10)),
            "max_rate is 10000000000; it must be from 1e-9 to 1e9 per second",
        ),
        (
            refused(builder().start_rate(1.0).factor(1.01)),
            "from start_rate, 1/s, to max_rate, 1000000/s, by a factor of 1.01 are 1390 rates; at \
             most 1000 are tried on the way up: raise factor or start_rate, or lower max_rate",
        ),
        (
            refused(builder().precision(0.0)),
            "precision is 0; it must be from 0.001 to 1 (0.05 is 5 %)",
        ),
        (
            refused(builder().repeats(0)),
            "repeats is 0; it must be odd, so that there is a majority, and at most 99",
        ),
        (
            refused(builder().repeats(2)),
            "repeats is 2; it must be odd, so that there is a majority, and at most 99",
        ),
    ] {
        let message = error.to_string();
        assert!(message.starts_with(text), "{message}");
    }
    assert!(builder().factor(1.01).build().is_ok());
    assert_eq!(refused(Capacity::builder()), InvalidCapacity::NoThresholds);
}

#[test]
fn the_report_is_a_table() {
    let capacity = builder().precision(0.5).repeats(1).build().unwrap();
    let report = search(&capacity, |rate| run(rate, ms(rate as u64))).unwrap();
    assert_eq!(
        report.to_string(),
        "\
capacity: between 200.0/s, which holds, and 282.8/s, which does not

  probe     rate  achieved     p50     p99  verdict  why
      1  100.0/s    10.0/s  100 ms  100 ms  passed
      2  200.0/s    10.0/s  200 ms  200 ms  passed
      3  400.0/s    10.0/s  400 ms  400 ms  missed   p99(response_time) < 250ms: it was 400 ms over 10 samples
      4  282.8/s    10.0/s  282 ms  282 ms  missed   p99(response_time) < 250ms: it was 282 ms over 10 samples
"
    );
}

#[cfg(feature = "serde")]
#[test]
fn the_report_is_written_and_read_back() {
    let capacity = builder().precision(0.5).build().unwrap();
    let report = search(&capacity, |rate| run(rate, ms(rate as u64))).unwrap();
    let value = serde_json::to_value(&report).unwrap();
    assert_eq!(value["highest_passing"], 200.0);
    assert_eq!(value["end"], "precision");
    assert_eq!(value["probes"][2]["verdict"], "missed");
    assert_eq!(value["probes"][0]["summary"]["completed"], 10);
    assert_eq!(
        serde_json::from_value::<CapacityReport>(value).unwrap(),
        report
    );
}

/// A server that works on one request after the other, 2 ms on each: its
/// capacity is 500/s.
struct Server {
    /// When it will have done all that it was given, in nanoseconds since the
    /// beginning of time.
    free_at: AtomicU64,
    epoch: tokio::time::Instant,
}

impl Server {
    const WORK: u64 = 2_000_000;

    async fn ask(&self) {
        let now = self.epoch.elapsed().as_nanos() as u64;
        let next = |free_at: u64| Some(free_at.max(now) + Self::WORK);
        let order = Ordering::Relaxed;
        let before = self.free_at.fetch_update(order, order, next).unwrap();
        let done = before.max(now) + Self::WORK;
        tokio::time::sleep_until(self.epoch + Duration::from_nanos(done)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_server_takes_what_its_service_time_says() {
    let thresholds = Thresholds::parse(["p99(response_time) < 50ms", "achieved_rate > 95%"]);
    let capacity = Capacity::builder()
        .start_rate(50.0)
        .max_rate(5_000.0)
        .precision(0.04)
        .thresholds(thresholds.unwrap())
        .build()
        .unwrap();
    let probe = |rate| async move {
        let server = Arc::new(Server {
            free_at: AtomicU64::new(0),
            epoch: tokio::time::Instant::now(),
        });
        let scenario = scenario(
            "server",
            action_fn(move |_| {
                let server = Arc::clone(&server);
                async move { server.ask().await }
            }),
        );
        StageExecutor::constant(rate, Duration::from_secs(10))
            .workers(512)
            .build()
            .unwrap()
            .execute(&scenario, HistogramAggregate::default(), &mut ())
            .await
    };
    let report = capacity.search(probe).await.unwrap();
    let (low, high) = (
        report.highest_passing.unwrap(),
        report.lowest_failing.unwrap(),
    );
    assert!((480.0..=510.0).contains(&low), "{report}");
    assert!((500.0..=520.0).contains(&high), "{report}");
    assert!(high / low <= 1.04, "{report}");
}

#[tokio::test(start_paused = true)]
async fn where_all_workers_waited_the_limit_may_be_theirs() {
    // Ten milliseconds however many ask: 8 workers make 800/s of that.
    let capacity = Capacity::builder()
        .start_rate(200.0)
        .precision(0.05)
        .thresholds(Thresholds::parse(["p99(service_time) < 50ms"]).unwrap())
        .build()
        .unwrap();
    let report = capacity
        .search(|rate| async move {
            let scenario = scenario("endless", action_fn(|_| tokio::time::sleep(ms(10))));
            StageExecutor::constant(rate, Duration::from_secs(5))
                .workers(8)
                .build()
                .unwrap()
                .execute(&scenario, HistogramAggregate::default(), &mut ())
                .await
        })
        .await
        .unwrap();
    let text = report.to_string();
    assert!(
        text.contains("there all 8 workers waited for the target"),
        "{text}"
    );
}
