//! What happens before t0 is no part of the result; exactly, on a paused clock.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

mod support;

use std::{convert::Infallible, ops::ControlFlow, time::Duration};

use karga_core::{
    Account, Action, Iteration, Observer, Run, Sample, Scenario, Snapshot, StopReason,
};
use karga_executors::{IterationsExecutor, OverloadPolicy, UsersExecutor};
use support::{Plain, Times, does, figures, flat, ms, run, run_with, secs, sure, takes};
use tokio::time::{Instant, sleep_until};

/// The due times, starts and ends, in milliseconds.
fn times(samples: &[Sample<()>]) -> Vec<[u128; 3]> {
    let in_ms = |s: &Sample<()>| [s.iteration.due, s.start, s.end].map(|t| t.as_millis());
    let mut times: Vec<_> = samples.iter().map(in_ms).collect();
    times.sort_unstable();
    times
}

fn warm(run: &Run<Times>) -> &Times {
    &run.warm_up.as_ref().unwrap().aggregate
}

#[tokio::test(start_paused = true)]
async fn arrivals_of_the_warm_up_stand_apart() {
    // Due every 100 ms; each takes 350 ms. t0 is at 1 s.
    let settings = flat(10.0, secs(3)).warm_up(secs(1));
    let begun = Instant::now();
    let wall = std::time::SystemTime::now();
    let run = sure(run(settings, &takes(ms(350)), Times::default()).await);
    assert_eq!(begun.elapsed(), ms(2900 + 350));
    // The wall clock at t0, not at the beginning.
    assert!(run.started_at.unwrap() >= wall + secs(1));
    assert_eq!(figures(run.account), [20, 20, 0, 0]);
    assert_eq!((run.load_time, run.elapsed), (secs(2), ms(1900 + 350)));
    let expected = |count: u128| -> Vec<_> {
        (0..count)
            .map(|k| [100 * k, 100 * k, 100 * k + 350])
            .collect()
    };
    assert_eq!(times(&run.aggregate.samples), expected(20));
    let warm_up = run.warm_up.unwrap();
    assert_eq!(warm_up.duration, secs(1));
    assert_eq!(figures(warm_up.account), [10, 10, 0, 0]);
    // Those that ended after t0 too.
    assert_eq!(times(&warm_up.aggregate.samples), expected(10));
    let mut indexes: Vec<_> = (run.aggregate.samples.iter())
        .map(|s| s.iteration.index)
        .collect();
    indexes.sort_unstable();
    assert_eq!(indexes, (10..30).collect::<Vec<_>>());
    assert!(
        warm_up
            .aggregate
            .samples
            .iter()
            .all(|s| s.iteration.index < 10)
    );
}

