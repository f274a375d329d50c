mod figures;
#[cfg(feature = "serde")]
mod seconds;

use std::time::{Duration, SystemTime};

use karga_core::{Detail, LoadModel, Report, Run, StopReason};

pub use figures::{
    CountSummary, ErrorSummary, GeneratorSummary, LabelSummary, LagSummary, LatencySummary,
    StepSummary, ThresholdSummary, TimelineSummary, WarmUpSummary,
};

use crate::{Counted, HistogramAggregate, Histograms, Threshold, Verdict};

/// The version of the JSON form that [`Summary`] is written in.
pub const SCHEMA: u32 = 1;

/// The figures of one load test: a row for each scenario.
///
/// # Method
///
/// - Times are measured on a monotonic clock since t0, the moment at which
///   load began. Percentiles come from [histograms](crate::Histogram) of
///   three significant digits, never from averages: a percentile is the upper
///   edge of its bucket, so it is at most 1/1024 too large and never too
///   small. Least, greatest and mean are exact.
/// - Response time counts from the moment an arrival was *due*, so that time
///   spent waiting for a slow target or generator is part of it.
/// - Rates are counts by seconds: the offered rate is `planned / load_time`,
///   the achieved rate is `completed / elapsed`. The elapsed time includes the
///   answers that came after the last arrival was due.
///
/// # As JSON
///
/// With the feature `serde` it is written and read with the field names of the
/// struct. Durations are seconds, rates are per second, sizes are bytes; every
/// number is finite, and an empty histogram is all zeros with a count of 0.
/// Readers must ignore fields that they do not know; `schema` changes when a
/// field changes its meaning or goes away.
///
/// ```
/// use std::time::Duration;
/// use karga_core::{Account, Aggregate, Iteration, Report, Run, Sample};
/// use karga_stats::{HistogramAggregate, Summary, Verdict};
///
/// let mut aggregate = HistogramAggregate::default();
/// let due = Iteration::new(0, 0, Duration::ZERO);
/// aggregate.record(&Sample::new(due, Duration::ZERO, Duration::from_millis(20), ()));
/// let account = Account::new(1, 1, 0, 0);
/// let run = Run::new("ping", aggregate, account, Duration::from_secs(1));
///
/// let summary = Summary::derive(&run);
/// let ping = &summary.scenarios[0];
/// assert_eq!(ping.response_time.max, Duration::from_millis(20));
/// assert_eq!(ping.generator.verdict, Verdict::Healthy);
/// assert!(summary.passed());
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Summary {
    /// The version of the form, [`SCHEMA`].
    pub schema: u32,
    /// The name of the test: that of its only scenario, or of the suite.
    pub name: String,
    /// One row for each scenario.
    pub scenarios: Vec<ScenarioSummary>,
}

impl Summary {
    /// One summary with a row for each run, of tests that ran side by side.
    pub fn from_runs<'a>(
        name: impl Into<String>,
        runs: impl IntoIterator<Item = &'a Run<HistogramAggregate>>,
    ) -> Self {
        Self {
            schema: SCHEMA,
            name: name.into(),
            scenarios: runs.into_iter().map(ScenarioSummary::of).collect(),
        }
    }

    /// One summary with the rows of several.
    pub fn join(name: impl Into<String>, summaries: impl IntoIterator<Item = Self>) -> Self {
        let rows = summaries.into_iter().flat_map(|summary| summary.scenarios);
        Self {
            schema: SCHEMA,
            name: name.into(),
            scenarios: rows.collect(),
        }
    }

    /// Whether the figures of every scenario say something about its target;
    /// false if there is no scenario.
    pub fn is_healthy(&self) -> bool {
        let healthy = |row: &ScenarioSummary| row.generator.verdict == Verdict::Healthy;
        !self.scenarios.is_empty() && self.scenarios.iter().all(healthy)
    }

    /// Whether any iteration did not succeed: it failed, or nobody knows
    /// whether it happened.
    pub fn has_failures(&self) -> bool {
        self.scenarios
            .iter()
            .any(|row| row.failed > 0 || row.unknown > 0)
    }

    /// Whether a scenario was stopped before its end by Ctrl-C or by an
    /// observer. A program that stops its own test has what it wanted: that
    /// does not count.
    pub fn was_stopped(&self) -> bool {
        let meant = |stop| matches!(stop, &StopReason::Completed | &StopReason::Requested);
        self.scenarios.iter().any(|row| !meant(&row.stop))
    }

    /// Whether nothing that happened speaks against the test, as far as it
    /// went: healthy, without failures but those that a threshold
    /// [tolerates](ScenarioSummary::untolerated_failures), with every planned
    /// arrival begun and brought to its end (or let go, where the overload
    /// policy said so), and within its thresholds.
    pub fn is_sound(&self) -> bool {
        let is_failing = |row: &ScenarioSummary| row.untolerated_failures() > 0;
        let interrupted = self.scenarios.iter().any(|row| row.interrupted > 0);
        let mut thresholds = self.scenarios.iter().flat_map(|row| &row.thresholds);
        self.is_healthy()
            && !self.scenarios.iter().any(is_failing)
            && !interrupted
            && thresholds.all(|threshold| threshold.passed)
    }

    /// Whether the test is good as a whole: [sound](Self::is_sound), and not
    /// [stopped](Self::was_stopped) before its end. The right condition for
    /// the exit status 0.
    pub fn passed(&self) -> bool {
        self.is_sound() && !self.was_stopped()
    }
}

