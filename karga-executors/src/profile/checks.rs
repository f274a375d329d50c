use std::{
    fmt::{self, Display},
    time::Duration,
};

use karga_core::schedule::MAX_RATE;

use super::Shape;
use crate::{StageExecutor, StageExecutorBuilder, StageExecutorError};

/// Looks at a profile's arguments in turn and keeps the first that is wrong.
pub(super) struct Checks {
    profile: &'static str,
    wrong: Option<StageExecutorError>,
}

impl Checks {
    pub(super) fn of(profile: &'static str) -> Self {
        Self {
            profile,
            wrong: None,
        }
    }

    pub(super) fn that(
        mut self,
        holds: bool,
        argument: &'static str,
        value: impl Display,
        way_out: impl FnOnce() -> String,
    ) -> Self {
        if !holds && self.wrong.is_none() {
            self.wrong = Some(StageExecutorError::Profile {
                profile: self.profile,
                argument,
                value: value.to_string(),
                way_out: way_out(),
            });
        }
        self
    }

    /// Not a number is in no range.
    pub(super) fn rate(self, argument: &'static str, rate: f64) -> Self {
        self.that((0.0..=MAX_RATE).contains(&rate), argument, rate, || {
            format!("give arrivals per second, from 0 to {MAX_RATE:e}")
        })
    }

    pub(super) fn positive(self, argument: &'static str, rate: f64) -> Self {
        self.rate(argument, rate)
            .that(rate > 0.0, argument, rate, || {
                "give arrivals per second, above zero".into()
            })
    }

    pub(super) fn time(self, argument: &'static str, time: Duration) -> Self {
        self.that(!time.is_zero(), argument, Shown(time), || {
            "give it some time".into()
        })
    }

    pub(super) fn then(self, shape: impl FnOnce() -> Shape) -> StageExecutorBuilder {
        match self.wrong {
            Some(error) => StageExecutor::builder().refuse(error),
            None => {
                let Shape { start, stages } = shape();
                StageExecutor::builder().start_rate(start).stages(stages)
            }
        }
    }
}

/// A duration, as the other errors show it.
pub(super) struct Shown(pub(super) Duration);

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
