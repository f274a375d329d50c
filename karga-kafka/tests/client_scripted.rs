//! What is counted, what is sent again, and what is not: against a server that follows a script.

mod common;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::scripted::{Reply, Request, Server, metadata, versions};
use common::{batch, config, write};
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, InitProducerIdResponse};
use karga_core::Outcome;
use karga_kafka::client::{Client, Counters, RetryPolicy, Session, Topic};
use karga_kafka::config::{Acks, ClientConfigBuilder, Connections, FetchSettings};
use karga_kafka::records::BatchSettings;
use karga_kafka::{Error, ErrorCode};

const NOT_LEADER: i16 = 6;
const TIMED_OUT: i16 = 7;
const TOO_LARGE: i16 = 10;
const LOADING: i16 = 14;
const NOT_COORDINATOR: i16 = 16;
const NOT_ENOUGH_REPLICAS: i16 = 19;
const UNAUTHORIZED: i16 = 31;

type Script = fn(&Request) -> Reply;

fn good(request: &Request) -> Reply {
    Reply::Bytes(request.produced(0, 0))
}

fn refuse<const CODE: i16>(request: &Request) -> Reply {
    Reply::Bytes(request.produced(CODE, 0))
}

async fn connect(config: ClientConfigBuilder) -> (Client, Session, Topic) {
    let config = config.build().expect("valid settings");
    let client = Client::connect(config).await.expect("a client");
    let topic = client.topic("t").await.expect("a topic");
    let session = client.session();
    (client, session, topic)
}

async fn produce(session: &Session, topic: &Topic) -> Result<i64, Error> {
    let write = write(batch(BatchSettings::new(), &["x"]));
    let produced = session.produce(topic, 0, Acks::All, write).await;
    produced.map(|produced| produced.base_offset)
}

fn quickly(retries: u32) -> RetryPolicy {
    RetryPolicy::up_to(retries).backoff(Duration::from_millis(1))
}

/// Retries, reconnects, throttles, timeouts, leader changes.
fn events(counters: Counters) -> [u64; 5] {
    [
        counters.retries,
        counters.reconnects,
        counters.throttles,
        counters.timeouts,
        counters.leader_changes,
    ]
}

#[tokio::test]
async fn a_refused_version_of_the_first_request_is_asked_again_in_the_brokers_own() {
    let asked = std::sync::Arc::new(Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&asked);
    let server = Server::bare(move |request, address| match request.api {
        ApiKey::ApiVersions => {
            log.lock().unwrap().push(request.version);
            if request.version > 1 {
                let refusal = versions().with_error_code(35);
                let oldest = Request {
                    version: 0,
                    ..request.clone()
                };
                let mut refusal: ApiVersionsResponse = refusal;
                refusal.api_keys[4].max_version = 1;
                return Reply::Bytes(oldest.answer(&refusal));
            }
            Reply::Bytes(request.answer(&versions()))
        }
        ApiKey::Metadata => Reply::Bytes(request.answer(&metadata(&[(1, address)], Some(1)))),
        _ => good(request),
    })
    .await;
    let (_, session, topic) = connect(config(server.endpoint())).await;
    assert_eq!(produce(&session, &topic).await.unwrap(), 41);
    assert_eq!(
        *asked.lock().unwrap(),
        [3, 1, 3, 1],
        "on each of two connections"
    );
}

#[tokio::test]
async fn without_a_policy_nothing_is_sent_again() {
    let server = Server::replies([refuse::<NOT_ENOUGH_REPLICAS> as Script, good]).await;
    let (client, session, topic) = connect(config(server.endpoint())).await;
    let error = produce(&session, &topic).await.unwrap_err();
    assert_eq!(error.class(), "NOT_ENOUGH_REPLICAS");
    assert_eq!(error.outcome(), Outcome::Failure);
    assert_eq!(server.produced().len(), 1);
    assert_eq!(events(client.counters()), [0; 5]);
}

