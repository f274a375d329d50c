//! Waiting for the time at which an arrival is due.

#[cfg(target_os = "linux")]
mod fine;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::Precision;

/// The timer of one run.
#[derive(Debug)]
pub(crate) enum Timer {
    /// Tokio's own.
    Coarse,
    /// Two timerfds for all workers.
    #[cfg(target_os = "linux")]
    Fine(fine::FineTimer),
}

impl Timer {
    /// A timer for this many workers; a coarse one, and a warning, where a
    /// fine one cannot be had.
    pub(crate) fn new(precision: Precision, workers: u64) -> (Self, Option<String>) {
        match precision {
            Precision::Coarse => (Self::Coarse, None),
            #[cfg(target_os = "linux")]
            Precision::Fine if !crate::clock::runs() => {
                let _ = workers;
                (Self::Coarse, None)
            }
            #[cfg(target_os = "linux")]
            Precision::Fine => match fine::FineTimer::new(workers) {
                Ok(timer) => (Self::Fine(timer), None),
                Err(error) => (
                    Self::Coarse,
                    Some(format!("no fine timer, a coarse one serves: {error}")),
                ),
            },
            #[cfg(not(target_os = "linux"))]
            Precision::Fine => {
                let _ = workers;
                let why = "there is no fine timer on this system, a coarse one serves";
                (Self::Coarse, Some(why.to_owned()))
            }
        }
    }

    pub(crate) fn wait(&self, worker: u64) -> Wait {
        match self {
            Self::Coarse => Wait::Coarse(None),
            #[cfg(target_os = "linux")]
            Self::Fine(timer) => Wait::Fine(timer.wait(worker)),
        }
    }
}

/// One worker's wait; used again and again, so that waiting does not allocate.
#[derive(Debug)]
pub(crate) enum Wait {
    Coarse(Option<Coarse>),
    #[cfg(target_os = "linux")]
    Fine(fine::Wait),
}

#[derive(Debug)]
pub(crate) struct Coarse {
    sleep: Pin<Box<Sleep>>,
    /// Whether `sleep` is set to the deadline that is being waited for.
    armed: bool,
}

impl Wait {
    /// Ready from `deadline` on. Until it is, it is polled for one deadline.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        match self {
            Self::Coarse(coarse) => {
                let coarse = coarse.get_or_insert_with(|| Coarse {
                    sleep: Box::pin(sleep_until(deadline)),
                    armed: true,
                });
                if !coarse.armed {
                    coarse.sleep.as_mut().reset(deadline);
                    coarse.armed = true;
                }
                let poll = coarse.sleep.as_mut().poll(cx);
                coarse.armed = poll.is_pending();
                poll
            }
            #[cfg(target_os = "linux")]
            Self::Fine(wait) => wait.poll(cx, deadline.into_std()),
        }
    }
}
