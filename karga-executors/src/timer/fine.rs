//! Two timerfds for all workers of a run, set to the two earliest deadlines
//! among them. A task of its own waits for the timers and wakes the workers that
//! are due, so that a run needs two file descriptors however many workers it has.
//!
//! One timer would do. But to set it to a deadline that comes before all others
//! of the core, the kernel has to program the interrupt of the clock, which on a
//! virtual machine costs ten times the rest of the system call. When a timer
//! expires the kernel programs that interrupt anyway, for what comes next: with
//! a timer that is set one deadline ahead, nothing is left for us to program.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    future::poll_fn,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use tokio::task::AbortHandle;

use super::fd::TimerFd;

#[derive(Debug)]
pub(crate) struct FineTimer {
    shared: Arc<Shared>,
    driver: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    timers: [TimerFd; TIMERS],
    queue: Mutex<Queue>,
}

/// How many timers there are.
const TIMERS: usize = 2;

/// A deadline and its worker.
type Entry = (Instant, usize);

#[derive(Debug)]
struct Queue {
    /// The earliest deadlines, each with the timer that is armed for it.
    armed: [Option<Entry>; TIMERS],
    /// Those after them, the earliest first.
    later: BinaryHeap<Reverse<Entry>>,
    /// Whom to wake, for each worker.
    wakers: Vec<Option<Waker>>,
}

impl FineTimer {
    pub(crate) fn new(workers: u64) -> io::Result<Self> {
        let workers = usize::try_from(workers).unwrap_or(usize::MAX);
        let shared = Arc::new(Shared {
            timers: [TimerFd::new()?, TimerFd::new()?],
            queue: Mutex::new(Queue {
                armed: [None; TIMERS],
                later: BinaryHeap::new(),
                wakers: vec![None; workers],
            }),
        });
        let driver = tokio::spawn(drive(Arc::clone(&shared))).abort_handle();
        Ok(Self { shared, driver })
    }

    pub(crate) fn wait(&self, worker: u64) -> Wait {
        Wait {
            shared: Arc::clone(&self.shared),
            worker: usize::try_from(worker).unwrap_or(usize::MAX),
            waiting: false,
        }
    }
}

