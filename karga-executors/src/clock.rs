use std::time::Duration;

use tokio::time::Instant;

/// Time since the run's beginning, on tokio's clock, so that a paused clock
/// works. Reading it costs no more than `std::time::Instant::now`: tokio only
/// looks further when a test has paused the clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    begin: Instant,
}

impl Clock {
    pub(crate) fn new(begin: Instant) -> Self {
        Self { begin }
    }

    /// Time since the beginning; zero before it.
    #[inline]
    pub(crate) fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.begin)
    }

    /// The instant of a time of the run; `None` if it is too far away.
    #[inline]
    pub(crate) fn at(&self, time: Duration) -> Option<Instant> {
        self.begin.checked_add(time)
    }

    pub(crate) fn begin(&self) -> Instant {
        self.begin
    }
}

/// Whether tokio's clock is the real one, not one that a test has paused: then
/// it reads between two readings of the real one.
pub(crate) fn runs() -> bool {
    let before = std::time::Instant::now();
    let between = Instant::now().into_std();
    let after = std::time::Instant::now();
    before <= between && between <= after
}
