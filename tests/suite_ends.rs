//! A suite ends, whatever becomes of its members before the common start.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{
    convert::Infallible,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use karga::{SuiteError, prelude::*};
use tokio::time::{Sleep, sleep, timeout};

const DAY: Duration = Duration::from_secs(24 * 3600);

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What became of a scenario.
#[derive(Clone, Default)]
struct Told {
    set_up: Arc<AtomicU64>,
    calls: Arc<AtomicU64>,
    torn_down: Arc<AtomicU64>,
}

impl Told {
    fn counts(&self) -> [u64; 3] {
        [&self.set_up, &self.calls, &self.torn_down].map(|count| count.load(Ordering::SeqCst))
    }
}

/// Its users take so long to connect; without end they cannot.
struct Takes {
    name: &'static str,
    connect: Duration,
    told: Told,
}

struct Count(Arc<AtomicU64>);

impl Action for Count {
    type Metric = ();
    async fn call(&self, _: Iteration) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Scenario for Takes {
    type Action = Count;
    type Error = std::io::Error;
    fn name(&self) -> &str {
        self.name
    }
    async fn setup(&self) -> Result<(), Self::Error> {
        self.told.set_up.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    async fn connect(&self, _: u64) -> Result<Count, Self::Error> {
        if self.connect == Duration::MAX {
            sleep(ms(50)).await;
            return Err(std::io::Error::other("nobody is there"));
        }
        sleep(self.connect).await;
        Ok(Count(Arc::clone(&self.told.calls)))
    }
    async fn teardown(&self) -> Result<(), Self::Error> {
        self.told.torn_down.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn takes(name: &'static str, connect: Duration) -> (Takes, Told) {
    let told = Told::default();
    let scenario = Takes {
        name,
        connect,
        told: told.clone(),
    };
    (scenario, told)
}

fn hold() -> StageExecutor {
    StageExecutor::constant(100.0, ms(1000))
        .workers(2)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_stopped_before_it_is_ready_keeps_nobody_waiting() {
    let (early, early_told) = takes("early", ms(100));
    let (other, other_told) = takes("other", ms(200));
    let executor = hold();
    let handle = executor.handle();
    tokio::spawn(async move {
        sleep(ms(50)).await;
        handle.stop();
    });
    let suite = Suite::new("two")
        .with(
            LoadTest::builder()
                .scenario(early)
                .executor(executor)
                .build(),
        )
        .with(LoadTest::builder().scenario(other).executor(hold()).build());
    let runs = timeout(DAY, suite.run_each()).await.unwrap().unwrap();
    assert_eq!(runs[0].stop, StopReason::Requested);
    assert_eq!(early_told.counts(), [1, 0, 1]);
    assert_eq!(runs[1].stop, StopReason::Completed);
    assert_eq!(other_told.counts(), [1, 100, 1]);
}

/// Stops between two intervals.
struct StopsAfter(std::pin::Pin<Box<Sleep>>);

impl<A> Observer<A> for StopsAfter {
    fn on_interval(&mut self, _: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        ControlFlow::Continue(())
    }
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopReason> {
        let poll = self.0.as_mut().poll(cx);
        poll.map(|()| StopReason::Observer("enough".into()))
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_stops_one_before_the_start_stops_those_who_wait_for_it() {
    // The first is stopped while it connects and the second waits for it, or
    // while it waits for the second.
    for (connect, other_connects) in [(ms(200), ms(10)), (ms(10), ms(200))] {
        let (judged, judged_told) = takes("judged", connect);
        let (other, other_told) = takes("other", other_connects);
        let suite = Suite::new("two")
            .with(
                LoadTest::builder()
                    .scenario(judged)
                    .executor(hold())
                    .observer(StopsAfter(Box::pin(sleep(ms(100)))))
                    .build(),
            )
            .with(LoadTest::builder().scenario(other).executor(hold()).build());
        let runs = timeout(DAY, suite.run_each()).await.unwrap().unwrap();
        assert_eq!(runs[0].stop, StopReason::Observer("enough".into()));
        let with = StopReason::Observer("with judged: enough".into());
        assert_eq!(runs[1].stop, with);
        for told in [judged_told, other_told] {
            assert_eq!(told.counts(), [1, 0, 1], "{connect:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_others_tear_down_when_one_cannot_connect() {
    for (bad_at, connect) in [(0, ms(1)), (1, ms(1)), (0, ms(500)), (1, ms(500))] {
        let (good, good_told) = takes("good", connect);
        let (bad, bad_told) = takes("bad", Duration::MAX);
        let [good, bad] =
            [good, bad].map(|it| LoadTest::builder().scenario(it).executor(hold()).build());
        let suite = Suite::new("two");
        let suite = match bad_at {
            0 => suite.with(bad).with(good),
            _ => suite.with(good).with(bad),
        };
        let error = timeout(DAY, suite.run()).await.unwrap().unwrap_err();
        assert!(matches!(&error, SuiteError::Member { name, .. } if name == "bad"));
        for told in [good_told, bad_told] {
            assert_eq!(told.counts(), [1, 0, 1], "{bad_at}, {connect:?}");
        }
    }
}

/// Makes an empty run without asking anyone.
struct Nothing;

impl<S: Scenario> Executor<S> for Nothing {
    type Error = Infallible;
    async fn execute<A, O>(
        &self,
        scenario: &S,
        aggregate: A,
        _: &mut O,
    ) -> Result<Run<A>, Infallible>
    where
        A: Aggregate<MetricOf<S>>,
        O: Observer<A>,
    {
        Ok(Run::new(
            scenario.name(),
            aggregate,
            Account::default(),
            Duration::ZERO,
        ))
    }
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_is_never_ready_keeps_nobody_waiting() {
    let (odd, _) = takes("odd", ms(0));
    let (other, told) = takes("other", ms(200));
    let suite = Suite::new("two")
        .with(LoadTest::builder().scenario(odd).executor(Nothing).build())
        .with(LoadTest::builder().scenario(other).executor(hold()).build());
    let runs = timeout(DAY, suite.run_each()).await.unwrap().unwrap();
    assert_eq!(runs[1].account.completed, 100);
    assert_eq!(told.counts(), [1, 100, 1]);
}

#[tokio::test(start_paused = true)]
async fn the_suites_observer_judges_every_member() {
    let thresholds = Thresholds::parse(["completed > 1000", "p99(response_time) < 1s"]).unwrap();
    let summary = Suite::new("two")
        .observer(thresholds)
        .with(
            LoadTest::builder()
                .scenario(takes("one", ms(1)).0)
                .executor(hold())
                .build(),
        )
        .with(
            LoadTest::builder()
                .scenario(takes("two", ms(1)).0)
                .executor(hold())
                .build(),
        )
        .run()
        .await
        .unwrap();
    for row in &summary.scenarios {
        let passed: Vec<_> = row.thresholds.iter().map(|it| it.passed).collect();
        assert_eq!(passed, [false, true], "{}", row.name);
    }
    assert!(!summary.passed());
}

#[tokio::test(start_paused = true)]
async fn an_offset_beyond_a_year_is_refused() {
    for offset in [Duration::MAX, Duration::from_secs(u64::MAX - 5), 400 * DAY] {
        let (late, told) = takes("late", ms(1));
        let executor = StageExecutor::constant(100.0, ms(1000))
            .warm_up(ms(100))
            .build();
        let error = Suite::new("one")
            .with_offset(
                offset,
                LoadTest::builder()
                    .scenario(late)
                    .executor(executor)
                    .build(),
            )
            .run()
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("\"late\"") && text.contains(&format!("{offset:?}")),
            "{text}"
        );
        assert_eq!(told.counts(), [0, 0, 0]);
    }
}
