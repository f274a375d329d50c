//! What an iteration makes of answers that a healthy broker seldom gives.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod common;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use common::scripted::{Reply, Request, Server, versions};
use kafka_protocol::{
    messages::{
        ApiKey, MetadataResponse, ProduceRequest, ProduceResponse, TopicName,
        metadata_response::{
            MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
        },
        produce_response::{PartitionProduceResponse, TopicProduceResponse},
    },
    protocol::{Decodable as _, StrBytes},
};
use karga_core::{Action as _, Count, Iteration, Outcome, Scenario as _};
use karga_kafka::{
    Partitioning, ProduceMetric, ProduceScenario, ProduceScenarioBuilder, client::RetryPolicy,
};

const NOT_LEADER_OR_FOLLOWER: i16 = 6;
const REQUEST_TIMED_OUT: i16 = 7;
const MESSAGE_TOO_LARGE: i16 = 10;

/// The batches of a produce request by their partition.
fn batches(request: &Request) -> BTreeMap<i32, Bytes> {
    let mut body = request.body.clone();
    let decoded = ProduceRequest::decode(&mut body, request.version).expect("a produce request");
    let partitions = decoded
        .topic_data
        .into_iter()
        .flat_map(|topic| topic.partition_data);
    partitions
        .map(|one| (one.index, one.records.expect("records")))
        .collect()
}

/// An answer to a produce request, in which each partition has the error code that `code` gives.
fn produced(request: &Request, throttle_ms: i32, code: impl Fn(i32) -> i16) -> Reply {
    let answer = |(&partition, _): (&i32, &Bytes)| {
        PartitionProduceResponse::default()
            .with_index(partition)
            .with_error_code(code(partition))
            .with_base_offset(100 + i64::from(partition))
    };
    let topic = TopicProduceResponse::default()
        .with_name(TopicName(StrBytes::from_static_str("t")))
        .with_partition_responses(batches(request).iter().map(answer).collect());
    let response = ProduceResponse::default()
        .with_responses(vec![topic])
        .with_throttle_time_ms(throttle_ms);
    Reply::Bytes(request.answer(&response))
}

/// Topic `t`, in which partition n is led by broker `leaders[n]`.
fn metadata(brokers: &[SocketAddr], leaders: &[i32]) -> MetadataResponse {
    let brokers = (0..).zip(brokers).map(|(id, address)| {
        MetadataResponseBroker::default()
            .with_node_id(id.into())
            .with_host(StrBytes::from_string(address.ip().to_string()))
            .with_port(address.port().into())
    });
    let partitions = (0..).zip(leaders).map(|(index, leader)| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id((*leader).into())
    });
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_static_str("t"))))
        .with_partitions(partitions.collect());
    MetadataResponse::default()
        .with_brokers(brokers.collect())
        .with_topics(vec![topic])
}

