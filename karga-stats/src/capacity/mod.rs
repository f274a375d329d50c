//! The highest rate that a target can take.

mod builder;
mod error;
mod probe;
mod report;
mod search;

use std::error::Error;

use karga_core::{LoadModel, Run, StopReason};

use builder::Settings;
pub use builder::{CapacityBuilder, InvalidCapacity};
pub use error::CapacityError;
pub use report::{CapacityEnd, CapacityReport, Probe, ProbeVerdict};
use search::{Next, Outcome, Search};

use crate::{Histograms, Thresholds};

/// Searches the highest open-loop rate at which thresholds hold.
///
/// The rate rises by a factor until a probe fails, or the highest rate that is
/// allowed passes; then the interval between the highest rate that passed and
/// the lowest that failed is halved, on a logarithmic scale, until it is as
/// narrow as asked for. The answer is that interval, not a number: no finite
/// test knows more.
///
/// Measurements are noisy, so a rate passes or fails by the majority of its
/// probes. On the way up one probe that passes is enough to go on; what becomes
/// an end of the interval has been probed until its majority was known.
///
/// A probe passes if its run would [pass](crate::Summary::passed) with the
/// thresholds. If the generator was the bottleneck, by the majority of the
/// probes, the search ends: nothing is known of the target above the rates that
/// passed.
///
/// However the probes come out, the search ends: the way up has 1 +
/// ln(max_rate / start_rate) / ln(factor) rates, rounded up, and the interval
/// is halved log2(ln(factor) / ln(1 + precision)) times, rounded up, at most 13.
/// Each of these rates is probed at most as often as [`CapacityBuilder::repeats`]
/// says: with the default settings a search takes 15 + 4 rates and 57 probes at
/// most, and most searches a third of that.
///
/// There is no runtime in it: how a rate is offered, with which warm-up, and
/// whether there is a pause between two probes, is the closure's business.
///
/// ```
/// use std::time::Duration;
/// use karga_core::{Account, Aggregate, Iteration, Run, Sample};
/// use karga_stats::{Capacity, HistogramAggregate, Thresholds};
///
/// # #[derive(Debug)] struct Refused;
/// # impl std::fmt::Display for Refused {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("refused") }
/// # }
/// # impl std::error::Error for Refused {}
/// /// Stands for a load test of a target that takes 700/s.
/// async fn probe(rate: f64) -> Result<Run<HistogramAggregate>, Refused> {
///     let answer = Duration::from_millis(if rate <= 700.0 { 5 } else { 500 });
///     let mut aggregate = HistogramAggregate::default();
///     let due = Iteration::new(0, 0, Duration::ZERO);
///     aggregate.record(&Sample::new(due, Duration::ZERO, answer, ()));
///     Ok(Run::new("probe", aggregate, Account::new(1, 1, 0, 0), Duration::from_secs(1)))
/// }
///
/// # async fn search() -> Result<(), Box<dyn std::error::Error>> {
/// let capacity = Capacity::builder()
///     .start_rate(100.0)
///     .precision(0.05)
///     .thresholds(Thresholds::parse(["p99(response_time) < 250ms"])?)
///     .build()?;
/// let report = capacity.search(probe).await?;
/// assert!(report.highest_passing.is_some_and(|rate| (660.0..=700.0).contains(&rate)));
/// assert!(report.lowest_failing.is_some_and(|rate| (700.0..=735.0).contains(&rate)));
/// # Ok(()) }
/// # let mut search = std::pin::pin!(search());
/// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// # assert!(matches!(search.as_mut().poll(&mut cx), std::task::Poll::Ready(Ok(()))));
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is searched before `search`"]
pub struct Capacity {
    settings: Settings,
    thresholds: Thresholds,
}

impl Capacity {
    /// Starts from the default settings.
    pub fn builder() -> CapacityBuilder {
        CapacityBuilder::default()
    }

    /// Searches with this probe: it offers the rate that it is given, per
    /// second, for as long as it wants, and gives the run.
    ///
    /// A run that the closure had watched by thresholds of its own, to stop a
    /// probe early for instance, is judged by those as well.
    ///
    /// # Errors
    ///
    /// If the first rate does not pass, if a probe gives an error, is stopped
    /// by Ctrl-C, or runs in the closed model. What was found until then is in
    /// the error.
    pub async fn search<F, Fut, A, E>(&self, mut probe: F) -> Result<CapacityReport, CapacityError>
    where
        F: FnMut(f64) -> Fut,
        Fut: Future<Output = Result<Run<A>, E>>,
        A: Histograms,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut search = Search::new(self.settings);
        let mut probes = Vec::new();
        let end = loop {
            let rate = match search.next() {
                Next::Probe(rate) => rate,
                end => break end,
            };
            let run = match probe(rate).await {
                Ok(run) => run,
                Err(error) => {
                    return Err(CapacityError::Probe {
                        rate,
                        source: error.into(),
                        report: Box::new(unfinished(&search, probes)),
                    });
                }
            };
            let probe = Probe::of(rate, &run, &self.thresholds);
            let verdict = probe.verdict;
            probes.push(probe);
            if run.stop == StopReason::CtrlC {
                return Err(CapacityError::Stopped {
                    rate,
                    report: Box::new(unfinished(&search, probes)),
                });
            }
            if run.model == LoadModel::Closed {
                return Err(CapacityError::Closed {
                    rate,
                    report: Box::new(unfinished(&search, probes)),
                });
            }
            search.take(match verdict {
                ProbeVerdict::Passed => Outcome::Passed,
                ProbeVerdict::Saturated => Outcome::Saturated,
                _ => Outcome::Failed,
            });
        };
        let mut report = unfinished(&search, probes);
        report.end = match end {
            Next::MaxRate => CapacityEnd::MaxRate,
            Next::Generator => CapacityEnd::Generator,
            Next::NothingPassed => return Err(self.nothing_passed(report)),
            _ => CapacityEnd::Precision,
        };
        Ok(report)
    }

    fn nothing_passed(&self, report: CapacityReport) -> CapacityError {
        let mut failed = report.probes.iter().rev();
        let failed = failed.find(|probe| {
            probe.rate == self.settings.start_rate && probe.verdict != ProbeVerdict::Passed
        });
        CapacityError::FirstProbeFailed {
            rate: self.settings.start_rate,
            reason: failed.and_then(|probe| probe.reason.clone()),
            report: Box::new(report),
        }
    }
}

/// What is known so far.
fn unfinished(search: &Search, probes: Vec<Probe>) -> CapacityReport {
    CapacityReport {
        highest_passing: search.passing(),
        lowest_failing: search.failing(),
        end: CapacityEnd::Unfinished,
        probes,
    }
}

/// Whether a run was ended before its end by somebody else than the program.
fn was_cut_short(stop: &StopReason) -> bool {
    !matches!(stop, StopReason::Completed | StopReason::Requested)
}
