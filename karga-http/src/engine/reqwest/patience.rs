//! Waiting for a connection that the client has yet to take back.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task,
    time::{Instant, sleep},
};

/// A connection that an answer kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    /// When the answer ended.
    pub(super) at: Instant,
    /// Whether its body had to be waited for.
    pub(super) waited: bool,
    /// How many connections in a row were gone after one answer, up to this one.
    pub(super) losses: u32,
}

impl Kept {
    /// No server should close a connection that has been idle for less: those that do
    /// not wait for long wait for 5 s.
    pub(super) const SURELY: Duration = Duration::from_secs(1);
}

/// How long the users of a scenario wait for a connection to come back.
///
/// What ends the body for the program lets the client take the connection back too, in
/// another task. On one thread that stands in the queue by then. Of several threads the
/// one that has it may have been put aside by the system, for milliseconds if there are
/// more threads than cores: then it is worth while to sleep, for the request goes out as
/// soon as the connection is back. Where it never comes back, time is lost, which the
/// response times would show; so each time in vain halves it.
#[derive(Debug)]
pub(crate) struct Patience(AtomicU32);

impl Patience {
    const FULL_MILLIS: u32 = 4;

    /// Lets the client take its connection back, if it can be on its way.
    pub(super) async fn wait(&self, kept: Kept) {
        if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            // It is back already if the body came with the head.
            if kept.waited {
                task::yield_now().await;
            }
            return;
        }
        let millis = self.0.load(Ordering::Relaxed);
        if millis > 0 {
            sleep(Duration::from_millis(millis.into())).await;
            self.0.store(millis / 2, Ordering::Relaxed);
        } else {
            for _ in 0..4 {
                task::yield_now().await;
            }
        }
    }

    /// It paid.
    pub(super) fn restore(&self) {
        self.0.store(Self::FULL_MILLIS, Ordering::Relaxed);
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self(AtomicU32::new(Self::FULL_MILLIS))
    }
}
