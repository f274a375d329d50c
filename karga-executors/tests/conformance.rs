//! Every executor of this crate keeps the contract, as the kit of `karga-core`
//! checks it for anybody's.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

use std::time::{Duration, Instant};

use karga_core::{
    Arrivals, BoxFuture, Schedule, Stage,
    testing::{self, Clock},
};
use karga_executors::{
    OverloadPolicy, Recording, ReplayExecutor, ReplayExecutorBuilder, StageExecutor,
    StageExecutorBuilder,
};

struct TokioClock;

impl Clock for TokioClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Two seconds of a hundred arrivals a second.
fn flat() -> StageExecutorBuilder {
    StageExecutor::builder()
        .start_rate(100.0)
        .stages([Stage::new(ms(2000), 100.0)])
        .workers(10)
        .interval(ms(255))
}

async fn conforms(builder: StageExecutorBuilder) {
    let schedule: Schedule = builder.clone().build().unwrap().schedule().clone();
    testing::executor(TokioClock, move || builder.clone().build())
        .due(move |n| schedule.due(n))
        .run()
        .await;
}

#[tokio::test(start_paused = true)]
async fn stages() {
    conforms(flat()).await;
}

#[tokio::test(start_paused = true)]
async fn stages_up_and_down() {
    let stages = [
        Stage::new(ms(1000), 300.0),
        Stage::new(ms(500), 300.0),
        Stage::new(ms(700), 0.0),
    ];
    conforms(flat().start_rate(0.0).stages(stages)).await;
}

#[tokio::test(start_paused = true)]
async fn random_arrivals() {
    conforms(flat().arrivals(Arrivals::Poisson { seed: 7 })).await;
}

#[tokio::test(start_paused = true)]
async fn late_arrivals_that_are_dropped() {
    conforms(flat().overload(OverloadPolicy::Drop { max_lag: ms(50) })).await;
}

#[tokio::test(start_paused = true)]
async fn a_warm_up() {
    conforms(flat().warm_up(ms(500))).await;
    conforms(
        flat()
            .warm_up(ms(501))
            .arrivals(Arrivals::Poisson { seed: 3 }),
    )
    .await;
}

/// Bursts of five every 50 ms, and a pause.
fn recorded() -> Recording {
    let bursts = (0..200).map(|n| ms(50 * (n / 5) + if n < 100 { 0 } else { 400 }));
    Recording::from_times(bursts).unwrap()
}

async fn replay_conforms(
    builder: ReplayExecutorBuilder,
    due: impl Fn(u64) -> Option<Duration> + 'static,
) {
    let builder = builder.workers(10).interval(ms(255));
    testing::executor(TokioClock, move || builder.clone().build())
        .due(due)
        .run()
        .await;
}

#[tokio::test(start_paused = true)]
async fn recorded_arrivals() {
    let recording = recorded();
    let builder = ReplayExecutor::builder(recording.clone());
    replay_conforms(builder.clone(), move |n| recording.due(n)).await;
    let recording = recorded();
    let twice = move |n| recording.due(n).map(|due| due / 2);
    replay_conforms(builder.speed(2.0), twice).await;
}

#[tokio::test(start_paused = true)]
async fn one_worker() {
    conforms(flat().workers(1)).await;
}
