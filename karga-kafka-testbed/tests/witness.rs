//! An independent client, rskafka, as a witness: what it writes we read, what we write it reads.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;

use karga_kafka::records::{BatchSettings, Batches, Compression as Ours, Decompressor};
use karga_kafka_testbed::EmbeddedBroker;
use rskafka::{
    chrono::{DateTime, Utc},
    client::{
        ClientBuilder,
        partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling},
    },
    record::Record,
};
use support::{Client, batch_with};

const CODECS: [(Compression, Ours); 5] = [
    (Compression::NoCompression, Ours::None),
    (Compression::Gzip, Ours::Gzip),
    (Compression::Snappy, Ours::Snappy),
    (Compression::Lz4, Ours::Lz4),
    (Compression::Zstd, Ours::Zstd),
];

async fn rskafka(broker: &EmbeddedBroker) -> PartitionClient {
    let client = ClientBuilder::new(vec![broker.bootstrap()])
        .build()
        .await
        .unwrap();
    let controller = client.controller_client().unwrap();
    controller
        .create_topic("orders", 1, 1, 5_000)
        .await
        .unwrap();
    client
        .partition_client("orders", 0, UnknownTopicHandling::Error)
        .await
        .unwrap()
}

fn record(i: i64) -> Record {
    Record {
        key: (i % 2 == 0).then(|| format!("key {i}").into_bytes()),
        value: Some(vec![i as u8; 500]),
        headers: BTreeMap::from([("header".to_owned(), b"value".to_vec())]),
        timestamp: DateTime::<Utc>::from_timestamp_millis(1_700_000_000_000 + i).unwrap(),
    }
}

#[tokio::test]
async fn what_rskafka_writes_it_and_we_read_back() {
    let broker = EmbeddedBroker::start().await.unwrap();
    let partition = rskafka(&broker).await;
    let mut client = Client::connect(broker.addr()).await;
    for ((theirs, ours), round) in CODECS.into_iter().zip(0..) {
        let sent: Vec<_> = (0..100).map(|i| record(100 * round + i)).collect();
        let offsets = partition.produce(sent.clone(), theirs).await.unwrap();
        let base = 100 * round;
        assert_eq!(offsets, (base..base + 100).collect::<Vec<_>>());

        let (read, high_watermark) = partition
            .fetch_records(base, 1..10_000_000, 0)
            .await
            .unwrap();
        assert_eq!(high_watermark, base + 100);
        for ((read, sent), offset) in read.iter().zip(&sent).zip(base..) {
            assert_eq!((read.offset, &read.record), (offset, sent));
        }
        assert_eq!(read.len(), 100);

        let bytes = client.fetch("orders", 0, base).await.records.unwrap();
        let batch = Batches::new(&bytes).next().unwrap().unwrap();
        batch.verify_crc().unwrap();
        assert_eq!(batch.header().compression(), Some(ours));
        let mut decompressor = Decompressor::new();
        let mut seen = 0;
        for (read, sent) in batch.records(&mut decompressor).unwrap().zip(&sent) {
            let read = read.unwrap();
            assert_eq!(
                (read.key(), read.value()),
                (sent.key.as_deref(), sent.value.as_deref())
            );
            assert_eq!(read.timestamp(), sent.timestamp.timestamp_millis());
            let header = read.headers().next().unwrap().unwrap();
            assert_eq!((header.key, header.value), ("header", Some(&b"value"[..])));
            seen += 1;
        }
        assert_eq!(seen, 100);
    }
    assert_eq!(partition.get_offset(OffsetAt::Earliest).await.unwrap(), 0);
    assert_eq!(partition.get_offset(OffsetAt::Latest).await.unwrap(), 500);
}

#[tokio::test]
async fn what_we_write_rskafka_reads() {
    let broker = EmbeddedBroker::start().await.unwrap();
    let partition = rskafka(&broker).await;
    let mut client = Client::connect(broker.addr()).await;
    let values: Vec<Vec<u8>> = (0..100).map(|i| vec![i; 1_000]).collect();
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    for (_, ours) in CODECS {
        let batch = batch_with(&values, BatchSettings::new().compression(ours));
        let base = client.produce("orders", 0, &batch).await.offset();
        let (read, _) = partition
            .fetch_records(base, 1..10_000_000, 0)
            .await
            .unwrap();
        assert_eq!(read.len(), 100, "{ours}");
        for (read, value) in read.iter().zip(&values) {
            assert_eq!(read.record.value.as_deref(), Some(*value), "{ours}");
            assert_eq!(read.record.key, None);
        }
        for (read, timestamp) in read.iter().zip(1..) {
            assert_eq!(read.record.timestamp.timestamp_millis(), timestamp);
        }
    }
}
