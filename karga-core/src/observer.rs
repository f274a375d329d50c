use std::{
    future::{Future, ready},
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use crate::{Account, Judgement, LoadModel, Run, StopReason};

/// A boxed future, where a trait has to stay usable as `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the executor means to do in the whole run, as far as it knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// How many arrivals the schedule has, if it has an end.
    pub arrivals: Option<u64>,
    /// How long arrivals are due, if there is an end.
    pub duration: Option<Duration>,
    /// The most iterations that may be in flight at once.
    pub workers: u64,
}

impl Plan {
    /// A plan; meant for those who write executors and tests.
    pub const fn new(arrivals: Option<u64>, duration: Option<Duration>, workers: u64) -> Self {
        Self {
            arrivals,
            duration,
            workers,
        }
    }
}

/// A run as it stands at one interval.
#[derive(Debug)]
#[non_exhaustive]
pub struct Snapshot<'a, A> {
    /// The scenario's name.
    pub name: &'a str,
    /// The whole of what is meant to happen.
    pub plan: Plan,
    /// Time since t0.
    pub elapsed: Duration,
    /// How long the interval was that ends here.
    pub interval_length: Duration,
    /// The load so far. Until the run ends, `planned` also covers the arrivals
    /// in flight and those waiting for a worker, so it may exceed the sum.
    pub account: Account,
    /// Iterations that are running now.
    pub in_flight: u64,
    /// The arrival rate that is asked for now, per second; zero if none is, as
    /// in closed load.
    pub offered_rate: f64,
    /// What was recorded in this interval.
    pub interval: &'a A,
    /// What was recorded since t0, this interval included.
    pub total: &'a A,
    /// Why the run ended; set in the last snapshot only.
    pub stopped: Option<&'a StopReason>,
    /// How much is left of the warm-up. While there is some, nothing is
    /// measured yet: elapsed time, account and aggregates are zero and empty.
    pub warm_up_left: Option<Duration>,
    /// How it is decided when an iteration is due.
    pub model: LoadModel,
}

impl<'a, A> Snapshot<'a, A> {
    /// A snapshot of what was recorded in the `interval` and in `total` up to
    /// `elapsed`; the other fields are zero and may be set. Meant for those
    /// who write executors and tests.
    pub fn new(name: &'a str, elapsed: Duration, interval: &'a A, total: &'a A) -> Self {
        Self {
            name,
            plan: Plan::default(),
            elapsed,
            interval_length: Duration::ZERO,
            account: Account::default(),
            in_flight: 0,
            offered_rate: 0.0,
            interval,
            total,
            stopped: None,
            warm_up_left: None,
            model: LoadModel::default(),
        }
    }

    /// The same snapshot of a part of the aggregate, for an observer of that
    /// part.
    pub fn map<B>(&self, part: impl Fn(&'a A) -> &'a B) -> Snapshot<'a, B> {
        Snapshot {
            name: self.name,
            plan: self.plan,
            elapsed: self.elapsed,
            interval_length: self.interval_length,
            account: self.account,
            in_flight: self.in_flight,
            offered_rate: self.offered_rate,
            interval: part(self.interval),
            total: part(self.total),
            stopped: self.stopped,
            warm_up_left: self.warm_up_left,
            model: self.model,
        }
    }
}

/// Looks at a run while it happens: progress, thresholds, exporters.
///
/// # Contract
///
/// - `on_interval` is called at every interval of the executor (one second
///   unless set otherwise) and once more at the end with
///   [`stopped`](Snapshot::stopped) set, whose answer is ignored.
/// - It runs beside the load, on one of its threads: it must not block. Hand
///   slow work to another thread or task.
/// - [`ControlFlow::Break`] stops the run as if a person had: no new arrivals,
///   those in flight get their grace time, the account stays whole.
/// - During a warm-up it is called as well, with
///   [`warm_up_left`](Snapshot::warm_up_left) set: nothing is measured yet, so
///   there is nothing to judge.
///
/// # Example
///
/// ```
/// use std::ops::ControlFlow;
/// use karga_core::{Observer, Snapshot, StopReason};
///
/// struct Enough(u64);
///
/// impl<A> Observer<A> for Enough {
///     fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
///         if snapshot.account.completed >= self.0 {
///             ControlFlow::Break(StopReason::Observer("enough".into()))
///         } else {
///             ControlFlow::Continue(())
///         }
///     }
/// }
/// ```
///
/// # A wrong one
///
/// ```
/// use std::{ops::ControlFlow, time::Duration};
/// use karga_core::{Observer, Snapshot, StopReason};
///
/// struct Slow;
///
/// impl<A> Observer<A> for Slow {
///     fn on_interval(&mut self, _: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
///         // Blocks a thread that offers load: arrivals become late, and the
///         // verdict will say that the generator was the bottleneck.
///         std::thread::sleep(Duration::from_millis(100));
///         ControlFlow::Continue(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot observe runs that aggregate into `{A}`",
    label = "not an `Observer<{A}>`",
    note = "pass `()` to observe nothing, a tuple for several observers, or implement `karga_core::Observer<{A}>` for `{Self}`"
)]
pub trait Observer<A>: Send {
    /// Looks at the run as it stands; may stop it.
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason>;

