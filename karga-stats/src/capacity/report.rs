use std::fmt;

use super::error::why;
use crate::{ScenarioSummary, text, threshold::words};

/// What a [`Capacity`](super::Capacity) search found: an interval, and every
/// probe.
///
/// Its display is a table. With the feature `serde` it is written and read
/// with the field names of the struct; rates are per second.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CapacityReport {
    /// The highest rate, per second, that passed by the majority of its probes.
    pub highest_passing: Option<f64>,
    /// The lowest rate, per second, that failed by the majority of its probes;
    /// none if the highest rate that was allowed passed.
    pub lowest_failing: Option<f64>,
    /// Why the search ended, and so what the upper end stands for.
    pub end: CapacityEnd,
    /// Every probe, in order.
    pub probes: Vec<Probe>,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum CapacityEnd {
    /// The interval is as narrow as it should be: its upper end is the
    /// target's limit, with as many requests in flight as the probe had
    /// workers.
    Precision,
    /// The highest rate that was allowed passed: the target's limit is above.
    MaxRate,
    /// The generator was the bottleneck at the upper end: the target's limit
    /// is not known, but that it is not below the highest passing rate.
    Generator,
    /// It could not be finished.
    Unfinished,
}

/// One probe of one rate.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Probe {
    /// The rate that was asked for, per second.
    pub rate: f64,
    /// How it came out.
    pub verdict: ProbeVerdict,
    /// Why it did not pass, in words and numbers; none if it did.
    pub reason: Option<String>,
    /// Everything that was measured, with the thresholds that it was judged
    /// by.
    pub summary: ScenarioSummary,
}

/// How a probe came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ProbeVerdict {
    /// The load was offered as it was asked for, nothing went wrong that was
    /// not allowed to, and every threshold was met.
    Passed,
    /// A threshold was missed.
    Missed,
    /// The target could not keep up: arrivals were late, dropped or not
    /// completed because it was waited for.
    Overloaded,
    /// Iterations failed that no threshold allows to.
    Failures,
    /// It was stopped before its end, by an observer that is none of the
    /// thresholds.
    Stopped,
    /// The generator could not keep up: nothing is known of the target.
    Saturated,
}

impl fmt::Display for ProbeVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Missed => "missed",
            Self::Overloaded => "overloaded",
            Self::Failures => "failures",
            Self::Stopped => "stopped",
            Self::Saturated => "saturated",
        })
    }
}

impl CapacityReport {
    /// The result in one sentence.
    fn sentence(&self) -> String {
        let (low, high) = (
            self.highest_passing.map(rate),
            self.lowest_failing.map(rate),
        );
        match (self.end, low, high) {
            (CapacityEnd::Precision, Some(low), Some(high)) => {
                let sentence = format!("between {low}, which holds, and {high}, which does not");
                match self.workers_at_the_limit() {
                    None => sentence,
                    Some(workers) => format!(
                        "{sentence}: there all {} workers waited for the target, so that this may \
                         be their limit; with more of them it may hold",
                        text::count(workers)
                    ),
                }
            }
            (CapacityEnd::MaxRate, Some(low), _) => {
                format!("at least {low}, which holds and is the highest rate that was allowed")
            }
            (CapacityEnd::Generator, Some(low), Some(high)) => format!(
                "not below {low}, which holds; at {high} the generator was the bottleneck, so \
                 that the upper end is its limit, not the target's"
            ),
            (_, low, high) => {
                let low = low.map(|low| format!("{low} holds"));
                let high = high.map(|high| format!("{high} does not hold"));
                let known: Vec<String> = low.into_iter().chain(high).collect();
                match known.is_empty() {
                    true => "the search was not finished".to_owned(),
                    false => format!("the search was not finished; {}", known.join(", ")),
                }
            }
        }
    }
}

impl CapacityReport {
    /// How many workers there were, if all of them waited for the target where
    /// the rate did not hold.
    fn workers_at_the_limit(&self) -> Option<u64> {
        let failed = self.probes.iter().filter(|probe| {
            Some(probe.rate) == self.lowest_failing && probe.verdict != ProbeVerdict::Passed
        });
        let workers = failed.map(|probe| {
            let generator = &probe.summary.generator;
            (generator.peak_in_flight >= generator.workers).then_some(generator.workers)
        });
        workers
            .reduce(|one, other| one.and(other))
            .flatten()
            .filter(|workers| *workers > 0)
    }
}

fn rate(rate: f64) -> String {
    format!("{}/s", words::number(rate))
}

impl fmt::Display for CapacityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "capacity: {}", self.sentence())?;
        if self.probes.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        const HEAD: [&str; 7] = ["probe", "rate", "achieved", "p50", "p99", "verdict", "why"];
        let mut rows = vec![HEAD.map(str::to_owned)];
        for (number, probe) in self.probes.iter().enumerate() {
            rows.push(probe.row(number + 1));
        }
        let widths: [usize; 7] = std::array::from_fn(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        });
        for [number, rate, achieved, p50, p99, verdict, why] in &rows {
            let [w0, w1, w2, w3, w4, w5, _] = widths;
            let row = format!(
                "  {number:>w0$}  {rate:>w1$}  {achieved:>w2$}  {p50:>w3$}  {p99:>w4$}  \
                 {verdict:<w5$}  {why}"
            );
            writeln!(f, "{}", row.trim_end())?;
        }
        Ok(())
    }
}

impl Probe {
    fn row(&self, number: usize) -> [String; 7] {
        let times = &self.summary.response_time;
        [
            text::count(number as u64),
            rate(self.rate),
            rate(self.summary.achieved_rate),
            words::time(times.p50),
            words::time(times.p99),
            self.verdict.to_string(),
            why(self.reason.as_deref()).to_owned(),
        ]
    }
}
