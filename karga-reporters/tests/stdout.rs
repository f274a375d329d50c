//! What a person sees.

mod common;

use std::{io, time::Duration};

use common::{Screen, empty, failing, healthy, lagging, saturated};
use insta::assert_snapshot;
use karga_core::{Report, Reporter, StopReason};
use karga_reporters::{Color, StdoutReporter};
use karga_stats::{Summary, ThresholdSummary};

fn render(summary: &Summary) -> String {
    let text = StdoutReporter::render(summary);
    for line in text.lines() {
        let width = console::measure_text_width(line);
        assert!(width <= 80, "{width} columns: {line}");
    }
    text
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
fn thresholds_held_and_missed() {
    let mut summary = Summary::derive(&healthy());
    let thresholds = &mut summary.scenarios[0].thresholds;
    thresholds.push(ThresholdSummary::new(
        "p99 of the response time < 50 ms",
        true,
    ));
    thresholds.push(ThresholdSummary::new(
        "p99.9 of the response time < 1 ms",
        false,
    ));
    let text = render(&summary);
    assert!(text.starts_with("FAILED  produce\n"), "{text}");
    assert!(
        text.contains("missed p99.9 of the response time < 1 ms"),
        "{text}"
    );
    assert!(
        text.contains("p99 of the response time < 50 ms: held"),
        "{text}"
    );
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
    assert_eq!(error.to_string(), "the summary could not be printed");
    let source = std::error::Error::source(&error).unwrap();
    let source = source.downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::BrokenPipe);
}
