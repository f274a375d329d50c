//! Judging runs that are over.
#![expect(
    clippy::unwrap_used,
    reason = "what the helpers are given is known to be right"
)]

use std::{borrow::Cow, time::Duration};

use karga_core::{
    Account, Aggregate, Count, Iteration, Judgement, LoadModel, Metric, Outcome, Run, Sample, Step,
    Volume,
};
use karga_stats::{HistogramAggregate, Threshold, Thresholds, Time};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

struct Request {
    class: Option<&'static str>,
    label: &'static str,
    steps: [Step; 1],
    counts: [Count; 1],
    lag: Option<u64>,
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
        self.lag
    }
}

/// 100 requests in 10 s, each due every 100 ms, begun 1 ms late and answered
/// after 1 ms, 2 ms, ... 100 ms of service. One timed out, three were refused;
/// every fourth is a write. 110 were planned, of which 4 were dropped and 6
/// interrupted.
fn run() -> Run<HistogramAggregate> {
    let mut aggregate = HistogramAggregate::default();
    for n in 0..100 {
        let due = ms(100 * n);
        let start = due + ms(1);
        let metric = Request {
            class: match n {
                0 => Some("timeout"),
                1..=3 => Some("refused"),
                _ => None,
            },
            label: if n % 4 == 0 { "write" } else { "read" },
            steps: [Step::new("connect", ms(2))],
            counts: [Count::new("retries", 2)],
            lag: Some(200 - n),
        };
        let end = start + ms(n + 1);
        aggregate.record(&Sample::new(Iteration::new(n, 0, due), start, end, metric));
    }
    let account = Account::new(110, 100, 4, 6);
    Run::new("requests", aggregate, account, Duration::from_secs(10))
}

fn judge(condition: &str, run: &Run<HistogramAggregate>) -> Judgement {
    let thresholds = Thresholds::parse([condition]).unwrap();
    let [judgement] = &thresholds.judge_run(run)[..] else {
        panic!("one judgement for one threshold");
    };
    judgement.clone()
}