#[tokio::test]
async fn a_passing_error_is_sent_again_as_often_as_the_policy_says_and_byte_for_byte() {
    let replies = [refuse::<NOT_ENOUGH_REPLICAS> as Script; 4];
    let server = Server::replies(replies).await;
    let (client, session, topic) = connect(config(server.endpoint()).retry(quickly(3))).await;
    let error = produce(&session, &topic).await.unwrap_err();
    assert_eq!(error.class(), "NOT_ENOUGH_REPLICAS");
    let seen = server.produced();
    assert_eq!(seen.len(), 4);
    let first = seen[0].records();
    assert_eq!(first, batch(BatchSettings::new(), &["x"]));
    assert!(seen.iter().all(|request| request.records() == first));
    assert_eq!(events(client.counters()), [3, 0, 0, 0, 0]);

    let server = Server::replies([refuse::<NOT_ENOUGH_REPLICAS> as Script, good]).await;
    let (client, session, topic) = connect(config(server.endpoint()).retry(quickly(3))).await;
    assert_eq!(produce(&session, &topic).await.unwrap(), 41);
    assert_eq!(events(client.counters()), [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn what_may_have_happened_or_cannot_pass_is_never_sent_again() {
    let cases: [(Script, &str, Outcome); 3] = [
        (refuse::<TIMED_OUT>, "REQUEST_TIMED_OUT", Outcome::Unknown),
        (refuse::<TOO_LARGE>, "MESSAGE_TOO_LARGE", Outcome::Failure),
        (|_| Reply::Close, "connection closed", Outcome::Unknown),
    ];
    for (reply, class, outcome) in cases {
        let server = Server::replies([reply, good]).await;
        let (client, session, topic) = connect(config(server.endpoint()).retry(quickly(5))).await;
        let error = produce(&session, &topic).await.unwrap_err();
        assert_eq!((&*error.class(), error.outcome()), (class, outcome));
        assert_eq!(server.produced().len(), 1, "{class}");
        assert_eq!(client.counters().retries, 0);
    }
}

/// A client's question for a producer's identity, answered with these codes and then with 7.
async fn identity(codes: &'static [i16], deadline: Duration) -> (Result<i64, Error>, usize) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = Server::start(move |request| {
        assert_eq!(request.api, ApiKey::InitProducerId);
        let number = count.fetch_add(1, SeqCst);
        let code = codes.get(number).copied().unwrap_or(0);
        let answer = InitProducerIdResponse::default()
            .with_error_code(code)
            .with_producer_id(if code == 0 { 7.into() } else { (-1).into() });
        Reply::Bytes(request.answer(&answer))
    })
    .await;
    let config = config(server.endpoint()).request_timeout(deadline);
    let client = Client::connect(config.build().expect("valid settings"))
        .await
        .expect("a client");
    let identity = client.init_producer_id().await.map(|producer| producer.id);
    (identity, asked.load(SeqCst))
}

#[tokio::test]
async fn an_identity_is_asked_for_until_the_broker_has_one() {
    let patience = Duration::from_secs(20);
    let (found, asked) = identity(&[LOADING, NOT_COORDINATOR], patience).await;
    assert_eq!((found.unwrap(), asked), (7, 3));
    let (refused, asked) = identity(&[UNAUTHORIZED], patience).await;
    let class = refused.unwrap_err().class();
    assert_eq!((&*class, asked), ("CLUSTER_AUTHORIZATION_FAILED", 1));
    // The broker's own word, not only that time is up.
    let (refused, _) = identity(&[LOADING; 1000], Duration::from_secs(1)).await;
    assert_eq!(refused.unwrap_err().class(), "COORDINATOR_LOAD_IN_PROGRESS");
}

#[tokio::test]
async fn the_deadline_holds_over_all_retries() {
    let server = Server::start(refuse::<NOT_ENOUGH_REPLICAS>).await;
    let deadline = Duration::from_millis(500);
    let config = config(server.endpoint()).request_timeout(deadline);
    let (client, session, topic) = connect(config.retry(quickly(u32::MAX))).await;
    let start = std::time::Instant::now();
    let error = produce(&session, &topic).await.unwrap_err();
    assert!(start.elapsed() >= deadline);
    // Which of the two depends on what the deadline interrupts: an answer or a wait to try again.
    let class = error.class();
    assert!(
        ["timeout", "timeout before sending"].contains(&&*class),
        "{class}"
    );
    assert!(client.counters().retries > 0);
}

#[tokio::test]
async fn a_throttled_answer_is_an_answer() {
    let throttled: Script = |request| Reply::Bytes(request.produced(0, 70));
    let server = Server::replies([throttled, throttled]).await;
    let (client, session, topic) = connect(config(server.endpoint()).retry(quickly(5))).await;
    let write_one = || write(batch(BatchSettings::new(), &["x"]));
    for _ in 0..2 {
        let produced = session
            .produce(&topic, 0, Acks::All, write_one())
            .await
            .unwrap();
        assert_eq!(produced.throttle_time, Duration::from_millis(70));
    }
    assert_eq!(server.produced().len(), 2, "one for each call");
    assert_eq!(events(client.counters()), [0, 0, 2, 0, 0]);
    assert_eq!(client.counters().throttle_time, Duration::from_millis(140));
}

/// Two brokers, the first of which loses its partition to the second at its first produce request.
async fn two_brokers() -> (Server, Server) {
    let second = Server::start(good).await;
    let (two, moved) = (second.address(), AtomicBool::new(false));
    let first = Server::bare(move |request, one| match request.api {
        ApiKey::ApiVersions => Reply::Bytes(request.answer(&versions())),
        ApiKey::Metadata => {
            let leader = if moved.load(SeqCst) { 2 } else { 1 };
            Reply::Bytes(request.answer(&metadata(&[(1, one), (2, two)], Some(leader))))
        }
        _ => {
            moved.store(true, SeqCst);
            refuse::<NOT_LEADER>(request)
        }
    })
    .await;
    (first, second)
}

#[tokio::test]
async fn a_new_leader_is_looked_up_after_the_old_one_refuses() {
    let (first, second) = two_brokers().await;
    let (client, session, topic) = connect(config(first.endpoint())).await;
    assert_eq!(topic.leader(0), Some(1));
    let error = produce(&session, &topic).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    // Metadata is not asked for more often than every 50 ms: until then, the old leader refuses.
    let mut refused = 1;
    let offset = loop {
        match produce(&session, &topic).await {
            Ok(offset) => break offset,
            Err(error) => assert_eq!(error.code(), Some(ErrorCode::NOT_LEADER_OR_FOLLOWER)),
        }
        refused += 1;
    };
    assert_eq!((offset, topic.leader(0)), (41, Some(2)));
    assert_eq!(
        (first.produced().len(), second.produced().len()),
        (refused, 1)
    );
    let counters = client.counters();
    assert_eq!(
        (counters.leader_changes, counters.metadata_refreshes),
        (1, 1)
    );
    assert_eq!((counters.retries, counters.reconnects), (0, 0));
}

#[tokio::test]
async fn with_a_policy_the_same_call_reaches_the_new_leader() {
    let (first, second) = two_brokers().await;
    let retry = RetryPolicy::up_to(1).backoff(Duration::from_millis(60));
    let (client, session, topic) = connect(config(first.endpoint()).retry(retry)).await;
    assert_eq!(produce(&session, &topic).await.unwrap(), 41);
    assert_eq!((first.produced().len(), second.produced().len()), (1, 1));
    assert_eq!(events(client.counters()), [1, 0, 0, 0, 1]);
}

#[tokio::test]
async fn a_partition_without_a_leader_fails_before_anything_is_sent() {
    let server = Server::bare(|request, address| match request.api {
        ApiKey::ApiVersions => Reply::Bytes(request.answer(&versions())),
        ApiKey::Metadata => Reply::Bytes(request.answer(&metadata(&[(1, address)], None))),
        _ => good(request),
    })
    .await;
    let (_, session, topic) = connect(config(server.endpoint())).await;
    let error = produce(&session, &topic).await.unwrap_err();
    assert_eq!(error.class(), "LEADER_NOT_AVAILABLE");
    assert!(
        error.to_string().contains("when a leader is elected"),
        "{error}"
    );
    assert_eq!(error.outcome(), Outcome::Failure);
    assert_eq!(server.produced().len(), 0);
}

#[tokio::test]
async fn a_leader_that_cannot_be_reached_is_named_and_looked_up_again() {
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let down = silent.local_addr().unwrap();
    for retries in [0, 1] {
        let asked = AtomicUsize::new(0);
        let server = Server::bare(move |request, address| match request.api {
            ApiKey::ApiVersions => Reply::Bytes(request.answer(&versions())),
            ApiKey::Metadata => {
                // The first two questions are those of the client's start.
                let leader = if asked.fetch_add(1, SeqCst) < 2 { 2 } else { 1 };
                let brokers = [(1, address), (2, down)];
                Reply::Bytes(request.answer(&metadata(&brokers, Some(leader))))
            }
            _ => good(request),
        })
        .await;
        let retry = RetryPolicy::up_to(retries).backoff(Duration::from_millis(60));
        let (client, session, topic) = connect(config(server.endpoint()).retry(retry)).await;
        assert_eq!(topic.leader(0), Some(2));
        let produced = produce(&session, &topic).await;
        if retries == 0 {
            let error = produced.unwrap_err();
            assert_eq!(
                (&*error.class(), error.outcome()),
                ("connection refused", Outcome::Failure)
            );
            assert!(error.to_string().contains(&down.to_string()), "{error}");
        } else {
            assert_eq!(produced.unwrap(), 41);
            assert_eq!(events(client.counters()), [1, 0, 0, 0, 1]);
        }
    }
}

#[tokio::test]
async fn a_leader_that_never_answers_is_looked_up_again_after_the_deadline() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hung = silent.local_addr().unwrap();
    let asked = AtomicUsize::new(0);
    let server = Server::bare(move |request, address| match request.api {
        ApiKey::ApiVersions => Reply::Bytes(request.answer(&versions())),
        ApiKey::Metadata => {
            // The first two questions are those of the client's start.
            let leader = if asked.fetch_add(1, SeqCst) < 2 { 2 } else { 1 };
            Reply::Bytes(request.answer(&metadata(&[(1, address), (2, hung)], Some(leader))))
        }
        _ => good(request),
    })
    .await;
    let config = config(server.endpoint()).request_timeout(Duration::from_secs(1));
    let (client, session, topic) = connect(config).await;
    let error = produce(&session, &topic).await.unwrap_err();
    assert_eq!(
        (&*error.class(), error.outcome()),
        ("timeout before sending", Outcome::Failure)
    );
    assert!(error.to_string().contains("it was connecting"), "{error}");
    assert_eq!(produce(&session, &topic).await.unwrap(), 41);
    assert_eq!(events(client.counters()), [0, 0, 0, 1, 1]);
}

