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
    IterationsExecutor, IterationsExecutorBuilder, OverloadPolicy, Recording, ReplayExecutor,
    ReplayExecutorBuilder, StageExecutor, StageExecutorBuilder, ThinkTime, UserStage,
    UsersExecutor, UsersExecutorBuilder,
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

/// Two seconds of five users.
fn users() -> UsersExecutorBuilder {
    UsersExecutor::builder()
        .users(5)
        .duration(ms(2000))
        .interval(ms(255))
}

async fn users_conform(builder: UsersExecutorBuilder) {
    testing::executor(TokioClock, move || builder.clone().build())
        .service_time(ms(5))
        .run()
        .await;
}

#[tokio::test(start_paused = true)]
async fn users_without_a_pause() {
    users_conform(users()).await;
    users_conform(users().warm_up(ms(500))).await;
}

#[tokio::test(start_paused = true)]
async fn users_who_think() {
    users_conform(users().think_time(ThinkTime::uniform(ms(5), ms(20)))).await;
    let think_time = ThinkTime::exponential(ms(10));
    users_conform(users().think_time(think_time).spawn_rate(5.0)).await;
}

#[tokio::test(start_paused = true)]
async fn users_with_due_times_of_their_own() {
    users_conform(users().pacing(ms(20))).await;
    users_conform(users().pacing(ms(25)).spread(ms(25)).warm_up(ms(500))).await;
}

#[tokio::test(start_paused = true)]
async fn users_who_come_and_go() {
    let stages = [
        UserStage::new(ms(500), 8),
        UserStage::new(ms(1000), 8),
        UserStage::new(ms(500), 0),
    ];
    let builder = || UsersExecutor::builder().stages(stages).interval(ms(255));
    users_conform(builder()).await;
    users_conform(builder().pacing(ms(20))).await;
    users_conform(builder().warm_up(ms(300))).await;
}

async fn iterations_conform(builder: IterationsExecutorBuilder) {
    let builder = builder.interval(ms(51));
    testing::executor(TokioClock, move || builder.clone().build())
        .service_time(ms(10))
        .run()
        .await;
}

#[tokio::test(start_paused = true)]
async fn iterations() {
    iterations_conform(IterationsExecutor::shared(200, 5)).await;
    iterations_conform(IterationsExecutor::per_user(40, 5)).await;
    iterations_conform(IterationsExecutor::shared(200, 5).warm_up(ms(100))).await;
    iterations_conform(IterationsExecutor::per_user(40, 5).warm_up(ms(105))).await;
}
