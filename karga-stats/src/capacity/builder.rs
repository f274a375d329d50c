use std::ops::RangeInclusive;

use karga_core::schedule::MAX_RATE;

use super::Capacity;
use crate::Thresholds;

/// The rates that can be asked for, per second. Below, one arrival takes
/// thirty years.
const RATES: RangeInclusive<f64> = 1e-9..=MAX_RATE;

/// The least and the greatest factor. Below, neighbours on the way up are
/// nearer to each other than a measurement tells apart, and it hardly rises.
const FACTORS: RangeInclusive<f64> = 1.01..=100.0;

/// The least and the greatest precision that can be asked for.
const PRECISION: RangeInclusive<f64> = 0.001..=1.0;

/// The most probes of one rate.
const MOST_REPEATS: u32 = 99;

/// The most rates of the way up. The default rates by the least factor are 927.
const MOST_RUNGS: u32 = 1000;

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) start_rate: f64,
    pub(super) factor: f64,
    pub(super) max_rate: f64,
    pub(super) precision: f64,
    pub(super) repeats: u32,
}

impl Settings {
    /// How many rates the way up has, the first and the highest included.
    pub(super) fn rungs(&self) -> u32 {
        let rises = (self.max_rate / self.start_rate).ln() / self.factor.ln();
        // What is but rounding is no rise.
        1 + (rises - 1e-9).ceil() as u32
    }
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
    /// The first rate, per second, which must pass; 100/s unless set, 1e-9 to
    /// 1e9.
    pub const fn start_rate(mut self, rate: f64) -> Self {
        self.settings.start_rate = rate;
        self
    }

    /// By how much the rate rises from one probe to the next until one fails;
    /// 2 unless set, 1.01 to 100. The way up from the first rate to the highest
    /// may have 1,000 rates. A fine answer is what the
    /// [precision](Self::precision) is for, which costs far fewer probes.
    pub const fn factor(mut self, factor: f64) -> Self {
        self.settings.factor = factor;
        self
    }

    /// The highest rate, per second, that is tried; 1,000,000/s unless set, at
    /// most 1e9.
    pub const fn max_rate(mut self, rate: f64) -> Self {
        self.settings.max_rate = rate;
        self
    }

    /// How much higher than the highest rate that passes the lowest that fails
    /// may be, as a share of it; 0.05 (5 %) unless set, 0.001 to 1. Each half
    /// of it takes one rate more.
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
    /// If a setting is out of its range, if the way up has more than 1,000
    /// rates, or there is no threshold.
    pub fn build(self) -> Result<Capacity, InvalidCapacity> {
        let Settings {
            start_rate,
            factor,
            max_rate,
            precision,
            repeats,
        } = self.settings;
        for (setting, value) in [("start_rate", start_rate), ("max_rate", max_rate)] {
            if !RATES.contains(&value) {
                return Err(InvalidCapacity::Rate { setting, value });
            }
        }
        if max_rate < start_rate {
            return Err(InvalidCapacity::MaxRate {
                start_rate,
                max_rate,
            });
        }
        if !FACTORS.contains(&factor) {
            return Err(InvalidCapacity::Factor { factor });
        }
        let rungs = self.settings.rungs();
        if rungs > MOST_RUNGS {
            return Err(InvalidCapacity::Rungs {
                start_rate,
                max_rate,
                factor,
                rungs,
            });
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
    /// A rate out of its range.
    #[error("{setting} is {value}; it must be from 1e-9 to 1e9 per second")]
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
    #[error(
        "factor is {factor}; it must be from 1.01 to 100, for nearer rates cannot be told apart; \
         how narrow the answer is, is said by precision"
    )]
    Factor {
        /// What it was set to.
        factor: f64,
    },
    /// The way up has too many rates.
    #[error(
        "from start_rate, {start_rate}/s, to max_rate, {max_rate}/s, by a factor of {factor} are \
         {rungs} rates; at most 1000 are tried on the way up: raise factor or start_rate, or lower \
         max_rate"
    )]
    Rungs {
        /// The first rate.
        start_rate: f64,
        /// The highest rate.
        max_rate: f64,
        /// By how much the rate rises each time.
        factor: f64,
        /// How many rates that are.
        rungs: u32,
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
