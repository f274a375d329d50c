//! The traits and the data model of karga, a load-testing toolkit.
//!
//! # Concepts
//!
//! A person describes *what* to do once; the ecosystem does the rest. Data
//! goes one way, and no part knows the concrete type of the next:
//!
//! ```text
//!  Schedule (pure)         Scenario ── connect(user) ──▶ Action
//!    due(n)                                               │ call(Iteration) -> Metric
//!      │                                                  ▼
//!      └──▶ Executor ── stamps due, start, end ──▶ Sample<Metric>
//!               │                                         │ record
//!               │ every interval                          ▼
//!               ├──▶ Observer                         Aggregate
//!               ▼
//!             Run<A> ── Report::derive ──▶ Report ──▶ Reporter(s)
//! ```
//!
//! - A [`Scenario`] connects virtual users; each gets an [`Action`], which is
//!   called once for each [`Iteration`] and answers with a [`Metric`].
//! - An [`Executor`] decides when an iteration is due, runs it, stamps its
//!   times and hands the [`Sample`] to an [`Aggregate`].
//! - An [`Observer`] looks at a [`Snapshot`] at every interval and may stop
//!   the run.
//! - The finished [`Run`] holds the aggregate and the account of the load; a
//!   [`Report`] derives figures from it and a [`Reporter`] ships them.
//! - A [`Schedule`] is the pure arithmetic of arrivals: `due(n)`.
//!
//! All times inside a run are [`Duration`](std::time::Duration)s since its
//! start (t0), so that samples can be serialized, merged across machines that
//! share t0, and tested on a paused clock.
//!
//! # Which crate to depend on
//!
//! - To *run* load tests: the facade crate `karga`.
//! - To *write* an executor, a scenario, an aggregate or a reporter for
//!   others: this crate alone. It has no runtime, no protocol and no sink.
//!
//! # Features
//!
//! - `serde`: `Serialize` and `Deserialize` for the data model.
//! - `testing`: conformance kits for executors, aggregates and reporters of
//!   your own (`karga_core::testing`).

mod action;
mod aggregate;
mod class;
mod executor;
mod first_errors;
mod iteration;
mod metric;
mod observer;
mod part;
mod report;
mod run;
mod sample;
mod scenario;
pub mod schedule;
#[cfg(feature = "testing")]
pub mod testing;

pub use action::{Action, ActionFn, action_fn};
pub use aggregate::{Aggregate, Merge};
pub use executor::{ExecuteError, Executor, InvalidOr};
pub use first_errors::{FirstErrors, error_chain};
pub use iteration::Iteration;
pub use metric::{Count, Metric, Outcome, Panicked, Step, Volume};
pub use observer::{BoxFuture, Observer, Plan, Snapshot};
pub use part::{Part, Parts};
pub use report::{BoxReporter, BoxReporterError, Report, Reporter};
pub use run::{Account, Detail, GeneratorHealth, Judgement, LoadModel, Run, StopReason, WarmUp};
pub use sample::Sample;
pub use scenario::{ActionScenario, MetricOf, Scenario, scenario};
pub use schedule::{Arrivals, Schedule, ScheduleBuilder, ScheduleError, Slice, Stage};
