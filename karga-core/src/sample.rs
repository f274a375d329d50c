use std::time::Duration;

use crate::Iteration;

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
