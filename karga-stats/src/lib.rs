//! Histogram aggregates, the summary report and the generator's verdict for
//! karga.

mod aggregate;
mod bounded;
mod bucket;
mod builder;
mod histogram;
mod sparse;
mod stats;
mod summary;
pub mod text;
mod timeline;
mod verdict;

pub use aggregate::HistogramAggregate;
pub use builder::{HistogramAggregateBuilder, InvalidAggregate};
pub use histogram::Histogram;
pub use stats::{Lag, Outcomes, Stats};
pub use summary::{
    CountSummary, ErrorSummary, GeneratorSummary, LabelSummary, LagSummary, LatencySummary, SCHEMA,
    ScenarioSummary, StepSummary, Summary, ThresholdSummary, TimelineSummary,
};
pub use timeline::Slot;
pub use verdict::{TOLERATED_LATE_SHARE, Verdict};
