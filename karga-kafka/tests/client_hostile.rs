//! What a client meets on a bad day: nobody there, somebody silent, somebody who is no broker. Each
//! ends within its deadline, in an error that says what, where, and what it means for the request.

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::scripted::{Reply, Request, Server, endpoint};
use common::{batch, config, write};
use karga_core::Outcome;
use karga_kafka::client::{Client, Session, Topic};
use karga_kafka::config::{Acks, ClientConfig, Endpoint};
use karga_kafka::records::BatchSettings;
use karga_kafka::{Error, wire};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket};

/// Far more than any deadline here: a test that reaches it has hung.
const HUNG: Duration = Duration::from_secs(60);

/// An error with its causes, as a person would print it.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

async fn no_client(config: ClientConfig) -> Error {
    let connecting = tokio::time::timeout(HUNG, Client::connect(config)).await;
    connecting
        .expect("it hung")
        .expect_err("nothing to connect to")
}

fn plain(endpoint: Endpoint) -> ClientConfig {
    config(endpoint).build().expect("valid settings")
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text}\nlacks {part:?}");
    }
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    // No label of a name has more than 63 letters, so no resolver asks around for it.
    let host = format!("{}.invalid", "x".repeat(64));
    let error = no_client(plain(Endpoint::new(&host, 9092).unwrap())).await;
    assert_eq!(error.class(), "dns");
    has(
        &whole(&error),
        &[&host, "cannot be resolved", "check its name"],
    );
    assert_eq!(error.outcome(), Outcome::Failure);
}

/// A port that nobody listens on, and that nobody else gets while it is held.
fn closed_port() -> (TcpSocket, Endpoint) {
    let socket = TcpSocket::new_v4().expect("a free port");
    socket
        .bind("127.0.0.1:0".parse().expect("a free port"))
        .expect("a free port");
    let address = socket.local_addr().expect("a free port");
    (socket, endpoint(address))
}

#[tokio::test]
async fn a_closed_port_is_named() {
    let (_held, closed) = closed_port();
    let error = no_client(plain(closed.clone())).await;
    assert_eq!(error.class(), "connection refused");
    has(
        &whole(&error),
        &[
            &closed.to_string(),
            "check that a broker listens there",
            "refused",
        ],
    );
}

#[tokio::test]
async fn a_listener_that_never_answers_ends_at_the_connect_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    let hold = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let deadline = Duration::from_millis(120);
    let config = config(endpoint(silent))
        .connect_timeout(deadline)
        .build()
        .unwrap();
    let start = Instant::now();
    let error = no_client(config).await;
    assert!(start.elapsed() >= deadline, "{:?}", start.elapsed());
    assert_eq!(error.class(), "connect timeout");
    has(
        &whole(&error),
        &[&silent.to_string(), "120ms", "protocol versions"],
    );
    hold.abort();
}

/// What answers with `bytes` to whatever comes, and closes.
async fn stranger(bytes: &'static [u8]) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a free port");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Read first, so that closing does not throw away what was sent.
            let mut first = [0; 16];
            let _ = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut first).await;
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    });
    endpoint(address)
}

