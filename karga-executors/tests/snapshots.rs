//! What every snapshot promises of the account, on several threads and the real
//! clock: no time is asserted, only what must be true whenever things happen.

mod support;

use std::{
    convert::Infallible,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use karga_core::{
    Action, Aggregate, ExecuteError, Executor, Merge, Observer, Sample, Scenario, Snapshot,
    StopReason,
};
use karga_executors::{IterationsExecutor, OverloadPolicy, UsersExecutor};
use support::{Plain, does, figures, flat, ms, run_with, secs, sure};
use tokio::sync::Semaphore;

/// Checks what must be true of the account in every snapshot.
#[derive(Default)]
struct Sane {
    last: [u64; 4],
    snapshots: u64,
}

impl<A> Observer<A> for Sane {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        let now = figures(snapshot.account);
        assert!(now[1..].iter().sum::<u64>() <= now[0], "{now:?}");
        let falls = now.iter().zip(self.last).any(|(now, last)| *now < last);
        assert!(!falls, "{now:?} after {:?}", self.last);
        self.last = now;
        self.snapshots += 1;
        ControlFlow::Continue(())
    }
}

async fn sane<E, S>(executor: E, scenario: &S)
where
    S: Scenario<Error = Infallible, Action: Action<Metric = ()>>,
    E: Executor<S, Error = ExecuteError<Infallible>>,
{
    let mut sane = Sane::default();
    let run = sure(run_with(&executor, scenario, Plain(0), &mut sane).await);
    assert_eq!(sane.last, figures(run.account));
    assert!(sane.snapshots > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_figure_of_an_account_falls_or_runs_ahead_of_what_was_planned() {
    // Done at once, or after waiting for others; now and then a panic.
    let action = does(|iteration| async move {
        match iteration.index % 50 {
            0..30 => {}
            49 if iteration.index % 1000 == 49 => std::panic::resume_unwind(Box::new("quiet")),
            _ => tokio::task::yield_now().await,
        }
    });
    let length = ms(200);
    for warm_up in [ms(0), ms(20)] {
        let often = Duration::from_micros(500);
        let arrivals = flat(100_000.0, length).interval(often).warm_up(warm_up);
        sane(arrivals.clone().build().unwrap(), &action).await;
        let drop = OverloadPolicy::Drop { max_lag: ms(1) };
        sane(arrivals.overload(drop).build().unwrap(), &action).await;
        let users = UsersExecutor::builder()
            .users(16)
            .duration(length)
            .interval(often)
            .warm_up(warm_up)
            .stop_on_ctrl_c(false);
        sane(users.clone().build().unwrap(), &action).await;
        let paced = users.pacing(Duration::from_micros(100));
        sane(paced.build().unwrap(), &action).await;
        let iterations = IterationsExecutor::shared(50_000, 16)
            .interval(often)
            .warm_up(warm_up)
            .stop_on_ctrl_c(false);
        sane(iterations.build().unwrap(), &action).await;
    }
}

/// Counts samples, and lets more come while they are collected.
struct Meanwhile {
    shared: Arc<Collecting>,
    /// Where it waits for them: where a fork is made, which is before the
    /// collection, or a copy, which is after it.
    at: At,
}

#[derive(Clone, Copy, PartialEq)]
enum At {
    Fork,
    Copy,
}

struct Collecting {
    recorded: AtomicU64,
    /// Collection goes on when so many are recorded.
    wait_for: AtomicU64,
    /// Iterations that wait for something get it then.
    gate: Semaphore,
}

impl Meanwhile {
    fn new(at: At) -> Self {
        Self {
            shared: Arc::new(Collecting {
                recorded: AtomicU64::new(0),
                wait_for: AtomicU64::new(0),
                gate: Semaphore::new(0),
            }),
            at,
        }
    }

    fn same(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            at: self.at,
        }
    }

    fn come_to(&self, at: At) {
        let count = self.shared.wait_for.load(Ordering::SeqCst);
        if self.at == at && count > 0 {
            self.shared.gate.add_permits(USERS as usize);
            while self.shared.recorded.load(Ordering::SeqCst) < count {
                std::thread::yield_now();
            }
            self.shared.wait_for.store(0, Ordering::SeqCst);
        }
    }
}

impl Merge for Meanwhile {
    fn fork(&self) -> Self {
        self.come_to(At::Fork);
        self.same()
    }
    fn merge(&mut self, _: Self) {}
    fn duplicate(&self) -> Option<Self> {
        self.come_to(At::Copy);
        Some(self.same())
    }
}

impl<M> Aggregate<M> for Meanwhile {
    fn record(&mut self, _: &Sample<M>) {
        self.shared.recorded.fetch_add(1, Ordering::SeqCst);
    }
}

const USERS: u64 = 16;

/// Has the next collection wait for `more` than are planned now, and not for
/// more than there are in `all`.
struct Waits {
    sane: Sane,
    shared: Arc<Collecting>,
    more: u64,
    all: u64,
}

impl<A> Observer<A> for Waits {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        let flow = self.sane.on_interval(snapshot);
        let planned = snapshot.account.planned;
        if planned > 0 && snapshot.stopped.is_none() && planned + self.more <= self.all {
            let wait_for = &self.shared.wait_for;
            wait_for.store(planned + self.more, Ordering::SeqCst);
        }
        flow
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arrivals_that_come_while_samples_are_collected_are_planned() {
    let aggregate = Meanwhile::new(At::Fork);
    let mut waits = Waits {
        sane: Sane::default(),
        shared: Arc::clone(&aggregate.shared),
        // Longer than the interval takes.
        more: 50,
        all: 2000,
    };
    let executor = flat(4000.0, ms(500)).interval(ms(1)).build().unwrap();
    let action = does(|_| async {});
    let run = sure(run_with(&executor, &action, aggregate, &mut waits).await);
    assert_eq!(figures(run.account), [2000, 2000, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn iterations_that_end_after_samples_are_collected_stay_planned() {
    let aggregate = Meanwhile::new(At::Copy);
    let shared = Arc::clone(&aggregate.shared);
    let action = does(move |_| {
        let shared = Arc::clone(&shared);
        async move { shared.gate.acquire().await.unwrap().forget() }
    });
    let mut waits = Waits {
        sane: Sane::default(),
        shared: Arc::clone(&aggregate.shared),
        more: 0,
        all: USERS,
    };
    let executor = IterationsExecutor::shared(USERS, USERS)
        .max_duration(secs(3600))
        .interval(ms(1))
        .build()
        .unwrap();
    let run = sure(run_with(&executor, &action, aggregate, &mut waits).await);
    assert_eq!(figures(run.account), [USERS, USERS, 0, 0]);
}
