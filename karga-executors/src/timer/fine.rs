//! One timerfd for all workers of a run, set to the earliest deadline among
//! them. A task of its own waits for the timer and wakes the workers that are
//! due, so that a run needs one file descriptor however many workers it has.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    task::AbortHandle,
};

#[derive(Debug)]
pub(crate) struct FineTimer {
    shared: Arc<Shared>,
    driver: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    fd: AsyncFd<OwnedFd>,
    /// The same moment on both clocks: `Instant` and CLOCK_MONOTONIC, which
    /// tick alike.
    base: (Instant, Timespec),
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    /// Deadlines and their workers, the earliest first.
    deadlines: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Whom to wake, for each worker.
    wakers: Vec<Option<Waker>>,
}

impl FineTimer {
    pub(crate) fn new(workers: u64) -> io::Result<Self> {
        let fd = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let workers = usize::try_from(workers).unwrap_or(usize::MAX);
        #[expect(
            deprecated,
            reason = "sound for an `OwnedFd`; what replaces it is unsafe code"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        let shared = Arc::new(Shared {
            fd,
            base: (Instant::now(), clock_gettime(ClockId::Monotonic)),
            queue: Mutex::new(Queue {
                deadlines: BinaryHeap::new(),
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
    loop {
        match shared.fd.readable().await {
            // The timer is not read: setting it anew takes the expiry back.
            Ok(mut ready) => ready.clear_ready(),
            // The runtime shuts down.
            Err(_) => return,
        }
        {
            let mut queue = shared.queue();
            let now = Instant::now();
            while let Some(Reverse((deadline, worker))) = queue.deadlines.peek().copied() {
                if deadline > now {
                    shared.set(deadline);
                    break;
                }
                queue.deadlines.pop();
                due.extend(queue.wakers[worker].take());
            }
        }
        due.drain(..).for_each(Waker::wake);
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the timer; a deadline that has passed fires at once.
    fn set(&self, deadline: Instant) {
        let (instant, monotonic) = self.base;
        let since = deadline.saturating_duration_since(instant);
        // Rounded up by the time between the two readings of the clocks.
        let value = Timespec::try_from(since)
            .ok()
            .and_then(|since| monotonic.checked_add(since))
            .unwrap_or(monotonic);
        let spec = Itimerspec {
            it_interval: Timespec::default(),
            it_value: value,
        };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &spec)
            .expect("invariant: an open timerfd takes every valid time");
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
        if Instant::now() >= deadline {
            self.waiting = false;
            return Poll::Ready(());
        }
        let mut queue = self.shared.queue();
        queue.wakers[self.worker] = Some(cx.waker().clone());
        if !self.waiting {
            self.waiting = true;
            let earliest = queue
                .deadlines
                .peek()
                .is_none_or(|Reverse((first, _))| deadline < *first);
            queue.deadlines.push(Reverse((deadline, self.worker)));
            if earliest {
                self.shared.set(deadline);
            }
        }
        Poll::Pending
    }
}