#[tokio::test]
async fn what_is_no_broker_is_told_from_one() {
    for (bytes, class, parts) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "protocol",
            &["1213486160", "limit"][..],
        ),
        (
            &[0x7f, 0xff, 0xff, 0xff, 1, 2, 3],
            "protocol",
            &["2147483647", "limit"],
        ),
        (
            &[0xff, 0xff, 0xff, 0xfe, 0, 0],
            "protocol",
            &["length -2 is negative"],
        ),
        (
            &[0, 0, 0, 0],
            "protocol",
            &["an answer of 0 bytes is too short"],
        ),
        (
            &[0, 0, 0, 2, 9, 9],
            "protocol",
            &["an answer of 2 bytes is too short"],
        ),
        (
            &[0, 0, 0, 4, 0, 0, 0, 77],
            "protocol",
            &["correlation id 77", "1 was expected"],
        ),
        (
            &[0, 0, 0, 4, 0, 0, 0, 1],
            "protocol",
            &["ApiVersions", "error_code"],
        ),
        (
            &[0, 0, 0, 11, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f],
            "protocol",
            &["ApiVersions", "claims 4294967294 entries"],
        ),
        (
            &[0, 0, 0, 99, 0, 0],
            "connection closed",
            &["closed after 6 of 103 bytes"],
        ),
        (
            &[],
            "connection closed",
            &["the broker closed the connection"],
        ),
    ] {
        let endpoint = stranger(bytes).await;
        let text = endpoint.to_string();
        let error = no_client(plain(endpoint)).await;
        assert_eq!(error.class(), class, "{bytes:?}: {error}");
        has(&whole(&error), parts);
        has(&whole(&error), &[&text, "check the port"]);
    }
}

