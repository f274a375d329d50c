mod gate;

use std::{
    collections::HashSet,
    error::Error,
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use karga_core::{Aggregate, BoxFuture, Executor, MetricOf, Observer, Run, Scenario};
use karga_stats::{HistogramAggregate, Histograms, Summary};

use self::gate::{Gate, Member};
use crate::{LoadTest, Named};

type BoxError = Box<dyn Error + Send + Sync>;
type Running = BoxFuture<'static, Result<Run<HistogramAggregate>, BoxError>>;
type BoxObserver = Box<dyn Observer<HistogramAggregate>>;
/// Starts the member at a place of the suite, with the suite's observer.
type Start = Box<dyn FnOnce(Arc<Gate>, usize, Option<BoxObserver>) -> Running + Send>;

/// Several load tests, run side by side on one t0.
///
/// No member offers load before the users of all are connected. Then t0 is one
/// instant for all, and each starts at it or at its own
/// [offset](Self::with_offset). When an observer stops one, a threshold that
/// aborts, say, all others stop at that moment too; so does Ctrl-C. A member
/// that is stopped by its [handle](karga_executors::Handle) stops alone.
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
    members: Vec<(String, Start)>,
    observer: Option<Box<dyn Fn() -> BoxObserver + Send>>,
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
            observer: None,
        }
    }

    /// Who looks at all members while they run: each gets a clone. A
    /// `Progress` and its clones share one display. Nobody unless set.
    pub fn observer<O>(mut self, observer: O) -> Self
    where
        O: Observer<HistogramAggregate> + Clone + 'static,
    {
        let observer = Mutex::new(observer);
        self.observer = Some(Box::new(move || {
            let observer = observer.lock().unwrap_or_else(PoisonError::into_inner);
            Box::new(observer.clone())
        }));
        self
    }

    /// Adds a load test that starts at t0; its name must be its own in the
    /// suite.
    pub fn with<S, E, A, O>(self, test: LoadTest<S, E, A, O>) -> Self
    where
        S: Scenario + 'static,
        E: Executor<Named<S>> + Send + Sync + 'static,
        A: Aggregate<MetricOf<S>> + Histograms,
        O: Observer<A> + 'static,
    {
        self.with_offset(Duration::ZERO, test)
    }

    /// Adds a load test that starts `offset` after t0. Its users connect before
    /// t0, as all do.
    pub fn with_offset<S, E, A, O>(mut self, offset: Duration, test: LoadTest<S, E, A, O>) -> Self
    where
        S: Scenario + 'static,
        E: Executor<Named<S>> + Send + Sync + 'static,
        A: Aggregate<MetricOf<S>> + Histograms,
        O: Observer<A> + 'static,
    {
        let name = test.name().to_owned();
        let own_name = name.clone();
        let start: Start = Box::new(move |gate, at, common| {
            let test = test.observed_by(|own| Member {
                gate,
                at,
                name: own_name,
                offset,
                own,
                common,
            });
            Box::pin(async move {
                let run = test.run().await;
                let mut run = run.map_err(|error| Box::new(error) as BoxError)?;
                let warm_up = run.warm_up.as_ref().map(|warm_up| warm_up.duration);
                run.start_offset = offset + warm_up.unwrap_or_default();
                Ok(run.map(Histograms::into_histograms))
            })
        });
        self.members.push((name, start));
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
            .enumerate()
            .map(|(at, (name, start))| {
                let observer = self.observer.as_ref().map(|observer| observer());
                (name, start(Arc::clone(&gate), at, observer))
            })
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
