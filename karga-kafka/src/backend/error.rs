//! Why a scenario cannot be built, or its load cannot begin.

use crate::{
    Error, KafkaUrl, UrlError,
    config::{Backend, ConfigError},
};

/// Why a scenario cannot be built.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The URL cannot be read.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A setting outside of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A range of payload sizes that ends before it starts.
    #[error("payload sizes from {min} to {max} bytes are no range: write the smaller one first")]
    PayloadRange {
        /// The first size.
        min: usize,
        /// The last size.
        max: usize,
    },
    /// A request that may get larger than it is allowed to be.
    #[error(
        "a request of {batch} records may take {bytes} bytes before compression, and at most {max} \
         are allowed: use a smaller batch or payload, or raise max_request_bytes"
    )]
    RequestTooLarge {
        /// Records of one request.
        batch: u32,
        /// Bytes that they may take.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A backend that this program was built without.
    #[error(
        "backend=rskafka is not part of this program: enable the feature \"rskafka\" \
         (of karga or karga-kafka), or use backend=native"
    )]
    NoBackend,
    /// A setting that the chosen backend cannot honour.
    #[error("backend={backend} cannot do {setting}: {why}")]
    Backend {
        /// The backend.
        backend: Backend,
        /// The setting and its value.
        setting: String,
        /// Why not, and the way out.
        why: &'static str,
    },
}

/// Why the load of a scenario cannot begin, or what it left cannot be cleaned up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The topic does not exist.
    #[error(
        "topic \"{topic}\" does not exist on {brokers}: check its name, create it first, or have \
         the producing scenario create it with create_topic(partitions)"
    )]
    UnknownTopic {
        /// The topic.
        topic: String,
        /// The brokers of the URL.
        brokers: String,
    },
    /// A partition that the topic does not have.
    #[error("topic \"{topic}\" has no partition {partition}: it has {partitions}, counted from 0")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: i32,
        /// How many there are.
        partitions: usize,
    },
    /// The brokers could not be asked, or refused.
    #[error("topic \"{topic}\" on {brokers} is not ready for load")]
    Client {
        /// The topic.
        topic: String,
        /// The brokers of the URL.
        brokers: String,
        /// What went wrong.
        source: Error,
    },
    /// A start offset that a partition does not hold.
    #[error(
        "partition {partition} of topic \"{topic}\" holds the offsets {earliest} up to {latest}, \
         and cannot be read from {offset}: choose one of these, or start from earliest or latest"
    )]
    StartOffset {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset asked for.
        offset: i64,
        /// The first offset that is there.
        earliest: i64,
        /// The next one to be written.
        latest: i64,
    },
    /// The rskafka backend could not connect.
    #[cfg(feature = "rskafka")]
    #[error("rskafka cannot reach topic \"{topic}\" on {brokers}")]
    Rskafka {
        /// The topic.
        topic: String,
        /// The brokers of the URL.
        brokers: String,
        /// What it says; none for a deadline of ours that passed.
        #[source]
        source: crate::backend::rskafka::RskafkaError,
    },
}

impl SetupError {
    /// The brokers of a URL, for a message.
    pub(crate) fn brokers(url: &KafkaUrl) -> String {
        let brokers: Vec<String> = url.endpoints().iter().map(ToString::to_string).collect();
        brokers.join(", ")
    }
}
