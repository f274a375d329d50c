//! Fetch: what is given, how much of it, and when.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use kafka_protocol::{
    ResponseError,
    messages::{
        DeleteTopicsRequest, FetchRequest, FetchResponse, MetadataRequest, ProduceResponse,
        fetch_response::PartitionData, metadata_request::MetadataRequestTopic,
    },
};
use karga_kafka::records::Batches;
use karga_kafka_testbed::EmbeddedBroker;
use support::{Client, batch, fetch_request, produce_request, topic_name};

async fn broker() -> (EmbeddedBroker, Client) {
    let broker = EmbeddedBroker::start().await.unwrap();
    broker.create_topic("orders", 3).unwrap();
    let client = Client::connect(broker.addr()).await;
    (broker, client)
}

/// Base offsets of the batches that came.
fn bases(partition: &PartitionData) -> Vec<i64> {
    let bytes = partition.records.clone().unwrap_or_default();
    let mut batches = Batches::new(&bytes);
    let bases = batches
        .by_ref()
        .map(|batch| batch.unwrap().header().base_offset)
        .collect();
    assert_eq!(batches.partial(), None);
    bases
}

/// As patient as can be: it is answered when there is something, or the test fails.
fn patient(mut request: FetchRequest, min_bytes: i32) -> FetchRequest {
    request.max_wait_ms = i32::MAX;
    request.min_bytes = min_bytes;
    request
}

#[tokio::test]
async fn every_version_gives_the_same() {
    let (_broker, mut client) = broker().await;
    // Small batches and large ones take different ways into the answer.
    let large = vec![7; 10_000];
    for value in [&b"small"[..], &large, b"small"] {
        client
            .produce("orders", 1, &batch(&[value, value]))
            .await
            .offset();
    }
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name("orders")));
    let metadata = client
        .call(
            &MetadataRequest::default().with_topics(Some(vec![topic])),
            12,
        )
        .await;
    for version in 4..=17 {
        let mut request = fetch_request("orders", 1, 1);
        if version >= 13 {
            request.topics[0].topic = topic_name("");
            request.topics[0].topic_id = metadata.topics[0].topic_id;
        }
        let answer: FetchResponse = client.call(&request, version).await;
        assert_eq!((answer.error_code, answer.session_id), (0, 0));
        let topic = &answer.responses[0];
        if version >= 13 {
            assert_eq!(topic.topic_id, metadata.topics[0].topic_id);
        } else {
            assert_eq!(topic.topic, topic_name("orders"));
        }
        let partition = &topic.partitions[0];
        assert_eq!((partition.partition_index, partition.error_code), (1, 0));
        assert_eq!(
            (partition.high_watermark, partition.last_stable_offset),
            (6, 6)
        );
        assert_eq!(
            partition.log_start_offset,
            if version >= 5 { 0 } else { -1 }
        );
        assert_eq!(bases(partition), [0, 2, 4], "version {version}");
    }
}

#[tokio::test]
async fn limits_cut_between_batches_but_never_give_nothing() {
    let (_broker, mut client) = broker().await;
    let one = batch(&[&[1; 100]]);
    for partition in [0, 1] {
        for _ in 0..3 {
            client.produce("orders", partition, &one).await.offset();
        }
    }
    let len = i32::try_from(one.len()).unwrap();
    // Limit for the partition, limit for all, batches from partition 0 and 1.
    let cases = [
        (i32::MAX, i32::MAX, 3, 3),
        (2 * len, i32::MAX, 2, 2),
        (2 * len - 1, i32::MAX, 1, 1),
        (i32::MAX, 4 * len, 3, 1),
        (i32::MAX, 4 * len - 1, 3, 0),
        // The first batch of all comes whatever the limits are.
        (0, i32::MAX, 1, 0),
        (1, 1, 1, 0),
        (i32::MAX, 0, 1, 0),
        (-1, i32::MIN, 1, 0),
    ];
    for (for_partition, for_all, first, second) in cases {
        let mut request = fetch_request("orders", 0, 0).with_max_bytes(for_all);
        let another = fetch_request("orders", 1, 0).topics[0].partitions[0].clone();
        request.topics[0].partitions.push(another);
        for partition in &mut request.topics[0].partitions {
            partition.partition_max_bytes = for_partition;
        }
        let answer: FetchResponse = client.call(&request, 12).await;
        let counts = answer.responses[0]
            .partitions
            .iter()
            .map(|p| bases(p).len());
        assert_eq!(
            counts.collect::<Vec<_>>(),
            [first, second],
            "{for_partition} {for_all}"
        );
    }
}

