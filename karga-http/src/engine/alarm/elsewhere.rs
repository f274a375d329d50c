//! Deadlines that are kept by a thread of their own.
//!
//! A runtime in which any timer is set works out, and has the kernel set, a timeout
//! whenever it goes to sleep: at rates that leave it idle between two requests, some 4 %
//! of all that a request of the lean engine costs. Deadlines are far away and seldom
//! come, so a second runtime keeps them, on a thread that sleeps until one does.
//!
//! This is nothing for what allocates much: glibc's allocator takes no locks in a
//! process that never had a second thread, and a request by reqwest would cost 3 % more.

use std::{
    future::pending,
    io,
    sync::{OnceLock, mpsc},
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    time::{Instant, Sleep},
};

/// A timer of the other runtime; one of this runtime if a test has paused its clock, or if
/// there is no other. A clock that is paused later does not hold that timer up.
pub(super) fn sleep_until(deadline: Instant) -> Sleep {
    let elsewhere = keeper().filter(|keeper| have_one_clock(keeper));
    let _entered = elsewhere.map(Handle::enter);
    tokio::time::sleep_until(deadline)
}

/// The runtime that keeps deadlines, started when the first is set.
fn keeper() -> Option<&'static Handle> {
    static KEEPER: OnceLock<Option<Handle>> = OnceLock::new();
    KEEPER.get_or_init(|| start().ok()).as_ref()
}

fn start() -> io::Result<Handle> {
    let (sender, started) = mpsc::sync_channel(1);
    // Built there: if the thread cannot be had, nothing is left to be dropped here, among
    // tasks, where a runtime must not be.
    let keep = move || match Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => {
            let _ = sender.send(Ok(runtime.handle().clone()));
            runtime.block_on(pending::<()>());
        }
        Err(error) => {
            let _ = sender.send(Err(error));
        }
    };
    thread::Builder::new()
        .name("karga-deadlines".to_owned())
        .spawn(keep)?;
    started.recv().map_err(io::Error::other)?
}

/// Whether this runtime's clock and the other's tell the same time.
fn have_one_clock(other: &Handle) -> bool {
    let before = Instant::now();
    let between = {
        let _entered = other.enter();
        Instant::now()
    };
    let after = Instant::now();
    before <= between && between <= after
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_timer_rings_that_another_runtime_keeps() {
        assert!(keeper().is_some_and(have_one_clock));
        let deadline = Instant::now() + Duration::from_millis(5);
        sleep_until(deadline).await;
        assert!(Instant::now() >= deadline);
    }

    /// Here it would take an hour, were it kept elsewhere.
    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_keeps_its_own() {
        let deadline = Instant::now() + Duration::from_secs(3600);
        sleep_until(deadline).await;
        assert!(Instant::now() >= deadline);
    }
}
