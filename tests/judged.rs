//! Runs that are judged: thresholds of a load test, and as assertions.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{panic::AssertUnwindSafe, time::Duration};

use karga::{assert_thresholds, prelude::*};
use tokio::time::sleep;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// 100/s for four seconds, each answered after `service_time`; from `slow_from`
/// on it takes ten times as long.
async fn run(
    thresholds: Thresholds,
    service_time: Duration,
    slow_from: Duration,
) -> Run<HistogramAggregate> {
    LoadTest::builder()
        .name("service")
        .action(move |iteration| async move {
            let slow = if iteration.due >= slow_from { 10 } else { 1 };
            sleep(service_time * slow).await;
            // One in a hundred fails.
            if iteration.index % 100 == 7 {
                Err("refused")
            } else {
                Ok(())
            }
        })
        .executor(StageExecutor::constant(100.0, ms(4000)).build())
        .thresholds(thresholds)
        .build()
        .run()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_held_and_what_was_missed_is_in_run_and_summary() {
    let thresholds = Thresholds::parse([
        "p99(response_time) < 100ms",
        "p50(response_time) < 10ms",
        "failures <= 1%",
    ]);
    let run = run(thresholds.unwrap(), ms(20), Duration::MAX).await;
    let passed: Vec<_> = run.judgements.iter().map(|it| it.passed).collect();
    assert_eq!(passed, [true, false, true]);
    assert_eq!(run.stop, StopReason::Completed);

    let summary = Summary::derive(&run);
    let row = &summary.scenarios[0];
    assert_eq!(row.thresholds.len(), 3);
    assert_eq!(row.failed, 4);
    assert!(row.thresholds[1].reason.contains("ms"), "{row:?}");
    assert!(!summary.passed());
}

#[tokio::test(start_paused = true)]
async fn failures_within_a_threshold_do_not_fail_the_test() {
    let thresholds = Thresholds::parse(["failures <= 1%"]).unwrap();
    let judged = Summary::derive(&run(thresholds, ms(20), Duration::MAX).await);
    assert!(judged.passed());
    let none = Thresholds::parse([] as [&str; 0]).unwrap();
    let unjudged = Summary::derive(&run(none, ms(20), Duration::MAX).await);
    assert!(!unjudged.passed());
}

#[tokio::test(start_paused = true)]
async fn one_that_aborts_ends_the_run_early() {
    let thresholds = Thresholds::parse(["p90(response_time) < 100ms"])
        .unwrap()
        .window(ms(1000))
        .abort();
    let run = run(thresholds, ms(20), ms(2000)).await;
    assert!(
        matches!(&run.stop, StopReason::Observer(why) if why.contains("p90(response_time)")),
        "{}",
        run.stop
    );
    assert!(
        run.load_time >= ms(2000) && run.load_time <= ms(3500),
        "{:?}",
        run.load_time
    );
    assert!(!run.judgements[0].passed);
    assert_eq!(run.judgements[0].stopped_at, Some(run.load_time));
    assert!(run.account.is_balanced());
}

#[tokio::test(start_paused = true)]
async fn a_breakpoint_reports_the_last_good_rate() {
    // One at a time, 10 ms each: 100/s. Every second there are 20/s more.
    let server = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
    let run = LoadTest::builder()
        .action(move |_| {
            let server = std::sync::Arc::clone(&server);
            async move {
                let _slot = server.acquire().await;
                sleep(ms(10)).await;
            }
        })
        .executor(
            StageExecutor::breakpoint(20.0, 20.0, ms(5000), 1000.0)
                .workers(1000)
                .build(),
        )
        .thresholds(
            Thresholds::parse(["p90(response_time) < 200ms"])
                .unwrap()
                .window(ms(2000))
                .abort(),
        )
        .build()
        .run()
        .await
        .unwrap();
    assert!(run.judgements[0].stopped_at.is_some(), "{}", run.stop);
    let last_good = run.judgements[0].last_good_rate.unwrap();
    // At 120/s it held for a moment only, while the queue was short.
    assert_eq!(last_good, 100.0);
    let summary = Summary::derive(&run);
    let text = karga::reporters::StdoutReporter::render(&summary);
    assert!(text.contains("last held at 100/s"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_assertion_shows_the_whole_table() {
    let none = Thresholds::parse([] as [&str; 0]).unwrap();
    let run = run(none, ms(20), Duration::MAX).await;
    assert_thresholds!(run, "p99(response_time) < 100ms", "failures < 2%");

    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| {
        assert_thresholds!(
            run,
            "p99(response_time) < 100ms",
            "p50(response_time) < 5ms"
        );
    }));
    let message = *caught.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("p50(response_time) < 5ms"), "{message}");
    for part in ["planned", "response", "p99", "service"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_assertion_that_cannot_be_read_says_where() {
    let none = Thresholds::parse([] as [&str; 0]).unwrap();
    let run = run(none, ms(1), Duration::MAX).await;
    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| {
        assert_thresholds!(run, "p99(response_tme) < 5ms");
    }));
    let message = *caught.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("response_tme"), "{message}");
    assert!(message.contains("response_time"), "{message}");
}
