//! Conditions on answers, and what counts when they do not hold.

mod peer;

use karga_core::{Action as _, Metric as _, Outcome};
use karga_http::{Capture, Check, HttpRequest, HttpScenario};
use peer::{
    ENGINES, Peer, Seen, answer::Answer, bad, counted, ending, good, iteration, once, remarked,
    user,
};
use serde_json::json;

const BODY: &str = r#"{"orders":[{"state":"open","total":3}],"a/b":null}"#;

/// Answers the status that the path names, "/404", with a body.
fn reply(seen: &Seen) -> Answer {
    let status = seen.path.trim_start_matches('/');
    let status = status.parse().expect("the path is a status");
    let answer = match status {
        200 => Answer::ok(BODY),
        other => Answer::status(other),
    };
    answer
        .header("content-type", "application/json; charset=utf-8")
        .header("x-several", "one")
        .header("x-several", "Two")
        .header("x-empty", "")
}

fn get(peer: &Peer, status: u16) -> HttpRequest {
    HttpRequest::get(peer.url(&format!("/{status}")))
}

#[tokio::test]
async fn what_holds_is_a_success() {
    let peer = Peer::start(reply).await;
    for engine in ENGINES {
        for check in [
            Check::status(200),
            Check::status([404, 200]),
            Check::status(200..300),
            Check::status(100..=200),
            Check::header("Content-Type", "APPLICATION/json"),
            Check::header("content-type", ""),
            Check::header("x-several", "two"),
            Check::header("x-empty", ""),
            Check::body_contains("\"open\""),
            Check::body_contains(""),
            Check::body_equals(BODY),
            Check::body_matches("\"total\":[0-9]+"),
            Check::json("/orders/0/state", "open"),
            Check::json("/orders/0/total", 3),
            Check::json("/a~1b", serde_json::Value::Null),
            Check::json("", serde_json::from_str::<serde_json::Value>(BODY).unwrap()),
            Check::body(|body| body == BODY.as_bytes()),
        ] {
            let what = format!("{engine}: {check:?}");
            let request = get(&peer, 200).check(check);
            let metric = once(HttpScenario::builder(request).engine(engine)).await;
            assert_eq!(ending(&metric), good(200), "{what}");
        }
    }
}

#[tokio::test]
async fn what_does_not_hold_is_a_failure_with_words() {
    let peer = Peer::start(reply).await;
    for engine in ENGINES {
        for (check, class, words) in [
            (Check::status(201), "http 200", "is 200, not 201"),
            (Check::status([201, 404]), "http 200", "201 or 404"),
            (Check::status(300..400), "http 200", "300 to 399"),
            (
                Check::header("content-type", "xml"),
                "check: header",
                "\"content-type\" does not contain \"xml\"",
            ),
            (
                Check::header("x-none", ""),
                "check: header",
                "no header \"x-none\"",
            ),
            (
                Check::body_contains("shut"),
                "check: body",
                "does not contain \"shut\"",
            ),
            (Check::body_equals("{}"), "check: body", "is not \"{}\""),
            (
                Check::body_matches("^shut$"),
                "check: body",
                "does not match \"^shut$\"",
            ),
            (
                Check::json("/orders/0/state", "shut"),
                "check: body",
                r#"has "open" at "/orders/0/state", not "shut""#,
            ),
            (
                Check::json("/orders/1", "shut"),
                "check: body",
                r#"nothing at "/orders/1""#,
            ),
            (
                Check::body(|_| false),
                "check: body",
                "the check's function",
            ),
        ] {
            let what = format!("{engine}: {check:?}");
            let request = get(&peer, 200).check(check);
            let builder = HttpScenario::builder(request).engine(engine);
            let (metric, remarks) = remarked(builder).await;
            assert_eq!(ending(&metric), bad(class, 200), "{what}");
            // It was answered all the same.
            assert_eq!(counted(&metric), [("status_200", 1)]);
            assert_eq!(metric.volume().messages, 1);
            assert!(remarks.contains(words), "{what}: {remarks}");
            assert!(remarks.contains(&peer.url("/200")), "{remarks}");
        }
    }
}

