//! Setup, connecting, teardown, and dropping the run's future.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

mod support;

use std::{error::Error as _, fmt, time::Duration};

use karga_core::{Action, Detail, ExecuteError, Executor, Iteration, Scenario, StopReason};
use karga_executors::StageExecutor;
use support::{Counter, Plain, figures, flat, ms, run_with, secs};
use tokio::time::{sleep, timeout};

/// Fails, panics or hangs where it is told to.
#[derive(Clone, Default)]
struct Fragile {
    at: &'static str,
    set_up: Counter,
    connected: Counter,
    at_once: Counter,
    most_at_once: Counter,
    torn_down: Counter,
    called: Counter,
    in_flight: Counter,
}

#[derive(Debug)]
struct Broken(&'static str);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is broken", self.0)
    }
}

impl std::error::Error for Broken {}

struct User(Fragile);

/// One iteration; counts itself while it exists.
struct Flight(Counter);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.sub();
    }
}

impl Action for User {
    type Metric = ();
    async fn call(&self, _: Iteration) {
        self.0.called.add();
        self.0.in_flight.add();
        let _flight = Flight(self.0.in_flight.clone());
        sleep(ms(50)).await;
    }
}

impl Scenario for Fragile {
    type Action = User;
    type Error = Broken;

    fn name(&self) -> &str {
        "fragile"
    }

    async fn setup(&self) -> Result<(), Broken> {
        self.set_up.add();
        match self.at {
            "setup" => Err(Broken("setup")),
            "setup panics" => panic!("set up badly"),
            _ => Ok(()),
        }
    }

    async fn connect(&self, user: u64) -> Result<User, Broken> {
        self.at_once.add();
        while self.most_at_once.get() < self.at_once.get() {
            self.most_at_once.add();
        }
        sleep(ms(10)).await;
        self.at_once.sub();
        match self.at {
            "connect" if user == 40 => return Err(Broken("user 40's network")),
            "connect panics" if user == 40 => panic!("user {user} fell"),
            "connect hangs" if user == 40 => std::future::pending().await,
            _ => {}
        }
        self.connected.add();
        Ok(User(self.clone()))
    }

    async fn teardown(&self) -> Result<(), Broken> {
        self.torn_down.add();
        match self.at {
            "teardown" => Err(Broken("teardown")),
            "teardown panics" => panic!("torn down badly"),
            _ => Ok(()),
        }
    }

    fn remarks(&self) -> Vec<String> {
        match self.at {
            "remarks panic" => panic!("remarked badly"),
            "told" => vec!["first timeout: nobody answered".to_owned()],
            _ => Vec::new(),
        }
    }

    fn details(&self) -> Vec<Detail> {
        match self.at {
            "details panic" => panic!("detailed badly"),
            "told" => vec![Detail::new("called", self.called.get().to_string())],
            _ => Vec::new(),
        }
    }
}

fn fragile(at: &'static str) -> Fragile {
    Fragile {
        at,
        ..Fragile::default()
    }
}

