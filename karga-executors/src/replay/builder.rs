use std::{sync::Arc, time::Duration};

use super::{
    Recording, ReplayExecutor,
    source::{Replayed, at_speed},
};
use crate::{
    MAX_WORKERS, OverloadPolicy, SettingsError,
    engine::{Settings, setters},
    handle::StopSignal,
    source::Source,
};

/// A first arrival later than this was not counted from the start.
const LONGEST_LEAD: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Describes a [`ReplayExecutor`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ReplayExecutorBuilder {
    recording: Recording,
    duration: Option<Duration>,
    speed: f64,
    slice: (u64, u64),
    workers: u64,
    overload: OverloadPolicy,
    settings: Settings,
}

impl ReplayExecutorBuilder {
    pub(super) fn new(recording: Recording) -> Self {
        Self {
            recording,
            duration: None,
            speed: 1.0,
            slice: (0, 1),
            workers: 64,
            overload: OverloadPolicy::default(),
            settings: Settings::default(),
        }
    }

    /// How much faster than recorded; 1.0 unless set. At 2.0 a minute of the
    /// recording takes 30 s, and rates are twice as high; at 0.5 it takes two
    /// minutes.
    pub fn speed(mut self, factor: f64) -> Self {
        self.speed = factor;
        self
    }

    /// How much of the recording is replayed, in recorded time; up to its last
    /// arrival unless set.
    ///
    /// Arrivals after it are left out. If it is longer, the run lasts as long
    /// as that too: an hour was recorded, though nobody came in its last
    /// minutes.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// The virtual users, which is also the most iterations in flight; 64
    /// unless set.
    ///
    /// By Little's law a rate needs rate times response time of them, and
    /// bursts need more. With too few, arrivals become late and the run says
    /// that this limit was reached.
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
            /// after the end of the recording, before they are cut off; 30 s
            /// unless set. Zero cuts them off at once.
        }
        warm_up: {
            /// The leading part of the run, at its speed, that is no part of
            /// the result; zero, no warm-up, unless set.
        }
    }

    /// Runs only the share of generator `index` out of `of`, numbered from 0:
    /// every arrival n with n mod `of` = `index`. The whole, 0 of 1, unless
    /// set.
    pub fn slice(mut self, index: u64, of: u64) -> Self {
        self.slice = (index, of);
        self
    }

    /// Checks the settings and builds the executor.
    ///
    /// # Errors
    ///
    /// If the speed is no factor; if what is to be replayed lasts no time, or
    /// longer than 584 years, or has no arrival, or none in the slice, or none
    /// after the warm-up; if its first arrival is more than a year after the
    /// start; if there are no workers or more than [`MAX_WORKERS`], or the
    /// interval is zero. The `Result` is an executor too, which refuses to run:
    /// it may be handed on as it is.
    pub fn build(self) -> Result<ReplayExecutor, ReplayExecutorError> {
        let source = self.source()?;
        if self.workers == 0 {
            return Err(ReplayExecutorError::NoWorkers);
        }
        if self.workers > MAX_WORKERS {
            return Err(ReplayExecutorError::TooManyWorkers {
                workers: self.workers,
            });
        }
        let settings = self.settings.check(source.duration())?;
        settings.check_arrivals(|t| source.count_until(t), source.len())?;
        Ok(ReplayExecutor {
            source,
            workers: self.workers,
            overload: self.overload,
            settings,
            signal: Arc::new(StopSignal::default()),
        })
    }

    fn source(&self) -> Result<Replayed, ReplayExecutorError> {
        let (speed, (slice, of)) = (self.speed, self.slice);
        // Not a number is not above zero.
        if !(speed > 0.0 && speed.is_finite()) {
            return Err(ReplayExecutorError::Speed { speed });
        }
        let recorded = self.duration.unwrap_or(self.recording.duration());
        if recorded.is_zero() {
            return Err(ReplayExecutorError::NoDuration);
        }
        let lasts = at_speed(recorded, speed);
        if lasts.is_zero() || lasts >= Duration::from_nanos(u64::MAX) {
            return Err(ReplayExecutorError::Length { recorded, speed });
        }
        let first = self.recording.due(0).unwrap_or_default();
        if first > LONGEST_LEAD {
            return Err(ReplayExecutorError::Lead { first });
        }
        if slice >= of {
            return Err(ReplayExecutorError::Slice { slice, of });
        }
        let source = Replayed::new(self.recording.clone(), recorded, self.slice, speed);
        match source.all() {
            0 => Err(ReplayExecutorError::NoArrivals { recorded, first }),
            arrivals if source.len() == 0 => Err(ReplayExecutorError::EmptySlice {
                slice,
                of,
                arrivals,
            }),
            _ => Ok(source),
        }
    }
}

/// Why a [`ReplayExecutor`] cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayExecutorError {
    /// The speed is no factor.
    #[error("speed {speed}: give a factor above zero, such as 2.0 for twice as fast")]
    Speed {
        /// What was given.
        speed: f64,
    },
    /// It would last no time: the duration is zero, or all arrivals are at the
    /// start and no duration was given.
    #[error(
        "what is to be replayed lasts 0 s: set a `duration` above zero, \
         as for a recording with all arrivals at its start"
    )]
    NoDuration,
    /// It would last no time, or longer than 2^64 ns, at this speed.
    #[error(
        "{recorded:?} at speed {speed} would last less than 1 ns or more than 584 years: \
         set another speed or duration"
    )]
    Length {
        /// How much is to be replayed, in recorded time.
        recorded: Duration,
        /// The speed.
        speed: f64,
    },
    /// The times were hardly counted from the recording's start.
    #[error(
        "the first arrival is {first:?} after the start, which is more than a year: \
         if these are times since 1970, `Recording::without_lead` has them count from the first arrival"
    )]
    Lead {
        /// The time of the first arrival.
        first: Duration,
    },
    /// The duration ends before the first arrival.
    #[error(
        "there is no arrival in the first {recorded:?}, the first one is at {first:?}: \
         set a longer `duration`"
    )]
    NoArrivals {
        /// How much is to be replayed, in recorded time.
        recorded: Duration,
        /// The time of the first arrival.
        first: Duration,
    },
    /// The slice does not exist.
    #[error("there is no slice {slice} of {of}: slices are numbered from 0 and below the second")]
    Slice {
        /// Which slice was asked for, from 0.
        slice: u64,
        /// Of how many.
        of: u64,
    },
    /// The slice has no arrival.
    #[error(
        "slice {slice} of {of} is empty, because there are {arrivals} arrivals only: \
         use fewer slices"
    )]
    EmptySlice {
        /// Which slice was asked for, from 0.
        slice: u64,
        /// Of how many.
        of: u64,
        /// How many arrivals all slices have.
        arrivals: u64,
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
