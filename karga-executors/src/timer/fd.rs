//! A timer of the operating system.

use std::{
    io,
    os::fd::OwnedFd,
    task::{Context, Poll},
    time::Instant,
};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::{Interest, unix::AsyncFd};

/// A timerfd.
#[derive(Debug)]
pub(super) struct TimerFd {
    fd: AsyncFd<OwnedFd>,
    /// The same moment on both clocks: `Instant` and CLOCK_MONOTONIC, which
    /// tick alike.
    base: (Instant, Timespec),
}

impl TimerFd {
    pub(super) fn new() -> io::Result<Self> {
        let fd = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        #[expect(
            deprecated,
            reason = "sound for an `OwnedFd`; what replaces it is unsafe code"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Self {
            fd,
            base: (Instant::now(), clock_gettime(ClockId::Monotonic)),
        })
    }

    /// Sets the timer; a deadline that has passed fires at once.
    pub(super) fn set(&self, deadline: Instant) {
        let (instant, monotonic) = self.base;
        let since = deadline.saturating_duration_since(instant);
        // Rounded up by the time between the two readings of the clocks.
        let value = Timespec::try_from(since)
            .ok()
            .and_then(|since| monotonic.checked_add(since))
            .unwrap_or(monotonic);
        let spec = Itimerspec {
            it_interval: Timespec::default(),
            it_value: value,
        };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &spec)
            .expect("invariant: an open timerfd takes every valid time");
    }

    /// Ready once each time that the timer has expired.
    pub(super) fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut expired = false;
        // Once more after it is cleared, to be woken.
        while let Poll::Ready(mut ready) = self.fd.poll_read_ready(cx)? {
            // The timer is not read: setting it anew takes the expiry back.
            ready.clear_ready();
            expired = true;
        }
        if expired {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}