impl<A: Histograms> Report<A> for Summary {
    /// A summary with one row, named like the scenario.
    fn derive(run: &Run<A>) -> Self {
        Self {
            schema: SCHEMA,
            name: run.name.clone(),
            scenarios: vec![ScenarioSummary::of(run)],
        }
    }
}

/// The figures of one scenario.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ScenarioSummary {
    /// The scenario's name.
    pub name: String,
    /// The wall clock at t0, where it is known; seconds since 1970 in JSON.
    #[cfg_attr(feature = "serde", serde(default, with = "seconds::since_1970"))]
    pub started_at: Option<SystemTime>,
    /// From t0 to the end of the load or of the last iteration, whichever came
    /// later.
    #[cfg_attr(feature = "serde", serde(with = "seconds"))]
    pub elapsed: Duration,
    /// From t0 to the end of the schedule, or to the moment it was stopped.
    #[cfg_attr(feature = "serde", serde(default, with = "seconds"))]
    pub load_time: Duration,
    /// Why the run ended.
    #[cfg_attr(feature = "serde", serde(default = "completed"))]
    pub stop: StopReason,
    /// How it was decided when an iteration is due: "open", "closed" or
    /// "paced"; see [`caveat`](Self::caveat).
    #[cfg_attr(feature = "serde", serde(default))]
    pub model: LoadModel,
    /// How long after the common start of all scenarios this one's t0 was;
    /// seconds in JSON.
    #[cfg_attr(feature = "serde", serde(default, with = "seconds"))]
    pub start_offset: Duration,
    /// The leading time that is no part of the other figures, if there was
    /// one.
    #[cfg_attr(feature = "serde", serde(default))]
    pub warm_up: Option<WarmUpSummary>,

    /// Arrivals that were due: `completed + dropped + interrupted`.
    pub planned: u64,
    /// Iterations that ran to their end: `succeeded + failed + unknown`.
    pub completed: u64,
    /// Iterations that did what they should.
    pub succeeded: u64,
    /// Iterations that are known to have failed.
    pub failed: u64,
    /// Iterations that may or may not have happened, such as those that timed
    /// out.
    pub unknown: u64,
    /// Arrivals that the overload policy let go.
    pub dropped: u64,
    /// Arrivals that were due and did not complete before the run ended.
    pub interrupted: u64,

    /// Arrivals that were due, per second: `planned / load_time`.
    pub offered_rate: f64,
    /// Iterations that were completed, per second: `completed / elapsed`.
    pub achieved_rate: f64,
    /// Messages that were moved.
    pub messages: u64,
    /// Bytes that were sent.
    pub bytes_sent: u64,
    /// Bytes that were received.
    pub bytes_received: u64,

    /// From the due time to the end of each iteration: the headline.
    pub response_time: LatencySummary,
    /// From the actual start to the end of each iteration.
    pub service_time: LatencySummary,
    /// From the due time to the actual start of each iteration.
    pub lateness: LatencySummary,

    /// Why iterations did not succeed, the most frequent first; the counts add
    /// up to `failed + unknown`.
    pub errors: Vec<ErrorSummary>,
    /// What else happened inside the iterations, in alphabetical order.
    #[cfg_attr(feature = "serde", serde(default))]
    pub counts: Vec<CountSummary>,
    /// How far behind the scenario was, if it says so.
    #[cfg_attr(feature = "serde", serde(default))]
    pub lag: Option<LagSummary>,
    /// A row for each label of an iteration or of a part of one, in
    /// alphabetical order, "other" last.
    pub labels: Vec<LabelSummary>,
    /// The named steps inside the iterations, in alphabetical order, "other"
    /// last.
    #[cfg_attr(feature = "serde", serde(default))]
    pub steps: Vec<StepSummary>,
    /// What ended in each second, from t0 to the end without a gap; wider
    /// slots in long runs.
    pub timeline: Vec<TimelineSummary>,

    /// How the generator did, and whether these figures can be trusted.
    pub generator: GeneratorSummary,
    /// What the scenario was judged by; empty unless someone did.
    pub thresholds: Vec<ThresholdSummary>,
    /// What went wrong without ending the run.
    #[cfg_attr(feature = "serde", serde(default))]
    pub warnings: Vec<String>,
    /// What the scenario said of itself, such as which engine it used; no part
    /// of any judgement.
    #[cfg_attr(feature = "serde", serde(default))]
    pub details: Vec<Detail>,
}

