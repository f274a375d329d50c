use std::time::Duration;

/// What happens in a run, on the kit's side.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    /// What the kit does, in a person's words.
    pub(super) when: &'static str,
    /// How long a call takes.
    pub(super) service: Duration,
    /// How long a user takes to connect.
    pub(super) connect: Duration,
    /// How long the observer waits before it is ready.
    pub(super) ready_after: Duration,
    /// How far ahead of that it sets the start.
    pub(super) start_ahead: Option<Duration>,
    /// Whether the aggregate can be copied.
    pub(super) copies: bool,
    pub(super) fails: Option<Fails>,
    pub(super) calls: Calls,
    pub(super) aggregate_panics: bool,
    pub(super) stop: Option<Stop>,
}

/// What of the scenario fails or panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fails {
    Setup {
        panics: bool,
    },
    /// Connecting this user.
    Connect {
        user: u64,
        panics: bool,
    },
    Teardown {
        panics: bool,
    },
}

/// How calls go, by their number from 0 in the order in which they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Calls {
    /// Each takes the service time.
    #[default]
    Plain,
    /// Those in this range take this long, and the others the service time.
    Stall { from: u64, to: u64, time: Duration },
    /// Every fifth panics before there is a future, or after the service time.
    Panic,
    /// This one never ends.
    Hang { call: u64 },
}

/// When the observer stops the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// At the first interval.
    AtInterval,
    /// This long after t0.
    After(Duration),
}

/// What is said by everything that the kit lets fail, so that it can be found
/// again.
pub(super) const MARK: &str = "the conformance kit's own";
