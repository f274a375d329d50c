//! A number of iterations, shared or by each user; exactly, on a paused clock.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

mod support;

use std::{convert::Infallible, time::Duration};

use karga_core::{Action, Iteration, LoadModel, Run, Scenario, StopReason};
use karga_executors::{IterationsExecutor, IterationsExecutorBuilder};
use support::{Plain, Times, does, figures, ms, run_with, secs, sure, takes};
use tokio::time::sleep;

async fn go<S: Scenario<Error = Infallible, Action: Action<Metric = ()>>>(
    builder: IterationsExecutorBuilder,
    scenario: &S,
) -> Run<Times> {
    let executor = builder.stop_on_ctrl_c(false).build().unwrap();
    sure(run_with(&executor, scenario, Times::default(), &mut ()).await)
}

/// User 0 takes 10 ms for an iteration, user 1 takes 20 ms, and so on.
fn slower_and_slower() -> impl Scenario<Action: Action<Metric = ()>, Error = Infallible> {
    does(|iteration: Iteration| sleep(ms(10 * (iteration.user + 1))))
}

fn by_user(run: &Run<Times>, users: u64) -> Vec<usize> {
    let of = |user| move |s: &&karga_core::Sample<()>| s.iteration.user == user;
    (0..users)
        .map(|user| run.aggregate.samples.iter().filter(of(user)).count())
        .collect()
}

fn indexes(run: &Run<Times>) -> Vec<u64> {
    let mut indexes: Vec<_> = (run.aggregate.samples.iter())
        .map(|s| s.iteration.index)
        .collect();
    indexes.sort_unstable();
    indexes
}

#[tokio::test(start_paused = true)]
async fn shared_iterations_go_to_those_who_are_free() {
    let run = go(IterationsExecutor::shared(110, 3), &slower_and_slower()).await;
    assert_eq!(figures(run.account), [110, 110, 0, 0]);
    assert_eq!(indexes(&run), (0..110).collect::<Vec<_>>());
    // In 600 ms 60, 30 and 20.
    assert_eq!(by_user(&run, 3), [60, 30, 20]);
    assert_eq!((run.elapsed, run.load_time), (ms(600), ms(600)));
    assert_eq!(
        (run.model, &run.stop),
        (LoadModel::Closed, &StopReason::Completed)
    );
    assert_eq!(run.warnings, [""; 0]);
    for sample in &run.aggregate.samples {
        assert_eq!(sample.iteration.due, sample.start);
    }
}

#[tokio::test(start_paused = true)]
async fn each_user_runs_its_own() {
    let run = go(IterationsExecutor::per_user(20, 3), &slower_and_slower()).await;
    assert_eq!(figures(run.account), [60, 60, 0, 0]);
    assert_eq!(indexes(&run), (0..60).collect::<Vec<_>>());
    assert_eq!(by_user(&run, 3), [20, 20, 20]);
    // The slowest takes 20 times 30 ms.
    assert_eq!((run.elapsed, run.load_time), (ms(600), ms(600)));
}

#[tokio::test(start_paused = true)]
async fn shared_iterations_that_never_wait_are_exactly_as_many() {
    for iterations in [8, 100, 100_003] {
        let run = go(
            IterationsExecutor::shared(iterations, 8),
            &does(|_| async {}),
        )
        .await;
        assert_eq!(figures(run.account), [iterations, iterations, 0, 0]);
        assert_eq!(indexes(&run), (0..iterations).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_maximum_duration_leaves_is_interrupted() {
    let max = ms(155);
    for builder in [
        IterationsExecutor::shared(100, 2),
        IterationsExecutor::per_user(50, 2),
    ] {
        // Each has begun 16 by 150 ms, which end at 160 ms.
        let run = go(builder.clone().max_duration(max), &takes(ms(10))).await;
        assert_eq!(figures(run.account), [100, 32, 0, 68]);
        assert_eq!((run.load_time, run.elapsed), (max, ms(160)));
        assert_eq!(run.stop, StopReason::Completed);
        assert_eq!(
            run.warnings,
            [
                "the maximum duration of 155ms was over before 68 of 100 iterations could be completed"
            ]
        );
        let cut = builder.max_duration(max).graceful_stop(Duration::ZERO);
        let run = go(cut, &takes(ms(10))).await;
        assert_eq!(figures(run.account), [100, 30, 0, 70]);
        assert_eq!((run.load_time, run.elapsed), (max, max));
        assert_eq!(run.warnings.len(), 2, "{:?}", run.warnings);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_when_the_last_ends_after_the_maximum_duration() {
    let run = go(
        IterationsExecutor::shared(4, 2).max_duration(ms(150)),
        &takes(ms(100)),
    )
    .await;
    assert_eq!(figures(run.account), [4, 4, 0, 0]);
    assert_eq!((run.load_time, run.elapsed), (ms(150), ms(200)));
    assert_eq!(run.warnings, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_what_had_not_begun_was_not_planned() {
    for builder in [
        IterationsExecutor::shared(100, 2),
        IterationsExecutor::per_user(50, 2),
    ] {
        for (grace, expected) in [(secs(1), [32, 32, 0, 0]), (ms(1), [32, 30, 0, 2])] {
            let executor = builder
                .clone()
                .graceful_stop(grace)
                .stop_on_ctrl_c(false)
                .build()
                .unwrap();
            let handle = executor.handle();
            let stopper = tokio::spawn(async move {
                sleep(ms(155)).await;
                handle.stop();
            });
            let run = sure(run_with(&executor, &takes(ms(10)), Plain(0), &mut ()).await);
            stopper.await.unwrap();
            assert_eq!(run.stop, StopReason::Requested);
            assert_eq!(figures(run.account), expected);
            assert_eq!(run.load_time, ms(155));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn panics_count_as_iterations() {
    let action = does(|iteration: Iteration| async move {
        assert!(!iteration.index.is_multiple_of(5), "a fifth");
        sleep(ms(1)).await;
    });
    for builder in [
        IterationsExecutor::shared(100, 4),
        IterationsExecutor::per_user(25, 4),
    ] {
        let run = go(builder, &action).await;
        assert_eq!(figures(run.account), [100, 100, 0, 0]);
        assert_eq!(run.aggregate.panics, 20);
    }
}