#[test]
fn every_figure_is_the_one_that_it_says() {
    let run = run();
    for (holds, misses, seen) in [
        (
            "p99(response_time) <= 100.1ms",
            "p99(response_time) < 100ms",
            "it was 100.007935 ms over 100 samples",
        ),
        (
            "p50(service_time) < 50.1ms",
            "p50(service_time) < 49.9ms",
            "it was 50 ms over 100 samples",
        ),
        (
            "max(response_time) <= 101ms",
            "max(response_time) < 101ms",
            "it was 101 ms over 100 samples",
        ),
        (
            "min(service_time) >= 1ms",
            "min(service_time) > 1ms",
            "it was 1 ms over 100 samples",
        ),
        (
            "mean(service_time) <= 50.5ms",
            "mean(service_time) < 50.5ms",
            "it was 50.5 ms over 100 samples",
        ),
        (
            "max(lateness) <= 1ms",
            "max(lateness) < 1ms",
            "it was 1 ms over 100 samples",
        ),
        (
            "p50(step(\"connect\")) < 3ms",
            "p50(step(\"connect\")) > 3ms",
            "it was 2 ms over 100 samples",
        ),
        (
            "max(service_time){label=\"write\"} < 98ms",
            "max(service_time){label=\"write\"} > 98ms",
            "it was 97 ms over 25 samples",
        ),
        ("failures == 3", "failures < 3", "it was 3"),
        (
            "failures <= 3%",
            "failures < 3%",
            "it was 3.0 % (3 of 100 completed)",
        ),
        (
            "failures{label=\"write\"} < 1%",
            "failures{label=\"read\"} < 4%",
            "it was 4.0 % (3 of 75 completed)",
        ),
        ("unknown == 1", "unknown != 1", "it was 1"),
        (
            "succeeded >= 96%",
            "succeeded > 96%",
            "it was 96.0 % (96 of 100 completed)",
        ),
        (
            "errors(\"refused\") < 5",
            "errors(\"refused\") < 1%",
            "it was 3.0 % (3 of 100 completed)",
        ),
        (
            "errors(\"refusd\") == 0",
            "errors(\"refusd\") > 0",
            "it was 0; classes seen: refused, timeout",
        ),
        ("dropped == 4", "dropped == 0", "it was 4"),
        (
            "dropped < 4%",
            "dropped < 3%",
            "it was 3.6 % (4 of 110 planned)",
        ),
        ("interrupted < 10", "interrupted == 0", "it was 6"),
        ("completed >= 100", "completed > 100", "it was 100"),
        (
            "completed > 90%",
            "completed > 91%",
            "it was 90.9 % (100 of 110 planned)",
        ),
        (
            "count(retries) == 200",
            "count(retries) < 200",
            "it was 200",
        ),
        (
            "count(retrys) == 0",
            "count(retrys) > 0",
            "it was 0; names seen: retries",
        ),
        ("messages == 1000", "messages > 1k", "it was 1,000"),
        (
            "bytes_sent == 100kB",
            "bytes_sent > 100kB",
            "it was 100,000 B",
        ),
        (
            "rate(completed) >= 10/s",
            "rate(completed) > 10/s",
            "it was 10.0/s",
        ),
        (
            "rate(completed){label=\"read\"} >= 7.5/s",
            "rate(completed){label=\"read\"} > 7.5/s",
            "it was 7.5/s",
        ),
        (
            "rate(messages) >= 100",
            "rate(messages) > 100",
            "it was 100.0/s",
        ),
        (
            "rate(bytes_sent) >= 10kB/s",
            "rate(bytes_sent) > 10kB/s",
            "it was 10.0 kB/s",
        ),
        (
            "achieved_rate >= 10/s",
            "achieved_rate > 10/s",
            "it was 10.0/s",
        ),
        (
            "achieved_rate > 90%",
            "achieved_rate > 91%",
            "it was 90.9 % of the offered 11.0/s",
        ),
        ("lag == 101", "lag < 101", "it was 101"),
        ("max(lag) <= 200", "max(lag) < 200", "it was 200"),
    ] {
        assert!(
            judge(holds, &run).passed,
            "{holds}: {}",
            judge(holds, &run).reason
        );
        let missed = judge(misses, &run);
        assert!(!missed.passed, "{misses}: {}", missed.reason);
        assert_eq!(missed.reason, seen, "{misses}");
        assert_eq!((missed.stopped_at, missed.last_good_rate), (None, None));
    }
}

#[test]
fn without_samples_every_threshold_is_missed() {
    let empty = Run::new(
        "empty",
        HistogramAggregate::default(),
        Account::new(10, 0, 0, 10),
        Duration::from_secs(1),
    );
    for condition in [
        "p99(response_time) < 1s",
        "failures < 1%",
        "failures == 0",
        "dropped == 0",
        "completed < 5",
        "count(retries) == 0",
        "rate(messages) < 5",
        "achieved_rate < 50%",
        "lag < 5",
        "failures{label=\"x\"} == 0",
    ] {
        let judgement = judge(condition, &empty);
        assert!(!judgement.passed, "{condition}");
        assert_eq!(judgement.reason, "there are no samples", "{condition}");
    }
}

#[test]
fn what_never_came_is_missed_with_what_did() {
    let run = run();
    for (condition, reason) in [
        (
            "p99(response_time){label=\"login\"} < 1s",
            "no sample has the label \"login\"; labels seen: read, write",
        ),
        (
            "failures{label=\"login\"} == 0",
            "no sample has the label \"login\"; labels seen: read, write",
        ),
        (
            "max(step(\"tls\")) < 1s",
            "no sample has the step \"tls\"; steps seen: connect",
        ),
    ] {
        let judgement = judge(condition, &run);
        assert!(!judgement.passed, "{condition}");
        assert_eq!(judgement.reason, reason);
    }

    let mut plain = HistogramAggregate::default();
    plain.record(&Sample::new(Iteration::new(0, 0, ms(0)), ms(0), ms(1), ()));
    let plain = Run::new("plain", plain, Account::new(1, 1, 0, 0), Duration::ZERO);
    for (condition, reason) in [
        ("lag < 5", "no sample says a lag"),
        ("max(lag) < 5", "no sample says a lag"),
        (
            "failures{label=\"a\"} == 0",
            "no sample has the label \"a\", nor any other",
        ),
        (
            "max(step(\"a\")) < 1s",
            "no sample has the step \"a\", nor any other",
        ),
        ("rate(messages) < 5", "the run took no time"),
        ("achieved_rate > 5%", "the run took no time"),
    ] {
        let judgement = judge(condition, &plain);
        assert!(!judgement.passed, "{condition}");
        assert_eq!(judgement.reason, reason);
    }
}

