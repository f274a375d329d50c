use super::Capacity;
use crate::Thresholds;

/// The least and the greatest precision that can be asked for.
const PRECISION: std::ops::RangeInclusive<f64> = 0.001..=1.0;

/// The most probes of one rate.
const MOST_REPEATS: u32 = 99;

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) start_rate: f64,
    pub(super) factor: f64,
    pub(super) max_rate: f64,
    pub(super) precision: f64,
    pub(super) repeats: u32,
}

/// Configures a [`Capacity`] search; each setting is checked by
/// [`build`](Self::build).
#[derive(Debug, Clone)]
#[must_use = "nothing is built before `build`"]
pub struct CapacityBuilder {
    settings: Settings,
    thresholds: Thresholds,
}

impl Default for CapacityBuilder {
    fn default() -> Self {
        Self {
            settings: Settings {
                start_rate: 100.0,
                factor: 2.0,
                max_rate: 1e6,
                precision: 0.05,
                repeats: 3,
            },
            thresholds: Thresholds::new([]),
        }
    }
}

impl CapacityBuilder {
    /// The first rate, per second, which must pass; 100/s unless set.
    pub const fn start_rate(mut self, rate: f64) -> Self {
        self.settings.start_rate = rate;
        self
    }

    /// By how much the rate rises from one probe to the next until one fails;
    /// 2 unless set, more than 1 and at most 100.
    pub const fn factor(mut self, factor: f64) -> Self {
        self.settings.factor = factor;
        self
    }

    /// The highest rate, per second, that is tried; 1,000,000/s unless set.
    pub const fn max_rate(mut self, rate: f64) -> Self {
        self.settings.max_rate = rate;
        self
    }

    /// How much higher than the highest rate that passes the lowest that fails
    /// may be, as a share of it; 0.05 (5 %) unless set, 0.001 to 1.
    pub const fn precision(mut self, precision: f64) -> Self {
        self.settings.precision = precision;
        self
    }

    /// How many probes of a rate decide by their majority whether it passes; 3
    /// unless set, an odd number up to 99. Those that cannot change it any
    /// more are left out.
    pub const fn repeats(mut self, repeats: u32) -> Self {
        self.settings.repeats = repeats;
        self
    }

    /// What must hold at a rate; at least one.
    pub fn thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Builds the search.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range, or there is no threshold.
    pub fn build(self) -> Result<Capacity, InvalidCapacity> {
        let Settings {
            start_rate,
            factor,
            max_rate,
            precision,
            repeats,
        } = self.settings;
        for (setting, value) in [("start_rate", start_rate), ("max_rate", max_rate)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(InvalidCapacity::Rate { setting, value });
            }
        }
        if max_rate < start_rate {
            return Err(InvalidCapacity::MaxRate {
                start_rate,
                max_rate,
            });
        }
        if !(factor > 1.0 && factor <= 100.0) {
            return Err(InvalidCapacity::Factor { factor });
        }
        if !PRECISION.contains(&precision) {
            return Err(InvalidCapacity::Precision { precision });
        }
        if repeats.is_multiple_of(2) || repeats > MOST_REPEATS {
            return Err(InvalidCapacity::Repeats { repeats });
        }
        if self.thresholds.is_empty() {
            return Err(InvalidCapacity::NoThresholds);
        }
        Ok(Capacity {
            settings: self.settings,
            thresholds: self.thresholds,
        })
    }
}

/// A setting that a [`Capacity`] search cannot have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCapacity {
    /// A rate that is not above zero, or not finite.
    #[error("{setting} is {value}; it must be a finite rate above 0 per second")]
    Rate {
        /// The builder's setting.
        setting: &'static str,
        /// What it was set to.
        value: f64,
    },
    /// The highest rate is below the first.
    #[error("max_rate is {max_rate}/s, which is below start_rate, {start_rate}/s")]
    MaxRate {
        /// The first rate.
        start_rate: f64,
        /// The highest rate.
        max_rate: f64,
    },
    /// A factor that does not raise the rate, or too fast.
    #[error("factor is {factor}; it must be above 1 and at most 100")]
    Factor {
        /// What it was set to.
        factor: f64,
    },
    /// A precision out of its range.
    #[error("precision is {precision}; it must be from 0.001 to 1 (0.05 is 5 %)")]
    Precision {
        /// What it was set to.
        precision: f64,
    },
    /// A number of probes that has no majority, or is too large.
    #[error("repeats is {repeats}; it must be odd, so that there is a majority, and at most 99")]
    Repeats {
        /// What it was set to.
        repeats: u32,
    },
    /// Nothing says when a rate is too high.
    #[error(
        "there are no thresholds, so nothing says when a rate is too high; give at least one, \
         such as \"p99(response_time) < 250ms\""
    )]
    NoThresholds,
}
