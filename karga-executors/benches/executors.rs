//! What each executor costs: CPU per no-op iteration with full histograms, 8
//! users, none of whom ever waits. Beside it the least that any executor does,
//! and the published crate of the same name, whose aggregate is sums.
//!
//! `cargo bench -p karga-executors --bench executors`, some 30 s. Costs are CPU
//! time of the whole process, so that other load on the machine disturbs them
//! little; the rounds are interleaved, and the median of each is shown.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints its findings and may fail by a panic"
)]

mod support;

use std::time::Duration;

use karga_core::Stage;
use karga_executors::{
    IterationsExecutor, Recording, ReplayExecutor, StageExecutor, UsersExecutor,
};
use karga_stats::HistogramAggregate;
use support::{bare_loop, current, per_iteration, published, threads};
use tokio::runtime::Runtime;

const COUNT: u64 = 3_000_000;
const USERS: u64 = 8;
const ROUNDS: usize = 7;

fn main() {
    let recording = Recording::from_times((0..COUNT).map(Duration::from_nanos)).unwrap();
    let mut found: Vec<(String, Vec<f64>)> = Vec::new();
    let mut note = |name: &str, cost: f64| match found.iter_mut().find(|(known, _)| known == name) {
        Some((_, costs)) => costs.push(cost),
        None => found.push((name.to_owned(), vec![cost])),
    };
    for _ in 0..ROUNDS {
        note("a loop with two clock readings", bare_loop(COUNT));
        for (count, runtime) in [(1, current()), (2, threads(2))] {
            for (name, cost) in executors(&runtime, &recording) {
                note(&format!("{name}, threads: {count}"), cost);
            }
        }
    }
    // With fewer workers it hangs nearly always.
    if let Some(cost) = published(32) {
        note("karga 0.4, 32 workers, sums, threads: 2", cost);
    }
    println!("CPU per no-op iteration, {USERS} users, full histograms; median of {ROUNDS}");
    let baseline = median(&mut found[0].1.clone());
    for (name, mut costs) in found {
        let cost = median(&mut costs);
        println!("  {name:<40} {cost:6.1} ns, {:4.2} loops", cost / baseline);
    }
}

fn executors(runtime: &Runtime, recording: &Recording) -> [(&'static str, f64); 6] {
    // Arrivals that are all overdue.
    let stages = StageExecutor::builder()
        .start_rate(1e9)
        .stages([Stage::new(Duration::from_nanos(COUNT), 1e9)])
        .workers(USERS);
    let replay = ReplayExecutor::builder(recording.clone()).workers(USERS);
    let users = || UsersExecutor::builder().users(USERS);
    let closed = users().duration(Duration::from_millis(300));
    // So many due times for all users together.
    let paced = users()
        .duration(Duration::from_nanos(COUNT / USERS))
        .pacing(Duration::from_nanos(1));
    let shared = IterationsExecutor::shared(COUNT, USERS);
    let per_user = IterationsExecutor::per_user(COUNT / USERS, USERS);
    let full = HistogramAggregate::default;
    [
        (
            "stages",
            per_iteration(runtime, stages.build().unwrap(), full()),
        ),
        (
            "replay",
            per_iteration(runtime, replay.build().unwrap(), full()),
        ),
        (
            "users",
            per_iteration(runtime, closed.build().unwrap(), full()),
        ),
        (
            "users, paced",
            per_iteration(runtime, paced.build().unwrap(), full()),
        ),
        (
            "shared iterations",
            per_iteration(runtime, shared.build().unwrap(), full()),
        ),
        (
            "iterations per user",
            per_iteration(runtime, per_user.build().unwrap(), full()),
        ),
    ]
}

fn median(costs: &mut [f64]) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}
