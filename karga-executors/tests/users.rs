//! The closed model: who is there when, what they do, and what they leave;
//! exactly, on a paused clock.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

mod support;

use std::{convert::Infallible, sync::Arc, time::Duration};

use karga_core::{Action, Iteration, LoadModel, Run, Sample, Scenario, StopReason};
use karga_executors::{ThinkTime, UserStage, UsersExecutor, UsersExecutorBuilder};
use support::{BreakAt, Counter, Plain, Times, does, figures, ms, run_with, secs, sure, takes};
use tokio::time::{Instant, sleep, sleep_until};

fn users(users: u64, duration: Duration) -> UsersExecutorBuilder {
    UsersExecutor::builder()
        .users(users)
        .duration(duration)
        .stop_on_ctrl_c(false)
}

fn stages<const N: usize>(stages: [(u64, u64); N]) -> UsersExecutorBuilder {
    UsersExecutor::builder()
        .stages(stages.map(|(time, users)| UserStage::new(ms(time), users)))
        .stop_on_ctrl_c(false)
}

async fn go<S: Scenario<Error = Infallible, Action: Action<Metric = ()>>>(
    builder: UsersExecutorBuilder,
    scenario: &S,
) -> Run<Times> {
    let executor = builder.build().unwrap();
    sure(run_with(&executor, scenario, Times::default(), &mut ()).await)
}

/// The starts of one user, in milliseconds.
fn starts(run: &Run<Times>, user: u64) -> Vec<u128> {
    let mut starts: Vec<_> = (run.aggregate.samples.iter())
        .filter(|s| s.iteration.user == user)
        .map(|s| s.start.as_millis())
        .collect();
    starts.sort_unstable();
    starts
}

