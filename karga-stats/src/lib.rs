//! Histogram aggregates, the summary report and the generator's verdict for
//! karga.
//!
//! # Concepts
//!
//! - A [`HistogramAggregate`] condenses samples while a run goes on: response
//!   time, service time and lateness as [`Histogram`]s, outcomes, error
//!   classes, volumes and a timeline, in total and by label, in bounded memory.
//!   Observers read it at every interval through the same accessors.
//! - A [`Summary`] is the report that is derived from a finished
//!   [`Run`](karga_core::Run): a row of figures for each scenario, with a
//!   stated unit and method, also as JSON (version [`SCHEMA`]).
//! - [`Thresholds`] are conditions such as `p99(response_time) < 250ms`,
//!   watched over a sliding window while a run goes on and judged at its end.
//! - [`Capacity`] searches the highest rate at which thresholds hold.
//! - A [`Verdict`] says whether those figures are about the target at all, or
//!   about a generator that could not keep up.
//!
//! # Which crate to depend on
//!
//! To run load tests: the facade crate `karga`, which re-exports this one. To
//! write a reporter or an observer that reads these figures: this crate.
//!
//! # Features
//!
//! - `serde`: `Serialize` and `Deserialize` for the summary.
//! - `hdr-log`: runs as HdrHistogram interval logs, written and read
//!   (`hdr_log`).

mod aggregate;
mod bounded;
mod bucket;
mod builder;
mod capacity;
mod chunk;
#[cfg(feature = "hdr-log")]
pub mod hdr_log;
mod histogram;
mod histograms;
mod labelled;
mod slot;
mod sparse;
mod stats;
mod summary;
pub mod text;
mod threshold;
mod timeline;
mod verdict;

pub use aggregate::HistogramAggregate;
pub use builder::{HistogramAggregateBuilder, InvalidAggregate};
pub use capacity::{
    Capacity, CapacityBuilder, CapacityEnd, CapacityError, CapacityReport, InvalidCapacity, Probe,
    ProbeVerdict,
};
pub use histogram::Histogram;
pub use histograms::Histograms;
pub use slot::Slot;
pub use stats::{Lag, Outcomes, Stats};
pub use summary::{
    CountSummary, ErrorSummary, GeneratorSummary, LabelSummary, LagSummary, LatencySummary, SCHEMA,
    ScenarioSummary, StepSummary, Summary, ThresholdSummary, TimelineSummary, WarmUpSummary,
};
pub use threshold::{
    Comparison, Counted, Figure, InvalidThreshold, Limit, ParseThresholdError, Threshold,
    Thresholds, Time,
};
pub use verdict::{TOLERATED_LATE_SHARE, Verdict};