#[tokio::test]
async fn every_bootstrap_broker_is_tried_and_listed() {
    let (_held, closed) = closed_port();
    let http = stranger(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let good = Server::start(|_| Reply::Close).await;

    let both = config(closed.clone()).bootstrap([http.clone()]);
    let error = no_client(both.clone().build().unwrap()).await;
    assert_eq!(error.class(), "no broker");
    let text = error.to_string();
    has(
        &text,
        &[
            &closed.to_string(),
            "refused",
            &http.to_string(),
            "1213486160",
        ],
    );
    let Error::Bootstrap { tried } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(tried.iter().count(), 2);

    let config = both.bootstrap([good.endpoint()]).build().unwrap();
    let client = Client::connect(config).await.expect("the third is good");
    assert_eq!(client.known_brokers(), [good.endpoint()]);
}

async fn session(server: &Server, deadline: Option<Duration>) -> (Session, Topic) {
    let mut config = config(server.endpoint());
    if let Some(deadline) = deadline {
        config = config.request_timeout(deadline);
    }
    let client = Client::connect(config.build().expect("valid settings"))
        .await
        .expect("an answer");
    let topic = client.topic("t").await.expect("an answer");
    (client.session(), topic)
}

async fn produce(session: &Session, topic: &Topic) -> Result<i64, Error> {
    let write = write(batch(BatchSettings::new(), &["x"]));
    let produced = session.produce(topic, 0, Acks::All, write);
    let produced = tokio::time::timeout(HUNG, produced).await.expect("it hung");
    produced.map(|produced| produced.base_offset)
}

#[tokio::test]
async fn a_request_that_is_never_answered_is_unknown_and_the_next_one_reconnects() {
    let replies: [fn(&Request) -> Reply; 2] = [
        |_| Reply::Silence,
        |request| Reply::Bytes(request.produced(0, 0)),
    ];
    let server = Server::replies(replies).await;
    let deadline = Duration::from_secs(1);
    let (session, topic) = session(&server, Some(deadline)).await;
    session.warm_up(&topic).await.unwrap();
    let start = Instant::now();
    let error = produce(&session, &topic).await.unwrap_err();
    assert!(start.elapsed() >= deadline, "{:?}", start.elapsed());
    assert_eq!(
        (&*error.class(), error.outcome()),
        ("timeout", Outcome::Unknown)
    );
    has(
        &error.to_string(),
        &["Produce", "within 1s", "waiting for the answer"],
    );
    assert_eq!(produce(&session, &topic).await.unwrap(), 41);
    let counters = session.client().counters();
    assert_eq!(
        (counters.timeouts, counters.reconnects, counters.retries),
        (1, 1, 0)
    );
    let seen: Vec<_> = server.produced().iter().map(|one| one.connection).collect();
    assert_eq!(seen, [1, 2], "the late answer can reach nobody");
}

#[tokio::test]
async fn a_broken_answer_is_unknown_and_says_how_it_broke() {
    type Case = (fn(&Request) -> Reply, &'static str, &'static [&'static str]);
    let cases: [Case; 9] = [
        (
            |_| Reply::Close,
            "connection closed",
            &["the broker closed the connection"],
        ),
        (
            |request| Reply::Last(request.produced(0, 0).slice(..20)),
            "connection closed",
            &["closed after 20 of"],
        ),
        (
            |_| Reply::Bytes(Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff])),
            "protocol",
            &["2147483647"],
        ),
        (
            |_| Reply::Bytes(Bytes::from_static(&[0x80, 0, 0, 0])),
            "protocol",
            &["negative"],
        ),
        (
            |request| {
                let other = Request {
                    correlation: 4711,
                    ..request.clone()
                };
                Reply::Bytes(other.produced(0, 0))
            },
            "protocol",
            &["correlation id 4711"],
        ),
        (
            |request| Reply::Bytes(request.raw(&[0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0])),
            "protocol",
            &[
                "the answer to Produce",
                "responses claims 4294967294 entries",
            ],
        ),
        (
            |request| Reply::Bytes(request.raw(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
            "protocol",
            &["variable-length integer"],
        ),
        (
            |request| Reply::Bytes(request.raw(&[0, 1, 0, 0, 0, 0, 0])),
            "protocol",
            &["no partition", "partition 0 was asked"],
        ),
        (
            |request| Reply::Bytes(request.raw(&[])),
            "protocol",
            &["ends inside"],
        ),
    ];
    for (reply, class, parts) in cases {
        let good: fn(&Request) -> Reply = |request| Reply::Bytes(request.produced(0, 0));
        let server = Server::replies([reply, good]).await;
        let (session, topic) = session(&server, None).await;
        let error = produce(&session, &topic).await.unwrap_err();
        assert_eq!(
            (&*error.class(), error.outcome()),
            (class, Outcome::Unknown),
            "{error}"
        );
        has(&whole(&error), parts);
        has(
            &whole(&error),
            &[
                "Produce lost its connection",
                &server.endpoint().to_string(),
            ],
        );
        assert_eq!(
            produce(&session, &topic).await.unwrap(),
            41,
            "after {class}"
        );
        assert_eq!(session.client().counters().reconnects, 1);
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused() {
    let server = Server::replies([
        (|request: &Request| Reply::Bytes(request.raw(&[0; 5000]))) as fn(&Request) -> Reply
    ])
    .await;
    let config = config(server.endpoint()).max_frame(2000).build().unwrap();
    let client = Client::connect(config).await.unwrap();
    let topic = client.topic("t").await.unwrap();
    let error = produce(&client.session(), &topic).await.unwrap_err();
    has(&whole(&error), &["5004", "limit of 2000 bytes"]);
}

#[tokio::test]
async fn a_broker_with_nothing_in_common_is_told_by_its_versions() {
    let server = Server::bare(|request, _| {
        let mut body = vec![0, 0, 0, 0, 0, 2]; // no error, two entries
        body.extend_from_slice(&[0, 0, 0, 1, 0, 2]); // Produce 1 to 2
        body.extend_from_slice(&[0, 18, 0, 0, 0, 0]); // ApiVersions 0
        if request.version > 0 {
            body[1] = 35; // the refusal is written in version 0
        }
        Reply::Bytes(request.raw(&body))
    })
    .await;
    let error = no_client(plain(server.endpoint())).await;
    assert_eq!(
        (&*error.class(), error.outcome()),
        ("bad request", Outcome::Failure)
    );
    has(
        &whole(&error),
        &[
            "Metadata cannot be sent",
            "this client speaks 4 to 12, the broker none",
            "0.11 to 4.x",
        ],
    );
}

#[tokio::test]
async fn errors_are_small_and_go_between_threads() {
    fn both<T: Send + Sync + 'static>() {}
    both::<Error>();
    both::<wire::ConnectError>();
    assert!(size_of::<Error>() <= 128, "{}", size_of::<Error>());
}
