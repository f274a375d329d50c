//! The observer that the kit watches through.

use std::{
    ops::ControlFlow,
    task::{Context, Poll},
    time::Instant,
};

use super::{
    log::{Snap, Stage},
    script::{MARK, Stop},
    tape::Tape,
};
use crate::{BoxFuture, Observer, Snapshot, StopReason};

pub(super) struct Watch {
    stage: Stage,
    /// Done when it is time to stop between two intervals.
    stop: Option<BoxFuture<'static, ()>>,
    stopped: bool,
}

impl Watch {
    pub(super) fn new(stage: Stage) -> Self {
        Self {
            stage,
            stop: None,
            stopped: false,
        }
    }
}

/// The reason of every stop by the kit.
pub(super) fn reason() -> StopReason {
    StopReason::Observer(format!("{MARK} stop"))
}

#[diagnostic::do_not_recommend]
impl Observer<Tape> for Watch {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, Tape>) -> ControlFlow<StopReason> {
        let script = self.stage.script.clone();
        self.stage.note(|log, seen| {
            log.snapshots.push(Snap {
                seen,
                elapsed: snapshot.elapsed,
                length: snapshot.interval_length,
                account: snapshot.account,
                interval: snapshot.interval.digest(),
                total: snapshot.total.digest(),
                tainted: snapshot.total.tainted,
                stopped: snapshot.stopped.cloned(),
                warm_up_left: snapshot.warm_up_left,
            });
            let last = snapshot.stopped.is_some() || snapshot.warm_up_left.is_some();
            if script.stop == Some(Stop::AtInterval) && !last && log.stop_asked.is_none() {
                log.stop_asked = Some(seen);
                ControlFlow::Break(reason())
            } else {
                ControlFlow::Continue(())
            }
        })
    }

    fn on_ready(&mut self) -> BoxFuture<'_, Option<Instant>> {
        let stage = self.stage.clone();
        stage.note(|log, now| log.ready.push(now.span()));
        Box::pin(async move {
            let script = &stage.script;
            if !script.ready_after.is_zero() {
                stage.clock.sleep(script.ready_after).await;
            }
            let named = script.start_ahead.map(|ahead| stage.clock.now() + ahead);
            stage.note(|log, now| {
                if let Some(ready) = log.ready.last_mut() {
                    ready.ended = Some(now);
                }
                log.t0 = Some(named.unwrap_or(now.at));
            });
            if let Some(Stop::After(time)) = script.stop {
                let until = script.start_ahead.unwrap_or_default() + time;
                self.stop = Some(stage.clock.sleep(until));
            }
            named
        })
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopReason> {
        /// Beyond this, an executor asks in a loop that never waits.
        const PATIENCE: u32 = 1000;

        if self.stopped {
            return self.stage.note(|log, _| {
                log.asked_after_stop += 1;
                if log.asked_after_stop < PATIENCE {
                    Poll::Ready(reason())
                } else {
                    Poll::Pending
                }
            });
        }
        let Some(stop) = &mut self.stop else {
            return Poll::Pending;
        };
        if stop.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.stopped = true;
        self.stage.note(|log, now| log.stop_asked = Some(now));
        Poll::Ready(reason())
    }
}
