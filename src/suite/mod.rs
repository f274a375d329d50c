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

use self::gate::{Common, Gate, Member};
use crate::{LoadTest, Named};

/// The longest that a member may start after t0.
const LONGEST_OFFSET: Duration = Duration::from_secs(366 * 24 * 3600);

type BoxError = Box<dyn Error + Send + Sync>;
type Running = BoxFuture<'static, Result<Run<HistogramAggregate>, BoxError>>;
type BoxObserver = Box<dyn Observer<HistogramAggregate>>;
/// Starts the member at a place of the suite, with the suite's observer.
type Start = Box<dyn FnOnce(Arc<Gate>, usize, Option<Common>) -> Running + Send>;

/// A load test that waits to be run.
struct Waiting {
    name: String,
    offset: Duration,
    start: Start,
}

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
    members: Vec<Waiting>,
    observer: Option<Box<dyn Fn() -> BoxObserver + Send>>,
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<_> = self.members.iter().map(|member| &member.name).collect();
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

    /// Who looks at all members while they run, and judges each: each gets a
    /// clone. A `Progress` and its clones share one display. Nobody unless set.
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

    /// Adds a load test that starts `offset` after t0, a year at most. Its users
    /// connect before t0, as all do.
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
                gate: Arc::clone(&gate),
                at,
                name: own_name.clone(),
                offset,
                own,
                common: common.clone(),
                stopped: None,
            });
            Box::pin(async move {
                let mut run = match test.run().await {
                    Ok(run) => {
                        // One that was stopped before it was ready.
                        gate.arrive(at);
                        run
                    }
                    Err(error) => {
                        gate.stop_others(at, format!("{own_name} could not be run"));
                        return Err(Box::new(error) as BoxError);
                    }
                };
                let warm_up = run.warm_up.as_ref().map(|warm_up| warm_up.duration);
                run.start_offset = offset + warm_up.unwrap_or_default();
                let mut run = run.map(Histograms::into_histograms);
                if let Some(common) = common {
                    run.judgements.extend(common.lock().await.judge(&run));
                }
                Ok(run)
            })
        });
        self.members.push(Waiting {
            name,
            offset,
            start,
        });
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
        for Waiting { name, offset, .. } in &self.members {
            if !names.insert(name) {
                return Err(SuiteError::DuplicateName {
                    suite: self.name,
                    name: name.clone(),
                });
            }
            if *offset > LONGEST_OFFSET {
                return Err(SuiteError::Offset {
                    name: name.clone(),
                    offset: *offset,
                });
            }
        }
        let gate = Gate::new(self.members.len());
        let members = self
            .members
            .into_iter()
            .enumerate()
            .map(|(at, Waiting { name, start, .. })| {
                let observer = self.observer.as_ref().map(|observer| observer());
                let common = observer.map(|observer| Arc::new(tokio::sync::Mutex::new(observer)));
                (name, start(Arc::clone(&gate), at, common))
            })
            .collect();
        join(members).await
    }
}

/// Polls all members in the caller's task, so that dropping the future drops
/// every one of them at once. One that cannot be run ends the others, which
/// tear down what they have set up; the first error is the suite's.
async fn join(
    mut members: Vec<(String, Running)>,
) -> Result<Vec<Run<HistogramAggregate>>, SuiteError> {
    let mut ended: Vec<Option<Result<Run<HistogramAggregate>, SuiteError>>> =
        members.iter().map(|_| None).collect();
    let mut first_error = None;
    poll_fn(|cx| {
        let mut pending = false;
        for (at, (name, member)) in members.iter_mut().enumerate() {
            if ended[at].is_some() {
                continue;
            }
            match member.as_mut().poll(cx) {
                Poll::Pending => pending = true,
                Poll::Ready(run) => {
                    ended[at] = Some(run.map_err(|source| {
                        first_error.get_or_insert(at);
                        SuiteError::Member {
                            name: name.clone(),
                            source,
                        }
                    }));
                }
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    if let Some(error) = first_error.and_then(|at| ended.swap_remove(at)) {
        return error.map(|run| vec![run]);
    }
    ended.into_iter().flatten().collect()
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
    /// A member would start too late.
    #[error(
        "the load test {name:?} would start {offset:?} after the others; the longest offset is a \
         year"
    )]
    Offset {
        /// The member's name.
        name: String,
        /// Its offset.
        offset: Duration,
    },
    /// A member could not be run. The others were ended before their first
    /// arrival, and have torn down what they had set up.
    #[error("the load test {name:?} could not be run")]
    Member {
        /// The member's name.
        name: String,
        /// Its executor's error.
        source: BoxError,
    },
}
