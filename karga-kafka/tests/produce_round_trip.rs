//! What is produced is what is read: every payload, key, header, compression and acknowledgement.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod common;
mod support;

use std::{collections::HashSet, time::SystemTime};

use common::Broker;
use karga_core::{Metric as _, Outcome};
use karga_kafka::{
    KafkaUrl, Keys, Partitioning, Payload, ProduceScenario, ProduceScenarioBuilder,
    client::{Client, Topic},
    config::{Acks, Connections},
    partition_for_key,
    records::Compression,
};
use support::{drive, log_len, read_all};

/// A topic of its own for each test.
async fn topic(partitions: i32) -> (Broker, KafkaUrl, Client, Topic) {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(partitions).await;
    let url = format!(
        "kafka://{}/{}?request_timeout=20s",
        broker.endpoint(),
        topic.name()
    );
    (broker, url.parse().unwrap(), client, topic)
}

fn new(url: &KafkaUrl) -> ProduceScenarioBuilder {
    ProduceScenario::builder(url)
}

fn millis_now() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[tokio::test]
async fn every_compression_and_acknowledgement_keeps_everything() {
    for acks in [Acks::All, Acks::Leader] {
        for compression in Compression::ALL {
            let (_broker, url, client, topic) = topic(1).await;
            let payload = Payload::from_fn(|seat, out| {
                out.extend(format!("value {}", seat.number).repeat(20).bytes());
            });
            let scenario = new(&url)
                .acks(acks)
                .compression(compression)
                .batch(50)
                .payload(payload)
                .keys(Keys::sequence())
                .header("a", "1")
                .null_header("a")
                .header("b", "")
                .partition(Partitioning::Explicit(0))
                .build()
                .unwrap();
            let before = millis_now();
            let metrics = drive(&scenario, 2, 6).await;
            let after = millis_now();
            for metric in &metrics {
                assert_eq!(
                    metric.outcome,
                    Outcome::Success,
                    "{compression}: {metric:?}"
                );
                assert_eq!(metric.volume().messages, 50);
                assert_eq!(metric.partition, Some(0));
                assert!(metric.bytes_sent > 0);
                if compression == Compression::None {
                    assert!(metric.bytes_sent > 50 * 140, "{metric:?}");
                } else {
                    assert!(metric.bytes_sent < 50 * 140, "{compression}: {metric:?}");
                }
            }
            let bases: HashSet<_> = metrics.iter().map(|metric| metric.base_offset).collect();
            assert_eq!(bases, (0..6).map(|n| Some(n * 50)).collect());
            assert_eq!(log_len(&client, &topic).await, 300);

            let mut seen = read_all(&url).await;
            assert!(seen.iter().map(|one| one.offset).eq(0..300));
            seen.sort_by_key(|one| one.key.clone());
            let mut numbers: Vec<String> = (0..300).map(|number| number.to_string()).collect();
            numbers.sort();
            for (one, number) in seen.iter().zip(&numbers) {
                assert_eq!(one.key.as_deref(), Some(number.as_bytes()));
                let value = format!("value {number}").repeat(20);
                assert_eq!(one.value.as_deref(), Some(value.as_bytes()));
                assert!((before..=after).contains(&one.timestamp));
                assert_eq!(
                    one.headers,
                    [
                        ("a".to_owned(), Some(b"1".to_vec())),
                        ("a".to_owned(), None),
                        ("b".to_owned(), Some(Vec::new())),
                    ]
                );
            }
        }
    }
}