#[tokio::test]
async fn a_fetch_of_nothing_is_refused() {
    let server = Server::start(good).await;
    let (_, session, topic) = connect(config(server.endpoint())).await;
    let fetched = session.fetch(&topic, &[], &FetchSettings::default()).await;
    let error = fetched.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("no partition at all"), "{cause}");
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let server = Server::start(|request| Reply::Last(request.produced(0, 0))).await;
    let (client, session, topic) = connect(config(server.endpoint())).await;
    assert_eq!(produce(&session, &topic).await.unwrap(), 41);
    // Whether the end is seen before the request is written is the network's choice; if it is
    // not, the outcome is open and said to be so.
    let mut unknown = 0;
    while let Err(error) = produce(&session, &topic).await {
        assert_eq!(
            (&*error.class(), error.outcome()),
            ("connection closed", Outcome::Unknown)
        );
        unknown += 1;
    }
    assert!(unknown <= 1, "{unknown}");
    assert_eq!(client.counters().reconnects, 1);
}

fn shared(server: &Server, in_flight: usize) -> ClientConfigBuilder {
    config(server.endpoint()).connections(Connections::Shared {
        connections: NonZeroUsize::MIN,
        in_flight: NonZeroUsize::new(in_flight).expect("above zero"),
    })
}

#[tokio::test]
async fn an_overdue_answer_takes_its_shared_connection_out_of_use() {
    let server = Server::replies([(|_| Reply::Silence) as Script, good]).await;
    let config = shared(&server, 1).request_timeout(Duration::from_secs(1));
    let (client, session, topic) = connect(config).await;
    session.warm_up(&topic).await.unwrap();
    // Both share the one connection; the second has to wait for the first, which is not answered.
    let other = client.session();
    let (first, second) = tokio::join!(produce(&session, &topic), produce(&other, &topic));
    let (first, second) = (first.unwrap_err(), second.unwrap_err());
    assert_eq!(
        (&*first.class(), first.outcome()),
        ("timeout", Outcome::Unknown)
    );
    assert_eq!(
        (&*second.class(), second.outcome()),
        ("timeout before sending", Outcome::Failure)
    );
    assert!(
        second.to_string().contains("waiting for a turn"),
        "{second}"
    );
    assert_eq!(produce(&other, &topic).await.unwrap(), 41);
    assert_eq!(events(client.counters()), [0, 1, 0, 2, 0]);
    let seen: Vec<_> = server.produced().iter().map(|one| one.connection).collect();
    assert_eq!(seen, [1, 2]);
}

