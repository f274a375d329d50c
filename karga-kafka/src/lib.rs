//! Kafka load scenarios for karga on a thin, pipelined wire client whose every retry is counted.

pub mod client;
pub mod config;
mod error;
mod error_codes;
mod keys;
mod partitioner;
mod payload;
pub mod records;
mod seeded;
mod url;
pub mod wire;

pub use error::{Error, Tried};
pub use error_codes::ErrorCode;
pub use keys::{Keys, ZipfError};
pub use partitioner::{Partitioning, partition_for_key};
pub use payload::{Payload, PayloadError, PayloadSize, RecordSeat};
pub use url::{KafkaUrl, UrlError, UrlOptions};