#[tokio::test]
async fn without_acknowledgement_a_request_succeeds_when_it_is_handed_over() {
    for partitioning in [Partitioning::Sticky, Partitioning::RoundRobin] {
        let (_broker, url, client, topic) = topic(2).await;
        let scenario = new(&url)
            .acks(Acks::None)
            .batch(10)
            .partition(partitioning)
            .build()
            .unwrap();
        for metric in drive(&scenario, 2, 20).await {
            assert_eq!(metric.outcome, Outcome::Success);
            assert_eq!((metric.messages, metric.base_offset), (10, None));
        }
        // Nobody says when they are there, but on a healthy broker they come.
        support::in_time(async {
            while log_len(&client, &topic).await < 200 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(log_len(&client, &topic).await, 200);
    }
}

#[tokio::test]
async fn a_run_makes_the_same_records_whatever_the_users_and_connections() {
    let mut runs = Vec::new();
    let pool = Connections::shared(std::num::NonZeroUsize::new(2).unwrap());
    for (users, connections) in [
        (1, Connections::PerWorker),
        (4, Connections::PerWorker),
        (4, pool),
    ] {
        let (_broker, url, ..) = topic(3).await;
        let scenario = new(&url)
            .batch(7)
            .payload(Payload::random(10..=100))
            .keys(Keys::zipf(20, 1.0).unwrap())
            .seed(42)
            .connections(connections)
            .build()
            .unwrap();
        for metric in drive(&scenario, users, 30).await {
            assert_eq!(
                (metric.outcome, metric.messages),
                (Outcome::Success, 7),
                "{metric:?}"
            );
        }
        let seen = read_all(&url).await.into_iter();
        let mut records: Vec<_> = seen
            .map(|one| (one.partition, one.key, one.value))
            .collect();
        records.sort();
        assert_eq!(records.len(), 210);
        runs.push(records);
    }
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);
}

#[tokio::test]
async fn keys_choose_their_partition_as_in_java() {
    let (_broker, url, client, topic) = topic(5).await;
    let scenario = new(&url).batch(40).keys(Keys::sequence()).build().unwrap();
    for metric in drive(&scenario, 2, 10).await {
        assert_eq!(
            (metric.outcome, metric.messages),
            (Outcome::Success, 40),
            "{metric:?}"
        );
    }
    assert_eq!(log_len(&client, &topic).await, 400);
    let seen = read_all(&url).await;
    assert_eq!(seen.len(), 400);
    for one in &seen {
        let key = one.key.as_deref().unwrap();
        assert_eq!(one.partition, partition_for_key(key, 5));
    }
}

#[tokio::test]
async fn round_robin_spreads_records_and_sticky_spreads_requests() {
    let (_broker, url, ..) = topic(4).await;
    let scenario = new(&url)
        .batch(6)
        .partition(Partitioning::RoundRobin)
        .build()
        .unwrap();
    drive(&scenario, 2, 10).await;
    let mut counts = [0; 4];
    for one in read_all(&url).await {
        counts[usize::try_from(one.partition).unwrap()] += 1;
    }
    assert_eq!(counts, [15; 4]);

    let (_broker, url, ..) = topic(4).await;
    let scenario = new(&url)
        .batch(6)
        .payload(Payload::from_fn(|seat, out| out.push(seat.index as u8)))
        .partition(Partitioning::Sticky)
        .build()
        .unwrap();
    let metrics = drive(&scenario, 2, 40).await;
    assert_eq!(
        metrics.iter().map(|metric| metric.messages).sum::<u64>(),
        240
    );
    let seen = read_all(&url).await;
    let places: HashSet<_> = seen
        .iter()
        .map(|one| (one.value.clone(), one.partition))
        .collect();
    assert_eq!(
        places.len(),
        40,
        "a request went to more than one partition"
    );
    let partitions: HashSet<_> = seen.iter().map(|one| one.partition).collect();
    assert_eq!(partitions.len(), 4);
}

#[tokio::test]
async fn lines_of_a_file_come_in_order() {
    let (_broker, url, ..) = topic(1).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "first\nsecond\nthird\n").unwrap();
    let scenario = new(&url)
        .batch(2)
        .payload(Payload::lines(&file).unwrap())
        .build()
        .unwrap();
    drive(&scenario, 1, 2).await;
    let seen = read_all(&url).await;
    let values: Vec<_> = seen
        .iter()
        .map(|one| one.value.as_deref().unwrap())
        .collect();
    assert_eq!(values, [&b"first"[..], b"second", b"third", b"first"]);
}

#[tokio::test]
async fn a_missing_topic_is_made_on_request_and_an_existing_one_is_kept() {
    let broker = Broker::start().await;
    let name = common::unique("made");
    let url = format!("kafka://{}/{name}", broker.endpoint());
    let scenario = ProduceScenario::builder(&url)
        .create_topic(3)
        .build()
        .unwrap();
    assert_eq!(drive(&scenario, 1, 5).await.len(), 5);
    let client = broker.client().await;
    let made = client.topic(&name).await.unwrap();
    assert_eq!(made.partitions(), 3);
    let again = ProduceScenario::builder(&url)
        .create_topic(9)
        .build()
        .unwrap();
    drive(&again, 1, 5).await;
    let kept = client.topic(&name).await.unwrap();
    assert_eq!((kept.partitions(), log_len(&client, &kept).await), (3, 10));
}