#[tokio::test]
async fn a_shared_connection_that_breaks_fails_all_in_flight_and_is_replaced() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |request| match count.fetch_add(1, SeqCst) {
        0 | 1 => Reply::Silence,
        2 => Reply::Close,
        _ => good(request),
    })
    .await;
    let (client, session, topic) = connect(shared(&server, 3)).await;
    session.warm_up(&topic).await.unwrap();
    let (a, b, c) = tokio::join!(
        produce(&session, &topic),
        produce(&session, &topic),
        produce(&session, &topic),
    );
    for result in [a, b, c] {
        let error = result.unwrap_err();
        assert_eq!(
            (&*error.class(), error.outcome()),
            ("connection closed", Outcome::Unknown)
        );
    }
    assert_eq!(produce(&session, &topic).await.unwrap(), 41);
    assert_eq!(events(client.counters()), [0, 1, 0, 0, 0]);
}

#[tokio::test]
async fn answers_out_of_order_end_a_shared_connection() {
    let swapped: Script = |request| {
        let other = Request {
            correlation: request.correlation + 1,
            ..request.clone()
        };
        Reply::Bytes(other.produced(0, 0))
    };
    let server = Server::replies([swapped, good]).await;
    let (client, session, topic) = connect(shared(&server, 5)).await;
    let error = produce(&session, &topic).await.unwrap_err();
    assert_eq!(
        (&*error.class(), error.outcome()),
        ("protocol", Outcome::Unknown)
    );
    assert_eq!(produce(&session, &topic).await.unwrap(), 41);
    assert_eq!(client.counters().reconnects, 1);
}

