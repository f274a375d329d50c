//! The summary's figures, from a run whose every figure is known.

use std::{borrow::Cow, time::Duration};

use karga_core::{
    Account, Aggregate, Count, Detail, Iteration, LoadModel, Metric, Outcome, Report, Run, Sample,
    Step, StopReason, Volume, WarmUp,
};
use karga_stats::{HistogramAggregate, Summary, ThresholdSummary, Thresholds, Verdict};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

struct Request {
    class: Option<&'static str>,
    label: &'static str,
    steps: [Step; 1],
    counts: [Count; 1],
    lag: u64,
}

impl Metric for Request {
    fn outcome(&self) -> Outcome {
        match self.class {
            None => Outcome::Success,
            Some("timeout") => Outcome::Unknown,
            Some(_) => Outcome::Failure,
        }
    }
    fn volume(&self) -> Volume {
        Volume::new(10, 1000, 50)
    }
    fn error_class(&self) -> Option<Cow<'static, str>> {
        self.class.map(Cow::Borrowed)
    }
    fn label(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(self.label))
    }
    fn steps(&self) -> &[Step] {
        &self.steps
    }
    fn counts(&self) -> &[Count] {
        &self.counts
    }
    fn lag(&self) -> Option<u64> {
        Some(self.lag)
    }
}

/// 100 iterations in 4 s, one due every 40 ms; each starts 1 ms late and takes
/// 9 ms, but for a stall: nothing ends in the third second.
fn run() -> Run<HistogramAggregate> {
    let mut aggregate = HistogramAggregate::default();
    for n in 0..100 {
        let due = ms(40 * n);
        let start = due + ms(1);
        let end = if (49..75).contains(&n) {
            ms(3_000) + ms(n)
        } else {
            start + ms(9)
        };
        let class = match n {
            0 => Some("timeout"),
            1..=2 => Some("refused"),
            _ => None,
        };
        let metric = Request {
            class,
            label: if n % 4 == 0 { "write" } else { "read" },
            steps: [Step::new("connect", ms(2))],
            counts: [Count::new("retries", u64::from(n == 5))],
            lag: 100 - n,
        };
        aggregate.record(&Sample::new(Iteration::new(n, 0, due), start, end, metric));
    }
    let mut run = Run::new(
        "requests",
        aggregate,
        Account::new(103, 100, 1, 2),
        ms(3_970),
    );
    run.load_time = ms(4_120);
    run.stop = StopReason::CtrlC;
    run.generator.cpu = Some(ms(250));
    run.generator.peak_in_flight = 26;
    run.warnings.push("teardown failed".to_owned());
    run.details.push(Detail::new("engine", "lean"));
    run
}

#[test]
fn every_figure_of_a_known_run() {
    let summary = Summary::derive(&run());
    assert_eq!((summary.schema, summary.name.as_str()), (1, "requests"));
    let [row] = &summary.scenarios[..] else {
        panic!("one row");
    };
    assert_eq!(
        (row.planned, row.completed, row.dropped, row.interrupted),
        (103, 100, 1, 2)
    );
    assert_eq!((row.succeeded, row.failed, row.unknown), (97, 2, 1));
    assert_eq!(row.offered_rate, 103.0 / 4.12);
    assert_eq!(row.achieved_rate, 100.0 / 3.97);
    assert_eq!(
        (row.messages, row.bytes_sent, row.bytes_received),
        (1000, 100_000, 5000)
    );
    assert_eq!(
        (row.elapsed, row.load_time, &row.stop),
        (ms(3970), ms(4120), &StopReason::CtrlC)
    );

    assert_eq!(row.response_time.count, 100);
    assert_eq!(row.response_time.min, ms(10));
    assert_eq!(row.response_time.max, ms(3_000) + ms(49) - ms(40 * 49));
    assert_eq!(row.service_time.min, ms(9));
    assert_eq!(row.lateness.max, ms(1));
    assert_eq!(row.lateness.mean, ms(1));
    assert_eq!(row.lateness.stdev, Duration::ZERO);

    let errors: Vec<_> = row
        .errors
        .iter()
        .map(|error| (&*error.class, error.count))
        .collect();
    assert_eq!(errors, [("refused", 2), ("timeout", 1)]);
    let counts: Vec<_> = row
        .counts
        .iter()
        .map(|count| (&*count.name, count.count))
        .collect();
    assert_eq!(counts, [("retries", 1)]);
    let lag = row.lag.unwrap();
    assert_eq!((lag.latest, lag.highest), (1, 100));
    assert_eq!(row.steps[0].name, "connect");
    assert_eq!(
        (row.steps[0].duration.count, row.steps[0].duration.max),
        (100, ms(2))
    );
    assert_eq!(row.generator.cpu_seconds, 0.25);
    assert_eq!(row.generator.peak_in_flight, 26);
    assert_eq!(row.warnings, ["teardown failed"]);
    assert_eq!(row.details, [Detail::new("engine", "lean")]);
}