#[tokio::test]
async fn errors_are_told_for_each_partition_at_once() {
    let (_broker, mut client) = broker().await;
    client
        .produce("orders", 0, &batch(&[b"a", b"b"]))
        .await
        .offset();
    for (offset, error) in [
        (-1, true),
        (0, false),
        (2, false),
        (3, true),
        (i64::MAX, true),
    ] {
        // They are not waited for, however patient the request.
        let request = if error {
            patient(fetch_request("orders", 0, offset), 1)
        } else {
            fetch_request("orders", 0, offset)
        };
        let answer: FetchResponse = client.call(&request, 12).await;
        let partition = &answer.responses[0].partitions[0];
        let expected = if error {
            ResponseError::OffsetOutOfRange.code()
        } else {
            0
        };
        assert_eq!(partition.error_code, expected, "offset {offset}");
        assert_eq!(
            (partition.log_start_offset, partition.high_watermark),
            (0, 2)
        );
    }
    for (topic, partition) in [("nowhere", 0), ("orders", 3), ("orders", -1)] {
        let answer = client
            .call(&patient(fetch_request(topic, partition, 0), 1), 12)
            .await;
        let error = answer.responses[0].partitions[0].error_code;
        assert_eq!(error, ResponseError::UnknownTopicOrPartition.code());
    }
    for (epoch, error) in [
        (0, None),
        (-1, None),
        (1, Some(ResponseError::UnknownLeaderEpoch)),
        (-2, Some(ResponseError::FencedLeaderEpoch)),
    ] {
        let mut request = fetch_request("orders", 0, 0);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let answer = client.call(&request, 12).await;
        let code = answer.responses[0].partitions[0].error_code;
        assert_eq!(code, error.map_or(0, |error| error.code()), "epoch {epoch}");
    }
    let unknown = "00000000-0000-0001-0000-00000000ffff".parse().unwrap();
    let mut request = patient(fetch_request("", 0, 0), 1);
    request.topics[0].topic_id = unknown;
    let answer = client.call(&request, 13).await;
    assert_eq!(answer.responses[0].topic_id, unknown);
    let error = answer.responses[0].partitions[0].error_code;
    assert_eq!(error, ResponseError::UnknownTopicId.code());
}

#[tokio::test]
async fn sessions_are_never_opened_and_never_continued() {
    let (_broker, mut client) = broker().await;
    for epoch in [-1, 0] {
        let request = fetch_request("orders", 0, 0).with_session_epoch(epoch);
        let answer = client.call(&request, 12).await;
        assert_eq!((answer.error_code, answer.session_id), (0, 0));
        assert_eq!(answer.responses.len(), 1);
    }
    let request = fetch_request("orders", 0, 0)
        .with_session_id(7)
        .with_session_epoch(1);
    for version in [7, 11, 12] {
        let answer = client.call(&request, version).await;
        assert_eq!(
            answer.error_code,
            ResponseError::FetchSessionIdNotFound.code()
        );
        assert_eq!(answer.responses.len(), 0);
    }
}

#[tokio::test]
async fn a_fetch_of_the_end_waits_for_the_next_batch() {
    let (_broker, mut consumer) = broker().await;
    let mut producer = Client::connect(_broker.addr()).await;
    for round in 0..20 {
        consumer
            .send(&patient(fetch_request("orders", 0, round), 1), 12)
            .await;
        // Whether the fetch or the batch is there first: it gets the batch, and that only once.
        assert_eq!(
            producer
                .produce("orders", 0, &batch(&[b"next"]))
                .await
                .offset(),
            round
        );
        let (_, answer) = consumer.receive::<FetchResponse>(12).await;
        assert_eq!(bases(&answer.responses[0].partitions[0]), [round]);
    }
}

#[tokio::test]
async fn a_fetch_waits_for_as_many_bytes_as_it_asks_for_over_all_its_partitions() {
    let (broker, mut consumer) = broker().await;
    let mut producer = Client::connect(broker.addr()).await;
    let one = batch(&[b"one"]);
    let enough = 3 * i32::try_from(one.len()).unwrap();
    let mut request = patient(fetch_request("orders", 0, 0), enough);
    for partition in [1, 2] {
        let more = fetch_request("orders", partition, 0)
            .topics
            .remove(0)
            .partitions;
        request.topics[0].partitions.extend(more);
    }
    consumer.send(&request, 12).await;
    for partition in [2, 0, 1] {
        producer.produce("orders", partition, &one).await.offset();
    }
    // Had it been answered before the third batch, that would be missing.
    let (_, answer) = consumer.receive::<FetchResponse>(12).await;
    for partition in &answer.responses[0].partitions {
        assert_eq!(bases(partition), [0]);
    }
}

