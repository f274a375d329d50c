//! `Suite`: one t0, one summary, and clear refusals.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use karga::{SuiteError, prelude::*};
use tokio::time::Instant;

fn hold(rate: f64, length: Duration) -> impl Executor<karga::Named<SlowStart>> + Send + Sync {
    StageExecutor::builder()
        .start_rate(rate)
        .stages([Stage::new(length, rate)])
        .workers(4)
        .build()
}

/// Its users take a while to connect; its iterations note when they ran.
struct SlowStart {
    connect: Duration,
    starts: Arc<Mutex<Vec<Instant>>>,
}

struct Note(Arc<Mutex<Vec<Instant>>>);

impl Scenario for SlowStart {
    type Action = Note;
    type Error = std::io::Error;
    fn name(&self) -> &str {
        "slow start"
    }
    async fn connect(&self, _: u64) -> Result<Note, std::io::Error> {
        if self.connect == Duration::MAX {
            return Err(std::io::Error::other("nobody is there"));
        }
        tokio::time::sleep(self.connect).await;
        Ok(Note(Arc::clone(&self.starts)))
    }
}

impl Action for Note {
    type Metric = ();
    async fn call(&self, _: Iteration) {
        self.0.lock().unwrap().push(Instant::now());
    }
}

fn slow_start(connect: Duration) -> (SlowStart, Arc<Mutex<Vec<Instant>>>) {
    let starts = Arc::default();
    let scenario = SlowStart {
        connect,
        starts: Arc::clone(&starts),
    };
    (scenario, starts)
}

#[tokio::test(start_paused = true)]
async fn members_start_on_one_t0_when_the_slowest_is_connected() {
    let (quick, quick_starts) = slow_start(Duration::from_millis(10));
    let (slow, slow_starts) = slow_start(Duration::from_secs(3));
    let begun = Instant::now();
    let summary = Suite::new("both")
        .with(
            LoadTest::builder()
                .name("quick")
                .scenario(quick)
                .executor(hold(100.0, Duration::from_secs(1)))
                .build(),
        )
        .with(
            LoadTest::builder()
                .name("slow")
                .scenario(slow)
                .executor(hold(10.0, Duration::from_secs(2)))
                .build(),
        )
        .run()
        .await
        .unwrap();

    let rows: Vec<_> = summary
        .scenarios
        .iter()
        .map(|row| (row.name.as_str(), row.planned, row.completed))
        .collect();
    assert_eq!(rows, [("quick", 100, 100), ("slow", 20, 20)]);
    let first = |starts: &Mutex<Vec<Instant>>| starts.lock().unwrap()[0];
    assert!(first(&quick_starts) - begun >= Duration::from_secs(3));
    assert_eq!(first(&quick_starts), first(&slow_starts));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_cannot_connect_ends_the_suite_before_any_load() {
    let (good, starts) = slow_start(Duration::ZERO);
    let (bad, _) = slow_start(Duration::MAX);
    let error = Suite::new("both")
        .with(
            LoadTest::builder()
                .name("good")
                .scenario(good)
                .executor(hold(100.0, Duration::from_secs(1)))
                .build(),
        )
        .with(
            LoadTest::builder()
                .name("bad")
                .scenario(bad)
                .executor(hold(100.0, Duration::from_secs(1)))
                .build(),
        )
        .run()
        .await
        .unwrap_err();
    assert!(matches!(&error, SuiteError::Member { name, .. } if name == "bad"));
    assert!(starts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_empty_suite_and_two_of_one_name_are_refused() {
    let error = Suite::new("nothing").run().await.unwrap_err();
    assert!(error.to_string().contains("\"nothing\" has no load test"));

    let twin = || {
        LoadTest::builder()
            .name("twin")
            .scenario(slow_start(Duration::ZERO).0)
            .executor(hold(100.0, Duration::from_secs(1)))
            .build()
    };
    let error = Suite::new("family")
        .with(twin())
        .with(twin())
        .run()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("two load tests named \"twin\""));
}
