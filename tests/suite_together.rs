//! The members of a suite: each starts at its own offset, all stop together,
//! and one observer sees all of them.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use karga::prelude::*;
use tokio::time::{Instant, Sleep, sleep};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

type Starts = Arc<Mutex<Vec<Instant>>>;

/// Notes when each iteration starts.
fn noting(starts: &Starts) -> impl Action<Metric = ()> + use<> {
    let starts = Arc::clone(starts);
    action_fn(move |_| {
        starts.lock().unwrap().push(Instant::now());
        async {}
    })
}

fn first(starts: &Starts) -> Instant {
    starts.lock().unwrap()[0]
}

/// 100/s for so long, observed at every `interval`.
fn hold(length: Duration, interval: Duration) -> StageExecutor {
    StageExecutor::builder()
        .start_rate(100.0)
        .stages([Stage::new(length, 100.0)])
        .workers(2)
        .interval(interval)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_starts_at_its_offset_after_t0() {
    let (early, late) = (Starts::default(), Starts::default());
    let runs = Suite::new("two")
        .with(
            LoadTest::builder()
                .name("early")
                .scenario(scenario("early", noting(&early)))
                .executor(hold(ms(1000), ms(1000)))
                .build(),
        )
        .with_offset(
            ms(1500),
            LoadTest::builder()
                .name("late")
                .scenario(scenario("late", noting(&late)))
                .executor(hold(ms(1000), ms(1000)))
                .build(),
        )
        .run_each()
        .await
        .unwrap();
    assert_eq!(first(&late) - first(&early), ms(1500));
    assert_eq!(runs[0].start_offset, Duration::ZERO);
    assert_eq!(runs[1].start_offset, ms(1500));
    // Its times count from its own start.
    assert_eq!(runs[1].elapsed, ms(1000));
    assert_eq!(runs[1].account.completed, 100);
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_is_part_of_the_offset() {
    let (one, two) = (Starts::default(), Starts::default());
    let warmed = StageExecutor::builder()
        .start_rate(100.0)
        .stages([Stage::new(ms(1000), 100.0)])
        .warm_up(ms(400))
        .build();
    let runs = Suite::new("two")
        .with(
            LoadTest::builder()
                .scenario(scenario("warmed", noting(&one)))
                .executor(warmed)
                .build(),
        )
        .with(
            LoadTest::builder()
                .scenario(scenario("cold", noting(&two)))
                .executor(hold(ms(1000), ms(1000)))
                .build(),
        )
        .run_each()
        .await
        .unwrap();
    assert_eq!(first(&one), first(&two), "load begins together");
    assert_eq!(runs[0].start_offset, ms(400));
    assert_eq!(runs[0].account.completed, 60);
    assert_eq!(runs[0].elapsed, ms(600));
}

/// Breaks at the first interval that ends at `at` or later.
struct BreaksAt(Duration);

impl<A> Observer<A> for BreaksAt {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        if snapshot.elapsed >= self.0 {
            ControlFlow::Break(StopReason::Observer("too slow".into()))
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Stops between two intervals.
struct StopsAfter(std::pin::Pin<Box<Sleep>>);

impl<A> Observer<A> for StopsAfter {
    fn on_interval(&mut self, _: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        ControlFlow::Continue(())
    }
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopReason> {
        self.0
            .as_mut()
            .poll(cx)
            .map(|()| StopReason::Observer("time is up".into()))
    }
}

#[tokio::test(start_paused = true)]
async fn all_stop_when_an_observer_stops_one() {
    // The others' intervals are long: they stop at once, not at their next.
    let nothing = || action_fn(|_| async {});
    let runs = Suite::new("three")
        .with(
            LoadTest::builder()
                .scenario(scenario("judged", nothing()))
                .executor(hold(ms(60_000), ms(500)))
                .observer(BreaksAt(ms(2000)))
                .build(),
        )
        .with(
            LoadTest::builder()
                .scenario(scenario("beside", nothing()))
                .executor(hold(ms(60_000), ms(30_000)))
                .build(),
        )
        .with_offset(
            ms(10_000),
            LoadTest::builder()
                .scenario(scenario("not begun", nothing()))
                .executor(hold(ms(60_000), ms(30_000)))
                .build(),
        )
        .run_each()
        .await
        .unwrap();
    let stops: Vec<_> = runs.iter().map(|run| run.stop.to_string()).collect();
    assert_eq!(
        stops,
        [
            "stopped by an observer: too slow",
            "stopped by an observer: with judged: too slow",
            "stopped by an observer: with judged: too slow",
        ]
    );
    assert_eq!(runs[0].load_time, ms(2000));
    assert_eq!(runs[1].load_time, ms(2000));
    assert_eq!(runs[2].account.planned, 0);
    assert!(runs.iter().all(|run| run.account.is_balanced()));
}

#[tokio::test(start_paused = true)]
async fn a_stop_between_intervals_reaches_all() {
    let nothing = || action_fn(|_| async {});
    let runs = Suite::new("two")
        .with(
            LoadTest::builder()
                .scenario(scenario("timed", nothing()))
                .executor(hold(ms(60_000), ms(30_000)))
                .observer(StopsAfter(Box::pin(sleep(ms(1234)))))
                .build(),
        )
        .with(
            LoadTest::builder()
                .scenario(scenario("beside", nothing()))
                .executor(hold(ms(60_000), ms(30_000)))
                .build(),
        )
        .run_each()
        .await
        .unwrap();
    assert_eq!(runs[0].load_time, ms(1234));
    assert_eq!(runs[1].load_time, ms(1234));
    assert_eq!(
        runs[1].stop,
        StopReason::Observer("with timed: time is up".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_handle_stops_its_own_member_alone() {
    let nothing = || action_fn(|_| async {});
    let executor = hold(ms(10_000), ms(1000));
    let handle = executor.handle();
    tokio::spawn(async move {
        sleep(ms(1500)).await;
        handle.stop();
    });
    let runs = Suite::new("two")
        .with(
            LoadTest::builder()
                .scenario(scenario("stopped", nothing()))
                .executor(executor)
                .build(),
        )
        .with(
            LoadTest::builder()
                .scenario(scenario("whole", nothing()))
                .executor(hold(ms(10_000), ms(1000)))
                .build(),
        )
        .run_each()
        .await
        .unwrap();
    assert_eq!(runs[0].stop, StopReason::Requested);
    assert_eq!(runs[1].stop, StopReason::Completed);
    assert_eq!(runs[1].account.completed, 1000);
}

/// Names what it sees.
#[derive(Clone, Default)]
struct Sees(Arc<Mutex<Vec<String>>>);

impl Observer<HistogramAggregate> for Sees {
    fn on_interval(
        &mut self,
        snapshot: &Snapshot<'_, HistogramAggregate>,
    ) -> ControlFlow<StopReason> {
        if snapshot.stopped.is_some() {
            let seen = snapshot.total.outcomes().completed();
            self.0
                .lock()
                .unwrap()
                .push(format!("{} {seen}", snapshot.name));
        }
        ControlFlow::Continue(())
    }
}

/// Counts beside the histograms.
#[derive(Default)]
struct Extra(u64);

impl Merge for Extra {
    fn fork(&self) -> Self {
        Self(0)
    }
    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl<M> Aggregate<M> for Extra {
    fn record(&mut self, _: &Sample<M>) {
        self.0 += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn one_observer_sees_members_of_any_aggregate() {
    let sees = Sees::default();
    let nothing = || action_fn(|_| async {});
    let summary = Suite::new("two")
        .observer(sees.clone())
        .with(
            LoadTest::builder()
                .scenario(scenario("plain", nothing()))
                .executor(hold(ms(1000), ms(1000)))
                .build(),
        )
        .with(
            LoadTest::builder()
                .scenario(scenario("with more", nothing()))
                .executor(hold(ms(2000), ms(1000)))
                .aggregate((HistogramAggregate::default(), Extra::default()))
                .build(),
        )
        .run()
        .await
        .unwrap();
    assert_eq!(*sees.0.lock().unwrap(), ["plain 100", "with more 200"]);
    assert_eq!(summary.scenarios[1].completed, 200);
}
