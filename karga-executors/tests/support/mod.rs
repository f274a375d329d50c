//! What the tests share: a scenario of a closure, an aggregate that keeps every
//! sample, and observers.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    convert::Infallible,
    future::Future,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use karga_core::{
    Account, ActionFn, ActionScenario, Aggregate, ExecuteError, Executor, Iteration, Merge, Metric,
    MetricOf, Observer, Panicked, Run, Sample, Scenario, Snapshot, Stage, StopReason, action_fn,
    scenario,
};
use karga_executors::{StageExecutor, StageExecutorBuilder};

pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A constant rate, per second. Ctrl-C is left to the test's own binary.
pub(crate) fn flat(rate: f64, length: Duration) -> StageExecutorBuilder {
    StageExecutor::builder()
        .start_rate(rate)
        .stages([Stage::new(length, rate)])
        .stop_on_ctrl_c(false)
}

/// Every iteration takes this long.
pub(crate) fn takes(
    time: Duration,
) -> ActionScenario<ActionFn<impl Fn(Iteration) -> std::pin::Pin<Box<tokio::time::Sleep>>>> {
    scenario(
        "takes",
        action_fn(move |_| Box::pin(tokio::time::sleep(time))),
    )
}

/// A scenario of a closure.
pub(crate) fn does<F, Fut>(f: F) -> ActionScenario<ActionFn<F>>
where
    F: Fn(Iteration) -> Fut + Send + Sync + 'static,
    Fut: Future + Send,
    Fut::Output: Metric,
{
    scenario("does", action_fn(f))
}

/// Runs and checks what is true of every run.
pub(crate) async fn run<S, A>(
    executor: StageExecutorBuilder,
    scenario: &S,
    aggregate: A,
) -> Result<Run<A>, ExecuteError<S::Error>>
where
    S: Scenario,
    A: Aggregate<MetricOf<S>>,
{
    let executor = executor.build().expect("the settings are valid");
    run_with(&executor, scenario, aggregate, &mut ()).await
}

pub(crate) async fn run_with<E, S, A, O>(
    executor: &E,
    scenario: &S,
    aggregate: A,
    observer: &mut O,
) -> Result<Run<A>, ExecuteError<S::Error>>
where
    E: Executor<S, Error = ExecuteError<S::Error>>,
    S: Scenario,
    A: Aggregate<MetricOf<S>>,
    O: Observer<A>,
{
    let run = executor.execute(scenario, aggregate, observer).await?;
    assert!(run.account.is_balanced(), "{:?}", run.account);
    if let Some(warm_up) = &run.warm_up {
        assert!(warm_up.account.is_balanced(), "{:?}", warm_up.account);
    }
    Ok(run)
}

/// Planned, completed, dropped, interrupted.
pub(crate) fn figures(account: Account) -> [u64; 4] {
    [
        account.planned,
        account.completed,
        account.dropped,
        account.interrupted,
    ]
}

/// The same for errors that cannot happen.
pub(crate) fn sure<T>(result: Result<T, ExecuteError<Infallible>>) -> T {
    result.expect("nothing can fail to connect")
}

/// Keeps the times of every sample; a run of a test is short.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Times {
    pub(crate) samples: Vec<Sample<()>>,
    pub(crate) panics: u64,
}

impl Merge for Times {
    fn fork(&self) -> Self {
        Self::default()
    }
    fn merge(&mut self, other: Self) {
        self.samples.extend(other.samples);
        self.panics += other.panics;
    }
    fn duplicate(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl<M> Aggregate<M> for Times {
    fn record(&mut self, sample: &Sample<M>) {
        let times = Sample::new(sample.iteration, sample.start, sample.end, ());
        self.samples.push(times);
    }
    fn record_panic(&mut self, sample: &Sample<Panicked>) {
        assert_eq!(sample.metric.error_class().as_deref(), Some("panic"));
        Aggregate::<Panicked>::record(self, sample);
        self.panics += 1;
    }
}

impl Times {
    /// In the order of the schedule.
    pub(crate) fn sorted(mut self) -> Vec<Sample<()>> {
        self.samples.sort_by_key(|sample| sample.iteration.index);
        self.samples
    }
}

/// Counts samples and cannot be copied, so that it is recorded twice.
#[derive(Debug, Default)]
pub(crate) struct Plain(pub(crate) u64);

impl Merge for Plain {
    fn fork(&self) -> Self {
        Self(0)
    }
    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl<M> Aggregate<M> for Plain {
    fn record(&mut self, _: &Sample<M>) {
        self.0 += 1;
    }
    fn record_panic(&mut self, _: &Sample<Panicked>) {
        self.0 += 1;
    }
}

/// Stops the run at the given snapshot, from 1.
pub(crate) struct BreakAt(pub(crate) u64);

impl<A> Observer<A> for BreakAt {
    fn on_interval(&mut self, _: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            ControlFlow::Break(StopReason::Observer("enough".into()))
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// A counter that closures can share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(crate) fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
    pub(crate) fn sub(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
