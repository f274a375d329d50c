//! Whatever the plan and however it ends: every planned iteration has one
//! fate, and every sample is where it belongs. Random plans on a paused clock.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

mod support;

use std::{collections::HashSet, convert::Infallible};

use karga_core::{
    Action, ExecuteError, Executor, Iteration, Run, Sample, Scenario, Stage, StopReason,
};
use karga_executors::{
    Handle, IterationsExecutor, OverloadPolicy, StageExecutor, ThinkTime, UserStage, UsersExecutor,
};
use proptest::prelude::*;
use support::{Times, does, ms, run_with, sure};
use tokio::time::sleep;

/// How long an iteration takes, and how the run ends.
#[derive(Debug, Clone, Copy)]
struct Course {
    /// In milliseconds, by the iteration's index.
    takes: [u64; 3],
    /// Every so many, one panics; none at zero.
    panics: u64,
    stop: Option<u64>,
    grace: u64,
    ramp_down: u64,
    warm_up: u64,
}

fn course() -> impl Strategy<Value = Course> {
    let takes = prop_oneof![Just(0_u64), 1..50_u64, 50..900_u64];
    (
        [takes.clone(), takes.clone(), takes],
        0..5_u64,
        prop::option::of(0..2500_u64),
        prop_oneof![Just(0_u64), 1..400_u64],
        prop_oneof![Just(0_u64), 1..400_u64],
        prop_oneof![Just(0_u64), 1..700_u64],
    )
        .prop_map(|(takes, panics, stop, grace, ramp_down, warm_up)| Course {
            takes,
            panics,
            stop,
            grace,
            ramp_down,
            warm_up,
        })
}

fn acts(course: Course) -> impl Scenario<Action: Action<Metric = ()>, Error = Infallible> {
    does(move |iteration: Iteration| async move {
        let time = course.takes[(iteration.index % 3) as usize];
        if time > 0 {
            sleep(ms(time)).await;
        }
        let panics = course.panics > 0 && iteration.index.is_multiple_of(course.panics + 1);
        if panics {
            // Without a word on stderr.
            std::panic::resume_unwind(Box::new("as planned"));
        }
    })
}

