mod builder;
mod source;

use std::{sync::Arc, time::Duration};

use karga_core::{
    Aggregate, ExecuteError, Executor, MetricOf, Observer, Run, Scenario, Schedule, Slice,
};

pub use builder::{MAX_WORKERS, StageExecutorBuilder, StageExecutorError};

use self::source::Staged;
use crate::{
    engine::{Settings, execute},
    handle::{Handle, StopSignal},
    open::Open,
};

/// Runs a scenario by a [`Schedule`] of stages: an open model, in which
/// arrivals come when they are due, whether or not the target keeps up.
///
/// # How it works
///
/// Every worker is one virtual user with its own connection. It claims the
/// next arrival, waits until that is due, runs the scenario's action, records
/// the sample and claims again. There is no dispatcher and no task per
/// arrival, so as many iterations are in flight as there are workers, at most.
/// If all are busy, arrivals become late and the [`OverloadPolicy`] decides:
/// either they happen late, and the wait is part of their response time, or
/// they are dropped, and counted.
///
/// ```text
///  setup ─▶ connect all users ─▶ observer.on_ready ─▶ t0 ── load ──▶ end of the
///                                                        schedule, or stop
///                                                          │ no new arrivals
///                                                          ▼ (stop only)
///                      teardown ◀── last snapshot ◀── grace time for those in
///                                                     flight, then they are cut
/// ```
///
/// # Warm-up
///
/// Arrivals that are due in the [warm-up], the leading part of the stages, go
/// into an aggregate and an account of their own, however long they take. The
/// result begins at its end: that is t0, and times, account and health of the
/// run count from there.
///
/// # How a run ends
///
/// - When everything planned is done. After the end of the schedule, what is
///   overdue is still worked off, for the [grace time] at most.
/// - By [`Handle::stop`], by Ctrl-C, or by an observer that breaks: no further
///   arrival begins and those in flight get the grace time. Arrivals that were
///   due and had not begun count as interrupted. A second Ctrl-C ends the
///   process.
/// - By dropping the future: all load ends at once, and nothing is left of the
///   run. The scenario's teardown does not run.
///
/// In every case but the last, the scenario's teardown runs and
/// `planned = completed + dropped + interrupted`.
///
/// A panic in an action is a completed iteration that failed with the class
/// `panic`; the panic hook prints it, as always. One in an observer, or in
/// [`Merge`](karga_core::Merge), ends the run and goes on in the caller.
///
/// An action that blocks its thread cannot be cut off: the run lasts until it
/// comes back.
///
/// # Panics
///
/// Executing panics outside of a tokio runtime, or in one whose time driver,
/// or I/O driver for Ctrl-C and [`Precision::Fine`], is not enabled.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use karga_core::{Arrivals, Stage};
/// use karga_executors::{OverloadPolicy, StageExecutor};
///
/// let executor = StageExecutor::builder()
///     .start_rate(50.0)
///     .stages([
///         Stage::new(Duration::from_secs(10), 500.0),
///         Stage::new(Duration::from_secs(60), 500.0),
///     ])
///     .arrivals(Arrivals::Poisson { seed: 1 })
///     .workers(200)
///     .overload(OverloadPolicy::Drop { max_lag: Duration::from_secs(1) })
///     .build()?;
/// # Ok::<(), karga_executors::StageExecutorError>(())
/// ```
///
/// [grace time]: StageExecutorBuilder::graceful_stop
/// [warm-up]: StageExecutorBuilder::warm_up
#[derive(Debug, Clone)]
pub struct StageExecutor {
    slice: Slice,
    workers: u64,
    overload: OverloadPolicy,
    settings: Settings,
    signal: Arc<StopSignal>,
}

impl StageExecutor {
    /// Starts to describe an executor.
    pub fn builder() -> StageExecutorBuilder {
        StageExecutorBuilder::default()
    }

    /// A handle that stops this executor and its clones.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.signal))
    }

    /// The whole schedule; this executor runs [its slice](Self::slice) of it.
    pub fn schedule(&self) -> &Schedule {
        self.slice.schedule()
    }

    /// The arrivals that this executor runs.
    pub fn slice(&self) -> &Slice {
        &self.slice
    }
}

impl<S: Scenario> Executor<S> for StageExecutor {
    type Error = ExecuteError<S::Error>;

    async fn execute<A, O>(
        &self,
        scenario: &S,
        aggregate: A,
        observer: &mut O,
    ) -> Result<Run<A>, Self::Error>
    where
        A: Aggregate<MetricOf<S>>,
        O: Observer<A>,
    {
        let source = Staged::new(self.slice.clone());
        let load = Open::new(source, self.workers, self.overload, &self.settings);
        execute(
            load,
            &self.settings,
            &self.signal,
            scenario,
            aggregate,
            observer,
        )
        .await
    }
}

/// What happens to arrivals for which no worker is free when they are due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverloadPolicy {
    /// They happen as soon as a worker is free, and their response time counts
    /// from when they were due. The default, and the honest one: it shows what
    /// people would have waited.
    #[default]
    Queue,
    /// Those that are claimed later than `max_lag` after they were due are let
    /// go and counted as dropped, as people who give up.
    Drop {
        /// The longest wait for a worker.
        max_lag: Duration,
    },
}

/// How exactly arrivals start on time, and at what cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// Tokio's timer: arrivals start up to a millisecond late, and never
    /// early. The default.
    #[default]
    Coarse,
    /// A timer of the operating system: some ten microseconds late, for more
    /// CPU per arrival. On Linux (timerfds); elsewhere, and under a clock
    /// that a test had paused before the run, the coarse timer serves.
    Fine,
}
