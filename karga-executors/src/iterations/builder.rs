use std::{sync::Arc, time::Duration};

use super::{IterationsExecutor, load::Count};
use crate::{
    MAX_WORKERS, SettingsError,
    engine::{Settings, setters},
    handle::StopSignal,
};

/// Describes an [`IterationsExecutor`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct IterationsExecutorBuilder {
    count: Count,
    users: u64,
    max_duration: Duration,
    settings: Settings,
}

impl IterationsExecutorBuilder {
    pub(super) fn new(count: Count, users: u64) -> Self {
        Self {
            count,
            users,
            max_duration: Duration::from_secs(600),
            settings: Settings::default(),
        }
    }

    /// After how long no further iteration begins, whatever is left; 10
    /// minutes unless set, as in k6.
    pub fn max_duration(mut self, max_duration: Duration) -> Self {
        self.max_duration = max_duration;
        self
    }

    setters! {
        graceful_stop: {
            /// How long iterations may go on after the maximum duration or a
            /// stop before they are cut off; 30 s unless set, as in k6. Zero
            /// cuts them off at once.
        }
        warm_up: {
            /// How long users run iterations before those that were asked for;
            /// zero, no warm-up, unless set.
        }
    }

    /// Checks the settings and builds the executor.
    ///
    /// # Errors
    ///
    /// If there are no iterations, no users or more than [`MAX_WORKERS`]; if
    /// shared iterations are fewer than users, or all together more than 2^63;
    /// if the maximum duration or the interval is zero. The `Result` is an
    /// executor too, which refuses to run: it may be handed on as it is.
    pub fn build(self) -> Result<IterationsExecutor, IterationsExecutorError> {
        let Self {
            count,
            users,
            max_duration,
            settings,
        } = self;
        if count.given() == 0 {
            return Err(IterationsExecutorError::NoIterations);
        }
        if users == 0 {
            return Err(IterationsExecutorError::NoUsers);
        }
        if users > MAX_WORKERS {
            return Err(IterationsExecutorError::TooManyUsers { users });
        }
        // Twice as many can be told apart: those of a warm-up come on top.
        let total = count.total(users).filter(|total| *total <= 1 << 63);
        let Some(total) = total else {
            return Err(IterationsExecutorError::TooMany {
                iterations: count.given(),
                users,
            });
        };
        if total < users {
            return Err(IterationsExecutorError::IdleUsers {
                iterations: total,
                users,
            });
        }
        if max_duration.is_zero() {
            return Err(IterationsExecutorError::NoDuration);
        }
        let whole = settings.warm_up.saturating_add(max_duration);
        Ok(IterationsExecutor {
            count,
            users,
            max_duration,
            settings: settings.check(whole)?,
            signal: Arc::new(StopSignal::default()),
        })
    }
}

/// Why an [`IterationsExecutor`] cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IterationsExecutorError {
    /// There is nothing to do.
    #[error("0 iterations are nothing to do: set at least 1")]
    NoIterations,
    /// Nobody could do the work.
    #[error("0 users can do nothing: set at least 1")]
    NoUsers,
    /// There are more than [`MAX_WORKERS`].
    #[error("{users} users are more than 2^20, the most that an executor can have")]
    TooManyUsers {
        /// What was given.
        users: u64,
    },
    /// More than can be counted.
    #[error("{iterations} iterations of {users} users are more than 2^63: set fewer")]
    TooMany {
        /// What was given.
        iterations: u64,
        /// How many users there are.
        users: u64,
    },
    /// Some users would have nothing to do.
    #[error(
        "{users} users cannot share {iterations} iterations so that each has one: \
         set at most as many users"
    )]
    IdleUsers {
        /// What was given.
        iterations: u64,
        /// How many users there are.
        users: u64,
    },
    /// Everything would be over before it begins.
    #[error("a maximum duration of 0 s leaves no time for an iteration: set it above zero")]
    NoDuration,
    /// A setting that all executors have makes no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}
