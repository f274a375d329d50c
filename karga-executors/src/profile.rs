//! The usual shapes of load, by name: each is stages, and a builder on which
//! everything else can still be set.

mod checks;
mod sine;

use std::{iter, time::Duration};

use karga_core::{Stage, schedule::MAX_RATE};

use self::{
    checks::{Checks, Shown},
    sine::{LINES, sine},
};
use crate::{StageExecutor, StageExecutorBuilder};

/// The most stages that a profile can have.
const MAX_STAGES: usize = 1 << 18;

/// # Profiles
///
/// The usual shapes of load by name. Each gives a builder, so that workers,
/// arrivals, the overload policy and all else can still be set:
///
/// ```
/// use std::time::Duration;
/// use karga_core::Arrivals;
/// use karga_executors::StageExecutor;
///
/// let executor = StageExecutor::constant(500.0, Duration::from_secs(60))
///     .arrivals(Arrivals::Poisson { seed: 1 })
///     .workers(200)
///     .build()?;
/// # Ok::<(), karga_executors::StageExecutorError>(())
/// ```
///
/// Rates are arrivals per second, from 0 to 1e9. An argument that makes no
/// sense is refused by [`build`](StageExecutorBuilder::build), which names it.
impl StageExecutor {
    /// A constant rate.
    ///
    /// ```text
    /// rate ┤────────────
    ///      └────────────▶
    ///        duration
    /// ```
    ///
    /// k6 calls this `constant-arrival-rate`, Gatling
    /// `constantUsersPerSec(rate).during(duration)`, wrk2 `-R`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use karga_executors::StageExecutor;
    ///
    /// let executor = StageExecutor::constant(500.0, Duration::from_secs(60)).build()?;
    /// assert_eq!(executor.schedule().len(), 30_000);
    /// # Ok::<(), karga_executors::StageExecutorError>(())
    /// ```
    pub fn constant(rate: f64, duration: Duration) -> StageExecutorBuilder {
        Checks::of("constant")
            .positive("rate", rate)
            .time("duration", duration)
            .then(|| Shape::from(rate).line(duration, rate))
    }

    /// A rate that moves evenly, upwards or downwards.
    ///
    /// ```text
    ///   to ┤         ╱
    ///      │     ╱
    /// from ┤ ╱
    ///      └──────────▶
    ///        duration
    /// ```
    ///
    /// One stage of k6's `ramping-arrival-rate`; Gatling's
    /// `rampUsersPerSec(from).to(to).during(duration)`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use karga_executors::StageExecutor;
    ///
    /// let executor = StageExecutor::ramp(0.0, 100.0, Duration::from_secs(60)).build()?;
    /// assert_eq!(executor.schedule().rate_at(Duration::from_secs(15)), 25.0);
    /// # Ok::<(), karga_executors::StageExecutorError>(())
    /// ```
    pub fn ramp(from: f64, to: f64, duration: Duration) -> StageExecutorBuilder {
        Checks::of("ramp")
            .rate("from", from)
            .rate("to", to)
            .that(from > 0.0 || to > 0.0, "to", to, || {
                "from is zero too, so there would be no arrival: give a rate above zero".into()
            })
            .time("duration", duration)
            .then(|| Shape::from(from).line(duration, to))
    }

