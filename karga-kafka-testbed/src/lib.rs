//! An in-process, in-memory Kafka broker on a real TCP port, to test clients and load generators
//! against.
//!
//! [`EmbeddedBroker`] speaks Kafka's protocol to any client: produce (also idempotent), fetch, list
//! offsets, create and delete topics. It runs on a thread of its own, keeps its logs in memory up
//! to a limit, and is gone when it is dropped. It has no consumer groups and no transactions, and
//! is one broker: nothing is replicated.
//!
//! ```
//! use karga_kafka_testbed::EmbeddedBroker;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = EmbeddedBroker::start().await?;
//! broker.create_topic("orders", 3)?;
//! println!("{}", broker.url("orders")); // kafka://127.0.0.1:43210/orders
//!
//! let offsets = broker.offsets("orders")?;
//! assert_eq!(offsets.len(), 3);
//! assert_eq!((offsets[0].start, offsets[0].end), (0, 0));
//! # Ok(())
//! # }
//! ```
//!
//! What the broker does on the wire was taken from Kafka's protocol guide, from the message
//! definitions beside its sources, and from what Apache Kafka 4.1 answers.

mod api;
mod broker;
mod builder;
mod connection;
mod guard;
mod log;
mod output;
mod producer_state;
mod settings;
mod state;
mod stats;

pub use broker::{BrokerError, EmbeddedBroker, PartitionOffsets, TopicError};
pub use builder::EmbeddedBrokerBuilder;
pub use stats::BrokerStats;
