//! When arrivals are due: pure arithmetic, with no clock and no runtime.
//!
//! A [`Schedule`] is the inverse of a cumulative arrival curve. The area under
//! the rate up to a time is the number of arrivals expected until then, and
//! arrival n (from 0) is due where that area is n:
//!
//! ```text
//! rate                                    A(t) = area under the rate up to t
//!   r1 ┤      ╭──────────╮                due(n): A(due(n)) = n
//!      │    ╱ ┊          ┊╲
//!      │  ╱   ┊   hold   ┊  ╲             on a ramp from r0 to r1 of length d,
//!   r0 ┤╱ramp ┊          ┊    ╲           k arrivals after its beginning:
//!      └──────┴──────────┴─────┴─▶ t      t = 2k / (r0 + sqrt(r0² + 2k(r1-r0)/d))
//! ```
//!
//! So the first arrival is due as soon as the rate is above zero, and as many
//! are planned as there are whole numbers below the whole area: 100/s for 10 s
//! are 1000 arrivals, at 0 s, 0.01 s, ... 9.99 s. After a pause at rate zero,
//! the next arrival is due when the rate rises again, not when it fell.
//!
//! Every due time is computed from n alone, in whole nanoseconds. Nothing is
//! accumulated, so there is no drift, and any process can compute any part of
//! the schedule: [`Schedule::slice`] shares one out among several generators.

mod builder;
mod curve;
mod poisson;
pub(crate) mod random;
mod slice;

use std::time::Duration;

pub use builder::{MAX_ARRIVALS, MAX_RATE, ScheduleBuilder, ScheduleError};
use curve::Curve;
use poisson::Poisson;
pub use slice::Slice;

/// A part of a schedule: the arrival rate moves linearly from the rate before
/// to [`rate`](Stage::rate), within [`duration`](Stage::duration).
///
/// A stage that ends at the rate of the one before is a hold, and a stage of
/// zero length is a jump. Whether the values make sense is checked when the
/// schedule is built.
///
/// ```
/// use std::time::Duration;
/// use karga_core::schedule::Stage;
///
/// let stages = [
///     Stage::new(Duration::from_secs(10), 100.0), // ramp from 0 to 100/s
///     Stage::new(Duration::from_secs(30), 100.0), // hold
///     Stage::new(Duration::ZERO, 500.0),          // jump
///     Stage::new(Duration::from_secs(5), 500.0),  // hold
/// ];
/// # let _ = stages;
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Stage {
    /// How long the stage lasts.
    pub duration: Duration,
    /// The arrival rate at its end, per second.
    pub rate: f64,
}

impl Stage {
    /// A stage of `duration` that ends at `rate` arrivals per second.
    pub const fn new(duration: Duration, rate: f64) -> Self {
        Self { duration, rate }
    }
}

/// How arrivals are spread under the rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Arrivals {
    /// Evenly: at a constant rate, all gaps are equal. The default.
    #[default]
    Uniform,
    /// At random and independent of each other, as many people are who know
    /// nothing of each other: a Poisson process whose intensity is the rate.
    /// The count is random too; the same seed gives the same arrivals, on
    /// every machine and in every version of this crate.
    Poisson {
        /// Which of the random schedules.
        seed: u64,
    },
}

/// The times at which arrivals are due; see the [module](self) for the curve.
///
/// ```
/// use std::time::Duration;
/// use karga_core::schedule::{Schedule, Stage};
///
/// let schedule = Schedule::builder()
///     .start_rate(100.0)
///     .stages([Stage::new(Duration::from_secs(10), 100.0)])
///     .build()?;
/// assert_eq!(schedule.len(), 1000);
/// assert_eq!(schedule.due(25), Some(Duration::from_millis(250)));
/// assert_eq!(schedule.due(1000), None);
/// # Ok::<(), karga_core::schedule::ScheduleError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Schedule {
    curve: Curve,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Uniform { len: u64 },
    Poisson(Poisson),
}

#[expect(
    clippy::len_without_is_empty,
    reason = "a schedule without arrivals cannot be built"
)]
impl Schedule {
    /// Starts to describe a schedule.
    pub fn builder() -> ScheduleBuilder {
        ScheduleBuilder::default()
    }

