//! Kafka load scenarios for karga on a thin, pipelined wire client whose every retry is counted.

mod keys;
mod partitioner;
mod payload;
pub mod records;
mod seeded;
pub mod wire;

pub use keys::{Keys, ZipfError};
pub use partitioner::{Partitioning, partition_for_key};
pub use payload::{Payload, PayloadError, PayloadSize, RecordSeat};
