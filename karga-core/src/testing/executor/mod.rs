mod ends;
mod failures;
mod log;
mod normal;
mod probe;
mod rule;
mod samples;
mod scene;
mod script;
mod snapshots;
mod tape;
mod watch;

use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

pub use probe::{Probe, ProbeError, ProbeUser, Reading};
pub use rule::ExecutorRule;

use super::{
    Clock, Violations,
    violation::{Findings, some},
};
use crate::Executor;
use scene::{End, Seen, play};
use script::Script;

/// Checks an executor: `make` gives a fresh one for each of some twenty runs.
///
/// The executor should plan **at least some hundred iterations, five intervals,
/// and calls of a millisecond's length** ([`service_time`]), by at most 100,000
/// iterations. An hour of load is no problem on a paused clock. What cannot be
/// checked by a plan, because it is too short, is a failure that says so.
///
/// It has to execute any scenario, or at least a [`Probe`]. How to read a
/// failure stands at the [module](super).
///
/// # Example
///
/// ```
/// use std::time::{Duration, Instant};
/// use karga_core::{testing::{self, Clock}, *};
/// # struct TokioClock;
/// # impl Clock for TokioClock {
/// #     fn now(&self) -> Instant { tokio::time::Instant::now().into_std() }
/// #     fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> { Box::pin(tokio::time::sleep(time)) }
/// # }
///
/// /// Runs iterations one after the other, and does nothing else that the
/// /// contract asks for.
/// struct Naive(u64);
///
/// impl<S: Scenario> Executor<S> for Naive {
///     type Error = ExecuteError<S::Error>;
///     async fn execute<A, O>(
///         &self, scenario: &S, mut aggregate: A, observer: &mut O,
///     ) -> Result<Run<A>, Self::Error>
///     where
///         A: Aggregate<MetricOf<S>>,
///         O: Observer<A>,
///     {
///         let action = scenario.connect(0).await
///             .map_err(|source| ExecuteError::Connect { user: 0, source })?;
///         observer.on_ready().await;
///         let t0 = tokio::time::Instant::now();
///         for index in 0..self.0 {
///             let iteration = Iteration::new(index, 0, t0.elapsed());
///             let metric = action.call(iteration).await;
///             aggregate.record(&Sample::new(iteration, iteration.due, t0.elapsed(), metric));
///         }
///         let account = Account::new(self.0, self.0, 0, 0);
///         Ok(Run::new(scenario.name(), aggregate, account, t0.elapsed()))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// // In a `#[tokio::test(start_paused = true)]`, `.run().await` is all.
/// let violations = testing::executor(TokioClock, || Naive(100)).check().await.unwrap_err();
/// let broken = violations.rules();
/// assert!(broken.contains(&testing::ExecutorRule::Setup), "{violations}");
/// assert!(broken.contains(&testing::ExecutorRule::ActionPanic), "{violations}");
/// # }
/// ```
///
/// [`service_time`]: ExecutorKit::service_time
pub fn executor<E, F>(clock: impl Clock, make: F) -> ExecutorKit<F>
where
    E: Executor<Probe>,
    F: Fn() -> E,
{
    ExecutorKit {
        make,
        rules: Settings {
            clock: Arc::new(clock),
            service: Duration::from_millis(1),
            tick: Duration::from_millis(1),
            limit: Duration::from_secs(3600),
            due: None,
        },
        skipped: Vec::new(),
    }
}

/// The kit for executors, made by [`executor`].
#[must_use = "nothing is checked before `run` or `check` is awaited"]
pub struct ExecutorKit<F> {
    make: F,
    rules: Settings,
    skipped: Vec<ExecutorRule>,
}

impl<F> fmt::Debug for ExecutorKit<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutorKit")
            .field("service_time", &self.rules.service)
            .field("tick", &self.rules.tick)
            .field("limit", &self.rules.limit)
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

/// When arrival n is due.
type Due = Box<dyn Fn(u64) -> Option<Duration>>;

