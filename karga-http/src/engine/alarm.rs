//! The deadline of a request, for less than the price of a timer per request.

mod elsewhere;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    task::coop::has_budget_remaining,
    time::{Instant, Sleep, sleep_until},
};

/// Rings when a deadline has passed.
///
/// Setting a timer and taking it back costs more than all else that a request
/// without I/O does. So one timer is kept from request to request; it rings at
/// the deadline of an earlier one, and is set anew only then.
#[derive(Debug)]
pub(crate) struct Alarm {
    deadline: Instant,
    /// Makes the timer.
    until: fn(Instant) -> Sleep,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whom the timer wakes.
    wakes: Option<Waker>,
}

impl Alarm {
    /// One whose timer the runtime keeps in which it is used.
    pub(crate) fn new() -> Self {
        Self::of(sleep_until)
    }

    /// One whose timer is kept elsewhere.
    pub(crate) fn kept_elsewhere() -> Self {
        Self::of(elsewhere::sleep_until)
    }

    fn of(until: fn(Instant) -> Sleep) -> Self {
        Self {
            deadline: Instant::now(),
            until,
            sleep: None,
            wakes: None,
        }
    }

    /// Rings after this time from now, and tells when that is.
    #[inline]
    pub(crate) fn start(&mut self, after: Duration) -> Instant {
        let now = Instant::now();
        self.deadline = now + after;
        now
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let (Some(sleep), Some(wakes)) = (&self.sleep, &self.wakes)
            && wakes.will_wake(cx.waker())
            && sleep.deadline() <= self.deadline
            && !sleep.is_elapsed()
        {
            return Poll::Pending; // it is set, by an earlier request as a rule
        }
        self.set(cx)
    }

    /// Sets the timer, unless the deadline has passed.
    fn set(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.wakes = None;
        let (deadline, until) = (self.deadline, self.until);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(until(deadline)));
        loop {
            if sleep.deadline() > deadline {
                sleep.as_mut().reset(deadline);
            }
            match sleep.as_mut().poll(cx) {
                // Where there is always something to read, a task comes here only when
                // its share is used up, and then the timer tells nothing.
                Poll::Pending if !has_budget_remaining() => {
                    let passed = Instant::now() >= deadline;
                    return if passed {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    };
                }
                Poll::Pending => {
                    self.wakes = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(()) if sleep.deadline() >= deadline => return Poll::Ready(()),
                // It was set for an earlier request.
                Poll::Ready(()) => sleep.as_mut().reset(deadline),
            }
        }
    }

    /// What the future gives, unless the deadline passes first.
    pub(crate) async fn within<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => self.poll(cx).map(|()| None),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::task::coop::poll_proceed;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// As is a connection that always has bytes: it pauses only because it has to.
    #[tokio::test(start_paused = true)]
    async fn it_rings_where_work_never_pauses() {
        let mut alarm = Alarm::new();
        alarm.start(Duration::ZERO);
        let busy = async {
            loop {
                tokio::task::coop::consume_budget().await;
            }
        };
        assert_eq!(alarm.within(busy).await, None::<()>);
    }

    /// A timer that was asked for when the task's share was used up is not set.
    #[tokio::test(start_paused = true)]
    async fn it_rings_although_it_was_set_without_budget() {
        let mut alarm = Alarm::new();
        alarm.start(SECOND);
        let mut spent = false;
        let work = std::future::poll_fn(|cx| {
            while !spent && has_budget_remaining() {
                if let Poll::Ready(share) = poll_proceed(cx) {
                    share.made_progress();
                }
            }
            spent = true;
            Poll::<()>::Pending
        });
        assert_eq!(alarm.within(work).await, None);
    }

    async fn rings_after(alarm: &mut Alarm, after: Duration) {
        let start = Instant::now();
        alarm.start(after);
        assert_eq!(alarm.within(pending::<()>()).await, None);
        let late = start.elapsed() - after;
        assert!(late <= Duration::from_millis(1), "{late:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_the_deadline_whatever_was_set_before() {
        let mut alarm = Alarm::new();
        rings_after(&mut alarm, 3 * SECOND).await;
        rings_after(&mut alarm, 30 * SECOND).await;
        // Left standing by requests that were answered in time.
        for after in [60, 40, 50] {
            alarm.start(after * SECOND);
            let answered = alarm.within(tokio::time::sleep(SECOND)).await;
            assert!(answered.is_some());
        }
        rings_after(&mut alarm, 2 * SECOND).await;
        alarm.start(5 * SECOND);
        assert!(alarm.within(tokio::time::sleep(SECOND)).await.is_some());
        // The timer of the request before rings in between.
        rings_after(&mut alarm, 90 * SECOND).await;
    }
}
