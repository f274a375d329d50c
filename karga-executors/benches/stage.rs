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

mod support;

use std::time::Duration;

use karga_core::{Aggregate, Merge, Sample, Stage};
use karga_executors::{Precision, StageExecutor, StageExecutorBuilder};
use karga_stats::HistogramAggregate;
use support::{bare_loop, cpu, current, go, per_iteration, threads};

fn main() {
    support::run_parts([
        ("speed", full_speed),
        ("published", published),
        ("million", million),
        ("lateness", lateness),
    ]);
}

/// Arrivals that are all overdue, so that no worker ever waits.
fn full_speed() {
    const COUNT: u64 = 5_000_000;
    println!("full speed, no-op action: CPU per iteration");
    let baseline = bare_loop(COUNT);
    println!("  a loop with two clock readings   {baseline:6.1} ns");
    for (threads, runtime) in [(1, current()), (2, threads(2))] {
        for workers in [1, 64] {
            let executor = || {
                flat(1e9, COUNT as f64 / 1e9)
                    .workers(workers)
                    .build()
                    .unwrap()
            };
            let plain = per_iteration(&runtime, executor(), ());
            let full = per_iteration(&runtime, executor(), HistogramAggregate::default());
            println!("  {threads} threads, {workers:2} workers, ()            {plain:6.1} ns");
            println!("  {threads} threads, {workers:2} workers, histograms    {full:6.1} ns");
        }
    }
}

/// The crate of the same name that was published before, at full speed.
fn published() {
    match support::published(32) {
        Some(each) => println!("  2 threads, 32 workers, karga 0.4, sums  {each:6.1} ns"),
        None => println!("  karga 0.4 sent nothing, however often it was tried"),
    }
}

fn million() {
    println!("a million arrivals per second, no-op action, 64 workers, histograms");
    for (threads, runtime) in [(1, current()), (2, threads(2))] {
        let executor = flat(1e6, 5.0).build().unwrap();
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
                let executor = flat(rate, 5.0).precision(precision).build().unwrap();
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
