//! Produce and InitProducerId: what is appended, what is refused, what is recognised.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use kafka_protocol::{
    ResponseError,
    messages::{
        InitProducerIdRequest, MetadataRequest, ProduceRequest, ProduceResponse, TransactionalId,
        metadata_request::MetadataRequestTopic,
    },
    protocol::StrBytes,
};
use karga_kafka::records::{BatchSettings, Batches, Compression, Decompressor, Producer};
use karga_kafka_testbed::EmbeddedBroker;
use support::{Client, batch, batch_with, produce_request, reseal, topic_name};

async fn broker() -> (EmbeddedBroker, Client) {
    let broker = EmbeddedBroker::start().await.unwrap();
    broker.create_topic("orders", 2).unwrap();
    let client = Client::connect(broker.addr()).await;
    (broker, client)
}

fn end(broker: &EmbeddedBroker) -> i64 {
    broker.offsets("orders").unwrap()[0].end
}

#[tokio::test]
async fn every_version_appends_and_says_where() {
    let (broker, mut client) = broker().await;
    let three = batch(&[b"a", b"b", b"c"]);
    for (version, base) in (3..=12).zip((0..).step_by(3)) {
        let produced = client.produce_with("orders", 0, &three, -1, version).await;
        assert_eq!(produced.offset(), base, "version {version}");
    }
    assert_eq!(end(&broker), 30);

    // Version 13 names the topic by its id.
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name("orders")));
    let metadata = client
        .call(
            &MetadataRequest::default().with_topics(Some(vec![topic])),
            12,
        )
        .await;
    let id = metadata.topics[0].topic_id;
    let mut request = produce_request("orders", 1, &three, 1);
    request.topic_data[0].name = topic_name("");
    request.topic_data[0].topic_id = id;
    let answer: ProduceResponse = client.call(&request, 13).await;
    assert_eq!(answer.responses[0].topic_id, id);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    assert_eq!(broker.offsets("orders").unwrap()[1].end, 3);

    request.topic_data[0].topic_id = "00000000-0000-0001-0000-00000000ffff".parse().unwrap();
    let answer: ProduceResponse = client.call(&request, 13).await;
    let error = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(error, ResponseError::UnknownTopicId.code());
}

#[tokio::test]
async fn batches_come_back_as_they_were_sent_but_for_offset_and_epoch() {
    let (_broker, mut client) = broker().await;
    client
        .produce("orders", 0, &batch(&[b"before"]))
        .await
        .offset();
    for compression in Compression::ALL {
        let sent = batch_with(
            &[b"first", b"second"],
            BatchSettings::new().compression(compression),
        );
        let base = client.produce("orders", 0, &sent).await.offset();
        let fetched = client.fetch("orders", 0, base).await.records.unwrap();
        let read = Batches::new(&fetched).next().unwrap().unwrap();
        read.verify_crc().unwrap();
        assert_eq!(read.header().base_offset, base);
        assert_eq!(read.header().leader_epoch, 0);
        assert_eq!(read.bytes()[8..12], sent[8..12]);
        assert_eq!(read.bytes()[16..], sent[16..], "{compression}");
        let mut decompressor = Decompressor::new();
        let offsets = read.records(&mut decompressor).unwrap();
        let offsets: Vec<_> = offsets.map(|record| record.unwrap().offset()).collect();
        assert_eq!(offsets, [base, base + 1]);
    }
}

