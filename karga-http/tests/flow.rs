//! Several requests in one iteration, each with a row of its own.

mod peer;

use karga_core::{Action as _, Metric as _, Outcome, Volume};
use karga_http::{Capture, Check, HttpMetric, HttpRequest, HttpScenario};
use peer::{
    ENGINES, Peer, Seen, answer::Answer, bad, counted, ending, good, iteration, once, remarked,
    user,
};
use serde_json::json;

fn shop(seen: &Seen) -> Answer {
    match (seen.method.as_str(), seen.path.as_str()) {
        ("POST", "/login") => Answer::ok(r#"{"token":"t-1","user":{"id":42,"tags":["a"]}}"#)
            .header("x-session", "s-1")
            .header("x-session", "s-2"),
        ("GET", "/form") => Answer::ok("<input name=nonce value=\"be ef\"> nonce: 77"),
        ("POST", "/orders") => Answer::status(201),
        ("GET", "/broken") => Answer::status(503),
        _ => Answer::ok("hello"),
    }
}

fn labels(metric: &HttpMetric) -> Vec<&str> {
    metric.parts().iter().map(|part| &*part.label).collect()
}

#[tokio::test]
async fn each_request_is_a_part_and_the_iteration_their_sum() {
    for engine in ENGINES {
        let peer = Peer::start(shop).await;
        let user = user(
            HttpScenario::builder(HttpRequest::post(peer.url("/login")).name("login"))
                .then(HttpRequest::post(peer.url("/orders?n={{index}}")).name("order"))
                .then(peer.url("/{{user}}/bye?a=/b"))
                .then(peer.url("?x=/y"))
                .engine(engine),
        )
        .await;
        for index in 0..2 {
            let metric = user.call(iteration(index, 3)).await;
            assert_eq!(ending(&metric), good(200), "{engine}");
            assert_eq!(metric.label(), None);
            let labels = labels(&metric);
            assert_eq!(labels, ["login", "order", "GET /{{user}}/bye", "GET /"]);

            let parts = metric.parts();
            assert!(parts[0].start.is_zero());
            for both in parts.windows(2) {
                assert_eq!(both[0].end, both[1].start);
            }
            assert!(parts.iter().all(|part| part.start < part.end));
            let mut sum = Volume::default();
            for part in parts {
                assert_eq!((part.outcome, &part.error_class), (Outcome::Success, &None));
                assert_eq!(part.volume.messages, 1);
                assert!(part.volume.bytes_sent > 50 && part.volume.bytes_received > 50);
                sum.messages += part.volume.messages;
                sum.bytes_sent += part.volume.bytes_sent;
                sum.bytes_received += part.volume.bytes_received;
            }
            assert_eq!(metric.volume(), sum);
            let statuses: Vec<_> = parts.iter().map(|part| part.counts[0].name).collect();
            assert_eq!(
                statuses,
                ["status_200", "status_201", "status_200", "status_200"]
            );
            assert_eq!(counted(&metric), [("status_200", 3), ("status_201", 1)]);
            let connects = usize::from(index == 0);
            assert_eq!(metric.steps().len(), connects, "{engine}");
        }
        let volume = peer.bytes();
        assert_eq!(peer.wires().len(), 1);
        assert!(volume.0 > 0);
        assert_eq!(
            peer.lines()[4..],
            [
                "POST /login",
                "POST /orders?n=1",
                "GET /3/bye?a=/b",
                "GET /?x=/y"
            ]
        );
    }
}

#[tokio::test]
async fn one_request_alone_has_a_label_and_no_parts() {
    for engine in ENGINES {
        let peer = Peer::start(shop).await;
        let plain = once(HttpScenario::builder(peer.url("/")).engine(engine)).await;
        assert_eq!((plain.label(), plain.parts().len()), (None, 0));
        let named = HttpRequest::get(peer.url("/")).name("root");
        let named = once(HttpScenario::builder(named).engine(engine)).await;
        assert_eq!(named.label().as_deref(), Some("root"));
        assert_eq!(named.parts().len(), 0);
    }
}

#[tokio::test]
async fn a_flow_ends_at_the_first_request_that_fails() {
    for engine in ENGINES {
        let peer = Peer::start(shop).await;
        let user = user(
            HttpScenario::builder(HttpRequest::get(peer.url("/one")).name("one"))
                .then(HttpRequest::get(peer.url("/broken")).name("broken"))
                .then(HttpRequest::get(peer.url("/never")).name("never"))
                .engine(engine),
        )
        .await;
        for _ in 0..2 {
            let metric = user.call(iteration(0, 0)).await;
            assert_eq!(ending(&metric), bad("http 503", 503), "{engine}");
            assert_eq!(labels(&metric), ["one", "broken"]);
            let broken = &metric.parts()[1];
            assert_eq!(broken.outcome, Outcome::Failure);
            assert_eq!(broken.error_class.as_deref(), Some("http 503"));
            assert_eq!(broken.counts[0].name, "status_503");
            assert_eq!(metric.parts()[0].outcome, Outcome::Success);
            assert_eq!(metric.volume().messages, 2);
        }
        let lines = ["GET /one", "GET /broken", "GET /one", "GET /broken"];
        assert_eq!(peer.lines(), lines);
    }
}

#[tokio::test]
async fn captured_values_reach_the_requests_that_follow() {
    for engine in ENGINES {
        let peer = Peer::start(shop).await;
        let login = HttpRequest::post(peer.url("/login"))
            .capture("token", Capture::json("/token"))
            .capture("id", Capture::json("/user/id"))
            .capture("user", Capture::json("/user"));
        assert!(HttpScenario::builder(login).build().is_err()); // "user" is built in
        let login = HttpRequest::post(peer.url("/login"))
            .capture("token", Capture::json("/token"))
            .capture("id", Capture::json("/user/id"))
            .capture("who", Capture::json("/user"))
            .capture("session", Capture::header("X-Session"));
        let form = HttpRequest::get(peer.url("/form"))
            .header("authorization", "Bearer {{token}}")
            .capture("nonce", Capture::regex("value=\"([^\"]+)\""))
            .capture("whole", Capture::regex("nonce: [0-9]+"));
        let order = HttpRequest::post(peer.url("/orders/{{id}}?nonce={{nonce}}"))
            .header("x-session", "{{session}}")
            .header("x-whole", "{{whole}}")
            .json(&json!({ "token": "{{token}}", "who": "{{who}}" }));
        let metric = once(
            HttpScenario::builder(login)
                .then(form)
                .then(order)
                .engine(engine),
        )
        .await;
        assert_eq!(ending(&metric), good(200), "{engine}");
        let seen = peer.seen();
        assert_eq!(seen[1].header("authorization"), Some("Bearer t-1"));
        assert_eq!(seen[2].target(), "/orders/42?nonce=be%20ef");
        assert_eq!(seen[2].header("x-session"), Some("s-1"));
        assert_eq!(seen[2].header("x-whole"), Some("nonce: 77"));
        let who = r#"{"id":42,"tags":["a"]}"#;
        assert_eq!(
            seen[2].body,
            json!({ "token": "t-1", "who": who }).to_string()
        );
    }
}

#[tokio::test]
async fn a_capture_that_finds_nothing_ends_the_iteration_by_name() {
    for engine in ENGINES {
        let peer = Peer::start(|seen| match seen.path.as_str() {
            "/text" => Answer::ok("no JSON"),
            _ => Answer::ok(r#"{"a":null}"#),
        })
        .await;
        for (path, capture, words) in [
            ("/", Capture::json("/b"), r#"nothing at "/b""#),
            ("/", Capture::json("/a"), r#"nothing at "/a""#),
            ("/text", Capture::json("/a"), "the body is no JSON"),
            ("/", Capture::header("x-none"), r#"no header "x-none""#),
            ("/", Capture::regex("c+"), r#"matches "c+""#),
            (
                "/",
                Capture::regex("a(c)?"),
                "has no part in what it matches",
            ),
            (
                "/",
                Capture::regex("b(x)|a"),
                "has no part in what it matches",
            ),
        ] {
            let first = HttpRequest::get(peer.url(path)).capture("it", capture);
            let builder = HttpScenario::builder(first)
                .then(peer.url("/next/{{it}}"))
                .engine(engine);
            let (metric, remarks) = remarked(builder).await;
            assert_eq!(ending(&metric), bad("capture: it", 200), "{engine}");
            assert_eq!(metric.parts().len(), 1);
            assert!(remarks.contains(words), "{remarks}");
        }
        assert!(
            peer.seen()
                .iter()
                .all(|seen| !seen.path.starts_with("/next"))
        );
    }
}

#[tokio::test]
async fn values_are_those_of_this_iteration() {
    for engine in ENGINES {
        let peer = Peer::start(|seen| Answer::ok(seen.query.clone().unwrap_or_default())).await;
        let whole = || Capture::regex("^.*$");
        let first = HttpRequest::get(peer.url("/a?{{index}}")).capture("v", whole());
        let again = HttpRequest::get(peer.url("/b?{{v}}{{v}}")).capture("v", whole());
        let user = user(
            HttpScenario::builder(first)
                .then(again)
                .then(HttpRequest::get(peer.url("/c?{{v}}")).check(Check::status(200)))
                .engine(engine),
        )
        .await;
        for index in [5, 6] {
            user.call(iteration(index, 0)).await;
        }
        let lines = ["/a?5", "/b?55", "/c?55", "/a?6", "/b?66", "/c?66"];
        assert_eq!(peer.lines(), lines.map(|line| format!("GET {line}")));
    }
}

/// One connection for each server, whatever the order.
#[tokio::test]
async fn a_flow_may_go_to_several_servers() {
    for engine in ENGINES {
        let (one, other) = (Peer::hello().await, Peer::hello().await);
        let user = user(
            HttpScenario::builder(one.url("/1"))
                .then(other.url("/2"))
                .then(one.url("/3"))
                .engine(engine),
        )
        .await;
        let metric = user.call(iteration(0, 0)).await;
        assert_eq!(ending(&metric), good(200));
        assert_eq!(metric.steps().len(), 2, "{engine}");
        assert_eq!(counted(&metric), [("status_200", 3)]);
        let metric = user.call(iteration(1, 0)).await;
        assert_eq!((ending(&metric), metric.steps().len()), (good(200), 0));
        assert_eq!((one.wires().len(), other.wires().len()), (1, 1));
        assert_eq!(one.lines(), ["GET /1", "GET /3", "GET /1", "GET /3"]);
        assert_eq!(other.lines(), ["GET /2", "GET /2"]);
    }
}
