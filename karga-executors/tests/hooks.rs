//! What executors owe observers and aggregates beyond snapshots and samples:
//! a stop between two intervals, aggregates that hand samples on, and the end.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

mod support;

use std::{
    convert::Infallible,
    future::Future as _,
    ops::ControlFlow,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use karga_core::{
    Action, Aggregate, BoxFuture, ExecuteError, Executor, LoadModel, Merge, Observer, Run, Sample,
    Scenario, Snapshot, StopReason,
};
use karga_executors::{IterationsExecutor, ThinkTime, UsersExecutor};
use support::{Counter, Plain, does, figures, flat, ms, run_with, secs, sure, takes};
use tokio::time::{Sleep, sleep};

/// Stops after a time, between two intervals.
struct After(Pin<Box<Sleep>>);

impl<A> Observer<A> for After {
    fn on_interval(&mut self, _: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        ControlFlow::Continue(())
    }
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopReason> {
        let stop = |()| StopReason::Observer("others stopped".into());
        self.0.as_mut().poll(cx).map(stop)
    }
}

async fn stopped<E, S>(executor: E, scenario: &S, after: Duration) -> Run<Plain>
where
    S: Scenario<Error = Infallible, Action: Action<Metric = ()>>,
    E: Executor<S, Error = ExecuteError<Infallible>>,
{
    let mut observer = After(Box::pin(sleep(after)));
    let run = sure(run_with(&executor, scenario, Plain(0), &mut observer).await);
    assert_eq!(run.stop, StopReason::Observer("others stopped".into()));
    assert_eq!(run.aggregate.0, run.account.completed);
    run
}

#[tokio::test(start_paused = true)]
async fn an_observer_stops_a_run_between_intervals() {
    let hour = secs(3600);
    let action = takes(ms(100));
    let stages = flat(10.0, hour).interval(hour).build().unwrap();
    let run = stopped(stages, &action, ms(1250)).await;
    assert_eq!(figures(run.account), [13, 13, 0, 0]);
    assert_eq!(
        (run.load_time, run.elapsed, run.model),
        (ms(1250), ms(1300), LoadModel::Open)
    );

    let users = || {
        UsersExecutor::builder()
            .users(3)
            .duration(hour)
            .interval(hour)
    };
    let run = stopped(users().build().unwrap(), &action, ms(1250)).await;
    assert_eq!(figures(run.account), [39, 39, 0, 0]);
    let paced = users().pacing(ms(200)).build().unwrap();
    let run = stopped(paced, &action, ms(1250)).await;
    assert_eq!(figures(run.account), [21, 21, 0, 0]);
    let thinking = users()
        .think_time(ThinkTime::constant(hour))
        .build()
        .unwrap();
    let run = stopped(thinking, &action, ms(1250)).await;
    assert_eq!(
        (figures(run.account), run.elapsed),
        ([3, 3, 0, 0], ms(1250))
    );

    let iterations = IterationsExecutor::shared(1_000_000, 3).interval(hour);
    let run = stopped(iterations.build().unwrap(), &action, ms(1250)).await;
    assert_eq!(figures(run.account), [39, 39, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_observer_stops_a_run_before_it_begins() {
    struct Slow;
    impl Scenario for Slow {
        type Action = karga_core::ActionFn<fn(karga_core::Iteration) -> std::future::Ready<()>>;
        type Error = Infallible;
        fn name(&self) -> &str {
            "slow to connect"
        }
        async fn connect(&self, _: u64) -> Result<Self::Action, Infallible> {
            std::future::pending().await
        }
    }
    let executor = flat(10.0, secs(1)).build().unwrap();
    let run = stopped(executor, &Slow, secs(2)).await;
    assert_eq!(figures(run.account), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_asked_for_while_the_observer_waits_for_others_comes_before_any_load() {
    /// Waits for the others until after the stop.
    struct Waits(After);
    impl<A> Observer<A> for Waits {
        fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
            self.0.on_interval(snapshot)
        }
        fn on_ready(&mut self) -> BoxFuture<'_, Option<Instant>> {
            Box::pin(async {
                sleep(secs(2)).await;
                None
            })
        }
        fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopReason> {
            Observer::<A>::poll_stop(&mut self.0, cx)
        }
    }
    let begun = Counter::default();
    let count = begun.clone();
    let action = does(move |_| {
        count.add();
        async {}
    });
    for (after, iterations) in [(secs(1), 0), (ms(2550), 6)] {
        let executor = flat(10.0, secs(1)).build().unwrap();
        let mut observer = Waits(After(Box::pin(sleep(after))));
        let run = sure(run_with(&executor, &action, Plain(0), &mut observer).await);
        assert_eq!(run.stop, StopReason::Observer("others stopped".into()));
        assert_eq!(figures(run.account), [iterations, iterations, 0, 0]);
        assert_eq!(begun.get(), iterations);
    }
}

/// Hands samples on to a list that all forks share; forks that stand apart do
/// not.
struct HandsOn {
    list: Arc<Mutex<Vec<u64>>>,
    apart: bool,
    recorded: u64,
    finished: bool,
}

impl Merge for HandsOn {
    fn fork(&self) -> Self {
        Self {
            list: Arc::clone(&self.list),
            apart: self.apart,
            recorded: 0,
            finished: false,
        }
    }
    fn merge(&mut self, other: Self) {
        assert_eq!(
            self.apart, other.apart,
            "what stands apart is never merged with the rest"
        );
        assert!(!self.finished);
        self.recorded += other.recorded;
    }
    fn fork_apart(&self) -> Self {
        Self {
            apart: true,
            ..self.fork()
        }
    }
    fn finish(&mut self) -> BoxFuture<'_, Vec<String>> {
        assert!(!self.finished && !self.apart);
        Box::pin(async {
            sleep(ms(10)).await;
            self.finished = true;
            vec![format!("{} handed on", self.recorded)]
        })
    }
}

impl<M> Aggregate<M> for HandsOn {
    fn record(&mut self, sample: &Sample<M>) {
        self.recorded += 1;
        if !self.apart {
            self.list.lock().unwrap().push(sample.iteration.index);
        }
    }
}

/// Sums up what intervals show.
#[derive(Default)]
struct Intervals(u64);

impl Observer<HandsOn> for Intervals {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, HandsOn>) -> ControlFlow<StopReason> {
        assert!(snapshot.interval.apart && !snapshot.total.apart);
        self.0 += snapshot.interval.recorded;
        assert_eq!(self.0, snapshot.total.recorded);
        ControlFlow::Continue(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_hands_each_sample_of_the_result_on_once() {
    let list = Arc::default();
    let hands_on = HandsOn {
        list: Arc::clone(&list),
        apart: false,
        recorded: 0,
        finished: false,
    };
    let executor = flat(10.0, secs(5)).warm_up(secs(2)).build().unwrap();
    let mut intervals = Intervals::default();
    let run = sure(run_with(&executor, &takes(ms(1)), hands_on, &mut intervals).await);
    assert_eq!(run.warnings, ["30 handed on"]);
    assert!(run.aggregate.finished);
    assert_eq!((run.aggregate.recorded, intervals.0), (30, 30));
    assert_eq!(run.warm_up.unwrap().aggregate.recorded, 20);
    let mut handed_on = list.lock().unwrap().clone();
    handed_on.sort_unstable();
    assert_eq!(handed_on, (20..50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_never_began_is_finished_too() {
    let hands_on = HandsOn {
        list: Arc::default(),
        apart: false,
        recorded: 0,
        finished: false,
    };
    let executor = flat(10.0, secs(5)).build().unwrap();
    executor.handle().stop();
    let run = sure(run_with(&executor, &takes(ms(1)), hands_on, &mut ()).await);
    assert_eq!(run.warnings, ["0 handed on"]);
    assert!(run.aggregate.finished);
}
