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

/// How it is decided when an iteration is due, and so what response time can
/// see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LoadModel {
    /// Arrivals are due when the schedule says, whether or not the target
    /// keeps up.
    #[default]
    Open,
    /// Each user begins its next iteration when the one before is done: due is
    /// the actual start. A slow target is asked less often, and response time
    /// cannot see what those who were not let in would have waited
    /// (coordinated omission).
    Closed,
    /// Each user has due times of its own (pacing), which it keeps however
    /// long an iteration takes: response time counts from them.
    Paced,
}

/// A condition that a run was judged by, and how it turned out.
///
/// Whoever judges a run adds it; thresholds do.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Judgement {
    /// The condition, as a person reads it: "p99(response_time) < 250ms".
    pub condition: String,
    /// Whether it held.
    pub passed: bool,
    /// What was seen: "it was 312 ms", "there are no samples".
    pub reason: String,
    /// When it stopped the run, since t0, if it did.
    pub stopped_at: Option<Duration>,
    /// The offered rate, per second, up to which it held while the run went on,
    /// if it was watched: the least in the newest window in which it held.
    pub last_good_rate: Option<f64>,
    /// Whether it says how many iterations may fail: then failures within it
    /// do not speak against the run.
    pub tolerates_failures: bool,
}

impl Judgement {
    /// A condition, whether it held, and what was seen; the other fields are
    /// empty and may be set.
    pub fn new(condition: impl Into<String>, passed: bool, reason: impl Into<String>) -> Self {
        Self {
            condition: condition.into(),
            passed,
            reason: reason.into(),
            ..Self::default()
        }
    }
}

/// A fact of a run that is neither a figure nor a warning, such as
/// "engine": "lean".
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Detail {
    /// What it is about, in a word or two and in lower case: "engine".
    pub name: String,
    /// The fact, as a person reads it: "lean (HTTP/1.1)".
    pub value: String,
}

impl Detail {
    /// A fact and its name.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// The leading time of a run, whose samples are no part of its result.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WarmUp<A> {
    /// How long it lasted. It ended at t0, where the result begins.
    pub duration: Duration,
    /// What was recorded; its times count from the beginning of the warm-up.
    pub aggregate: A,
    /// What became of the arrivals that were due in it.
    pub account: Account,
}

impl<A> WarmUp<A> {
    /// A warm-up; meant for those who write executors and tests.
    pub const fn new(duration: Duration, aggregate: A, account: Account) -> Self {
        Self {
            duration,
            aggregate,
            account,
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
    /// The most iterations that were in flight at once: that waited for
    /// something, as an executor can see it. One that computes without a pause
    /// may not count.
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
    /// What the scenario said of itself, in its order; no part of any verdict.
    #[cfg_attr(feature = "serde", serde(default))]
    pub details: Vec<Detail>,
    /// How it was decided when an iteration is due.
    #[cfg_attr(feature = "serde", serde(default))]
    pub model: LoadModel,
    /// How long after the others' common start this run's t0 was, where runs
    /// go side by side.
    #[cfg_attr(feature = "serde", serde(default))]
    pub start_offset: Duration,
    /// The leading time whose samples are kept apart, if there was one.
    #[cfg_attr(feature = "serde", serde(default = "none"))]
    pub warm_up: Option<WarmUp<A>>,
    /// What the run was judged by; empty unless someone did.
    #[cfg_attr(feature = "serde", serde(default))]
    pub judgements: Vec<Judgement>,
}

#[cfg(feature = "serde")]
fn none<T>() -> Option<T> {
    None
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
            details: Vec::new(),
            model: LoadModel::default(),
            start_offset: Duration::ZERO,
            warm_up: None,
            judgements: Vec::new(),
        }
    }

    /// The same run with its aggregates turned into others.
    pub fn map<B>(self, mut map: impl FnMut(A) -> B) -> Run<B> {
        Run {
            name: self.name,
            aggregate: map(self.aggregate),
            account: self.account,
            elapsed: self.elapsed,
            load_time: self.load_time,
            stop: self.stop,
            generator: self.generator,
            started_at: self.started_at,
            warnings: self.warnings,
            details: self.details,
            model: self.model,
            start_offset: self.start_offset,
            warm_up: self
                .warm_up
                .map(|warm| WarmUp::new(warm.duration, map(warm.aggregate), warm.account)),
            judgements: self.judgements,
        }
    }
}
