use karga_core::{
    Action, ActionFn, ActionScenario, Aggregate, Executor, Iteration, Metric, MetricOf, Observer,
    Run, Scenario, action_fn, scenario,
};
use karga_stats::{HistogramAggregate, Thresholds};

use crate::Named;

/// What a load test is called that was given no name.
const DEFAULT_NAME: &str = "load test";

/// One scenario, tied to one executor.
///
/// ```
/// use std::time::Duration;
/// use karga::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let run = LoadTest::builder()
///     .name("nothing")
///     .action(|_iteration| async {})
///     .executor(
///         StageExecutor::builder()
///             .start_rate(500.0)
///             .stages([Stage::new(Duration::from_millis(100), 500.0)])
///             .build(),
///     )
///     .build()
///     .run()
///     .await?;
/// assert_eq!(run.account.planned, 50);
/// assert_eq!(run.account.completed, 50);
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a load test offers no load until it is run"]
pub struct LoadTest<S = MissingScenario, E = MissingExecutor, A = HistogramAggregate, O = ()> {
    scenario: Named<S>,
    executor: E,
    aggregate: A,
    observer: O,
}

impl LoadTest {
    /// Starts a load test that has neither a scenario nor an executor yet.
    pub fn builder() -> LoadTestBuilder {
        LoadTestBuilder {
            name: None,
            scenario: MissingScenario,
            executor: MissingExecutor,
            aggregate: HistogramAggregate::default(),
            observer: (),
            thresholds: (),
        }
    }
}

impl<S, E, A, O> LoadTest<S, E, A, O>
where
    S: Scenario,
    E: Executor<Named<S>>,
    A: Aggregate<MetricOf<S>>,
    O: Observer<A>,
{
    /// The name of the scenario in every report.
    pub fn name(&self) -> &str {
        self.scenario.name()
    }

    /// Runs to the end.
    ///
    /// Dropping the future stops all load at once.
    ///
    /// # Errors
    ///
    /// What the executor says: a setting that cannot be run, a scenario that
    /// could not be set up, a user that could not connect. No load was offered
    /// then. What goes wrong later is in the run.
    pub async fn run(self) -> Result<Run<A>, E::Error> {
        let mut observer = self.observer;
        let mut run = self
            .executor
            .execute(&self.scenario, self.aggregate, &mut observer)
            .await?;
        run.judgements.extend(observer.judge(&run));
        Ok(run)
    }

    /// The same load test with another observer, made of the one it has.
    pub(crate) fn observed_by<O2>(self, observer: impl FnOnce(O) -> O2) -> LoadTest<S, E, A, O2> {
        LoadTest {
            scenario: self.scenario,
            executor: self.executor,
            aggregate: self.aggregate,
            observer: observer(self.observer),
        }
    }
}

/// Stands where a [`LoadTest`] has no scenario yet.
#[derive(Debug, Clone, Copy)]
pub struct MissingScenario;

/// Stands where a [`LoadTest`] has no executor yet.
#[derive(Debug, Clone, Copy)]
pub struct MissingExecutor;

/// Composes a [`LoadTest`]; see [`LoadTest::builder`].
#[derive(Debug)]
#[must_use = "call `build` to get the load test"]
pub struct LoadTestBuilder<
    S = MissingScenario,
    E = MissingExecutor,
    A = HistogramAggregate,
    O = (),
    T = (),
> {
    name: Option<String>,
    scenario: S,
    executor: E,
    aggregate: A,
    observer: O,
    thresholds: T,
}

impl<S, E, A, O, T> LoadTestBuilder<S, E, A, O, T> {
    /// The name in every report. Default: the scenario's own name, or "load
    /// test" for a closure.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What to do: a scenario.
    pub fn scenario<S2: Scenario>(self, scenario: S2) -> LoadTestBuilder<S2, E, A, O, T> {
        LoadTestBuilder {
            name: self.name,
            scenario,
            executor: self.executor,
            aggregate: self.aggregate,
            observer: self.observer,
            thresholds: self.thresholds,
        }
    }

    /// What to do: a closure, called once for each iteration and shared by all
    /// users.
    pub fn action<F, Fut>(
        self,
        action: F,
    ) -> LoadTestBuilder<ActionScenario<ActionFn<F>>, E, A, O, T>
    where
        F: Fn(Iteration) -> Fut + Send + Sync + 'static,
        Fut: Future + Send,
        Fut::Output: Metric,
        ActionFn<F>: Action,
    {
        self.scenario(scenario(DEFAULT_NAME, action_fn(action)))
    }

    /// When to do it: an executor, or the `Result` of building one. A builder's
    /// error then is the error of [`LoadTest::run`].
    pub fn executor<E2>(self, executor: E2) -> LoadTestBuilder<S, E2, A, O, T> {
        LoadTestBuilder {
            name: self.name,
            scenario: self.scenario,
            executor,
            aggregate: self.aggregate,
            observer: self.observer,
            thresholds: self.thresholds,
        }
    }

    /// What to condense the samples into. Default: [`HistogramAggregate`].
    pub fn aggregate<A2>(self, aggregate: A2) -> LoadTestBuilder<S, E, A2, O, T> {
        LoadTestBuilder {
            name: self.name,
            scenario: self.scenario,
            executor: self.executor,
            aggregate,
            observer: self.observer,
            thresholds: self.thresholds,
        }
    }

    /// Who looks at the run while it happens; a tuple for several. Default:
    /// nobody.
    pub fn observer<O2>(self, observer: O2) -> LoadTestBuilder<S, E, A, O2, T> {
        LoadTestBuilder {
            name: self.name,
            scenario: self.scenario,
            executor: self.executor,
            aggregate: self.aggregate,
            observer,
            thresholds: self.thresholds,
        }
    }
}

impl<S, E, A, O, T> LoadTestBuilder<S, E, A, O, T> {
    /// What must hold: watched while the run goes on, judged at its end, and
    /// kept in [`Run::judgements`](karga_core::Run::judgements), from where the
    /// summary takes it. Called again, it adds to what was set before.
    ///
    /// ```
    /// use std::time::Duration;
    /// use karga::prelude::*;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let run = LoadTest::builder()
    ///     .action(|_iteration| async {})
    ///     .executor(StageExecutor::constant(500.0, Duration::from_millis(100)).build())
    ///     .thresholds(Thresholds::parse(["p99(response_time) < 1s", "failures < 1%"])?)
    ///     .build()
    ///     .run()
    ///     .await?;
    /// assert!(run.judgements.iter().all(|judgement| judgement.passed));
    /// assert!(Summary::derive(&run).passed());
    /// # Ok(()) }
    /// ```
    pub fn thresholds(
        self,
        thresholds: Thresholds,
    ) -> LoadTestBuilder<S, E, A, O, (T, Thresholds)> {
        LoadTestBuilder {
            name: self.name,
            scenario: self.scenario,
            executor: self.executor,
            aggregate: self.aggregate,
            observer: self.observer,
            thresholds: (self.thresholds, thresholds),
        }
    }
}

impl<S, E, A, O, T> LoadTestBuilder<S, E, A, O, T>
where
    S: Scenario,
    E: Executor<Named<S>>,
    A: Aggregate<MetricOf<S>>,
    O: Observer<A>,
    T: Observer<A>,
{
    /// The load test.
    pub fn build(self) -> LoadTest<S, E, A, (T, O)> {
        LoadTest {
            scenario: Named::new(self.name, self.scenario),
            executor: self.executor,
            aggregate: self.aggregate,
            observer: (self.thresholds, self.observer),
        }
    }
}