fn executor() -> StageExecutor {
    flat(100.0, secs(1)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn users_connect_some_at_a_time() {
    let scenario = fragile("");
    let run = run_with(&executor(), &scenario, Plain(0), &mut ())
        .await
        .unwrap();
    assert_eq!(figures(run.account), [100, 100, 0, 0]);
    assert_eq!(run.name, "fragile");
    assert_eq!(
        (
            scenario.set_up.get(),
            scenario.connected.get(),
            scenario.torn_down.get()
        ),
        (1, 64, 1)
    );
    assert_eq!(scenario.most_at_once.get(), 16);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_start_says_why() {
    for (at, text, cause) in [
        (
            "setup",
            "the scenario's setup failed",
            Some("setup is broken"),
        ),
        (
            "setup panics",
            "panicked while setting up: set up badly",
            None,
        ),
        (
            "connect",
            "user 40 could not connect",
            Some("user 40's network is broken"),
        ),
        (
            "connect panics",
            "panicked while connecting user 40: user 40 fell",
            None,
        ),
    ] {
        let scenario = fragile(at);
        let error = executor()
            .execute(&scenario, Plain(0), &mut ())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), cause);
        assert_eq!(scenario.torn_down.get(), 1, "{at}");
        assert_eq!(scenario.called.get(), 0, "{at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_teardown_is_a_warning() {
    for (at, text) in [
        (
            "teardown",
            "the scenario's teardown failed: teardown is broken",
        ),
        (
            "teardown panics",
            "the scenario's teardown panicked: torn down badly",
        ),
    ] {
        let run = run_with(&executor(), &fragile(at), Plain(0), &mut ())
            .await
            .unwrap();
        assert_eq!(run.account.completed, 100);
        assert_eq!(run.warnings, [text]);
    }
}

#[tokio::test(start_paused = true)]
async fn remarks_and_details_are_those_after_the_last_iteration() {
    let run = run_with(&executor(), &fragile("told"), Plain(0), &mut ())
        .await
        .unwrap();
    assert_eq!(run.warnings, ["first timeout: nobody answered"]);
    assert_eq!(run.details, [Detail::new("called", "100")]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_what_the_scenario_says_is_a_warning() {
    for (at, text) in [
        (
            "remarks panic",
            "the scenario's remarks panicked: remarked badly",
        ),
        (
            "details panic",
            "the scenario's details panicked: detailed badly",
        ),
    ] {
        let scenario = fragile(at);
        let run = run_with(&executor(), &scenario, Plain(0), &mut ())
            .await
            .unwrap();
        assert_eq!(run.account.completed, 100);
        assert_eq!(run.warnings, [text]);
        assert_eq!(scenario.torn_down.get(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_connect_that_hangs() {
    let scenario = fragile("connect hangs");
    let executor = executor();
    let handle = executor.handle();
    let stopper = tokio::spawn(async move {
        sleep(secs(5)).await;
        handle.stop();
    });
    let run = run_with(&executor, &scenario, Plain(0), &mut ())
        .await
        .unwrap();
    stopper.await.unwrap();
    assert_eq!(run.stop, StopReason::Requested);
    assert_eq!(figures(run.account), [0; 4]);
    assert_eq!(scenario.torn_down.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_ends_all_load() {
    let scenario = fragile("");
    let executor = executor();
    let begun = tokio::time::Instant::now();
    let mut nobody = ();
    let run = executor.execute(&scenario, Plain(0), &mut nobody);
    // 64 users take 40 ms to connect, 16 at a time.
    timeout(ms(540), run).await.unwrap_err();
    assert_eq!(begun.elapsed(), ms(540));
    // The tasks are gone as soon as the runtime gets to them.
    tokio::task::yield_now().await;
    assert_eq!(scenario.in_flight.get(), 0);
    let called = scenario.called.get();
    assert!((50..=51).contains(&called), "{called}");
    sleep(secs(10)).await;
    assert_eq!(scenario.called.get(), called);
}

#[tokio::test(start_paused = true)]
async fn an_executor_runs_again() {
    let executor = executor();
    for _ in 0..2 {
        let run = run_with(&executor, &fragile(""), Plain(0), &mut ())
            .await
            .unwrap();
        assert_eq!(figures(run.account), [100, 100, 0, 0]);
    }
    let (one, other) = (fragile(""), fragile(""));
    let (mut nobody, mut none) = ((), ());
    let runs = tokio::join!(
        run_with(&executor, &one, Plain(0), &mut nobody),
        run_with(&executor, &other, Plain(0), &mut none),
    );
    assert_eq!(runs.0.unwrap().account, runs.1.unwrap().account);
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_was_refused_refuses_to_run() {
    let scenario = fragile("");
    let refused = flat(f64::NAN, Duration::from_secs(1)).build();
    let error = refused
        .execute(&scenario, Plain(0), &mut ())
        .await
        .unwrap_err();
    assert!(error.to_string().starts_with("start rate NaN"), "{error}");
    assert_eq!(scenario.set_up.get(), 0);
    let _: karga_core::InvalidOr<_, ExecuteError<Broken>> = error;
}
