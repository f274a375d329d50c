use std::time::Duration;

use crate::{Iteration, Metric, Parts};

/// One finished iteration with its times and what it measured.
///
/// The executor stamps the times, never the user's code. All are durations
/// since the start of the run (t0).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Sample<M> {
    /// Which arrival this was, and when it was due.
    pub iteration: Iteration,
    /// When the action was called.
    pub start: Duration,
    /// When the action was done.
    pub end: Duration,
    /// What the action measured.
    pub metric: M,
}

impl<M> Sample<M> {
    /// Makes a sample; meant for those who write executors and tests.
    pub const fn new(iteration: Iteration, start: Duration, end: Duration, metric: M) -> Self {
        Self {
            iteration,
            start,
            end,
            metric,
        }
    }

    /// From the due time to the end: what someone who arrived on time had to
    /// wait. The headline figure; zero if the end is before the due time.
    pub fn response_time(&self) -> Duration {
        self.end.saturating_sub(self.iteration.due)
    }

    /// From the actual start to the end. It cannot see the time that an
    /// arrival spent waiting for a busy generator or target.
    pub fn service_time(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }

    /// From the due time to the actual start: how late the arrival happened.
    pub fn lateness(&self) -> Duration {
        self.start.saturating_sub(self.iteration.due)
    }
}

impl<M: Metric> Sample<M> {
    /// The [parts](Metric::parts) of the iteration as samples of their own: the
    /// first is due when the iteration is, each later one when it starts.
    ///
    /// ```
    /// use std::time::Duration;
    /// use karga_core::{Iteration, Metric, Outcome, Part, Sample};
    ///
    /// struct Flow([Part; 2]);
    /// impl Metric for Flow {
    ///     fn outcome(&self) -> Outcome { Outcome::Success }
    ///     fn parts(&self) -> &[Part] { &self.0 }
    /// }
    ///
    /// let ms = Duration::from_millis;
    /// let flow = Flow([Part::new("login", ms(0), ms(30)), Part::new("buy", ms(30), ms(80))]);
    /// let sample = Sample::new(Iteration::new(0, 0, ms(100)), ms(102), ms(182), flow);
    /// let response_times: Vec<_> = sample.parts().map(|part| part.response_time()).collect();
    /// assert_eq!(response_times, [ms(32), ms(50)]);
    /// ```
    #[inline]
    pub fn parts(&self) -> Parts<'_> {
        Parts::new(self.iteration, self.start, self.metric.parts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn response_is_lateness_and_service() {
        let sample = Sample::new(Iteration::new(7, 1, ms(100)), ms(130), ms(150), ());
        assert_eq!(sample.response_time(), ms(50));
        assert_eq!(sample.service_time(), ms(20));
        assert_eq!(sample.lateness(), ms(30));
    }

    #[test]
    fn an_early_start_is_not_late() {
        let sample = Sample::new(Iteration::new(0, 0, ms(10)), ms(9), ms(12), ());
        assert_eq!(sample.lateness(), Duration::ZERO);
        assert_eq!(sample.response_time(), ms(2));
    }
}
