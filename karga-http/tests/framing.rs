//! Where an answer begins and ends, to the byte: what is counted is what the server saw on the
//! wire, and a connection carries the next request exactly if it can.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::time::Duration;

use karga_core::{Outcome, Scenario as _};
use karga_http::{Check, Engine, HttpRequest, HttpScenario};
use support::{ENGINES, OK, SUCCESS, Server, Told, User, in_time, length, settle};

/// Two requests on a server that answers each so; how many connections that took. Bytes are those
/// on the wire, but for what reqwest says nothing of: so many in each answer.
async fn twice(engine: Engine, answer: &str, unseen: u64, status: u16) -> usize {
    let server = Server::answers(answer).await;
    let user = User::new(engine, server.url()).await;
    let unseen = if engine == Engine::Lean { 0 } else { unseen };
    let mut wire = (0, 0);
    for request in 1..=2 {
        let told = user.call().await;
        settle().await;
        let verdict = (Outcome::Success, "", status);
        assert_eq!(told.verdict(), verdict, "{engine}, {answer:?}");
        let (before, now) = (wire, server.wire());
        let expected = (now.0 - before.0, now.1 - before.1 - unseen);
        assert_eq!(told.bytes(), expected, "{engine}, {answer:?}");
        wire = now;
        let reopened = request == 2 && server.connections() == 2;
        let opened = usize::from(request == 1 || reopened);
        let expected = (opened, u64::from(reopened));
        assert_eq!(told.opened(), expected, "{engine}, {answer:?}");
        assert_eq!(told.unsolicited, 0, "{engine}, {answer:?}");
    }
    assert_eq!(server.requests().len(), 2, "{engine}, {answer:?}");
    server.connections()
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_known_length_leaves_the_connection_open() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for engine in ENGINES {
        for (answer, unseen, status) in [
            (OK, 0, 200),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 0, 200),
            ("HTTP/1.1 204 No Content\r\n\r\n", 0, 204),
            (
                "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
                0,
                304,
            ),
            (
                "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
                0,
                204,
            ),
            (&format!("{chunked}5\r\nhello\r\n0\r\n\r\n"), 3 + 2 + 5, 200),
            (&format!("{chunked}0\r\n\r\n"), 5, 200),
            // An extension, leading zeros, upper case, trailers.
            (
                &format!("{chunked}00A;x=\"y\"\r\nhelloworld\r\n0\r\nx: y\r\nz: 1\r\n\r\n"),
                11 + 2 + 3 + 6 + 6 + 2,
                200,
            ),
        ] {
            assert_eq!(
                twice(engine, answer, unseen, status).await,
                1,
                "{engine}, {answer:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_ends_the_connection_makes_the_next_one_a_reconnect() {
    for engine in ENGINES {
        for answer in [
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        ] {
            assert_eq!(
                twice(engine, answer, 0, 200).await,
                2,
                "{engine}, {answer:?}"
            );
        }
    }
}

/// A server that answers no such header in kind closes all the same, or means to.
#[tokio::test(start_paused = true)]
async fn a_request_that_asks_for_the_end_of_the_connection_is_its_last() {
    let get = |server: &Server| HttpRequest::get(server.url());
    for (closing, value) in [
        (true, "close"),
        (true, "keep-alive, Close"),
        (true, "CLOSE,x"),
        (false, "keep-alive"),
    ] {
        for engine in ENGINES {
            // One waits for another request, the other one closes in silence.
            for patient in [true, false] {
                let server = Server::start(move |mut peer| async move {
                    while peer.request().await.is_some() {
                        peer.send(OK).await;
                        if closing && !patient {
                            return;
                        }
                    }
                })
                .await;
                let own = HttpScenario::builder(get(&server).header("Connection", value));
                let of_all = HttpScenario::builder(get(&server)).header("connection", value);
                for (at, builder) in [own, of_all].into_iter().enumerate() {
                    let what = format!("{engine}, {value:?}, {patient}, {at}");
                    let before = server.connections();
                    let user = User::of(builder.engine(engine)).await;
                    for call in 0..4_u64 {
                        let told = user.call().await;
                        assert_eq!(told.verdict(), SUCCESS, "{what}, {call}");
                        let another = closing && call > 0;
                        let opened = (usize::from(another || call == 0), u64::from(another));
                        assert_eq!(told.opened(), opened, "{what}, {call}");
                    }
                    let connections = if closing { 4 } else { 1 };
                    assert_eq!(server.connections() - before, connections, "{what}");
                }
                assert_eq!(server.requests().len(), 8, "{engine}, {value:?}");
            }
        }
    }
}

/// What the value will be is not known before the load: such a connection is not used again.
#[tokio::test(start_paused = true)]
async fn a_request_that_may_ask_for_the_end_of_the_connection_is_its_last_too() {
    let server = Server::answers(OK).await;
    let request = HttpRequest::get(server.url()).header("connection", "{{how}}");
    let builder = HttpScenario::builder(request).variable("how", |_| "close".to_owned());
    let user = User::of(builder.engine(Engine::Lean)).await;
    for call in 0..3 {
        let told = user.call().await;
        assert_eq!(told.verdict(), SUCCESS, "{call}");
        assert_eq!(told.opened(), (1, u64::from(call > 0)), "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_without_a_length_ends_with_the_connection() {
    for engine in ENGINES {
        for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"] {
            let server = Server::answers_once(format!("{head}hello")).await;
            let request = HttpRequest::get(server.url()).check(Check::body_equals("hello"));
            let user = User::new(engine, request).await;
            for call in 0..2 {
                let told = user.call().await;
                settle().await;
                assert_eq!(told.verdict(), SUCCESS, "{engine}, {head:?}");
                assert_eq!(told.opened(), (1, call), "{engine}, {head:?}");
                let (sent, received) = server.wire();
                assert_eq!(
                    told.bytes(),
                    (sent / (call + 1), received / (call + 1)),
                    "{engine}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_head_has_no_body_whatever_it_says() {
    for engine in ENGINES {
        for field in ["content-length: 5", "transfer-encoding: chunked"] {
            let answer = format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n");
            let server = Server::answers(answer).await;
            let user = User::new(engine, HttpRequest::head(server.url())).await;
            let first = user.call().await;
            let second = user.call().await;
            assert_eq!(
                (first.verdict(), second.verdict()),
                (SUCCESS, SUCCESS),
                "{engine}"
            );
            let both = (first.sent + second.sent, first.received + second.received);
            assert_eq!(both, server.wire(), "{engine}, {field}");
            assert_eq!(server.connections(), 1, "{engine}, {field}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_answer_is_not_the_answer() {
    let before = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    for engine in ENGINES {
        let answer = format!("{before}{OK}");
        assert_eq!(
            twice(engine, &answer, before.len() as u64, 200).await,
            1,
            "{engine}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_switch_of_protocols_that_nobody_asked_for_is_protocol() {
    let answer =
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nwhat";
    for engine in ENGINES {
        let server = Server::answers(answer).await;
        let user = User::new(engine, server.url()).await;
        for call in 0..2 {
            let told = user.call().await;
            settle().await;
            assert_eq!(
                told.verdict(),
                (Outcome::Failure, "protocol", 0),
                "{engine}"
            );
            assert_eq!(told.opened(), (1, call), "{engine}");
        }
        assert_eq!(server.requests().len(), 2, "{engine}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_byte_by_byte() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for engine in ENGINES {
        for answer in [
            OK.to_owned(),
            format!("{chunked}5\r\nhello\r\n0\r\nx: y\r\n\r\n"),
        ] {
            let server = Server::start(move |mut peer| {
                let answer = answer.clone();
                async move {
                    while peer.request().await.is_some() {
                        for byte in answer.as_bytes() {
                            settle().await;
                            peer.send([*byte]).await;
                        }
                    }
                }
            })
            .await;
            let request = HttpRequest::get(server.url()).check(Check::body_equals("hello"));
            let user = User::new(engine, request).await;
            let told = [user.call().await, user.call().await];
            assert!(
                told.iter().all(|told| told.verdict() == SUCCESS),
                "{engine}: {told:?}"
            );
            assert_eq!(server.connections(), 1, "{engine}");
            if engine == Engine::Lean {
                assert_eq!(
                    told.map(|told| told.received).iter().sum::<u64>(),
                    server.wire().1
                );
            }
        }
    }
}

/// hyper answers in kind, with a header that only the server sees.
#[tokio::test(start_paused = true)]
async fn a_server_of_http_1_0_can_ask_for_the_connection_to_stay() {
    let answer = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello";
    for engine in ENGINES {
        let server = Server::answers(answer).await;
        let user = User::new(engine, server.url()).await;
        let told = [user.call().await, user.call().await];
        settle().await;
        assert!(
            told.iter().all(|told| told.verdict() == SUCCESS),
            "{engine}: {told:?}"
        );
        let unseen = if engine == Engine::Lean {
            0
        } else {
            "connection: keep-alive\r\n".len()
        };
        let sent = told[0].sent + told[1].sent + unseen as u64;
        let received = told[0].received + told[1].received;
        assert_eq!((sent, received), server.wire(), "{engine}");
        assert_eq!(server.connections(), 1, "{engine}");
    }
}

/// Bytes that came between two answers belong to nobody: the connection is given up for them, and
/// the next answer is that to the next request.
#[tokio::test(start_paused = true)]
async fn bytes_between_two_answers_are_never_the_next_answer() {
    let stale = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstale";
    for engine in ENGINES {
        for excess in [stale, "x", "HTTP/1.1 408 Request Timeout\r\n\r\n"] {
            let server = Server::start(move |mut peer| async move {
                while peer.request().await.is_some() {
                    peer.send(OK).await;
                    settle().await;
                    peer.send(excess).await;
                }
            })
            .await;
            let request = HttpRequest::get(server.url()).check(Check::body_equals("hello"));
            let user = User::new(engine, request).await;
            for call in 0..3 {
                let told = user.call().await;
                assert_eq!(told.verdict(), SUCCESS, "{engine}, {excess:?}");
                assert_eq!(told.received, OK.len() as u64, "{engine}, {excess:?}");
                assert_eq!(
                    told.opened(),
                    (1, u64::from(call > 0)),
                    "{engine}, {excess:?}"
                );
                let seen = u64::from(call > 0 && engine == Engine::Lean);
                assert_eq!(told.unsolicited, seen, "{engine}, {excess:?}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(
                (server.connections(), server.requests().len()),
                (3, 3),
                "{engine}"
            );
        }
    }
}

/// The first of them in words: whoever runs the server can find out who said it.
#[tokio::test(start_paused = true)]
async fn what_nobody_asked_for_is_counted_and_shown() {
    let timeout = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n";
    let long = "x".repeat(1000);
    for (excess, shown) in [
        (timeout, "408 Request Timeout"),
        ("\r\n", r"\r\n"),
        ("\x15\x03\x03", r"\u{15}\u{3}\u{3}"),
        (&long, "xxx..."),
    ] {
        for closes in [false, true] {
            let said = excess.to_owned();
            let server = Server::start(move |mut peer| {
                let said = said.clone();
                async move {
                    while peer.request().await.is_some() {
                        peer.send(OK).await;
                        settle().await;
                        if peer.number == 0 {
                            peer.send(&said).await;
                        } else {
                            peer.send("another").await;
                        }
                        if closes {
                            return;
                        }
                    }
                }
            })
            .await;
            let user = User::new(Engine::Lean, server.url()).await;
            for call in 0..3_u64 {
                let metric = user.iterate().await;
                let told = Told::of(&metric);
                assert_eq!(told.verdict(), SUCCESS, "{excess:?}, {closes}");
                let another = u64::from(call > 0);
                assert_eq!(told.opened(), (1, another), "{excess:?}, {closes}");
                assert_eq!(told.unsolicited, another, "{excess:?}, {closes}");
                let remarks = user.scenario.remarks();
                if call == 0 {
                    assert!(remarks.is_empty(), "{remarks:?}");
                } else {
                    let [remark] = &remarks[..] else {
                        panic!("{remarks:?}");
                    };
                    let beginning = "first unsolicited answer: ";
                    assert!(remark.starts_with(beginning), "{remark}");
                    assert!(remark.contains(shown), "{remark}");
                    assert!(remark.contains(&server.url()), "{remark}");
                    assert!(remark.len() < 300, "{remark}");
                }
                settle().await;
                settle().await;
            }
        }
    }
}

const LARGE: usize = 16 * 1024 * 1024;

const TOO_LARGE: &str =
    "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 4\r\n\r\nmuch";

/// On the real clock, as all that moves much: the kernel has timers of its own.
#[tokio::test]
async fn a_refusal_before_the_body_is_written_is_the_answer() {
    for engine in ENGINES {
        let server = Server::start(|mut peer| async move {
            peer.head().await;
            peer.send(TOO_LARGE).await;
            peer.closed().await;
        })
        .await;
        let request = HttpRequest::post(server.url()).bytes(vec![b'x'; LARGE]);
        let user = User::of(HttpScenario::builder(request).engine(engine)).await;
        let told = user.call().await;
        assert_eq!(
            told.verdict(),
            (Outcome::Failure, "http 413", 413),
            "{engine}"
        );
        assert_eq!(told.received, TOO_LARGE.len() as u64, "{engine}");
        assert_eq!(told.opened(), (1, 0), "{engine}");
        let told = user.call().await;
        assert_eq!(
            told.verdict(),
            (Outcome::Failure, "http 413", 413),
            "{engine}"
        );
        assert_eq!(
            (told.opened(), server.connections()),
            ((1, 1), 2),
            "{engine}"
        );
        if engine == Engine::Lean {
            assert!(
                told.sent < LARGE as u64,
                "nobody reads all of it: {}",
                told.sent
            );
        }
    }
}

/// Such a server that does not read on answers with a reset when it closes, and what it said can
/// be read all the same. hyper gives up at the first write that fails.
#[tokio::test]
async fn a_refusal_is_read_though_the_connection_is_reset_right_after() {
    let server = Server::start(|mut peer| async move {
        peer.head().await;
        peer.send(TOO_LARGE).await;
    })
    .await;
    let request = HttpRequest::post(server.url()).bytes(vec![b'x'; LARGE]);
    let user = User::of(HttpScenario::builder(request).engine(Engine::Lean)).await;
    for _ in 0..20 {
        let told = user.call().await;
        assert_eq!(told.verdict(), (Outcome::Failure, "http 413", 413));
        assert_eq!(told.received, TOO_LARGE.len() as u64);
    }
}

#[tokio::test]
async fn an_echo_that_answers_while_it_reads_comes_back_whole() {
    for engine in ENGINES {
        let server = Server::start(|mut peer| async move {
            while let Some(head) = peer.head().await {
                let mut left = length(&head);
                peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {left}\r\n\r\n"))
                    .await;
                let mut buffer = vec![0; 64 * 1024];
                while left > 0 {
                    let most = left.min(buffer.len());
                    let Some(read) = peer.read(&mut buffer[..most]).await else {
                        return;
                    };
                    peer.send(&buffer[..read]).await;
                    left -= read;
                }
            }
        })
        .await;
        let body: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
        let request = HttpRequest::post(server.url()).bytes(body.clone());
        let request = request.check(Check::body_equals(body));
        let builder = HttpScenario::builder(request).engine(engine);
        let user = User::of(builder.max_kept_body(LARGE)).await;
        let told: [Told; 2] = [in_time(user.call()).await, in_time(user.call()).await];
        assert!(
            told.iter().all(|told| told.verdict() == SUCCESS),
            "{engine}: {told:?}"
        );
        let sum = |of: fn(&Told) -> u64| told.iter().map(of).sum::<u64>();
        assert_eq!(
            (sum(|told| told.sent), sum(|told| told.received)),
            server.wire(),
            "{engine}"
        );
        assert_eq!(server.connections(), 1, "{engine}");
    }
}
