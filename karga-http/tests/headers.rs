//! Headers: those that every request has, those of the scenario, and its own.

mod peer;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use karga_http::{HttpRequest, HttpScenario, HttpScenarioBuilder};
use peer::{ENGINES, Peer, Seen, answer::Answer, ending, good, once, remarked};
use serde_json::json;

async fn sent(builder: HttpScenarioBuilder, peer: &Peer) -> Seen {
    assert_eq!(ending(&once(builder).await), good(200));
    peer.seen().pop().expect("it was seen")
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(credentials))
}

#[tokio::test]
async fn every_request_has_these_and_no_others() {
    let peer = Peer::hello().await;
    for engine in ENGINES {
        let builder = HttpScenario::builder(peer.url("/")).engine(engine);
        let mut seen = sent(builder, &peer).await;
        seen.headers.sort();
        let agent = concat!("karga/", env!("CARGO_PKG_VERSION"));
        let expected = [
            ("accept", "*/*"),
            ("host", &peer.addr.to_string()),
            ("user-agent", agent),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(seen.headers, expected, "{engine}");
    }
}

#[tokio::test]
async fn a_body_has_its_length_and_json_its_type() {
    let peer = Peer::hello().await;
    let post = || HttpRequest::post(peer.url("/"));
    for engine in ENGINES {
        for (request, length, kind) in [
            (post(), Some("0"), None),
            (HttpRequest::put(peer.url("/")), Some("0"), None),
            (HttpRequest::patch(peer.url("/")), Some("0"), None),
            (HttpRequest::delete(peer.url("/")), None, None),
            (HttpRequest::get(peer.url("/")), None, None),
            (post().body("\u{e4}"), Some("2"), None),
            (post().body(""), Some("0"), None),
            (post().bytes([1, 2, 3]), Some("3"), None),
            (post().json(&json!({})), Some("2"), Some("application/json")),
            (
                post().json(&json!([])).header("Content-Type", "text/x"),
                Some("2"),
                Some("text/x"),
            ),
        ] {
            let what = format!("{engine}: {request:?}");
            let seen = sent(HttpScenario::builder(request).engine(engine), &peer).await;
            assert_eq!(seen.header("content-length"), length, "{what}");
            assert_eq!(seen.header("content-type"), kind, "{what}");
            assert_eq!(seen.header("transfer-encoding"), None, "{what}");
        }
    }
}

#[tokio::test]
async fn the_requests_own_go_before_the_scenarios_and_those_before_the_usual() {
    let peer = Peer::hello().await;
    for engine in ENGINES {
        let request = HttpRequest::get(peer.url("/"))
            .header("X-Mine", "one")
            .header("x-mine", "two")
            .header("Accept", "text/html");
        let builder = HttpScenario::builder(request)
            .header("x-mine", "the scenario's")
            .header("ACCEPT", "text/plain")
            .header("User-Agent", "browser")
            .header("x-common", "1")
            .header("x-common", "2")
            .engine(engine);
        let seen = sent(builder, &peer).await;
        assert_eq!(seen.all("x-mine"), ["one", "two"], "{engine}");
        assert_eq!(seen.all("x-common"), ["1", "2"], "{engine}");
        assert_eq!(seen.header("accept"), Some("text/html"));
        assert_eq!(seen.header("user-agent"), Some("browser"));
    }
}

#[tokio::test]
async fn a_host_of_ones_own_is_sent_in_place_of_the_servers() {
    let peer = Peer::hello().await;
    for engine in ENGINES {
        let request = HttpRequest::get(peer.url("/")).header("Host", "shop.example:8443");
        let builder = HttpScenario::builder(request).header("host", "common.example");
        let seen = sent(builder.engine(engine), &peer).await;
        assert_eq!(seen.header("host"), Some("shop.example:8443"), "{engine}");
        let builder = HttpScenario::builder(peer.url("/")).header("host", "common.example");
        let seen = sent(builder.engine(engine), &peer).await;
        assert_eq!(seen.header("host"), Some("common.example"), "{engine}");
    }
}

#[tokio::test]
async fn user_and_password_come_from_url_request_or_scenario() {
    let peer = Peer::hello().await;
    let named = |credentials: &str| peer.url("/").replace("//", &format!("//{credentials}@"));
    for engine in ENGINES {
        let of_url = |credentials| HttpRequest::get(named(credentials));
        for (request, expected) in [
            (of_url("me:secret"), basic("me:secret")),
            (of_url("me"), basic("me:")),
            (of_url(":secret"), basic(":secret")),
            (of_url("m%40e:s%3Aec%25ret"), basic("m@e:s:ec%ret")),
            (
                of_url("me:secret").basic_auth("you", "other"),
                basic("you:other"),
            ),
            (
                HttpRequest::get(peer.url("/")).basic_auth("\u{e4}", ":"),
                basic("\u{e4}::"),
            ),
            (
                HttpRequest::get(peer.url("/")).header("authorization", "Bearer t"),
                "Bearer t".to_owned(),
            ),
            (HttpRequest::get(peer.url("/")), basic("all:users")),
        ] {
            let builder = HttpScenario::builder(request).basic_auth("all", "users");
            let seen = sent(builder.engine(engine), &peer).await;
            assert_eq!(seen.header("authorization"), Some(expected.as_str()));
            let host = peer.addr.to_string();
            assert_eq!(seen.header("host"), Some(host.as_str()), "{engine}");
            assert_eq!(seen.target(), "/");
        }
    }
}

#[tokio::test]
async fn no_remark_tells_a_password() {
    let peer = Peer::start(|_| Answer::status(401)).await;
    for engine in ENGINES {
        let url = peer.url("/door").replace("//", "//me:s3cret@");
        let builder = HttpScenario::builder(url).engine(engine);
        let debug = format!("{:?}", builder.clone().build());
        let (_, remarks) = remarked(builder).await;
        let expected = format!(
            "GET {}, sent by user 0: the status is 401",
            peer.url("/door")
        );
        assert!(remarks.contains(&expected), "{engine}: {remarks}");
        for told in [remarks, debug] {
            assert!(!told.contains("s3cret"), "{told}");
        }
    }
}
