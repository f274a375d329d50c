//! The HdrHistogram interval log: the portable artefact of a run.
//!
//! [`write()`] writes a run, [`read`] makes an equal one of it again, with the
//! same aggregate and so the same summary. Every tool that reads the [log
//! format of HdrHistogram], version 1.3 with histograms encoded in version 2,
//! reads the histograms in it, and [`intervals`] reads those of logs that other
//! programs wrote.
//!
//! [log format of HdrHistogram]: https://github.com/HdrHistogram/HdrHistogram
//!
//! # What stands in a log
//!
//! ```text
//! #[Histogram log format version 1.3]
//! #[karga version: 1]
//! #[karga run: {"name":"checkout","account":{...},...}]
//! "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
//! #[karga aggregate: {...}]
//! #[karga exact: {"count":20000,"min":...,"max":...,"sum":...}]
//! Tag=service_time,0.000,60.012,31.120,HISTFAAA...
//! #[karga slot: {"slot":0,...}]
//! #[karga exact: {...}]
//! 0.000,1.000,12.345,HISTFAAA...
//! ...
//! #[karga end: {"crc32":...}]
//! ```
//!
//! Values are nanoseconds, so that `HistogramLogProcessor` prints milliseconds.
//! Times are seconds since t0; those of a warm-up count from its beginning.
//!
//! The response time is written by slot of the
//! [timeline](crate::HistogramAggregate::timeline), for all iterations and for
//! each label; of what is not kept by time there is one interval over the whole
//! run. The tags:
//!
//! ```text
//! tag    = [ "warm_up:" ] series
//! series = kind                  ; of all iterations
//!        | label "/" kind        ; of those with this label, and of parts
//!        | "step:" name          ; the duration of this step
//! kind   = "response_time" | "service_time" | "lateness"
//! ```
//!
//! The response time of all iterations has no tag, so that tools show it unless
//! they are told otherwise. Names are those of the aggregate, so the last label
//! may be "other"; bytes other than letters, digits and `-._~` are written as
//! `%` and two hexadecimal digits. `#[karga ...]` lines hold as JSON what
//! histograms cannot say, for other readers a comment. The last one has the
//! CRC-32 of all lines before it.
//!
//! In a slot a label may have a second interval with the same tag: the response
//! times of the [parts](karga_core::Part) of iterations, which are not among
//! those of all iterations. Its `exact` line says `"parts":true`; who adds up the
//! intervals of a tag, as every tool does, has those of both.
//!
//! # Several generators
//!
//! Aggregates of runs that share t0 merge exactly, also after they were read:
//!
//! ```
//! use std::io::BufRead;
//! use karga_core::Merge;
//! use karga_stats::{HistogramAggregate, hdr_log};
//!
//! fn both(a: impl BufRead, b: impl BufRead) -> Result<HistogramAggregate, hdr_log::ReadError> {
//!     let mut all = hdr_log::read(a)?.aggregate;
//!     all.merge(hdr_log::read(b)?.aggregate);
//!     Ok(all)
//! }
//! ```

mod error;
mod intervals;
mod lines;
mod notes;
mod payload;
mod read;
mod rebuild;
mod tag;
mod write;

pub use error::{InvalidHistogram, ReadError, WriteError};
pub use intervals::{Interval, Intervals, intervals};
pub use read::read;
pub use write::write;
