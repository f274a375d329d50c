//! The names of the JSON form are a contract.

// The whole form is one `json!`, which recurses once for each token.
#![recursion_limit = "512"]

use std::time::{Duration, UNIX_EPOCH};

use karga_core::{
    Account, Aggregate, Detail, Iteration, Judgement, LoadModel, Metric, Outcome, Report, Run,
    Sample, StopReason, Volume, WarmUp,
};
use karga_stats::{HistogramAggregate, Summary, ThresholdSummary};
use serde_json::{Value, json};

struct Batch;

impl Metric for Batch {
    fn outcome(&self) -> Outcome {
        Outcome::Failure
    }
    fn volume(&self) -> Volume {
        Volume::new(10, 1000, 50)
    }
    fn error_class(&self) -> Option<std::borrow::Cow<'static, str>> {
        Some("NOT_LEADER_OR_FOLLOWER".into())
    }
    fn label(&self) -> Option<std::borrow::Cow<'static, str>> {
        Some("batch".into())
    }
    fn counts(&self) -> &[karga_core::Count] {
        const { &[karga_core::Count::new("retries", 2)] }
    }
    fn lag(&self) -> Option<u64> {
        Some(7)
    }
}

fn run() -> Run<HistogramAggregate> {
    let ms = Duration::from_millis;
    let mut aggregate = HistogramAggregate::default();
    aggregate.record(&Sample::new(
        Iteration::new(0, 0, ms(100)),
        ms(101),
        ms(121),
        Batch,
    ));
    let mut run = Run::new("produce", aggregate, Account::new(2, 1, 1, 0), ms(500));
    run.load_time = ms(400);
    run.stop = StopReason::Observer("enough".to_owned());
    run.generator.workers = 4;
    run.generator.peak_in_flight = 2;
    run.generator.tolerance = ms(10);
    run.generator.busy = Some(0.25);
    run.generator.cpu = Some(ms(1500));
    run.started_at = Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    run.warnings.push("teardown failed".to_owned());
    run.details.push(Detail::new("engine", "lean"));
    run.start_offset = ms(1500);
    let mut warming = HistogramAggregate::default();
    let first = Iteration::new(0, 0, ms(0));
    warming.record(&Sample::new(first, ms(0), ms(5), ()));
    run.warm_up = Some(WarmUp::new(ms(250), warming, Account::new(3, 1, 0, 2)));
    let mut judgement = Judgement::new("lag < 7", false, "it was 7");
    judgement.stopped_at = Some(ms(400));
    judgement.last_good_rate = Some(5.0);
    run.judgements.push(judgement);
    run
}

fn times(count: u64, seconds: f64) -> Value {
    json!({
        "count": count, "min": seconds, "mean": seconds, "stdev": 0.0, "p50": seconds,
        "p75": seconds, "p90": seconds, "p95": seconds, "p99": seconds, "p99_9": seconds,
        "p99_99": seconds, "max": seconds,
    })
}

fn expected() -> Value {
    json!({ "schema": 1, "name": "produce", "scenarios": [{
        "name": "produce",
        "started_at": 1_700_000_000.0,
        "elapsed": 0.5,
        "load_time": 0.4,
        "stop": { "observer": "enough" },
        "model": "open",
        "start_offset": 1.5,
        "warm_up": {
            "duration": 0.25,
            "planned": 3, "completed": 1, "succeeded": 1, "failed": 0, "unknown": 0,
            "dropped": 0, "interrupted": 2,
            "response_time": times(1, 0.005),
        },
        "planned": 2, "completed": 1, "succeeded": 0, "failed": 1, "unknown": 0,
        "dropped": 1, "interrupted": 0,
        "offered_rate": 5.0, "achieved_rate": 2.0,
        "messages": 10, "bytes_sent": 1000, "bytes_received": 50,
        "response_time": times(1, 0.021),
        "service_time": times(1, 0.020),
        "lateness": times(1, 0.001),
        "errors": [{ "class": "NOT_LEADER_OR_FOLLOWER", "count": 1 }],
        "counts": [{ "name": "retries", "count": 2 }],
        "lag": { "latest": 7, "highest": 7 },
        "labels": [{
            "name": "batch",
            "completed": 1, "succeeded": 0, "failed": 1, "unknown": 0, "achieved_rate": 2.0,
            "messages": 10, "bytes_sent": 1000, "bytes_received": 50,
            "response_time": times(1, 0.021),
            "service_time": times(1, 0.020),
            "lateness": times(1, 0.001),
            "errors": [{ "class": "NOT_LEADER_OR_FOLLOWER", "count": 1 }],
            "counts": [{ "name": "retries", "count": 2 }],
            "lag": { "latest": 7, "highest": 7 },
        }],
        "steps": [],
        "timeline": [{
            "start": 0.0, "duration": 0.5,
            "completed": 1, "succeeded": 0, "failed": 1, "unknown": 0, "achieved_rate": 2.0,
            "messages": 10, "bytes_sent": 1000, "bytes_received": 50,
            "highest_lag": 7,
            "response_time": times(1, 0.021),
        }],
        "generator": {
            "verdict": "in_flight_limit",
            "reason": "1 of 2 arrivals (50.0 %) was dropped as too late because all 4 workers \
                       were waiting for the target: it is slower than the load that was offered, \
                       and the response times include the wait; raise the number of workers if \
                       the target may have more requests in flight, or lower the rate",
            "cpu_seconds": 1.5, "busy": 0.25, "workers": 4, "peak_in_flight": 2,
            "tolerance": 0.01, "late_with_free_worker": 0, "late_with_all_busy": 0,
        },
        "thresholds": [{
            "name": "lag < 7", "passed": false, "reason": "it was 7", "stopped_at": 0.4,
            "last_good_rate": 5.0, "tolerates_failures": false,
        }],
        "warnings": ["teardown failed"],
        "details": [{ "name": "engine", "value": "lean" }],
    }]})
}

