//! HTTP under an executor, on the paused clock: the account is exact.

mod peer;

use std::time::Duration;

use karga_core::{Detail, Executor as _, Run, Stage};
use karga_executors::{IterationsExecutor, StageExecutor};
use karga_http::{Check, HttpRequest, HttpScenario, HttpVersion};
use karga_stats::HistogramAggregate;
use peer::{ENGINES, Peer, Seen, answer::Answer};

const PAUSE: Duration = Duration::from_millis(100);

/// Every fifth answer is a 503; each takes a while.
fn reply(seen: &Seen) -> Answer {
    let index: u64 = seen.path[1..].parse().expect("the path is an index");
    let answer = match index % 5 {
        4 => Answer::status(503),
        _ => Answer::ok("hello"),
    };
    answer.after(PAUSE)
}

fn counts(run: &Run<HistogramAggregate>) -> Vec<(&str, u64)> {
    run.aggregate.counts().collect()
}

fn is_pause(times: &karga_stats::Histogram) {
    let (min, max) = (times.min(), times.max());
    assert!(
        min >= PAUSE && max <= PAUSE + Duration::from_millis(3),
        "{min:?} to {max:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn iterations_of_users_are_counted_to_the_last_one() {
    for engine in ENGINES {
        let peer = Peer::start(reply).await;
        let scenario = HttpScenario::builder(peer.url("/{{index}}"))
            .engine(engine)
            .build()
            .unwrap();
        let executor = IterationsExecutor::shared(50, 4).build().unwrap();
        let aggregate = HistogramAggregate::default();
        let run = executor
            .execute(&scenario, aggregate, &mut ())
            .await
            .unwrap();

        let account = &run.account;
        assert_eq!((account.planned, account.completed), (50, 50), "{engine}");
        assert_eq!((account.dropped, account.interrupted), (0, 0));
        let outcomes = run.aggregate.outcomes();
        assert_eq!(
            (outcomes.succeeded, outcomes.failed, outcomes.unknown),
            (40, 10, 0)
        );
        let errors: Vec<_> = run.aggregate.errors().collect();
        assert_eq!(errors, [("http 503", 10)]);
        assert_eq!(counts(&run), [("status_200", 40), ("status_503", 10)]);
        assert_eq!(run.details[0], Detail::new("engine", engine.name()));
        assert_eq!(run.details[1], Detail::new("protocol", "HTTP/1.1"));
        assert_eq!(run.warnings.len(), 1, "{:?}", run.warnings);
        assert!(run.warnings[0].contains("http 503"), "{:?}", run.warnings);

        // Each index was sent once.
        let mut paths: Vec<u64> = peer
            .seen()
            .iter()
            .map(|seen| seen.path[1..].parse().unwrap())
            .collect();
        paths.sort_unstable();
        assert_eq!(paths, (0..50).collect::<Vec<_>>());

        let volume = run.aggregate.volume();
        assert_eq!(volume.messages, 50);
        assert_eq!(
            (volume.bytes_sent, volume.bytes_received),
            peer.bytes(),
            "{engine}"
        );
        let steps: Vec<_> = run.aggregate.steps().collect();
        assert_eq!(
            (steps.len(), steps[0].0, steps[0].1.count()),
            (1, "connect", 4)
        );
        is_pause(run.aggregate.service_time());
    }
}

#[tokio::test(start_paused = true)]
async fn arrivals_are_counted_to_the_last_one() {
    for engine in ENGINES {
        let peer = Peer::start(reply).await;
        let request = HttpRequest::get(peer.url("/{{index}}"))
            .name("item")
            .check(Check::status([200, 503]));
        let scenario = HttpScenario::builder(request)
            .engine(engine)
            .build()
            .unwrap();
        let executor = StageExecutor::builder()
            .start_rate(50.0)
            .stages([Stage::new(Duration::from_secs(2), 50.0)])
            .workers(20)
            .build()
            .unwrap();
        let aggregate = HistogramAggregate::default();
        let run = executor
            .execute(&scenario, aggregate, &mut ())
            .await
            .unwrap();
        assert_eq!(
            (run.account.planned, run.account.completed),
            (100, 100),
            "{engine}"
        );
        assert_eq!(run.aggregate.outcomes().succeeded, 100);
        assert_eq!(counts(&run), [("status_200", 80), ("status_503", 20)]);
        let labels: Vec<_> = run.aggregate.labels().map(|(label, _)| label).collect();
        assert_eq!(labels, ["item"]);
        is_pause(run.aggregate.response_time());
        assert_eq!(peer.seen().len(), 100);
        // Whoever looked at the server beforehand is no user.
        let looks = usize::from(engine == karga_http::Engine::Reqwest);
        let connects: u64 = run.aggregate.steps().map(|(_, times)| times.count()).sum();
        assert_eq!(peer.wires().len(), connects as usize + looks, "{engine}");
    }
}

#[tokio::test(start_paused = true)]
async fn http2_is_counted_as_well() {
    let peer = Peer::start(reply).await;
    let scenario = HttpScenario::builder(peer.url("/{{index}}"))
        .version(HttpVersion::Http2)
        .build()
        .unwrap();
    let executor = IterationsExecutor::per_user(10, 3).build().unwrap();
    let aggregate = HistogramAggregate::default();
    let run = executor
        .execute(&scenario, aggregate, &mut ())
        .await
        .unwrap();
    assert_eq!((run.account.planned, run.account.completed), (30, 30));
    assert_eq!(run.aggregate.volume().messages, 30);
    assert_eq!(counts(&run).iter().map(|(_, count)| count).sum::<u64>(), 30);
    assert_eq!(
        run.details,
        [
            Detail::new("engine", "reqwest (for HTTP/2)"),
            Detail::new("protocol", "HTTP/2")
        ]
    );
    assert!(peer.seen().iter().all(|seen| seen.version == "HTTP/2.0"));
}

/// One row for each request of a flow, whose times are its own.
#[tokio::test(start_paused = true)]
async fn a_flow_has_a_row_for_each_of_its_requests() {
    for engine in ENGINES {
        let peer = Peer::start(reply).await;
        let first = HttpRequest::get(peer.url("/0")).name("first");
        let second = HttpRequest::get(peer.url("/{{index}}")).name("second");
        let scenario = HttpScenario::builder(first)
            .then(second)
            .then(HttpRequest::get(peer.url("/1")).name("third"))
            .engine(engine)
            .build()
            .unwrap();
        let executor = IterationsExecutor::shared(10, 2).build().unwrap();
        let aggregate = HistogramAggregate::default();
        let run = executor
            .execute(&scenario, aggregate, &mut ())
            .await
            .unwrap();
        assert_eq!((run.account.planned, run.account.completed), (10, 10));
        let outcomes = run.aggregate.outcomes();
        assert_eq!((outcomes.succeeded, outcomes.failed), (8, 2), "{engine}");
        let rows: Vec<_> = run
            .aggregate
            .labels()
            .map(|(label, row)| {
                is_pause(row.service_time());
                let outcomes = row.outcomes();
                (label, outcomes.succeeded, outcomes.failed)
            })
            .collect();
        // The second fails twice, and ends the iteration.
        assert_eq!(rows, [("first", 10, 0), ("second", 8, 2), ("third", 8, 0)]);
        assert_eq!(counts(&run), [("status_200", 26), ("status_503", 2)]);
        let volume = run.aggregate.volume();
        assert_eq!(volume.messages, 28);
        assert_eq!((volume.bytes_sent, volume.bytes_received), peer.bytes());
    }
}
