//! Carries requests by the crate rskafka.
//!
//! What it cannot do is refused by name when a scenario is built: acknowledgements other than all,
//! retries (its own are neither bounded nor counted, so they are switched off), shared connections,
//! headers that repeat, have no value or are not sorted, and looking at records. What it does
//! otherwise than this crate's client:
//!
//! - It has no deadlines: ours lie around it, and a request that was given up may still arrive.
//! - When a broker asks it to slow down, it waits and sends the same request again, also when that
//!   was carried out: records may then be in the log twice.
//! - It tells no bytes on the wire: bytes are those of keys, values and headers.
//! - It has one fetch for each partition, and asks for committed records always.

use std::{collections::BTreeMap, future::Future, sync::PoisonError, time::Duration};

use karga_core::Outcome;
use rskafka::{
    BackoffConfig, BackoffError,
    chrono::{DateTime, Utc},
    client::{
        Client, ClientBuilder,
        error::{Error, ProtocolError},
        partition::{Compression as Codec, PartitionClient, UnknownTopicHandling},
    },
    record::{Record, RecordAndOffset},
};

use super::{
    Ack, Fault, Order, Places,
    error::{BuildError, SetupError},
    native::{Place, Refusal},
};
use crate::{
    Partitioning, RecordSeat,
    config::{Acks, Backend, ClientConfig, Connections, FetchSettings},
    error_codes::ErrorCode,
    produce::{Plan, recipe::Recipe},
    records::Compression,
};

/// Why rskafka did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RskafkaError {
    /// It said so itself.
    #[error("rskafka failed")]
    Client(#[from] Box<Error>),
    /// The deadline that lies around it passed.
    #[error("rskafka did not finish within {after:?}")]
    Timeout {
        /// The deadline.
        after: Duration,
    },
}

/// Refuses what rskafka cannot do for a producer.
pub(crate) fn check_produce(
    config: &ClientConfig,
    acks: Acks,
    recipe: &Recipe,
) -> Result<(), BuildError> {
    check(config)?;
    if acks != Acks::All {
        return Err(cannot(
            format!("acks={acks}"),
            "it always waits for all in-sync replicas; use acks=all, or backend=native",
        ));
    }
    let mut last: Option<&str> = None;
    for (name, value) in &recipe.headers {
        if value.is_none() {
            return Err(cannot(
                format!("a header {name:?} without a value"),
                "its headers always have one; use an empty value, or backend=native",
            ));
        }
        if last.is_some_and(|last| last >= name.as_str()) {
            return Err(cannot(
                format!("a header {name:?} at this place"),
                "it sorts headers by name and keeps one of each; add them in that order, or use \
                 backend=native",
            ));
        }
        last = Some(name);
    }
    Ok(())
}

/// Refuses what rskafka cannot do for a consumer.
pub(crate) fn check_fetch(config: &ClientConfig, on_record: bool) -> Result<(), BuildError> {
    check(config)?;
    if on_record {
        return Err(cannot(
            "on_record".to_owned(),
            "its records have another form; leave it out, or use backend=native",
        ));
    }
    Ok(())
}

fn check(config: &ClientConfig) -> Result<(), BuildError> {
    let retries = config.retry().retries();
    if retries > 0 {
        return Err(cannot(
            format!("retries={retries}"),
            "its retries are neither bounded nor counted; use retries=0, or backend=native",
        ));
    }
    if let Connections::Shared { connections, .. } = config.connections() {
        return Err(cannot(
            format!("connections={connections}"),
            "each user has connections of its own; leave it out, or use backend=native",
        ));
    }
    Ok(())
}

fn cannot(setting: String, why: &'static str) -> BuildError {
    BuildError::Backend {
        backend: Backend::Rskafka,
        setting,
        why,
    }
}

/// A client of its own, and one connection to each partition's leader.
#[derive(Debug)]
struct Partitions {
    _client: Client,
    by_index: BTreeMap<i32, PartitionClient>,
    deadline: Duration,
}

