//! Conformance kits: they hold an executor, an aggregate or a reporter of your
//! own to the contract of its trait (feature `testing`).
//!
//! Each kit is one call in a test of yours. It runs your part many times, lets
//! everything go wrong around it that can, and compares what it sees with what
//! the trait's documentation promises:
//!
//! | kit | holds to its contract | by |
//! |---|---|---|
//! | [`executor`] | an [`Executor`](crate::Executor) | some twenty runs on a paused clock: order of calls, due times, stamps, account, panics, stops, cancellation, memory |
//! | [`aggregate`] | an [`Aggregate`](crate::Aggregate) | seeded samples that have everything: forks, merges in any order, copies, what is kept apart, memory |
//! | [`reporter`] | a [`Reporter`](crate::Reporter) | a place that fails after every number of bytes |
//!
//! ```toml
//! [dev-dependencies]
//! karga-core = { version = "0.5", features = ["testing"] }
//! tokio = { version = "1", features = ["macros", "rt", "test-util", "time"] }
//! ```
//!
//! # An executor
//!
//! The core has no runtime, so the kit takes the clock from the test: any that
//! can be paused will do. These are the lines for tokio.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use karga_core::{BoxFuture, testing::{self, Clock}};
//!
//! struct TokioClock;
//!
//! impl Clock for TokioClock {
//!     fn now(&self) -> Instant { tokio::time::Instant::now().into_std() }
//!     fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> { Box::pin(tokio::time::sleep(time)) }
//! }
//!
//! # use karga_core::{testing::{Probe, ExecutorRule}, Aggregate, ExecuteError, Executor, MetricOf, Observer, Run, Scenario};
//! # struct Mine;
//! # impl<S: Scenario> Executor<S> for Mine {
//! #     type Error = ExecuteError<S::Error>;
//! #     async fn execute<A, O>(&self, _: &S, aggregate: A, _: &mut O) -> Result<Run<A>, Self::Error>
//! #     where A: Aggregate<MetricOf<S>>, O: Observer<A> {
//! #         Ok(Run::new("mine", aggregate, Default::default(), Duration::ZERO))
//! #     }
//! # }
//! # #[expect(dead_code)]
//! // #[tokio::test(start_paused = true)]
//! async fn my_executor_conforms() {
//!     testing::executor(TokioClock, || Mine /* a fresh one for each run */)
//!         // Optional: when each arrival is due, to be held to it exactly.
//!         .due(|n| (n < 100).then(|| Duration::from_millis(10 * n)))
//!         // What it does not promise is said, not left out silently.
//!         .skip(ExecutorRule::GraceEnds, "it waits for every call, however long")
//!         .run()
//!         .await;
//! }
//! ```
//!
//! # An aggregate
//!
//! ```
//! use karga_core::{testing, Aggregate, Merge, Metric, Outcome, Panicked, Sample};
//!
//! #[derive(Debug, Default, PartialEq)]
//! struct Failures(u64);
//!
//! impl Merge for Failures {
//!     fn fork(&self) -> Self { Failures(0) }
//!     fn merge(&mut self, other: Self) { self.0 += other.0; }
//! }
//!
//! impl<M: Metric> Aggregate<M> for Failures {
//!     fn record(&mut self, sample: &Sample<M>) {
//!         self.0 += u64::from(sample.metric.outcome() == Outcome::Failure);
//!     }
//!     fn record_panic(&mut self, sample: &Sample<Panicked>) {
//!         Aggregate::<Panicked>::record(self, sample);
//!     }
//! }
//!
//! // #[test]
//! fn failures_conform() {
//!     testing::aggregate(Failures::default).run();
//! }
//! # failures_conform();
//! ```
//!
//! # A reporter
//!
//! Needs a [`Place`] that can be limited; see [`reporter`] for one.
//!
//! # How to read a failure
//!
//! `run` panics with a list of the broken promises, and `check` gives it:
//!
//! ```text
//! `my_load::BurstExecutor` breaks 1 promise of the contract of executors
//!
//!  1. StopBetween: "Ready when the run is to stop between two intervals, as by a break." (`Observer::poll_stop`)
//!     when      `poll_stop` is ready in the middle of the run
//!     expected  no call that begins after the stop
//!     saw       the iterations 101, 102, 103, 104, 105, and 94 more
//! ```
//!
//! First the rule, by the name under which it can be [skipped], with the
//! promise and where it is made; then what the kit did, what should have been
//! seen, and what was. A defect is told once, where it shows first: what only
//! follows from it is left out, so a second run may tell more. A run that is
//! too short to tell anything by fails as well, and says so: nothing passes
//! unchecked.
//!
//! What is not promised: that the executor is fast, that it keeps its times on
//! a clock that is not paused, or that it refuses every invalid setting. Those
//! are tests of your own.
//!
//! [skipped]: ExecutorKit::skip

mod aggregate;
mod clock;
mod executor;
mod reporter;
mod violation;

pub use aggregate::{
    AggregateKit, AggregateRule, ByEq, ByFigures, Compare, EqBy, Random, Specimen, aggregate,
};
pub use clock::Clock;
pub use executor::{ExecutorKit, ExecutorRule, Probe, ProbeError, ProbeUser, Reading, executor};
pub use reporter::{Place, ReporterKit, ReporterRule, reporter};
pub use violation::{Rule, Violation, Violations};

use violation::rules;
