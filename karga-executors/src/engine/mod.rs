//! The life of a run, one piece of code for every executor: set up, connect,
//! t0, intervals, stop, grace time, account, tear down. What an executor adds
//! is a [`Load`]: which iterations there are, and when.

mod ledger;
mod life;
mod seat;
mod settings;
mod stop;
mod watch;

use std::{future::Future, ops::Range, time::Duration};

use karga_core::{Action, Aggregate, LoadModel};

#[cfg(test)]
pub(crate) use self::ledger::{Ledger, Legacy};
pub use self::settings::SettingsError;
pub(crate) use self::{
    life::execute,
    seat::{Arrival, Seat},
    settings::{Settings, setters},
};

/// The load of one run. All its times count from the beginning of the run,
/// which is t0 unless there is a warm-up.
///
/// An executor with arrivals of its own that do not depend on the target need
/// not implement this: it gives its due times as a
/// [`Source`](crate::source::Source).
pub(crate) trait Load: Send + Sync + Sized + 'static {
    /// What a user has not begun yet, or not any more, of what is its own. Its
    /// seat keeps it, so that nothing is lost however the user ends.
    type Rest: Send + 'static;

    /// How it is decided when an iteration is due.
    fn model(&self) -> LoadModel;

    /// How many users connect.
    fn users(&self) -> u64;

    /// When load ends.
    fn duration(&self) -> Duration;

    /// Whether a run lasts until then also when everything is done before.
    fn fills_its_time(&self) -> bool;

    /// The arrivals of the result, if they are known beforehand.
    fn arrivals(&self) -> Option<u64>;

    /// The rate that is asked for at `t`, per second; zero if none is.
    fn rate_at(&self, t: Duration) -> f64;

    /// How many arrivals are planned, if that is known beforehand; else as
    /// many as begin.
    fn planned(&self, until: Until) -> PerPhase<Option<u64>>;

    /// How many of those that are planned nobody has begun; asked at the end.
    fn unbegun(&self, until: Until, rests: &[Self::Rest]) -> PerPhase<u64>;

    /// What is to be said of a run that left so many iterations of the warm-up
    /// and the result without an end, of which `early` because their user had
    /// to go.
    fn remark(&self, until: Until, interrupted: u64, early: u64) -> Option<String> {
        let _ = (until, interrupted, early);
        None
    }

    /// Whether something is left that no user has taken.
    fn remains(&self) -> bool;

    /// What a user has at the beginning.
    fn rest(&self, user: u64) -> Self::Rest;

    /// What one user does, to the end of the load or to the stop.
    fn work<X, A>(action: X, seat: Seat<A, Self>) -> impl Future<Output = ()> + Send
    where
        X: Action,
        A: Aggregate<X::Metric>;
}

/// Until when arrivals were due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Until {
    /// `None` if the run ended before it began.
    pub(crate) time: Option<Duration>,
    pub(crate) end: End,
}

/// Why no arrival was due after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The run goes on.
    NotYet,
    /// It was stopped.
    Stop,
    /// Everything is done, or the time of the load is over.
    Over,
}

impl Until {
    pub(crate) const fn over(time: Duration) -> Self {
        Self {
            time: Some(time),
            end: End::Over,
        }
    }
}

/// To what an iteration belongs, by the time at which it was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    WarmUp,
    Result,
}

/// Something for the warm-up, and for the result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PerPhase<T> {
    pub(crate) warm_up: T,
    pub(crate) result: T,
}

impl<T> PerPhase<T> {
    pub(crate) const fn new(warm_up: T, result: T) -> Self {
        Self { warm_up, result }
    }

    #[inline]
    pub(crate) fn of(&mut self, phase: Phase) -> &mut T {
        match phase {
            Phase::WarmUp => &mut self.warm_up,
            Phase::Result => &mut self.result,
        }
    }
}

impl PerPhase<u64> {
    /// How many of the arrivals numbered so lie before number `first` of the
    /// result, and how many do not.
    pub(crate) fn split(arrivals: &Range<u64>, first: u64) -> Self {
        let at = first.clamp(arrivals.start, arrivals.end.max(arrivals.start));
        Self::new(at - arrivals.start, arrivals.end.saturating_sub(at))
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.warm_up += other.warm_up;
        self.result += other.result;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_belong_to_the_warm_up_or_to_the_result() {
        for (range, first, expected) in [
            (3..7, 0, (0, 4)),
            (3..7, 3, (0, 4)),
            (3..7, 5, (2, 2)),
            (3..7, 7, (4, 0)),
            (3..7, 9, (4, 0)),
            (5..5, 5, (0, 0)),
            #[expect(clippy::reversed_empty_ranges, reason = "nothing is left")]
            (7..3, 5, (0, 0)),
        ] {
            let split = PerPhase::split(&range, first);
            assert_eq!((split.warm_up, split.result), expected, "{range:?}");
        }
    }
}
