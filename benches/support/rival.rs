//! rskafka 0.6, the rival in Rust, at each of the benchmarks' tasks.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rskafka::chrono::{DateTime, Utc};
use rskafka::client::controller::ControllerClient;
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;
use tokio::task::JoinSet;

use super::{Row, Watch, unix_millis};

/// How the tables call it.
pub const NAME: &str = "rskafka 0.6";

/// A client of partition 0 of one topic.
pub struct Rival {
    topic: String,
    controller: ControllerClient,
    partition: Arc<PartitionClient>,
}

impl Rival {
    /// Makes the topic, with one partition, and waits until it can be written.
    pub async fn connect(address: &str, topic: &str) -> Result<Self, Box<dyn Error>> {
        let client = client(address).await?;
        client
            .controller_client()?
            .create_topic(topic, 1, 1, 5_000)
            .await?;
        let rival = Self::over(&client, topic).await?;
        // Retried until the leader is elected: others than rskafka need it to be there.
        rival
            .partition
            .produce(records(1, 100)?, Compression::NoCompression)
            .await?;
        Ok(rival)
    }

    /// Takes a topic as it is.
    pub async fn attach(address: &str, topic: &str) -> Result<Self, Box<dyn Error>> {
        Self::over(&client(address).await?, topic).await
    }

    async fn over(client: &Client, topic: &str) -> Result<Self, Box<dyn Error>> {
        let partition = client
            .partition_client(topic, 0, UnknownTopicHandling::Retry)
            .await?;
        Ok(Self {
            topic: topic.to_owned(),
            controller: client.controller_client()?,
            partition: Arc::new(partition),
        })
    }

    /// Deletes the topic.
    pub async fn delete_topic(&self) -> Result<(), Box<dyn Error>> {
        Ok(self.controller.delete_topic(&self.topic, 5_000).await?)
    }

    /// Sends `requests` of `count` records of `size` bytes, `in_flight` at a time. rskafka takes
    /// records by value: the copy is part of its price, as a load generator would pay it.
    pub async fn produce(
        &self,
        bench: &'static str,
        [requests, count, size, in_flight]: [usize; 4],
    ) -> Result<Row, Box<dyn Error>> {
        let template = Arc::new(records(count, size)?);
        let next = Arc::new(AtomicUsize::new(0));
        let mut watch = Watch::start(requests);
        let mut tasks = JoinSet::new();
        for _ in 0..in_flight {
            let (template, next) = (Arc::clone(&template), Arc::clone(&next));
            let partition = Arc::clone(&self.partition);
            tasks.spawn(async move {
                let mut times = Vec::with_capacity(requests);
                while next.fetch_add(1, Ordering::Relaxed) < requests {
                    let begun = Instant::now();
                    let records = template.as_ref().clone();
                    partition
                        .produce(records, Compression::NoCompression)
                        .await?;
                    times.push(begun.elapsed());
                }
                Ok::<_, rskafka::client::error::Error>(times)
            });
        }
        while let Some(times) = tasks.join_next().await {
            watch.requests(times??);
        }
        Ok(watch.stop(bench, NAME, (requests * count) as u64))
    }

    /// One request of these records, answered.
    pub async fn produce_one(&self, records: &[Record]) -> Result<(), Box<dyn Error>> {
        let records = records.to_vec();
        self.partition
            .produce(records, Compression::NoCompression)
            .await?;
        Ok(())
    }

    /// Reads the partition from its first record to the end that it has now.
    pub async fn fetch(&self, bench: &'static str, bytes: i32) -> Result<Row, Box<dyn Error>> {
        let mut offset = self.partition.get_offset(OffsetAt::Earliest).await?;
        let end = self.partition.get_offset(OffsetAt::Latest).await?;
        let (mut messages, mut read) = (0, 0);
        let watch = Watch::start(0);
        while offset < end {
            let (records, _) = self
                .partition
                .fetch_records(offset, 1..bytes, 1_000)
                .await?;
            let last = records.last().ok_or("an answer without records")?;
            offset = last.offset + 1;
            messages += records.len() as u64;
            read += records
                .iter()
                .filter_map(|record| record.record.value.as_ref())
                .map(Vec::len)
                .sum::<usize>();
        }
        std::hint::black_box(read);
        Ok(watch.stop(bench, NAME, messages))
    }
}

async fn client(address: &str) -> Result<Client, Box<dyn Error>> {
    Ok(ClientBuilder::new(vec![address.to_owned()]).build().await?)
}

/// `count` records of `size` bytes without a key.
pub fn records(count: usize, size: usize) -> Result<Vec<Record>, Box<dyn Error>> {
    let timestamp = DateTime::<Utc>::from_timestamp_millis(unix_millis()?)
        .ok_or("the clock is out of chrono's range")?;
    let record = Record {
        key: None,
        value: Some(vec![b'x'; size]),
        headers: Default::default(),
        timestamp,
    };
    Ok(vec![record; count])
}
