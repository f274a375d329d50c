use std::fmt;

use super::{Comparison, InvalidThreshold, Limit, Threshold, quote};

/// A time of which every iteration has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Time {
    /// From the due time to the end: `response_time`, the headline.
    Response,
    /// From the actual start to the end: `service_time`.
    Service,
    /// From the due time to the actual start: `lateness`.
    Lateness,
    /// A named step inside the iterations: `step("connect")`.
    Step(String),
}

impl Time {
    /// The step of this name.
    pub fn step(name: impl Into<String>) -> Self {
        Self::Step(name.into())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response => f.write_str("response_time"),
            Self::Service => f.write_str("service_time"),
            Self::Lateness => f.write_str("lateness"),
            Self::Step(name) => write!(f, "step({})", quote(name)),
        }
    }
}

/// Something that is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Counted {
    /// Iterations that ran to their end: `completed`; in percent of the
    /// planned arrivals.
    Completed,
    /// Iterations that succeeded: `succeeded`; in percent of the completed.
    Succeeded,
    /// Iterations that are known to have failed: `failures`; in percent of the
    /// completed.
    Failures,
    /// Iterations that may or may not have happened: `unknown`; in percent of
    /// the completed.
    Unknown,
    /// Iterations that ended with this class of error: `errors("timeout")`; in
    /// percent of the completed.
    Errors(String),
    /// Arrivals that were let go as too late: `dropped`; in percent of the
    /// planned.
    Dropped,
    /// Arrivals that were not completed before the run ended: `interrupted`;
    /// in percent of the planned.
    Interrupted,
    /// What else happened inside the iterations: `count(retries)`.
    Count(String),
    /// Messages that were moved: `messages`.
    Messages,
    /// Bytes that were sent: `bytes_sent`.
    BytesSent,
    /// Bytes that were received: `bytes_received`.
    BytesReceived,
}

impl Counted {
    /// Whether it counts bytes.
    pub(super) const fn is_bytes(&self) -> bool {
        matches!(self, Self::BytesSent | Self::BytesReceived)
    }

    /// Whether it is a part of the planned arrivals, which have no label.
    pub(super) const fn is_part_of_planned(&self) -> bool {
        matches!(self, Self::Completed | Self::Dropped | Self::Interrupted)
    }

    /// Whether it is a part of the completed iterations.
    pub(super) const fn is_part_of_completed(&self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failures | Self::Unknown | Self::Errors(_)
        )
    }

    /// The name that must not be empty, and what it names.
    fn name(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Errors(class) => Some(("error class", class)),
            Self::Count(name) => Some(("count", name)),
            _ => None,
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "completed",
            Self::Succeeded => "succeeded",
            Self::Failures => "failures",
            Self::Unknown => "unknown",
            Self::Dropped => "dropped",
            Self::Interrupted => "interrupted",
            Self::Messages => "messages",
            Self::BytesSent => "bytes_sent",
            Self::BytesReceived => "bytes_received",
            Self::Errors(class) => return write!(f, "errors({})", quote(class)),
            Self::Count(name) if is_word(name) => return write!(f, "count({name})"),
            Self::Count(name) => return write!(f, "count({})", quote(name)),
        })
    }
}

/// Whether a name can stand without quotes.
fn is_word(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What a [`Figure`] is, whatever the label.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// In percent, as it is written: p99 is 99.
    Quantile(f64, Time),
    Mean(Time),
    Min(Time),
    Max(Time),
    Counted(Counted),
    Rate(Counted),
    AchievedRate,
    Lag,
    MaxLag,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantile(percent, time) => write!(f, "p{percent}({time})"),
            Self::Mean(time) => write!(f, "mean({time})"),
            Self::Min(time) => write!(f, "min({time})"),
            Self::Max(time) => write!(f, "max({time})"),
            Self::Counted(counted) => counted.fmt(f),
            Self::Rate(counted) => write!(f, "rate({counted})"),
            Self::AchievedRate => f.write_str("achieved_rate"),
            Self::Lag => f.write_str("lag"),
            Self::MaxLag => f.write_str("max(lag)"),
        }
    }
}

impl What {
    pub(super) const fn time(&self) -> Option<&Time> {
        match self {
            Self::Quantile(_, time) | Self::Mean(time) | Self::Min(time) | Self::Max(time) => {
                Some(time)
            }
            _ => None,
        }
    }

    pub(super) const fn counted(&self) -> Option<&Counted> {
        match self {
            Self::Counted(counted) | Self::Rate(counted) => Some(counted),
            _ => None,
        }
    }