#[tokio::test]
async fn no_more_than_the_cap_is_in_flight_on_a_shared_connection() {
    let server = Server::start(|_| Reply::Silence).await;
    let config = shared(&server, 2).request_timeout(Duration::from_secs(1));
    let (_, session, topic) = connect(config).await;
    session.warm_up(&topic).await.unwrap();
    let results = tokio::join!(
        produce(&session, &topic),
        produce(&session, &topic),
        produce(&session, &topic),
        produce(&session, &topic),
    );
    let results = [results.0, results.1, results.2, results.3];
    let unknown = results
        .iter()
        .filter(|one| one.as_ref().unwrap_err().may_have_happened());
    assert_eq!((unknown.count(), server.produced().len()), (2, 2));
}

#[test]
fn dropping_the_client_ends_its_tasks_and_closes_its_connections() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = Server::start(|_| Reply::Silence).await;
        let alive = || {
            tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks()
        };
        let (client, session, topic) = connect(shared(&server, 5)).await;
        session.warm_up(&topic).await.unwrap();
        {
            let call = std::pin::pin!(produce(&session, &topic));
            let mut call = call;
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(call.as_mut().poll(&mut context).is_pending());
        }
        // The listener, two served connections, and the driver of the pool's one connection.
        assert_eq!(alive(), 4);
        drop((client, session));
        // Each task ends when it sees its connection end; nothing else keeps this loop going.
        let ended = async {
            while alive() > 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ended)
            .await
            .expect("tasks that live on");
        drop(topic);
    });
}

#[tokio::test]
async fn futures_of_the_client_are_send() {
    fn is_send<T: Send>(_: &T) {}
    let server = Server::start(good).await;
    let (client, session, topic) = connect(config(server.endpoint())).await;
    is_send(&client.topic("t"));
    is_send(&session.produce(
        &topic,
        0,
        Acks::All,
        write(batch(BatchSettings::new(), &["x"])),
    ));
    is_send(&session.fetch(&topic, &[], &FetchSettings::default()));
    is_send(&session.warm_up(&topic));
    is_send(&Client::connect(client.config().clone()));
    is_send(&client.delete_topic("t"));
}