/// What the checks go by.
struct Settings {
    clock: Arc<dyn Clock>,
    service: Duration,
    tick: Duration,
    limit: Duration,
    due: Option<Due>,
}

/// What the first run tells about the executor; the others are laid out by it.
struct Facts {
    users: u64,
    last_user: u64,
    calls: u64,
    /// The number of the first call that is no part of a warm-up.
    first: u64,
    /// From the beginning to t0.
    lead: Duration,
    /// From t0 to the end.
    length: Duration,
    /// From t0 to the moment in the middle at which runs are stopped, if calls
    /// begin after it.
    middle: Option<Duration>,
    /// Whether calls begin after the first interval.
    has_interval: bool,
    warnings: usize,
}

impl<E, F> ExecutorKit<F>
where
    E: Executor<Probe>,
    F: Fn() -> E,
{
    /// When arrival n is due, since the beginning of the load, a warm-up
    /// included, and `None` behind the last: the kit then checks every due time
    /// and that none is missing. For executors of an open model. By default the
    /// kit does not know.
    pub fn due(mut self, due: impl Fn(u64) -> Option<Duration> + 'static) -> Self {
        self.rules.due = Some(Box::new(due));
        self
    }

    /// How long a call takes; 1 ms by default. An executor with few users needs
    /// one that lets it keep up with its plan.
    pub fn service_time(mut self, time: Duration) -> Self {
        self.rules.service = time;
        self
    }

    /// How much later than due an iteration may start: the granularity of the
    /// timer. 1 ms by default, which is tokio's.
    pub fn tick(mut self, tick: Duration) -> Self {
        self.rules.tick = tick;
        self
    }

    /// How long, on the paused clock, a run may take; one hour by default.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.rules.limit = limit;
        self
    }

    /// Leaves a rule out, because the executor does not make this promise;
    /// `because` is for those who read the test.
    pub fn skip(mut self, rule: ExecutorRule, because: &'static str) -> Self {
        let _ = because;
        self.skipped.push(rule);
        self
    }

    /// Runs every check.
    ///
    /// # Panics
    ///
    /// With the list of every promise that is broken; and if the clock is not
    /// paused.
    #[track_caller]
    pub fn run(self) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            if let Err(violations) = self.check().await {
                panic!("{violations}\n\nchecked at {at}");
            }
        }
    }

    /// Runs every check and gives what is broken.
    ///
    /// # Panics
    ///
    /// If the clock is not paused.
    pub async fn check(self) -> Result<(), Violations<ExecutorRule>> {
        let mut findings = Findings::new::<E>("executors", self.skipped.clone());
        assert_paused(&*self.rules.clock).await;
        if let Some(facts) = self.normal(&mut findings).await {
            self.variations(&facts, &mut findings).await;
            self.failures(&facts, &mut findings).await;
            self.ends(&facts, &mut findings).await;
        }
        findings.finish()
    }

    fn script(&self, when: &'static str) -> Script {
        Script {
            when,
            service: self.rules.service,
            ready_after: Duration::from_millis(20),
            copies: true,
            ..Script::default()
        }
    }

    async fn play(&self, script: Script) -> Seen {
        let executor = (self.make)();
        play(&self.rules.clock, self.rules.limit, &executor, script).await
    }
}

/// Refuses a clock that goes on while nothing happens.
async fn assert_paused(clock: &dyn Clock) {
    let time = Duration::from_millis(100);
    let (real, begun) = (Instant::now(), clock.now());
    while real.elapsed() < Duration::from_millis(1) {
        std::hint::spin_loop();
    }
    assert!(
        clock.now() == begun,
        "the conformance kit needs a paused clock: on tokio, `#[tokio::test(start_paused = true)]`"
    );
    clock.sleep(time).await;
    let passed = clock.now().saturating_duration_since(begun);
    assert!(
        passed >= time,
        "after a sleep of {time:?} the clock says that {passed:?} have passed: `Clock::now` and \
         `Clock::sleep` must be of the same runtime"
    );
}