#[tokio::test]
async fn a_fetch_that_waits_in_vain_is_answered_empty_when_its_time_is_over() {
    let (_broker, mut client) = broker().await;
    let wait = Duration::from_millis(30);
    let mut request = patient(fetch_request("orders", 0, 0), 1);
    request.max_wait_ms = 30;
    let start = Instant::now();
    let answer = client.call(&request, 12).await;
    assert!(start.elapsed() >= wait, "{:?}", start.elapsed());
    assert_eq!(answer.responses[0].partitions[0].error_code, 0);
    assert!(bases(&answer.responses[0].partitions[0]).is_empty());
    // One that does not wait at all is answered as well.
    for request in [
        fetch_request("orders", 0, 0).with_min_bytes(1),
        fetch_request("orders", 0, 0)
            .with_min_bytes(i32::MIN)
            .with_max_wait_ms(i32::MAX),
        fetch_request("orders", 0, 0)
            .with_min_bytes(1)
            .with_max_wait_ms(i32::MIN),
    ] {
        let answer = client.call(&request, 12).await;
        assert!(bases(&answer.responses[0].partitions[0]).is_empty());
    }
}

#[tokio::test]
async fn deleting_a_topic_answers_those_who_wait_for_it() {
    let (broker, mut consumer) = broker().await;
    consumer
        .send(&patient(fetch_request("orders", 0, 0), 1), 12)
        .await;
    let mut other = Client::connect(broker.addr()).await;
    let delete = DeleteTopicsRequest::default().with_topic_names(vec![topic_name("orders")]);
    other.call(&delete, 5).await;
    let (_, answer) = consumer.receive::<FetchResponse>(12).await;
    let error = answer.responses[0].partitions[0].error_code;
    assert_eq!(error, ResponseError::UnknownTopicOrPartition.code());
}

#[tokio::test]
async fn requests_behind_a_waiting_fetch_are_answered_after_it() {
    let (broker, mut client) = broker().await;
    let fetch = client
        .send(&patient(fetch_request("orders", 0, 0), 1), 12)
        .await;
    let behind = client
        .send(&produce_request("orders", 1, &batch(&[b"behind"]), 1), 9)
        .await;
    let mut other = Client::connect(broker.addr()).await;
    other
        .produce("orders", 0, &batch(&[b"first"]))
        .await
        .offset();
    assert_eq!(client.receive::<FetchResponse>(12).await.0, fetch);
    assert_eq!(client.receive::<ProduceResponse>(9).await.0, behind);
}

#[tokio::test]
async fn many_consumers_of_one_partition_all_get_everything() {
    let (broker, mut producer) = broker().await;
    let consumers = (0..10).map(|_| {
        let address = broker.addr();
        tokio::spawn(async move {
            let mut client = Client::connect(address).await;
            let mut offset = 0;
            while offset < 50 {
                let request = patient(fetch_request("orders", 0, offset), 1);
                let answer = client.call(&request, 12).await;
                for base in bases(&answer.responses[0].partitions[0]) {
                    assert_eq!(base, offset);
                    offset += 1;
                }
            }
        })
    });
    let consumers: Vec<_> = consumers.collect();
    for _ in 0..50 {
        producer
            .produce("orders", 0, &batch(&[b"one"]))
            .await
            .offset();
    }
    for consumer in consumers {
        consumer.await.unwrap();
    }
}

#[tokio::test]
async fn a_reader_that_is_stuck_holds_nobody_up() {
    let broker = EmbeddedBroker::builder()
        .max_message_bytes(usize::MAX)
        .start()
        .await
        .unwrap();
    broker.create_topic("orders", 1).unwrap();
    let mut producer = Client::connect(broker.addr()).await;
    let large = batch(&[&vec![7; 8 * 1024 * 1024]]);
    producer.produce("orders", 0, &large).await.offset();

    // It asks for far more than fits into any socket buffer, and does not read.
    let mut stuck = Client::connect(broker.addr()).await;
    for _ in 0..20 {
        stuck.send(&fetch_request("orders", 0, 0), 12).await;
    }
    for offset in 1..50 {
        assert_eq!(
            producer
                .produce("orders", 0, &batch(&[b"on"]))
                .await
                .offset(),
            offset
        );
    }
    let mut reader = Client::connect(broker.addr()).await;
    assert_eq!(bases(&reader.fetch("orders", 0, 49).await), [49]);
    // All that it asked for is still to be had, in order and whole.
    for _ in 0..20 {
        let (_, answer) = stuck.receive::<FetchResponse>(12).await;
        let records = answer.responses[0].partitions[0].records.clone().unwrap();
        Batches::new(&records)
            .next()
            .unwrap()
            .unwrap()
            .verify_crc()
            .unwrap();
    }
}
