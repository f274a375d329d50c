//! Users and iterations that make no sense are refused, each with its own
//! message.

mod support;

use std::time::Duration;

use karga_core::{Executor, action_fn, scenario};
use karga_executors::{
    IterationsExecutor, MAX_WORKERS, ThinkTime, UserStage, UsersExecutor, UsersExecutorBuilder,
};
use support::{ms, secs};

fn good() -> UsersExecutorBuilder {
    UsersExecutor::builder().users(5).duration(secs(10))
}

fn staged<const N: usize>(stages: [(Duration, u64); N]) -> UsersExecutorBuilder {
    let stages = stages.map(|(duration, users)| UserStage::new(duration, users));
    UsersExecutor::builder().stages(stages)
}

#[test]
fn users_that_make_no_sense_are_refused() {
    let none = UsersExecutor::builder;
    let think = |think| good().think_time(think);
    for (builder, text) in [
        (
            none(),
            "it is not said how many users there are for how long",
        ),
        (
            none().users(5),
            "it is not said how many users there are for how long",
        ),
        (
            none().duration(secs(1)),
            "it is not said how many users there are for how long",
        ),
        (staged([]), "there are no stages: give at least one"),
        (
            staged([(secs(1), 5)]).users(5),
            "users cannot be set here: stages say it already",
        ),
        (
            staged([(secs(1), 5)]).duration(secs(5)),
            "duration cannot be set here",
        ),
        (
            staged([(secs(1), 5)]).spawn_rate(1.0),
            "spawn_rate cannot be set here",
        ),
        (
            good().start_users(1),
            "start_users cannot be set here: it belongs to stages",
        ),
        (good().users(0), "0 users can do nothing: set at least 1"),
        (
            staged([(secs(1), 0)]),
            "0 users can do nothing: set at least 1",
        ),
        (
            good().users(MAX_WORKERS + 1),
            "1048577 users are more than 2^20",
        ),
        (
            good().duration(Duration::ZERO),
            "a load of 0 s cannot be measured",
        ),
        (
            good().duration(Duration::ZERO).spawn_rate(1.0),
            "a load of 0 s cannot be measured",
        ),
        (
            staged([(Duration::ZERO, 5)]),
            "a load of 0 s cannot be measured",
        ),
        (
            good().duration(Duration::MAX),
            "the stages last longer than 584 years",
        ),
        (
            staged([(Duration::MAX, 1), (Duration::MAX, 1)]),
            "the stages last longer",
        ),
        (staged([(secs(1), 1)]), "nobody comes before the stages end"),
        (
            good().spawn_rate(0.0),
            "spawn rate 0: give users per second, above zero",
        ),
        (
            good().spawn_rate(-2.0),
            "spawn rate -2: give users per second",
        ),
        (
            good().spawn_rate(f64::NAN),
            "spawn rate NaN: give users per second",
        ),
        (
            good().spawn_rate(f64::INFINITY),
            "spawn rate inf: give users per second",
        ),
        (
            good().spawn_rate(0.4),
            "at 0.4 per second 5 users have not come within 10s",
        ),
        (good().spawn_rate(1e-300), "at 0.0000"),
        (
            good().spread(secs(11)),
            "a spread of 11s is longer than the whole load, 10s",
        ),
        (
            good().pacing(Duration::ZERO),
            "a pacing of 0 s has no due times",
        ),
        (
            think(ThinkTime::constant(ms(5))).pacing(secs(2)),
            "a think time beside a pacing of 2s",
        ),
        (
            think(ThinkTime::uniform(secs(2), secs(1))),
            "think time uniform from 2s to 1s: give the shorter time first",
        ),
        (
            think(ThinkTime::exponential(Duration::ZERO)),
            "think time exponential with a mean of 0 s",
        ),
        (
            think(ThinkTime::log_normal(secs(1), -0.5)),
            "think time log-normal with sigma -0.5",
        ),
        (
            good().interval(Duration::ZERO),
            "an interval of 0 s cannot be observed",
        ),
        (
            good().warm_up(secs(10)),
            "a warm-up of 10s leaves nothing of a load of 10s",
        ),
        (
            staged([(secs(1), 5), (Duration::ZERO, 0), (secs(5), 0)])
                .start_users(5)
                .warm_up(secs(1)),
            "nothing happens after a warm-up of 1s",
        ),
        (
            good().pacing(secs(6)).warm_up(ms(6001)),
            "nothing happens after a warm-up of 6.001s",
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn iterations_that_make_no_sense_are_refused() {
    let (shared, per_user) = (IterationsExecutor::shared, IterationsExecutor::per_user);
    for (builder, text) in [
        (
            shared(0, 5),
            "0 iterations are nothing to do: set at least 1",
        ),
        (
            per_user(0, 5),
            "0 iterations are nothing to do: set at least 1",
        ),
        (shared(5, 0), "0 users can do nothing: set at least 1"),
        (per_user(5, 0), "0 users can do nothing: set at least 1"),
        (
            per_user(1, MAX_WORKERS + 1),
            "1048577 users are more than 2^20",
        ),
        (
            shared(5, 6),
            "6 users cannot share 5 iterations so that each has one",
        ),
        (
            shared(u64::MAX, 2),
            "18446744073709551615 iterations of 2 users are more than 2^63",
        ),
        (
            per_user(u64::MAX / 2, 3),
            "9223372036854775807 iterations of 3 users are more",
        ),
        (
            shared(5, 5).max_duration(Duration::ZERO),
            "a maximum duration of 0 s leaves no time",
        ),
        (
            shared(5, 5).interval(Duration::ZERO),
            "an interval of 0 s cannot be observed",
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn extremes_that_make_sense_are_built() {
    good().users(MAX_WORKERS).spawn_rate(1e9).build().unwrap();
    good().pacing(Duration::MAX).build().unwrap();
    good()
        .graceful_stop(Duration::MAX)
        .graceful_ramp_down(Duration::MAX)
        .build()
        .unwrap();
    good().spread(secs(10)).build().unwrap();
    IterationsExecutor::per_user(1 << 43, MAX_WORKERS)
        .build()
        .unwrap();
    IterationsExecutor::shared(1 << 63, 1)
        .max_duration(Duration::MAX)
        .warm_up(secs(1))
        .build()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_refuses_to_run() {
    let idle = scenario("idle", action_fn(|_| async {}));
    let refused = good().users(0).build().execute(&idle, (), &mut ()).await;
    assert!(refused.unwrap_err().to_string().starts_with("0 users"));
    let refused = IterationsExecutor::shared(0, 1).build();
    let refused = refused.execute(&idle, (), &mut ()).await;
    assert!(refused.unwrap_err().to_string().starts_with("0 iterations"));
}
