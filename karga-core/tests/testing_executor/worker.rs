//! What each of the reference's workers does.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use karga_core::{Action, Aggregate, Iteration, Merge, Panicked, Sample};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    fault::Fault,
    reference::{Drive, Reference, due, ms},
};

/// What the workers share.
pub(crate) struct Shared<A> {
    pub(crate) reference: Reference,
    pub(crate) t0: Instant,
    pub(crate) next: AtomicU64,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) books: Mutex<Books<A>>,
}

pub(crate) struct Books<A> {
    pub(crate) interval: A,
    /// The same once more, if the aggregate cannot be copied.
    pub(crate) twice: Option<A>,
    pub(crate) begun: u64,
    pub(crate) completed: u64,
    pub(crate) lost: u64,
    pub(crate) last_end: Duration,
    pub(crate) latest_due: Duration,
    /// What is kept without a bound, where that is the fault.
    pub(crate) kept: Vec<Box<dyn Any + Send>>,
}

impl<A> Shared<A> {
    pub(crate) async fn work<X>(self: Arc<Self>, user: u64, action: X)
    where
        X: Action,
        A: Aggregate<X::Metric>,
    {
        let is = |fault| self.reference.is(fault);
        let mut stop = self.stop.clone();
        let mut own = 0;
        let warm = (self.reference.warm_up.unwrap_or_default().as_millis() / 10) as u64;
        if self.reference.drive != Drive::Open {
            sleep_until(self.t0).await;
        }
        loop {
            if *stop.borrow() {
                break;
            }
            let n = self.next.fetch_add(1, Ordering::SeqCst);
            let claimed = self.t0.elapsed();
            if n >= self.reference.arrivals() {
                break;
            }
            let planned = match self.reference.drive {
                Drive::Open => due(n),
                Drive::Closed if own > 0 => claimed + ms(9),
                Drive::Closed => Duration::ZERO,
                Drive::Paced => ms(80 * own + 10 * user),
            };
            own += 1;
            let begins = match self.reference.fault {
                Fault::Early => planned.saturating_sub(ms(5)),
                Fault::LateByTwo => planned + ms(2),
                _ => planned,
            };
            tokio::select! {
                biased;
                _ = stop.changed() => break,
                () = sleep_until(self.t0 + begins) => {}
            }
            let start = self.t0.elapsed();
            let due = match (self.reference.fault, self.reference.drive) {
                (Fault::ClosedDueRounded, _) => ms(start.as_millis() as u64 / 50 * 50),
                (Fault::DueIsStart, _) | (_, Drive::Closed) => start,
                (Fault::DueShifted, _) => planned.saturating_sub(ms(1)),
                _ => planned,
            };
            let n = n + warm;
            let index = if is(Fault::IndexTwice) && n == 8 {
                7
            } else {
                n
            };
            let shown = if is(Fault::WrongUser) { 0 } else { user };
            let iteration = Iteration::new(index, shown, due);
            {
                let mut books = self.books.lock().unwrap();
                books.begun += 1;
                books.latest_due = books.latest_due.max(due);
                if is(Fault::ForkForEach) {
                    let fork = books.interval.fork();
                    books.kept.push(Box::new(fork));
                }
            }
            let metric = if is(Fault::PanicThrough) {
                Ok(action.call(iteration).await)
            } else if is(Fault::FuturesKept) {
                let mut future = match catch_unwind(AssertUnwindSafe(|| action.call(iteration))) {
                    Ok(future) => Box::pin(future),
                    Err(_) => {
                        self.record::<X::Metric>(
                            iteration,
                            start,
                            self.t0.elapsed(),
                            Err(String::new()),
                        );
                        continue;
                    }
                };
                let metric = caught_in(future.as_mut()).await;
                // It is never dropped.
                std::mem::forget(future);
                metric
            } else {
                caught(|| action.call(iteration)).await
            };
            let ends_worker = metric.is_err() && is(Fault::PanicEndsWorker);
            let start = if is(Fault::StartAtClaim) {
                claimed
            } else {
                start
            };
            let end = self.t0.elapsed()
                + if is(Fault::EndLate) {
                    ms(1)
                } else {
                    Duration::ZERO
                };
            self.record(iteration, start, end, metric);
            if ends_worker {
                break;
            }
        }
    }

    fn record<M>(
        &self,
        iteration: Iteration,
        start: Duration,
        end: Duration,
        metric: Result<M, String>,
    ) where
        A: Aggregate<M>,
        M: Send + 'static,
    {
        let is = |fault| self.reference.is(fault);
        let mut books = self.books.lock().unwrap();
        let books = &mut *books;
        books.last_end = books.last_end.max(self.t0.elapsed());
        let mut sample = None;
        let recorded = catch_unwind(AssertUnwindSafe(|| {
            let targets = [Some(&mut books.interval), books.twice.as_mut()];
            match metric {
                Err(_) if is(Fault::PanicNotRecorded) => {}
                Err(_) => {
                    for target in targets.into_iter().flatten() {
                        target.record_panic(&Sample::new(iteration, start, end, Panicked::new()));
                    }
                }
                Ok(_) if is(Fault::SampleLost) && iteration.index == 77 => {}
                Ok(metric) => {
                    let sample = sample.insert(Sample::new(iteration, start, end, metric));
                    for target in targets.into_iter().flatten() {
                        target.record(sample);
                        if is(Fault::SampleTwice) && iteration.index == 77 {
                            target.record(sample);
                        }
                    }
                }
            }
        }));
        if let Some(sample) = sample
            && is(Fault::SamplesHeldBack)
        {
            books.kept.push(Box::new(sample.metric));
        }
        match recorded {
            Ok(()) => books.completed += 1,
            Err(_) if is(Fault::AggregatePanicCompleted) => {
                books.completed += 1;
                books.lost += 1;
            }
            Err(panic) if is(Fault::AggregatePanicThrough) => std::panic::resume_unwind(panic),
            Err(_) => books.lost += 1,
        }
    }

    /// Takes out what was recorded; gives the interval.
    pub(crate) fn collect(&self, total: &mut A, fresh: A, twice: Option<A>) -> A
    where
        A: Merge,
    {
        let mut books = self.books.lock().unwrap();
        let interval = std::mem::replace(&mut books.interval, fresh);
        let second = std::mem::replace(&mut books.twice, twice);
        drop(books);
        match interval.duplicate().or(second) {
            Some(copy) if self.reference.is(Fault::ApartInResult) => {
                let mut apart = total.fork_apart();
                apart.merge(copy);
                total.merge(apart);
            }
            Some(copy) => total.merge(copy),
            None => {}
        }
        interval
    }
}

/// Runs a future; a panic becomes its message.
pub(crate) async fn caught<F: Future>(make: impl FnOnce() -> F) -> Result<F::Output, String> {
    let future = catch_unwind(AssertUnwindSafe(make)).map_err(|_| "a panic".to_owned())?;
    caught_in(pin!(future)).await
}

async fn caught_in<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, String> {
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err("a panic".to_owned())),
        },
    )
    .await
}
