use std::time::Duration;

use karga_core::{Judgement, Run, WarmUp};

#[cfg(feature = "serde")]
use super::seconds;
use crate::{Histogram, HistogramAggregate, Histograms, Lag, Slot, Stats, Verdict};

/// The figures of one distribution of times; all zero if nothing was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LatencySummary {
    /// How many times were counted.
    pub count: u64,
    /// The least, exactly.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub min: Duration,
    /// The arithmetic mean, exactly.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub mean: Duration,
    /// The standard deviation of the population, from the histogram.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub stdev: Duration,
    /// The median: half of the times do not exceed it.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub p50: Duration,
    /// 75 % do not exceed it.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub p75: Duration,
    /// 90 % do not exceed it.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub p90: Duration,
    /// 95 % do not exceed it.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub p95: Duration,
    /// 99 % do not exceed it.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub p99: Duration,
    /// 99.9 % do not exceed it.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub p99_9: Duration,
    /// 99.99 % do not exceed it.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub p99_99: Duration,
    /// The greatest, exactly.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub max: Duration,
}

impl LatencySummary {
    /// The figures of a histogram.
    pub fn of(histogram: &Histogram) -> Self {
        let [p50, p75, p90, p95, p99, p99_9, p99_99] =
            histogram.quantiles([0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999]);
        Self {
            count: histogram.count(),
            min: histogram.min(),
            mean: histogram.mean(),
            stdev: histogram.stdev(),
            p50,
            p75,
            p90,
            p95,
            p99,
            p99_9,
            p99_99,
            max: histogram.max(),
        }
    }
}

/// A reason not to succeed, and how often it was one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ErrorSummary {
    /// The class of the error.
    pub class: String,
    /// How many iterations ended so.
    pub count: u64,
}

impl ErrorSummary {
    /// The most frequent first, alphabetically among equals.
    pub(super) fn list(stats: &Stats) -> Vec<Self> {
        let mut errors: Vec<_> = stats
            .errors()
            .map(|(class, count)| Self {
                class: class.to_owned(),
                count,
            })
            .collect();
        errors.sort_by_key(|error| std::cmp::Reverse(error.count));
        errors
    }
}

/// Something else that happened inside the iterations, such as "retries".
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CountSummary {
    /// What happened.
    pub name: String,
    /// How often.
    pub count: u64,
}

impl CountSummary {
    pub(super) fn list(stats: &Stats) -> Vec<Self> {
        let counts = stats.counts().map(|(name, count)| Self {
            name: name.to_owned(),
            count,
        });
        counts.collect()
    }
}

/// How far behind the newest data of its target a scenario was, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LagSummary {
    /// What the iteration that ended last said.
    pub latest: u64,
    /// The highest that any iteration said.
    pub highest: u64,
}

impl LagSummary {
    pub(super) fn of(lag: Lag) -> Self {
        Self {
            latest: lag.latest,
            highest: lag.highest,
        }
    }
}

/// The figures of the iterations with one label: as for a scenario, but for
/// what only the whole can have, such as the offered rate.
///
/// [Parts](karga_core::Part) of iterations count here as iterations do. So the
/// rows of labels may add up to more than the scenario, which has no parts.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LabelSummary {
    /// The label.
    pub name: String,
    /// Iterations that ran to their end: `succeeded + failed + unknown`.
    pub completed: u64,
    /// Iterations that did what they should.
    pub succeeded: u64,
    /// Iterations that are known to have failed.
    pub failed: u64,
    /// Iterations that may or may not have happened.
    pub unknown: u64,
    /// Iterations that were completed, per second of the run's elapsed time.
    pub achieved_rate: f64,
    /// Messages that were moved.
    pub messages: u64,
    /// Bytes that were sent.
    pub bytes_sent: u64,
    /// Bytes that were received.
    pub bytes_received: u64,
    /// From the due time to the end of each iteration.
    pub response_time: LatencySummary,
    /// From the actual start to the end of each iteration.
    pub service_time: LatencySummary,
    /// From the due time to the actual start of each iteration.
    pub lateness: LatencySummary,
    /// Why iterations did not succeed, the most frequent first.
    pub errors: Vec<ErrorSummary>,
    /// What else happened inside the iterations, in alphabetical order.
    pub counts: Vec<CountSummary>,
    /// How far behind the iterations were, if they say so.
    pub lag: Option<LagSummary>,
}

