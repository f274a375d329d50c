//! The seam for executors of the open model: arrivals that come when they are
//! due, whatever the target does.
//!
//! An executor of that kind gives its due times as a [`Source`]; claiming,
//! waiting, overload, warm-up, the account and the life of the run come with
//! [`Open`](crate::open::Open):
//!
//! ```text
//! impl<S: Scenario> Executor<S> for MyExecutor {
//!     type Error = ExecuteError<S::Error>;
//!     async fn execute<A, O>(&self, scenario: &S, aggregate: A, observer: &mut O)
//!         -> Result<Run<A>, Self::Error> where ...
//!     {
//!         let load = Open::new(self.source(), self.workers, self.overload, &self.settings);
//!         execute(load, &self.settings, &self.signal, scenario, aggregate, observer).await
//!     }
//! }
//! ```
//!
//! Its builder holds [`Settings`](crate::engine::Settings) in a field
//! `settings`, has the [`setters`](crate::engine::setters) of them, and calls
//! [`Settings::check`](crate::engine::Settings::check) and
//! [`Settings::check_arrivals`](crate::engine::Settings::check_arrivals) when it
//! builds.

use std::time::Duration;

/// Due times of arrivals, numbered from 0. Pure: no clock, no waiting.
///
/// All times count from the beginning of the run, the warm-up included, which
/// is cut off by whoever uses the source.
pub(crate) trait Source: Send + Sync + 'static {
    /// What a worker remembers from one arrival to the next, where due times
    /// cost something to find.
    type Memo: Default + Send;

    /// When arrival `k` is due; never less than for the one before. Only asked
    /// for `k` below [`len`](Source::len).
    fn due(&self, k: u64, memo: &mut Self::Memo) -> Duration;

    /// The [`Iteration::index`](karga_core::Iteration) of arrival `k`.
    fn index(&self, k: u64) -> u64;

    /// How many arrivals there are.
    fn len(&self) -> u64;

    /// How many are due at `t` or before: of all `k` those with
    /// `due(k) <= t`, exactly.
    fn count_until(&self, t: Duration) -> u64;

    /// The rate that is asked for at `t`, per second.
    fn rate_at(&self, t: Duration) -> f64;

    /// How long load is offered; not before the last arrival is due.
    fn duration(&self) -> Duration;
}