/// One broker that leads `partitions` partitions, and leaves produce requests to `script`.
async fn server(
    partitions: usize,
    script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> Server {
    Server::bare(move |request, address| match request.api {
        ApiKey::ApiVersions => Reply::Bytes(request.answer(&versions())),
        ApiKey::Metadata => {
            Reply::Bytes(request.answer(&metadata(&[address], &vec![0; partitions])))
        }
        _ => script(request),
    })
    .await
}

/// One iteration of 12 records, spread over all partitions.
async fn produce(
    server: &Server,
    settings: impl FnOnce(ProduceScenarioBuilder) -> ProduceScenarioBuilder,
) -> ProduceMetric {
    let builder = ProduceScenario::builder(format!("kafka://{}/t", server.address()))
        .batch(12)
        .partition(Partitioning::RoundRobin);
    let scenario = settings(builder).build().unwrap();
    scenario.setup().await.unwrap();
    let user = scenario.connect(0).await.unwrap();
    let iteration = Iteration::new(0, 0, Duration::ZERO);
    tokio::time::timeout(Duration::from_secs(60), user.call(iteration))
        .await
        .expect("an iteration ends")
}

fn retry(builder: ProduceScenarioBuilder) -> ProduceScenarioBuilder {
    builder.retry(RetryPolicy::up_to(3).backoff(Duration::from_millis(1)))
}

#[tokio::test]
async fn partitions_of_one_leader_travel_together_and_each_leader_is_asked_once() {
    static BROKERS: OnceLock<[SocketAddr; 2]> = OnceLock::new();
    let script = |request: &Request, _: SocketAddr| match request.api {
        ApiKey::ApiVersions => Reply::Bytes(request.answer(&versions())),
        ApiKey::Metadata => {
            Reply::Bytes(request.answer(&metadata(BROKERS.get().unwrap(), &[0, 1, 1, 0])))
        }
        _ => produced(request, 0, |_| 0),
    };
    let (first, second) = (Server::bare(script).await, Server::bare(script).await);
    BROKERS.set([first.address(), second.address()]).unwrap();
    let metric = produce(&first, |builder| builder).await;
    assert_eq!((metric.outcome, metric.messages), (Outcome::Success, 12));
    for (server, partitions) in [(&first, [0, 3]), (&second, [1, 2])] {
        let requests = server.produced();
        assert_eq!(requests.len(), 1);
        assert!(batches(&requests[0]).into_keys().eq(partitions));
    }
}

#[tokio::test]
async fn a_refused_partition_leaves_the_others_acknowledged() {
    let refuse = |partition| if partition == 1 { MESSAGE_TOO_LARGE } else { 0 };
    let server = server(3, move |request| produced(request, 0, refuse)).await;
    let metric = produce(&server, retry).await;
    assert_eq!((metric.outcome, metric.messages), (Outcome::Failure, 8));
    assert_eq!(metric.class.as_deref(), Some("MESSAGE_TOO_LARGE"));
    assert_eq!((metric.partition, metric.base_offset), (Some(2), Some(102)));
    assert_eq!(metric.counts, []);
    assert_eq!(
        server.produced().len(),
        1,
        "what cannot pass was sent again"
    );
}

#[tokio::test]
async fn a_partition_with_a_passing_error_is_sent_again_alone_and_byte_for_byte() {
    let requests = AtomicUsize::new(0);
    let server = server(3, move |request| {
        let first = requests.fetch_add(1, Ordering::Relaxed) == 0;
        produced(request, 0, move |partition| {
            if first && partition == 1 {
                NOT_LEADER_OR_FOLLOWER
            } else {
                0
            }
        })
    })
    .await;
    let metric = produce(&server, retry).await;
    assert_eq!((metric.outcome, metric.messages), (Outcome::Success, 12));
    assert_eq!(metric.counts, [Count::new("retries", 1)]);
    let requests = server.produced();
    assert_eq!(requests.len(), 2);
    let (before, after) = (batches(&requests[0]), batches(&requests[1]));
    assert_eq!(before.len(), 3);
    assert_eq!(after, BTreeMap::from([(1, before[&1].clone())]));
}

#[tokio::test]
async fn without_a_policy_a_passing_error_is_a_failure() {
    let refuse = |partition| {
        if partition == 1 {
            NOT_LEADER_OR_FOLLOWER
        } else {
            0
        }
    };
    let server = server(3, move |request| produced(request, 0, refuse)).await;
    let metric = produce(&server, |builder| builder).await;
    assert_eq!((metric.outcome, metric.messages), (Outcome::Failure, 8));
    assert_eq!(metric.class.as_deref(), Some("NOT_LEADER_OR_FOLLOWER"));
    assert_eq!((metric.unknown_messages, metric.counts), (0, vec![]));
    assert_eq!(server.produced().len(), 1);
}

#[tokio::test]
async fn an_error_after_appending_is_unknown_and_never_sent_again() {
    let late = |partition| if partition == 1 { REQUEST_TIMED_OUT } else { 0 };
    for partitions in [2, 3] {
        let server = server(partitions, move |request| produced(request, 0, late)).await;
        let metric = produce(&server, retry).await;
        let of_one = 12 / partitions as u64;
        assert_eq!(metric.outcome, Outcome::Unknown);
        assert_eq!(metric.class.as_deref(), Some("REQUEST_TIMED_OUT"));
        assert_eq!(
            (metric.messages, metric.unknown_messages),
            (12 - of_one, of_one)
        );
        assert_eq!(server.produced().len(), 1);
    }
}

#[tokio::test]
async fn a_throttled_acknowledgement_is_one_and_is_counted() {
    for partitions in [1, 3] {
        let server = server(partitions, |request| produced(request, 70, |_| 0)).await;
        let metric = produce(&server, retry).await;
        assert_eq!((metric.outcome, metric.messages), (Outcome::Success, 12));
        assert_eq!(metric.counts, [Count::new("throttles", 1)]);
        assert_eq!(server.produced().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_leaves_a_partition_out_is_no_acknowledgement() {
    let script = |request: &Request| {
        let topic = TopicProduceResponse::default()
            .with_name(TopicName(StrBytes::from_static_str("t")))
            .with_partition_responses(vec![PartitionProduceResponse::default()]);
        let response = ProduceResponse::default().with_responses(vec![topic]);
        Reply::Bytes(request.answer(&response))
    };
    let server = server(3, script).await;
    let metric = produce(&server, |builder| builder).await;
    assert_eq!((metric.outcome, metric.messages), (Outcome::Unknown, 0));
    assert_eq!(metric.class.as_deref(), Some("protocol"));
    assert_eq!(metric.unknown_messages, 12);
}

#[tokio::test]
async fn a_silent_broker_is_unknown_at_the_deadline() {
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    let server = server(3, move |_| {
        *count.lock().unwrap() += 1;
        Reply::Silence
    })
    .await;
    let metric = produce(&server, |builder| {
        builder.request_timeout(Duration::from_millis(300))
    })
    .await;
    assert_eq!((metric.outcome, metric.messages), (Outcome::Unknown, 0));
    assert_eq!(metric.class.as_deref(), Some("timeout"));
    assert_eq!(metric.unknown_messages, 12);
    assert!(metric.bytes_sent > 12 * 100, "{metric:?}");
    assert_eq!(*seen.lock().unwrap(), 1);
}
