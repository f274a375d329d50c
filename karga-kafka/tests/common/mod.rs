//! What the tests of the client share: a broker to talk to, and batches to send.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod scripted;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use karga_kafka::client::{Client, NewTopic, Topic};
use karga_kafka::config::{ClientConfig, ClientConfigBuilder, Endpoint};
use karga_kafka::records::{BatchEncoder, BatchSettings, Batches, Decompressor, Record};
use karga_kafka_testbed::EmbeddedBroker;

/// The broker that `KARGA_KAFKA=host:port` names, or else an embedded one of the test's own.
pub(crate) struct Broker {
    endpoint: Endpoint,
    /// Ends when dropped.
    _embedded: Option<EmbeddedBroker>,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        let (named, embedded) = match std::env::var("KARGA_KAFKA") {
            Ok(named) => (named, None),
            Err(_) => {
                let broker = EmbeddedBroker::start().await.expect("a free port");
                (broker.bootstrap(), Some(broker))
            }
        };
        Self {
            endpoint: named.parse().expect("KARGA_KAFKA is host:port"),
            _embedded: embedded,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    pub(crate) fn config(&self) -> ClientConfigBuilder {
        config(self.endpoint())
    }

    pub(crate) async fn client(&self) -> Client {
        let config = self.config().build().expect("valid settings");
        Client::connect(config)
            .await
            .expect("a broker to connect to")
    }

    /// A topic that nobody else uses, with a client for it.
    pub(crate) async fn topic(&self, partitions: i32) -> (Client, Topic) {
        let client = self.client().await;
        let topic = NewTopic::new(unique("t")).partitions(partitions);
        let topic = client.create_topic(&topic).await.expect("a new topic");
        (client, topic)
    }
}

/// Deadlines that are long enough for a busy machine, and short enough for a hung test.
pub(crate) fn config(endpoint: Endpoint) -> ClientConfigBuilder {
    ClientConfig::builder()
        .bootstrap([endpoint])
        .connect_timeout(Duration::from_secs(20))
        .request_timeout(Duration::from_secs(20))
}

/// A name that no other test, and no earlier run against the same broker, uses.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock after 1970");
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(
        "{prefix}-{}-{}-{number}",
        std::process::id(),
        now.as_nanos()
    )
}

/// A batch of one record for each value, with the timestamps 1000, 1001...
pub(crate) fn batch(settings: BatchSettings, values: &[&str]) -> BytesMut {
    let mut out = BytesMut::new();
    let mut encoder = BatchEncoder::new();
    let mut batch = encoder.begin(&mut out, settings);
    for (timestamp, value) in (1000..).zip(values) {
        let record = Record::new(value.as_bytes()).timestamp(timestamp);
        batch.push(&record).expect("a small record");
    }
    batch.finish().expect("a whole batch");
    out
}

/// Writes a batch as `produce` wants it.
pub(crate) fn write(
    batch: BytesMut,
) -> impl FnOnce(&mut BytesMut) -> Result<(), std::convert::Infallible> + Send {
    move |out| {
        out.extend_from_slice(&batch);
        Ok(())
    }
}

/// The offsets and values of all records in fetched bytes, each batch's CRC checked.
pub(crate) fn read(records: &[u8]) -> Vec<(i64, String)> {
    let mut decompressor = Decompressor::new();
    let mut found = Vec::new();
    for batch in Batches::new(records) {
        let batch = batch.expect("a whole batch");
        batch.verify_crc().expect("an intact batch");
        for record in batch.records(&mut decompressor).expect("records") {
            let record = record.expect("an intact record");
            let value = record.value().expect("a value");
            let value = String::from_utf8(value.to_vec()).expect("text");
            found.push((record.offset(), value));
        }
    }
    found
}
