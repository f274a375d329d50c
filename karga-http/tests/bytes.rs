//! The volume is that of the wire: what the server's end of the connection
//! counted. Both engines say the same to it.

mod peer;

use karga_core::{Action as _, Metric as _};
use karga_http::{Check, Engine, HttpRequest, HttpScenario, HttpScenarioBuilder, HttpVersion};
use peer::{ENGINES, Peer, Seen, answer::Answer, ending, iteration, tls::Authority, user};
use serde_json::json;

fn reply(seen: &Seen) -> Answer {
    match seen.path.as_str() {
        "/empty" => Answer::status(204),
        "/missing" => Answer::ok("no such thing").header("x-why", "none"),
        "/odd" => Answer::status(299),
        "/large" => Answer::ok("x".repeat(300_000)),
        "/cookie" => Answer::ok("set")
            .header("set-cookie", "session=abc; Path=/")
            .header("set-cookie", "theme=dark"),
        _ => Answer::ok("hello").header("x-a", "1").header("x-a", "2"),
    }
}

/// Every kind of request whose bytes are known to the last one.
fn requests(peer: &Peer) -> Vec<HttpRequest> {
    let url = |path| peer.url(path);
    vec![
        HttpRequest::get(url("/")),
        HttpRequest::get(url("")),
        HttpRequest::get(url("/a b/\u{e4}?q=x y&z={}|^`'\"<>#fragment")),
        HttpRequest::get(url("?only")),
        HttpRequest::get(url("/?")),
        HttpRequest::get(url("/{{user}}/x?q={{index}}")),
        HttpRequest::get(url("/large")),
        HttpRequest::get(url("/large")).check(Check::body(|body| body.len() == 300_000)),
        HttpRequest::get(url("/empty")),
        HttpRequest::get(url("/odd")),
        HttpRequest::get(url("/missing")).check(Check::header("x-why", "none")),
        HttpRequest::head(url("/large")),
        HttpRequest::delete(url("/")),
        HttpRequest::options(url("/")),
        HttpRequest::new("PURGE", url("/")),
        HttpRequest::post(url("/")),
        HttpRequest::put(url("/")),
        HttpRequest::patch(url("/")),
        HttpRequest::post(url("/")).json(&json!({ "user": "{{user}}", "n": [1, 2] })),
        HttpRequest::post(url("/")).json(&json!({ "fixed": true })),
        HttpRequest::post(url("/")).body("a text, {{index}}"),
        HttpRequest::post(url("/")).body(""),
        HttpRequest::get(url("/")).body(""),
        HttpRequest::delete(url("/")).body(""),
        HttpRequest::get(url("/")).body("a body"),
        HttpRequest::put(url("/")).bytes([0, 159, 146, 150]),
        HttpRequest::post(url("/")).bytes(vec![b'x'; 200_000]),
        HttpRequest::get(url("/"))
            .header("x-several", "one")
            .header("x-several", "two")
            .header("accept", "text/html")
            .header("user-agent", "me")
            .header("cookie", "a=b"),
        HttpRequest::get(url("/")).header("host", "shop.example"),
        HttpRequest::get(url("/")).header("host", "user-{{user}}.example:81"),
        HttpRequest::get(url("/"))
            .header("x-empty", "")
            .header("x-spaces", "  b\t c "),
        HttpRequest::get(url("/")).header("x-letters", "\u{e4}\u{20ac}"),
        HttpRequest::get(url("/")).basic_auth("us:er", "p\u{e4}ss"),
        HttpRequest::get(url("/").replace("//", "//me:secret@")),
    ]
}

/// Sends it three times, and compares each time.
async fn agrees(peer: &Peer, builder: HttpScenarioBuilder, what: &str) {
    let user = user(builder).await;
    for index in 0..3 {
        let before = peer.bytes();
        let metric = user.call(iteration(index, 0)).await;
        let after = peer.bytes();
        assert_eq!(ending(&metric).1, "", "{what}");
        let volume = metric.volume();
        assert_eq!(
            (volume.bytes_sent, volume.bytes_received),
            (after.0 - before.0, after.1 - before.1),
            "{what}, iteration {index}: {:?}",
            peer.seen().last()
        );
        assert_eq!(volume.messages, 1);
    }
}

