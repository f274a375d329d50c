use std::time::Duration;

use crate::Precision;

/// What can be set on every executor.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) graceful_stop: Duration,
    pub(crate) precision: Precision,
    pub(crate) interval: Duration,
    pub(crate) stop_on_ctrl_c: bool,
    pub(crate) warm_up: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            graceful_stop: Duration::from_secs(30),
            precision: Precision::default(),
            interval: Duration::from_secs(1),
            stop_on_ctrl_c: true,
            warm_up: Duration::ZERO,
        }
    }
}

impl Settings {
    /// The same settings if they make sense for a load that lasts so long, its
    /// warm-up included.
    pub(crate) fn check(self, whole: Duration) -> Result<Self, SettingsError> {
        if self.interval.is_zero() {
            return Err(SettingsError::NoInterval);
        }
        if self.warm_up >= whole {
            return Err(SettingsError::WarmUp {
                warm_up: self.warm_up,
                whole,
            });
        }
        Ok(self)
    }

    /// Whether any of `all` arrivals, counted by `count_until`, is due after
    /// the warm-up.
    pub(crate) fn check_arrivals(
        &self,
        count_until: impl FnOnce(Duration) -> u64,
        all: u64,
    ) -> Result<(), SettingsError> {
        let warm_up = self.warm_up;
        match self.before_t0().map(count_until) {
            Some(before) if before >= all => Err(SettingsError::NothingAfterWarmUp { warm_up }),
            _ => Ok(()),
        }
    }

    /// The last moment of the warm-up, if there is one.
    pub(crate) fn before_t0(&self) -> Option<Duration> {
        self.warm_up.checked_sub(Duration::from_nanos(1))
    }
}

/// Why an executor cannot be built with settings that all executors have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The observer would be called without end.
    #[error("an interval of 0 s cannot be observed: set it above zero")]
    NoInterval,
    /// Nothing would be left to measure.
    #[error(
        "a warm-up of {warm_up:?} leaves nothing of a load of {whole:?}: it is the leading part \
         of that; make it shorter, or the load longer"
    )]
    WarmUp {
        /// What was given.
        warm_up: Duration,
        /// How long the whole load lasts, the warm-up included.
        whole: Duration,
    },
    /// Everything would be over before there is something to measure.
    #[error(
        "nothing happens after a warm-up of {warm_up:?}: it is the leading part of the load; \
         make it shorter, or the load longer"
    )]
    NothingAfterWarmUp {
        /// What was given.
        warm_up: Duration,
    },
}

/// The setters of [`Settings`] for a builder that has them in its field
/// `settings`. What a grace time is for and what a warm-up is part of depend
/// on the executor.
macro_rules! setters {
    (
        graceful_stop: { $(#[$grace:meta])* }
        warm_up: { $(#[$warm:meta])* }
    ) => {
        $(#[$grace])*
        pub fn graceful_stop(mut self, grace: std::time::Duration) -> Self {
            self.settings.graceful_stop = grace;
            self
        }

        $(#[$warm])*
        ///
        /// What is due in it goes into an aggregate and an account of its own,
        /// [`Run::warm_up`](karga_core::Run::warm_up), however long it takes.
        /// The result begins at its end: t0, from which all times of the run
        /// count.
        pub fn warm_up(mut self, warm_up: std::time::Duration) -> Self {
            self.settings.warm_up = warm_up;
            self
        }

        /// How exactly iterations start on time;
        /// [`Precision::Coarse`](crate::Precision::Coarse) unless set.
        pub fn precision(mut self, precision: crate::Precision) -> Self {
            self.settings.precision = precision;
            self
        }

        /// How often the observer looks at the run; 1 s unless set.
        pub fn interval(mut self, interval: std::time::Duration) -> Self {
            self.settings.interval = interval;
            self
        }

        /// Whether Ctrl-C stops the run in good order; it does unless set.
        ///
        /// The second Ctrl-C of a run ends the process, and between runs Ctrl-C
        /// has its default effect. A program with a handler of its own sets this
        /// to false, and has that handler call
        /// [`Handle::stop`](crate::Handle::stop).
        pub fn stop_on_ctrl_c(mut self, stop: bool) -> Self {
            self.settings.stop_on_ctrl_c = stop;
            self
        }
    };
}

pub(crate) use setters;
