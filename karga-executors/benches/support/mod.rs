//! What the benchmarks of this crate share.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::{
    future::Future,
    hint::black_box,
    time::{Duration, Instant},
};

use karga_core::{Action, Aggregate, Executor, Iteration, Run, action_fn, scenario};
use karga_published::{
    Executor as _, Scenario as OldScenario,
    aggregate::BasicAggregate as OldAggregate,
    executor::{Stage as OldStage, StageExecutor as OldExecutor},
    metric::BasicMetric as OldMetric,
};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

/// Runs those of the parts that arguments name, or all; options are Cargo's.
pub(crate) fn run_parts<const N: usize>(parts: [(&str, fn()); N]) {
    let words: Vec<_> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    for (name, part) in parts {
        if words.is_empty() || words.iter().any(|word| word == name) {
            part();
        }
    }
}

/// Runs an action that does nothing, to the end of the load.
pub(crate) fn go<E, A>(runtime: &Runtime, executor: E, aggregate: A) -> Run<A>
where
    E: ForNoOp,
    A: Aggregate<()>,
{
    let run = runtime.block_on(on_runtime(executor.run(aggregate)));
    assert!(run.account.is_balanced() && run.account.interrupted == 0);
    run
}

/// CPU time of the whole process for each iteration of such a run, in
/// nanoseconds.
pub(crate) fn per_iteration<E, A>(runtime: &Runtime, executor: E, aggregate: A) -> f64
where
    E: ForNoOp,
    A: Aggregate<()>,
{
    let before = cpu();
    let run = go(runtime, executor, aggregate);
    (cpu() - before).as_nanos() as f64 / run.account.completed as f64
}

/// An executor that can run a scenario that does nothing.
pub(crate) trait ForNoOp {
    fn run<A: Aggregate<()>>(self, aggregate: A) -> impl Future<Output = Run<A>> + Send + 'static;
}

macro_rules! for_no_op {
    ($($executor:ty),*) => {$(
        impl ForNoOp for $executor {
            async fn run<A: Aggregate<()>>(self, aggregate: A) -> Run<A> {
                let no_op = scenario("no-op", action_fn(|_| async {}));
                self.execute(&no_op, aggregate, &mut ()).await.unwrap()
            }
        }
    )*};
}

for_no_op!(
    karga_executors::StageExecutor,
    karga_executors::ReplayExecutor,
    karga_executors::UsersExecutor,
    karga_executors::IterationsExecutor
);

/// The least that any executor does: call, and read the clock before and after.
pub(crate) fn bare_loop(count: u64) -> f64 {
    let action = action_fn(|_| async {});
    let before = cpu();
    current().block_on(async {
        let t0 = Instant::now();
        for index in 0..count {
            let start = t0.elapsed();
            action.call(Iteration::new(index, 0, start)).await;
            black_box((start, t0.elapsed()));
        }
    });
    (cpu() - before).as_nanos() as f64 / count as f64
}

/// What the published crate of the same name takes for each iteration, with its
/// own aggregate of sums, on two threads; nothing if it never ran. It wakes its
/// workers before they listen, and then waits for ever; so each try has a
/// deadline, and the first that runs counts.
pub(crate) fn published(workers: usize) -> Option<f64> {
    const TRIES: u32 = 40;
    const LOAD: Duration = Duration::from_millis(500);
    (0..TRIES).find_map(|_| {
        let runtime = threads(2);
        let before = cpu();
        let load = async {
            let executor = OldExecutor::builder()
                .stages(vec![
                    OldStage::new(Duration::ZERO, 1e9),
                    OldStage::new(LOAD, 1e9),
                ])
                .workers(workers)
                .build();
            // It leaves the clock to the action.
            let action = || async {
                let start = Instant::now();
                OldMetric {
                    latency: start.elapsed(),
                    success: true,
                    bytes: 0,
                }
            };
            let scenario: OldScenario<OldAggregate, _, _> =
                OldScenario::builder().name("no-op").action(action).build();
            executor.exec(&scenario).await.ok()
        };
        let run = runtime.block_on(async { tokio::time::timeout(LOAD * 2, load).await });
        let spent = cpu() - before;
        // Tasks of a try that hangs are left where they are.
        runtime.shutdown_background();
        let sums = run.ok()??;
        (sums.count > 0).then(|| spent.as_nanos() as f64 / sums.count as f64)
    })
}

/// Awaits a future on the runtime's own threads.
async fn on_runtime<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    tokio::spawn(future).await.unwrap()
}

/// CPU time of the whole process.
pub(crate) fn cpu() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}

pub(crate) fn current() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn threads(count: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(count)
        .enable_all()
        .build()
        .unwrap()
}
