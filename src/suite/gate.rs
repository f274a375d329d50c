//! What ties the members of a suite together: they start at one instant, and
//! stop together when an observer stops one of them.

use std::{
    future::poll_fn,
    ops::ControlFlow,
    pin::pin,
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
    /// Tells those who wait at the gate that it is open, or that nobody will
    /// pass it.
    open: watch::Sender<Option<Open>>,
}

#[derive(Debug, Clone, Copy)]
enum Open {
    /// The t0 of all.
    At(Instant),
    /// A member was stopped before that.
    Never,
}

#[derive(Debug)]
struct State {
    /// For each member whether it is ready, or was over before it could be.
    here: Vec<bool>,
    /// Which member was stopped first, and why.
    stopped: Option<(usize, String)>,
    /// Whom to wake at that: one place for each member.
    waiting: Vec<Option<Waker>>,
}

impl Gate {
    pub(super) fn new(members: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                here: vec![false; members],
                stopped: None,
                waiting: vec![None; members],
            }),
            open: watch::Sender::new(None),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every member is here, or one is stopped; gives the t0 of
    /// all.
    async fn pass(&self, at: usize) -> Option<Instant> {
        let mut open = self.open.subscribe();
        self.arrive(at);
        // The sender lives in self, so the channel cannot be closed.
        match open.wait_for(Option::is_some).await.ok().and_then(|it| *it) {
            Some(Open::At(t0)) => Some(t0),
            _ => None,
        }
    }

    /// Waits no longer for a member: it is ready, or its run is over.
    pub(super) fn arrive(&self, at: usize) {
        let all_here = {
            let mut state = self.state();
            state.here[at] = true;
            state.here.iter().all(|here| *here)
        };
        if all_here {
            let now = tokio::time::Instant::now().into_std();
            self.open_to(Open::At(now));
        }
    }

    fn open_to(&self, to: Open) {
        self.open.send_if_modified(|open| {
            let first = open.is_none();
            if first {
                *open = Some(to);
            }
            first
        });
    }

    /// Stops all but one.
    pub(super) fn stop_others(&self, at: usize, why: impl Into<String>) {
        let wakers = {
            let mut state = self.state();
            if state.stopped.is_some() {
                return;
            }
            state.stopped = Some((at, why.into()));
            std::mem::take(&mut state.waiting)
        };
        self.open_to(Open::Never);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Why a member has to stop because another one did.
    fn poll_others(&self, at: usize, cx: Option<&mut Context<'_>>) -> Poll<StopReason> {
        let mut state = self.state();
        match (&state.stopped, cx) {
            (Some((other, why)), _) if *other != at => {
                Poll::Ready(StopReason::Observer(why.clone()))
            }
            (None, Some(cx)) => {
                match &mut state.waiting[at] {
                    Some(known) if known.will_wake(cx.waker()) => {}
                    place => *place = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
            _ => Poll::Pending,
        }
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
    /// The suite's observer; in use by one at a time.
    pub(super) common: Option<Common>,
    /// Why an observer stopped it.
    pub(super) stopped: Option<StopReason>,
}

/// The suite's observer in one member. It is asked by the run, and for its
/// judgement when that is over.
pub(super) type Common = Arc<tokio::sync::Mutex<Box<dyn Observer<HistogramAggregate>>>>;

impl<O> Member<O> {
    fn stop_others(&self, reason: &StopReason) {
        let why = match reason {
            StopReason::Observer(why) => format!("with {}: {why}", self.name),
            reason => format!("with {}: {reason}", self.name),
        };
        self.gate.stop_others(self.at, why);
    }

    /// Waits at the gate, and listens to the observers meanwhile: nobody asks
    /// them.
    async fn pass<A>(&mut self) -> Option<Instant>
    where
        O: Observer<A>,
    {
        let gate = Arc::clone(&self.gate);
        let mut pass = pin!(gate.pass(self.at));
        poll_fn(|cx| match pass.as_mut().poll(cx) {
            Poll::Pending => self.poll_own(cx).map(|_| None),
            start => start,
        })
        .await
    }

    /// Whether the observers stop this member; all others stop with it.
    fn poll_own<A>(&mut self, cx: &mut Context<'_>) -> Poll<StopReason>
    where
        O: Observer<A>,
    {
        if let Some(reason) = &self.stopped {
            return Poll::Ready(reason.clone());
        }
        let mut poll = self.own.poll_stop(cx);
        if poll.is_pending()
            && let Some(Ok(mut common)) = self.common.as_ref().map(|common| common.try_lock())
        {
            poll = common.poll_stop(cx);
        }
        if let Poll::Ready(reason) = &poll {
            self.stopped = Some(reason.clone());
            self.stop_others(reason);
        }
        poll
    }
}

impl<A: Histograms, O: Observer<A>> Observer<A> for Member<O> {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        let mut flow = self.own.on_interval(snapshot);
        if let Some(Ok(mut common)) = self.common.as_ref().map(|common| common.try_lock()) {
            let answer = common.on_interval(&snapshot.map(Histograms::histograms));
            if flow.is_continue() {
                flow = answer;
            }
        }
        if snapshot.stopped.is_some() {
            // The answer of the last snapshot has no meaning.
            return flow;
        }
        match (&flow, self.gate.poll_others(self.at, None)) {
            (ControlFlow::Break(reason), _) => {
                self.stop_others(reason);
                flow
            }
            // For executors that look at nothing else.
            (_, Poll::Ready(reason)) => ControlFlow::Break(reason),
            _ => flow,
        }
    }

    fn on_ready(&mut self) -> BoxFuture<'_, Option<Instant>> {
        Box::pin(async {
            let own = self.own.on_ready().await;
            let common = match &self.common {
                Some(common) => common.lock().await.on_ready().await,
                None => None,
            };
            let start = self.pass().await?.checked_add(self.offset);
            start.max(own).max(common)
        })
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopReason> {
        match self.poll_own(cx) {
            Poll::Ready(reason) => Poll::Ready(reason),
            Poll::Pending => self.gate.poll_others(self.at, Some(cx)),
        }
    }

    fn judge(&mut self, run: &Run<A>) -> Vec<Judgement> {
        self.own.judge(run)
    }
}
