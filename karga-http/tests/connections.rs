//! Connections: each user has its own, and every one that the server saw is a
//! step of somebody's iteration.

mod peer;

use karga_core::{Action as _, Metric as _, Scenario as _, Volume};
use karga_http::{Engine, HttpMetric, HttpScenario, SetupError};
use peer::{ENGINES, Peer, answer::Answer, bad, counted, ending, good, iteration, once};
use tokio::net::TcpSocket;

/// How many connections it tells of.
fn connects(metric: &HttpMetric) -> usize {
    assert!(metric.steps().iter().all(|step| step.name == "connect"));
    assert!(metric.steps().iter().all(|step| !step.duration.is_zero()));
    metric.steps().len()
}

#[tokio::test]
async fn each_user_has_one_and_keeps_it() {
    for engine in ENGINES {
        let peer = Peer::hello().await;
        let scenario = HttpScenario::builder(peer.url("/{{user}}"))
            .engine(engine)
            .build()
            .unwrap();
        let mut steps = 0;
        let mut users = Vec::new();
        for number in 0..3 {
            users.push((number, scenario.connect(number).await.unwrap()));
        }
        for index in 0..20 {
            for (number, user) in &users {
                let metric = user.call(iteration(index, *number)).await;
                assert_eq!(ending(&metric), good(200));
                assert_eq!(counted(&metric), [("status_200", 1)], "{engine}");
                assert_eq!(connects(&metric), usize::from(index == 0));
                steps += connects(&metric);
            }
        }
        assert_eq!((steps, peer.wires().len()), (3, 3), "{engine}");
        for seen in peer.seen() {
            assert_eq!(seen.path, format!("/{}", seen.connection));
        }
    }
}

/// Bodies of every kind are read to their end, so that the connection can go on.
#[tokio::test]
async fn a_body_that_nobody_wants_leaves_the_connection_usable() {
    const LARGE: usize = 3_000_000;
    for engine in ENGINES {
        let peer = Peer::start(|seen| match seen.path.as_str() {
            "/0" => Answer::ok("x".repeat(LARGE)),
            "/1" => Answer::chunks(&["one", "two"]),
            "/2" => Answer::status(204),
            "/3" => Answer::status(304),
            "/4" => Answer::status(500),
            _ => Answer::ok(""),
        })
        .await;
        let builder = HttpScenario::builder(peer.url("/{{index}}")).engine(engine);
        let user = peer::user(builder).await;
        let mut steps = 0;
        let mut received = Vec::new();
        for index in 0..6 {
            let metric = user.call(iteration(index, 0)).await;
            steps += connects(&metric);
            received.push(metric.volume().bytes_received);
        }
        assert_eq!((steps, peer.wires().len()), (1, 1), "{engine}");
        assert!(received[0] as usize > LARGE && received[1] < 1000);
    }
}

/// A server that closes after each answer is connected to again by each request.
#[tokio::test]
async fn one_that_the_server_closes_is_opened_again_and_counted() {
    for engine in ENGINES {
        let peer = Peer::start(|_| Answer::ok("bye").header("connection", "close")).await;
        let builder = HttpScenario::builder(peer.url("/")).engine(engine);
        let user = peer::user(builder).await;
        for index in 0..5 {
            let metric = user.call(iteration(index, 0)).await;
            assert_eq!(ending(&metric), good(200), "{engine}");
            assert_eq!(connects(&metric), 1);
            let expected: &[_] = match index {
                0 => &[("status_200", 1)],
                _ => &[("status_200", 1), ("reconnects", 1)],
            };
            assert_eq!(counted(&metric), expected, "{engine}");
        }
        assert_eq!(peer.wires().len(), 5);
    }
}

/// The lean engine hands the connection that looked at the server to the first
/// user; reqwest opens its own.
#[tokio::test]
async fn setup_looks_at_each_server_once() {
    for (engine, looks) in [(Engine::Lean, 0), (Engine::Reqwest, 1)] {
        let (one, other) = (Peer::hello().await, Peer::hello().await);
        let scenario = HttpScenario::builder(one.url("/"))
            .then(other.url("/"))
            .engine(engine)
            .build()
            .unwrap();
        scenario.setup().await.unwrap();
        let mut steps = 0;
        for number in 0..2 {
            let user = scenario.connect(number).await.unwrap();
            let metric = user.call(iteration(0, number)).await;
            assert_eq!(ending(&metric), good(200));
            steps += connects(&metric);
        }
        scenario.teardown().await.unwrap();
        assert_eq!(steps, 4, "{engine}");
        for peer in [one, other] {
            assert_eq!(peer.wires().len(), 2 + looks, "{engine}");
            // What only looked said nothing.
            let read = peer.wires().iter().filter(|wire| wire.read() > 0).count();
            assert_eq!(read, 2);
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_before_the_load() {
    for engine in ENGINES {
        // Whoever holds a port and does not listen refuses all that come.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://{}/x", socket.local_addr().unwrap());
        let builder = HttpScenario::builder(&url).engine(engine);
        let scenario = builder.clone().build().unwrap();
        let error = scenario.setup().await.unwrap_err();
        let SetupError::Unreachable { class, origin, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(class, "connect refused");
        assert_eq!(format!("{origin}/x"), url);
        assert!(error.to_string().contains("preflight(false)"), "{error}");

        // Unless the load is offered all the same.
        let scenario = builder.preflight(false).build().unwrap();
        scenario.setup().await.unwrap();
        let user = scenario.connect(0).await.unwrap();
        for index in 0..2 {
            let metric = user.call(iteration(index, 0)).await;
            assert_eq!(ending(&metric), bad("connect refused", None), "{engine}");
            assert_eq!(metric.volume(), Volume::default());
            assert_eq!((connects(&metric), counted(&metric).len()), (0, 0));
        }
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_told_by_its_class() {
    for engine in ENGINES {
        // One that is too long for any: nobody in the network is asked.
        let url = format!("http://{}/", "a".repeat(64));
        let builder = HttpScenario::builder(url).engine(engine);
        let metric = once(builder).await;
        assert_eq!(ending(&metric), bad("dns", None), "{engine}");
    }
}
