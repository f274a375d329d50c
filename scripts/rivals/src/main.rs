//! What an iteration costs that does nothing: 8 users in a closed loop, by
//! karga's executors with full histograms and by rlt. Prints a line per
//! contender: its name, a tab, nanoseconds of CPU per iteration.
//!
//! CPU is user and system time of the whole process, so that other load on the
//! machine disturbs it little. `scripts/bench-executors.sh` runs it in rounds.

use std::{
    future::Future,
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use async_trait::async_trait;
use clap::Parser;
use karga_core::{
    Action, ActionFn, ActionScenario, Executor, Iteration, Run, StopReason, action_fn, scenario,
};
use karga_executors::{
    IterationsExecutor, Recording, ReplayExecutor, StageExecutor, UsersExecutor,
};
use karga_stats::HistogramAggregate;
use rlt::{IterInfo, IterReport, StatelessBenchSuite, Status, cli::BenchCli};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

const USERS: u64 = 8;

/// Iterations of one measurement. rlt queues its samples without a bound: more
/// would fill the memory.
const COUNT: u64 = 2_000_000;

/// As long as a measurement lasts that has no count.
const LOAD: Duration = Duration::from_millis(500);

fn main() -> Result<()> {
    let each = bare_loop()?;
    println!("a loop with two clock readings\t{each:.1}");
    for threads in [1, 2] {
        let print = |name: &str, each: f64| {
            let s = if threads == 1 { "" } else { "s" };
            println!("{name}, {threads} thread{s}\t{each:.1}");
        };
        print("karga UsersExecutor", users(threads)?);
        print("karga IterationsExecutor, shared", shared(threads)?);
        print("karga IterationsExecutor, per user", per_user(threads)?);
        print("karga StageExecutor, all overdue", stages(threads)?);
        print("karga ReplayExecutor, all overdue", replay(threads)?);
        print("rlt 0.5.0", rlt(threads)?);
    }
    Ok(())
}

fn users(threads: usize) -> Result<f64> {
    let executor = UsersExecutor::builder().users(USERS).duration(LOAD);
    karga(threads, executor.build()?)
}

fn shared(threads: usize) -> Result<f64> {
    karga(threads, IterationsExecutor::shared(COUNT, USERS).build()?)
}

fn per_user(threads: usize) -> Result<f64> {
    let executor = IterationsExecutor::per_user(COUNT / USERS, USERS);
    karga(threads, executor.build()?)
}

fn stages(threads: usize) -> Result<f64> {
    let executor = StageExecutor::constant(1e9, Duration::from_nanos(COUNT)).workers(USERS);
    karga(threads, executor.build()?)
}

fn replay(threads: usize) -> Result<f64> {
    let recording = Recording::from_times((0..COUNT).map(Duration::from_nanos))?;
    let executor = ReplayExecutor::builder(recording).workers(USERS);
    karga(threads, executor.build()?)
}

/// A scenario whose action does nothing.
type NoOp = ActionScenario<ActionFn<fn(Iteration) -> std::future::Ready<()>>>;

fn karga<E>(threads: usize, executor: E) -> Result<f64>
where
    E: Executor<NoOp> + Send + Sync + 'static,
{
    let runtime = runtime(threads)?;
    let no_op: NoOp = scenario("no-op", action_fn(|_| std::future::ready(())));
    let before = cpu()?;
    let run: Run<HistogramAggregate> = runtime.block_on(on_runtime(async move {
        let histograms = HistogramAggregate::default();
        executor.execute(&no_op, histograms, &mut ()).await
    }))??;
    let spent = cpu()? - before;
    ensure!(run.stop == StopReason::Completed, "it was {}", run.stop);
    let completed = run.aggregate.total().response_time().count();
    ensure!(completed == run.account.planned, "{:?}", run.account);
    Ok(spent.as_nanos() as f64 / completed as f64)
}

#[derive(Clone)]
struct Nothing;

#[async_trait]
impl StatelessBenchSuite for Nothing {
    async fn bench(&mut self, _: &IterInfo) -> Result<IterReport> {
        // It leaves the clock to the iteration.
        let start = Instant::now();
        Ok(IterReport {
            duration: start.elapsed(),
            status: Status::success(0),
            bytes: 0,
            items: 1,
        })
    }
}

fn rlt(threads: usize) -> Result<f64> {
    let runtime = runtime(threads)?;
    let (users, count) = (USERS.to_string(), COUNT.to_string());
    let arguments = ["rlt", "-c", &users, "-n", &count, "-q", "-O", "/dev/null"];
    let cli = BenchCli::try_parse_from(arguments)?;
    let before = cpu()?;
    runtime.block_on(on_runtime(rlt::cli::run(cli, Nothing)))??;
    Ok((cpu()? - before).as_nanos() as f64 / COUNT as f64)
}

/// The least that any executor does: call, and read the clock before and after.
fn bare_loop() -> Result<f64> {
    let action = action_fn(|_| std::future::ready(()));
    let runtime = runtime(1)?;
    let before = cpu()?;
    runtime.block_on(async {
        let t0 = Instant::now();
        for index in 0..COUNT {
            let start = t0.elapsed();
            action.call(Iteration::new(index, 0, start)).await;
            black_box((start, t0.elapsed()));
        }
    });
    Ok((cpu()? - before).as_nanos() as f64 / COUNT as f64)
}

/// Awaits a future on the runtime's own threads.
async fn on_runtime<F>(future: F) -> Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    Ok(tokio::spawn(future).await?)
}

fn runtime(threads: usize) -> Result<Runtime> {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    Ok(builder.enable_all().build()?)
}

fn cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}