#[test]
fn labels_have_the_figures_of_their_part() {
    let summary = Summary::derive(&run());
    let labels = &summary.scenarios[0].labels;
    let rows: Vec<_> = labels
        .iter()
        .map(|row| (&*row.name, row.completed))
        .collect();
    assert_eq!(rows, [("read", 75), ("write", 25)]);
    assert_eq!((labels[0].failed, labels[0].unknown), (2, 0));
    assert_eq!((labels[1].failed, labels[1].unknown), (0, 1));
    assert_eq!(labels[1].achieved_rate, 25.0 / 3.97);
    assert_eq!(labels[1].messages, 250);
    assert_eq!(labels[1].errors[0].class, "timeout");
    assert_eq!(labels[0].counts[0].count, 1);
    assert_eq!(labels[1].lag.unwrap().latest, 4);
}

#[test]
fn a_stall_shows_in_the_timeline() {
    let summary = Summary::derive(&run());
    let timeline = &summary.scenarios[0].timeline;
    let rows: Vec<_> = timeline
        .iter()
        .map(|slot| (slot.start, slot.duration, slot.completed))
        .collect();
    let second = Duration::from_secs(1);
    assert_eq!(
        rows,
        [
            (Duration::ZERO, second, 25),
            (second, second, 24),
            (2 * second, second, 0),
            // Up to the end of the run, not of the slot.
            (3 * second, ms(970), 51),
        ]
    );
    assert_eq!(timeline[3].achieved_rate, 51.0 / 0.97);
    assert_eq!(timeline[0].failed + timeline[0].unknown, 3);
    assert_eq!(timeline[0].highest_lag, Some(100));
    assert_eq!(timeline[2].highest_lag, None);
    assert_eq!(
        timeline[3].response_time.max,
        ms(3_000) + ms(49) - ms(40 * 49)
    );
}

#[test]
fn a_silence_at_the_end_shows_too_and_stays_bounded() {
    let mut run = run();
    run.elapsed = Duration::from_secs(6);
    let ends = |run: &Run<HistogramAggregate>| -> Vec<u64> {
        let summary = Summary::derive(run);
        let slots = summary.scenarios[0].timeline.iter();
        slots.map(|slot| slot.completed).collect()
    };
    assert_eq!(ends(&run), [25, 24, 0, 51, 0, 0]);
    run.elapsed = Duration::from_secs(86_400);
    let slots = ends(&run);
    assert!(slots.len() <= 720, "{} slots", slots.len());
    assert_eq!(slots[0], 100);
}