impl ScenarioSummary {
    /// The figures of one run.
    pub fn of<A: Histograms>(run: &Run<A>) -> Self {
        let histograms = run.aggregate.histograms();
        let total = histograms.total();
        let (outcomes, volume) = (total.outcomes(), total.volume());
        let label = |(name, stats)| LabelSummary::of(name, stats, run.elapsed);
        Self {
            name: run.name.clone(),
            started_at: run.started_at,
            elapsed: run.elapsed,
            load_time: run.load_time,
            stop: run.stop.clone(),
            model: run.model,
            start_offset: run.start_offset,
            warm_up: run.warm_up.as_ref().map(WarmUpSummary::of),
            planned: run.account.planned,
            completed: run.account.completed,
            succeeded: outcomes.succeeded,
            failed: outcomes.failed,
            unknown: outcomes.unknown,
            dropped: run.account.dropped,
            interrupted: run.account.interrupted,
            offered_rate: figures::rate(run.account.planned, run.load_time),
            achieved_rate: figures::rate(run.account.completed, run.elapsed),
            messages: volume.messages,
            bytes_sent: volume.bytes_sent,
            bytes_received: volume.bytes_received,
            response_time: LatencySummary::of(total.response_time()),
            service_time: LatencySummary::of(total.service_time()),
            lateness: LatencySummary::of(total.lateness()),
            errors: ErrorSummary::list(total),
            counts: CountSummary::list(total),
            lag: total.lag().map(LagSummary::of),
            labels: histograms.labels().map(label).collect(),
            steps: histograms.steps().map(StepSummary::of).collect(),
            timeline: TimelineSummary::list(histograms, run.elapsed),
            generator: GeneratorSummary::of(run),
            thresholds: run.judgements.iter().map(Into::into).collect(),
            warnings: run.warnings.clone(),
            details: run.details.clone(),
        }
    }

    /// What must be known to whoever reads the response times, if there is
    /// anything: that those of a closed run cannot see coordinated omission.
    pub const fn caveat(&self) -> Option<&'static str> {
        match self.model {
            LoadModel::Closed => Some(
                "users without pacing: response time counts from the actual start of each \
                 iteration, so it cannot see how long those would have waited whom a slow target \
                 kept from starting (coordinated omission)",
            ),
            _ => None,
        }
    }

    /// How many iterations did not succeed although nothing said that they may
    /// fail.
    ///
    /// A threshold that was met and says how many may, as `failures < 1%`
    /// does, tolerates them: `failures` the failed ones, `unknown` the unknown
    /// ones, `errors("class")` those of its class, a condition that is no
    /// [`Threshold`] all of them. A class does not tell failed and unknown
    /// ones apart; where it matters, no more is taken for tolerated than
    /// certainly is.
    pub fn untolerated_failures(&self) -> u64 {
        let (mut failed, mut unknown) = (self.failed, self.unknown);
        let mut left = failed.saturating_add(unknown);
        let mut classes: Vec<&ErrorSummary> = self.errors.iter().collect();
        let tolerating = self.thresholds.iter();
        for threshold in tolerating.filter(|row| row.passed && row.tolerates_failures) {
            let parsed = threshold.name.parse::<Threshold>().ok();
            match parsed.as_ref().and_then(Threshold::tolerates) {
                Some(Counted::Failures) => failed = 0,
                Some(Counted::Unknown) => unknown = 0,
                Some(Counted::Errors(class)) => classes.retain(|error| {
                    let is_tolerated = error.class == *class;
                    if is_tolerated {
                        left = left.saturating_sub(error.count);
                    }
                    !is_tolerated
                }),
                _ => (failed, unknown) = (0, 0),
            }
        }
        failed.saturating_add(unknown).min(left)
    }
}

/// What a run ended with of which a foreign summary does not say it.
#[cfg(feature = "serde")]
fn completed() -> StopReason {
    StopReason::Completed
}
