use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

/// Ends the runs of an executor early; from its method `handle`, such as
/// [`StageExecutor::handle`](crate::StageExecutor::handle).
///
/// Handles are cheap to clone and may be used from any thread. Dropping one
/// does nothing.
#[derive(Debug, Clone)]
#[must_use = "a handle does nothing until `stop` is called"]
pub struct Handle {
    signal: Arc<StopSignal>,
}

impl Handle {
    pub(crate) fn new(signal: Arc<StopSignal>) -> Self {
        Self { signal }
    }

    /// Stops the executor, for good.
    ///
    /// In a run under way no further arrival begins; iterations in flight get
    /// the grace time, and the run ends with
    /// [`StopReason::Requested`](karga_core::StopReason::Requested) and its
    /// account whole. A run that has not offered load yet, or that is started
    /// later, ends before its first arrival, likewise without an error.
    /// Calling it again changes nothing.
    pub fn stop(&self) {
        self.signal.stopped.store(true, Ordering::SeqCst);
        self.signal.notify.notify_waiters();
    }

    /// Whether [`stop`](Handle::stop) was called.
    pub fn is_stopped(&self) -> bool {
        self.signal.stopped.load(Ordering::SeqCst)
    }
}

/// What a handle and its executor share.
#[derive(Debug, Default)]
pub(crate) struct StopSignal {
    stopped: AtomicBool,
    notify: Notify,
}

impl StopSignal {
    /// Waits for the stop; at once if it has happened.
    pub(crate) async fn stopped(&self) {
        // A `Notified` hears of every `notify_waiters` since it was made, so
        // it must be made before the flag is looked at.
        let notified = self.notify.notified();
        if !self.stopped.load(Ordering::SeqCst) {
            notified.await;
        }
    }
}