#[test]
fn a_suite_has_a_row_for_each_run() {
    let (mut a, b) = (run(), run());
    a.name = "produce".to_owned();
    let names = |summary: &Summary| -> Vec<String> {
        summary
            .scenarios
            .iter()
            .map(|row| row.name.clone())
            .collect()
    };
    let suite = Summary::from_runs("suite", [&a, &b]);
    assert_eq!(suite.name, "suite");
    assert_eq!(names(&suite), ["produce", "requests"]);
    let joined = Summary::join("suite", [Summary::derive(&a), Summary::derive(&b)]);
    assert_eq!(joined, suite);
}

#[test]
fn nothing_measured_is_neither_healthy_nor_passed() {
    let empty = Run::new(
        "empty",
        HistogramAggregate::default(),
        Account::default(),
        ms(0),
    );
    let summary = Summary::derive(&empty);
    let row = &summary.scenarios[0];
    assert_eq!(row.generator.verdict, Verdict::NoSamples);
    assert!(row.generator.reason.is_some());
    assert_eq!((row.offered_rate, row.achieved_rate), (0.0, 0.0));
    assert_eq!(row.response_time.count, 0);
    assert!(row.timeline.is_empty());
    assert!(!summary.is_healthy() && !summary.passed());
    let nobody = Summary::from_runs("nobody", []);
    assert!(!nobody.is_healthy() && !nobody.passed());
}

#[test]
fn passing_takes_health_success_and_thresholds() {
    let mut good = run();
    good.aggregate = HistogramAggregate::default();
    let sample = Sample::new(Iteration::new(0, 0, ms(0)), ms(0), ms(5), ());
    good.aggregate.record(&sample);
    good.account = Account::new(1, 1, 0, 0);
    good.stop = StopReason::Completed;
    let mut summary = Summary::derive(&good);
    assert!(summary.passed());
    summary.scenarios[0]
        .thresholds
        .push(ThresholdSummary::new("p99 < 1 s", true));
    assert!(summary.passed());
    summary.scenarios[0]
        .thresholds
        .push(ThresholdSummary::new("p99 < 1 ms", false));
    assert!(!summary.passed());

    let mut failing = run();
    failing.account = Account::new(100, 100, 0, 0);
    failing.stop = StopReason::Completed;
    let failing = Summary::derive(&failing);
    assert!(failing.has_failures() && failing.is_healthy() && !failing.passed());
}

#[test]
fn a_run_that_was_stopped_from_outside_is_sound_but_has_not_passed() {
    let mut good = run();
    good.aggregate = HistogramAggregate::default();
    let sample = Sample::new(Iteration::new(0, 0, ms(0)), ms(0), ms(5), ());
    good.aggregate.record(&sample);
    good.account = Account::new(1, 1, 0, 0);
    let mut summary = Summary::derive(&good);
    let ends = [
        (StopReason::Completed, false),
        (StopReason::Requested, false),
        (StopReason::CtrlC, true),
        (StopReason::Observer("enough".into()), true),
    ];
    for (end, stopped) in ends {
        summary.scenarios[0].stop = end;
        assert!(summary.is_sound());
        assert_eq!(summary.was_stopped(), stopped);
        assert_eq!(summary.passed(), !stopped);
    }

    summary.scenarios[0].interrupted = 1;
    assert!(summary.was_stopped() && !summary.is_sound() && !summary.passed());
}

#[test]
fn the_warm_up_has_figures_of_its_own() {
    let mut warmed = run();
    let before = Summary::derive(&warmed);
    assert_eq!(before.scenarios[0].warm_up, None);
    let other = run();
    warmed.warm_up = Some(WarmUp::new(
        ms(500),
        other.aggregate,
        Account::new(110, 100, 4, 6),
    ));
    warmed.start_offset = ms(1_250);
    let mut summary = Summary::derive(&warmed);
    let row = &mut summary.scenarios[0];
    assert_eq!(row.start_offset, ms(1_250));
    let warm_up = row.warm_up.take().unwrap();
    assert_eq!(warm_up.duration, ms(500));
    assert_eq!(
        (
            warm_up.planned,
            warm_up.completed,
            warm_up.dropped,
            warm_up.interrupted
        ),
        (110, 100, 4, 6)
    );
    assert_eq!(
        (warm_up.succeeded, warm_up.failed, warm_up.unknown),
        (97, 2, 1)
    );
    assert_eq!(warm_up.response_time, row.response_time);
    // Nothing of it is in the other figures.
    row.start_offset = Duration::ZERO;
    assert_eq!(summary, before);
}

