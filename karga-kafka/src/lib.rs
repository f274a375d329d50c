//! Kafka load scenarios for karga on a thin, pipelined wire client whose every retry is counted.
//!
//! # Concepts
//!
//! - [`ProduceScenario`] writes: what ([`Payload`], [`Keys`], headers), where to ([`Partitioning`]),
//!   how many records to a request, and whose acknowledgement to wait for. The records of a run
//!   follow from a seed alone.
//! - [`FetchScenario`] reads as one consumer group does, checks and parses every record, and tells
//!   its lag.
//! - [`KafkaUrl`] names the target of either in one line; every option is a builder setting too.
//! - [`client`] is what carries both: deadlines that hold, no retry unless asked for, and every
//!   retry, reconnect, throttle and leader change counted. [`records`] and [`wire`] are its batches
//!   and its frames.
//!
//! An iteration that timed out, or lost its connection with a request under way, is
//! [`Unknown`](karga_core::Outcome::Unknown): its records may be in the log or not. Whatever happens,
//! the records acknowledged are in the log, and the log holds no more than those acknowledged and
//! those unknown.
//!
//! ```no_run
//! use std::time::Duration;
//! use karga_core::{Action, Iteration, Metric, Scenario};
//! use karga_kafka::{Keys, Payload, ProduceScenario};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scenario = ProduceScenario::builder("kafka://localhost:9092/orders?acks=all")
//!     .batch(100)
//!     .payload(Payload::random(200..=400))
//!     .keys(Keys::zipf(10_000, 1.0)?)
//!     .build()?;
//!
//! // An executor does this, many times and on a schedule: see `karga-executors` and `karga`.
//! scenario.setup().await?;
//! let user = scenario.connect(0).await?;
//! let metric = user.call(Iteration::new(0, 0, Duration::ZERO)).await;
//! println!("{:?}, {} records", metric.outcome(), metric.volume().messages);
//! scenario.teardown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `rskafka`: the crate rskafka as a second backend, chosen by `backend=rskafka`. What it cannot
//!   do (acknowledgements other than all, counted retries, deadlines of its own) is refused by name
//!   or documented.

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

#[cfg(feature = "rskafka")]
pub use backend::rskafka::RskafkaError;
pub use backend::{
    error::{BuildError, SetupError},
    target::IntoKafkaUrl,
};
pub use client::RetryPolicy;
pub use config::{Acks, Backend, Connections, Isolation};
pub use error::{Error, Tried};
pub use error_codes::ErrorCode;
pub use fetch::{FetchMetric, FetchScenario, FetchScenarioBuilder, FetchUser, StartOffset};
pub use keys::{Keys, ZipfError};
pub use partitioner::{Partitioning, partition_for_key};
pub use payload::{Payload, PayloadError, PayloadSize, RecordSeat};
pub use produce::{
    DEFAULT_MAX_REQUEST, ProduceMetric, ProduceScenario, ProduceScenarioBuilder, ProduceUser,
};
pub use records::Compression;
pub use url::{KafkaUrl, UrlError, UrlOptions};