#[tokio::test(start_paused = true)]
async fn late_arrivals_of_the_warm_up_are_not_the_results() {
    // The target is dead for the first second.
    let t0 = Instant::now();
    let action = does(move |_| sleep_until(t0 + secs(1)));
    let settings = flat(100.0, secs(3)).workers(5).warm_up(secs(1));
    let run = sure(run(settings, &action, Times::default()).await);
    assert_eq!(figures(run.account), [200, 200, 0, 0]);
    let late = (
        run.generator.late_with_all_busy,
        run.generator.late_with_free_worker,
    );
    assert_eq!(late, (0, 0));
    assert_eq!(run.generator.peak_in_flight, 1);
    let response = |times: &Times| {
        times
            .samples
            .iter()
            .map(Sample::response_time)
            .max()
            .unwrap()
    };
    assert_eq!(response(&run.aggregate), Duration::ZERO);
    assert_eq!(response(warm(&run)), secs(1));
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_or_cut_off_in_the_warm_up_is_its_own() {
    let settings = flat(100.0, secs(2))
        .workers(1)
        .warm_up(secs(1))
        .overload(OverloadPolicy::Drop { max_lag: ms(500) });
    // One takes from 0 to 1200 ms, in which those due before 700 ms are let
    // go, and none of the result is.
    let t0 = Instant::now();
    let action = does(move |_| sleep_until(t0 + ms(1200)));
    let run1 = sure(run(settings, &action, Times::default()).await);
    assert_eq!(figures(run1.account), [100, 100, 0, 0]);
    let warm_up = run1.warm_up.as_ref().unwrap();
    assert_eq!(figures(warm_up.account), [100, 31, 69, 0]);

    // One hangs for good, and is cut off at the end.
    let action = does(|iteration: Iteration| async move {
        if iteration.index == 5 {
            std::future::pending::<()>().await;
        }
    });
    let settings = flat(100.0, secs(2)).warm_up(secs(1)).graceful_stop(ms(10));
    let run2 = sure(run(settings, &action, Times::default()).await);
    assert_eq!(figures(run2.account), [100, 100, 0, 0]);
    assert_eq!(
        figures(run2.warm_up.as_ref().unwrap().account),
        [100, 99, 0, 1]
    );
    assert_eq!((run2.elapsed, run2.load_time), (secs(1), secs(1)));
}

#[tokio::test(start_paused = true)]
async fn users_warm_up_too() {
    let users = || {
        UsersExecutor::builder()
            .users(2)
            .duration(secs(2))
            .warm_up(ms(500))
    };
    let executor = users().build().unwrap();
    let run = sure(run_with(&executor, &takes(ms(200)), Times::default(), &mut ()).await);
    // Each begins at 0, 200, 400 ms, and then at 600 ... 1800 ms: t0 is at 500.
    assert_eq!((run.load_time, run.elapsed), (ms(1500), ms(1500)));
    assert_eq!(figures(run.account), [14, 14, 0, 0]);
    assert_eq!(figures(run.warm_up.as_ref().unwrap().account), [6, 6, 0, 0]);
    assert_eq!(times(&run.aggregate.samples)[0], [100, 100, 300]);
    assert_eq!(times(&warm(&run).samples)[5], [400, 400, 600]);

    let executor = users().pacing(ms(150)).build().unwrap();
    let run = sure(run_with(&executor, &takes(ms(10)), Times::default(), &mut ()).await);
    // Due at 0, 150, 300, 450 ms, and then at 600 ... 1950 ms.
    assert_eq!(figures(run.account), [20, 20, 0, 0]);
    assert_eq!(figures(run.warm_up.as_ref().unwrap().account), [8, 8, 0, 0]);
    assert_eq!(times(&run.aggregate.samples)[0], [100, 100, 110]);
}

#[tokio::test(start_paused = true)]
async fn iterations_begin_after_the_warm_up() {
    for builder in [
        IterationsExecutor::shared(10, 2),
        IterationsExecutor::per_user(5, 2),
    ] {
        let executor = builder
            .warm_up(ms(250))
            .max_duration(ms(500))
            .build()
            .unwrap();
        let run = sure(run_with(&executor, &takes(ms(100)), Times::default(), &mut ()).await);
        // Warm-up at 0, 100 and 200 ms, and from 300 ms on what was asked for.
        assert_eq!(figures(run.warm_up.as_ref().unwrap().account), [6, 6, 0, 0]);
        assert_eq!(figures(run.account), [10, 10, 0, 0]);
        assert_eq!(times(&run.aggregate.samples)[9], [450, 450, 550]);
        assert_eq!((run.load_time, run.elapsed), (ms(500), ms(550)));
        let mut indexes: Vec<_> = (run.aggregate.samples.iter())
            .map(|s| s.iteration.index)
            .collect();
        indexes.sort_unstable();
        assert_eq!(indexes, (0..10).collect::<Vec<_>>());
        let warm_up = warm(&run).samples.iter().map(|s| s.iteration.index);
        let mut warm_up: Vec<_> = warm_up.collect();
        warm_up.sort_unstable();
        assert_eq!(warm_up, (10..16).collect::<Vec<_>>());
    }
}

/// What snapshots say, in milliseconds.
#[derive(Debug, Default)]
struct Seen(Vec<(Option<u128>, u128, u128, Account, u64, bool)>);

impl Observer<Plain> for Seen {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, Plain>) -> ControlFlow<StopReason> {
        assert_eq!(snapshot.plan.arrivals, Some(15));
        assert_eq!(snapshot.plan.duration, Some(ms(1500)));
        if snapshot.warm_up_left.is_some() {
            assert_eq!(
                (snapshot.total.0, snapshot.interval.0, snapshot.in_flight),
                (0, 0, 0)
            );
        }
        self.0.push((
            snapshot.warm_up_left.map(|left| left.as_millis()),
            snapshot.elapsed.as_millis(),
            snapshot.interval_length.as_millis(),
            snapshot.account,
            snapshot.total.0,
            snapshot.stopped.is_some(),
        ));
        ControlFlow::Continue(())
    }
}