#[tokio::test(start_paused = true)]
async fn users_begin_again_when_they_are_done() {
    let run = go(users(3, secs(1)), &takes(ms(70))).await;
    // Each begins at 0, 70, ... 980 ms, and the last are let finish.
    assert_eq!(figures(run.account), [45, 45, 0, 0]);
    assert_eq!((run.load_time, run.elapsed), (secs(1), ms(1050)));
    assert_eq!(
        (run.model, &run.stop),
        (LoadModel::Closed, &StopReason::Completed)
    );
    for sample in &run.aggregate.samples {
        assert_eq!((sample.lateness(), sample.response_time()), (ms(0), ms(70)));
    }
    let expected: Vec<_> = (0..15).map(|k| 70 * k).collect();
    assert_eq!(starts(&run, 2), expected);
    let mut indexes: Vec<_> = run
        .aggregate
        .samples
        .iter()
        .map(|s| s.iteration.index)
        .collect();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..45).collect::<Vec<_>>());
    assert_eq!(run.generator.workers, 3);
    assert_eq!(run.generator.peak_in_flight, 3);
    assert_eq!(
        (
            run.generator.late_with_all_busy,
            run.generator.late_with_free_worker
        ),
        (0, 0)
    );
    assert_eq!(run.warnings, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn users_come_and_go_by_the_stages() {
    let run = go(
        stages([(3000, 3), (1000, 3), (3000, 0), (1000, 0)]),
        &takes(ms(400)),
    )
    .await;
    let times = |from, until: u128| -> Vec<u128> { (from..until).step_by(400).collect() };
    assert_eq!(starts(&run, 0), times(1000, 7000));
    assert_eq!(starts(&run, 1), times(2000, 6000));
    assert_eq!(starts(&run, 2), times(3000, 5000));
    assert_eq!((run.load_time, run.elapsed), (secs(8), secs(8)));
    // All iterations could finish after their users had to go.
    assert_eq!(run.account.interrupted, 0);
}

#[tokio::test(start_paused = true)]
async fn users_come_at_the_spawn_rate() {
    let run = go(users(5, secs(2)).spawn_rate(4.0), &takes(secs(3))).await;
    for user in 0..5 {
        assert_eq!(starts(&run, user), [u128::from(user) * 250]);
    }
    assert_eq!(run.load_time, secs(2));
}

#[tokio::test(start_paused = true)]
async fn users_think_before_their_next_iteration() {
    let run = go(
        users(2, secs(1)).think_time(ThinkTime::constant(ms(130))),
        &takes(ms(20)),
    )
    .await;
    let expected: Vec<_> = (0..7).map(|k| 150 * k).collect();
    assert_eq!(
        (starts(&run, 0), starts(&run, 1)),
        (expected.clone(), expected)
    );
    assert_eq!(
        (run.model, run.load_time, run.elapsed),
        (LoadModel::Closed, secs(1), secs(1))
    );

    let think = ThinkTime::exponential(ms(500));
    let thinking = |seed| users(20, secs(200)).think_time(think.seed(seed));
    let one = go(thinking(1), &takes(ms(500))).await;
    let again = go(thinking(1), &takes(ms(500))).await;
    let other = go(thinking(2), &takes(ms(500))).await;
    assert_eq!(one.aggregate.clone().sorted(), again.aggregate.sorted());
    assert_ne!(one.aggregate.clone().sorted(), other.aggregate.sorted());
    assert_ne!(starts(&one, 0), starts(&one, 1));
    // An iteration each second on average; sleeping rounds up by half a
    // millisecond.
    let all = one.account.completed as f64;
    assert!((3850.0..4150.0).contains(&all), "{all}");
}

/// Answers at once, but from 4 s to 6 s nobody.
fn stalling() -> impl Scenario<Action: Action<Metric = ()>, Error = Infallible> {
    let t0 = Instant::now();
    does(move |_| async move {
        if (secs(4)..secs(6)).contains(&(Instant::now() - t0)) {
            sleep_until(t0 + secs(6)).await;
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_paced_user_feels_a_stall_to_the_millisecond() {
    let run = go(users(10, secs(10)).pacing(ms(10)), &stalling()).await;
    assert_eq!(figures(run.account), [10_000, 10_000, 0, 0]);
    assert_eq!((run.model, run.load_time), (LoadModel::Paced, secs(10)));
    // Every user: those due in the stall ended with it, after 2000, 1990, ...
    // 10 ms; all others took no time.
    let mut response: Vec<_> = run
        .aggregate
        .samples
        .iter()
        .map(Sample::response_time)
        .collect();
    response.sort_unstable();
    assert_eq!(response[..8000], [Duration::ZERO; 8000]);
    let expected: Vec<_> = (1..=200).flat_map(|k| [ms(10 * k); 10]).collect();
    assert_eq!(response[8000..], expected);
    for sample in &run.aggregate.samples {
        assert_eq!(sample.iteration.due.as_millis() % 10, 0);
        assert!(sample.start >= sample.iteration.due);
    }
    // Late, as it were the target's fault: all that waited for it by more than
    // 10 ms but the first of each user, which was on time.
    let run = run.generator;
    assert_eq!(
        (run.late_with_all_busy, run.late_with_free_worker),
        (10 * 198, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn users_without_a_pace_hardly_see_the_stall() {
    let run = go(
        users(10, secs(10)).think_time(ThinkTime::constant(ms(10))),
        &stalling(),
    )
    .await;
    let slow = run
        .aggregate
        .samples
        .iter()
        .filter(|s| s.response_time() > ms(1))
        .count();
    assert_eq!(slow, 10);
}

#[tokio::test(start_paused = true)]
async fn a_pace_counts_from_when_the_user_came() {
    let builder = users(3, ms(700)).spawn_rate(10.0).pacing(ms(250));
    let run = go(builder, &takes(ms(1))).await;
    for (user, expected) in [(0, [0, 250, 500]), (1, [100, 350, 600]), (2, [200, 450, 0])] {
        let mut expected = expected.to_vec();
        // 700 ms is the end, where nothing is due any more.
        expected.retain(|at| user != 2 || *at > 0);
        assert_eq!(starts(&run, user), expected);
    }
    let spread = users(5, ms(500)).pacing(ms(500)).spread(ms(500));
    let run = go(spread, &takes(ms(1))).await;
    let all: Vec<_> = (0..5).flat_map(|user| starts(&run, user)).collect();
    assert_eq!(all, [0, 100, 200, 300, 400]);
}

#[tokio::test(start_paused = true)]
async fn what_is_overdue_at_the_end_is_worked_off_within_the_grace_time() {
    // Each of 2 users begins 10 of its 20 in the second, of 100 ms each.
    let paced = || users(2, secs(1)).pacing(ms(50));
    let run = go(paced(), &takes(ms(100))).await;
    assert_eq!(figures(run.account), [40, 40, 0, 0]);
    assert_eq!((run.load_time, run.elapsed), (secs(1), secs(2)));
    let run = go(paced().graceful_stop(ms(250)), &takes(ms(100))).await;
    assert_eq!(figures(run.account), [40, 24, 0, 16]);
    assert_eq!((run.load_time, run.elapsed), (secs(1), ms(1250)));
    assert!(
        run.warnings[0].contains("250ms was over before 16 arrivals"),
        "{:?}",
        run.warnings
    );
}

#[tokio::test(start_paused = true)]
async fn who_has_to_go_may_finish_within_the_ramp_downs_grace_time() {
    // User 1 has to go at 500 ms, in its iteration from 400 to 800 ms.
    let down = || stages([(1000, 0), (2000, 0)]).start_users(2);
    let run = go(down(), &takes(ms(400))).await;
    assert_eq!(
        (starts(&run, 0), starts(&run, 1)),
        (vec![0, 400, 800], vec![0, 400])
    );
    assert_eq!(figures(run.account), [5, 5, 0, 0]);

    let run = go(down().graceful_ramp_down(ms(250)), &takes(ms(400))).await;
    assert_eq!(
        (starts(&run, 0), starts(&run, 1)),
        (vec![0, 400, 800], vec![0])
    );
    assert_eq!(figures(run.account), [5, 4, 0, 1]);
    assert_eq!(
        run.warnings,
        [
            "the ramp-down's grace time of 250ms was over before 1 iterations of users who had to \
          go were done"
        ]
    );
    // What is overdue under pacing is cut off at the same moment: of the 10
    // that were due, user 1 begins those of 0, 400 and 800 ms.
    let run = go(
        down().graceful_ramp_down(ms(350)).pacing(ms(50)),
        &takes(ms(400)),
    )
    .await;
    assert_eq!(starts(&run, 1), [0, 400]);
    assert_eq!(starts(&run, 0), [0, 400, 800]);
    assert_eq!(figures(run.account), [30, 5, 0, 25]);
    let text = "350ms was over before 25 iterations of users who had to go";
    assert!(run.warnings[0].contains(text), "{:?}", run.warnings);
}

#[tokio::test(start_paused = true)]
async fn who_is_called_back_in_time_is_not_cut_off() {
    let dip = || stages([(1000, 1), (0, 0), (200, 0), (0, 1), (1800, 1)]).start_users(1);
    let run = go(dip().graceful_ramp_down(ms(200)), &takes(ms(900))).await;
    assert_eq!(starts(&run, 0), [0, 900, 1800, 2700]);
    assert_eq!(run.account.interrupted, 0);
    let run = go(dip().graceful_ramp_down(ms(199)), &takes(ms(900))).await;
    assert_eq!(starts(&run, 0), [0, 1200, 2100]);
    assert_eq!(figures(run.account), [4, 3, 0, 1]);
}

/// Every user keeps what it did.
struct Diary(Counter);

struct Writer {
    user: u64,
    calls: Counter,
}

impl Scenario for Diary {
    type Action = Writer;
    type Error = Infallible;
    fn name(&self) -> &str {
        "diary"
    }
    async fn connect(&self, user: u64) -> Result<Writer, Infallible> {
        self.0.add();
        sleep(ms(50)).await;
        Ok(Writer {
            user,
            calls: Counter::default(),
        })
    }
}

impl Action for Writer {
    type Metric = ();
    async fn call(&self, iteration: Iteration) {
        assert_eq!(iteration.user, self.user);
        // Its own calls, in their order.
        assert_eq!(iteration.index, self.calls.add() * 20 + self.user);
        sleep(ms(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_connect_made_stays_with_its_user() {
    let connected = Counter::default();
    // Comes, goes, and comes back.
    let up_and_down = stages([(200, 20), (200, 0), (200, 20), (100, 20)]);
    let begun = Instant::now();
    let run = go(up_and_down, &Diary(connected.clone())).await;
    assert_eq!(run.aggregate.panics, 0);
    assert_eq!(connected.get(), 20);
    assert!(run.aggregate.samples.iter().any(|s| s.iteration.user == 19));
    // 20 users, 16 at a time: twice 50 ms before t0.
    assert_eq!(begun.elapsed(), ms(100) + run.elapsed);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_those_in_flight_finish() {
    for (builder, expected) in [
        (users(4, secs(60)), [40, 40, 0, 0]),
        (users(4, secs(60)).graceful_stop(ms(30)), [40, 36, 0, 4]),
        // Every 50 ms one was due: 0 ... 950 ms.
        (users(4, secs(60)).pacing(ms(50)), [80, 40, 0, 40]),
    ] {
        let executor = builder.build().unwrap();
        let handle = executor.handle();
        let stopper = tokio::spawn(async move {
            sleep(ms(950)).await;
            handle.stop();
        });
        let run = sure(run_with(&executor, &takes(ms(100)), Times::default(), &mut ()).await);
        stopper.await.unwrap();
        assert_eq!(run.stop, StopReason::Requested);
        assert_eq!(figures(run.account), expected);
        assert_eq!(run.load_time, ms(950));
    }
}

#[tokio::test(start_paused = true)]
async fn users_that_never_wait_hear_of_a_stop_while_no_time_passes() {
    let executor = users(4, secs(1)).build().unwrap();
    let handle = executor.handle();
    let stopper = tokio::spawn(async move {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        handle.stop();
    });
    let run = sure(run_with(&executor, &does(|_| async {}), Plain(0), &mut ()).await);
    stopper.await.unwrap();
    assert_eq!((run.stop, run.elapsed), (StopReason::Requested, secs(0)));
    assert_eq!(run.account.completed, run.aggregate.0);
    assert!(run.account.interrupted == 0 && run.account.completed > 0);
}

#[tokio::test(start_paused = true)]
async fn an_observer_stops_the_run() {
    let executor = users(4, secs(60)).interval(ms(950)).build().unwrap();
    let run = sure(run_with(&executor, &takes(ms(100)), Plain(0), &mut BreakAt(1)).await);
    assert_eq!(run.stop, StopReason::Observer("enough".into()));
    assert_eq!(figures(run.account), [40, 40, 0, 0]);
    assert_eq!(run.aggregate.0, 40);
}

#[tokio::test(start_paused = true)]
async fn thinking_users_hear_of_a_stop_at_once() {
    let executor = users(4, secs(600))
        .think_time(ThinkTime::constant(secs(100)))
        .build()
        .unwrap();
    let handle = executor.handle();
    let stopper = tokio::spawn(async move {
        sleep(secs(5)).await;
        handle.stop();
    });
    let begun = Instant::now();
    let run = sure(run_with(&executor, &takes(ms(1)), Plain(0), &mut ()).await);
    stopper.await.unwrap();
    assert_eq!((begun.elapsed(), run.elapsed), (secs(5), secs(5)));
    assert_eq!(figures(run.account), [4, 4, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn panics_are_failed_iterations_and_users_go_on() {
    for builder in [users(2, secs(3)), users(2, secs(3)).pacing(ms(100))] {
        let action = does(|iteration: Iteration| async move {
            sleep(ms(100)).await;
            assert!(!iteration.index.is_multiple_of(3), "a third");
        });
        let run = go(builder, &action).await;
        assert_eq!(figures(run.account), [60, 60, 0, 0]);
        assert_eq!(run.aggregate.panics, 20);
    }
}

/// Counts those in flight, also when they are dropped.
struct Flight(Arc<Counter>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.sub();
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_ends_all_load() {
    let in_flight = Arc::new(Counter::default());
    let count = Arc::clone(&in_flight);
    let action = does(move |_| {
        count.add();
        let flight = Flight(Arc::clone(&count));
        async move {
            sleep(ms(100)).await;
            drop(flight);
        }
    });
    let executor = users(8, secs(60)).build().unwrap();
    let mut nobody = ();
    let run = run_with(&executor, &action, Plain(0), &mut nobody);
    assert!(tokio::time::timeout(ms(550), run).await.is_err());
    tokio::task::yield_now().await;
    assert_eq!(in_flight.get(), 0);
}
