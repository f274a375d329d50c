//! A wait with a timer of its own.

use std::{
    io,
    task::{Context, Poll},
    time::Instant,
};

use super::fd::TimerFd;

/// The wait of one who is to be woken however many workers are due.
#[derive(Debug)]
pub(crate) struct Alone {
    timer: TimerFd,
    /// What the timer is set to.
    set: Option<Instant>,
}

impl Alone {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            timer: TimerFd::new()?,
            set: None,
        })
    }

    /// A deadline that has passed has to wait for the runtime's driver as well,
    /// so that whoever is late with all it waits for lets others run.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if self.set != Some(deadline) {
            self.set = Some(deadline);
            self.timer.set(deadline);
        }
        // An error is the runtime's shutdown.
        let Poll::Ready(Ok(())) = self.timer.poll_expired(cx) else {
            return Poll::Pending;
        };
        if Instant::now() < deadline {
            // It expired as it was set before.
            self.timer.set(deadline);
            return Poll::Pending;
        }
        self.set = None;
        Poll::Ready(())
    }
}
