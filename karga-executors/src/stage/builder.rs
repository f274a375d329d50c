use std::{sync::Arc, time::Duration};

use karga_core::{Arrivals, Schedule, ScheduleBuilder, ScheduleError, Stage};

use super::{OverloadPolicy, Precision, StageExecutor};
use crate::handle::StopSignal;

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
    graceful_stop: Duration,
    precision: Precision,
    interval: Duration,
    stop_on_ctrl_c: bool,
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
            graceful_stop: Duration::from_secs(30),
            precision: Precision::default(),
            interval: Duration::from_secs(1),
            stop_on_ctrl_c: true,
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

    /// How long iterations may go on after a stop, and the backlog after the
    /// end of the schedule, before they are cut off; 30 s unless set. Zero
    /// cuts them off at once.
    pub fn graceful_stop(mut self, grace: Duration) -> Self {
        self.graceful_stop = grace;
        self
    }

    /// How exactly arrivals start on time; [`Precision::Coarse`] unless set.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// How often the observer looks at the run; 1 s unless set.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Whether Ctrl-C stops the run in good order; it does unless set.
    ///
    /// The second Ctrl-C of a run ends the process, and between runs Ctrl-C
    /// has its default effect. A program with a handler of its own sets this
    /// to false, and has that handler call [`Handle::stop`](crate::Handle::stop).
    pub fn stop_on_ctrl_c(mut self, stop: bool) -> Self {
        self.stop_on_ctrl_c = stop;
        self
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
    /// no workers or more than [`MAX_WORKERS`], or the interval is zero. The
    /// `Result` is an executor too, which refuses to run: it may be handed on
    /// as it is.
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
        if self.interval.is_zero() {
            return Err(StageExecutorError::NoInterval);
        }
        Ok(StageExecutor {
            slice,
            workers: self.workers,
            overload: self.overload,
            graceful_stop: self.graceful_stop,
            precision: self.precision,
            interval: self.interval,
            stop_on_ctrl_c: self.stop_on_ctrl_c,
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
    /// The observer would be called without end.
    #[error("an interval of 0 s cannot be observed: set it above zero")]
    NoInterval,
}