#[tokio::test]
async fn every_request_and_answer_counts_to_the_last_byte() {
    let peer = Peer::start(reply).await;
    for engine in ENGINES {
        for request in requests(&peer) {
            let what = format!("{engine}: {request:?}");
            agrees(&peer, HttpScenario::builder(request).engine(engine), &what).await;
        }
    }
}

#[tokio::test]
async fn both_engines_say_the_same_to_the_server() {
    let peer = Peer::start(reply).await;
    for request in requests(&peer) {
        let what = format!("{request:?}");
        let mut said = Vec::new();
        for engine in ENGINES {
            let builder = HttpScenario::builder(request.clone()).engine(engine);
            user(builder).await.call(iteration(7, 3)).await;
            let mut seen = peer.seen().pop().unwrap();
            seen.headers.sort();
            said.push((seen.method.clone(), seen.target(), seen.headers, seen.body));
        }
        assert_eq!(said[0], said[1], "{what}");
    }
}

#[tokio::test]
async fn cookies_count_as_sent() {
    let peer = Peer::start(reply).await;
    let cookie = HttpRequest::get(peer.url("/cookie"));
    agrees(
        &peer,
        HttpScenario::builder(cookie).cookies(true),
        "cookies",
    )
    .await;
    let last = peer.seen().pop().unwrap();
    // In which order is not said.
    let mut cookies: Vec<_> = last.header("cookie").unwrap().split("; ").collect();
    cookies.sort_unstable();
    assert_eq!(cookies, ["session=abc", "theme=dark"]);

    // A header of the request's own is sent in their place.
    let own = HttpRequest::get(peer.url("/cookie")).header("cookie", "mine=1");
    agrees(&peer, HttpScenario::builder(own).cookies(true), "a cookie").await;
    let last = peer.seen().pop().unwrap();
    assert_eq!(last.header("cookie"), Some("mine=1"));
}

#[tokio::test]
async fn lean_counts_the_framing_of_chunks_and_reqwest_their_data() {
    let peer = Peer::start(|_| Answer::chunks(&["first", "second piece"])).await;
    for engine in ENGINES {
        let user = user(HttpScenario::builder(peer.url("/")).engine(engine)).await;
        let before = peer.bytes().1;
        let metric = user.call(iteration(0, 0)).await;
        let written = peer.bytes().1 - before;
        let framing = "5\r\n\r\nc\r\n\r\n0\r\n\r\n".len() as u64;
        let unseen = if engine == Engine::Lean { 0 } else { framing };
        assert_eq!(metric.volume().bytes_received, written - unseen, "{engine}");
    }
}

#[tokio::test]
async fn tls_does_not_count() {
    let authority = Authority::new();
    let peer = Peer::start_tls(authority.localhost(), reply).await;
    for engine in ENGINES {
        for request in [
            HttpRequest::get(peer.https("/{{index}}")),
            HttpRequest::get(peer.https("/large")),
            HttpRequest::post(peer.https("/")).bytes(vec![b'x'; 200_000]),
        ] {
            let what = format!("{engine}: {request:?}");
            let builder = HttpScenario::builder(request)
                .engine(engine)
                .root_certificates_pem(authority.pem());
            agrees(&peer, builder, &what).await;
        }
    }
}

#[tokio::test]
async fn http2_counts_what_http1_would_write() {
    let peer = Peer::start(reply).await;
    let mut volumes = Vec::new();
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let request = HttpRequest::post(peer.url("/")).json(&json!({ "n": "{{index}}" }));
        let builder = HttpScenario::builder(request)
            .engine(Engine::Reqwest)
            .version(version);
        volumes.push(user(builder).await.call(iteration(5, 0)).await.volume());
    }
    assert_eq!(volumes[0], volumes[1]);
    assert!(volumes[0].bytes_sent > 100, "{volumes:?}");
}
