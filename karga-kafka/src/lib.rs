//! Kafka load scenarios for karga on a thin, pipelined wire client whose every retry is counted.

mod backend;
pub mod client;
pub mod config;
mod error;
mod error_codes;
mod fetch;
mod keys;
mod partitioner;
mod payload;
mod produce;
pub mod records;
mod seeded;
mod url;
pub mod wire;

pub use backend::{
    error::{BuildError, SetupError},
    target::IntoKafkaUrl,
};
#[cfg(feature = "rskafka")]
pub use backend::rskafka::RskafkaError;
pub use error::{Error, Tried};
pub use error_codes::ErrorCode;
pub use fetch::{FetchMetric, FetchScenario, FetchScenarioBuilder, FetchUser, StartOffset};
pub use keys::{Keys, ZipfError};
pub use partitioner::{Partitioning, partition_for_key};
pub use payload::{Payload, PayloadError, PayloadSize, RecordSeat};
pub use produce::{
    DEFAULT_MAX_REQUEST, ProduceMetric, ProduceScenario, ProduceScenarioBuilder, ProduceUser,
};
pub use url::{KafkaUrl, UrlError, UrlOptions};
