//! HTTP/1.1 and HTTP/2 without TLS, and what a run says of them. (With TLS: see
//! `tls.rs`.)

mod peer;

use karga_core::{Action as _, Detail, Metric as _, Scenario as _};
use karga_http::{
    BuildError, Check, Engine, HttpRequest, HttpScenario, HttpVersion, UnknownVersion,
};
use peer::{Peer, answer::Answer, counted, ending, good, iteration};
use serde_json::json;

#[tokio::test]
async fn without_tls_http2_is_spoken_only_if_asked_for() {
    for (engine, version, spoken, details) in [
        (
            Engine::Auto,
            HttpVersion::Auto,
            "HTTP/1.1",
            ["lean", "HTTP/1.1"],
        ),
        (
            Engine::Auto,
            HttpVersion::Http1,
            "HTTP/1.1",
            ["lean", "HTTP/1.1"],
        ),
        (
            Engine::Lean,
            HttpVersion::Http1,
            "HTTP/1.1",
            ["lean", "HTTP/1.1"],
        ),
        (
            Engine::Auto,
            HttpVersion::Http2,
            "HTTP/2.0",
            ["reqwest (for HTTP/2)", "HTTP/2"],
        ),
        (
            Engine::Reqwest,
            HttpVersion::Auto,
            "HTTP/1.1",
            ["reqwest", "HTTP/1.1"],
        ),
        (
            Engine::Reqwest,
            HttpVersion::Http1,
            "HTTP/1.1",
            ["reqwest", "HTTP/1.1"],
        ),
        (
            Engine::Reqwest,
            HttpVersion::Http2,
            "HTTP/2.0",
            ["reqwest", "HTTP/2"],
        ),
    ] {
        let peer = Peer::hello().await;
        let request = HttpRequest::post(peer.url("/x?{{index}}"))
            .json(&json!({ "n": "{{index}}" }))
            .check(Check::body_equals("hello"));
        let scenario = HttpScenario::builder(request)
            .engine(engine)
            .version(version)
            .build()
            .unwrap();
        let user = scenario.connect(0).await.unwrap();
        for index in 0..3 {
            let metric = user.call(iteration(index, 0)).await;
            assert_eq!(ending(&metric), good(200), "{engine}, {version}");
            assert_eq!(metric.steps().len(), usize::from(index == 0));
            assert_eq!(counted(&metric), [("status_200", 1)]);
            let seen = peer.seen().pop().unwrap();
            assert_eq!(seen.version, spoken);
            assert_eq!(seen.target(), format!("/x?{index}"));
            assert_eq!(seen.body, format!(r#"{{"n":"{index}"}}"#));
        }
        assert_eq!(peer.wires().len(), 1);
        let [engine, protocol] = details;
        assert_eq!(
            scenario.details(),
            [
                Detail::new("engine", engine),
                Detail::new("protocol", protocol)
            ]
        );
    }
}

/// Requests of one user share a connection.
#[tokio::test]
async fn http2_carries_many_requests_at_once() {
    let peer = Peer::start(|_| Answer::chunks(&["one", "two"])).await;
    let scenario = HttpScenario::builder(peer.url("/{{index}}"))
        .version(HttpVersion::Http2)
        .build()
        .unwrap();
    let user = scenario.connect(0).await.unwrap();
    user.call(iteration(0, 0)).await;
    let (one, other, third) = tokio::join!(
        user.call(iteration(1, 0)),
        user.call(iteration(2, 0)),
        user.call(iteration(3, 0))
    );
    for metric in [one, other, third] {
        assert_eq!(ending(&metric), good(200));
        assert!(metric.steps().is_empty());
    }
    assert_eq!((peer.seen().len(), peer.wires().len()), (4, 1));
}

#[tokio::test]
async fn http2_names_the_server_as_the_host_does() {
    let peer = Peer::hello().await;
    let scenario = HttpScenario::builder(peer.url("/"))
        .version(HttpVersion::Http2)
        .build()
        .unwrap();
    let user = scenario.connect(0).await.unwrap();
    user.call(iteration(0, 0)).await;
    let authority = peer.only().uri.authority().map(ToString::to_string);
    assert_eq!(authority, Some(peer.addr.to_string()));
    assert_eq!(peer.only().header("host"), None);

    // A host of one's own stands beside it.
    let request = HttpRequest::get(peer.url("/")).header("host", "shop.example");
    let builder = HttpScenario::builder(request).version(HttpVersion::Http2);
    assert_eq!(ending(&peer::once(builder).await), good(200));
    let seen = peer.seen().pop().unwrap();
    assert_eq!(seen.header("host"), Some("shop.example"));
    assert_eq!(seen.uri.authority().map(ToString::to_string), authority);
}

#[test]
fn what_is_not_known_before_an_answer_is_not_told() {
    let details = |engine| {
        let builder = HttpScenario::builder("https://127.0.0.1:1/").engine(engine);
        builder.build().unwrap().details()
    };
    assert_eq!(
        details(Engine::Auto),
        [
            Detail::new("engine", "lean"),
            Detail::new("protocol", "HTTP/1.1")
        ]
    );
    assert_eq!(details(Engine::Reqwest), [Detail::new("engine", "reqwest")]);
}

#[test]
fn the_lean_engine_does_not_speak_http2() {
    let refused = HttpScenario::builder("http://127.0.0.1:1/")
        .engine(Engine::Lean)
        .version(HttpVersion::Http2)
        .build()
        .unwrap_err();
    assert!(matches!(
        refused,
        BuildError::Engine {
            engine: "lean",
            what: "HTTP/2",
            ..
        }
    ));
}

#[test]
fn versions_have_names() {
    assert_eq!(HttpVersion::default(), HttpVersion::Auto);
    for (version, name, debug) in [
        (HttpVersion::Auto, "auto", "Auto"),
        (HttpVersion::Http1, "1.1", "Http1"),
        (HttpVersion::Http2, "2", "Http2"),
    ] {
        assert_eq!(version.to_string(), name);
        assert_eq!(name.parse::<HttpVersion>(), Ok(version));
        assert_eq!(format!("{version:?}"), debug);
        assert_eq!(
            format!("{version:>5}|{version:<5}"),
            format!("{name:>5}|{name:<5}")
        );
    }
    assert_eq!("1".parse::<HttpVersion>(), Ok(HttpVersion::Http1));
    for text in ["", "3", "AUTO", "HTTP/2", "1.0", " 2"] {
        let unknown: UnknownVersion = text.parse::<HttpVersion>().unwrap_err();
        let told = format!("{text:?} is no version of HTTP: choose auto, 1.1 or 2");
        assert_eq!(unknown.to_string(), told);
    }
}
