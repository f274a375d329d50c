use std::error::Error;

use super::CapacityReport;
use crate::threshold::words::number;

/// Why a [`Capacity`](super::Capacity) search found no interval. What it
/// measured until then is in its [report](Self::report).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CapacityError {
    /// Not even the first rate passes, so that there is nothing to rise from.
    #[error(
        "the first rate, {}/s, does not pass: {}; start lower",
        number(*rate),
        why(reason.as_deref())
    )]
    FirstProbeFailed {
        /// The rate, per second.
        rate: f64,
        /// What the last probe missed.
        reason: Option<String>,
        /// Every probe.
        report: Box<CapacityReport>,
    },
    /// A probe could not be run.
    #[error(
        "the probe of {}/s could not be run; probes before it: {}",
        number(*rate),
        report.probes.len()
    )]
    Probe {
        /// The rate, per second.
        rate: f64,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
        /// Every probe before it.
        report: Box<CapacityReport>,
    },
    /// Ctrl-C stopped a probe, and so the search.
    #[error("the search was stopped by Ctrl-C in its probe of {}/s", number(*rate))]
    Stopped {
        /// The rate, per second.
        rate: f64,
        /// Every probe, the stopped one included.
        report: Box<CapacityReport>,
    },
    /// A probe offered no rate of its own.
    #[error(
        "the probe of {}/s ran in the closed model, which offers no rate; use an executor of the \
         open model, such as `StageExecutor::constant`",
        number(*rate)
    )]
    Closed {
        /// The rate, per second.
        rate: f64,
        /// Every probe, this one included.
        report: Box<CapacityReport>,
    },
}

impl CapacityError {
    /// What was found until then.
    pub fn report(&self) -> &CapacityReport {
        match self {
            Self::FirstProbeFailed { report, .. }
            | Self::Probe { report, .. }
            | Self::Stopped { report, .. }
            | Self::Closed { report, .. } => report,
        }
    }
}

/// A reason, or nothing.
pub(super) fn why(reason: Option<&str>) -> &str {
    reason.unwrap_or_default()
}
