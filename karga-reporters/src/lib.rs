//! Reporters for karga: standard output, JSON, CSV and live progress.
//!
//! - [`StdoutReporter`] prints a [`Summary`](karga_stats::Summary) that fits 80
//!   columns, with the verdict and what failed on top.
//! - [`JsonReporter`] writes any serializable report to a file, which is
//!   replaced as a whole or not at all, or to any writer.
//! - [`CsvReporter`] writes every sample to a file while the run goes on, without
//!   ever holding it up.
//! - `HdrLogReporter` (feature `hdr-log`) writes runs as HdrHistogram interval
//!   logs, from which they can be read back.
//! - [`Fanout`] ships one report by many; [`Derived`] makes a reporter of runs out
//!   of one of summaries.
//! - `Progress` (feature `progress`) is an observer that shows a run while it
//!   happens.
//!
//! A reporter knows no protocol: it reads what the report says.
//!
//! # Features
//!
//! - `hdr-log`: histogram logs; pulls in base64 and flate2.
//! - `progress`: the live display; pulls in indicatif.

mod csv;
mod derived;
mod fanout;
mod figure;
mod file;
#[cfg(feature = "hdr-log")]
mod hdr_log;
mod json;
#[cfg(feature = "progress")]
mod progress;
mod stdout;
mod terminal;
mod wrap;

pub use csv::{CsvCounts, CsvReporter, CsvReporterBuilder, CsvReporterError, CsvSamples};
pub use derived::Derived;
pub use fanout::{Fanout, FanoutError, FanoutFailure};
#[cfg(feature = "hdr-log")]
pub use hdr_log::{HdrLogReporter, HdrLogReporterError};
pub use json::{JsonReporter, JsonReporterError};
#[cfg(feature = "progress")]
pub use progress::Progress;
pub use stdout::{Color, StdoutReporter, StdoutReporterError};
