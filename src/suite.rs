use std::{
    collections::HashSet,
    error::Error,
    fmt,
    future::poll_fn,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Instant,
};

use karga_core::{
    Aggregate, BoxFuture, Executor, MetricOf, Observer, Run, Scenario, Snapshot, StopReason,
};
use karga_stats::{HistogramAggregate, Summary};
use tokio::sync::watch;

use crate::{LoadTest, Named};

type BoxError = Box<dyn Error + Send + Sync>;
type Running = BoxFuture<'static, Result<Run<HistogramAggregate>, BoxError>>;
type Member = Box<dyn FnOnce(Gate) -> Running + Send>;

/// Several load tests, run side by side on one t0.
///
/// No member offers load before the users of all are connected; then all start
/// at the same instant.
///
/// ```
/// use std::time::Duration;
/// use karga::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hold = |rate| {
///     StageExecutor::builder()
///         .start_rate(rate)
///         .stages([Stage::new(Duration::from_millis(100), rate)])
///         .build()
/// };
/// let summary = Suite::new("both")
///     .with(LoadTest::builder().name("reads").action(|_| async {}).executor(hold(200.0)).build())
///     .with(LoadTest::builder().name("writes").action(|_| async {}).executor(hold(50.0)).build())
///     .run()
///     .await?;
/// assert_eq!(summary.scenarios.len(), 2);
/// # Ok(()) }
/// ```
#[must_use = "a suite offers no load until it is run"]
pub struct Suite {
    name: String,
    members: Vec<(String, Member)>,
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<_> = self.members.iter().map(|(name, _)| name).collect();
        f.debug_struct("Suite")
            .field("name", &self.name)
            .field("members", &members)
            .finish()
    }
}

impl Suite {
    /// A suite without members.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            members: Vec::new(),
        }
    }

    /// Adds a load test; its name must be its own in the suite.
    pub fn with<S, E, O>(mut self, test: LoadTest<S, E, HistogramAggregate, O>) -> Self
    where
        S: Scenario + 'static,
        E: Executor<Named<S>> + Send + Sync + 'static,
        O: Observer<HistogramAggregate> + 'static,
        HistogramAggregate: Aggregate<MetricOf<S>>,
    {
        let name = test.name().to_owned();
        let member: Member = Box::new(|gate| {
            Box::pin(async move {
                test.observed_by(gate)
                    .run()
                    .await
                    .map_err(|error| Box::new(error) as BoxError)
            })
        });
        self.members.push((name, member));
        self
    }

    /// Runs all members to their end and summarizes them, a row for each in
    /// the order in which they were added.
    ///
    /// Dropping the future stops all load at once.
    ///
    /// # Errors
    ///
    /// See [`SuiteError`]; no member offered load then.
    pub async fn run(self) -> Result<Summary, SuiteError> {
        let name = self.name.clone();
        let runs = self.run_each().await?;
        Ok(Summary::from_runs(name, &runs))
    }

    /// Runs all members to their end and gives their runs, in the order in
    /// which they were added.
    ///
    /// # Errors
    ///
    /// See [`SuiteError`]; no member offered load then.
    pub async fn run_each(self) -> Result<Vec<Run<HistogramAggregate>>, SuiteError> {
        if self.members.is_empty() {
            return Err(SuiteError::Empty { suite: self.name });
        }
        let mut names = HashSet::new();
        if let Some((name, _)) = self.members.iter().find(|(name, _)| !names.insert(name)) {
            return Err(SuiteError::DuplicateName {
                suite: self.name,
                name: name.clone(),
            });
        }
        let gate = Gate::new(self.members.len());
        let members = self
            .members
            .into_iter()
            .map(|(name, start)| (name, start(gate.clone())))
            .collect();
        join(members).await
    }
}

/// Polls all members in the caller's task, so that dropping the future drops
/// every one of them at once. Ends with the first error.
async fn join(
    mut members: Vec<(String, Running)>,
) -> Result<Vec<Run<HistogramAggregate>>, SuiteError> {
    let mut runs: Vec<Option<Run<HistogramAggregate>>> = members.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut pending = false;
        for ((name, member), run) in members.iter_mut().zip(&mut runs) {
            if run.is_some() {
                continue;
            }
            match member.as_mut().poll(cx) {
                Poll::Ready(Ok(finished)) => *run = Some(finished),
                Poll::Ready(Err(source)) => {
                    return Poll::Ready(Err(SuiteError::Member {
                        name: name.clone(),
                        source,
                    }));
                }
                Poll::Pending => pending = true,
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    })
    .await?;
    Ok(runs.into_iter().flatten().collect())
}

/// Lets all members of a suite start at one instant.
#[derive(Clone)]
struct Gate {
    missing: Arc<AtomicUsize>,
    start: Arc<watch::Sender<Option<Instant>>>,
}

impl Gate {
    fn new(members: usize) -> Self {
        Self {
            missing: Arc::new(AtomicUsize::new(members)),
            start: Arc::new(watch::Sender::new(None)),
        }
    }
}

impl<A> Observer<A> for Gate {
    fn on_interval(&mut self, _: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        ControlFlow::Continue(())
    }

    fn on_ready(&mut self) -> BoxFuture<'_, Option<Instant>> {
        Box::pin(async {
            let mut start = self.start.subscribe();
            if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
                let now = tokio::time::Instant::now().into_std();
                self.start.send_replace(Some(now));
            }
            // The sender lives in self, so the channel cannot be closed.
            start
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|t0| *t0)
        })
    }
}

/// Why a [`Suite`] could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// There is nothing to run.
    #[error("the suite {suite:?} has no load test; add one by `Suite::with`")]
    Empty {
        /// The suite's name.
        suite: String,
    },
    /// Two members could not be told apart in the summary.
    #[error(
        "the suite {suite:?} has two load tests named {name:?}; give each its own name by \
         `LoadTestBuilder::name`"
    )]
    DuplicateName {
        /// The suite's name.
        suite: String,
        /// The name that is there twice.
        name: String,
    },
    /// A member could not be run.
    #[error("the load test {name:?} could not be run")]
    Member {
        /// The member's name.
        name: String,
        /// Its executor's error.
        source: BoxError,
    },
}
