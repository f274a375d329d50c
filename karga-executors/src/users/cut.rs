use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    crowd::{Presence, Presences},
    load::Users,
};
use crate::clock::Clock;

/// The moment at which a user that has to go is cut off in its iteration.
#[derive(Debug)]
pub(super) struct Cut {
    /// Since the beginning of the run.
    time: Option<Duration>,
    at: Option<Instant>,
    /// Made when an iteration waits for the first time.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Cut {
    /// That of a presence, which others follow.
    pub(super) fn new(
        load: &Users,
        clock: Clock,
        presence: Presence,
        following: Presences<'_>,
    ) -> Self {
        let time = time(load, presence, following);
        Self {
            time,
            at: time.and_then(|time| clock.at(time)),
            sleep: None,
        }
    }

    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.time.is_some_and(|time| now >= time)
    }

    /// Ready when the iteration is to be cut off.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        sleep.as_mut().poll(cx)
    }
}

/// Who goes at the end of the load has the grace time of the run. Who is called
/// back within its time is not cut off.
fn time(load: &Users, presence: Presence, following: Presences<'_>) -> Option<Duration> {
    let mut until = presence.until;
    for next in following {
        let cut = until.checked_add(load.graceful_ramp_down)?;
        if next.from > cut {
            return Some(cut);
        }
        until = next.until;
    }
    if until >= load.crowd.duration() {
        return None;
    }
    until.checked_add(load.graceful_ramp_down)
}
