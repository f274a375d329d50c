mod builder;
mod load;
mod work;

use std::{sync::Arc, time::Duration};

use karga_core::{Aggregate, ExecuteError, Executor, MetricOf, Observer, Run, Scenario};

pub use self::builder::{IterationsExecutorBuilder, IterationsExecutorError};

use self::load::{Count, Iterations};
use crate::{
    engine::{Settings, execute},
    handle::{Handle, StopSignal},
};

/// Runs a scenario a number of times, as fast as its users can: k6's
/// `shared-iterations` and `per-vu-iterations`.
///
/// For work of a known size: so many records to import, so many orders to
/// place. It is a closed model, as that of a
/// [`UsersExecutor`](crate::UsersExecutor) without think times: a user begins
/// its next iteration when its last is done, due is the actual start, and
/// response time cannot see coordinated omission
/// ([`LoadModel::Closed`](karga_core::LoadModel::Closed)).
///
/// # How a run ends
///
/// - When all iterations are done. Elapsed time is that of the last, and the
///   load time is the same.
/// - When the [maximum duration] is over: no further iteration begins, and
///   those in flight get the grace time. What could not be completed counts as
///   interrupted, also what was never begun, and a warning says so.
/// - By a stop, as a [`StageExecutor`](crate::StageExecutor): what had not
///   begun before it was not planned.
///
/// In every case `planned = completed + dropped + interrupted`, and nothing is
/// ever dropped. The indexes of the iterations are 0 to n-1, each used once.
///
/// # Warm-up
///
/// In a [warm-up] the users run iterations that count for nothing, as many as
/// they can; then those that were asked for begin. The maximum duration counts
/// from there.
///
/// # Panics
///
/// Executing panics outside of a tokio runtime, or in one whose time driver,
/// or I/O driver for Ctrl-C and [`Precision::Fine`](crate::Precision::Fine), is
/// not enabled.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use karga_executors::IterationsExecutor;
///
/// // 10,000 iterations, shared out among 50 users as they become free.
/// let executor = IterationsExecutor::shared(10_000, 50).build()?;
///
/// // 100 iterations by each of 50 users, within a minute.
/// let executor = IterationsExecutor::per_user(100, 50)
///     .max_duration(Duration::from_secs(60))
///     .build()?;
/// # Ok::<(), karga_executors::IterationsExecutorError>(())
/// ```
///
/// [maximum duration]: IterationsExecutorBuilder::max_duration
/// [warm-up]: IterationsExecutorBuilder::warm_up
#[derive(Debug, Clone)]
pub struct IterationsExecutor {
    count: Count,
    users: u64,
    max_duration: Duration,
    settings: Settings,
    signal: Arc<StopSignal>,
}

impl IterationsExecutor {
    /// So many iterations altogether, which users take as they become free:
    /// a fast user runs more of them than a slow one. k6's
    /// `shared-iterations`.
    pub fn shared(iterations: u64, users: u64) -> IterationsExecutorBuilder {
        IterationsExecutorBuilder::new(Count::Shared(iterations), users)
    }

    /// So many iterations by each user. k6's `per-vu-iterations`.
    pub fn per_user(iterations: u64, users: u64) -> IterationsExecutorBuilder {
        IterationsExecutorBuilder::new(Count::PerUser(iterations), users)
    }

    /// A handle that stops this executor and its clones.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.signal))
    }
}

impl<S: Scenario> Executor<S> for IterationsExecutor {
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
        execute(
            Iterations::new(self),
            &self.settings,
            &self.signal,
            scenario,
            aggregate,
            observer,
        )
        .await
    }
}