#[tokio::test]
async fn what_is_damaged_or_not_allowed_is_refused_by_name_and_not_appended() {
    let (broker, mut client) = broker().await;
    let good = batch(&[b"first", b"second"]);
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.to_vec();
        change(&mut bytes);
        bytes
    };
    let sealed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = changed(change);
        reseal(&mut bytes);
        bytes
    };
    let last = good.len() - 1;
    let twice = [&good[..], &good[..]].concat();
    use ResponseError as E;
    let cases: [(&str, Vec<u8>, E); 14] = [
        (
            "a flipped bit",
            changed(&|b| b[last] ^= 1),
            E::CorruptMessage,
        ),
        ("a cut", good[..last].to_vec(), E::CorruptMessage),
        (
            "a length below a header's",
            changed(&|b| b[11] = 3),
            E::CorruptMessage,
        ),
        (
            "an old format",
            changed(&|b| b[16] = 1),
            E::UnsupportedForMessageFormat,
        ),
        ("nothing", Vec::new(), E::InvalidRecord),
        ("two batches", twice, E::InvalidRecord),
        (
            "compression 6",
            sealed(&|b| b[22] = 6),
            E::UnsupportedCompressionType,
        ),
        ("no gzip", sealed(&|b| b[22] = 1), E::CorruptMessage),
        (
            "a control batch",
            sealed(&|b| b[22] = 1 << 5),
            E::InvalidRecord,
        ),
        (
            "a transaction",
            sealed(&|b| b[22] = 1 << 4),
            E::InvalidTxnState,
        ),
        (
            "another last offset",
            sealed(&|b| b[26] = 5),
            E::InvalidRecord,
        ),
        (
            "a count of 2^31 - 1",
            sealed(&|b| {
                b[23..27].copy_from_slice(&(i32::MAX - 1).to_be_bytes());
                b[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
            }),
            E::CorruptMessage,
        ),
        (
            "a count of -1",
            sealed(&|b| b[57..61].fill(0xff)),
            E::InvalidRecord,
        ),
        (
            "a record with the wrong offset",
            sealed(&|b| b[64] = 2),
            E::InvalidRecord,
        ),
    ];
    for (what, bytes, error) in cases {
        let produced = client.produce("orders", 0, &bytes).await;
        assert_eq!(
            produced.error(),
            error,
            "{what}: {:?}",
            produced.0.error_message
        );
        assert!(produced.0.error_message.is_some(), "{what}");
    }
    for (topic, partition) in [("nowhere", 0), ("orders", 2), ("orders", -1)] {
        let produced = client.produce(topic, partition, &good).await;
        assert_eq!(
            produced.error(),
            E::UnknownTopicOrPartition,
            "{topic} {partition}"
        );
    }
    for acks in [2, -2, i16::MAX] {
        let produced = client.produce_with("orders", 0, &good, acks, 9).await;
        assert_eq!(produced.error(), E::InvalidRequiredAcks, "{acks}");
    }
    assert_eq!(end(&broker), 0);
    assert_eq!(broker.stats().batches_refused, 20);
    // The connection is none the worse for it.
    assert_eq!(client.produce("orders", 0, &good).await.offset(), 0);
}

#[tokio::test]
async fn a_batch_may_be_as_large_as_the_limit_and_no_larger() {
    let limit = 1_000;
    let broker = EmbeddedBroker::builder()
        .max_message_bytes(limit)
        .start()
        .await
        .unwrap();
    broker.create_topic("orders", 1).unwrap();
    let mut client = Client::connect(broker.addr()).await;
    let overhead = batch(&[&[0; 800]]).len() - 800;
    let fits = batch(&[&vec![0; limit - overhead]]);
    assert_eq!(fits.len(), limit);
    client.produce("orders", 0, &fits).await.offset();
    let over = batch(&[&vec![0; limit - overhead + 1]]);
    let refused = client.produce("orders", 0, &over).await;
    assert_eq!(refused.error(), ResponseError::MessageTooLarge);
    assert!(
        refused
            .0
            .error_message
            .as_ref()
            .unwrap()
            .contains("1001 bytes")
    );
}

#[tokio::test]
async fn acks_0_has_no_answer_and_closes_when_it_fails() {
    let (broker, mut client) = broker().await;
    let one = batch(&[b"one"]);
    client.send(&produce_request("orders", 0, &one, 0), 9).await;
    // The next answer is the next request's: nothing came in between.
    assert_eq!(client.produce("orders", 0, &one).await.offset(), 1);
    client
        .send(&produce_request("nowhere", 0, &one, 0), 9)
        .await;
    assert!(client.frame().await.is_none());
    assert_eq!(end(&broker), 2);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_broker, mut client) = broker().await;
    let one = batch(&[b"one"]);
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(
            client
                .send(&produce_request("orders", 0, &one, -1), 9)
                .await,
        );
    }
    for (offset, id) in ids.into_iter().enumerate() {
        let (answered, answer) = client.receive::<ProduceResponse>(9).await;
        assert_eq!(answered, id);
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(partition.base_offset, offset as i64);
    }
}