    /// Called once, when every user is connected: load starts when the future
    /// is done, at the instant that it gives, or at once for `None`.
    ///
    /// This is how several runs start on one t0. The instant must not lie in
    /// the future by more than the caller is willing to wait. A warm-up begins
    /// at it, and t0 is at the warm-up's end.
    fn on_ready(&mut self) -> BoxFuture<'_, Option<Instant>> {
        Box::pin(ready(None))
    }

    /// Asked whenever the executor waits: ready when the run is to stop between
    /// two intervals, as by a break. One that is pending calls the waker when
    /// that changes. Never ready by default.
    ///
    /// It is not asked while [`on_ready`](Observer::on_ready) is awaited, but
    /// once right after: if it is ready then, no load begins at all.
    ///
    /// This is how several runs stop together.
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopReason> {
        let _ = cx;
        Poll::Pending
    }

    /// Judges the finished run: what [`Run::judgements`] will hold. Called once
    /// by whoever ran the executor (a load test does); nothing by default.
    fn judge(&mut self, run: &Run<A>) -> Vec<Judgement> {
        let _ = run;
        Vec::new()
    }
}

impl<A, O: Observer<A> + ?Sized> Observer<A> for &mut O {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        (**self).on_interval(snapshot)
    }
    fn on_ready(&mut self) -> BoxFuture<'_, Option<Instant>> {
        (**self).on_ready()
    }
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopReason> {
        (**self).poll_stop(cx)
    }
    fn judge(&mut self, run: &Run<A>) -> Vec<Judgement> {
        (**self).judge(run)
    }
}

impl<A, O: Observer<A> + ?Sized> Observer<A> for Box<O> {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        (**self).on_interval(snapshot)
    }
    fn on_ready(&mut self) -> BoxFuture<'_, Option<Instant>> {
        (**self).on_ready()
    }
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopReason> {
        (**self).poll_stop(cx)
    }
    fn judge(&mut self, run: &Run<A>) -> Vec<Judgement> {
        (**self).judge(run)
    }
}

/// Observes if there is an observer.
impl<A, O: Observer<A>> Observer<A> for Option<O> {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        match self {
            Some(observer) => observer.on_interval(snapshot),
            None => ControlFlow::Continue(()),
        }
    }
    fn on_ready(&mut self) -> BoxFuture<'_, Option<Instant>> {
        match self {
            Some(observer) => observer.on_ready(),
            None => Box::pin(ready(None)),
        }
    }
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopReason> {
        match self {
            Some(observer) => observer.poll_stop(cx),
            None => Poll::Pending,
        }
    }
    fn judge(&mut self, run: &Run<A>) -> Vec<Judgement> {
        match self {
            Some(observer) => observer.judge(run),
            None => Vec::new(),
        }
    }
}

/// Observes nothing.
impl<A> Observer<A> for () {
    fn on_interval(&mut self, _: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        ControlFlow::Continue(())
    }
}

/// Every member sees every snapshot; the first that breaks gives the reason.
/// The run starts when all are ready, at the latest instant that one names.
macro_rules! tuples {
    ($(($($name:ident $index:tt),*))*) => {$(
        impl<Agg, $($name: Observer<Agg>),*> Observer<Agg> for ($($name,)*) {
            fn on_interval(&mut self, snapshot: &Snapshot<'_, Agg>) -> ControlFlow<StopReason> {
                let mut flow = ControlFlow::Continue(());
                $(
                    let answer = self.$index.on_interval(snapshot);
                    if flow.is_continue() {
                        flow = answer;
                    }
                )*
                flow
            }
            fn on_ready(&mut self) -> BoxFuture<'_, Option<Instant>> {
                Box::pin(async move {
                    let mut start = None;
                    $(start = start.max(self.$index.on_ready().await);)*
                    start
                })
            }
            fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<StopReason> {
                $(
                    if let Poll::Ready(reason) = self.$index.poll_stop(cx) {
                        return Poll::Ready(reason);
                    }
                )*
                Poll::Pending
            }
            fn judge(&mut self, run: &Run<Agg>) -> Vec<Judgement> {
                let mut judgements = Vec::new();
                $(judgements.extend(self.$index.judge(run));)*
                judgements
            }
        }
    )*};
}

tuples! {
    (O1 0)
    (O1 0, O2 1)
    (O1 0, O2 1, O3 2)
    (O1 0, O2 1, O3 2, O4 3)
    (O1 0, O2 1, O3 2, O4 3, O5 4)
    (O1 0, O2 1, O3 2, O4 3, O5 4, O6 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Says(Option<&'static str>, u32);

    impl Observer<()> for Says {
        fn on_interval(&mut self, _: &Snapshot<'_, ()>) -> ControlFlow<StopReason> {
            self.1 += 1;
            match self.0 {
                Some(why) => ControlFlow::Break(StopReason::Observer(why.into())),
                None => ControlFlow::Continue(()),
            }
        }
    }

    #[test]
    fn a_tuple_asks_every_member_and_keeps_the_first_reason() {
        let mut observers = (Says(None, 0), Says(Some("a"), 0), Says(Some("b"), 0));
        let flow = observers.on_interval(&Snapshot::new("x", Duration::ZERO, &(), &()));
        assert_eq!(flow, ControlFlow::Break(StopReason::Observer("a".into())));
        assert_eq!((observers.0.1, observers.1.1, observers.2.1), (1, 1, 1));
    }
}
