//! Redirects: an answer like any other, or followed.

mod peer;

use karga_core::{Action as _, Metric as _, Volume};
use karga_http::{BuildError, Check, Engine, HttpRequest, HttpScenario};
use peer::{
    ENGINES, Peer, Seen, answer::Answer, bad, counted, ending, good, iteration, once, remarked,
    user,
};

/// "/3" leads to "/2" and so on, down to "/0".
fn chain(seen: &Seen) -> Answer {
    match seen.path.trim_start_matches('/').parse::<u32>() {
        Ok(0) | Err(_) => Answer::ok("there"),
        Ok(left) => Answer::redirect(302, format!("/{}", left - 1)),
    }
}

#[tokio::test]
async fn one_is_the_answer_unless_asked_for_more() {
    let peer = Peer::start(chain).await;
    for engine in ENGINES {
        let metric = once(HttpScenario::builder(peer.url("/3")).engine(engine)).await;
        assert_eq!(ending(&metric), good(302), "{engine}");
        assert_eq!(counted(&metric), [("status_302", 1)]);
        let request = HttpRequest::get(peer.url("/3"))
            .check(Check::header("location", "/2"))
            .check(Check::status(302));
        let metric = once(HttpScenario::builder(request).engine(engine)).await;
        assert_eq!(ending(&metric), good(302), "{engine}");
    }
    assert_eq!(peer.lines(), ["GET /3"; 4]);
}

#[tokio::test]
async fn so_many_are_followed_and_counted() {
    for most in [1, 2, 3] {
        let peer = Peer::start(chain).await;
        let builder = HttpScenario::builder(peer.url(&format!("/{most}"))).redirects(most);
        let user = user(builder).await;
        for index in 0..2 {
            let metric = user.call(iteration(index, 0)).await;
            assert_eq!(ending(&metric), good(200));
            let followed = u64::from(most);
            assert_eq!(
                counted(&metric),
                [
                    ("status_302", followed),
                    ("status_200", 1),
                    ("redirects", followed)
                ]
            );
            assert_eq!(metric.volume().messages, followed + 1);
            assert_eq!(metric.steps().len(), usize::from(index == 0));
        }
        assert_eq!(peer.seen().len(), 2 * (most as usize + 1));
        assert_eq!(peer.wires().len(), 1);
    }
}

#[tokio::test]
async fn every_exchange_of_a_chain_is_in_the_volume() {
    let peer = Peer::start(chain).await;
    let volume = async |path, redirects| {
        let builder = HttpScenario::builder(peer.url(path)).redirects(redirects);
        once(builder.engine(Engine::Reqwest)).await.volume()
    };
    let mut sum = Volume::default();
    for path in ["/2", "/1", "/0"] {
        let one = volume(path, 0).await;
        sum.messages += one.messages;
        sum.bytes_sent += one.bytes_sent;
        sum.bytes_received += one.bytes_received;
    }
    assert_eq!(volume("/2", 2).await, sum);
}

#[tokio::test]
async fn one_too_many_is_a_failure() {
    let peer = Peer::start(chain).await;
    let builder = HttpScenario::builder(peer.url("/3")).redirects(2);
    let (metric, remarks) = remarked(builder).await;
    assert_eq!(ending(&metric), bad("too many redirects", None));
    assert_eq!(counted(&metric), [("status_302", 3), ("redirects", 3)]);
    assert_eq!(peer.lines(), ["GET /3", "GET /2", "GET /1"]);
    assert!(remarks.contains("more than 2 redirects"), "{remarks}");
}

#[tokio::test]
async fn the_method_is_that_of_the_rfc() {
    for (status, method, body) in [
        (301, "GET", ""),
        (302, "GET", ""),
        (303, "GET", ""),
        (307, "POST", "text 5"),
        (308, "POST", "text 5"),
    ] {
        let peer = Peer::start(move |seen| match seen.path.as_str() {
            "/from" => Answer::redirect(status, "/to?q"),
            _ => Answer::ok("there"),
        })
        .await;
        let request = HttpRequest::post(peer.url("/from")).body("text {{index}}");
        let user = user(HttpScenario::builder(request).redirects(1)).await;
        assert_eq!(ending(&user.call(iteration(5, 0)).await), good(200));
        let target = peer.seen().pop().unwrap();
        assert_eq!(
            (
                target.method.as_str(),
                target.target(),
                target.body.as_str()
            ),
            (method, "/to?q".to_owned(), body),
            "{status}"
        );
    }
}

#[tokio::test]
async fn one_may_lead_to_another_server_but_not_with_the_password() {
    let other = Peer::hello().await;
    let to = other.url("/there");
    let peer = Peer::start(move |_| Answer::redirect(302, to.clone())).await;
    let request = HttpRequest::get(peer.url("/here"))
        .basic_auth("me", "secret")
        .header("x-mine", "yes");
    let user = user(HttpScenario::builder(request).redirects(5)).await;
    for index in 0..2 {
        let metric = user.call(iteration(index, 0)).await;
        assert_eq!(ending(&metric), good(200));
        // Two servers, one connection to each: none of them took the place of another.
        assert_eq!(metric.steps().len(), if index == 0 { 2 } else { 0 });
        assert_eq!(
            counted(&metric),
            [("status_302", 1), ("status_200", 1), ("redirects", 1)]
        );
    }
    assert_eq!((peer.wires().len(), other.wires().len()), (1, 1));
    assert!(peer.seen()[0].header("authorization").is_some());
    assert_eq!(other.seen()[0].header("authorization"), None);
    assert_eq!(other.seen()[0].header("x-mine"), Some("yes"));
    assert_eq!(other.seen()[0].header("referer"), None);
    assert_eq!(
        other.seen()[0].header("host"),
        Some(other.addr.to_string().as_str())
    );
}

#[tokio::test]
async fn one_that_leads_nowhere_is_an_answer() {
    let peer = Peer::start(|_| Answer::status(302)).await;
    let metric = once(HttpScenario::builder(peer.url("/")).redirects(5)).await;
    assert_eq!(ending(&metric), good(302));
    assert_eq!(counted(&metric), [("status_302", 1)]);
}

#[test]
fn there_is_a_limit_and_an_engine_that_cannot() {
    let builder = || HttpScenario::builder("http://127.0.0.1:1/");
    assert!(builder().redirects(1000).build().is_ok());
    let refused = builder().redirects(1001).build().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "redirects must be 1000 at most, and is 1001"
    );
    let refused = builder().redirects(1).engine(Engine::Lean).build();
    assert!(matches!(
        refused,
        Err(BuildError::Engine {
            engine: "lean",
            what: "redirects",
            ..
        })
    ));
}
