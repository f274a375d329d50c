mod builder;
mod packed;
mod read;
mod recording;
mod seconds;
mod source;

use std::sync::Arc;

use karga_core::{Aggregate, ExecuteError, Executor, MetricOf, Observer, Run, Scenario};

pub use builder::{ReplayExecutorBuilder, ReplayExecutorError};
pub use read::ReadRecordingError;
pub use recording::{Recording, RecordingError};

use self::source::Replayed;
use crate::{
    OverloadPolicy,
    engine::{Settings, execute},
    handle::{Handle, StopSignal},
    open::Open,
};

/// Runs a scenario at recorded times: the open model, as
/// [`StageExecutor`](crate::StageExecutor) is, with the arrivals of a
/// [`Recording`] in place of a schedule's.
///
/// Bursts, gaps and the hours of a day come as they came. The recording says
/// when, not what: [`Iteration::index`](karga_core::Iteration) is an arrival's
/// number in the recording, from 0, by which an action can look up what to
/// send.
///
/// How it works, how a run ends and what panics is as for
/// [`StageExecutor`](crate::StageExecutor): due times are kept whatever the
/// target does, response times count from them, and
/// `planned = completed + dropped + interrupted`.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use karga_core::{Executor, action_fn, scenario};
/// use karga_executors::{Recording, ReplayExecutor};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Of a file: Recording::read("monday.txt")?.
/// let recording = Recording::from_times([0, 5, 5, 250, 3000].map(Duration::from_millis))?;
/// let executor = ReplayExecutor::builder(recording)
///     .speed(2.0) // twice as fast
///     .workers(200)
///     .build()?;
/// let ping = scenario("ping", action_fn(|_iteration| async {}));
/// let run = executor.execute(&ping, (), &mut ()).await?;
/// assert_eq!(run.account.completed, 5);
/// assert_eq!(run.load_time, Duration::from_millis(1500));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ReplayExecutor {
    source: Replayed,
    workers: u64,
    overload: OverloadPolicy,
    settings: Settings,
    signal: Arc<StopSignal>,
}

impl ReplayExecutor {
    /// Starts to describe an executor that replays this recording.
    pub fn builder(recording: Recording) -> ReplayExecutorBuilder {
        ReplayExecutorBuilder::new(recording)
    }

    /// A handle that stops this executor and its clones.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.signal))
    }

    /// The whole recording, in recorded time.
    pub fn recording(&self) -> &Recording {
        self.source.recording()
    }
}

impl<S: Scenario> Executor<S> for ReplayExecutor {
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
        let source = self.source.clone();
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