#[test]
fn a_closed_run_says_what_it_cannot_see() {
    let mut closed = run();
    let caveat = |run: &Run<HistogramAggregate>| Summary::derive(run).scenarios[0].caveat();
    assert_eq!(caveat(&closed), None);
    closed.model = LoadModel::Paced;
    assert_eq!(caveat(&closed), None);
    closed.model = LoadModel::Closed;
    assert!(caveat(&closed).is_some_and(|text| text.contains("coordinated omission")));
    assert_eq!(
        Summary::derive(&closed).scenarios[0].model,
        LoadModel::Closed
    );
}

/// Of the 100 completed, 2 failed ("refused") and 1 is unknown ("timeout").
fn judged_by(thresholds: &[&str]) -> (u64, bool) {
    let mut judged = run();
    judged.account = Account::new(100, 100, 0, 0);
    judged.stop = StopReason::Completed;
    judged.judgements = Thresholds::parse(thresholds)
        .expect("invariant: the tests give conditions")
        .judge_run(&judged);
    let summary = Summary::derive(&judged);
    assert!(summary.has_failures());
    assert_eq!(summary.passed(), summary.is_sound());
    (
        summary.scenarios[0].untolerated_failures(),
        summary.is_sound(),
    )
}

#[test]
fn failures_within_a_threshold_do_not_speak_against_the_run() {
    for (thresholds, untolerated, sound) in [
        (&[][..], 3, false),
        (&["failures <= 2%"][..], 1, false),
        (&["unknown <= 1"], 2, false),
        (&["failures <= 2%", "unknown <= 1"], 0, true),
        // Missed: its failures are not within it.
        (&["failures < 2%", "unknown <= 1"], 2, false),
        // It says nothing of how many may fail.
        (&["failures > 1", "unknown <= 1"], 2, false),
        (&["succeeded > 90%"], 3, false),
        // Of a label alone.
        (
            &["failures{label=\"read\"} < 50%", "unknown <= 1"],
            2,
            false,
        ),
        // Classes.
        (&["errors(\"refused\") < 5%"], 1, false),
        (
            &["errors(\"refused\") < 5%", "errors(\"refused\") < 6%"],
            1,
            false,
        ),
        (
            &["errors(\"refused\") < 5%", "errors(\"timeout\") < 5%"],
            0,
            true,
        ),
        (&["errors(\"refused\") < 5%", "unknown < 5%"], 1, false),
        (&["failures < 5%", "errors(\"other\") < 5%"], 1, false),
        // Another threshold that is missed.
        (
            &["failures <= 2%", "unknown <= 1", "max(response_time) < 1ms"],
            0,
            false,
        ),
    ] {
        assert_eq!(
            judged_by(thresholds),
            (untolerated, sound),
            "{thresholds:?}"
        );
    }
}

#[test]
fn a_condition_of_somebody_elses_may_tolerate_failures_too() {
    let mut summary = Summary::derive(&run());
    let row = &mut summary.scenarios[0];
    row.thresholds
        .push(ThresholdSummary::new("few enough fail", true));
    assert_eq!(row.untolerated_failures(), 3);
    row.thresholds[0].tolerates_failures = true;
    assert_eq!(row.untolerated_failures(), 0);
    row.thresholds[0].passed = false;
    assert_eq!(row.untolerated_failures(), 3);
    // A summary that names no classes has its failures all the same.
    row.thresholds.clear();
    row.errors.clear();
    assert_eq!(row.untolerated_failures(), 3);
}
