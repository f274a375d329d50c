//! rskafka as an independent witness: what our client writes it reads back equal, and the other
//! way round. And rskafka as a backend, with what it cannot do refused by name.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]
#![cfg(feature = "rskafka")]

mod common;
mod support;

use std::{collections::BTreeMap, error::Error, time::Duration};

use common::Broker;
use karga_core::{Metric as _, Outcome, Scenario as _};
use karga_kafka::{
    FetchScenario, KafkaUrl, Keys, Partitioning, Payload, ProduceScenario,
    client::RetryPolicy,
    config::{Acks, Backend, Connections},
    partition_for_key,
    records::Compression,
};
use rskafka::{
    chrono::{DateTime, Utc},
    client::{
        ClientBuilder,
        partition::{Compression as Codec, PartitionClient, UnknownTopicHandling},
    },
    record::Record,
};
use support::{drain, drive, log_len, read_all};

const CODECS: [(Compression, Codec); 5] = [
    (Compression::None, Codec::NoCompression),
    (Compression::Gzip, Codec::Gzip),
    (Compression::Snappy, Codec::Snappy),
    (Compression::Lz4, Codec::Lz4),
    (Compression::Zstd, Codec::Zstd),
];

async fn topic(partitions: i32) -> (Broker, KafkaUrl) {
    let broker = Broker::start().await;
    let (_client, topic) = broker.topic(partitions).await;
    let url = format!("kafka://{}/{}", broker.endpoint(), topic.name());
    (broker, url.parse().unwrap())
}

