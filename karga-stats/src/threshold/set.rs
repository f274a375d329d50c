use std::{fmt, time::Duration};

use karga_core::{Judgement, Run};

use super::{ParseThresholdError, Threshold, evidence, watch::Watch};
use crate::Histograms;

/// The conditions that a run must meet: watched while it goes on, judged at
/// its end.
///
/// As an [`Observer`](karga_core::Observer) it works with every executor, and
/// with every aggregate that has [`Histograms`]; load tests take it as it is.
/// [`judge_run`](Self::judge_run) judges a run that is over.
///
/// # At the end
///
/// Each condition is judged over the whole run. Without samples it is missed,
/// whatever it says; so it is if no sample has its label or step, or says a
/// lag.
///
/// The last good rate of a judgement is the rate that was offered, at least,
/// through the newest window in which the condition held: what a rising load
/// is for.
///
/// # While the run goes on
///
/// At every interval each condition is looked at over a sliding
/// [window](Self::window). One that [aborts](Self::abort) stops the run when it
/// is missed there, and then is missed for good, also if the figure over the
/// whole run would still hold. What is asked for depends on the figure:
///
/// - **Times and shares**: that the samples in the window miss the condition by
///   more than chance does. A window holds few samples, and the 99th percentile
///   of a hundred is one or two of them. So a percentile counts as missed when
///   more samples lie beyond the limit than a target that just meets it shows
///   in one of 100,000 windows (by the Chernoff bound of the binomial
///   distribution), and likewise a share; a mean when it is more than 4.3
///   standard errors beyond the limit, over at least 10 samples; `max` and
///   `min` at the first sample. For the 99th percentile of 1,000 samples that
///   takes 29 beyond the limit. A window without samples misses nothing.
/// - **Counts** (`failures == 0`, `unknown < 5`) count from t0: one that is
///   bounded from above is missed as soon as it is beyond the bound, since it
///   never falls again. One that has to reach a value can only be judged at the
///   end.
/// - **Rates** and `achieved_rate`: the window's rate, give or take one
///   iteration and four times the square root of those that are usually under
///   way, which may end on either side of the window's edges. A window without
///   samples is a rate of zero. An absolute rate is also missed while the
///   schedule asks for less; where it ramps, let the [grace](Self::grace) cover
///   the ramp-up and prefer a share.
/// - **Shares of the offered load** (`achieved_rate > 95%`, `completed > 99%`):
///   what was completed in the window, compared with the least that was due in
///   any time of the window's length up to one window earlier, with the same
///   allowance. So a target that always takes its time, up to the length of the
///   window, misses nothing, whatever way the rate goes; one that falls behind
///   does.
/// - `lag` is the window's latest, `max(lag)` its highest.
///
/// So a target that becomes slower by a step is noticed once enough samples of
/// the window are beyond the limit; where nearly all are, that is at the first
/// or second interval. One that does not answer at all has no times: ask for a
/// share of the offered rate as well.
///
/// # Cost
///
/// The window is kept in at most 130 parts, each with two to three bytes for
/// every occupied bucket of the time that a condition is about. At an interval
/// such a condition costs some 15 ns for each of these buckets, which is 20 µs
/// for a usual distribution and 120 µs for one of 6,700 buckets, and any other
/// less than 1 µs, however long the window is (`benches/thresholds.rs`). What an
/// interval costs without thresholds, which may be more, comes on top: see
/// [`HistogramAggregate`](crate::HistogramAggregate#cost).
///
/// ```
/// use std::time::Duration;
/// use karga_stats::Thresholds;
///
/// let thresholds = Thresholds::parse(["p99(response_time) < 250ms", "failures < 1%"])?
///     .window(Duration::from_secs(30))
///     .abort();
/// # Ok::<(), karga_stats::ParseThresholdError>(())
/// ```
#[must_use = "thresholds judge nothing until they observe a run or judge one"]
pub struct Thresholds {
    pub(super) thresholds: Vec<Threshold>,
    pub(super) window: Duration,
    pub(super) abort: bool,
    pub(super) grace: Option<Duration>,
    /// What was seen of the run that goes on.
    pub(super) watch: Watch,
}

impl Thresholds {
    /// These thresholds, in this order.
    pub fn new(thresholds: impl IntoIterator<Item = Threshold>) -> Self {
        Self {
            thresholds: thresholds.into_iter().collect(),
            window: Duration::from_secs(10),
            abort: false,
            grace: None,
            watch: Watch::default(),
        }
    }

    /// The thresholds that these texts say; see [`Threshold`].
    ///
    /// # Errors
    ///
    /// The first text that is no condition, with the column and what is known
    /// there.
    pub fn parse<T: AsRef<str>>(
        texts: impl IntoIterator<Item = T>,
    ) -> Result<Self, ParseThresholdError> {
        let parsed = texts.into_iter().map(|text| text.as_ref().parse());
        Ok(Self::new(parsed.collect::<Result<Vec<_>, _>>()?))
    }

    /// How long the sliding window is; ten seconds unless set. It always holds
    /// the newest interval, however short it is.
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Stops the run as soon as one of them is missed over the window; unless
    /// set, only those do that [say so](Threshold::abort) themselves.
    pub const fn abort(self) -> Self {
        self.abort_on_breach(true)
    }

    /// As [`abort`](Self::abort), if `abort` is true.
    pub const fn abort_on_breach(mut self, abort: bool) -> Self {
        self.abort = abort;
        self
    }

    /// No run is stopped before it is this old, counted from t0 (a warm-up is
    /// over then); the length of the window unless set.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// The thresholds, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Threshold> {
        self.thresholds.iter()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.thresholds.is_empty()
    }

    /// Judges a run that is over, one judgement for each threshold.
    pub fn judge_run<A: Histograms>(&self, run: &Run<A>) -> Vec<Judgement> {
        let judge = |threshold| judge(threshold, run);
        self.thresholds.iter().map(judge).collect()
    }
}

/// Judges a run by one threshold.
pub(super) fn judge<A: Histograms>(threshold: &Threshold, run: &Run<A>) -> Judgement {
    let seen = evidence::in_run(threshold, run);
    let reason = seen.text(threshold.limit) + &evidence::instead(threshold, run);
    let mut judgement = Judgement::new(threshold.to_string(), seen.holds(threshold), reason);
    judgement.tolerates_failures = threshold.tolerates().is_some();
    judgement
}

/// The same conditions and settings; what was seen of a run is not copied.
impl Clone for Thresholds {
    fn clone(&self) -> Self {
        Self {
            thresholds: self.thresholds.clone(),
            window: self.window,
            abort: self.abort,
            grace: self.grace,
            watch: Watch::default(),
        }
    }
}

impl fmt::Debug for Thresholds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thresholds")
            .field("thresholds", &self.thresholds)
            .field("window", &self.window)
            .field("abort", &self.abort)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}
