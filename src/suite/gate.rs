//! What ties the members of a suite together: they start at one instant, and
//! stop together when an observer stops one of them.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use karga_core::{BoxFuture, Judgement, Observer, Run, Snapshot, StopReason};
use karga_stats::{HistogramAggregate, Histograms};
use tokio::sync::watch;

/// Shared by all members.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    start: watch::Sender<Option<Instant>>,
}

#[derive(Debug)]
struct State {
    /// Members that are not ready yet.
    missing: usize,
    /// Which member was stopped first, and why.
    stopped: Option<(String, StopReason)>,
    /// Whom to wake at that: one place for each member.
    waiting: Vec<Option<Waker>>,
}

impl Gate {
    pub(super) fn new(members: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                missing: members,
                stopped: None,
                waiting: vec![None; members],
            }),
            start: watch::Sender::new(None),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every member is here; gives the t0 of all.
    async fn pass(&self) -> Option<Instant> {
        let mut start = self.start.subscribe();
        let last = {
            let mut state = self.state();
            state.missing -= 1;
            state.missing == 0
        };
        if last {
            let now = tokio::time::Instant::now().into_std();
            self.start.send_replace(Some(now));
        }
        // The sender lives in self, so the channel cannot be closed.
        start
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|t0| *t0)
    }

    /// Stops the others.
    fn stop(&self, name: &str, reason: &StopReason) {
        let wakers = {
            let mut state = self.state();
            if state.stopped.is_some() {
                return;
            }
            state.stopped = Some((name.to_owned(), reason.clone()));
            std::mem::take(&mut state.waiting)
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

/// What is asked in each member, for the suite and for the member's own
/// observer.
pub(super) struct Member<O> {
    pub(super) gate: Arc<Gate>,
    /// Its place in the suite.
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) offset: Duration,
    pub(super) own: O,
    /// The suite's observer.
    pub(super) common: Option<Box<dyn Observer<HistogramAggregate>>>,
}

impl<O> Member<O> {
    /// Why this member has to stop because another one did.
    fn poll_others(&self, cx: &mut Context<'_>) -> Poll<StopReason> {
        let mut state = self.gate.state();
        match &state.stopped {
            Some((name, reason)) if *name != self.name => {
                let why = match reason {
                    StopReason::Observer(why) => why.clone(),
                    reason => reason.to_string(),
                };
                Poll::Ready(StopReason::Observer(format!("with {name}: {why}")))
            }
            Some(_) => Poll::Pending,
            None => {
                match &mut state.waiting[self.at] {
                    Some(known) if known.will_wake(cx.waker()) => {}
                    place => *place = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl<A: Histograms, O: Observer<A>> Observer<A> for Member<O> {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        let mut flow = self.own.on_interval(snapshot);
        if let Some(common) = &mut self.common {
            let answer = common.on_interval(&snapshot.map(Histograms::histograms));
            if flow.is_continue() {
                flow = answer;
            }
        }
        // The answer of the last snapshot has no meaning.
        if let (ControlFlow::Break(reason), None) = (&flow, snapshot.stopped) {
            self.gate.stop(&self.name, reason);
        }
        flow
    }

    fn on_ready(&mut self) -> BoxFuture<'_, Option<Instant>> {
        Box::pin(async {
            let own = self.own.on_ready().await;
            let common = match &mut self.common {
                Some(common) => common.on_ready().await,
                None => None,
            };
            let start = self.gate.pass().await?.checked_add(self.offset);
            start.max(own).max(common)
        })
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopReason> {
        let mut poll = self.own.poll_stop(cx);
        if let (Poll::Pending, Some(common)) = (&poll, &mut self.common) {
            poll = common.poll_stop(cx);
        }
        match poll {
            Poll::Ready(reason) => {
                self.gate.stop(&self.name, &reason);
                Poll::Ready(reason)
            }
            Poll::Pending => self.poll_others(cx),
        }
    }

    fn judge(&mut self, run: &Run<A>) -> Vec<Judgement> {
        self.own.judge(run)
    }
}
