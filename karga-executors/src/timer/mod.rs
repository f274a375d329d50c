//! Waiting for the time at which an arrival is due, or something of the run itself.

#[cfg(target_os = "linux")]
mod alone;
#[cfg(target_os = "linux")]
mod fd;
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
            Self::Coarse => {
                let _ = worker;
                Wait::Coarse(None)
            }
            #[cfg(target_os = "linux")]
            Self::Fine(timer) => Wait::Fine(timer.wait(worker)),
        }
    }

    /// A wait of the run itself. Where the timer is fine, it is none of tokio's, a
    /// single one of which costs something whenever the thread goes to sleep.
    pub(crate) fn wait_of_run(&self) -> Wait {
        match self {
            Self::Coarse => Wait::Coarse(None),
            #[cfg(target_os = "linux")]
            Self::Fine(_) => alone::Alone::new().map_or(Wait::Coarse(None), Wait::Alone),
        }
    }
}

/// One wait; used again and again, so that waiting does not allocate.
#[derive(Debug)]
pub(crate) enum Wait {
    Coarse(Option<Pin<Box<Sleep>>>),
    #[cfg(target_os = "linux")]
    Fine(fine::Wait),
    #[cfg(target_os = "linux")]
    Alone(alone::Alone),
}

impl Wait {
    /// Ready from `deadline` on. A worker polls for one deadline until it is.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        match self {
            Self::Coarse(sleep) => {
                let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                if sleep.deadline() != deadline {
                    sleep.as_mut().reset(deadline);
                }
                sleep.as_mut().poll(cx)
            }
            #[cfg(target_os = "linux")]
            Self::Fine(wait) => wait.poll(cx, deadline.into_std()),
            #[cfg(target_os = "linux")]
            Self::Alone(wait) => wait.poll(cx, deadline.into_std()),
        }
    }
}