#[tokio::test]
async fn without_a_check_a_status_below_400_is_a_success() {
    let peer = Peer::start(reply).await;
    for engine in ENGINES {
        for status in [
            200, 201, 204, 299, 301, 304, 399, 400, 404, 499, 500, 503, 599,
        ] {
            let metric = once(HttpScenario::builder(get(&peer, status)).engine(engine)).await;
            let expected = match status {
                ..400 => good(status),
                _ => bad(&format!("http {status}"), status),
            };
            assert_eq!(ending(&metric), expected, "{engine}");
            let [(name, 1)] = counted(&metric)[..] else {
                panic!("{:?}", counted(&metric));
            };
            assert_eq!(name, format!("status_{status}"));
        }
    }
}

#[tokio::test]
async fn a_check_on_the_status_takes_the_place_of_the_default() {
    let peer = Peer::start(reply).await;
    for engine in ENGINES {
        let wanted = get(&peer, 404).check(Check::status(404));
        let metric = once(HttpScenario::builder(wanted).engine(engine)).await;
        assert_eq!(ending(&metric), good(404));
        // A check on something else does not.
        let other = get(&peer, 404).check(Check::header("content-type", "json"));
        let metric = once(HttpScenario::builder(other).engine(engine)).await;
        assert_eq!(ending(&metric), bad("http 404", 404));
    }
}

