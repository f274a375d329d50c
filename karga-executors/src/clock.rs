use std::time::Duration;

use tokio::time::Instant;

/// Time since the run's start (t0), on tokio's clock, so that a paused clock
/// works. Reading it costs no more than `std::time::Instant::now`: tokio only
/// looks further when a test has paused the clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    t0: Instant,
}

impl Clock {
    pub(crate) fn new(t0: Instant) -> Self {
        Self { t0 }
    }

    /// Time since t0; zero before it.
    #[inline]
    pub(crate) fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.t0)
    }

    /// The instant of a time of the run; `None` if it is too far away.
    #[inline]
    pub(crate) fn at(&self, time: Duration) -> Option<Instant> {
        self.t0.checked_add(time)
    }

    pub(crate) fn t0(&self) -> Instant {
        self.t0
    }
}
