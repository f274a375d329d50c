//! What the generator knows of itself.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::runtime::RuntimeMetrics;

use crate::engine::Phase;

/// An arrival that starts later than this is late: ten ticks of tokio's timer,
/// and less than what people notice.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(10);

/// Iterations whose action waits for something. An action that is done at its
/// first poll never counts, which keeps the hot path free of shared writes.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    /// Those of the result, and from bit 32 on those of the warm-up: one
    /// number, so that what is read of it was true at one moment.
    now: AtomicU64,
    /// The most at once when one of the result began to wait.
    peak: AtomicU64,
    /// When all workers were in flight for the last time, in nanoseconds since
    /// the beginning of the run, and one more; zero for never.
    full_until: AtomicU64,
}

impl InFlight {
    pub(crate) fn enter(&self, phase: Phase) {
        let now = all(self.now.fetch_add(one(phase), Ordering::Relaxed)) + 1;
        if phase == Phase::Result && now > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// Leaves after an iteration that ended at `end`.
    pub(crate) fn leave(&self, phase: Phase, end: Duration, workers: u64) {
        if self.end(phase) == workers {
            let end = u64::try_from(end.as_nanos()).unwrap_or(u64::MAX);
            self.full_until
                .fetch_max(end.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Leaves without an end: the iteration was cut off.
    pub(crate) fn abandon(&self, phase: Phase) {
        self.end(phase);
    }

    /// Gives how many were in flight before.
    fn end(&self, phase: Phase) -> u64 {
        all(self.now.fetch_sub(one(phase), Ordering::Relaxed))
    }

    /// How many iterations of the result are in flight.
    pub(crate) fn of_result(&self) -> u64 {
        self.now.load(Ordering::Relaxed) % WARMING_UP
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Whether all workers were in flight at `due` or at some time since: then
    /// an arrival that was due and not yet claimed had to wait for the target.
    pub(crate) fn was_full_since(&self, due: Duration) -> bool {
        u128::from(self.full_until.load(Ordering::Relaxed)) > due.as_nanos()
    }
}

/// One of the warm-up, in the number of those in flight. There are never so
/// many users.
const WARMING_UP: u64 = 1 << 32;

const fn one(phase: Phase) -> u64 {
    match phase {
        Phase::WarmUp => WARMING_UP,
        Phase::Result => 1,
    }
}

const fn all(now: u64) -> u64 {
    now % WARMING_UP + now / WARMING_UP
}

/// CPU and busy time from a moment on; measured on the real clock.
#[derive(Debug)]
pub(crate) struct Usage {
    metrics: RuntimeMetrics,
    since: Instant,
    busy: Option<Duration>,
    cpu: Option<Duration>,
}

impl Usage {
    pub(crate) fn begin() -> Self {
        let metrics = tokio::runtime::Handle::current().metrics();
        Self {
            since: Instant::now(),
            // On a paused clock the time between two events is skipped, so
            // that threads are always busy: it says nothing.
            busy: crate::clock::runs().then(|| busy(&metrics)).flatten(),
            cpu: process_cpu(),
            metrics,
        }
    }

    /// The share of the time in which the runtime's threads were busy, from 0
    /// to 1, over all of them.
    pub(crate) fn busy(&self) -> Option<f64> {
        let busy = busy(&self.metrics)?.saturating_sub(self.busy?);
        let elapsed = self.since.elapsed().as_secs_f64();
        let threads = self.metrics.num_workers() as f64;
        (elapsed > 0.0).then(|| (busy.as_secs_f64() / elapsed / threads).min(1.0))
    }

    pub(crate) fn cpu(&self) -> Option<Duration> {
        Some(process_cpu()?.saturating_sub(self.cpu?))
    }
}

#[cfg(target_has_atomic = "64")]
fn busy(metrics: &RuntimeMetrics) -> Option<Duration> {
    Some(
        (0..metrics.num_workers())
            .map(|worker| metrics.worker_total_busy_duration(worker))
            .sum(),
    )
}

#[cfg(not(target_has_atomic = "64"))]
fn busy(_: &RuntimeMetrics) -> Option<Duration> {
    None
}

#[cfg(unix)]
fn process_cpu() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).ok()
}

#[cfg(not(unix))]
fn process_cpu() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn it_is_known_until_when_all_were_in_flight() {
        let in_flight = InFlight::default();
        assert!(!in_flight.was_full_since(Duration::ZERO));
        in_flight.enter(Phase::Result);
        in_flight.leave(Phase::Result, ms(5), 2);
        assert!(!in_flight.was_full_since(Duration::ZERO), "one of two");
        in_flight.enter(Phase::Result);
        in_flight.enter(Phase::Result);
        in_flight.leave(Phase::Result, ms(10), 2);
        in_flight.leave(Phase::Result, ms(20), 2);
        assert!(in_flight.was_full_since(ms(9)));
        assert!(in_flight.was_full_since(ms(10)));
        assert!(!in_flight.was_full_since(ms(11)));
        assert_eq!((in_flight.of_result(), in_flight.peak()), (0, 2));
    }

    #[test]
    fn one_that_was_cut_off_says_nothing_of_the_others() {
        let in_flight = InFlight::default();
        in_flight.enter(Phase::Result);
        in_flight.abandon(Phase::Result);
        assert!(!in_flight.was_full_since(Duration::ZERO));
        assert_eq!((in_flight.of_result(), in_flight.peak()), (0, 1));
    }

    #[test]
    fn the_warm_up_has_no_peak() {
        let in_flight = InFlight::default();
        in_flight.enter(Phase::WarmUp);
        in_flight.enter(Phase::WarmUp);
        assert_eq!((in_flight.of_result(), in_flight.peak()), (0, 0));
        in_flight.leave(Phase::WarmUp, ms(1), 2);
        in_flight.enter(Phase::Result);
        // One of the warm-up is still under way.
        assert_eq!((in_flight.of_result(), in_flight.peak()), (1, 2));
    }
}
