//! A run that was written and read again is the same run.

mod samples;

use std::time::{Duration, UNIX_EPOCH};

use karga_core::{
    Account, Aggregate, Detail, GeneratorHealth, Judgement, LoadModel, Merge, Report, Run, Sample,
    StopReason, WarmUp,
};
use karga_stats::{
    HistogramAggregate, Summary,
    hdr_log::{self, WriteError},
};
use proptest::{collection::vec, option, prelude::*};
use samples::{Everything, sample, small};

fn aggregate(most: usize) -> impl Strategy<Value = HistogramAggregate> {
    let samples = vec(sample(), 0..most);
    (any::<bool>(), samples).prop_map(|(small_limits, samples)| {
        let mut aggregate = if small_limits {
            small()
        } else {
            HistogramAggregate::default()
        };
        samples.iter().for_each(|sample| aggregate.record(sample));
        aggregate
    })
}

fn account() -> impl Strategy<Value = Account> {
    let part = || 0..u64::MAX / 4;
    (part(), part(), part()).prop_map(|(completed, dropped, interrupted)| {
        let planned = completed + dropped + interrupted;
        Account::new(planned, completed, dropped, interrupted)
    })
}

fn fraction() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0..1.0,
        any::<f64>().prop_filter("finite", |f| f.is_finite())
    ]
}

fn judgement() -> impl Strategy<Value = Judgement> {
    (
        any::<String>(),
        any::<(bool, bool)>(),
        any::<String>(),
        option::of(any::<Duration>()),
        option::of(fraction()),
    )
        .prop_map(
            |(condition, (passed, tolerates), reason, stopped_at, rate)| {
                let mut judgement = Judgement::new(condition, passed, reason);
                judgement.stopped_at = stopped_at;
                judgement.last_good_rate = rate;
                judgement.tolerates_failures = tolerates;
                judgement
            },
        )
}

/// The health of a generator with so many late arrivals at most.
fn generator(late: u64) -> impl Strategy<Value = GeneratorHealth> {
    let counts = (any::<[u64; 2]>(), 0..=late / 2, 0..=late / 2);
    let (busy, cpu) = (option::of(fraction()), option::of(any::<Duration>()));
    (counts, any::<Duration>(), busy, cpu).prop_map(|(counts, tolerance, busy, cpu)| {
        let mut health = GeneratorHealth::default();
        (
            [health.workers, health.peak_in_flight],
            health.late_with_free_worker,
            health.late_with_all_busy,
        ) = counts;
        (health.tolerance, health.busy, health.cpu) = (tolerance, busy, cpu);
        health
    })
}

/// A run whose every field is something.
fn run() -> impl Strategy<Value = Run<HistogramAggregate>> {
    let stop = prop_oneof![
        Just(StopReason::Completed),
        Just(StopReason::Requested),
        Just(StopReason::CtrlC),
        any::<String>().prop_map(StopReason::Observer),
    ];
    let model = prop_oneof![
        Just(LoadModel::Open),
        Just(LoadModel::Closed),
        Just(LoadModel::Paced)
    ];
    let nanos = || any::<u64>().prop_map(Duration::from_nanos);
    let warm_up = option::of((nanos(), aggregate(8), account()));
    let times = (nanos(), nanos(), nanos(), option::of(nanos()));
    let detail =
        (any::<String>(), any::<String>()).prop_map(|(name, value)| Detail::new(name, value));
    let words = (
        vec(any::<String>(), 0..3),
        vec(judgement(), 0..3),
        vec(detail, 0..3),
    );
    let load = account().prop_flat_map(|account| (Just(account), generator(account.completed)));
    (
        any::<String>(),
        aggregate(40),
        load,
        times,
        (stop, model),
        words,
        warm_up,
    )
        .prop_map(
            |(name, aggregate, (account, generator), times, (stop, model), words, warm_up)| {
                let mut run = Run::new(name, aggregate, account, times.0);
                (run.load_time, run.start_offset) = (times.1, times.2);
                run.started_at = times.3.map(|since| UNIX_EPOCH + since);
                (run.stop, run.model, run.generator) = (stop, model, generator);
                (run.warnings, run.judgements, run.details) = words;
                run.warm_up = warm_up.map(|(duration, aggregate, account)| {
                    WarmUp::new(duration, aggregate, account)
                });
                run
            },
        )
}

fn again(run: &Run<HistogramAggregate>) -> Run<HistogramAggregate> {
    let mut log = Vec::new();
    hdr_log::write(run, &mut log).expect("it can be written");
    hdr_log::read(log.as_slice()).unwrap_or_else(|error| {
        panic!("{error:?} in\n{}", String::from_utf8_lossy(&log));
    })
}

