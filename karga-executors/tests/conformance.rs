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
use karga_executors::{OverloadPolicy, StageExecutor, StageExecutorBuilder};

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
async fn one_worker() {
    conforms(flat().workers(1)).await;
}