impl LabelSummary {
    pub(super) fn of(name: &str, stats: &Stats, elapsed: Duration) -> Self {
        let (outcomes, volume) = (stats.outcomes(), stats.volume());
        Self {
            name: name.to_owned(),
            completed: outcomes.completed(),
            succeeded: outcomes.succeeded,
            failed: outcomes.failed,
            unknown: outcomes.unknown,
            achieved_rate: rate(outcomes.completed(), elapsed),
            messages: volume.messages,
            bytes_sent: volume.bytes_sent,
            bytes_received: volume.bytes_received,
            response_time: LatencySummary::of(stats.response_time()),
            service_time: LatencySummary::of(stats.service_time()),
            lateness: LatencySummary::of(stats.lateness()),
            errors: ErrorSummary::list(stats),
            counts: CountSummary::list(stats),
            lag: stats.lag().map(LagSummary::of),
        }
    }
}

/// How long one named step inside the iterations took.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StepSummary {
    /// The step.
    pub name: String,
    /// How long it took.
    pub duration: LatencySummary,
}

impl StepSummary {
    pub(super) fn of((name, durations): (&str, &Histogram)) -> Self {
        Self {
            name: name.to_owned(),
            duration: LatencySummary::of(durations),
        }
    }
}

/// What ended in one slot of the timeline.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TimelineSummary {
    /// When the slot begins, since t0.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub start: Duration,
    /// How long it is: one second, twice as much or more in long runs, and
    /// only up to the end of the run in the last slot.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub duration: Duration,
    /// Iterations that ended here.
    pub completed: u64,
    /// Those of them that succeeded.
    pub succeeded: u64,
    /// Those that are known to have failed.
    pub failed: u64,
    /// Those that may or may not have happened.
    pub unknown: u64,
    /// Iterations that ended here, per second: `completed / duration`.
    pub achieved_rate: f64,
    /// Messages that they moved.
    pub messages: u64,
    /// Bytes that they sent.
    pub bytes_sent: u64,
    /// Bytes that they received.
    pub bytes_received: u64,
    /// The highest lag that one of them said, in messages.
    pub highest_lag: Option<u64>,
    /// Their response times.
    pub response_time: LatencySummary,
}

impl TimelineSummary {
    /// All slots up to the end of the run, also those in which nothing ended:
    /// a stall has to show.
    pub(super) fn list(aggregate: &HistogramAggregate, elapsed: Duration) -> Vec<Self> {
        aggregate.timeline_through(elapsed, |slot| Self::of(slot, elapsed))
    }

    fn of(slot: Slot, elapsed: Duration) -> Self {
        let completed = slot.outcomes.completed();
        let rest = elapsed.saturating_sub(slot.start);
        // A run that ended before its last sample was recorded is a contrived
        // one; its slots keep their width.
        let duration = if rest.is_zero() {
            slot.width
        } else {
            slot.width.min(rest)
        };
        Self {
            start: slot.start,
            duration,
            completed,
            succeeded: slot.outcomes.succeeded,
            failed: slot.outcomes.failed,
            unknown: slot.outcomes.unknown,
            achieved_rate: rate(completed, duration),
            messages: slot.volume.messages,
            bytes_sent: slot.volume.bytes_sent,
            bytes_received: slot.volume.bytes_received,
            highest_lag: slot.highest_lag,
            response_time: LatencySummary::of(&slot.response_time),
        }
    }
}

/// The leading time of a run that is no part of its other figures: what
/// happened before t0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WarmUpSummary {
    /// How long it lasted.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub duration: Duration,
    /// Arrivals that were due in it: `completed + dropped + interrupted`.
    pub planned: u64,
    /// Iterations of it that ran to their end: `succeeded + failed + unknown`.
    pub completed: u64,
    /// Those of them that succeeded.
    pub succeeded: u64,
    /// Those that are known to have failed.
    pub failed: u64,
    /// Those that may or may not have happened.
    pub unknown: u64,
    /// Arrivals that the overload policy let go.
    pub dropped: u64,
    /// Arrivals that were due in it and were not completed.
    pub interrupted: u64,
    /// From the due time to the end of each iteration.
    pub response_time: LatencySummary,
}

