use super::{Arrivals, Curve, Kind, Poisson, Schedule, Stage};

/// The most arrivals that a schedule can have, 2^48: up to here, every due
/// time is exact to the nanosecond. At a million per second they last 8.9
/// years.
pub const MAX_ARRIVALS: u64 = 1 << 48;

/// The highest rate, per second: one arrival in each nanosecond.
pub const MAX_RATE: f64 = 1e9;

/// Describes a [`Schedule`].
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ScheduleBuilder {
    start_rate: f64,
    stages: Vec<Stage>,
    arrivals: Arrivals,
}

impl ScheduleBuilder {
    /// The rate at the beginning of the first stage, in arrivals per second;
    /// 0 unless set.
    pub fn start_rate(mut self, rate: f64) -> Self {
        self.start_rate = rate;
        self
    }

    /// The stages, one after the other; replaces those set before.
    pub fn stages(mut self, stages: impl IntoIterator<Item = Stage>) -> Self {
        self.stages = stages.into_iter().collect();
        self
    }

    /// How arrivals are spread; [`Arrivals::Uniform`] unless set.
    pub fn arrivals(mut self, arrivals: Arrivals) -> Self {
        self.arrivals = arrivals;
        self
    }

    /// Checks the values and builds the schedule.
    ///
    /// # Errors
    ///
    /// If a rate is negative, infinite, not a number or above [`MAX_RATE`]; if
    /// there is no stage, or the stages last no time or too long; if not one
    /// arrival is planned, or more than [`MAX_ARRIVALS`].
    pub fn build(self) -> Result<Schedule, ScheduleError> {
        check_rate(self.start_rate, |rate| ScheduleError::StartRate { rate })?;
        for (at, stage) in self.stages.iter().enumerate() {
            check_rate(stage.rate, |rate| ScheduleError::StageRate {
                stage: at + 1,
                rate,
            })?;
        }
        if self.stages.is_empty() {
            return Err(ScheduleError::NoStages);
        }
        if self.stages.iter().all(|stage| stage.duration.is_zero()) {
            return Err(ScheduleError::NoDuration {
                stages: self.stages.len(),
            });
        }
        let curve = Curve::new(self.start_rate, &self.stages).ok_or(ScheduleError::TooLong)?;
        let area = curve.area();
        if area > MAX_ARRIVALS as f64 {
            return Err(ScheduleError::TooMany { arrivals: area });
        }
        if area <= 0.0 {
            return Err(ScheduleError::NoArrivals);
        }
        let kind = match self.arrivals {
            // Every whole number below the area, 0 included.
            Arrivals::Uniform => Kind::Uniform {
                len: area.ceil() as u64,
            },
            Arrivals::Poisson { seed } => {
                let poisson = Poisson::new(seed, area);
                if poisson.len() == 0 {
                    return Err(ScheduleError::NoneDrawn {
                        seed,
                        expected: area,
                    });
                }
                Kind::Poisson(poisson)
            }
        };
        Ok(Schedule { curve, kind })
    }
}

fn check_rate(rate: f64, error: impl FnOnce(f64) -> ScheduleError) -> Result<(), ScheduleError> {
    // Not a number is in no range.
    if (0.0..=MAX_RATE).contains(&rate) {
        Ok(())
    } else {
        Err(error(rate))
    }
}

/// Why a schedule cannot be built. Stages are numbered from 1.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The start rate is not a possible rate.
    #[error("start rate {rate}: give arrivals per second, from 0 to 1e9")]
    StartRate {
        /// What was given.
        rate: f64,
    },
    /// A stage's rate is not a possible rate.
    #[error("stage {stage} has the rate {rate}: give arrivals per second, from 0 to 1e9")]
    StageRate {
        /// Which stage, from 1.
        stage: usize,
        /// What was given.
        rate: f64,
    },
    /// There are no stages.
    #[error("there are no stages: give at least one `Stage::new(duration, rate)`")]
    NoStages,
    /// All stages have zero length.
    #[error("all stages ({stages}) have a duration of zero: give at least one of them some time")]
    NoDuration {
        /// How many there are.
        stages: usize,
    },
    /// The rate is zero throughout.
    #[error("the rate is zero throughout, so there is no arrival: give a stage a rate above zero")]
    NoArrivals,
    /// Poisson arrivals of this seed are none.
    #[error(
        "the Poisson seed {seed} draws no arrival where {expected} are expected: \
         plan more arrivals, or take another seed"
    )]
    NoneDrawn {
        /// The seed.
        seed: u64,
        /// How many were expected.
        expected: f64,
    },
    /// The stages last longer than 2^64 ns.
    #[error("the stages last longer than 584 years together: shorten them")]
    TooLong,
    /// There are more than [`MAX_ARRIVALS`].
    #[error("{arrivals:e} arrivals are more than 2^48, the most that a schedule can have")]
    TooMany {
        /// How many there would be.
        arrivals: f64,
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
        "slice {slice} of {of} is empty, because the schedule has {arrivals} arrivals only: \
         use fewer slices"
    )]
    EmptySlice {
        /// Which slice was asked for, from 0.
        slice: u64,
        /// Of how many.
        of: u64,
        /// How many arrivals the whole schedule has.
        arrivals: u64,
    },
}