    /// A base load, a sudden peak, and the base load again for as long as
    /// before: does the target survive the peak, and does it recover?
    ///
    /// ```text
    /// peak ┤            ┌──────┐
    ///      │            │      │
    /// base ┤────────────┘      └────────────
    ///      └────────────┴──────┴────────────▶
    ///       base_duration  peak_  base_duration
    ///                    duration
    /// ```
    ///
    /// k6's guides call this a spike test; in Gatling and Locust it is put
    /// together from parts.
    ///
    /// ```
    /// use std::time::Duration;
    /// use karga_executors::StageExecutor;
    ///
    /// let executor =
    ///     StageExecutor::spike(100.0, Duration::from_secs(60), 2000.0, Duration::from_secs(10))
    ///         .build()?;
    /// assert_eq!(executor.schedule().len(), 6_000 + 20_000 + 6_000);
    /// # Ok::<(), karga_executors::StageExecutorError>(())
    /// ```
    pub fn spike(
        base: f64,
        base_duration: Duration,
        peak: f64,
        peak_duration: Duration,
    ) -> StageExecutorBuilder {
        Checks::of("spike")
            .rate("base", base)
            .time("base_duration", base_duration)
            .rate("peak", peak)
            .that(peak > base, "peak", peak, || {
                format!("give a rate above base, which is {base}")
            })
            .time("peak_duration", peak_duration)
            .then(|| {
                Shape::from(base)
                    .line(base_duration, base)
                    .jump(peak)
                    .line(peak_duration, peak)
                    .jump(base)
                    .line(base_duration, base)
            })
    }

    /// Levels upwards, each held, with ramps between them: how do the figures
    /// change with the load?
    ///
    /// ```text
    /// first + 2·step ┤                     ╭──────
    ///                │                   ╱ ┊
    ///   first + step ┤          ╭──────╯   ┊
    ///                │        ╱ ┊      ┊   ┊
    ///          first ┤──────╯   ┊      ┊   ┊
    ///                └──────┴───┴──────┴───┴──────▶
    ///                  hold ramp  hold ramp  hold     levels = 3
    /// ```
    ///
    /// With a ramp of zero the rate jumps. k6's guides call this a stress
    /// test, Gatling `incrementUsersPerSec(step).times(levels)`
    /// `.eachLevelLasting(hold).separatedByRampsLasting(ramp)`
    /// `.startingFrom(first)`, Locust's examples a step load shape.
    ///
    /// ```
    /// use std::time::Duration;
    /// use karga_executors::StageExecutor;
    ///
    /// let (hold, ramp) = (Duration::from_secs(60), Duration::from_secs(10));
    /// let executor = StageExecutor::stress(100.0, 50.0, 3, hold, ramp).build()?;
    /// assert_eq!(executor.schedule().duration(), 3 * hold + 2 * ramp);
    /// assert_eq!(executor.schedule().rate_at(Duration::from_secs(75)), 150.0);
    /// # Ok::<(), karga_executors::StageExecutorError>(())
    /// ```
    pub fn stress(
        first: f64,
        step: f64,
        levels: u32,
        hold: Duration,
        ramp: Duration,
    ) -> StageExecutorBuilder {
        let level = |n: u32| first + f64::from(n) * step;
        Checks::of("stress")
            .rate("first", first)
            .positive("step", step)
            .that(levels > 0, "levels", levels, || "give at least 1".into())
            .that(levels as usize <= MAX_STAGES / 2, "levels", levels, || {
                format!("give {} at most", MAX_STAGES / 2)
            })
            .that(
                level(levels.saturating_sub(1)) <= MAX_RATE,
                "levels",
                levels,
                || format!("the last would be above {MAX_RATE:e}/s: give fewer, or a smaller step"),
            )
            .time("hold", hold)
            .then(|| {
                (1..levels).fold(Shape::from(first).line(hold, first), |shape, n| {
                    shape.line(ramp, level(n)).line(hold, level(n))
                })
            })
    }

    /// A long, steady load with a ramp up before it and a ramp down of the
    /// same length after it: what leaks, fills up or wears out?
    ///
    /// ```text
    /// rate ┤    ╭──────────────────╮
    ///      │  ╱ ┊                  ┊ ╲
    ///    0 ┤╱   ┊                  ┊   ╲
    ///      └────┴──────────────────┴────▶
    ///       ramp        hold        ramp
    /// ```
    ///
    /// k6's guides call this a soak test, others an endurance test.
    ///
    /// ```
    /// use std::time::Duration;
    /// use karga_executors::StageExecutor;
    ///
    /// let (ramp, hold) = (Duration::from_secs(300), Duration::from_secs(8 * 3600));
    /// let executor = StageExecutor::soak(200.0, ramp, hold).build()?;
    /// assert_eq!(executor.schedule().len(), 200 * (300 + 8 * 3600));
    /// # Ok::<(), karga_executors::StageExecutorError>(())
    /// ```
    pub fn soak(rate: f64, ramp: Duration, hold: Duration) -> StageExecutorBuilder {
        Checks::of("soak")
            .positive("rate", rate)
            .time("hold", hold)
            .then(|| {
                Shape::from(0.0)
                    .line(ramp, rate)
                    .line(hold, rate)
                    .line(ramp, 0.0)
            })
    }