/// Runs it on a clock of its own, and checks what is true of every run.
fn run<E, S>(executor: &E, handle: Handle, scenario: &S, course: Course) -> Run<Times>
where
    S: Scenario<Action: Action<Metric = ()>, Error = Infallible>,
    E: Executor<S, Error = ExecuteError<Infallible>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let run = runtime.block_on(async {
        if let Some(stop) = course.stop {
            tokio::spawn(async move {
                sleep(ms(stop)).await;
                handle.stop();
            });
        }
        // Accounts are checked here.
        sure(run_with(executor, scenario, Times::default(), &mut ()).await)
    });
    let warm_up = run.warm_up.as_ref();
    let mut indexes = HashSet::new();
    let none = Times::default();
    let of_warm_up = warm_up.map_or(&none, |warm_up| &warm_up.aggregate);
    for sample in of_warm_up.samples.iter().chain(&run.aggregate.samples) {
        assert!(
            indexes.insert(sample.iteration.index),
            "{sample:?} came twice"
        );
        assert!(sample.iteration.due <= sample.start && sample.start <= sample.end);
    }
    assert_eq!(run.account.completed, run.aggregate.samples.len() as u64);
    if let Some(warm_up) = warm_up {
        assert_eq!(
            warm_up.account.completed,
            warm_up.aggregate.samples.len() as u64
        );
        assert!(warm_up.duration <= ms(course.warm_up));
        let due = |s: &Sample<()>| s.iteration.due < ms(course.warm_up);
        assert!(warm_up.aggregate.samples.iter().all(due));
    }
    let last = run.aggregate.samples.iter().map(|s| s.end).max();
    assert!(run.load_time <= run.elapsed && last.unwrap_or_default() <= run.elapsed);
    // What was lost is said, and nothing else is.
    let interrupted = warm_up.map_or(0, |warm_up| warm_up.account.interrupted);
    if run.stop == StopReason::Completed {
        let lost = interrupted + run.account.interrupted > 0;
        assert_eq!(!run.warnings.is_empty(), lost, "{:?}", run.warnings);
    }
    run
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn arrivals_have_one_fate(
        course in course(),
        stages in prop::collection::vec((1..900_u64, 0..200_u32), 1..4),
        workers in 1..9_u64,
        max_lag in prop::option::of(0..300_u64),
    ) {
        let stages = stages.iter().map(|(time, rate)| Stage::new(ms(*time), f64::from(*rate)));
        let builder = StageExecutor::builder()
            .start_rate(50.0)
            .stages(stages)
            .workers(workers)
            .overload(match max_lag {
                None => OverloadPolicy::Queue,
                Some(lag) => OverloadPolicy::Drop { max_lag: ms(lag) },
            })
            .graceful_stop(ms(course.grace))
            .warm_up(ms(course.warm_up))
            .stop_on_ctrl_c(false);
        let Ok(executor) = builder.build() else {
            return Err(TestCaseError::reject("the warm-up leaves nothing"));
        };
        let run = run(&executor, executor.handle(), &acts(course), course);
        let whole = executor.schedule().len();
        let warm_up = run.warm_up.map_or(0, |warm_up| warm_up.account.planned);
        prop_assert!(run.account.planned + warm_up <= whole);
        if run.stop == StopReason::Completed {
            prop_assert_eq!(run.account.planned + warm_up, whole);
        }
    }

    #[test]
    fn what_users_begin_has_one_fate(
        course in course(),
        start in 0..6_u64,
        stages in prop::collection::vec((0..700_u64, 0..7_u64), 1..6),
        act in 0..3_u64,
        every in 1..300_u64,
        spread in 0..200_u64,
    ) {
        let stages: Vec<_> = stages.iter().map(|(time, n)| UserStage::new(ms(*time), *n)).collect();
        let builder = UsersExecutor::builder()
            .start_users(start)
            .stages(stages)
            .spread(ms(spread))
            .graceful_stop(ms(course.grace))
            .graceful_ramp_down(ms(course.ramp_down))
            .warm_up(ms(course.warm_up))
            .stop_on_ctrl_c(false);
        // Those who never wait would begin without end in a moment that does
        // not pass.
        let course = Course { takes: course.takes.map(|time| time.max(1)), ..course };
        let think = ThinkTime::exponential(ms(every));
        let builder = match act {
            0 => builder,
            1 => builder.think_time(think),
            _ => builder.pacing(ms(every)),
        };
        let Ok(executor) = builder.build() else {
            return Err(TestCaseError::reject("nobody, or nothing after the warm-up"));
        };
        let run = run(&executor, executor.handle(), &acts(course), course);
        prop_assert_eq!(run.account.dropped, 0);
        if act < 2 {
            let samples = &run.aggregate.samples;
            prop_assert!(samples.iter().all(|s| s.iteration.due == s.start));
        }
    }

    #[test]
    fn iterations_have_one_fate(
        course in course(),
        (count, users) in (1..200_u64).prop_flat_map(|count| (Just(count), 1..count.min(8) + 1)),
        each in any::<bool>(),
        max in 1..3000_u64,
    ) {
        let builder = if each {
            IterationsExecutor::per_user(count, users)
        } else {
            IterationsExecutor::shared(count, users)
        };
        let total = if each { count * users } else { count };
        let course = Course { takes: course.takes.map(|time| time.max(1)), ..course };
        let executor = builder
            .max_duration(ms(max))
            .graceful_stop(ms(course.grace))
            .warm_up(ms(course.warm_up))
            .stop_on_ctrl_c(false)
            .build()
            .unwrap();
        let run = run(&executor, executor.handle(), &acts(course), course);
        if run.stop == StopReason::Completed {
            prop_assert_eq!(run.account.planned, total);
        }
        prop_assert!(run.aggregate.samples.iter().all(|s| s.iteration.index < total));
        prop_assert!(run.load_time <= ms(max));
    }
}
