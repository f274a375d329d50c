//! Connections that end: one that was closed between requests is opened again and counted; a
//! request that was on the wire when it broke is unknown, and never sent twice unseen.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::{
    future::Future as _,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Waker},
    time::Duration,
};

use karga_core::{Action as _, Executor as _, Iteration, Metric as _, Outcome, Report as _, Stage};
use karga_executors::StageExecutor;
use karga_http::{Check, Engine, HttpRequest, HttpScenario};
use karga_stats::{HistogramAggregate, Summary};
use support::{ENGINES, OK, Peer, Refused, SUCCESS, Server, Told, User, certificate, settle};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
    time::Instant,
};

/// How a server ends a connection.
#[derive(Debug, Clone, Copy)]
enum End {
    Close,
    Reset,
}

const ENDS: [End; 2] = [End::Close, End::Reset];

impl End {
    fn of(self, peer: Peer) {
        match self {
            Self::Close => drop(peer),
            Self::Reset => peer.reset(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_closed_between_requests_is_opened_again_and_counted() {
    for engine in ENGINES {
        for end in ENDS {
            let server = Server::start(move |mut peer| async move {
                for _ in 0..2 {
                    peer.request().await;
                    peer.send(OK).await;
                }
                end.of(peer);
            })
            .await;
            let user = User::new(engine, server.url()).await;
            let mut told = Vec::new();
            for _ in 0..6 {
                told.push(user.call().await);
                settle().await;
            }
            let opened: Vec<_> = told.iter().map(Told::opened).collect();
            let expected = [(1, 0), (0, 0), (1, 1), (0, 0), (1, 1), (0, 0)];
            assert_eq!(opened, expected, "{engine}, {end:?}");
            assert!(
                told.iter().all(|told| told.verdict() == SUCCESS),
                "{engine}, {end:?}"
            );
            assert_eq!(
                (server.connections(), server.requests().len()),
                (3, 6),
                "{engine}"
            );
            let sum = |of: fn(&Told) -> u64| told.iter().map(of).sum::<u64>();
            assert_eq!(
                (sum(|told| told.sent), sum(|told| told.received)),
                server.wire()
            );
        }
    }
}

/// The lean engine's users are connected long before some of them have anything to send.
#[tokio::test(start_paused = true)]
async fn a_connection_closed_before_its_first_request_is_opened_again_too() {
    for end in ENDS {
        let server = Server::start(move |mut peer| async move {
            match peer.number {
                0 => end.of(peer),
                _ => {
                    peer.request().await;
                    peer.send(OK).await;
                }
            }
        })
        .await;
        let user = User::new(Engine::Lean, server.url()).await;
        settle().await;
        let told = user.call().await;
        assert_eq!(
            (told.verdict(), told.opened()),
            (SUCCESS, (2, 1)),
            "{end:?}"
        );
        assert_eq!(told.bytes(), server.wire(), "{end:?}");
    }
}

/// Whatever it accepts it closes: no connection after the other, but an answer.
#[tokio::test(start_paused = true)]
async fn a_server_that_closes_whatever_it_accepts_is_not_called_again_and_again() {
    for engine in ENGINES {
        for end in ENDS {
            let server = Server::start(move |peer| async move { end.of(peer) }).await;
            let user = User::new(engine, server.url()).await;
            settle().await;
            let before = server.connections();
            let told = user.call().await;
            assert_ne!(told.outcome, Outcome::Success, "{engine}, {end:?}");
            let class = &*told.class;
            let classes = ["connection closed", "connection reset", "connect reset"];
            assert!(classes.contains(&class), "{engine}, {end:?}: {class}");
            assert_eq!(told.received, 0, "{engine}, {end:?}");
            settle().await;
            assert_eq!(server.connections() - before, 1, "{engine}, {end:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_on_the_wire_when_the_connection_breaks_is_unknown_and_sent_once() {
    for engine in ENGINES {
        for end in ENDS {
            for part in ["", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhal"] {
                let server = Server::start(move |mut peer| async move {
                    // The first of a connection is answered.
                    peer.request().await;
                    peer.send(OK).await;
                    peer.request().await;
                    peer.send(part).await;
                    settle().await;
                    end.of(peer);
                })
                .await;
                let user = User::new(engine, HttpRequest::post(server.url()).body("once")).await;
                assert_eq!(user.call().await.verdict(), SUCCESS, "{engine}, {end:?}");
                let told = user.call().await;
                let class = match end {
                    End::Close => "connection closed",
                    End::Reset => "connection reset",
                };
                let expected = (Outcome::Unknown, class, 0);
                assert_eq!(told.verdict(), expected, "{engine}, {end:?}, {part:?}");
                assert_eq!(told.opened(), (0, 0), "{engine}, {end:?}, {part:?}");
                assert_eq!(
                    told.received,
                    part.len() as u64,
                    "{engine}, {end:?}, {part:?}"
                );
                tokio::time::sleep(Duration::from_secs(60)).await;
                assert_eq!(
                    (server.connections(), server.requests().len()),
                    (1, 2),
                    "{engine}"
                );
                assert_eq!(
                    told.sent * 2,
                    server.wire().0,
                    "{engine}, {end:?}, {part:?}"
                );
                let told = user.call().await;
                assert_eq!(
                    (told.verdict(), told.opened()),
                    (SUCCESS, (1, 1)),
                    "{engine}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_away_and_comes_back_is_found_again() {
    for engine in ENGINES {
        let port = Refused::new();
        let script = |mut peer: Peer| async move {
            while peer.request().await.is_some() {
                peer.send(OK).await;
            }
        };
        let server = Server::on(port.listen(), script);
        let user = User::new(engine, server.url()).await;
        let told = user.call().await;
        assert_eq!(
            (told.verdict(), told.opened()),
            (SUCCESS, (1, 0)),
            "{engine}"
        );
        server.stop().await;
        for _ in 0..3 {
            let told = user.call().await;
            assert_eq!(
                told.verdict(),
                (Outcome::Failure, "connect refused", 0),
                "{engine}"
            );
            assert_eq!((told.bytes(), told.opened()), ((0, 0), (0, 0)), "{engine}");
        }
        let server = Server::on(port.listen(), script);
        let told = user.call().await;
        assert_eq!(
            (told.verdict(), told.opened()),
            (SUCCESS, (1, 1)),
            "{engine}"
        );
        let told = user.call().await;
        assert_eq!(
            (told.verdict(), told.opened()),
            (SUCCESS, (0, 0)),
            "{engine}"
        );
        assert_eq!(
            (server.connections(), server.requests().len()),
            (1, 2),
            "{engine}"
        );
    }
}

/// 100 arrivals a second for 3 seconds; for one of them nobody listens.
#[tokio::test(start_paused = true)]
async fn the_account_is_exact_when_connections_are_refused_in_mid_run() {
    for engine in ENGINES {
        let port = Refused::new();
        let answered = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&answered);
        let script = move |mut peer: Peer| {
            let count = Arc::clone(&count);
            async move {
                while peer.request().await.is_some() {
                    peer.send(OK).await;
                    count.fetch_add(1, SeqCst);
                }
            }
        };
        let server = Server::on(port.listen(), script.clone());
        let url = server.url();
        let operator = tokio::spawn(async move {
            // Between two arrivals, so that none is under way.
            tokio::time::sleep(Duration::from_millis(1005)).await;
            server.stop().await;
            tokio::time::sleep(Duration::from_millis(999)).await;
            Server::on(port.listen(), script)
        });
        let scenario = HttpScenario::builder(url).engine(engine).build().unwrap();
        let executor = StageExecutor::builder()
            .start_rate(100.0)
            .stages([Stage::new(Duration::from_secs(3), 100.0)])
            .workers(4)
            .build();
        let aggregate = HistogramAggregate::default();
        let run = executor
            .execute(&scenario, aggregate, &mut ())
            .await
            .unwrap();
        let server = operator.await.unwrap();
        let summary = &Summary::derive(&run).scenarios[0];
        assert_eq!((summary.planned, summary.completed), (300, 300), "{engine}");
        assert_eq!(
            (summary.dropped, summary.interrupted, summary.unknown),
            (0, 0, 0),
            "{engine}"
        );
        assert_eq!(summary.succeeded + summary.failed, 300, "{engine}");
        assert_eq!(summary.succeeded, answered.load(SeqCst), "{engine}");
        let errors: Vec<_> = summary.errors.iter().map(|error| &*error.class).collect();
        assert_eq!(errors, ["connect refused"], "{engine}");
        assert!(
            (99..=101).contains(&summary.failed),
            "{engine}: {}",
            summary.failed
        );
        assert_eq!(summary.errors[0].count, summary.failed, "{engine}");
        let counts = summary
            .counts
            .iter()
            .filter(|count| count.name == "reconnects");
        let reconnects: u64 = counts.map(|count| count.count).sum();
        assert_eq!(reconnects, server.connections() as u64, "{engine}");
    }
}

/// A handshake of 250 ms, and an answer 40 ms after the request.
#[tokio::test(start_paused = true)]
async fn the_time_that_a_connection_takes_is_a_step_of_its_own() {
    let ms = Duration::from_millis;
    let about = |took: Duration, expected| (expected..expected + ms(4)).contains(&took);
    for engine in ENGINES {
        let (_, acceptor) = certificate("127.0.0.1", false);
        let server = Server::start(move |peer| {
            let acceptor = acceptor.clone();
            async move {
                tokio::time::sleep(ms(250)).await;
                let mut stream = acceptor.accept(peer.stream).await.unwrap();
                for _ in 0..2 {
                    assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
                    tokio::time::sleep(ms(40)).await;
                    stream.write_all(OK.as_bytes()).await.unwrap();
                }
                stream.shutdown().await.unwrap();
            }
        })
        .await;
        let builder = HttpScenario::builder(server.url().replace("http", "https")).engine(engine);
        let user = User::of(builder.accept_invalid_certificates(true)).await;
        for (call, connects) in [true, false, true, false].into_iter().enumerate() {
            let start = Instant::now();
            let metric = user.iterate().await;
            let took = start.elapsed();
            assert_eq!(Told::of(&metric).verdict(), SUCCESS, "{engine}, {call}");
            let reconnects = u64::from(call == 2);
            let opened = (usize::from(connects), reconnects);
            assert_eq!(Told::of(&metric).opened(), opened, "{engine}, {call}");
            for step in metric.steps() {
                assert!(about(step.duration, ms(250)), "{engine}, {call}: {step:?}");
            }
            // The lean engine's first one was there before the load.
            let inside = connects && (call > 0 || engine == Engine::Reqwest);
            let expected = if inside { ms(290) } else { ms(40) };
            assert!(about(took, expected), "{engine}, {call}: {took:?}");
            settle().await;
        }
    }
}

/// Nobody is left to take the answer: it comes all the same, and must not be the next request's.
#[tokio::test(start_paused = true)]
async fn the_answer_to_a_cancelled_request_is_never_that_of_the_next() {
    for engine in ENGINES {
        let go = Arc::new(Notify::new());
        let wait = Arc::clone(&go);
        let server = Server::start(move |mut peer| {
            let wait = Arc::clone(&wait);
            async move {
                while peer.request().await.is_some() {
                    if peer.number == 0 {
                        wait.notified().await;
                        let stale = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstale";
                        peer.send(stale).await;
                    } else {
                        peer.send(OK).await;
                    }
                }
            }
        })
        .await;
        let request = HttpRequest::get(server.url()).check(Check::body_equals("hello"));
        let user = User::new(engine, request).await;
        tokio::select! {
            told = user.call() => panic!("{engine}: {told:?}"),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        assert_eq!(server.requests().len(), 1, "{engine}: it is on the wire");
        go.notify_one();
        let told = user.call().await;
        assert_eq!(told.verdict(), SUCCESS, "{engine}");
        assert_eq!(told.reconnects, 1, "{engine}");
        let told = user.call().await;
        assert_eq!(
            (told.verdict(), told.opened()),
            (SUCCESS, (0, 0)),
            "{engine}"
        );
        assert_eq!(
            (server.connections(), server.requests().len()),
            (2, 3),
            "{engine}"
        );
    }
}

/// Dropped at every point at which it waits, from before it connects to the answer's last byte.
#[tokio::test(start_paused = true)]
async fn a_request_can_be_dropped_wherever_it_waits() {
    for engine in ENGINES {
        let server = Server::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                let line = request.lines().next().unwrap();
                let length = line.len();
                for part in [
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n"),
                    "\r\n".into(),
                ] {
                    peer.send(part).await;
                    settle().await;
                }
                for byte in line.as_bytes() {
                    peer.send([*byte]).await;
                    settle().await;
                }
            }
        })
        .await;
        let request = HttpRequest::get(format!("{}{{{{index}}}}", server.url()));
        let request = request.capture("line", karga_http::Capture::regex("GET /([0-9]+)"));
        let check = HttpRequest::get(format!("{}{{{{line}}}}", server.url()));
        let builder = HttpScenario::builder(request).then(check).engine(engine);
        let user = User::of(builder).await;
        let mut whole = 0;
        for polls in 0..60_u64 {
            let iteration = Iteration::new(polls, 0, Duration::ZERO);
            let mut call = pin!(user.user.call(iteration));
            let mut done = None;
            for _ in 0..polls {
                let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                if let std::task::Poll::Ready(metric) = polled {
                    done = Some(metric);
                    break;
                }
                settle().await;
            }
            let Some(metric) = done else { continue };
            assert_eq!(
                metric.outcome(),
                Outcome::Success,
                "{engine}, {polls}: {metric:?}"
            );
            whole += 1;
        }
        assert!((1..60).contains(&whole), "{engine}: {whole}");
        // Whoever got an answer asked next by its own number.
        let lines = server.lines();
        for pair in lines.windows(2) {
            let [number, next] = [&pair[0], &pair[1]].map(|line| line[5..].parse::<u64>());
            let (number, next) = (number.unwrap_or(0), next.unwrap_or(0));
            assert!(next >= number, "{engine}: {lines:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_requests_of_one_user_at_once_each_get_their_own_answer() {
    for engine in ENGINES {
        let server = Server::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                // The first is answered last.
                if request.starts_with("GET /0 ") {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                let line = request.lines().next().unwrap();
                let length = line.len();
                peer.send(format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{line}"
                ))
                .await;
            }
        })
        .await;
        let index = std::sync::Arc::new(AtomicU64::new(0));
        let request = HttpRequest::get(format!("{}{{{{index}}}}", server.url()));
        let request = request.capture("n", karga_http::Capture::regex("GET /([0-9]+)"));
        let again = HttpRequest::get(format!("{}again/{{{{n}}}}/{{{{index}}}}", server.url()));
        let user = User::of(HttpScenario::builder(request).then(again).engine(engine)).await;
        let call = || {
            user.user.call(Iteration::new(
                index.fetch_add(1, SeqCst),
                0,
                Duration::ZERO,
            ))
        };
        let (slow, quick) = tokio::join!(call(), call());
        for metric in [slow, quick] {
            assert_eq!(metric.outcome(), Outcome::Success, "{engine}");
        }
        assert_eq!(server.connections(), 2, "{engine}");
        let mut lines = server.lines();
        lines.sort();
        let expected = ["/0", "/1", "/again/0/0", "/again/1/1"];
        assert_eq!(
            lines,
            expected.map(|path| format!("GET {path} HTTP/1.1")),
            "{engine}"
        );
        let last = call().await;
        assert_eq!(Told::of(&last).opened(), (0, 0), "{engine}");
        assert_eq!(server.connections(), 2, "{engine}");
    }
}
