//! How someone waits, without a runtime, for another thread to get somewhere.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// A promise and the future that it completes.
pub(super) fn promise() -> (Promise, Promised) {
    let state = Arc::<Mutex<State>>::default();
    (Promise(Arc::clone(&state)), Promised(state))
}

/// Kept when it is dropped: so also if the thread that has it ends, and if it
/// lies in a queue that nobody reads any more.
pub(super) struct Promise(Arc<Mutex<State>>);

/// Ready when the promise is kept.
pub(super) struct Promised(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    kept: bool,
    waker: Option<Waker>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Promise {
    fn drop(&mut self) {
        let waker = {
            let mut state = lock(&self.0);
            state.kept = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Promised {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.kept {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_kept_by_whoever_drops_it() {
        let (promise, promised) = promise();
        let thread = std::thread::spawn(move || drop(promise));
        promised.await;
        assert!(thread.join().is_ok());
    }

    #[test]
    fn until_then_it_is_pending() {
        let (promise, mut promised) = promise();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut promised).poll(&mut cx).is_pending());
        drop(promise);
        assert!(Pin::new(&mut promised).poll(&mut cx).is_ready());
    }
}
