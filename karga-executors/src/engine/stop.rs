use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

/// Tells users not to begin anything any more.
#[derive(Debug)]
pub(crate) struct Stop {
    set: AtomicBool,
    /// Those who wait for an arrival to be due, one place for each user.
    waiting: Box<[Mutex<Option<Waker>>]>,
}

impl Stop {
    pub(crate) fn new(users: u64) -> Self {
        Self {
            set: AtomicBool::new(false),
            waiting: (0..users).map(|_| Mutex::default()).collect(),
        }
    }

    /// Stops. When this returns, a user that looks at the clock and then at
    /// the flag sees the flag.
    pub(crate) fn stop(&self) {
        self.set.store(true, Ordering::SeqCst);
        for place in &self.waiting {
            let waker = place.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::SeqCst)
    }

    /// Has `waker` called at the stop.
    pub(crate) fn call(&self, user: u64, waker: &Waker) {
        let place = usize::try_from(user)
            .ok()
            .and_then(|at| self.waiting.get(at));
        if let Some(place) = place {
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *place {
                Some(known) if known.will_wake(waker) => {}
                place => *place = Some(waker.clone()),
            }
        }
    }
}