#[tokio::test(start_paused = true)]
async fn observers_see_nothing_measured_before_t0() {
    let executor = flat(10.0, secs(3))
        .warm_up(ms(1500))
        .interval(ms(495))
        .build()
        .unwrap();
    let mut seen = Seen::default();
    let run = sure(run_with(&executor, &takes(ms(20)), Plain(0), &mut seen).await);
    let account = |n| Account::new(n, n, 0, 0);
    let expected = [
        (Some(1005), 0, 0, account(0), 0, false),
        (Some(510), 0, 0, account(0), 0, false),
        (Some(15), 0, 0, account(0), 0, false),
        (None, 495, 495, account(5), 5, false),
        (None, 990, 495, account(10), 10, false),
        (None, 1485, 495, account(15), 15, false),
        (None, 1500, 15, account(15), 15, true),
    ];
    assert_eq!(seen.0, expected);
    assert_eq!(run.warm_up.unwrap().aggregate.0, 15);
}

/// Stops at the first snapshot, which lies in the warm-up.
async fn stopped<E, S>(executor: E, action: &S) -> Run<Times>
where
    S: Scenario<Error = Infallible, Action: Action<Metric = ()>>,
    E: karga_core::Executor<S, Error = karga_core::ExecuteError<Infallible>>,
{
    sure(
        run_with(
            &executor,
            action,
            Times::default(),
            &mut support::BreakAt(1),
        )
        .await,
    )
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_warm_up_leaves_an_empty_result() {
    let action = takes(ms(300));
    let runs = [
        stopped(
            flat(10.0, secs(9))
                .warm_up(secs(2))
                .interval(ms(950))
                .build()
                .unwrap(),
            &action,
        )
        .await,
        stopped(
            UsersExecutor::builder()
                .users(3)
                .duration(secs(9))
                .warm_up(secs(2))
                .interval(ms(950))
                .build()
                .unwrap(),
            &action,
        )
        .await,
        stopped(
            IterationsExecutor::shared(30, 3)
                .warm_up(secs(2))
                .interval(ms(950))
                .build()
                .unwrap(),
            &action,
        )
        .await,
    ];
    for (run, warm) in runs.into_iter().zip([10, 12, 12]) {
        assert_eq!(run.stop, StopReason::Observer("enough".into()));
        assert_eq!(figures(run.account), [0; 4]);
        assert_eq!(
            (run.elapsed, run.load_time),
            (Duration::ZERO, Duration::ZERO)
        );
        assert_eq!(run.aggregate, Times::default());
        let warm_up = run.warm_up.unwrap();
        assert_eq!(figures(warm_up.account), [warm, warm, 0, 0]);
        assert_eq!(warm_up.duration, ms(950));
        assert_eq!(warm_up.aggregate.samples.len() as u64, warm);
    }
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_of_zero_is_none() {
    let run = sure(
        run(
            flat(10.0, secs(1)).warm_up(Duration::ZERO),
            &takes(ms(1)),
            Plain(0),
        )
        .await,
    );
    assert!(run.warm_up.is_none());
    assert_eq!(figures(run.account), [10, 10, 0, 0]);
}

#[test]
fn a_warm_up_that_leaves_nothing_is_refused() {
    let message = |error: &dyn std::error::Error| error.to_string();
    for warm_up in [secs(3), secs(4), Duration::MAX] {
        let error = flat(10.0, secs(3)).warm_up(warm_up).build().unwrap_err();
        let text = message(&error);
        assert!(
            text.starts_with(&format!(
                "a warm-up of {warm_up:?} leaves nothing of a load of 3s"
            )),
            "{text}"
        );
        let users = UsersExecutor::builder().users(1).duration(secs(3));
        assert_eq!(message(&users.warm_up(warm_up).build().unwrap_err()), text);
    }
    // The last arrival is due at 2.9 s.
    let error = flat(10.0, secs(3)).warm_up(ms(2901)).build().unwrap_err();
    assert!(
        message(&error).starts_with("nothing happens after a warm-up of 2.901s"),
        "{error}"
    );
    flat(10.0, secs(3)).warm_up(ms(2900)).build().unwrap();
}

/// The end of the warm-up, an interval and the cut-off fall into one tick of tokio's timer:
/// whoever was woken by then runs before the cut-off.
#[tokio::test(start_paused = true)]
async fn the_end_of_no_grace_time_waits_for_those_who_are_due() {
    tokio::time::advance(Duration::from_micros(300)).await;
    let settings = flat(1000.0, ms(100)).warm_up(ms(99)).interval(ms(33));
    let settings = settings.graceful_stop(ms(0)).workers(4);
    let run = sure(run(settings, &does(|_| async {}), Plain(0)).await);
    assert_eq!(figures(run.account), [1, 1, 0, 0]);
}
