use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// What became of every planned arrival.
///
/// At the end of a run `planned = completed + dropped + interrupted`, exactly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Account {
    /// Arrivals that were due until the run ended.
    pub planned: u64,
    /// Iterations that ran to their end, well or not, panics included.
    pub completed: u64,
    /// Arrivals that were let go because they were too late, by the overload
    /// policy that was asked for.
    pub dropped: u64,
    /// Arrivals that were due and could not be completed before the run ended:
    /// cut off in flight, or never begun.
    pub interrupted: u64,
}

impl Account {
    /// An account; meant for those who write executors and tests.
    pub const fn new(planned: u64, completed: u64, dropped: u64, interrupted: u64) -> Self {
        Self {
            planned,
            completed,
            dropped,
            interrupted,
        }
    }

    /// Whether every planned arrival is accounted for.
    pub const fn is_balanced(&self) -> bool {
        self.planned == self.completed + self.dropped + self.interrupted
    }
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum StopReason {
    /// Everything that was planned is done.
    Completed,
    /// The program asked for it, by the executor's handle.
    Requested,
    /// A person pressed Ctrl-C.
    CtrlC,
    /// An observer asked for it, with its reason.
    Observer(String),
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::Requested => f.write_str("stopped on request"),
            Self::CtrlC => f.write_str("stopped by Ctrl-C"),
            Self::Observer(why) => write!(f, "stopped by an observer: {why}"),
        }
    }
}

/// What the generator knows of itself: raw figures, from which a report
/// derives its verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GeneratorHealth {
    /// The most iterations that could be in flight at once.
    pub workers: u64,
    /// The most iterations that were in flight at once.
    pub peak_in_flight: u64,
    /// An arrival that started later than this after its due time was late.
    pub tolerance: Duration,
    /// Late arrivals for which a worker was free when they were due: the
    /// generator had no CPU, or its timer is too coarse.
    pub late_with_free_worker: u64,
    /// Late arrivals that were due while every worker waited for the target.
    pub late_with_all_busy: u64,
    /// The share of the run, 0 to 1, in which the runtime's threads were busy;
    /// near 1, late arrivals are the generator's own fault.
    pub busy: Option<f64>,
    /// CPU time of the whole process during the run, user and system.
    pub cpu: Option<Duration>,
}

/// A finished run: what was recorded, the account of the load, how long it
/// took, why it ended and how the generator did.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use = "a run holds everything that was measured; derive a report from it"]
#[non_exhaustive]
pub struct Run<A> {
    /// The scenario's name.
    pub name: String,
    /// Everything that was recorded.
    pub aggregate: A,
    /// What became of every planned arrival.
    pub account: Account,
    /// From t0 to the end of the load or of the last iteration, whichever came
    /// later; never less than [`load_time`](Run::load_time).
    pub elapsed: Duration,
    /// From t0 to the end of the schedule, or to the moment it was stopped:
    /// the time in which arrivals were due.
    pub load_time: Duration,
    /// Why it ended.
    pub stop: StopReason,
    /// How the generator did.
    pub generator: GeneratorHealth,
    /// The wall clock at t0, where it is known.
    pub started_at: Option<SystemTime>,
    /// What went wrong without ending the run, such as a failed teardown.
    pub warnings: Vec<String>,
}

impl<A> Run<A> {
    /// A run that completed; the other fields are empty and may be set. Meant
    /// for those who write executors and tests.
    pub fn new(name: impl Into<String>, aggregate: A, account: Account, elapsed: Duration) -> Self {
        Self {
            name: name.into(),
            aggregate,
            account,
            elapsed,
            load_time: elapsed,
            stop: StopReason::Completed,
            generator: GeneratorHealth::default(),
            started_at: None,
            warnings: Vec::new(),
        }
    }
}
