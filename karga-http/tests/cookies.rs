//! Cookies: each user its own, over all of its iterations.

mod peer;

use karga_core::{Action as _, Scenario as _};
use karga_http::{Engine, HttpRequest, HttpScenario};
use peer::{Peer, Seen, answer::Answer, ending, good, iteration, user};

fn reply(seen: &Seen) -> Answer {
    match seen.path.as_str() {
        "/login" => {
            let who = seen.query.as_deref().unwrap_or_default();
            Answer::ok("welcome").header("set-cookie", format!("session={who}; Path=/"))
        }
        "/logout" => Answer::ok("bye").header("set-cookie", "session=; Path=/; Max-Age=0"),
        "/door" => Answer::redirect(302, "/inside").header("set-cookie", "key=k1; Path=/inside"),
        _ => Answer::ok("hello"),
    }
}

#[tokio::test]
async fn users_keep_their_own_over_all_iterations() {
    let peer = Peer::start(reply).await;
    let scenario = HttpScenario::builder(peer.url("/{{step}}?{{user}}"))
        .cookies(true)
        .variable("step", |iteration| match iteration.index {
            0 => "login".to_owned(),
            _ => "home".to_owned(),
        })
        .build()
        .unwrap();
    assert_eq!(scenario.engine(), Engine::Reqwest);
    let (one, other, third) = (
        scenario.connect(1).await.unwrap(),
        scenario.connect(2).await.unwrap(),
        scenario.connect(3).await.unwrap(),
    );
    one.call(iteration(0, 1)).await;
    other.call(iteration(0, 2)).await;
    for index in 1..3 {
        one.call(iteration(index, 1)).await;
        other.call(iteration(index, 2)).await;
        third.call(iteration(index, 3)).await;
    }
    let seen = peer.seen();
    for seen in &seen[..2] {
        assert_eq!(
            (seen.path.as_str(), seen.header("cookie")),
            ("/login", None)
        );
    }
    for seen in &seen[2..] {
        let expected = match seen.query.as_deref() {
            Some("1") => Some("session=1"),
            Some("2") => Some("session=2"),
            _ => None,
        };
        assert_eq!(seen.header("cookie"), expected, "{seen:?}");
    }
    assert_eq!(seen.len(), 8);
}

#[tokio::test]
async fn a_server_takes_them_back() {
    let peer = Peer::start(reply).await;
    let user = user(
        HttpScenario::builder(peer.url("/login?7"))
            .then(peer.url("/in"))
            .then(peer.url("/logout"))
            .then(peer.url("/out"))
            .cookies(true),
    )
    .await;
    assert_eq!(ending(&user.call(iteration(0, 0)).await), good(200));
    let seen = peer.seen();
    let cookies: Vec<_> = seen.iter().map(|seen| seen.header("cookie")).collect();
    assert_eq!(cookies, [None, Some("session=7"), Some("session=7"), None]);
}

#[tokio::test]
async fn one_that_a_redirect_sets_is_sent_to_its_target() {
    let peer = Peer::start(reply).await;
    let user = user(
        HttpScenario::builder(peer.url("/door"))
            .cookies(true)
            .redirects(1),
    )
    .await;
    for index in 0..2 {
        assert_eq!(ending(&user.call(iteration(index, 0)).await), good(200));
    }
    assert_eq!(
        peer.lines(),
        ["GET /door", "GET /inside", "GET /door", "GET /inside"]
    );
    let seen = peer.seen();
    let cookies: Vec<_> = seen.iter().map(|seen| seen.header("cookie")).collect();
    // Its path is that of the target.
    assert_eq!(cookies, [None, Some("key=k1"), None, Some("key=k1")]);
}

#[tokio::test]
async fn without_the_setting_none_is_kept() {
    for engine in peer::ENGINES {
        let peer = Peer::start(reply).await;
        let login = HttpRequest::get(peer.url("/login?1"));
        let user = user(HttpScenario::builder(login).engine(engine)).await;
        for index in 0..2 {
            user.call(iteration(index, 0)).await;
        }
        assert!(
            peer.seen()
                .iter()
                .all(|seen| seen.header("cookie").is_none())
        );
    }
}
