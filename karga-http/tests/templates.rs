//! What differs from iteration to iteration, and how it is written where it
//! stands.

mod peer;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use karga_core::{Action as _, Metric as _, Outcome, Scenario as _, Volume};
use karga_http::{Capture, HttpRequest, HttpScenario, HttpScenarioBuilder};
use peer::{ENGINES, Peer, answer::Answer, bad, counted, ending, good, iteration, remarked, user};
use serde_json::json;

/// Needs escaping wherever it stands, but for a text.
const NASTY: &str = "a/b?c=d&e \"f\" \\ {{index}} \u{e4}%41+.~";

const NASTY_IN_URL: &str =
    "a%2Fb%3Fc%3Dd%26e%20%22f%22%20%5C%20%7B%7Bindex%7D%7D%20%C3%A4%2541%2B.~";

#[tokio::test]
async fn values_of_the_iteration_stand_everywhere() {
    for engine in ENGINES {
        let peer = Peer::hello().await;
        let request = HttpRequest::post(peer.url("/u/{{user}}/{{ index }}?i={{index}}&{{user}}=1"))
            .header("x-who", "user {{user}}, iteration {{index}}")
            .header("host", "shop-{{user}}.example")
            .json(&json!({ "{{user}}": ["{{index}}"], "n": 1 }));
        let user = user(HttpScenario::builder(request).engine(engine)).await;
        for (index, number) in [(0, 5), (u64::MAX, 6)] {
            let metric = user.call(iteration(index, number)).await;
            assert_eq!(ending(&metric), good(200), "{engine}");
            let seen = peer.seen().pop().unwrap();
            assert_eq!(
                seen.target(),
                format!("/u/{number}/{index}?i={index}&{number}=1")
            );
            let who = format!("user {number}, iteration {index}");
            assert_eq!(seen.header("x-who"), Some(who.as_str()));
            let host = format!("shop-{number}.example");
            assert_eq!(seen.header("host"), Some(host.as_str()));
            assert_eq!(
                seen.body,
                format!(r#"{{"n":1,"{number}":["{index}"]}}"#),
                "{engine}"
            );
        }
    }
}

#[tokio::test]
async fn values_stay_values_where_they_are_put() {
    for engine in ENGINES {
        let peer = Peer::hello().await;
        let request = HttpRequest::put(peer.url("/{{nasty}}/x?q={{nasty}}"))
            .header("x-text", "<{{nasty}}>")
            .json(&json!({ "text": "<{{nasty}}>" }));
        let user = user(
            HttpScenario::builder(request)
                .engine(engine)
                .variable("nasty", |_| NASTY.to_owned()),
        )
        .await;
        assert_eq!(ending(&user.call(iteration(1, 2)).await), good(200));
        let seen = peer.only();
        assert_eq!(
            seen.target(),
            format!("/{NASTY_IN_URL}/x?q={NASTY_IN_URL}"),
            "{engine}"
        );
        assert_eq!(seen.header("x-text").unwrap(), format!("<{NASTY}>"));
        let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
        assert_eq!(body, json!({ "text": format!("<{NASTY}>") }));
    }
}

#[tokio::test]
async fn a_text_takes_values_as_they_are_and_bytes_take_none() {
    for engine in ENGINES {
        let peer = Peer::hello().await;
        let text = HttpRequest::post(peer.url("/text")).body("{\"n\":{{index}}} {{nasty}}");
        let bytes = HttpRequest::post(peer.url("/bytes")).bytes("{{index}} {{");
        let user = user(
            HttpScenario::builder(text)
                .then(bytes)
                .engine(engine)
                .variable("nasty", |_| NASTY.to_owned()),
        )
        .await;
        assert_eq!(ending(&user.call(iteration(9, 0)).await), good(200));
        let seen = peer.seen();
        assert_eq!(seen[0].body, format!("{{\"n\":9}} {NASTY}"));
        assert_eq!(seen[0].header("content-type"), None);
        assert_eq!(seen[1].body, "{{index}} {{");
    }
}

#[tokio::test]
async fn a_variable_has_one_value_for_each_request_that_uses_it() {
    for engine in ENGINES {
        let peer = Peer::hello().await;
        let made = Arc::new(AtomicU64::new(0));
        let first = HttpRequest::post(peer.url("/first/{{id}}"))
            .header("x-id", "{{id}}")
            .json(&json!({ "id": "{{id}}", "again": "{{id}}" }));
        let idle = HttpRequest::get(peer.url("/idle"));
        let second = HttpRequest::get(peer.url("/second/{{id}}"));
        let user = user(
            HttpScenario::builder(first)
                .then(idle)
                .then(second)
                .engine(engine)
                .variable("id", {
                    let made = Arc::clone(&made);
                    move |_| format!("id-{}", made.fetch_add(1, Ordering::Relaxed))
                })
                .variable("unused", |_| panic!("nobody asked for it")),
        )
        .await;
        for (index, [one, other]) in [["id-0", "id-1"], ["id-2", "id-3"]].iter().enumerate() {
            user.call(iteration(index as u64, 0)).await;
            let seen = peer.seen().split_off(3 * index);
            assert_eq!(seen[0].path, format!("/first/{one}"), "{engine}");
            assert_eq!(seen[0].header("x-id"), Some(*one));
            assert_eq!(seen[0].body, json!({ "id": one, "again": one }).to_string());
            assert_eq!(seen[2].path, format!("/second/{other}"));
        }
        assert_eq!(made.load(Ordering::Relaxed), 4);
    }
}

#[tokio::test]
async fn a_variable_knows_the_iteration() {
    for engine in ENGINES {
        let peer = Peer::hello().await;
        let user = user(
            HttpScenario::builder(peer.url("/{{sku}}"))
                .engine(engine)
                .variable("sku", |iteration| {
                    format!(
                        "{}-{}",
                        ["a", "b"][iteration.index as usize % 2],
                        iteration.user
                    )
                }),
        )
        .await;
        for index in 0..3 {
            user.call(iteration(index, 4)).await;
        }
        assert_eq!(peer.lines(), ["GET /a-4", "GET /b-4", "GET /a-4"]);
    }
}

#[tokio::test]
async fn what_cannot_stand_in_a_header_is_not_sent() {
    for engine in ENGINES {
        let peer = Peer::hello().await;
        let request = HttpRequest::get(peer.url("/")).header("x-value", "v={{value}}");
        let scenario = HttpScenario::builder(request)
            .engine(engine)
            .variable("value", |iteration| match iteration.index {
                0 => "one\r\nx-evil: 1".to_owned(),
                _ => "tame".to_owned(),
            })
            .build()
            .unwrap();
        let user = scenario.connect(0).await.unwrap();
        let metric = user.call(iteration(0, 0)).await;
        assert_eq!(ending(&metric), bad("header value", None), "{engine}");
        assert!(peer.seen().is_empty());
        let remarks = scenario.remarks();
        assert_eq!(remarks.len(), 1);
        assert!(
            remarks[0].contains(r#""v=one\r\nx-evil: 1""#),
            "{remarks:?}"
        );

        // The user goes on.
        assert_eq!(ending(&user.call(iteration(1, 0)).await), good(200));
        assert_eq!(peer.only().header("x-value"), Some("v=tame"));
    }
}

/// Dots make a path of their own whether they are escaped or not.
#[tokio::test]
async fn a_value_cannot_lead_to_another_path() {
    for engine in ENGINES {
        let peer = Peer::hello().await;
        let user = user(
            HttpScenario::builder(peer.url("/files/{{name}}/meta"))
                .engine(engine)
                .variable("name", |iteration| {
                    ["..", ".", "...", "", "a..b"][iteration.index as usize].to_owned()
                }),
        )
        .await;
        for index in 0..2 {
            let metric = user.call(iteration(index, 0)).await;
            assert_eq!(ending(&metric), bad("request", None), "{engine}");
        }
        for index in 2..5 {
            let metric = user.call(iteration(index, 0)).await;
            assert_eq!(ending(&metric), good(200), "{engine}");
        }
        assert_eq!(
            peer.lines(),
            [
                "GET /files/.../meta",
                "GET /files//meta",
                "GET /files/a..b/meta"
            ]
        );
    }
}

#[tokio::test]
async fn captured_values_are_escaped_like_any_other() {
    for engine in ENGINES {
        let peer = Peer::start(|_| Answer::ok(json!({ "v": NASTY }).to_string())).await;
        let first = HttpRequest::get(peer.url("/first")).capture("v", Capture::json("/v"));
        let then = HttpRequest::post(peer.url("/then?{{v}}")).json(&json!(["{{v}}"]));
        let user = user(HttpScenario::builder(first).then(then).engine(engine)).await;
        assert_eq!(ending(&user.call(iteration(0, 0)).await), good(200));
        let then = peer.seen().pop().unwrap();
        assert_eq!(then.query.unwrap(), NASTY_IN_URL, "{engine}");
        assert_eq!(then.body, json!([NASTY]).to_string());
    }
}

/// There is no value, and so no request; those before it are what they were.
#[tokio::test]
async fn a_variable_that_panics_is_a_request_that_cannot_be_sent() {
    for engine in ENGINES {
        let peer = Peer::hello().await;
        let panics = |builder: HttpScenarioBuilder| {
            let builder = builder.variable("bad", |_| panic!("no value"));
            builder.variable("good", |_| "1".to_owned()).engine(engine)
        };
        for request in [
            HttpRequest::get(peer.url("/{{good}}/{{bad}}")),
            HttpRequest::get(peer.url("/")).header("x-bad", "{{bad}}"),
            HttpRequest::post(peer.url("/")).body("{{bad}}"),
            HttpRequest::post(peer.url("/")).json(&json!({ "{{bad}}": "{{good}}" })),
        ] {
            let (metric, remarks) = remarked(panics(HttpScenario::builder(request))).await;
            assert_eq!(ending(&metric), bad("request", None), "{engine}");
            assert_eq!(metric.volume(), Volume::default(), "{engine}");
            assert!(counted(&metric).is_empty(), "{engine}: {metric:?}");
            assert!(remarks.contains("variable panicked"), "{remarks}");
        }
        assert!(peer.seen().is_empty(), "{engine}");

        let first = HttpRequest::get(peer.url("/first/{{good}}")).name("first");
        let second = HttpRequest::get(peer.url("/second/{{bad}}")).name("second");
        let third = HttpRequest::get(peer.url("/third")).name("third");
        let user = user(panics(
            HttpScenario::builder(first).then(second).then(third),
        ))
        .await;
        for index in 0..2 {
            let metric = user.call(iteration(index, 0)).await;
            assert_eq!(ending(&metric).1, "request", "{engine}");
            assert_eq!(metric.outcome(), Outcome::Failure, "{engine}");
            let [first, second] = metric.parts() else {
                panic!("{metric:?}");
            };
            assert_eq!((&*first.label, first.outcome), ("first", Outcome::Success));
            assert_eq!(
                (&*second.label, second.outcome),
                ("second", Outcome::Failure)
            );
            assert_eq!(second.error_class.as_deref(), Some("request"));
            assert_eq!(first.volume.messages, 1, "{engine}");
            assert_eq!(second.volume, Volume::default(), "{engine}");
            assert_eq!(metric.volume(), first.volume, "{engine}");
            assert_eq!(counted(&metric), [("status_200", 1)], "{engine}");
        }
        assert_eq!(peer.lines(), ["GET /first/1"; 2], "{engine}");
    }
}