/// Everything but what was recorded.
fn head(run: Run<HistogramAggregate>) -> serde_json::Value {
    serde_json::to_value(run.map(|_| ())).expect("it can be serialized")
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(40)
    })]

    #[test]
    fn a_run_that_is_read_is_the_one_that_was_written(run in run()) {
        let read = again(&run);
        prop_assert_eq!(Summary::derive(&read), Summary::derive(&run));
        prop_assert_eq!(&read.aggregate, &run.aggregate);
        let warm_up = |run: &Run<HistogramAggregate>| {
            run.warm_up.as_ref().map(|warm_up| warm_up.aggregate.clone())
        };
        prop_assert_eq!(warm_up(&read), warm_up(&run));
        prop_assert_eq!(head(read), head(run));
    }

    #[test]
    fn runs_that_were_read_merge_as_those_that_were_written(
        (a, b) in (run(), run()),
        later in vec(sample(), 0..10),
    ) {
        let (mut read, mut written) = (again(&a).aggregate, a.aggregate.clone());
        read.merge(again(&b).aggregate);
        written.merge(b.aggregate.clone());
        prop_assert_eq!(&read, &written);
        // What was read can also be recorded into.
        for sample in &later {
            read.record(sample);
            written.record(sample);
        }
        prop_assert_eq!(&read, &written);
        prop_assert_eq!(again(&Run::new("both", read.clone(), a.account, a.elapsed)).aggregate, read);
    }
}

fn one_sample() -> Sample<()> {
    let ms = Duration::from_millis;
    Sample::new(
        karga_core::Iteration::new(0, 0, ms(100)),
        ms(102),
        ms(150),
        (),
    )
}

#[test]
fn an_aggregate_with_others_beside_it_is_written_as_the_one_in_it() {
    let mut histograms = HistogramAggregate::default();
    histograms.record(&one_sample());
    let run = Run::new(
        "pair",
        (histograms.clone(), ()),
        Account::new(1, 1, 0, 0),
        Duration::from_secs(1),
    );
    let mut log = Vec::new();
    hdr_log::write(&run, &mut log).expect("it can be written");
    assert_eq!(
        hdr_log::read(log.as_slice())
            .expect("it can be read")
            .aggregate,
        histograms
    );
}

#[test]
fn a_target_that_is_full_is_an_error() {
    let run = Run::new(
        "full",
        HistogramAggregate::default(),
        Account::new(0, 0, 0, 0),
        Duration::ZERO,
    );
    let error = hdr_log::write(&run, [0_u8; 100].as_mut_slice()).expect_err("it does not fit");
    assert!(matches!(error, WriteError::Io(_)), "{error:?}");
    assert_eq!(error.to_string(), "cannot write the histogram log");
}

#[test]
fn a_start_before_the_epoch_is_refused() {
    let mut run = Run::new(
        "old",
        HistogramAggregate::default(),
        Account::new(0, 0, 0, 0),
        Duration::ZERO,
    );
    run.started_at = Some(UNIX_EPOCH - Duration::from_secs(1));
    let error = hdr_log::write(&run, Vec::new()).expect_err("it has no form");
    assert_eq!(
        error.to_string(),
        "the description of the run cannot be written"
    );
}

#[test]
fn a_name_that_takes_too_long_a_line_is_refused() {
    let name = "x".repeat(17 << 20);
    let run = Run::new(
        name,
        HistogramAggregate::default(),
        Account::new(0, 0, 0, 0),
        Duration::ZERO,
    );
    let error = hdr_log::write(&run, Vec::new()).expect_err("it could not be read");
    assert!(matches!(error, WriteError::TooLong { .. }), "{error:?}");
}

/// Keeps the metric's type in use where only whole aggregates are made.
#[test]
fn every_kind_of_line_is_ascii() {
    let mut aggregate = small();
    let mut metric = Everything {
        outcome: karga_core::Outcome::Failure,
        class: Some("naïve\u{2028}class".into()),
        label: Some("größe, klein".into()),
        steps: Vec::new(),
        parts: Vec::new(),
        counts: Vec::new(),
        lag: None,
        volume: karga_core::Volume::default(),
    };
    let Sample {
        iteration,
        start,
        end,
        ..
    } = one_sample();
    aggregate.record(&Sample::new(iteration, start, end, metric.clone()));
    metric.label = None;
    aggregate.record(&Sample::new(iteration, start, end, metric));
    let run = Run::new(
        "ü\u{85}\n\u{1F600}",
        aggregate,
        Account::new(2, 2, 0, 0),
        Duration::from_secs(1),
    );
    let mut log = Vec::new();
    hdr_log::write(&run, &mut log).expect("it can be written");
    assert!(log.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));
    let read = hdr_log::read(log.as_slice()).expect("it can be read");
    assert_eq!(read.name, run.name);
    assert_eq!(read.aggregate, run.aggregate);
}