impl Drop for FineTimer {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Wakes the workers that are due, for ever.
async fn drive(shared: Arc<Shared>) {
    let mut due = Vec::new();
    // An error is the runtime's shutdown.
    while let Ok(expired) = poll_fn(|cx| shared.poll_expired(cx)).await {
        shared.expire(expired, &mut due);
        due.drain(..).for_each(Waker::wake);
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a deadline into the queue, and arms a timer for it if it is among
    /// the earliest.
    fn add(&self, queue: &mut Queue, entry: Entry) {
        let Queue { armed, later, .. } = queue;
        let free = armed.iter().position(Option::is_none);
        let last = (0..TIMERS).max_by_key(|&timer| armed[timer]);
        let timer = free.or(last).expect("invariant: there are timers");
        if armed[timer].is_some_and(|other| other <= entry) {
            later.push(Reverse(entry));
        } else {
            later.extend(armed[timer].replace(entry).map(Reverse));
            self.timers[timer].set(entry.0);
        }
    }

    /// Ready when timers have expired, and which.
    fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<io::Result<[bool; TIMERS]>> {
        let mut expired = [false; TIMERS];
        for (timer, expired) in self.timers.iter().zip(&mut expired) {
            *expired = timer.poll_expired(cx)?.is_ready();
        }
        if expired.contains(&true) {
            Poll::Ready(Ok(expired))
        } else {
            Poll::Pending
        }
    }

    /// Takes the workers that are due out of the queue, and arms the timers for
    /// what comes next.
    fn expire(&self, expired: [bool; TIMERS], due: &mut Vec<Waker>) {
        let mut queue = self.queue();
        let Queue {
            armed,
            later,
            wakers,
        } = &mut *queue;
        let now = Instant::now();
        for (timer, expired) in expired.into_iter().enumerate() {
            match armed[timer] {
                Some((deadline, worker)) if deadline <= now => {
                    due.extend(wakers[worker].take());
                    armed[timer] = None;
                }
                // It was armed for something else while it expired.
                Some((deadline, _)) if expired => self.timers[timer].set(deadline),
                _ => {}
            }
        }
        while let Some(Reverse((deadline, worker))) = later.peek().copied() {
            if deadline <= now {
                due.extend(wakers[worker].take());
            } else if let Some(timer) = armed.iter().position(Option::is_none) {
                armed[timer] = Some((deadline, worker));
                self.timers[timer].set(deadline);
            } else {
                break;
            }
            later.pop();
        }
    }
}

/// One worker's wait.
#[derive(Debug)]
pub(crate) struct Wait {
    shared: Arc<Shared>,
    worker: usize,
    /// Whether the deadline is in the queue.
    waiting: bool,
}

impl Wait {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        // The clock is read under the lock: whoever takes the deadline out of the queue holds
        // it as well, so either the waker is there in time or the deadline is seen to be past.
        let mut queue = self.shared.queue();
        if Instant::now() >= deadline {
            self.waiting = false;
            return Poll::Ready(());
        }
        queue.wakers[self.worker] = Some(cx.waker().clone());
        if !self.waiting {
            self.waiting = true;
            self.shared.add(&mut queue, (deadline, self.worker));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    /// Deadlines come in no order, several at one time, and before others that
    /// the timers are armed for.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_worker_is_woken_and_none_early() {
        const WORKERS: u64 = 9;
        const FAR: Duration = Duration::from_secs(3600);
        let timer = FineTimer::new(WORKERS).unwrap();
        let begin = Instant::now();
        let waits = |deadline: Instant, mut wait: Wait| async move {
            poll_fn(|cx| wait.poll(cx, deadline)).await;
            assert!(Instant::now() >= deadline);
            wait
        };
        // Nobody waits for them any more, and they stay in the queue.
        for worker in 0..2 {
            let left = waits(begin + FAR, timer.wait(worker));
            assert!(tokio::time::timeout(Duration::ZERO, left).await.is_err());
        }
        let (sender, woken) = mpsc::channel();
        for worker in 0..WORKERS {
            let (mut wait, sender) = (timer.wait(worker), sender.clone());
            tokio::spawn(async move {
                for round in 0..20 {
                    let millis = (WORKERS - worker) * 7 % 5 + round;
                    wait = waits(begin + Duration::from_millis(millis), wait).await;
                }
                sender.send(worker).unwrap();
            });
        }
        drop(sender);
        let all = tokio::task::spawn_blocking(move || woken.iter().count() as u64);
        let all = tokio::time::timeout(Duration::from_secs(60), all).await;
        assert_eq!(all.unwrap().unwrap(), WORKERS);
        let queue = timer.shared.queue();
        assert_eq!(queue.armed.iter().flatten().count() + queue.later.len(), 2);
    }

    /// A wait that was given up leaves its deadline in the queue, and when that
    /// comes, it takes the waker of the worker's next wait.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_deadline_that_was_left_takes_nobody_elses_wake() {
        const WORKERS: u64 = 8;
        const WAITS: u64 = 10_000;
        let timer = FineTimer::new(WORKERS).unwrap();
        let waits = (0..WORKERS).map(|worker| {
            let mut wait = timer.wait(worker);
            tokio::spawn(async move {
                for n in 0..WAITS {
                    // All short, and in no order.
                    let nanos = (n + worker).wrapping_mul(7_919) % 20_000;
                    let deadline = Instant::now() + Duration::from_nanos(nanos);
                    if n % 20 == 0 {
                        let left = poll_fn(|cx| Poll::Ready(wait.poll(cx, deadline)));
                        let _ = left.await;
                        wait.waiting = false;
                        continue;
                    }
                    poll_fn(|cx| wait.poll(cx, deadline)).await;
                }
            })
        });
        let waits: Vec<_> = waits.collect();
        for wait in waits {
            let ended = tokio::time::timeout(Duration::from_secs(60), wait).await;
            ended.expect("nobody is forgotten").unwrap();
        }
    }
}
