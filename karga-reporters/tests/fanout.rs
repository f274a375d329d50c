//! Many reporters of one report: one that fails does not silence the others.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    convert::Infallible,
    fs,
    sync::{Arc, Mutex},
};

use common::{Screen, healthy, lagging};
use karga_core::{Account, Report, Reporter, Run};
use karga_reporters::{
    CsvReporter, Derived, Fanout, JsonReporter, JsonReporterError, StdoutReporter,
};
use karga_stats::{HistogramAggregate, Summary};

/// Keeps what it is given, unless it is to fail, panic or wait.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl Reporter<str> for Kept {
    type Error = Infallible;
    async fn report(&self, report: &str) -> Result<(), Infallible> {
        self.0.lock().unwrap().push(report.to_owned());
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the upload failed")]
struct UploadError(#[from] std::io::Error);

struct Fails;

impl Reporter<str> for Fails {
    type Error = UploadError;
    async fn report(&self, _: &str) -> Result<(), UploadError> {
        Err(std::io::Error::other("the service is down").into())
    }
}

struct Panics;

impl Reporter<str> for Panics {
    type Error = Infallible;
    async fn report(&self, report: &str) -> Result<(), Infallible> {
        tokio::task::yield_now().await;
        panic!("cannot ship {report}");
    }
}

/// Waits for another member.
struct Waits(Arc<tokio::sync::Notify>);

impl Reporter<str> for Waits {
    type Error = Infallible;
    async fn report(&self, _: &str) -> Result<(), Infallible> {
        self.0.notified().await;
        Ok(())
    }
}

struct Wakes(Arc<tokio::sync::Notify>);

impl Reporter<str> for Wakes {
    type Error = Infallible;
    async fn report(&self, _: &str) -> Result<(), Infallible> {
        self.0.notify_one();
        Ok(())
    }
}

#[tokio::test]
async fn every_member_is_tried_and_every_failure_named() {
    let (first, last) = (Kept::default(), Kept::default());
    let fanout = Fanout::new()
        .with(first.clone())
        .with(Fails)
        .with_named("the dashboard", Panics)
        .with(last.clone());
    let error = fanout.report("r1").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "2 of 4 reporters failed: Fails: the upload failed: the service is down; the dashboard: it \
         panicked: cannot ship r1"
    );
    assert_eq!(error.succeeded(), 2);
    let names: Vec<_> = error.failures().iter().map(|one| one.name()).collect();
    assert_eq!(names, ["Fails", "the dashboard"]);
    assert!(error.failures()[0].error().is::<UploadError>());
    // Again, as any reporter.
    assert!(fanout.report("r2").await.is_err());
    for kept in [first, last] {
        assert_eq!(*kept.0.lock().unwrap(), ["r1", "r2"]);
    }
}

#[tokio::test]
async fn one_that_waits_does_not_hold_up_the_others() {
    let notify = Arc::new(tokio::sync::Notify::new());
    let fanout = Fanout::new()
        .with(Waits(Arc::clone(&notify)))
        .with(Wakes(notify));
    fanout.report("r").await.unwrap();
    assert_eq!(fanout.len(), 2);
}

#[tokio::test]
async fn a_run_goes_to_reporters_of_summaries_and_of_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (json, missing) = (
        folder.path().join("run.json"),
        folder.path().join("no/run.json"),
    );
    let screen = Screen::default();
    let fanout = Fanout::new()
        .with(Derived::new(StdoutReporter::to_writer(screen.clone())))
        .with(Derived::new(JsonReporter::to_file(&missing)))
        .with(Derived::new(JsonReporter::to_file(&json)))
        .with(CsvReporter::to_writer(std::io::sink()).unwrap());
    let run = healthy();
    let error = fanout.report(&run).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("1 of 4 reporters failed: Derived<JsonReporter>: cannot write the JSON"),
        "{text}"
    );
    assert!(text.contains("no/run.json"), "{text}");
    let cause = error.failures()[0].error();
    assert!(cause.is::<JsonReporterError>() && cause.source().is_some());

    let summary = Summary::derive(&run);
    assert_eq!(screen.text(), StdoutReporter::render(&summary));
    assert!(fs::read_to_string(&json).unwrap().contains("\"produce\""));
}

#[tokio::test]
async fn the_runs_of_a_suite_are_one_summary() {
    let runs = [healthy(), lagging()];
    for (reporter_name, title) in [(None, "produce, fetch"), (Some("both"), "both")] {
        let screen = Screen::default();
        let mut reporter = Derived::new(StdoutReporter::to_writer(screen.clone()));
        if let Some(name) = reporter_name {
            reporter = reporter.named(name);
        }
        reporter.report(&runs[..]).await.unwrap();
        let summary = Summary::from_runs(title, &runs);
        assert_eq!(screen.text(), StdoutReporter::render(&summary));
    }
}

/// A report of one's own.
struct Rate(f64);

impl<A> Report<A> for Rate {
    fn derive(run: &Run<A>) -> Self {
        Self(run.account.completed as f64 / run.elapsed.as_secs_f64())
    }
}

struct KeepsRate(Kept);

impl Reporter<Rate> for KeepsRate {
    type Error = Infallible;
    async fn report(&self, rate: &Rate) -> Result<(), Infallible> {
        self.0.report(&rate.0.to_string()).await
    }
}

#[tokio::test]
async fn any_report_can_be_derived() {
    let kept = Kept::default();
    let reporter = Derived::<_, Rate>::of(KeepsRate(kept.clone()));
    let account = Account::new(10, 10, 0, 0);
    let run = Run::new(
        "x",
        HistogramAggregate::default(),
        account,
        common::ms(2_000),
    );
    reporter.report(&run).await.unwrap();
    assert_eq!(*kept.0.lock().unwrap(), ["5"]);
}

#[test]
fn the_future_of_a_fanout_can_be_sent() {
    fn assert_send<T: Send>(_: &T) {}
    let run = healthy();
    let fanout = Fanout::new().with(Derived::new(StdoutReporter::default()));
    assert_send(&fanout.report(&run));
}