async fn witness(url: &KafkaUrl, partition: i32) -> PartitionClient {
    let client = ClientBuilder::new(vec![url.endpoints()[0].to_string()])
        .build()
        .await
        .unwrap();
    client
        .partition_client(url.topic(), partition, UnknownTopicHandling::Retry)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_our_client_writes_rskafka_reads() {
    for (compression, _) in CODECS {
        let (_broker, url) = topic(1).await;
        let scenario = ProduceScenario::builder(&url)
            .compression(compression)
            .batch(100)
            .keys(Keys::sequence())
            .payload(Payload::random(0..=300))
            .header("a", "first")
            .header("b", vec![0, 255])
            .build()
            .unwrap();
        let metrics = drive(&scenario, 1, 3).await;
        assert!(metrics.iter().all(|metric| metric.messages == 100));
        let ours = read_all(&url).await;
        assert_eq!(ours.len(), 300);

        let client = witness(&url, 0).await;
        let mut theirs = Vec::new();
        while theirs.len() < 300 {
            let offset = theirs.len() as i64;
            let fetched = support::in_time(client.fetch_records(offset, 1..10_000_000, 1000)).await;
            theirs.extend(fetched.unwrap().0);
        }
        for (our, their) in ours.iter().zip(&theirs) {
            assert_eq!(our.offset, their.offset);
            assert_eq!(our.key, their.record.key);
            assert_eq!(our.value, their.record.value);
            assert_eq!(our.timestamp, their.record.timestamp.timestamp_millis());
            let headers = our.headers.iter().cloned();
            let headers = headers.map(|(name, value)| (name, value.unwrap()));
            assert_eq!(headers.collect::<BTreeMap<_, _>>(), their.record.headers);
        }
        assert_eq!(theirs[7].record.key.as_deref(), Some(&b"7"[..]));
        assert_eq!(theirs[7].record.headers["b"], [0, 255]);
    }
}

#[tokio::test]
async fn what_rskafka_writes_our_client_reads() {
    for (compression, codec) in CODECS {
        let (_broker, url) = topic(1).await;
        let record = |number: i64| Record {
            key: (number % 3 != 0).then(|| number.to_string().into_bytes()),
            value: (number % 5 != 0).then(|| vec![number as u8; number as usize]),
            headers: BTreeMap::from([
                ("name".to_owned(), b"value".to_vec()),
                (format!("h{number}"), Vec::new()),
            ]),
            timestamp: DateTime::<Utc>::from_timestamp_millis(1_700_000_000_000 + number).unwrap(),
        };
        let records: Vec<Record> = (0..200).map(record).collect();
        let produced = witness(&url, 0).await.produce(records.clone(), codec).await;
        assert_eq!(produced.unwrap().len(), 200);
        let ours = read_all(&url).await;
        assert_eq!(ours.len(), 200, "{compression}");
        for (our, their) in ours.iter().zip(&records) {
            assert_eq!(our.key, their.key);
            assert_eq!(our.value, their.value);
            assert_eq!(our.timestamp, their.timestamp.timestamp_millis());
            let headers = our.headers.iter().cloned();
            let headers = headers.map(|(name, value)| (name, value.unwrap()));
            assert_eq!(headers.collect::<BTreeMap<_, _>>(), their.headers);
        }
    }
}

#[tokio::test]
async fn both_backends_write_the_same_records() {
    let mut runs = Vec::new();
    for backend in [Backend::Native, Backend::Rskafka] {
        let (broker, url) = topic(3).await;
        let scenario = ProduceScenario::builder(&url)
            .backend(backend)
            .compression(Compression::Lz4)
            .batch(8)
            .keys(Keys::zipf(30, 1.0).unwrap())
            .payload(Payload::random(10..=20))
            .header("h", "v")
            .seed(5)
            .build()
            .unwrap();
        for metric in drive(&scenario, 2, 20).await {
            assert_eq!(
                (metric.outcome, metric.messages),
                (Outcome::Success, 8),
                "{metric:?}"
            );
            assert!(metric.bytes_sent > 0 && metric.base_offset.is_some());
        }
        let client = broker.client().await;
        let topic = client.topic(url.topic()).await.unwrap();
        assert_eq!(log_len(&client, &topic).await, 160);
        let seen = read_all(&url).await.into_iter();
        let mut records: Vec<_> = seen
            .map(|one| {
                let key = one.key.as_deref().unwrap();
                assert_eq!(one.partition, partition_for_key(key, 3));
                (one.partition, one.key, one.value, one.headers)
            })
            .collect();
        records.sort();
        runs.push(records);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn rskafka_reads_a_topic_once_with_its_lag() {
    let (_broker, url) = topic(3).await;
    let produce = ProduceScenario::builder(&url)
        .batch(30)
        .partition(Partitioning::RoundRobin)
        .build()
        .unwrap();
    drive(&produce, 1, 10).await;
    let by_rskafka: KafkaUrl = format!("{url}?backend=rskafka&max_wait=50ms")
        .parse()
        .unwrap();
    let scenario = FetchScenario::builder(&by_rskafka).build().unwrap();
    let metrics = drain(&scenario).await;
    assert_eq!(
        metrics.iter().map(|metric| metric.messages).sum::<u64>(),
        300
    );
    assert!(
        metrics
            .iter()
            .all(|metric| metric.outcome == Outcome::Success)
    );
    assert_eq!(metrics.last().unwrap().lag(), Some(0));
}

#[tokio::test]
async fn errors_of_rskafka_have_the_protocols_classes() {
    let (_broker, url) = topic(1).await;
    let scenario = ProduceScenario::builder(&url)
        .backend(Backend::Rskafka)
        .payload(Payload::random(1_500_000))
        .build()
        .unwrap();
    for metric in drive(&scenario, 1, 2).await {
        assert_eq!(metric.outcome, Outcome::Failure);
        assert_eq!(metric.error_class().as_deref(), Some("MESSAGE_TOO_LARGE"));
        assert_eq!(metric.messages, 0);
    }
    let remarks = scenario.remarks();
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    for part in [
        "first MESSAGE_TOO_LARGE: a batch of 1 record had 15000",
        ".batch()",
        "max.message.bytes",
    ] {
        assert!(remarks[0].contains(part), "{remarks:?} lacks {part:?}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_unknown_at_the_deadline() {
    use support::proxy::{Fault, PRODUCE, Proxy};
    let broker = Broker::start().await;
    let (_client, topic) = broker.topic(1).await;
    let plan = |api, number| match (api, number) {
        (PRODUCE, 0) => Fault::Swallow,
        (PRODUCE, 1) => Fault::CutAnswer,
        _ => Fault::None,
    };
    let proxy = Proxy::start(&broker.endpoint().to_string(), plan).await;
    let url = format!("kafka://{}/{}", proxy.addr(), topic.name());
    for class in ["timeout", "connection closed"] {
        let scenario = ProduceScenario::builder(&url)
            .backend(Backend::Rskafka)
            .connect_timeout(Duration::from_secs(20))
            .request_timeout(Duration::from_millis(500))
            .build()
            .unwrap();
        scenario.setup().await.unwrap();
        let metric = &support::drive_ready(&scenario, 1, 0..1).await[0];
        assert_eq!(metric.outcome, Outcome::Unknown, "{metric:?}");
        assert_eq!((metric.messages, metric.unknown_messages), (0, 1));
        assert_eq!(metric.error_class().as_deref(), Some(class));
    }
}

#[test]
fn what_rskafka_cannot_do_is_refused_by_name() {
    const URL: &str = "kafka://localhost/orders?backend=rskafka";
    let produce = || ProduceScenario::builder(URL);
    let pool = Connections::shared(std::num::NonZeroUsize::MIN);
    for (built, part) in [
        (produce().acks(Acks::Leader).build().map(drop), "acks=1"),
        (produce().acks(Acks::None).build().map(drop), "acks=0"),
        (
            produce().retry(RetryPolicy::up_to(2)).build().map(drop),
            "retries=2",
        ),
        (
            produce().connections(pool).build().map(drop),
            "connections=1",
        ),
        (
            produce().null_header("n").build().map(drop),
            "\"n\" without a value",
        ),
        (
            produce()
                .header("a", "1")
                .header("a", "2")
                .build()
                .map(drop),
            "header \"a\"",
        ),
        (
            produce()
                .header("b", "1")
                .header("a", "2")
                .build()
                .map(drop),
            "header \"a\"",
        ),
        (
            FetchScenario::builder(URL)
                .retry(RetryPolicy::up_to(1))
                .build()
                .map(drop),
            "retries=1",
        ),
        (
            FetchScenario::builder(URL)
                .on_record(|_, _| ())
                .build()
                .map(drop),
            "on_record",
        ),
    ] {
        let error = built.expect_err("rskafka cannot");
        let mut text = error.to_string();
        if let Some(source) = error.source() {
            text += &source.to_string();
        }
        assert!(text.contains(part), "{text}");
        assert!(
            text.contains("backend=rskafka cannot") && text.contains("backend=native"),
            "{text}"
        );
    }
    produce().header("a", "1").header("b", "2").build().unwrap();
}
