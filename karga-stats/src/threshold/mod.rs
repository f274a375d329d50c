//! Conditions that a run must meet.

mod error;
mod evidence;
mod figure;
mod finding;
mod known;
mod limit;
mod number;
mod parse;
mod quantity;
mod reader;
mod set;
mod watch;
mod window;
pub(crate) mod words;

use std::{fmt, str::FromStr};

pub use error::{InvalidThreshold, ParseThresholdError};
use figure::What;
pub use figure::{Counted, Figure, Time};
pub use limit::{Comparison, Limit};
pub use set::Thresholds;

/// A condition that a run must meet: a figure compared with a limit.
///
/// # As text
///
/// ```text
/// p99(response_time) < 250ms        max(lateness) <= 1s      mean(service_time) < 20 ms
/// p99.9(response_time) < 1s         p50(step("connect")) < 5ms
/// failures < 1%                     unknown < 5              errors("timeout") < 0.1%
/// dropped == 0                      interrupted == 0         completed > 1000
/// achieved_rate > 95%               achieved_rate > 900/s
/// rate(messages) > 10k              rate(bytes_sent) > 10MB  rate(completed) > 900/s
/// count(retries) < 10               lag < 1000               max(lag) < 10k
/// p99(response_time){label="login"} < 250ms
/// ```
///
/// - Times are `response_time` (from the due time), `service_time` (from the
///   actual start), `lateness` and `step("name")`; they are judged by a
///   percentile (`p50`, `p99.9`), `mean`, `min` or `max` and need a unit: ns,
///   us (µs), ms, s, m (min).
/// - What is [counted](Counted) is judged as a count (k, M and G are thousands,
///   millions and billions) or, where it is a part of a whole, as a share in %.
///   Bytes need a unit: B, kB, MB, GB or, by 1024, KiB, MiB, GiB.
/// - `rate(...)` is what was counted, per second of the elapsed time.
/// - `achieved_rate` is the rate of completed iterations: as `/s`, or as a
///   share of the offered rate in %. That share is
///   `completed / planned * load time / (elapsed - the least service time)`,
///   at most all: the time that even the fastest answer takes after the last
///   arrival is nobody's fault, but for the rest of a queue is.
/// - `lag` is the latest that an iteration said, `max(lag)` the highest.
/// - `{label="..."}` restricts a figure to the iterations with that label, and to
///   the [parts](karga_core::Part) of iterations with it.
///
/// A unit that does not fit is refused, as is a condition that is always or
/// never true, such as `failures < 0`; `==` and `!=` are for what is counted.
///
/// # Typed
///
/// A constructor gives the [`Figure`], whose methods compare it:
///
/// ```
/// use std::time::Duration;
/// use karga_stats::{Counted, Threshold, Time};
///
/// let thresholds = [
///     Threshold::quantile(0.99, Time::Response).below(Duration::from_millis(250))?,
///     Threshold::mean(Time::step("connect")).at_most(Duration::from_millis(5))?,
///     Threshold::failures().label("login").below_share(0.01)?,
///     Threshold::dropped().exactly(0)?,
///     Threshold::rate(Counted::Messages).above_per_second(10_000.0)?,
///     Threshold::achieved_rate().above_share(0.95)?,
/// ];
/// // What is displayed can be read again.
/// for threshold in thresholds {
///     assert_eq!(threshold.to_string().parse::<Threshold>()?, threshold);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// See [`Thresholds`] for how a run is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    figure: Figure,
    comparison: Comparison,
    limit: Limit,
    abort: bool,
}

impl Threshold {
    /// The time that the share `q` (0 to 1) of the iterations do not exceed.
    pub fn quantile(q: f64, time: Time) -> Figure {
        // As for shares: 0.07 * 100 is a little more than 7.
        Figure::new(What::Quantile((q * 1e12).round() / 1e10 + 0.0, time))
    }

    /// The arithmetic mean of a time.
    pub const fn mean(time: Time) -> Figure {
        Figure::new(What::Mean(time))
    }

    /// The least that a time was.
    pub const fn min(time: Time) -> Figure {
        Figure::new(What::Min(time))
    }

    /// The greatest that a time was.
    pub const fn max(time: Time) -> Figure {
        Figure::new(What::Max(time))
    }

    /// How often something was counted.
    pub const fn counted(what: Counted) -> Figure {
        Figure::new(What::Counted(what))
    }

    /// Iterations that ran to their end, or their share of the planned.
    pub const fn completed() -> Figure {
        Self::counted(Counted::Completed)
    }

    /// Iterations that are known to have failed, or their share.
    pub const fn failures() -> Figure {
        Self::counted(Counted::Failures)
    }

    /// Iterations that may or may not have happened, or their share.
    pub const fn unknown() -> Figure {
        Self::counted(Counted::Unknown)
    }

    /// Iterations that ended with this class of error, or their share.
    pub fn errors(class: impl Into<String>) -> Figure {
        Self::counted(Counted::Errors(class.into()))
    }

    /// Arrivals that were let go as too late, or their share of the planned.
    pub const fn dropped() -> Figure {
        Self::counted(Counted::Dropped)
    }

    /// Arrivals that were not completed before the run ended, or their share
    /// of the planned.
    pub const fn interrupted() -> Figure {
        Self::counted(Counted::Interrupted)
    }

    /// What else happened inside the iterations, such as "retries".
    pub fn count(name: impl Into<String>) -> Figure {
        Self::counted(Counted::Count(name.into()))
    }

    /// How often something was counted, per second of the elapsed time.
    pub const fn rate(what: Counted) -> Figure {
        Figure::new(What::Rate(what))
    }

    /// Completed iterations per second, or their share of the offered rate.
    pub const fn achieved_rate() -> Figure {
        Figure::new(What::AchievedRate)
    }

    /// The lag that an iteration said last.
    pub const fn lag() -> Figure {
        Figure::new(What::Lag)
    }

    /// The highest lag that an iteration said.
    pub const fn max_lag() -> Figure {
        Figure::new(What::MaxLag)
    }

    /// Stops the run as soon as this one is missed over the window; see
    /// [`Thresholds`].
    pub const fn abort(mut self) -> Self {
        self.abort = true;
        self
    }

    /// What is compared.
    pub const fn figure(&self) -> &Figure {
        &self.figure
    }

    /// How it is compared.
    pub const fn comparison(&self) -> Comparison {
        self.comparison
    }

    /// What it is compared with.
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// Whether it stops the run by itself.
    pub const fn aborts(&self) -> bool {
        self.abort
    }

    /// The outcomes of iterations that may happen up to a limit, by this
    /// condition.
    pub(crate) fn tolerates(&self) -> Option<&Counted> {
        let is_bound = self.comparison.is_upper() || self.comparison == Comparison::Equal;
        match &self.figure {
            Figure {
                what: What::Counted(counted),
                label: None,
            } if is_bound => match counted {
                Counted::Failures | Counted::Unknown | Counted::Errors(_) => Some(counted),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit.text(self.figure.what.is_bytes());
        write!(f, "{} {} {limit}", self.figure, self.comparison)
    }
}

impl FromStr for Threshold {
    type Err = ParseThresholdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse::parse(text)
    }
}

/// A name in quotes, as it can be read again.
fn quote(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for c in name.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
