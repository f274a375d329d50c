//! Deadlines, of requests and of scenarios, on the paused clock: it moves on only
//! while nobody has anything to do.

mod peer;

use std::time::Duration;

use karga_core::{Action as _, Metric as _, Outcome, Scenario as _};
use karga_http::{HttpMetric, HttpRequest, HttpScenario, SetupError};
use peer::{ENGINES, Peer, Seen, answer::Answer, ending, good, iteration, user};
use tokio::{net::TcpListener, time::Instant};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// "/7" takes seven seconds, "/" for ever.
fn slow(seen: &Seen) -> Answer {
    match seen.path.trim_start_matches('/').parse() {
        Ok(time) => Answer::ok("at last").after(secs(time)),
        Err(_) => Answer::never(),
    }
}

fn timed_out(metric: &HttpMetric) {
    let expected = (Outcome::Unknown, "timeout".to_owned(), None);
    assert_eq!(ending(metric), expected);
    assert_eq!(metric.volume().messages, 0);
}

/// How long something takes, to the resolution of the timer.
async fn takes<T>(expected: Duration, future: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let output = future.await;
    let took = start.elapsed();
    let late = took.checked_sub(expected).expect("it is not early");
    assert!(late <= Duration::from_millis(2), "{took:?}");
    output
}

#[tokio::test(start_paused = true)]
async fn a_request_has_so_much_time_and_no_more() {
    for engine in ENGINES {
        let peer = Peer::start(slow).await;
        let scenario = HttpScenario::builder(peer.url("/{{time}}"))
            .engine(engine)
            .deadline(secs(5))
            .variable("time", |iteration| match iteration.index {
                0 => "4".to_owned(),
                1 => "6".to_owned(),
                2 => String::new(),
                _ => "0".to_owned(),
            })
            .build()
            .unwrap();
        let user = scenario.connect(0).await.unwrap();
        let in_time = takes(secs(4), user.call(iteration(0, 0))).await;
        assert_eq!(ending(&in_time), good(200), "{engine}");
        for index in 1..3 {
            let metric = takes(secs(5), user.call(iteration(index, 0))).await;
            timed_out(&metric);
            assert!(metric.volume().bytes_sent > 50);
            assert_eq!(metric.volume().bytes_received, 0);
        }
        let remarks = scenario.remarks();
        assert_eq!(remarks.len(), 1);
        assert!(
            remarks[0].contains("the deadline of 5s passed"),
            "{remarks:?}"
        );

        // What was waited for is never taken for an answer to something else.
        let after = takes(secs(0), user.call(iteration(3, 0))).await;
        assert_eq!(ending(&after), good(200), "{engine}");
        assert_eq!(peer.wires().len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_of_a_flow_may_have_its_own() {
    for engine in ENGINES {
        let peer = Peer::start(slow).await;
        let user = user(
            HttpScenario::builder(HttpRequest::get(peer.url("/3")).deadline(secs(4)))
                .then(peer.url("/2"))
                .then(HttpRequest::get(peer.url("/9")).deadline(secs(8)))
                .then(peer.url("/0"))
                .deadline(secs(2) + Duration::from_millis(500))
                .engine(engine),
        )
        .await;
        let metric = takes(secs(13), user.call(iteration(0, 0))).await;
        assert_eq!(metric.outcome(), Outcome::Unknown, "{engine}");
        assert_eq!(metric.error_class().as_deref(), Some("timeout"));
        let parts = metric.parts();
        assert_eq!(parts.len(), 3);
        for (part, time) in parts.iter().zip([3, 2, 8]) {
            let took = part.end - part.start;
            let late = took - secs(time);
            assert!(late <= Duration::from_millis(2), "{took:?}");
        }
        assert_eq!(parts[2].outcome, Outcome::Unknown);
        assert_eq!(metric.volume().messages, 2);
    }
}

/// Someone accepts connections, and never says a word.
async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let port = listener.local_addr().map_or(0, |address| address.port());
    (listener, format!("https://localhost:{port}/"))
}

#[tokio::test(start_paused = true)]
async fn connecting_is_part_of_it() {
    for engine in ENGINES {
        let (_listener, url) = silent().await;
        let builder = HttpScenario::builder(&url).deadline(secs(7)).engine(engine);
        let scenario = builder.build().unwrap();
        let error = takes(secs(7), scenario.setup()).await.unwrap_err();
        assert!(
            matches!(&error, SetupError::Unreachable { class, .. } if class == "timeout"),
            "{error}"
        );
        let user = scenario.connect(0).await.unwrap();
        let metric = takes(secs(7), user.call(iteration(0, 0))).await;
        timed_out(&metric);
        assert_eq!(metric.volume().bytes_sent, 0, "{engine}");
        assert!(metric.steps().is_empty());
        let remarks = scenario.remarks().join("");
        assert!(remarks.contains("connecting"), "{remarks}");
    }
}