impl Partitions {
    async fn connect(
        config: &ClientConfig,
        place: &Place,
        wanted: impl IntoIterator<Item = i32>,
    ) -> Result<Self, SetupError> {
        let connecting = async {
            let brokers = config.bootstrap().iter().map(ToString::to_string);
            let client = ClientBuilder::new(brokers.collect())
                .client_id(config.client_id())
                .max_message_size(config.max_frame())
                .backoff_config(no_retries())
                .build()
                .await?;
            let mut by_index = BTreeMap::new();
            for index in wanted {
                let partition = client
                    .partition_client(&place.topic, index, UnknownTopicHandling::Error)
                    .await?;
                by_index.insert(index, partition);
            }
            Ok((client, by_index))
        };
        let after = config.connect_timeout() + config.request_timeout();
        let connected = match tokio::time::timeout(after, connecting).await {
            Ok(Ok(connected)) => Ok(connected),
            Ok(Err(error)) => Err(RskafkaError::from(Box::new(error))),
            Err(_) => Err(RskafkaError::Timeout { after }),
        };
        let (client, by_index) = connected.map_err(|source| SetupError::Rskafka {
            topic: place.topic.clone(),
            brokers: place.brokers.clone(),
            source,
        })?;
        Ok(Self {
            _client: client,
            by_index,
            deadline: config.request_timeout(),
        })
    }

    fn get(&self, partition: i32) -> Result<&PartitionClient, Fault> {
        self.by_index.get(&partition).ok_or(Fault {
            outcome: Outcome::Failure,
            class: "no such partition".into(),
            bytes: 0,
            why: format!("rskafka is not connected to partition {partition}").into(),
        })
    }

    /// Holds a request of `bytes` to the request deadline and `more`.
    async fn within<T>(
        &self,
        more: Duration,
        bytes: usize,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Fault> {
        let after = self.deadline.saturating_add(more);
        match tokio::time::timeout(after, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(fault(error, bytes)),
            Err(_) => Err(Fault {
                outcome: Outcome::Unknown,
                class: "timeout".into(),
                bytes,
                why: Box::new(RskafkaError::Timeout { after }),
            }),
        }
    }
}

/// Its first wait is as long as all waits may take together, so the first error is the last.
fn no_retries() -> BackoffConfig {
    let never = Duration::from_secs(1);
    BackoffConfig {
        init_backoff: never,
        deadline: Some(never),
        ..BackoffConfig::default()
    }
}

/// One user's way to produce.
#[derive(Debug)]
pub(crate) struct RskafkaProducer {
    partitions: Partitions,
    codec: Codec,
    max_request: usize,
}

impl RskafkaProducer {
    pub(crate) async fn connect(
        config: &ClientConfig,
        place: &Place,
        partitions: usize,
        plan: &Plan,
    ) -> Result<Self, SetupError> {
        let wanted: Vec<i32> = match plan.recipe.partitioning {
            Partitioning::Explicit(one) => vec![one],
            _ => (0..).take(partitions).collect(),
        };
        Ok(Self {
            partitions: Partitions::connect(config, place, wanted).await?,
            codec: match plan.recipe.compression {
                Compression::None => Codec::NoCompression,
                Compression::Gzip => Codec::Gzip,
                Compression::Snappy => Codec::Snappy,
                Compression::Lz4 => Codec::Lz4,
                Compression::Zstd => Codec::Zstd,
            },
            max_request: plan.max_request,
        })
    }

    pub(crate) async fn send(&self, order: &Order<'_>) -> Result<Ack, Fault> {
        let records = records(order);
        let bytes = records.iter().map(Record::approximate_size).sum();
        if bytes > self.max_request {
            let refusal = Refusal::TooLarge {
                bytes,
                max: self.max_request,
            };
            return Err(Fault {
                outcome: Outcome::Failure,
                class: refusal.class().into(),
                bytes: 0,
                why: Box::new(refusal),
            });
        }
        let client = self.partitions.get(order.partition)?;
        let produce = client.produce(records, self.codec);
        let offsets = self
            .partitions
            .within(Duration::ZERO, bytes, produce)
            .await?;
        Ok(Ack {
            base_offset: offsets.first().copied(),
            bytes,
        })
    }
}

/// The records of an order, as rskafka takes them.
fn records(order: &Order<'_>) -> Vec<Record> {
    let recipe = order.recipe;
    let headers: BTreeMap<String, Vec<u8>> = recipe
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_ref()?.to_vec())))
        .collect();
    let timestamp = DateTime::<Utc>::from_timestamp_millis(order.timestamp).unwrap_or_default();
    // A panic in a user's closure leaves half a record at most, which is overwritten.
    let mut desk = order.desk.lock().unwrap_or_else(PoisonError::into_inner);
    let mut make = |place| {
        let seat = RecordSeat::new(order.index, place, recipe.batch);
        let made = recipe.make_at(&mut desk, seat);
        Record {
            key: made.key.map(<[u8]>::to_vec),
            value: Some(made.value.to_vec()),
            headers: headers.clone(),
            timestamp,
        }
    };
    match order.places {
        Places::All(count) => (0..count).map(make).collect(),
        Places::Some(places) => places.iter().map(|&place| make(place)).collect(),
    }
}