#[test]
fn every_field_has_its_name_and_unit() {
    let value = serde_json::to_value(Summary::derive(&run())).unwrap();
    assert_eq!(value, expected(), "{value:#}");
}

#[test]
fn what_was_written_is_read_back() {
    let mut summary = Summary::derive(&run());
    summary.scenarios[0]
        .thresholds
        .push(ThresholdSummary::new("p99 < 1 s", true));
    summary.scenarios[0].elapsed = Duration::new(86_400, 123_456_789);
    let text = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
}

#[test]
fn an_empty_run_is_all_numbers() {
    let empty = Run::new(
        "empty",
        HistogramAggregate::default(),
        Account::default(),
        Duration::ZERO,
    );
    let value = serde_json::to_value(Summary::derive(&empty)).unwrap();
    let row = &value["scenarios"][0];
    for field in ["response_time", "service_time", "lateness"] {
        assert_eq!(row[field], times(0, 0.0));
    }
    for field in ["elapsed", "offered_rate", "achieved_rate"] {
        assert_eq!(row[field], json!(0.0));
    }
    assert_eq!(row["generator"]["cpu_seconds"], json!(0.0));
    assert_eq!(row["generator"]["verdict"], json!("no_samples"));
    assert_eq!(row["timeline"], json!([]));
}

#[test]
fn a_summary_with_only_the_fields_of_the_contract_is_read() {
    let mut value = expected();
    let row = &mut value["scenarios"][0];
    for extra in [
        "started_at",
        "load_time",
        "stop",
        "model",
        "start_offset",
        "warm_up",
        "counts",
        "lag",
        "steps",
        "warnings",
        "details",
    ] {
        row.as_object_mut().unwrap().remove(extra);
    }
    for extra in [
        "busy",
        "workers",
        "tolerance",
        "late_with_free_worker",
        "late_with_all_busy",
    ] {
        row["generator"].as_object_mut().unwrap().remove(extra);
    }
    row["thresholds"] = json!([{ "name": "lag < 7", "passed": true }]);
    row["a_field_of_the_future"] = json!(1);
    let summary: Summary = serde_json::from_value(value).unwrap();
    let row = &summary.scenarios[0];
    assert_eq!(row.stop, StopReason::Completed);
    assert_eq!(
        (row.model, row.start_offset),
        (LoadModel::Open, Duration::ZERO)
    );
    assert_eq!(row.warm_up, None);
    assert_eq!(row.thresholds, [ThresholdSummary::new("lag < 7", true)]);
    assert_eq!(
        summary.scenarios[0].response_time.max,
        Duration::from_millis(21)
    );
}

#[test]
fn a_time_that_is_none_is_refused_with_its_value() {
    for wrong in [json!(-1.0), json!(1e300)] {
        let mut value = expected();
        value["scenarios"][0]["elapsed"] = wrong.clone();
        let error = serde_json::from_value::<Summary>(value)
            .unwrap_err()
            .to_string();
        assert!(error.contains("is not a time in seconds"), "{error}");
    }
}