/// A run of one sample, whose answer took `answer`.
fn answered(answer: Duration, load_time: Duration, elapsed: Duration) -> Run<HistogramAggregate> {
    let mut aggregate = HistogramAggregate::default();
    for n in 0..100 {
        let due = load_time * n / 100;
        let iteration = Iteration::new(u64::from(n), 0, due);
        aggregate.record(&Sample::new(iteration, due, due + answer, ()));
    }
    let mut run = Run::new("run", aggregate, Account::new(100, 100, 0, 0), elapsed);
    run.load_time = load_time;
    run
}

#[test]
fn the_time_of_the_last_answer_is_not_missing_load_and_that_of_a_queue_is() {
    // Every answer takes 600 ms, so that the run is as much longer.
    let slow = answered(ms(600), ms(1000), ms(1590));
    let judgement = judge("achieved_rate >= 99.9%", &slow);
    assert!(judgement.passed, "{}", judgement.reason);
    // The absolute rate is what the summary says.
    assert!(!judge("achieved_rate > 63/s", &slow).passed);
    // The target took twice the time of the load for all.
    let late = answered(ms(10), ms(1000), ms(2020));
    let judgement = judge("achieved_rate > 49.9%", &late);
    assert!(!judgement.passed);
    assert_eq!(judgement.reason, "it was 49.7 % of the offered 100.0/s");
}

#[test]
fn a_closed_run_has_no_offered_rate() {
    let mut closed = answered(ms(10), ms(1000), ms(1000));
    closed.model = LoadModel::Closed;
    let judgement = judge("achieved_rate > 1%", &closed);
    assert!(!judgement.passed);
    assert!(
        judgement.reason.contains("offer no rate"),
        "{}",
        judgement.reason
    );
    assert!(judge("achieved_rate > 99/s", &closed).passed);
    closed.model = LoadModel::Paced;
    assert!(judge("achieved_rate > 99%", &closed).passed);
}

#[test]
fn those_that_say_how_many_may_fail_tolerate_failures() {
    let run = run();
    for (condition, tolerates) in [
        ("failures < 5%", true),
        ("failures <= 5", true),
        ("failures == 0", true),
        ("failures > 1", false),
        ("failures{label=\"read\"} < 5%", false),
        ("unknown < 5", true),
        ("errors(\"timeout\") < 5", true),
        ("dropped < 5", false),
        ("rate(failures) < 5", false),
        ("p99(response_time) < 1s", false),
    ] {
        assert_eq!(
            judge(condition, &run).tolerates_failures,
            tolerates,
            "{condition}"
        );
    }
}

#[test]
fn runs_of_any_aggregate_with_histograms_are_judged_in_order() {
    let run = run().map(|aggregate| (aggregate, ()));
    let typed = [
        Threshold::max(Time::Response).below(ms(50)).unwrap(),
        Threshold::failures().below(50).unwrap(),
    ];
    let judgements = Thresholds::new(typed).judge_run(&run);
    let seen: Vec<_> = judgements
        .iter()
        .map(|judgement| (judgement.condition.as_str(), judgement.passed))
        .collect();
    assert_eq!(
        seen,
        [
            ("max(response_time) < 50ms", false),
            ("failures < 50", true)
        ]
    );
}
