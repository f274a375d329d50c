//! The data model goes to JSON and back unchanged.
#![cfg(feature = "serde")]

use std::{
    fmt::Debug,
    time::{Duration, UNIX_EPOCH},
};

use karga_core::{
    Account, Arrivals, Detail, GeneratorHealth, Iteration, Outcome, Panicked, Run, Sample, Stage,
    Step, StopReason, Volume,
};
use serde::{Serialize, de::DeserializeOwned};

fn json<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> String {
    let text = serde_json::to_string(value).expect("the data model is plain data");
    let back: T = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(*value, back);
    text
}

#[test]
fn plain_data_comes_back() {
    let ms = Duration::from_millis;
    assert_eq!(
        json(&Account::new(10, 7, 2, 1)),
        r#"{"planned":10,"completed":7,"dropped":2,"interrupted":1}"#
    );
    assert_eq!(json(&Outcome::Unknown), r#""unknown""#);
    assert_eq!(json(&StopReason::CtrlC), r#""ctrl_c""#);
    assert_eq!(
        json(&StopReason::Observer("p99".into())),
        r#"{"observer":"p99"}"#
    );
    assert_eq!(
        json(&Arrivals::Poisson { seed: 7 }),
        r#"{"poisson":{"seed":7}}"#
    );
    assert_eq!(
        json(&Volume::new(1, 2, 3)),
        r#"{"messages":1,"bytes_sent":2,"bytes_received":3}"#
    );
    json(&Step::new("connect", ms(3)));
    json(&Stage::new(ms(1500), 0.5));
    json(&Panicked::new());
    json(&Sample::new(
        Iteration::new(u64::MAX, 3, ms(10)),
        ms(11),
        ms(12),
        5_u8,
    ));
}

#[test]
fn a_run_comes_back() {
    let mut health = GeneratorHealth::default();
    health.workers = 64;
    health.peak_in_flight = 12;
    health.tolerance = Duration::from_millis(10);
    health.late_with_free_worker = 1;
    health.late_with_all_busy = 2;
    health.busy = Some(0.25);
    health.cpu = Some(Duration::from_secs(3));
    json(&health);
    let mut run = Run::new(
        "produce",
        5_u64,
        Account::new(3, 1, 1, 1),
        Duration::from_secs(9),
    );
    run.load_time = Duration::from_secs(8);
    run.stop = StopReason::Requested;
    run.generator = health;
    run.started_at = Some(UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789));
    run.warnings = vec!["teardown failed".into()];
    run.details = vec![Detail::new("engine", "lean")];
    let text = serde_json::to_string(&run).expect("a run is plain data");
    let back: Run<u64> = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(
        (back.name, back.aggregate, back.account),
        (run.name, run.aggregate, run.account)
    );
    assert_eq!(
        (back.elapsed, back.load_time, back.stop),
        (run.elapsed, run.load_time, run.stop)
    );
    assert_eq!(
        (back.generator, back.started_at),
        (run.generator, run.started_at)
    );
    assert_eq!((back.warnings, back.details), (run.warnings, run.details));
}

#[test]
fn a_run_without_what_came_later_is_read() {
    let run = Run::new("produce", 5_u64, Account::default(), Duration::ZERO);
    let mut value = serde_json::to_value(&run).expect("a run is plain data");
    let fields = value.as_object_mut().expect("a run is an object");
    for later in ["model", "start_offset", "warm_up", "judgements", "details"] {
        fields.remove(later).expect("the field has this name");
    }
    let back: Run<u64> = serde_json::from_value(value).expect("an old run can be read");
    assert!(back.details.is_empty() && back.judgements.is_empty());
}
