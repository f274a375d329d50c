use crate::{HistogramAggregate, aggregate::Limits};

/// The most names or slots that may be asked for.
const MOST: usize = 10_000;

/// Configures a [`HistogramAggregate`]; each setting is checked by
/// [`build`](Self::build).
///
/// ```
/// use karga_stats::HistogramAggregate;
///
/// let aggregate = HistogramAggregate::builder().labels(100).build()?;
/// assert!(HistogramAggregate::builder().labels(0).build().is_err());
/// # Ok::<(), karga_stats::InvalidAggregate>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use = "nothing is built before `build`"]
pub struct HistogramAggregateBuilder {
    limits: Limits,
}

impl HistogramAggregateBuilder {
    /// How many labels get a row of their own; 32 by default, 1 to 10,000.
    /// Each takes up to 0.7 MiB, its part of the timeline aside.
    pub const fn labels(mut self, labels: usize) -> Self {
        self.limits.labels = labels;
        self
    }

    /// How many error classes are counted apart; 32 by default, 1 to 10,000.
    pub const fn error_classes(mut self, classes: usize) -> Self {
        self.limits.errors = classes;
        self
    }

    /// How many names of counts, such as "retries", are kept apart; 32 by
    /// default, 1 to 10,000.
    pub const fn counts(mut self, names: usize) -> Self {
        self.limits.counts = names;
        self
    }

    /// How many named steps get a histogram of their own; 32 by default, 1 to
    /// 10,000. Each takes up to 0.14 MiB.
    pub const fn steps(mut self, names: usize) -> Self {
        self.limits.steps = names;
        self
    }

    /// How many slots the timeline has at most; 720 by default (twelve minutes
    /// at one second each, then two seconds each, and so on), 2 to 10,000.
    pub const fn timeline_slots(mut self, slots: usize) -> Self {
        self.limits.timeline = slots;
        self
    }

    /// Builds the aggregate.
    ///
    /// # Errors
    ///
    /// If a limit is below its least or above its greatest value.
    pub fn build(self) -> Result<HistogramAggregate, InvalidAggregate> {
        let Limits {
            labels,
            errors,
            counts,
            steps,
            timeline,
        } = self.limits;
        for (setting, value, least) in [
            ("labels", labels, 1),
            ("error_classes", errors, 1),
            ("counts", counts, 1),
            ("steps", steps, 1),
            ("timeline_slots", timeline, 2),
        ] {
            if !(least..=MOST).contains(&value) {
                return Err(InvalidAggregate {
                    setting,
                    value,
                    least,
                });
            }
        }
        Ok(HistogramAggregate::with_limits(self.limits))
    }
}

impl Default for HistogramAggregateBuilder {
    fn default() -> Self {
        Self {
            limits: Limits::DEFAULT,
        }
    }
}

/// A limit that a [`HistogramAggregate`] cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is {value}; it must be from {least} to {MOST}")]
#[non_exhaustive]
pub struct InvalidAggregate {
    /// The builder's setting.
    pub setting: &'static str,
    /// What it was set to.
    pub value: usize,
    /// The least that it may be.
    pub least: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_checked_and_named() {
        let builder = HistogramAggregate::builder;
        for (built, message) in [
            (
                builder().labels(0),
                "labels is 0; it must be from 1 to 10000",
            ),
            (
                builder().error_classes(0),
                "error_classes is 0; it must be from 1 to 10000",
            ),
            (
                builder().counts(0),
                "counts is 0; it must be from 1 to 10000",
            ),
            (
                builder().steps(10_001),
                "steps is 10001; it must be from 1 to 10000",
            ),
            (
                builder().timeline_slots(1),
                "timeline_slots is 1; it must be from 2 to 10000",
            ),
        ] {
            assert_eq!(built.build().unwrap_err().to_string(), message);
        }
        assert!(builder().labels(10_000).timeline_slots(2).build().is_ok());
    }
}
