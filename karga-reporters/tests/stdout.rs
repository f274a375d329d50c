//! What a person sees.

mod common;

use std::{io, time::Duration};

use common::{Screen, empty, failing, healthy, lagging, ms, saturated};
use insta::assert_snapshot;
use karga_core::{Account, Detail, Judgement, LoadModel, Report, Reporter, StopReason, WarmUp};
use karga_reporters::{Color, StdoutReporter};
use karga_stats::Summary;

fn render(summary: &Summary) -> String {
    let text = StdoutReporter::render(summary);
    for line in text.lines() {
        let width = console::measure_text_width(line);
        assert!(width <= 80, "{width} columns: {line}");
    }
    text
}

/// The text without its line breaks.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_healthy_suite() {
    assert_snapshot!(render(&Summary::from_runs(
        "kafka orders",
        [&healthy(), &lagging()]
    )));
}

#[test]
fn failures_with_labels_counts_and_a_warning() {
    assert_snapshot!(render(&Summary::derive(&failing())));
}

#[test]
fn details_stand_below_the_generator() {
    let mut run = healthy();
    run.details = vec![
        Detail::new("engine", "lean (HTTP/1.1)"),
        Detail::new("version of the protocol", "2.7\n\x1b[31mred"),
        Detail::new("", "of nothing"),
    ];
    let text = render(&Summary::derive(&run));
    assert!(text.starts_with("PASSED"), "{text}");
    let facts = text.split("\n\n").nth(1).unwrap();
    assert_snapshot!(facts, @r"
    produce ───────────────────────────────────────────── generator healthy · 10.0 s
      arrivals    10,000 planned = 10,000 completed + 0 dropped + 0 interrupted
      outcomes    10,000 succeeded, 0 failed, 0 unknown
      rate        1,000/s offered for 10.0 s, 1,000/s achieved
      volume      1,000,000 messages (99,980/s), 1.04 GB sent (104 MB/s),
                  720 kB received (72.0 kB/s)
      generator   5 of 64 workers in flight at most,
                  process CPU 1.25 s (0.12 cores), busy 12 %
      engine      lean (HTTP/1.1)
      detail      version of the protocol: 2.7 [31mred
      detail      of nothing
    ");
}

#[test]
fn a_saturated_generator() {
    assert_snapshot!(render(&Summary::derive(&saturated())));
}

#[test]
fn nothing_completed() {
    assert_snapshot!(render(&Summary::derive(&empty())));
}

#[test]
fn stopped_and_nothing_else_wrong() {
    let mut run = healthy();
    run.stop = StopReason::CtrlC;
    let mut summary = Summary::derive(&run);
    assert_snapshot!(render(&summary).split("\n  arrivals").next().unwrap());

    // A program that stops its own test has what it wanted.
    summary.scenarios[0].stop = StopReason::Requested;
    assert!(render(&summary).starts_with("PASSED  produce\n\n"));

    // Worse than being stopped.
    summary.scenarios[0].stop = StopReason::CtrlC;
    summary.scenarios[0].interrupted = 1;
    let text = render(&summary);
    assert!(text.starts_with("FAILED  produce\n"), "{text}");
    assert!(text.contains("planned arrivals was interrupted"), "{text}");
}

#[test]
fn the_times_say_what_they_stand_for() {
    let mut summary = Summary::derive(&healthy());
    let note = |summary: &Summary| {
        let text = render(summary);
        let (_, below) = text.split_once("\n  lateness ").unwrap();
        let lines = below.lines().skip(1).take_while(|line| !line.is_empty());
        lines.map(str::trim).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(note(&summary), "");

    summary.scenarios[0].interrupted = 12;
    assert_eq!(
        note(&summary),
        "times cover all completed iterations (10,000); interrupted arrivals (12) are not in them"
    );

    let row = &mut summary.scenarios[0];
    (row.failed, row.unknown, row.interrupted) = (7, 2, 0);
    assert_eq!(
        note(&summary),
        "times cover all completed iterations (10,000), failed and unknown ones (9) included"
    );

    // Of nothing there are no times.
    assert_eq!(note(&Summary::derive(&empty())), "");
}

#[test]
fn one_is_singular_and_nothing_known_is_not_said() {
    let mut summary = Summary::derive(&lagging());
    let row = &mut summary.scenarios[0];
    (row.messages, row.generator.workers) = (1, 1);
    row.lag.as_mut().unwrap().latest = 1;
    let text = render(&summary);
    for part in [
        " 1 message (",
        " 1 message at the end, 49,995 at most",
        " of 1 worker in flight at most",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }

    // An executor of one's own need not know how it did.
    let generator = &mut summary.scenarios[0].generator;
    (generator.workers, generator.peak_in_flight) = (0, 0);
    (generator.busy, generator.cpu_seconds) = (None, 0.0);
    let text = render(&summary);
    assert!(!text.contains("workers"), "{text}");
    assert!(!text.contains("  generator  "), "{text}");
}

#[test]
fn no_scenario() {
    assert_snapshot!(render(&Summary::from_runs("nobody", [])));
}

#[test]
fn a_ramp_with_a_stall_in_the_timeline() {
    let mut summary = Summary::derive(&healthy());
    let row = &mut summary.scenarios[0];
    let pattern = row.timeline[0].clone();
    // 46 seconds: up for 15, level for 15, down for 15, and a last part of a
    // hundredth whose rate would be that of a single iteration.
    row.timeline = (0..46_u64)
        .map(|second| {
            let mut slot = pattern.clone();
            slot.start = Duration::from_secs(second);
            slot.completed = 10 * (second + 1).min(15).min(46 - second);
            if (20..23).contains(&second) {
                (slot.completed, slot.response_time.p99) = (0, Duration::ZERO);
            }
            if second == 23 {
                slot.response_time.p99 = Duration::from_secs(3);
                slot.unknown = 4;
            }
            if second == 45 {
                slot.duration = Duration::from_millis(10);
            }
            slot
        })
        .collect();
    let text = render(&summary);
    let (_, timeline) = text.split_once("timeline").unwrap();
    assert_snapshot!(timeline);
}

#[test]
fn thresholds_passed_and_missed_and_the_one_that_stopped_the_run() {
    let mut run = failing();
    let broke = "p99(response_time) < 2ms: it was 2.98 ms over the last 10 s, 7,990 samples";
    run.stop = StopReason::Observer(format!("threshold {broke}"));
    let mut stopper = Judgement::new(
        "p99(response_time) < 2ms",
        false,
        "it was 2.98 ms over the last 10 s, 7,990 samples",
    );
    stopper.stopped_at = Some(ms(8_000));
    stopper.last_good_rate = Some(812.5);
    let mut held = Judgement::new("achieved_rate > 95%", true, "it was 99.9% of 1,000/s");
    // Of one that held it says no more than the rate at the end.
    held.last_good_rate = Some(1_000.0);
    run.judgements = vec![
        stopper,
        held,
        Judgement::new(
            "p99.9(response_time{label=\"checkout of a whole basket\"}) < 250ms",
            true,
            "it was 3.05 ms over 800 samples",
        ),
        Judgement::new("is sane", false, ""),
    ];
    assert_snapshot!(render(&Summary::derive(&run)));
}

#[test]
fn failures_that_a_threshold_tolerates_do_not_speak_against_the_run() {
    let mut run = failing();
    run.stop = StopReason::Completed;
    run.account = Account::new(8_000, 8_000, 0, 0);
    let tolerating = |condition: &str, passed| {
        let mut judgement = Judgement::new(condition, passed, "it was 2.6%");
        judgement.tolerates_failures = true;
        judgement
    };
    run.judgements = vec![tolerating("errors < 5%", true)];
    let text = render(&Summary::derive(&run));
    assert!(text.starts_with("PASSED  shop\n\nshop "), "{text}");
    assert!(
        words(&text).contains("16 unknown: no more than its thresholds allow"),
        "{text}"
    );
    // Those of one class, and the others are not.
    let one_class = "errors(\"NOT_LEADER_OR_FOLLOWER\") < 5%";
    run.judgements = vec![tolerating(one_class, true)];
    let text = render(&Summary::derive(&run));
    assert!(text.starts_with("FAILED  shop\n"), "{text}");
    assert!(
        words(&text).contains("mostly: NOT_LEADER_OR_FOLLOWER; no threshold allows 25 of them"),
        "{text}"
    );
    // A threshold that was missed tolerates nothing.
    run.judgements = vec![tolerating("errors < 1%", false)];
    let text = render(&Summary::derive(&run));
    assert!(
        text.contains("  ! shop: missed errors < 1%: it was 2.6%"),
        "{text}"
    );
    assert!(
        text.contains("  ! shop: of 8,000 completed, 209 failed"),
        "{text}"
    );
}

#[test]
fn a_closed_run_with_a_warm_up_in_a_suite() {
    let mut closed = healthy();
    closed.name = "users".into();
    closed.model = LoadModel::Closed;
    closed.start_offset = ms(5_000);
    closed.warm_up = Some(WarmUp::new(
        ms(5_000),
        common::aggregate(500, |n| common::Told {
            class: (n == 0).then_some("timeout"),
            ..common::Told::default()
        }),
        Account::new(501, 500, 0, 1),
    ));
    let mut paced = healthy();
    paced.model = LoadModel::Paced;
    paced.warm_up = Some(WarmUp::new(
        ms(1_000),
        common::aggregate(1, |_| common::Told::default()),
        Account::new(1, 1, 0, 0),
    ));
    assert_snapshot!(render(&Summary::from_runs("suite", [&closed, &paced])));
}

#[test]
fn a_closed_run_speaks_of_iterations() {
    let mut run = failing();
    run.model = LoadModel::Closed;
    let text = render(&Summary::derive(&run));
    assert!(
        text.contains("3 of 8,005 planned iterations were"),
        "{text}"
    );
    assert!(!text.contains("planned arrivals"), "{text}");
}

#[test]
fn the_greatest_of_all_numbers_and_names() {
    let mut summary = Summary::from_runs("n".repeat(300), [&failing()]);
    let row = &mut summary.scenarios[0];
    row.name = "漢字".repeat(100);
    row.stop = StopReason::Observer("because ".repeat(40));
    (row.elapsed, row.load_time) = (Duration::MAX, Duration::MAX);
    (row.planned, row.completed, row.succeeded) = (u64::MAX, u64::MAX, u64::MAX);
    (row.failed, row.unknown, row.dropped, row.interrupted) = (u64::MAX, 1, u64::MAX, u64::MAX);
    (row.offered_rate, row.achieved_rate) = (f64::MAX, f64::MAX);
    (row.messages, row.bytes_sent, row.bytes_received) = (u64::MAX, u64::MAX, u64::MAX);
    row.response_time.max = Duration::MAX;
    row.generator.cpu_seconds = f64::MAX;
    row.generator.busy = Some(f64::MAX);
    row.errors[0].count = u64::MAX;
    row.errors[1].class = "x".repeat(500);
    row.labels[0].name = "y".repeat(500);
    row.labels[0].completed = u64::MAX;
    row.timeline[0].achieved_rate = f64::MAX;
    row.timeline[1].failed = u64::MAX;
    row.timeline[1].completed = u64::MAX;
    row.timeline[2].response_time.p99 = Duration::MAX;
    render(&summary);
}

#[tokio::test]
async fn a_writer_of_ones_own_gets_no_colour_unless_asked() {
    let summary = Summary::derive(&healthy());
    let screen = Screen::default();
    StdoutReporter::to_writer(screen.clone())
        .report(&summary)
        .await
        .unwrap();
    assert_eq!(screen.text(), render(&summary));

    let colored = Screen::default();
    let reporter = StdoutReporter::to_writer(colored.clone()).color(Color::Always);
    reporter.report(&summary).await.unwrap();
    assert!(colored.text().contains('\x1b'), "{}", colored.text());
    assert_eq!(console::strip_ansi_codes(&colored.text()), screen.text());
}

#[tokio::test]
async fn a_closed_pipe_is_an_error() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let summary = Summary::derive(&healthy());
    let error = StdoutReporter::to_writer(writer)
        .report(&summary)
        .await
        .unwrap_err();
    assert!(error.is_broken_pipe());
    assert_eq!(
        error.to_string(),
        "the summary could not be printed, because whoever read the output has closed it"
    );
    let source = std::error::Error::source(&error).unwrap();
    let source = source.downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::BrokenPipe);
}