/// One user's way to fetch.
#[derive(Debug)]
pub(crate) struct RskafkaFetcher {
    partitions: Partitions,
}

impl RskafkaFetcher {
    pub(crate) async fn connect(
        config: &ClientConfig,
        place: &Place,
        wanted: impl IntoIterator<Item = i32>,
    ) -> Result<Self, SetupError> {
        let partitions = Partitions::connect(config, place, wanted).await?;
        Ok(Self { partitions })
    }

    /// Records from `position` on, and the high watermark.
    pub(crate) async fn fetch(
        &self,
        partition: i32,
        position: i64,
        settings: &FetchSettings,
    ) -> Result<(Vec<RecordAndOffset>, i64), Fault> {
        let wait = settings.max_wait();
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // The end of its range is not part of it.
        let bytes = settings.min_bytes()..settings.max_bytes().saturating_add(1);
        let client = self.partitions.get(partition)?;
        let fetch = client.fetch_records(position, bytes, wait_ms);
        self.partitions.within(wait, 0, fetch).await
    }
}

/// What a metric tells of rskafka's error.
fn fault(error: Error, bytes: usize) -> Fault {
    let error = first(error);
    let (outcome, class) = match &error {
        Error::ServerError { protocol_error, .. } => {
            let (name, may_have_happened) = name_of(*protocol_error);
            let outcome = if may_have_happened {
                Outcome::Unknown
            } else {
                Outcome::Failure
            };
            (outcome, name.into())
        }
        Error::Connection(_) => (Outcome::Failure, "connect failed".into()),
        Error::Request(_) => (Outcome::Unknown, "connection closed".into()),
        Error::Timeout => (Outcome::Unknown, "timeout".into()),
        _ => (Outcome::Unknown, "protocol".into()),
    };
    let sent = !matches!(error, Error::Connection(_));
    Fault {
        outcome,
        class,
        bytes: if sent { bytes } else { 0 },
        why: Box::new(error),
    }
}

/// The error that came first: with no retries a failed retry wraps it.
fn first(error: Error) -> Error {
    match error {
        Error::RetryFailed(BackoffError::DeadlineExceded { source, .. }) => {
            match source.downcast::<Error>() {
                Ok(inner) => first(*inner),
                Err(_) => Error::Timeout,
            }
        }
        error => error,
    }
}

/// The protocol's name of an error, and whether the request may have taken effect.
fn name_of(error: ProtocolError) -> (String, bool) {
    if let ProtocolError::Unknown(code) = error {
        let name = ErrorCode::new(code).map(|code| code.name().into_owned());
        return (name.unwrap_or_default(), false);
    }
    // NotLeaderOrFollower is NOT_LEADER_OR_FOLLOWER.
    let mut name = String::new();
    for c in format!("{error:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    let may_have_happened = matches!(
        error,
        ProtocolError::RequestTimedOut | ProtocolError::NotEnoughReplicasAfterAppend
    );
    (name, may_have_happened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_protocols_names() {
        for (error, name) in [
            (ProtocolError::NotLeaderOrFollower, "NOT_LEADER_OR_FOLLOWER"),
            (ProtocolError::MessageTooLarge, "MESSAGE_TOO_LARGE"),
            (ProtocolError::OffsetOutOfRange, "OFFSET_OUT_OF_RANGE"),
            (ProtocolError::Unknown(4000), "UNKNOWN_ERROR_CODE_4000"),
        ] {
            assert_eq!(name_of(error), (name.to_owned(), false));
        }
        assert!(name_of(ProtocolError::RequestTimedOut).1);
    }
}