    pub(super) fn is_bytes(&self) -> bool {
        self.counted().is_some_and(Counted::is_bytes)
    }

    /// What it can be compared with, in words.
    pub(super) fn units(&self) -> &'static str {
        match self {
            Self::Quantile(..) | Self::Mean(_) | Self::Min(_) | Self::Max(_) => {
                "a time: ns, us (µs), ms, s, m (min)"
            }
            Self::Counted(counted) if counted.is_bytes() => "a size: B, kB, MB, GB, KiB, MiB, GiB",
            Self::Counted(counted)
                if counted.is_part_of_completed() || counted.is_part_of_planned() =>
            {
                "a share in %, or a count: no unit, k, M, G"
            }
            Self::Counted(_) | Self::Lag | Self::MaxLag => "a count: no unit, k, M, G",
            Self::Rate(counted) if counted.is_bytes() => {
                "a rate: B/s, kB/s, MB/s, GB/s, KiB/s, MiB/s, GiB/s (/s may be left out)"
            }
            Self::Rate(_) => "a rate: /s, k/s, M/s, G/s (/s may be left out)",
            Self::AchievedRate => "a share of the offered rate in %, or a rate: /s, k/s, M/s, G/s",
        }
    }

    /// Whether it can be compared with this kind of limit.
    pub(super) fn takes(&self, limit: Limit) -> bool {
        match limit {
            Limit::Time(_) => self.time().is_some(),
            Limit::Count(_) => matches!(self, Self::Counted(_) | Self::Lag | Self::MaxLag),
            Limit::Percent(_) => match self {
                Self::AchievedRate => true,
                Self::Counted(counted) => {
                    counted.is_part_of_completed() || counted.is_part_of_planned()
                }
                _ => false,
            },
            Limit::PerSecond(_) => matches!(self, Self::Rate(_) | Self::AchievedRate),
        }
    }

    /// Whether one exact value of it can be asked for: what is measured never
    /// hits one.
    fn is_exact(&self) -> bool {
        matches!(self, Self::Counted(_) | Self::Lag | Self::MaxLag)
    }

    /// The name that must not be empty, and what it names.
    fn name(&self) -> Option<(&'static str, &str)> {
        match self.time() {
            Some(Time::Step(name)) => Some(("step", name)),
            _ => self.counted().and_then(Counted::name),
        }
    }

    /// Why it has no figure for each label, when compared with this limit.
    fn without_labels(&self, limit: Limit) -> Option<&'static str> {
        match self {
            _ if matches!(self.time(), Some(Time::Step(_))) => {
                Some("steps are kept for all labels together")
            }
            Self::Counted(Counted::Dropped | Counted::Interrupted)
            | Self::Rate(Counted::Dropped | Counted::Interrupted) => {
                Some("an arrival that was not completed has no label")
            }
            Self::AchievedRate | Self::Counted(Counted::Completed)
                if matches!(limit, Limit::Percent(_)) =>
            {
                Some(
                    "nobody knows which label an arrival would have had, so no share of the offered ones can be told",
                )
            }
            _ => None,
        }
    }
}

/// A figure of a run, to be compared with a limit: the beginning of a
/// [`Threshold`].
///
/// ```
/// use std::time::Duration;
/// use karga_stats::{Threshold, Time};
///
/// let p99 = Threshold::quantile(0.99, Time::Response).label("login");
/// let threshold = p99.below(Duration::from_millis(250))?;
/// assert_eq!(threshold.to_string(), r#"p99(response_time){label="login"} < 250ms"#);
/// # Ok::<(), karga_stats::InvalidThreshold>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a figure judges nothing until it is compared with a limit"]
pub struct Figure {
    pub(super) what: What,
    pub(super) label: Option<String>,
}

impl Figure {
    pub(super) const fn new(what: What) -> Self {
        Self { what, label: None }
    }

    /// The figure of the iterations, and of the parts of iterations, with this
    /// label alone.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// `figure < limit`.
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn below(self, limit: impl Into<Limit>) -> Result<Threshold, InvalidThreshold> {
        self.compare(Comparison::Below, limit)
    }

    /// `figure <= limit`.
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn at_most(self, limit: impl Into<Limit>) -> Result<Threshold, InvalidThreshold> {
        self.compare(Comparison::AtMost, limit)
    }

    /// `figure > limit`.
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn above(self, limit: impl Into<Limit>) -> Result<Threshold, InvalidThreshold> {
        self.compare(Comparison::Above, limit)
    }

