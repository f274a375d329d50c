//! Carries requests by this crate's own client.

use std::{borrow::Borrow, error::Error as StdError, sync::PoisonError, time::Duration};

use bytes::BytesMut;
use karga_core::Outcome;

use super::{Ack, Fault, Order, Places};
use crate::{
    Error,
    backend::error::SetupError,
    client::{Client, NewTopic, Session, Topic},
    config::{Acks, ClientConfig},
    error_codes::ErrorCode,
    records,
};

/// A client and the topic that a scenario is aimed at.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) topic: Topic,
}

/// What a message about a cluster names.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) brokers: String,
}

impl Place {
    pub(crate) fn failed(&self, source: Error) -> SetupError {
        SetupError::Client {
            topic: self.topic.clone(),
            brokers: self.brokers.clone(),
            source,
        }
    }
}

impl Cluster {
    /// Connects, and finds the topic or makes it with `create` partitions.
    pub(crate) async fn reach(
        config: ClientConfig,
        place: &Place,
        create: Option<i32>,
    ) -> Result<Self, SetupError> {
        let client = Client::connect(config)
            .await
            .map_err(|error| place.failed(error))?;
        let found = match (client.topic(&place.topic).await, create) {
            (Err(error), Some(partitions)) if is_unknown_topic(&error) => {
                Self::create(&client, place, partitions).await
            }
            (found, _) => found,
        };
        match found {
            Ok(topic) => Ok(Self { client, topic }),
            Err(error) if is_unknown_topic(&error) => Err(SetupError::UnknownTopic {
                topic: place.topic.clone(),
                brokers: place.brokers.clone(),
            }),
            Err(error) => Err(place.failed(error)),
        }
    }

    async fn create(client: &Client, place: &Place, partitions: i32) -> Result<Topic, Error> {
        let new = NewTopic::new(&place.topic).partitions(partitions);
        match client.create_topic(&new).await {
            // Somebody else was faster.
            Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                client.topic(&place.topic).await
            }
            made => made,
        }
    }
}

fn is_unknown_topic(error: &Error) -> bool {
    error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

/// One user's way to produce.
#[derive(Debug)]
pub(crate) struct NativeProducer {
    pub(crate) session: Session,
    pub(crate) topic: Topic,
    pub(crate) acks: Acks,
    /// Most bytes of one batch.
    pub(crate) max_request: usize,
}

impl NativeProducer {
    pub(crate) async fn send(&self, order: &Order<'_>) -> Result<Ack, Fault> {
        let mut bytes = 0;
        let mut refused = None;
        let sent = {
            let write = |out: &mut BytesMut| match encode(order, self.max_request, out) {
                Ok(written) => {
                    bytes = written;
                    Ok(())
                }
                Err(refusal) => {
                    refused = Some(refusal.class());
                    Err(refusal)
                }
            };
            self.session
                .produce(&self.topic, order.partition, self.acks, write)
                .await
        };
        match sent {
            Ok(produced) => Ok(Ack {
                base_offset: (produced.base_offset >= 0).then_some(produced.base_offset),
                bytes,
            }),
            Err(error) => Err(fault(error, refused, bytes)),
        }
    }

    /// Sends orders for different partitions together, in ascending order of the partitions.
    pub(crate) async fn send_group(&self, orders: &[Order<'_>]) -> Vec<Result<Ack, Fault>> {
        let partitions: Vec<i32> = orders.iter().map(|order| order.partition).collect();
        let mut bytes = vec![0; orders.len()];
        let mut refused = None;
        let mut write = |partition: i32, out: &mut BytesMut| {
            let place = partitions.partition_point(|one| *one < partition);
            match encode(&orders[place], self.max_request, out) {
                Ok(written) => {
                    bytes[place] = written;
                    Ok(())
                }
                Err(refusal) => {
                    refused = Some(refusal.class());
                    Err(refusal)
                }
            }
        };
        let sent = self
            .session
            .produce_group(&self.topic, &partitions, self.acks, &mut write)
            .await;
        let results = sent.into_iter().zip(bytes);
        let results = results.map(|(result, bytes)| match result {
            Ok(produced) => Ok(Ack {
                base_offset: (produced.base_offset >= 0).then_some(produced.base_offset),
                bytes,
            }),
            Err(error) => Err(fault(error, refused, bytes)),
        });
        results.collect()
    }
}

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "the batch has {bytes} bytes before compression, and at most {max} are allowed: use a \
         smaller batch or payload, or raise max_request_bytes"
    )]
    TooLarge { bytes: usize, max: usize },
    #[error(transparent)]
    Encode(#[from] records::EncodeError),
}

impl Refusal {
    pub(crate) const fn class(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::Encode(records::EncodeError::TooLarge { .. }) => {
                "request too large"
            }
            Self::Encode(_) => "encoding failed",
        }
    }
}

/// Writes an order's batch to the end of `out`, and returns how many bytes it takes.
pub(crate) fn encode(
    order: &Order<'_>,
    max_request: usize,
    out: &mut BytesMut,
) -> Result<usize, Refusal> {
    // A panic in a user's closure leaves half a record at most, which is overwritten.
    let mut desk = order.desk.lock().unwrap_or_else(PoisonError::into_inner);
    let start = out.len();
    let (index, timestamp) = (order.index, order.timestamp);
    let written = match order.places {
        Places::All(count) => order
            .recipe
            .encode(&mut desk, index, 0..count, timestamp, out),
        Places::Some(places) => {
            let places = places.iter().copied();
            order
                .recipe
                .encode(&mut desk, index, places, timestamp, out)
        }
    }?;
    if written.uncompressed_bytes > max_request {
        out.truncate(start);
        return Err(Refusal::TooLarge {
            bytes: written.uncompressed_bytes,
            max: max_request,
        });
    }
    Ok(written.bytes)
}

/// What a metric tells of an error. `refused` is the class of our own refusal to write.
pub(crate) fn fault(
    error: impl Borrow<Error> + StdError + Send + Sync + 'static,
    refused: Option<&'static str>,
    bytes: usize,
) -> Fault {
    let told: &Error = error.borrow();
    let reached = told.may_have_happened() || told.code().is_some();
    Fault {
        outcome: told.outcome(),
        class: match refused {
            Some(class) => class.into(),
            None => told.class(),
        },
        bytes: if reached { bytes } else { 0 },
        why: Box::new(error),
    }
}

/// Whether the outcome of two parts together is that of the second.
pub(crate) fn is_worse(first: Outcome, second: Outcome) -> bool {
    let rank = |outcome| match outcome {
        Outcome::Success => 0,
        Outcome::Unknown => 1,
        _ => 2,
    };
    rank(second) > rank(first)
}

/// Milliseconds since the Unix epoch by this machine's clock; 0 before it.
pub(crate) fn now_millis() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
