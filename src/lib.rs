//! karga is a load-testing toolkit: a small core of traits, and crates that
//! implement them, composed in your own `async fn main` or `#[tokio::test]`.
//!
//! ```no_run
//! use std::time::Duration;
//! use karga::prelude::*;
//!
//! # async fn call_the_service() -> Result<(), std::io::Error> { Ok(()) }
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let run = LoadTest::builder()
//!     .name("service")
//!     .action(|_iteration| async { call_the_service().await })
//!     .executor(StageExecutor::builder().stages([
//!         Stage::new(Duration::from_secs(10), 100.0), // ramp from 0 to 100/s
//!         Stage::new(Duration::from_secs(30), 100.0), // hold
//!         Stage::new(Duration::from_secs(5), 0.0),    // ramp down
//!     ]).build())
//!     .build()
//!     .run().await?;
//! StdoutReporter::default().report(&Summary::derive(&run)).await?;
//! # Ok(()) }
//! ```
//!
//! # Concepts
//!
//! A [`LoadTest`] ties one scenario (*what* to do) to one executor (*when* to
//! do it). Its [`Run`](core::Run) holds an aggregate of everything that was
//! measured and an exact account of every planned arrival; a
//! [`Summary`](stats::Summary) derives figures and a verdict from it, and
//! reporters ship the summary. A [`Suite`] runs several load tests side by
//! side on one t0.
//!
//! Response time counts from the moment an arrival was *due*, however late it
//! started, and the generator measures itself: the verdict says when it, not
//! the target, was the bottleneck.
//!
//! # Which crate to depend on
//!
//! To run load tests, this one. To write executors, scenarios, aggregates or
//! reporters for others, [`karga-core`](core) alone.
//!
//! # Features
//!
//! None is on by default: the crate then holds the core, the executors, the
//! statistics and the reporters for standard output and JSON.
//!
//! - `progress`: a live display while a test runs, on indicatif.
//! - `hdr-log`: runs as HdrHistogram interval logs, written and read.
//! - `testing`: conformance kits for executors, aggregates and reporters of
//!   your own.
//! - `http`: HTTP scenarios, by a lean engine or reqwest.
//! - `kafka`: Kafka scenarios and their wire client.
//! - `rskafka`: `kafka`, and rskafka as a second backend for it.
//! - `testbed`: an embedded Kafka broker to try things on.

mod assert;
mod load_test;
mod named;
mod suite;

pub use karga_core as core;
pub use karga_executors as executors;
#[cfg(feature = "http")]
pub use karga_http as http;
#[cfg(feature = "kafka")]
pub use karga_kafka as kafka;
#[cfg(feature = "testbed")]
pub use karga_kafka_testbed as testbed;
pub use karga_reporters as reporters;
pub use karga_stats as stats;

pub use load_test::{LoadTest, LoadTestBuilder, MissingExecutor, MissingScenario};
pub use named::Named;
pub use suite::{Suite, SuiteError};

/// For the crate's macros only.
#[doc(hidden)]
pub mod __private {
    pub use crate::assert::assert_thresholds;
}

/// Every trait and type that a load test is usually composed of.
///
/// ```
/// use karga::prelude::*;
/// ```
pub mod prelude {
    pub use crate::{LoadTest, Suite};
    pub use karga_core::{
        Account, Action, Aggregate, Arrivals, BoxReporter, Count, Detail, ExecuteError, Executor,
        GeneratorHealth, Iteration, Judgement, LoadModel, Merge, Metric, MetricOf, Observer,
        Outcome, Part, Plan, Report, Reporter, Run, Sample, Scenario, Schedule, Snapshot, Stage,
        Step, StopReason, Volume, action_fn, scenario,
    };
    pub use karga_executors::{
        Handle, IterationsExecutor, OverloadPolicy, Precision, Recording, ReplayExecutor,
        StageExecutor, ThinkTime, UserStage, UsersExecutor,
    };
    #[cfg(feature = "http")]
    pub use karga_http::{HttpRequest, HttpScenario};
    #[cfg(feature = "kafka")]
    pub use karga_kafka::{FetchScenario, KafkaUrl, ProduceScenario};
    #[cfg(feature = "testbed")]
    pub use karga_kafka_testbed::EmbeddedBroker;
    #[cfg(feature = "hdr-log")]
    pub use karga_reporters::HdrLogReporter;
    #[cfg(feature = "progress")]
    pub use karga_reporters::Progress;
    pub use karga_reporters::{CsvReporter, Derived, Fanout, JsonReporter, StdoutReporter};
    pub use karga_stats::{
        Capacity, HistogramAggregate, Histograms, Summary, Threshold, Thresholds, Verdict,
    };
}

/// Keeps the programs in README.md compiling.
#[cfg(all(
    doctest,
    feature = "hdr-log",
    feature = "http",
    feature = "kafka",
    feature = "testbed"
))]
#[doc = include_str!("../README.md")]
struct Readme;