#[tokio::test]
async fn an_idempotent_producer_is_recognised() {
    let (broker, mut client) = broker().await;
    let request = InitProducerIdRequest::default().with_transactional_id(None);
    let first = client.call(&request, 4).await;
    let second = client.call(&request, 0).await;
    assert_eq!((first.error_code, first.producer_epoch), (0, 0));
    assert_ne!(first.producer_id, second.producer_id);

    let id = first.producer_id.0;
    let from = |epoch, base_sequence| {
        let producer = Producer {
            id,
            epoch,
            base_sequence,
        };
        batch_with(&[b"a", b"b"], BatchSettings::new().producer(producer))
    };
    for sequence in (0..12).step_by(2) {
        let produced = client.produce("orders", 0, &from(0, sequence)).await;
        assert_eq!(produced.offset(), i64::from(sequence));
    }
    // The last five are acknowledged again where they are.
    for sequence in (2..12).step_by(2) {
        let again = client.produce("orders", 0, &from(0, sequence)).await;
        assert_eq!(again.offset(), i64::from(sequence));
    }
    assert_eq!((end(&broker), broker.stats().duplicates), (12, 5));
    // What is older or beyond the next is out of order, as Kafka 4 answers both.
    for sequence in [0, 14, 11] {
        let refused = client.produce("orders", 0, &from(0, sequence)).await;
        assert_eq!(
            refused.error(),
            ResponseError::OutOfOrderSequenceNumber,
            "{sequence}"
        );
    }
    // A new epoch begins at 0 and ends the old one.
    let refused = client.produce("orders", 0, &from(1, 12)).await;
    assert_eq!(refused.error(), ResponseError::OutOfOrderSequenceNumber);
    assert_eq!(client.produce("orders", 0, &from(1, 0)).await.offset(), 12);
    let refused = client.produce("orders", 0, &from(0, 12)).await;
    assert_eq!(refused.error(), ResponseError::InvalidProducerEpoch);
    // Each partition has its own sequence.
    assert_eq!(client.produce("orders", 1, &from(0, 0)).await.offset(), 0);
    assert_eq!(end(&broker), 14);
}

#[tokio::test]
async fn transactions_are_refused_for_good() {
    let (_broker, mut client) = broker().await;
    let id = TransactionalId(StrBytes::from_static_str("t"));
    let request = InitProducerIdRequest::default().with_transactional_id(Some(id));
    let answer = client.call(&request, 4).await;
    let expected = ResponseError::TransactionalIdAuthorizationFailed.code();
    assert_eq!(answer.error_code, expected);
}

#[tokio::test]
async fn a_request_may_bring_many_partitions_each_with_its_own_fate() {
    let (broker, mut client) = broker().await;
    let mut request: ProduceRequest = produce_request("orders", 0, &batch(&[b"a"]), 1);
    let mut others = produce_request("orders", 1, b"no batch", 1)
        .topic_data
        .remove(0);
    request.topic_data[0]
        .partition_data
        .append(&mut others.partition_data);
    request
        .topic_data
        .push(produce_request("nowhere", 0, b"", 1).topic_data.remove(0));
    let answer: ProduceResponse = client.call(&request, 9).await;
    let errors: Vec<Vec<_>> = answer
        .responses
        .iter()
        .map(|topic| {
            topic
                .partition_responses
                .iter()
                .map(|p| p.error_code)
                .collect()
        })
        .collect();
    let corrupt = ResponseError::CorruptMessage.code();
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    assert_eq!(errors, [vec![0, corrupt], vec![unknown]]);
    assert_eq!(end(&broker), 1);
}