    /// `figure >= limit`.
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn at_least(self, limit: impl Into<Limit>) -> Result<Threshold, InvalidThreshold> {
        self.compare(Comparison::AtLeast, limit)
    }

    /// `figure == limit`.
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn exactly(self, limit: impl Into<Limit>) -> Result<Threshold, InvalidThreshold> {
        self.compare(Comparison::Equal, limit)
    }

    /// `figure < share`, a fraction of 1: `0.01` is 1 %.
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn below_share(self, share: f64) -> Result<Threshold, InvalidThreshold> {
        self.below(Limit::share(share))
    }

    /// `figure > share`, a fraction of 1: `0.95` is 95 %.
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn above_share(self, share: f64) -> Result<Threshold, InvalidThreshold> {
        self.above(Limit::share(share))
    }

    /// `figure < rate`, per second.
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn below_per_second(self, rate: f64) -> Result<Threshold, InvalidThreshold> {
        self.below(Limit::PerSecond(rate))
    }

    /// `figure > rate`, per second.
    ///
    /// # Errors
    ///
    /// As for [`compare`](Self::compare).
    pub fn above_per_second(self, rate: f64) -> Result<Threshold, InvalidThreshold> {
        self.above(Limit::PerSecond(rate))
    }

    /// Compares it with a limit.
    ///
    /// # Errors
    ///
    /// If the limit is of another kind than the figure or is no number in its
    /// range, if the figure has no labels, if a name is empty, or if the
    /// condition would be true or false whatever the run is like.
    pub fn compare(
        self,
        comparison: Comparison,
        limit: impl Into<Limit>,
    ) -> Result<Threshold, InvalidThreshold> {
        let limit = limit.into().without_sign_of_zero();
        self.check(comparison, limit)?;
        Ok(Threshold {
            figure: self,
            comparison,
            limit,
            abort: false,
        })
    }

    fn check(&self, comparison: Comparison, limit: Limit) -> Result<(), InvalidThreshold> {
        if let What::Quantile(percent, _) = self.what
            && !(0.0..=100.0).contains(&percent)
        {
            return Err(InvalidThreshold::Quantile { percent });
        }
        let named = self.what.name().into_iter();
        for (what, name) in named.chain(self.label.as_deref().map(|label| ("label", label))) {
            if name.is_empty() {
                return Err(InvalidThreshold::NoName { what });
            }
        }
        if !self.what.takes(limit) {
            return Err(InvalidThreshold::Kind {
                figure: self.what.to_string(),
                limit: limit.text(false),
                units: self.what.units(),
            });
        }
        match limit {
            Limit::Percent(percent) if !(0.0..=100.0).contains(&percent) => {
                return Err(InvalidThreshold::Percent { percent });
            }
            Limit::PerSecond(rate) if !(rate.is_finite() && rate >= 0.0) => {
                return Err(InvalidThreshold::Rate { rate });
            }
            _ => {}
        }
        if let (Some(_), Some(why)) = (&self.label, self.what.without_labels(limit)) {
            return Err(InvalidThreshold::NoLabels {
                figure: self.what.to_string(),
                why,
            });
        }
        if comparison.is_exact() && !self.what.is_exact() {
            return Err(InvalidThreshold::Exact {
                figure: self.what.to_string(),
            });
        }
        self.check_open(comparison, limit)
    }

    /// Refuses what is already decided.
    fn check_open(&self, comparison: Comparison, limit: Limit) -> Result<(), InvalidThreshold> {
        let is_least = match limit {
            Limit::Time(time) => time.is_zero(),
            Limit::Count(count) => count == 0,
            Limit::Percent(percent) => percent == 0.0,
            Limit::PerSecond(rate) => rate == 0.0,
        };
        let is_most = matches!(limit, Limit::Percent(percent) if percent == 100.0);
        let (decided, always) = match comparison {
            Comparison::Below => (is_least, false),
            Comparison::AtLeast => (is_least, true),
            Comparison::Above => (is_most, false),
            Comparison::AtMost => (is_most, true),
            Comparison::Equal | Comparison::Unequal => (false, false),
        };
        if !decided {
            return Ok(());
        }
        let limit = limit.text(self.what.is_bytes());
        Err(InvalidThreshold::Decided {
            condition: format!("{} {comparison} {limit}", self.what),
            always,
        })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)?;
        match &self.label {
            Some(label) => write!(f, "{{label={}}}", quote(label)),
            None => Ok(()),
        }
    }
}