    /// A staircase that rises until something breaks, or until `max_rate`,
    /// which is its last level: how much does the target bear?
    ///
    /// ```text
    ///   max_rate ┤                     ┌──────
    ///            │              ┌──────┘
    ///            │       ┌──────┘   ╳ a threshold is missed: the run stops
    /// start_rate ┤───────┘
    ///            └───────┴──────┴──────┴──────▶
    ///             step_duration each
    /// ```
    ///
    /// By itself it goes on to the end. What ends it earlier is an observer: a
    /// threshold of `karga-stats` that aborts the run when it is missed over
    /// its window. The judgement on it
    /// ([`Judgement`](karga_core::Judgement)) then says when it stopped the run
    /// and, as [`last_good_rate`](karga_core::Judgement::last_good_rate), the
    /// highest offered rate at which it had still held. A step should last
    /// several of the threshold's windows, so that what is seen belongs to the
    /// step; how fine the steps are is how fine the answer is.
    ///
    /// This is one pass upwards, cheap and in order of load. A target that
    /// recovers slowly from an overload, or a rate near the edge, wants
    /// repeated probes instead: `Capacity`, which searches.
    ///
    /// k6's guides call this a breakpoint test, there as one ramp with
    /// `abortOnFail`; others call it a capacity test.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use karga_core::action_fn;
    /// use karga_core::{Executor, Observer, scenario};
    /// use karga_executors::StageExecutor;
    /// use karga_stats::{HistogramAggregate, Thresholds};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let action = action_fn(|i: karga_core::Iteration| async move {
    /// #     let slow = i.due >= Duration::from_secs(90);
    /// #     tokio::time::sleep(Duration::from_millis(if slow { 300 } else { 20 })).await;
    /// # });
    /// // 100/s, 150/s, ... 1000/s, each for 30 s.
    /// let executor =
    ///     StageExecutor::breakpoint(100.0, 50.0, Duration::from_secs(30), 1000.0).build()?;
    /// assert_eq!(executor.schedule().duration(), 19 * Duration::from_secs(30));
    ///
    /// let mut thresholds = Thresholds::parse(["p99(response_time) < 250ms"])?
    ///     .window(Duration::from_secs(5))
    ///     .abort();
    /// let shop = scenario("shop", action);
    /// let run = executor
    ///     .execute(&shop, HistogramAggregate::default(), &mut thresholds)
    ///     .await?;
    /// // A load test does this by itself.
    /// let judgement = &thresholds.judge(&run)[0];
    /// println!("it held up to {:?} per second", judgement.last_good_rate);
    /// # assert!(judgement.stopped_at.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn breakpoint(
        start_rate: f64,
        step: f64,
        step_duration: Duration,
        max_rate: f64,
    ) -> StageExecutorBuilder {
        let steps = steps_between(start_rate, step, max_rate);
        Checks::of("breakpoint")
            .rate("start_rate", start_rate)
            .positive("step", step)
            .time("step_duration", step_duration)
            .rate("max_rate", max_rate)
            .that(max_rate >= start_rate, "max_rate", max_rate, || {
                format!("give at least start_rate, which is {start_rate}")
            })
            .that(steps < (MAX_STAGES / 2) as f64, "step", step, || {
                format!(
                    "it would take {steps:.0} steps to max_rate, and {} are possible: \
                     give a larger one",
                    MAX_STAGES / 2 - 1
                )
            })
            .then(|| {
                let level = |n| match f64::from(n) {
                    n if n < steps => start_rate + n * step,
                    _ => max_rate,
                };
                let first = Shape::from(start_rate).line(step_duration, start_rate);
                (1..=steps as u32).fold(first, |shape, n| {
                    shape.jump(level(n)).line(step_duration, level(n))
                })
            })
    }

    /// A rate that swings around a mean, as over a day: it begins at the mean
    /// and rises.
    ///
    /// ```text
    /// mean + amplitude ┤   ╭─╮               ╭─╮
    ///                  │ ╱     ╲           ╱     ╲
    ///             mean ┤╯       ╲         ╱       ╲
    ///                  │          ╲     ╱           ╲
    /// mean − amplitude ┤            ╰─╯               ╰─
    ///                  └─────────────────┴───────────────▶
    ///                        period
    /// ```
    ///
    /// The curve is drawn by 64 straight lines per period, which lie on it at
    /// their ends and inside of it by π²/8192, or 0.12 %, of the amplitude at
    /// most. What a whole period holds is exact: mean times period. If
    /// `duration` is no multiple of the period, the last one is cut off.
    ///
    /// vegeta has this as its sine pacer.
    ///
    /// ```
    /// use std::time::Duration;
    /// use karga_executors::StageExecutor;
    ///
    /// let minute = Duration::from_secs(60);
    /// let executor = StageExecutor::sine(100.0, 80.0, minute, 10 * minute).build()?;
    /// assert_eq!(executor.schedule().len(), 60_000);
    /// assert_eq!(executor.schedule().rate_at(minute / 4), 180.0);
    /// assert_eq!(executor.schedule().rate_at(minute * 3 / 4), 20.0);
    /// # Ok::<(), karga_executors::StageExecutorError>(())
    /// ```
    pub fn sine(
        mean: f64,
        amplitude: f64,
        period: Duration,
        duration: Duration,
    ) -> StageExecutorBuilder {
        const MAX_PERIODS: u128 = MAX_STAGES as u128 / LINES as u128;
        let periods = duration.as_nanos().div_ceil(period.as_nanos().max(1));
        Checks::of("sine")
            .positive("mean", mean)
            .rate("amplitude", amplitude)
            .that(amplitude <= mean, "amplitude", amplitude, || {
                format!("a rate cannot be negative: give {mean}, the mean, at most")
            })
            .that(mean + amplitude <= MAX_RATE, "amplitude", amplitude, || {
                format!("mean and amplitude may be {MAX_RATE:e}/s together at most")
            })
            .time("period", period)
            .time("duration", duration)
            .that(periods <= MAX_PERIODS, "period", Shown(period), || {
                format!(
                    "the duration holds {periods} of them, and {MAX_PERIODS} are possible: \
                     give a longer one"
                )
            })
            .then(|| Shape::from(mean).lines(sine(mean, amplitude, period, duration)))
    }
}

/// How many steps lead from one rate to the other, the last one maybe shorter.
fn steps_between(from: f64, step: f64, to: f64) -> f64 {
    let steps = (to - from) / step;
    // What rounding added is no step: 0.1 to 0.4 by 0.1 are three.
    if (steps - steps.round()).abs() <= 1e-9 * steps.max(1.0) {
        steps.round()
    } else {
        steps.ceil()
    }
}

/// Stages under construction.
struct Shape {
    start: f64,
    stages: Vec<Stage>,
}

impl Shape {
    fn from(start: f64) -> Self {
        Self {
            start,
            stages: Vec::new(),
        }
    }

    fn line(self, duration: Duration, rate: f64) -> Self {
        self.lines(iter::once(Stage::new(duration, rate)))
    }

    fn jump(self, rate: f64) -> Self {
        self.line(Duration::ZERO, rate)
    }

    fn lines(mut self, lines: impl Iterator<Item = Stage>) -> Self {
        self.stages.extend(lines);
        self
    }
}