/// The status first, whatever the order: without it the rest means nothing.
#[tokio::test]
async fn the_first_check_that_does_not_hold_gives_the_class() {
    let peer = Peer::start(reply).await;
    for engine in ENGINES {
        let request = get(&peer, 503)
            .check(Check::body_contains("x"))
            .check(Check::header("x-none", ""))
            .check(Check::status(200));
        let metric = once(HttpScenario::builder(request).engine(engine)).await;
        assert_eq!(ending(&metric), bad("http 503", 503), "{engine}");
        let request = get(&peer, 200)
            .check(Check::header("x-none", ""))
            .check(Check::body_contains("shut"));
        let metric = once(HttpScenario::builder(request).engine(engine)).await;
        assert_eq!(ending(&metric), bad("check: header", 200), "{engine}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_to_keep_fails_and_says_the_way_out() {
    let peer = Peer::start(reply).await;
    let length = BODY.len();
    for engine in ENGINES {
        let checked = |most| {
            let request = get(&peer, 200).check(Check::body_contains("orders"));
            let builder = HttpScenario::builder(request).engine(engine);
            remarked(builder.max_kept_body(most))
        };
        assert_eq!(ending(&checked(length).await.0), good(200));
        for most in [0, 10, length - 1] {
            let (metric, remarks) = checked(most).await;
            assert_eq!(ending(&metric), bad("check: body", 200), "{engine}, {most}");
            assert!(remarks.contains("raise max_kept_body"), "{remarks}");
            assert!(remarks.contains(&format!("{length} bytes")), "{remarks}");
        }
        // One that nobody looks at may be as long as it likes.
        let builder = HttpScenario::builder(get(&peer, 200)).engine(engine);
        assert_eq!(ending(&once(builder.max_kept_body(0)).await), good(200));
    }
}

#[tokio::test]
async fn a_body_in_chunks_is_checked_as_a_whole() {
    let peer = Peer::start(|_| Answer::chunks(&["{\"a\":", "\"b", "c\"}"])).await;
    for engine in ENGINES {
        let request = HttpRequest::get(peer.url("/"))
            .check(Check::json("/a", "bc"))
            .check(Check::body_equals(json!({ "a": "bc" }).to_string()));
        let metric = once(HttpScenario::builder(request).engine(engine)).await;
        assert_eq!(ending(&metric), good(200), "{engine}");
    }
}

#[tokio::test]
async fn words_of_a_failure_show_what_came_instead() {
    let page = format!("<html>maintenance {}", "z".repeat(1000));
    let bodies = [
        ("no JSON at all", "no JSON at all"),
        ("", "\"\""),
        (&page, "zzz..."),
    ];
    for (body, shown) in bodies {
        let answer = body.to_owned();
        let peer = Peer::start(move |_| Answer::ok(answer.clone())).await;
        for engine in ENGINES {
            let pattern = "token=([0-9]+)";
            let get = || HttpRequest::get(peer.url("/"));
            for request in [
                get().check(Check::body_contains("orders")),
                get().check(Check::body_equals("orders")),
                get().check(Check::body_matches(pattern)),
                get().check(Check::json("/a", 1)),
                get().check(Check::body(|_| false)),
                get().capture("it", Capture::json("/a")),
                get().capture("it", Capture::regex(pattern)),
            ] {
                let what = format!("{engine}: {request:?}");
                let builder = HttpScenario::builder(request).engine(engine);
                let (metric, remarks) = remarked(builder).await;
                assert_eq!(metric.outcome(), Outcome::Failure, "{what}");
                assert_eq!(metric.status(), Some(200), "{what}");
                assert!(remarks.contains("the answer 200 begins with"), "{remarks}");
                assert!(remarks.contains(shown), "{what}: {remarks}");
                let beginning: String = body.chars().take(30).collect();
                assert!(remarks.contains(&beginning), "{what}: {remarks}");
                assert!(remarks.len() < 500, "{what}: {remarks}");
            }
        }
    }
}

/// JSON without what was looked for, and a status that a check accepts.
#[tokio::test]
async fn words_of_a_failure_show_json_and_an_unusual_status_too() {
    let body = r#"{"error":"no such order"}"#;
    let peer = Peer::start(move |_| Answer::ok(body).of(404)).await;
    let shown = format!("the answer 404 begins with {body:?}");
    for engine in ENGINES {
        let get = || HttpRequest::get(peer.url("/")).check(Check::status(404));
        for request in [
            get().check(Check::json("/a", 1)),
            get().check(Check::json("/error", 1)),
            get().capture("it", Capture::json("/a")),
            get().capture("it", Capture::regex("token=([0-9]+)")),
        ] {
            let what = format!("{engine}: {request:?}");
            let builder = HttpScenario::builder(request).engine(engine);
            let (metric, remarks) = remarked(builder).await;
            assert_eq!(metric.outcome(), Outcome::Failure, "{what}");
            assert!(remarks.contains(&shown), "{what}: {remarks}");
        }
    }
}

/// The answer came, whatever becomes of those who look at it.
#[tokio::test]
async fn a_function_that_panics_is_a_check_that_does_not_hold() {
    let peer = Peer::start(reply).await;
    for engine in ENGINES {
        let panics = || Check::body(|body| panic!("{} bytes", body.len()));
        let before = peer.bytes();
        let request = get(&peer, 200).check(panics());
        let (metric, remarks) = remarked(HttpScenario::builder(request).engine(engine)).await;
        assert_eq!(ending(&metric), bad("check: body", 200), "{engine}");
        assert_eq!(counted(&metric), [("status_200", 1)], "{engine}");
        assert!(remarks.contains("panicked"), "{remarks}");
        let (read, written) = peer.bytes();
        let volume = metric.volume();
        assert_eq!(volume.messages, 1, "{engine}");
        let moved = (volume.bytes_sent, volume.bytes_received);
        assert_eq!(moved, (read - before.0, written - before.1), "{engine}");

        // The requests before it are what they were, and the user goes on.
        let flow = HttpScenario::builder(get(&peer, 200).name("before"))
            .then(get(&peer, 200).name("panics").check(panics()))
            .then(get(&peer, 404).name("never"));
        let user = user(flow.engine(engine)).await;
        for index in 0..2 {
            let metric = user.call(iteration(index, 0)).await;
            assert_eq!(ending(&metric), bad("check: body", 200), "{engine}");
            let [first, second] = metric.parts() else {
                panic!("{metric:?}");
            };
            assert_eq!((&*first.label, first.outcome), ("before", Outcome::Success));
            assert_eq!(
                (&*second.label, second.outcome),
                ("panics", Outcome::Failure)
            );
            assert_eq!(second.error_class.as_deref(), Some("check: body"));
            assert_eq!(counted(&metric), [("status_200", 2)], "{engine}");
            assert_eq!((first.volume.messages, second.volume.messages), (1, 1));
            assert!(first.volume.bytes_sent > 0 && second.volume.bytes_sent > 0);
            let connects = usize::from(index == 0);
            assert_eq!(metric.steps().len(), connects, "{engine}, {index}");
        }
    }
    assert!(peer.seen().iter().all(|seen| seen.path == "/200"));
}
