//! The settings of a produce scenario.

use bytes::Bytes;

use super::{ProduceScenario, recipe::Recipe};
use crate::{
    Keys, Partitioning, Payload,
    backend::{
        error::BuildError,
        target::{IntoKafkaUrl, Target, target_setters},
    },
    config::{Acks, Backend, ConfigError, Connections},
    records::Compression,
    wire::frame,
};

/// Most bytes of one request's records unless told otherwise: somewhat less than a broker's default
/// `socket.request.max.bytes`, so that there is room for the request's head.
pub const DEFAULT_MAX_REQUEST: usize = frame::DEFAULT_MAX_LEN - 64 * 1024;

/// Builds a [`ProduceScenario`]. A setting takes the place of the URL's option of the same name.
#[derive(Debug, Clone)]
#[must_use = "settings do nothing until build() is called"]
pub struct ProduceScenarioBuilder {
    name: String,
    target: Target,
    acks: Option<Acks>,
    compression: Option<Compression>,
    partition: Option<Partitioning>,
    batch: Option<usize>,
    payload: Payload,
    keys: Keys,
    headers: Vec<(String, Option<Bytes>)>,
    seed: u64,
    max_request: usize,
    create_topic: Option<i32>,
}

impl ProduceScenarioBuilder {
    pub(super) fn new(url: impl IntoKafkaUrl) -> Self {
        Self {
            name: "produce".to_owned(),
            target: Target::new(url),
            acks: None,
            compression: None,
            partition: None,
            batch: None,
            payload: Payload::random(100),
            keys: Keys::none(),
            headers: Vec::new(),
            seed: 0,
            max_request: DEFAULT_MAX_REQUEST,
            create_topic: None,
        }
    }

    target_setters!();

    /// Whose connections requests go over: each user's own, or a shared pipelined pool.
    /// Default: the URL's, or [`PerWorker`](crate::config::Connections::PerWorker).
    pub const fn connections(mut self, connections: Connections) -> Self {
        self.target.connections = Some(connections);
        self
    }

    /// Whose acknowledgement an iteration waits for. Default: the URL's, or [`Acks::All`].
    ///
    /// With [`Acks::None`] the broker sends no answer: an iteration then succeeds when its requests
    /// were handed to the socket, and nothing says whether the broker took them.
    pub const fn acks(mut self, acks: Acks) -> Self {
        self.acks = Some(acks);
        self
    }

    /// How record batches are compressed. Default: the URL's, or not at all.
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Which partitions records go to. Default: the URL's, or [`Partitioning::ByKey`].
    pub const fn partition(mut self, partitioning: Partitioning) -> Self {
        self.partition = Some(partitioning);
        self
    }

    /// Records of one iteration, at least 1. They travel as one batch for each partition that they
    /// go to. Default: the URL's, or 1.
    pub const fn batch(mut self, records: usize) -> Self {
        self.batch = Some(records);
        self
    }

    /// What the values hold. Default: 100 random bytes.
    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// What the keys are. Default: none.
    pub fn keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }

    /// Adds a header to every record. Headers keep their order, and a name may come again.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// Adds a header without a value (null, which is not empty) to every record.
    pub fn null_header(mut self, name: impl Into<String>) -> Self {
        self.headers.push((name.into(), None));
        self
    }

    /// Seeds random payloads, keys and sticky partitions: the same seed makes the same records,
    /// whatever the scheduling and the number of workers. Default: 0.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Most bytes that the records of one request may take before compression, batch header
    /// included. Default: 64 KiB less than 100 MiB, a broker's own limit on requests.
    ///
    /// What may get larger is refused by [`build`](Self::build), where sizes are known before; an
    /// iteration whose closures wrote more fails with the class "request too large". The limit of
    /// the topic on one batch (`max.message.bytes`, 1 MiB unless set) is for the broker to tell: it
    /// answers `MESSAGE_TOO_LARGE`.
    pub const fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request = bytes;
        self
    }

    /// Makes the topic with this many partitions before the load, unless it exists already; an
    /// existing topic is used as it is. Default: the topic must exist.
    pub const fn create_topic(mut self, partitions: i32) -> Self {
        self.create_topic = Some(partitions);
        self
    }

    /// Checks and finishes the settings. Nothing is connected yet.
    ///
    /// # Errors
    /// A URL that cannot be read, a setting outside of its range, a request that may get too large,
    /// or a setting that the chosen backend cannot honour.
    pub fn build(self) -> Result<ProduceScenario, BuildError> {
        let url = self.target.url.clone()?;
        let config = self.target.client_config(&url)?;
        let backend = self.target.backend(&url)?;
        let batch = match self.batch {
            None => url.batch().get(),
            Some(records) => u32::try_from(records)
                .ok()
                .filter(|records| (1..=i32::MAX as u32).contains(records))
                .ok_or_else(|| out_of_range("batch", "1 to 2147483647 records", records))?,
        };
        let partitioning = self.partition.unwrap_or_else(|| url.partition());
        if let Partitioning::Explicit(partition @ ..0) = partitioning {
            return Err(out_of_range("partition", "0 or more", partition));
        }
        if let Some(partitions @ ..1) = self.create_topic {
            return Err(out_of_range(
                "create_topic",
                "at least 1 partition",
                partitions,
            ));
        }
        if let Some((min, max)) = self.payload.reversed_range() {
            return Err(BuildError::PayloadRange { min, max });
        }
        let acks = self.acks.unwrap_or_else(|| url.acks());
        let recipe = Recipe {
            seed: self.seed,
            batch,
            payload: self.payload,
            keys: self.keys,
            headers: self.headers,
            partitioning,
            compression: self.compression.unwrap_or_else(|| url.compression()),
        };
        if let Some(bytes) = recipe.max_len().filter(|bytes| *bytes > self.max_request) {
            let max = self.max_request;
            return Err(BuildError::RequestTooLarge { batch, bytes, max });
        }
        if backend == Backend::Rskafka {
            #[cfg(feature = "rskafka")]
            crate::backend::rskafka::check_produce(&config, acks, &recipe)?;
        }
        Ok(ProduceScenario::new(
            self.name,
            &url,
            config,
            backend,
            super::Plan {
                recipe,
                acks,
                max_request: self.max_request,
            },
            self.create_topic,
        ))
    }
}

fn out_of_range(setting: &'static str, range: &'static str, value: impl ToString) -> BuildError {
    BuildError::Config(ConfigError::OutOfRange {
        setting,
        range,
        value: value.to_string(),
    })
}