    /// When arrival `n`, from 0, is due, since the start; `None` beyond the
    /// last. Never decreases with `n`.
    ///
    /// Uniform arrivals cost some nanoseconds. Poisson arrivals cost some
    /// microseconds, because a whole block of them is drawn: who needs many in
    /// a row asks for a [`block`](Schedule::block).
    #[inline]
    pub fn due(&self, n: u64) -> Option<Duration> {
        match &self.kind {
            Kind::Uniform { len } => {
                (n < *len).then(|| Duration::from_nanos(self.curve.time_at(n as f64)))
            }
            Kind::Poisson(poisson) => poisson.block(&self.curve, n)?.due(n),
        }
    }

    /// How many arrivals are planned; at least one. For Poisson arrivals this
    /// is the count that was drawn, not the one expected.
    pub fn len(&self) -> u64 {
        match &self.kind {
            Kind::Uniform { len } => *len,
            Kind::Poisson(poisson) => poisson.len(),
        }
    }

    /// How long all stages last together.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.curve.end())
    }

    /// How arrivals are spread.
    pub fn arrivals(&self) -> Arrivals {
        match &self.kind {
            Kind::Uniform { .. } => Arrivals::Uniform,
            Kind::Poisson(poisson) => Arrivals::Poisson {
                seed: poisson.seed(),
            },
        }
    }

    /// The rate at `t`, per second: at a jump the rate after it, and zero from
    /// the end on.
    pub fn rate_at(&self, t: Duration) -> f64 {
        self.curve.rate_at(nanos(t))
    }

    /// The area under the rate up to `t`: the number of arrivals expected.
    pub fn cumulative(&self, t: Duration) -> f64 {
        self.curve.area_at(nanos(t))
    }

    /// How many arrivals are due at `t` or before: the number of all `n` with
    /// `due(n) <= t`, exactly.
    pub fn count_until(&self, t: Duration) -> u64 {
        let t = nanos(t);
        match &self.kind {
            Kind::Uniform { len } => {
                let due = |n: u64| self.curve.time_at(n as f64);
                // Off by one or two at most, where due times were rounded.
                let mut count = (self.curve.area_at(t) as u64 + 1).min(*len);
                while count > 0 && due(count - 1) > t {
                    count -= 1;
                }
                while count < *len && due(count) <= t {
                    count += 1;
                }
                count
            }
            Kind::Poisson(poisson) => poisson.count_until(&self.curve, t),
        }
    }

    /// A run of successive arrivals that contains arrival `n`; `None` beyond
    /// the last. It makes many due times in a row cheap where they are random.
    pub fn block(&self, n: u64) -> Option<Block> {
        match &self.kind {
            Kind::Uniform { len } => {
                if n >= *len {
                    return None;
                }
                let first = n - n % UNIFORM_BLOCK;
                let due = (first..len.saturating_sub(first).min(UNIFORM_BLOCK) + first)
                    .map(|n| self.curve.time_at(n as f64))
                    .collect();
                Some(Block { first, due })
            }
            Kind::Poisson(poisson) => poisson.block(&self.curve, n),
        }
    }

    /// The share of generator `index` out of `of`: every arrival n with
    /// n mod `of` = `index`. The slices together are exactly the schedule.
    ///
    /// # Errors
    ///
    /// If `index` is not below `of`, or if the slice has no arrival at all.
    pub fn slice(&self, index: u64, of: u64) -> Result<Slice, ScheduleError> {
        Slice::new(self.clone(), index, of)
    }
}

const UNIFORM_BLOCK: u64 = 128;

/// Successive arrivals and their due times; from [`Schedule::block`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    first: u64,
    /// In nanoseconds, never decreasing.
    due: Vec<u64>,
}

impl Block {
    /// The number of the first arrival in it.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number after the last arrival in it.
    pub fn end(&self) -> u64 {
        self.first + self.due.len() as u64
    }

    /// When arrival `n` of the schedule is due, if it is in this block.
    pub fn due(&self, n: u64) -> Option<Duration> {
        let at = usize::try_from(n.checked_sub(self.first)?).ok()?;
        self.due.get(at).map(|nanos| Duration::from_nanos(*nanos))
    }
}

/// A schedule lasts less than `u64::MAX` ns, so that what is beyond is after
/// its end either way.
fn nanos(t: Duration) -> u64 {
    u64::try_from(t.as_nanos()).unwrap_or(u64::MAX)
}
