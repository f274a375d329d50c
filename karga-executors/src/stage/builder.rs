use std::sync::Arc;

use karga_core::{Arrivals, Schedule, ScheduleBuilder, ScheduleError, Stage};

use super::{OverloadPolicy, StageExecutor};
use crate::{
    SettingsError,
    engine::{Settings, setters},
    handle::StopSignal,
};

/// The most workers that an executor can have, 2^20: each is a task and a
/// connection.
pub const MAX_WORKERS: u64 = 1 << 20;

/// Describes a [`StageExecutor`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct StageExecutorBuilder {
    schedule: ScheduleBuilder,
    slice: (u64, u64),
    workers: u64,
    overload: OverloadPolicy,
    settings: Settings,
    /// What is wrong with the profile that it was made from.
    refused: Option<StageExecutorError>,
}

impl Default for StageExecutorBuilder {
    fn default() -> Self {
        Self {
            schedule: Schedule::builder(),
            slice: (0, 1),
            workers: 64,
            overload: OverloadPolicy::default(),
            settings: Settings::default(),
            refused: None,
        }
    }
}

impl StageExecutorBuilder {
    /// The rate at the beginning of the first stage, in arrivals per second;
    /// 0 unless set.
    pub fn start_rate(mut self, rate: f64) -> Self {
        self.schedule = self.schedule.start_rate(rate);
        self
    }

    /// The stages, one after the other: each moves the arrival rate linearly to
    /// its own. None unless set, which is refused.
    pub fn stages(mut self, stages: impl IntoIterator<Item = Stage>) -> Self {
        self.schedule = self.schedule.stages(stages);
        self
    }

    /// How arrivals are spread under the rate; [`Arrivals::Uniform`] unless
    /// set.
    pub fn arrivals(mut self, arrivals: Arrivals) -> Self {
        self.schedule = self.schedule.arrivals(arrivals);
        self
    }

    /// The virtual users, which is also the most iterations in flight; 64
    /// unless set.
    ///
    /// By Little's law a rate needs rate times response time of them: 64 are
    /// enough for 1000/s at 64 ms. With too few, arrivals become late and the
    /// run says that this limit was reached.
    pub fn workers(mut self, workers: u64) -> Self {
        self.workers = workers;
        self
    }

    /// What happens to arrivals for which no worker is free when they are due;
    /// [`OverloadPolicy::Queue`] unless set.
    pub fn overload(mut self, policy: OverloadPolicy) -> Self {
        self.overload = policy;
        self
    }

    setters! {
        graceful_stop: {
            /// How long iterations may go on after a stop, and the backlog
            /// after the end of the schedule, before they are cut off; 30 s
            /// unless set. Zero cuts them off at once.
        }
        warm_up: {
            /// The leading part of the stages that is no part of the result;
            /// zero, no warm-up, unless set.
        }
    }

    /// Runs only the share of generator `index` out of `of`, numbered from 0:
    /// every arrival n with n mod `of` = `index`. The whole, 0 of 1, unless
    /// set.
    pub fn slice(mut self, index: u64, of: u64) -> Self {
        self.slice = (index, of);
        self
    }

    /// A builder that builds nothing, whatever is set.
    pub(crate) fn refuse(mut self, error: StageExecutorError) -> Self {
        self.refused = Some(error);
        self
    }

    /// Checks the settings and builds the executor.
    ///
    /// # Errors
    ///
    /// If the stages make no [`Schedule`], the slice has no arrival, there are
    /// no workers or more than [`MAX_WORKERS`], the interval is zero, or the
    /// warm-up leaves nothing of the stages to measure. The `Result` is an
    /// executor too, which refuses to run: it may be handed on as it is.
    pub fn build(self) -> Result<StageExecutor, StageExecutorError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let schedule = self.schedule.build()?;
        let slice = schedule.slice(self.slice.0, self.slice.1)?;
        if self.workers == 0 {
            return Err(StageExecutorError::NoWorkers);
        }
        if self.workers > MAX_WORKERS {
            return Err(StageExecutorError::TooManyWorkers {
                workers: self.workers,
            });
        }
        let settings = self.settings.check(schedule.duration())?;
        settings.check_arrivals(|t| slice.count_until(t), slice.len())?;
        Ok(StageExecutor {
            slice,
            workers: self.workers,
            overload: self.overload,
            settings,
            signal: Arc::new(StopSignal::default()),
        })
    }
}

/// Why a [`StageExecutor`] cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StageExecutorError {
    /// The stages, or the slice of them, cannot be run.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// An argument of a profile, such as
    /// [`StageExecutor::constant`], makes no sense.
    #[error("{profile}: {argument} {value}: {way_out}")]
    Profile {
        /// Which profile.
        profile: &'static str,
        /// The argument's name.
        argument: &'static str,
        /// What was given.
        value: String,
        /// What to give instead.
        way_out: String,
    },
    /// Nobody could do the work.
    #[error("0 workers can run nothing: set at least 1")]
    NoWorkers,
    /// There are more than [`MAX_WORKERS`].
    #[error("{workers} workers are more than 2^20, the most that an executor can have")]
    TooManyWorkers {
        /// What was given.
        workers: u64,
    },
    /// A setting that all executors have makes no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}