impl WarmUpSummary {
    pub(super) fn of<A: Histograms>(warm_up: &WarmUp<A>) -> Self {
        let (account, total) = (warm_up.account, warm_up.aggregate.histograms().total());
        let outcomes = total.outcomes();
        Self {
            duration: warm_up.duration,
            planned: account.planned,
            completed: account.completed,
            succeeded: outcomes.succeeded,
            failed: outcomes.failed,
            unknown: outcomes.unknown,
            dropped: account.dropped,
            interrupted: account.interrupted,
            response_time: LatencySummary::of(total.response_time()),
        }
    }
}

/// How the generator did.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GeneratorSummary {
    /// Whether the figures say something about the target.
    pub verdict: Verdict,
    /// Why not, in words and numbers; none if it is healthy.
    pub reason: Option<String>,
    /// CPU time of the whole process during the run, user and system, in
    /// seconds; 0 where it is not known.
    pub cpu_seconds: f64,
    /// The share of the run, 0 to 1, in which the runtime's threads were busy,
    /// where it is known.
    #[cfg_attr(feature = "serde", serde(default))]
    pub busy: Option<f64>,
    /// The most iterations that could be in flight at once.
    #[cfg_attr(feature = "serde", serde(default))]
    pub workers: u64,
    /// The most iterations that were in flight at once.
    pub peak_in_flight: u64,
    /// An arrival that started later than this after its due time was late.
    #[cfg_attr(feature = "serde", serde(default, with = "seconds"))]
    pub tolerance: Duration,
    /// Late arrivals for which a worker was free.
    #[cfg_attr(feature = "serde", serde(default))]
    pub late_with_free_worker: u64,
    /// Late arrivals that were due while every worker waited for the target.
    #[cfg_attr(feature = "serde", serde(default))]
    pub late_with_all_busy: u64,
}

impl GeneratorSummary {
    pub(super) fn of<A>(run: &Run<A>) -> Self {
        let (verdict, reason) = Verdict::of_run(run);
        let generator = &run.generator;
        Self {
            verdict,
            reason,
            cpu_seconds: generator.cpu.unwrap_or_default().as_secs_f64(),
            busy: generator.busy.filter(|busy| busy.is_finite()),
            workers: generator.workers,
            peak_in_flight: generator.peak_in_flight,
            tolerance: generator.tolerance,
            late_with_free_worker: generator.late_with_free_worker,
            late_with_all_busy: generator.late_with_all_busy,
        }
    }
}

/// A condition that a scenario was judged by: a
/// [judgement](karga_core::Judgement) of its run.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ThresholdSummary {
    /// The condition, as a person reads it: "p99(response_time) < 250ms".
    pub name: String,
    /// Whether it held.
    pub passed: bool,
    /// What was seen, in words; empty where nobody said.
    #[cfg_attr(feature = "serde", serde(default))]
    pub reason: String,
    /// When it stopped the run, in seconds since t0, if it did.
    #[cfg_attr(feature = "serde", serde(default))]
    pub stopped_at: Option<f64>,
    /// The offered rate, per second, up to which it held, if it was watched.
    #[cfg_attr(feature = "serde", serde(default))]
    pub last_good_rate: Option<f64>,
    /// Whether it says how many iterations may fail.
    #[cfg_attr(feature = "serde", serde(default))]
    pub tolerates_failures: bool,
}

impl ThresholdSummary {
    /// A condition and whether it held.
    pub fn new(name: impl Into<String>, passed: bool) -> Self {
        Self {
            name: name.into(),
            passed,
            ..Self::default()
        }
    }
}

impl From<&Judgement> for ThresholdSummary {
    fn from(judgement: &Judgement) -> Self {
        Self {
            name: judgement.condition.clone(),
            passed: judgement.passed,
            reason: judgement.reason.clone(),
            stopped_at: judgement.stopped_at.map(|at| at.as_secs_f64()),
            last_good_rate: judgement.last_good_rate.filter(|rate| rate.is_finite()),
            tolerates_failures: judgement.tolerates_failures,
        }
    }
}

/// A count by seconds; zero where there was no time.
pub(super) fn rate(count: u64, time: Duration) -> f64 {
    if time.is_zero() {
        0.0
    } else {
        count as f64 / time.as_secs_f64()
    }
}
