mod builder;
mod crowd;
mod cut;
mod load;
mod pace;
mod random;
mod think;
mod work;

use std::{sync::Arc, time::Duration};

use karga_core::{Aggregate, ExecuteError, Executor, MetricOf, Observer, Run, Scenario};

pub use self::{
    builder::{UsersExecutorBuilder, UsersExecutorError},
    crowd::UserStage,
    think::ThinkTime,
};

use self::{crowd::Crowd, load::Users, pace::Pace};
use crate::{
    engine::{Settings, execute},
    handle::{Handle, StopSignal},
};

/// Runs a scenario by a number of users: a closed model, in which a user
/// begins its next iteration only when its last is done. k6's `constant-vus`
/// and `ramping-vus`; what Locust, goose and JMeter do.
///
/// A slow target is asked less often by such users. So take them where that is
/// what happens: a known number of clients, each of which waits for its answer,
/// such as workers of a queue or desks in a shop. Where people and services
/// come on their own, take a [`StageExecutor`](crate::StageExecutor).
///
/// # Users
///
/// Every user has the action that [`Scenario::connect`] made for it, and all
/// users that the stages ever need are connected before load begins. Who comes
/// last goes first, and who comes back goes on with the same action. A user
/// comes when the line through the stages reaches its number, counted from 1,
/// and goes when the line has come down below it, as in k6:
///
/// ```text
/// users
///   3 ┤        ┌───────┐          start_users 0,
///   2 ┤     ┌──┘       └──┐       stages (3 s, 3), (2 s, 3), (3 s, 0)
///   1 ┤  ┌──┘             └──┐
///   0 ┼──┘                   └──▶ time
/// ```
///
/// # When iterations happen
///
/// | set | an iteration is due | [`Run::model`] |
/// |---|---|---|
/// | nothing | when the one before is done | [`Closed`](karga_core::LoadModel::Closed) |
/// | [`think_time`] | so long after the one before is done | `Closed` |
/// | [`pacing`] | at fixed times of the user's own: when it came, and every so often since | [`Paced`](karga_core::LoadModel::Paced) |
///
/// In the closed model due is the actual start. When the target stalls, its
/// users ask nothing, so response times hardly show it (coordinated omission).
/// With pacing a user keeps its due times however long an iteration takes: what
/// is overdue happens back to back, and response time counts from when it was
/// due. After the end of the load, and when a user goes, what is overdue is
/// still worked off within the grace time.
///
/// Under a clock that a test has paused, an action that never waits takes no
/// time. Users without a think time repeat it until they are stopped: give
/// them a think time or a pacing, or take an
/// [`IterationsExecutor`](crate::IterationsExecutor).
///
/// # Account
///
/// Without pacing, what has begun was planned. With pacing, every due time that
/// passed while its user was there was; those that could not begin count as
/// interrupted. `planned = completed + dropped + interrupted`, and nothing is
/// ever dropped.
///
/// The run ends as that of a [`StageExecutor`](crate::StageExecutor) does, with
/// the same meaning of stop, grace time, panics and dropping the future. An
/// iteration's index is `k * users + user` for the user's iteration `k`, where
/// `users` is the most that the stages need.
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
/// use karga_executors::{ThinkTime, UserStage, UsersExecutor};
///
/// // 50 users, of whom ten come every second, for a minute.
/// let executor = UsersExecutor::builder()
///     .users(50)
///     .duration(Duration::from_secs(60))
///     .spawn_rate(10.0)
///     .think_time(ThinkTime::exponential(Duration::from_millis(500)))
///     .build()?;
///
/// // Up to 200 users, and back to none; each acts every two seconds.
/// let executor = UsersExecutor::builder()
///     .stages([
///         UserStage::new(Duration::from_secs(30), 200),
///         UserStage::new(Duration::from_secs(60), 200),
///         UserStage::new(Duration::from_secs(30), 0),
///     ])
///     .pacing(Duration::from_secs(2))
///     .build()?;
/// # Ok::<(), karga_executors::UsersExecutorError>(())
/// ```
///
/// [`think_time`]: UsersExecutorBuilder::think_time
/// [`pacing`]: UsersExecutorBuilder::pacing
#[derive(Debug, Clone)]
pub struct UsersExecutor {
    crowd: Arc<Crowd>,
    act: Act,
    graceful_ramp_down: Duration,
    settings: Settings,
    signal: Arc<StopSignal>,
}

/// When a user begins its next iteration.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// After the one before, when it has thought.
    Think(Option<ThinkTime>),
    /// At due times of its own.
    Pace(Pace),
}

impl UsersExecutor {
    /// Starts to describe an executor.
    pub fn builder() -> UsersExecutorBuilder {
        UsersExecutorBuilder::default()
    }

    /// A handle that stops this executor and its clones.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.signal))
    }
}

impl<S: Scenario> Executor<S> for UsersExecutor {
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
            Users::new(self),
            &self.settings,
            &self.signal,
            scenario,
            aggregate,
            observer,
        )
        .await
    }
}
