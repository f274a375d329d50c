use std::time::{Duration, Instant};

use crate::BoxFuture;

/// The clock of the runtime that an executor runs on, and how to wait by it.
///
/// `karga-core` depends on no runtime, so the kit asks the test for one. The
/// clock must be *paused*: one that stands still while there is something to
/// do and jumps to the next timer when there is not. So the kit can demand
/// exact times, and an hour of load takes a moment. The kit refuses one that
/// is not.
///
/// # Example
///
/// For tokio, whose clock is paused by `#[tokio::test(start_paused = true)]`:
///
/// ```
/// use std::time::{Duration, Instant};
/// use karga_core::{BoxFuture, testing::Clock};
///
/// struct TokioClock;
///
/// impl Clock for TokioClock {
///     fn now(&self) -> Instant { tokio::time::Instant::now().into_std() }
///     fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> { Box::pin(tokio::time::sleep(time)) }
/// }
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The instant that it is.
    fn now(&self) -> Instant;

    /// Waits for `time` from now.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
}
