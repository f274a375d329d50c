//! Reporters for karga: standard output, JSON and live progress.
//!
//! - [`StdoutReporter`] prints a [`Summary`](karga_stats::Summary) that fits 80
//!   columns, with the verdict and what failed on top.
//! - [`JsonReporter`] writes any serializable report to a file, which is
//!   replaced as a whole or not at all, or to any writer.
//! - `Progress` (feature `progress`) is an observer that shows a run while it
//!   happens.
//!
//! A reporter knows no protocol: it reads what the report says.
//!
//! # Features
//!
//! - `progress`: the live display; pulls in indicatif.

// NOTE to engineer kstats (remove when done): the chief engineer wrote figure, wrap, json, stdout and
// progress just now and they are in use. Do not write a second version: please write the tests of this
// crate instead (tests/*.rs: insta snapshots, 80-column property, JSON names and atomic replacement,
// EPIPE, progress lines), mend and polish what is there where it falls short of your task.
mod figure;
mod json;
#[cfg(feature = "progress")]
mod progress;
mod stdout;
mod wrap;

pub use json::{JsonReporter, JsonReporterError};
#[cfg(feature = "progress")]
pub use progress::Progress;
pub use stdout::{Color, StdoutReporter, StdoutReporterError};
