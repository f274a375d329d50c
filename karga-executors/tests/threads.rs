//! The same promises on several threads and the real clock: no time is
//! asserted, only what must be true whenever things happen.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

mod support;

use std::{
    collections::HashSet,
    convert::Infallible,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use karga_core::{
    Action, Arrivals, ExecuteError, Executor, Observer, Scenario, Snapshot, StopReason,
};
use karga_executors::{IterationsExecutor, OverloadPolicy, Precision, UsersExecutor};
use support::{BreakAt, Counter, Plain, Times, does, figures, flat, ms, run, run_with, secs, sure};

/// Far more than the machine can do, so that no worker ever waits.
const HOT: f64 = 1e8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_workers_hear_of_a_stop_and_leave_room_for_the_observer() {
    hot_workers().await;
}

#[tokio::test(flavor = "current_thread")]
async fn hot_workers_do_so_on_one_thread_too() {
    hot_workers().await;
}

async fn hot_workers() {
    let begun = Counter::default();
    for round in 0..10 {
        let count = begun.clone();
        let before = begun.get();
        let action = does(move |_| {
            count.add();
            async {}
        });
        let executor = flat(HOT, secs(3600))
            .interval(ms(1))
            .workers(8)
            .build()
            .unwrap();
        let handle = executor.handle();
        // Stopped by an observer, and by a handle when enough was done.
        let run = if round % 2 == 0 {
            sure(run_with(&executor, &action, Plain(0), &mut BreakAt(3)).await)
        } else {
            let mut stop = When(5_000, handle);
            sure(run_with(&executor, &action, Plain(0), &mut stop).await)
        };
        assert_ne!(run.stop, StopReason::Completed);
        assert_eq!(run.aggregate.0, run.account.completed);
        assert_eq!(begun.get() - before, run.account.completed);
        assert!(run.account.interrupted > 0, "{:?}", run.account);
        // No worker ever waited for the target.
        assert_eq!(run.generator.late_with_all_busy, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_users_hear_of_a_stop_and_leave_room_for_the_observer() {
    hot_users().await;
}

#[tokio::test(flavor = "current_thread")]
async fn hot_users_do_so_on_one_thread_too() {
    hot_users().await;
}

async fn hot_users() {
    let action = does(|_| async {});
    for _ in 0..4 {
        let users = UsersExecutor::builder()
            .users(8)
            .duration(secs(3600))
            .interval(ms(1))
            .warm_up(ms(3))
            .stop_on_ctrl_c(false);
        let closed = users.clone().build().unwrap();
        stopped(&closed, closed.handle(), &action).await;
        // Overdue without an end, so that no warm-up would ever be done.
        let paced = users.warm_up(Duration::ZERO);
        let paced = paced.pacing(Duration::from_nanos(1)).build().unwrap();
        stopped(&paced, paced.handle(), &action).await;
        let iterations = IterationsExecutor::shared(1 << 60, 8)
            .interval(ms(1))
            .warm_up(ms(3))
            .stop_on_ctrl_c(false)
            .build()
            .unwrap();
        stopped(&iterations, iterations.handle(), &action).await;
    }
}

/// Stopped when the observer has seen some iterations of the result.
async fn stopped<E, S>(executor: &E, handle: karga_executors::Handle, scenario: &S)
where
    S: Scenario<Error = Infallible, Action: Action<Metric = ()>>,
    E: Executor<S, Error = ExecuteError<Infallible>>,
{
    let mut stop = When(5_000, handle);
    let run = sure(run_with(executor, scenario, Times::default(), &mut stop).await);
    assert_eq!(run.stop, StopReason::Requested);
    assert!(run.account.completed >= 5_000, "{:?}", run.account);
    let warm_up = run.warm_up.iter();
    let parts = warm_up.map(|warm_up| (warm_up.account, &warm_up.aggregate));
    let mut indexes = HashSet::new();
    for (account, times) in parts.chain([(run.account, &run.aggregate)]) {
        assert_eq!(account.completed, times.samples.len() as u64);
        for sample in &times.samples {
            assert!(sample.iteration.due <= sample.start && sample.start <= sample.end);
            assert!(indexes.insert(sample.iteration.index), "{sample:?} twice");
        }
    }
}

/// Stops by the handle when so many are completed.
struct When(u64, karga_executors::Handle);

impl<A> Observer<A> for When {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        if snapshot.account.completed >= self.0 {
            self.1.stop();
        }
        ControlFlow::Continue(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_balance_whenever_the_stop_comes() {
    // Waiting, dropping, panicking and running workers are all caught in some
    // round; `run_with` checks the account of each.
    for round in 0..40_u64 {
        let action = does(move |iteration| async move {
            match iteration.index % 7 {
                0 => tokio::task::yield_now().await,
                1 => tokio::time::sleep(Duration::from_micros(iteration.index % 3000)).await,
                2 if iteration.index % 1001 == 2 => std::panic::resume_unwind(Box::new("quiet")),
                _ => {}
            }
        });
        let mut settings = flat(40_000.0, secs(3600))
            .graceful_stop(ms(round % 3))
            .workers(32);
        if round % 4 == 0 {
            settings = settings.overload(OverloadPolicy::Drop { max_lag: ms(1) });
        }
        if round % 5 == 0 {
            settings = settings.arrivals(Arrivals::Poisson { seed: round });
        }
        if round % 2 == 0 {
            settings = settings.precision(Precision::Fine);
        }
        let executor = settings.build().unwrap();
        let handle = executor.handle();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(1000 + 777 * round));
            handle.stop();
        });
        let run = sure(run_with(&executor, &action, Times::default(), &mut ()).await);
        stopper.join().unwrap();
        assert_eq!(run.aggregate.samples.len() as u64, run.account.completed);
        assert!(
            run.aggregate
                .samples
                .iter()
                .all(|s| s.start >= s.iteration.due)
        );
        let mut indexes: Vec<u64> = run
            .aggregate
            .samples
            .iter()
            .map(|s| s.iteration.index)
            .collect();
        indexes.sort_unstable();
        indexes.dedup();
        assert_eq!(
            indexes.len() as u64,
            run.account.completed,
            "none happened twice"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fine_timer_is_never_early() {
    for arrivals in [Arrivals::Uniform, Arrivals::Poisson { seed: 1 }] {
        let settings = flat(5_000.0, ms(300))
            .precision(Precision::Fine)
            .arrivals(arrivals);
        let run = sure(run(settings, &does(|_| async {}), Times::default()).await);
        assert_eq!(run.account.completed, run.account.planned);
        assert_eq!(run.warnings, [""; 0]);
        assert!(
            run.aggregate
                .samples
                .iter()
                .all(|s| s.start >= s.iteration.due)
        );
    }
}

/// All that a run waits for beside its arrivals: intervals, the end of the warm-up, and
/// the end of the grace time, which cuts off what never ends by itself.
#[tokio::test(flavor = "current_thread")]
async fn a_fine_timer_serves_the_run_itself() {
    let never = does(|_| std::future::pending::<()>());
    let settings = |length| {
        let settings = flat(1000.0, length).precision(Precision::Fine).workers(4);
        settings
            .warm_up(ms(50))
            .interval(ms(20))
            .graceful_stop(ms(60))
    };
    let endless = settings(secs(3600)).build().unwrap();
    let run = sure(run_with(&endless, &never, Plain(0), &mut BreakAt(4)).await);
    assert_ne!(run.stop, StopReason::Completed);
    assert_eq!(run.account.interrupted, run.account.planned);

    let begin = std::time::Instant::now();
    let run = sure(self::run(settings(ms(100)), &never, Plain(0)).await);
    assert!(begin.elapsed() >= ms(160));
    assert_eq!(run.stop, StopReason::Completed);
    assert_eq!(figures(run.account), [50, 0, 0, 50]);
    let warm_up = run.warm_up.map(|warm_up| figures(warm_up.account));
    assert_eq!(warm_up, Some([50, 0, 0, 50]));
}

/// An observer that is never done in time leaves the thread to the workers all the same.
#[tokio::test(flavor = "current_thread")]
async fn an_observer_that_is_always_late_holds_nobody_up() {
    for precision in [Precision::Coarse, Precision::Fine] {
        let settings = flat(1000.0, ms(200)).precision(precision).workers(4);
        let executor = settings.interval(ms(1)).build().unwrap();
        let run = run_with(&executor, &does(|_| async {}), Plain(0), &mut Slow).await;
        assert_eq!(figures(sure(run).account), [200, 200, 0, 0]);
    }
}

/// Takes twice an interval of 1 ms.
struct Slow;

impl<A> Observer<A> for Slow {
    fn on_interval(&mut self, _: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        std::thread::sleep(ms(2));
        ControlFlow::Continue(())
    }
}

#[test]
fn a_current_thread_runtime_serves() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let result = runtime.block_on(run(flat(1000.0, ms(200)), &does(|_| async {}), Plain(0)));
    let run = sure(result);
    assert_eq!(
        (run.account.planned, run.account.completed, run.aggregate.0),
        (200, 200, 200)
    );
    let busy = run.generator.busy.expect("tokio says how busy it is");
    assert!((0.0..=1.0).contains(&busy));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_future_ends_hot_workers() {
    let running = Arc::new(AtomicBool::new(false));
    let alive = Counter::default();
    let scenario = Alive {
        running: Arc::clone(&running),
        alive: alive.clone(),
    };
    let executor = flat(HOT, secs(3600)).workers(4).build().unwrap();
    let run = tokio::spawn(async move {
        executor
            .execute(&scenario, Plain(0), &mut ())
            .await
            .map(drop)
    });
    while !running.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    // No worker outlives the run by more than its turn.
    while alive.get() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Counts the users that exist.
struct Alive {
    running: Arc<AtomicBool>,
    alive: Counter,
}

struct User {
    running: Arc<AtomicBool>,
    alive: Counter,
}

impl Drop for User {
    fn drop(&mut self) {
        self.alive.sub();
    }
}

impl karga_core::Action for User {
    type Metric = ();
    async fn call(&self, _: karga_core::Iteration) {
        self.running.store(true, Ordering::SeqCst);
    }
}

impl karga_core::Scenario for Alive {
    type Action = User;
    type Error = std::convert::Infallible;
    fn name(&self) -> &str {
        "alive"
    }
    async fn connect(&self, _: u64) -> Result<User, Self::Error> {
        self.alive.add();
        Ok(User {
            running: Arc::clone(&self.running),
            alive: self.alive.clone(),
        })
    }
}
