//! What is no answer, or half of one, or lies: an honest class within the deadline, and no byte of
//! it is ever part of another answer.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
    time::Duration,
};

use karga_core::{Outcome, Scenario};
use karga_http::{Engine, HttpScenario, HttpVersion};
use support::{ENGINES, OK, SUCCESS, Server, Told, User, in_the_deadline, settle};
use tokio::time::Instant;

/// What came of one GET, and that its bytes are those that the server saw.
async fn get(engine: Engine, server: &Server) -> Told {
    let told = User::new(engine, server.url()).await.call().await;
    settle().await;
    assert_eq!(told.sent, server.wire().0, "{engine}");
    told
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_unknown_at_the_deadline_and_the_connection_is_not_used_again() {
    for engine in ENGINES {
        let server = Server::start(|mut peer| async move {
            peer.request().await;
            match peer.number {
                0 => peer.closed().await,
                _ => drop(peer.send(OK).await),
            }
        })
        .await;
        let user = User::new(engine, server.url()).await;
        let start = Instant::now();
        let told = user.call().await;
        in_the_deadline(start);
        assert_eq!(told.verdict(), (Outcome::Unknown, "timeout", 0), "{engine}");
        settle().await;
        assert_eq!(told.bytes(), server.wire(), "{engine}");
        assert_eq!(told.opened(), (1, 0), "{engine}");
        let told = user.call().await;
        assert_eq!(told.verdict(), SUCCESS, "{engine}");
        assert_eq!(
            (told.opened(), server.requests().len()),
            ((1, 1), 2),
            "{engine}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_is_protocol_as_soon_as_it_can_be_known() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200));
    for answer in [
        "garbage\r\n\r\n",
        "garbage",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "\x15\x03\x03\x00\x02\x02\x16",
        "<html>\n",
        "HTTP/3.1 200 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 099 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\r\n c: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\rc: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n",
        "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n12",
        &many,
    ] {
        for engine in ENGINES {
            // It stays open: whoever waits for more waits for the deadline.
            let server = Server::answers(answer).await;
            let told = get(engine, &server).await;
            assert_eq!(
                told.verdict(),
                (Outcome::Failure, "protocol", 0),
                "{engine}, {answer:?}"
            );
            let received = if engine == Engine::Lean {
                answer.len()
            } else {
                0
            };
            assert_eq!(told.received, received as u64, "{engine}, {answer:?}");
        }
    }
}

/// Such a length overflows in whoever adds to it or takes it for a signed number.
#[tokio::test(start_paused = true)]
async fn a_body_of_more_than_eight_exabytes_is_protocol() {
    for length in [
        "9223372036854775808",
        "9223372036854775809",
        "18446744073709551613",
        "18446744073709551614",
        "18446744073709551615",
        "18446744073709551616",
        "09223372036854775808",
    ] {
        // It comes alone and twice, and the body is none, some, or what nobody asked for.
        for line in [length.to_owned(), format!("{length}, {length}")] {
            for body in ["", "hello"] {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {line}\r\n\r\n");
                let server = Server::answers(format!("{head}{body}")).await;
                let told = get(Engine::Lean, &server).await;
                let expected = (Outcome::Failure, "protocol", 0);
                assert_eq!(told.verdict(), expected, "{line}, {body:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn half_an_answer_is_unknown() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
    for (answer, whole_head) in [
        (String::new(), false),
        ("HTTP/1.1 2".to_owned(), false),
        ("HTTP/1.1 200 OK\r\ncontent-le".to_owned(), false),
        (head.to_owned(), true),
        (format!("{head}half"), true),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
            true,
        ),
    ] {
        for engine in ENGINES {
            let server = Server::answers_once(answer.as_str()).await;
            let told = get(engine, &server).await;
            let expected = (Outcome::Unknown, "connection closed", 0);
            assert_eq!(told.verdict(), expected, "{engine}, {answer:?}");
            // reqwest tells nothing of a head that is not whole.
            let seen = whole_head || engine == Engine::Lean;
            assert_eq!(
                told.received,
                if seen { server.wire().1 } else { 0 },
                "{engine}, {answer:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_or_head_that_never_ends_is_unknown_at_the_deadline() {
    for (head, piece) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775807\r\n\r\n",
            "piece",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", ""),
        ("HTTP/1.1 200 OK\r\n\r\n", "piece"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "5\r\npiece\r\n",
        ),
        ("HTTP/1.1 200 OK\r\n", "x"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        for engine in ENGINES {
            let server = Server::start(move |mut peer| async move {
                peer.request().await;
                let mut sent = peer.send(head).await;
                while sent.is_some() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    sent = peer.send(piece).await;
                }
            })
            .await;
            let start = Instant::now();
            let user = User::new(engine, server.url()).await;
            let told = user.call().await;
            in_the_deadline(start);
            assert_eq!(
                told.verdict(),
                (Outcome::Unknown, "timeout", 0),
                "{engine}, {head:?}"
            );
            let came = told.received.saturating_sub(head.len() as u64);
            let pieces = came / piece.len().max(1) as u64;
            let seen = head.ends_with("\r\n\r\n") || engine == Engine::Lean;
            match piece {
                "" => assert_eq!(told.received, head.len() as u64, "{engine}, {head:?}"),
                _ if seen && piece == "piece" => assert!((48..=50).contains(&pieces), "{pieces}"),
                _ => {}
            }
        }
    }
}

/// More than the largest head that is read, without an end.
#[tokio::test(start_paused = true)]
async fn a_head_without_an_end_is_protocol() {
    for start in ["HTTP/1.1 200 OK\r\nx: ", "", "HTTP/1.1 200 ", "\r\n"] {
        for engine in ENGINES {
            let server = Server::start(move |mut peer| async move {
                peer.request().await;
                let mut sent = peer.send(start).await;
                let more = if start == "\r\n" { "\r\n" } else { "x" }.repeat(4096);
                while sent.is_some() {
                    sent = peer.send(&more).await;
                }
            })
            .await;
            let told = get(engine, &server).await;
            assert_eq!(
                told.verdict(),
                (Outcome::Failure, "protocol", 0),
                "{engine}, {start:?}"
            );
            assert!(told.received <= 64 * 1024, "{engine}: {}", told.received);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_content_length_that_is_too_large_is_unknown() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello";
    for engine in ENGINES {
        let closes = Server::answers_once(answer).await;
        let told = get(engine, &closes).await;
        assert_eq!(
            told.verdict(),
            (Outcome::Unknown, "connection closed", 0),
            "{engine}"
        );
        assert_eq!(told.bytes(), closes.wire(), "{engine}");
        let stays = Server::answers(answer).await;
        let start = Instant::now();
        let told = get(engine, &stays).await;
        in_the_deadline(start - Duration::from_millis(1));
        assert_eq!(told.verdict(), (Outcome::Unknown, "timeout", 0), "{engine}");
        assert_eq!(told.bytes(), stays.wire(), "{engine}");
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_beyond_the_content_length_are_never_part_of_another_answer() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhello";
    for engine in ENGINES {
        let server = Server::answers(answer).await;
        let user = User::new(engine, server.url()).await;
        let expected = match engine {
            Engine::Lean => (Outcome::Failure, "protocol", 200),
            // It takes the answer, and gives the connection up.
            _ => SUCCESS,
        };
        for call in 0..3 {
            let told = user.call().await;
            settle().await;
            let (outcome, class, _) = expected;
            assert_eq!((told.outcome, &*told.class), (outcome, class), "{engine}");
            assert_eq!(told.received, answer.len() as u64 - 1, "{engine}");
            assert_eq!(told.opened(), (1, u64::from(call > 0)), "{engine}");
        }
        assert_eq!(
            (server.connections(), server.requests().len()),
            (3, 3),
            "{engine}"
        );
        let [remark] = &user.scenario.remarks()[..] else {
            panic!("{engine}: {:?}", user.scenario.remarks());
        };
        let begin = match engine {
            Engine::Lean => "first protocol: ",
            _ => "first lost connection: ",
        };
        assert!(remark.starts_with(begin), "{remark}");
        assert!(remark.contains(&server.url()), "{remark}");
    }
}

/// Whoever closes with a word, or after a fault, is no riddle.
#[tokio::test(start_paused = true)]
async fn a_connection_that_was_not_kept_is_not_lost() {
    for (answer, lost) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", true),
        ("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", true),
        (
            "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 5\r\n\r\nhello",
            false,
        ),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\n\r\nhello", false),
        ("HTTP/1.1 204 No Content\r\n\r\nhello", true),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nhello",
            false,
        ),
        (
            "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello!",
            true,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello", false),
    ] {
        let server = Server::answers_once(answer).await;
        let user = User::new(Engine::Reqwest, server.url()).await;
        for _ in 0..3 {
            user.call().await;
            settle().await;
        }
        assert_eq!(server.connections(), 3, "{answer:?}");
        let remarks = user.scenario.remarks();
        let told = |remark: &String| remark.starts_with("first lost connection: ");
        assert_eq!(remarks.iter().any(told), lost, "{answer:?}: {remarks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_speak_http2_is_told_as_such() {
    let server = Server::answers("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let user = User::of(HttpScenario::builder(server.url()).version(HttpVersion::Http2)).await;
    let told = user.call().await;
    assert_eq!(told.verdict(), (Outcome::Unknown, "protocol", 0));
    let remarks = user.scenario.remarks().concat();
    assert!(
        remarks.contains("does the server speak HTTP/2"),
        "{remarks}"
    );
}

#[tokio::test(start_paused = true)]
async fn chunks_that_lie_are_protocol() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for chunks in [
        "zz\r\nhello\r\n",
        "-5\r\nhello\r\n",
        "\r\nhello\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "6\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n10000000000000000\r\n",
        "5\r\nhello\r\n0\r\n\r!",
    ] {
        for engine in ENGINES {
            let server = Server::answers(format!("{head}{chunks}")).await;
            let told = get(engine, &server).await;
            let expected = (Outcome::Failure, "protocol", 0);
            assert_eq!(told.verdict(), expected, "{engine}, {chunks:?}");
        }
    }
}

/// It never pauses, and so never lets anybody look at the clock. The server is on a thread of its
/// own, and the clock the real one.
#[tokio::test]
async fn a_body_that_comes_faster_than_it_can_be_read_has_a_deadline_too() {
    for engine in ENGINES {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            let piece = vec![b'x'; 1 << 20];
            let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while sent.is_ok() {
                sent = stream.write_all(&piece);
            }
        });
        let builder = HttpScenario::builder(url).engine(engine);
        let user = User::of(builder.deadline(Duration::from_millis(200))).await;
        let told = user.call().await;
        assert_eq!(told.verdict(), (Outcome::Unknown, "timeout", 0), "{engine}");
    }
}
