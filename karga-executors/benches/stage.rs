//! What the generator itself costs: CPU per iteration at full speed, cores at
//! a million arrivals per second, and how late arrivals start.
//!
//! `cargo bench -p karga-executors --bench stage`, some 60 s; with the words
//! speed, published, million or lateness behind `--` only those parts. Costs are CPU
//! time of the whole process, so that other load on the machine disturbs them
//! little; lateness wants an idle machine.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints its findings and may fail by a panic"
)]

use std::{
    future::Future,
    hint::black_box,
    time::{Duration, Instant},
};

use karga_core::{
    Action, Aggregate, Executor, Iteration, Merge, Run, Sample, Stage, action_fn, scenario,
};
use karga_executors::{Precision, StageExecutor, StageExecutorBuilder};
use karga_published::{
    Executor as _, Scenario as OldScenario,
    aggregate::BasicAggregate as OldAggregate,
    executor::{Stage as OldStage, StageExecutor as OldExecutor},
    metric::BasicMetric as OldMetric,
};
use karga_stats::HistogramAggregate;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

fn main() {
    // Words as arguments choose; options are Cargo's.
    let words: Vec<_> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let parts: [(&str, fn()); 4] = [
        ("speed", full_speed),
        ("published", published),
        ("million", million),
        ("lateness", lateness),
    ];
    for (name, part) in parts {
        if words.is_empty() || words.iter().any(|word| word == name) {
            part();
        }
    }
}

/// Arrivals that are all overdue, so that no worker ever waits.
fn full_speed() {
    const COUNT: u64 = 5_000_000;
    println!("full speed, no-op action: CPU per iteration");
    let baseline = cpu_of(|| bare_loop(COUNT)).as_nanos() as f64 / COUNT as f64;
    println!("  a loop with two clock readings   {baseline:6.1} ns");
    for (threads, runtime) in [(1, current()), (2, threads(2))] {
        for workers in [1, 64] {
            let executor = || flat(1e9, COUNT as f64 / 1e9).workers(workers);
            let plain = per_iteration(&runtime, executor(), ());
            let full = per_iteration(&runtime, executor(), HistogramAggregate::default());
            println!("  {threads} threads, {workers:2} workers, ()            {plain:6.1} ns");
            println!("  {threads} threads, {workers:2} workers, histograms    {full:6.1} ns");
        }
    }
}

/// The crate of the same name that was published before, at full speed, with
/// its own aggregate of sums. It wakes its workers before they listen, and then
/// waits for ever; so each try has a deadline, and the first that runs counts.
fn published() {
    const TRIES: u32 = 40;
    const LOAD: Duration = Duration::from_millis(500);
    for attempt in 1..=TRIES {
        let runtime = threads(2);
        let before = cpu();
        let load = async {
            let executor = OldExecutor::builder()
                .stages(vec![
                    OldStage::new(Duration::ZERO, 1e9),
                    OldStage::new(LOAD, 1e9),
                ])
                .workers(32)
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
        match run {
            Ok(Some(sums)) if sums.count > 0 => {
                let each = spent.as_nanos() as f64 / sums.count as f64;
                println!(
                    "  2 threads, 32 workers, karga 0.4, sums  {each:6.1} ns (try {attempt} of {TRIES})"
                );
                return;
            }
            _ => {}
        }
    }
    println!("  karga 0.4 sent nothing in {TRIES} tries");
}

/// The least that any executor does: call, and read the clock before and after.
fn bare_loop(count: u64) {
    let action = action_fn(|_| async {});
    current().block_on(async {
        let t0 = Instant::now();
        for index in 0..count {
            let start = t0.elapsed();
            action.call(Iteration::new(index, 0, start)).await;
            black_box((start, t0.elapsed()));
        }
    });
}

fn million() {
    println!("a million arrivals per second, no-op action, 64 workers, histograms");
    for (threads, runtime) in [(1, current()), (2, threads(2))] {
        let executor = flat(1e6, 5.0);
        let before = cpu();
        let run = go(&runtime, executor, HistogramAggregate::default());
        let cores = (cpu() - before).as_secs_f64() / run.elapsed.as_secs_f64();
        let all = run.aggregate.total();
        println!(
            "  {threads} threads: {cores:.2} cores, late by p50 {:?}, p99 {:?}, {} completed",
            all.lateness().quantile(0.5),
            all.lateness().quantile(0.99),
            run.account.completed,
        );
    }
}

fn lateness() {
    println!("lateness, no-op action, 64 workers");
    for (threads, runtime) in [(1, current()), (2, threads(2))] {
        for precision in [Precision::Coarse, Precision::Fine] {
            for rate in [1e3, 1e4] {
                let executor = flat(rate, 5.0).precision(precision);
                let before = cpu();
                let run = go(&runtime, executor, Lateness::default());
                let cores = (cpu() - before).as_secs_f64() / run.elapsed.as_secs_f64();
                let mut late = run.aggregate.0;
                late.sort_unstable();
                let at = |share: f64| late[(late.len() as f64 * share) as usize];
                println!(
                    "  {threads} threads, {precision:?}, {rate}/s: p50 {:?}, p99 {:?}, {cores:.3} cores",
                    at(0.5),
                    at(0.99),
                );
            }
        }
    }
}

/// Every lateness; a bench of fixed length may keep them all.
#[derive(Default)]
struct Lateness(Vec<Duration>);

impl Merge for Lateness {
    fn fork(&self) -> Self {
        Self::default()
    }
    fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }
    fn duplicate(&self) -> Option<Self> {
        Some(Self(self.0.clone()))
    }
}

impl<M> Aggregate<M> for Lateness {
    fn record(&mut self, sample: &Sample<M>) {
        self.0.push(sample.lateness());
    }
}

fn flat(rate: f64, seconds: f64) -> StageExecutorBuilder {
    StageExecutor::builder()
        .start_rate(rate)
        .stages([Stage::new(Duration::from_secs_f64(seconds), rate)])
}

fn per_iteration<A: Aggregate<()>>(
    runtime: &Runtime,
    executor: StageExecutorBuilder,
    aggregate: A,
) -> f64 {
    let before = cpu();
    let run = go(runtime, executor, aggregate);
    (cpu() - before).as_nanos() as f64 / run.account.completed as f64
}

fn go<A: Aggregate<()>>(runtime: &Runtime, executor: StageExecutorBuilder, aggregate: A) -> Run<A> {
    let executor = executor.build().unwrap();
    let ping = scenario("no-op", action_fn(|_| async {}));
    let run = runtime
        .block_on(on_runtime(async move {
            executor.execute(&ping, aggregate, &mut ()).await
        }))
        .unwrap();
    assert!(run.account.is_balanced() && run.account.interrupted == 0);
    run
}

/// Awaits a future on the runtime's own threads.
async fn on_runtime<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    tokio::spawn(future).await.unwrap()
}

fn cpu_of(work: impl FnOnce()) -> Duration {
    let before = cpu();
    work();
    cpu() - before
}

fn cpu() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}

fn current() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn threads(count: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(count)
        .enable_all()
        .build()
        .unwrap()
}
