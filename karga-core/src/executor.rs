use std::{error::Error, future::Future, sync::Arc};

use crate::{Aggregate, MetricOf, Observer, Run, Scenario};

/// Drives a scenario: decides when each iteration is due, runs it, stamps its
/// times, records it and keeps the account.
///
/// # Contract
///
/// - Every user is connected before t0; no time before t0 is measured.
/// - At the end `planned = completed + dropped + interrupted`, for every kind
///   of end.
/// - A panic in an action is one completed iteration, recorded as a failure of
///   the class `panic`.
/// - Dropping the future stops all load at once; no task outlives it.
/// - Zero workers, an invalid rate or an empty plan are refused with an error
///   before the first arrival, never run as an empty success.
///
/// The kit `testing::executor` (feature `testing`) checks an executor against
/// this, and against what [`Scenario`], [`Observer`] and
/// [`Merge`](crate::Merge) promise of one.
///
/// `Result<E, X>` of an executor is an executor too: it refuses to run with
/// the error of the builder. So a builder whose `build` can fail may be handed
/// over as it is.
///
/// # Example
///
/// ```
/// use std::time::{Duration, Instant};
/// use karga_core::*;
///
/// /// Runs one iteration, at once.
/// struct Once;
///
/// impl<S: Scenario> Executor<S> for Once {
///     type Error = ExecuteError<S::Error>;
///
///     async fn execute<A, O>(
///         &self, scenario: &S, mut aggregate: A, observer: &mut O,
///     ) -> Result<Run<A>, Self::Error>
///     where
///         A: Aggregate<MetricOf<S>>,
///         O: Observer<A>,
///     {
///         let action = scenario.connect(0).await
///             .map_err(|source| ExecuteError::Connect { user: 0, source })?;
///         // Runs that go side by side start together. (With a runtime, sleep
///         // on its timer.)
///         let t0 = observer.on_ready().await.unwrap_or_else(Instant::now);
///         std::thread::sleep(t0.saturating_duration_since(Instant::now()));
///         let iteration = Iteration::new(0, 0, Duration::ZERO);
///         let metric = action.call(iteration).await;
///         let end = t0.elapsed();
///         aggregate.record(&Sample::new(iteration, Duration::ZERO, end, metric));
///         let account = Account::new(1, 1, 0, 0);
///         Ok(Run::new(scenario.name(), aggregate, account, end))
///     }
/// }
/// ```
///
/// # A wrong one
///
/// ```compile_fail
/// use karga_core::*;
///
/// struct Once;
///
/// impl<S: Scenario> Executor<S> for Once {
///     type Error = S::Error;
///
///     // An executor serves every aggregate and observer; it must not ask for
///     // more than `Aggregate` and `Observer` promise.
///     async fn execute<A, O>(&self, _: &S, aggregate: A, _: &mut O) -> Result<Run<A>, S::Error>
///     where
///         A: Aggregate<MetricOf<S>> + Clone,
///         O: Observer<A>,
///     {
///         Ok(Run::new("x", aggregate.clone(), Account::default(), Default::default()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot execute the scenario `{S}`",
    label = "not an `Executor<{S}>`",
    note = "use an executor of `karga-executors`, or implement `karga_core::Executor<S>` for `{Self}`"
)]
pub trait Executor<S: Scenario> {
    /// Why a run could not be made.
    type Error: Error + Send + Sync + 'static;

    /// Runs the scenario to its end.
    fn execute<A, O>(
        &self,
        scenario: &S,
        aggregate: A,
        observer: &mut O,
    ) -> impl Future<Output = Result<Run<A>, Self::Error>> + Send
    where
        A: Aggregate<MetricOf<S>>,
        O: Observer<A>;
}

macro_rules! forward {
    ($(($($generics:tt)*) $type:ty;)*) => {$(
        impl<$($generics)*> Executor<S> for $type {
            type Error = E::Error;
            fn execute<A, O>(
                &self,
                scenario: &S,
                aggregate: A,
                observer: &mut O,
            ) -> impl Future<Output = Result<Run<A>, Self::Error>> + Send
            where
                A: Aggregate<MetricOf<S>>,
                O: Observer<A>,
            {
                (**self).execute(scenario, aggregate, observer)
            }
        }
    )*};
}

forward! {
    ('a, S: Scenario, E: Executor<S>) &'a E;
    (S: Scenario, E: Executor<S>) Arc<E>;
    (S: Scenario, E: Executor<S>) Box<E>;
}

/// Why users could not be brought under load; shared by executors that have
/// nothing else to say.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError<E> {
    /// The scenario's setup failed.
    #[error("the scenario's setup failed; no load was offered")]
    Setup {
        /// The scenario's error.
        source: E,
    },
    /// A virtual user could not connect.
    #[error("user {user} could not connect; no load was offered")]
    Connect {
        /// The user's number, from 0.
        user: u64,
        /// The scenario's error.
        source: E,
    },
    /// `setup` or `connect` panicked.
    #[error("the scenario panicked while {during}: {message}; no load was offered")]
    Panicked {
        /// What was being done: "setting up" or "connecting user 3".
        during: String,
        /// The panic's message.
        message: String,
    },
}

/// The error of an executor that may not have been built.
#[derive(Debug, thiserror::Error)]
pub enum InvalidOr<X, E> {
    /// The builder refused a setting.
    #[error(transparent)]
    Invalid(X),
    /// The run failed.
    #[error(transparent)]
    Failed(E),
}

/// Refuses to run, with the builder's error, if there is no executor.
impl<S, E, X> Executor<S> for Result<E, X>
where
    S: Scenario,
    E: Executor<S> + Sync,
    X: Error + Clone + Send + Sync + 'static,
{
    type Error = InvalidOr<X, E::Error>;

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
        match self {
            Ok(executor) => executor
                .execute(scenario, aggregate, observer)
                .await
                .map_err(InvalidOr::Failed),
            Err(refused) => Err(InvalidOr::Invalid(refused.clone())),
        }
    }
}
