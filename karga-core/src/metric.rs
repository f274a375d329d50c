use std::{borrow::Cow, fmt, time::Duration};

use crate::{Part, class::class_of};

/// How an iteration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Outcome {
    /// It did what it should.
    Success,
    /// It is known not to have happened, or to have gone wrong.
    Failure,
    /// It timed out or its connection broke: it may or may not have happened.
    Unknown,
}

/// What an iteration moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Volume {
    /// Messages (records, requests, rows), as the protocol counts them.
    pub messages: u64,
    /// Bytes sent to the target.
    pub bytes_sent: u64,
    /// Bytes received from the target.
    pub bytes_received: u64,
}

impl Volume {
    /// A volume of `messages`, `bytes_sent` and `bytes_received`.
    pub const fn new(messages: u64, bytes_sent: u64, bytes_received: u64) -> Self {
        Self {
            messages,
            bytes_sent,
            bytes_received,
        }
    }
}

/// A named stretch of one iteration and how long it took, such as "connect".
///
/// It is a duration alone. An operation with an outcome and a row of its own is
/// a [`Part`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Step {
    /// The step's name, of bounded cardinality.
    pub name: Cow<'static, str>,
    /// How long it took.
    pub duration: Duration,
}

impl Step {
    /// A step of this name and duration.
    pub fn new(name: impl Into<Cow<'static, str>>, duration: Duration) -> Self {
        Self {
            name: name.into(),
            duration,
        }
    }
}

/// Something that happened inside one iteration and how often, such as
/// "retries": 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Count {
    /// What happened, in the plural and in snake case: "retries".
    pub name: &'static str,
    /// How often.
    pub count: u64,
}

impl Count {
    /// `count` times `name`.
    pub const fn new(name: &'static str, count: u64) -> Self {
        Self { name, count }
    }
}

/// What one iteration measured, and whether it went well.
///
/// Times are not part of it: the executor stamps them (see
/// [`Sample`](crate::Sample)). Only [`outcome`](Metric::outcome) must be
/// implemented.
///
/// It is implemented for `()` and [`Duration`] (always a success) and for
/// `Result<T, E>` (`Err` is a failure), so that most closures need no metric
/// of their own. The class of an `Err` is the name that its `Debug` output
/// starts with, which for an enum is the variant; an [`io::Error`](std::io::Error)
/// gives its kind, a string gives itself.
///
/// # Contract
///
/// - `error_class`, `label`, the labels of parts and the names of steps and
///   counts have *bounded cardinality*: a handful of values in a run. A request
///   id or an address in them makes tables that nobody can read; aggregates fold
///   what goes beyond their limit into "other".
/// - Everything but `parts` is said of the whole iteration: volume and counts
///   are the sums over its parts, if it has any.
/// - These methods do not panic: they are called by the aggregate, and a panic
///   in one of them is one of [`Aggregate::record`](crate::Aggregate::record).
///
/// # Example
///
/// ```
/// use std::borrow::Cow;
/// use karga_core::{Metric, Outcome, Volume};
///
/// struct Insert { rows: u64, timed_out: bool }
///
/// impl Metric for Insert {
///     fn outcome(&self) -> Outcome {
///         if self.timed_out { Outcome::Unknown } else { Outcome::Success }
///     }
///     fn volume(&self) -> Volume {
///         Volume::new(self.rows, 0, 0)
///     }
///     fn error_class(&self) -> Option<Cow<'static, str>> {
///         self.timed_out.then_some(Cow::Borrowed("timeout"))
///     }
/// }
/// ```
///
/// # A wrong one
///
/// ```compile_fail
/// use karga_core::{Metric, Outcome};
///
/// // The class has a lifetime of its own: a metric outlives the response it
/// // was made from, so it cannot lend text out of it.
/// struct Borrowed<'a>(&'a str);
///
/// impl<'a> Metric for Borrowed<'a> {
///     fn outcome(&self) -> Outcome { Outcome::Failure }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Metric`: karga cannot tell whether the iteration succeeded",
    label = "not a `Metric`",
    note = "return `()`, a `Result<T, E>` whose `E` is `Debug + Send`, or implement `karga_core::Metric` for `{Self}`"
)]
pub trait Metric: Send + 'static {
    /// How the iteration ended.
    fn outcome(&self) -> Outcome;

    /// Messages and bytes that it moved. None by default.
    fn volume(&self) -> Volume {
        Volume::default()
    }

    /// Why it did not succeed, as a class of bounded cardinality: "timeout",
    /// "http 503", "NOT_LEADER_OR_FOLLOWER". None by default.
    fn error_class(&self) -> Option<Cow<'static, str>> {
        None
    }

    /// Which operation of a mixed scenario this was; it gets its own row.
    fn label(&self) -> Option<Cow<'static, str>> {
        None
    }

    /// Named stretches of time that were measured inside the iteration.
    fn steps(&self) -> &[Step] {
        &[]
    }

    /// The operations that the iteration consisted of, if it is a flow of
    /// several; each gets its own row, and none is added to the total. See
    /// [`Part`] for their times.
    fn parts(&self) -> &[Part] {
        &[]
    }

    /// What else happened inside the iteration: retries, reconnects,
    /// throttled answers. Aggregates add them up by name.
    fn counts(&self) -> &[Count] {
        &[]
    }

    /// How far the scenario was behind the newest data of its target after
    /// this iteration, in messages, where that has a meaning (a consumer's
    /// lag). Aggregates keep the latest and the highest.
    fn lag(&self) -> Option<u64> {
        None
    }
}

impl Metric for () {
    fn outcome(&self) -> Outcome {
        Outcome::Success
    }
}

impl Metric for Duration {
    fn outcome(&self) -> Outcome {
        Outcome::Success
    }
}

impl<T, E> Metric for Result<T, E>
where
    T: Send + 'static,
    E: fmt::Debug + Send + 'static,
{
    fn outcome(&self) -> Outcome {
        match self {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        }
    }

    fn error_class(&self) -> Option<Cow<'static, str>> {
        self.as_ref().err().map(class_of)
    }
}

/// Stands in for the metric of an iteration whose action panicked: a failure
/// of the class `panic`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Panicked;

impl Panicked {
    /// Makes one; meant for those who write executors and tests.
    pub const fn new() -> Self {
        Self
    }
}

impl Metric for Panicked {
    fn outcome(&self) -> Outcome {
        Outcome::Failure
    }

    fn error_class(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed("panic"))
    }
}

impl<M: Metric + ?Sized> Metric for Box<M> {
    fn outcome(&self) -> Outcome {
        (**self).outcome()
    }
    fn volume(&self) -> Volume {
        (**self).volume()
    }
    fn error_class(&self) -> Option<Cow<'static, str>> {
        (**self).error_class()
    }
    fn label(&self) -> Option<Cow<'static, str>> {
        (**self).label()
    }
    fn steps(&self) -> &[Step] {
        (**self).steps()
    }
    fn parts(&self) -> &[Part] {
        (**self).parts()
    }
    fn counts(&self) -> &[Count] {
        (**self).counts()
    }
    fn lag(&self) -> Option<u64> {
        (**self).lag()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_know_how_they_ended() {
        let good: Result<u8, &str> = Ok(1);
        let bad: Result<u8, &str> = Err("boom");
        assert_eq!(good.outcome(), Outcome::Success);
        assert_eq!(good.error_class(), None);
        assert_eq!(bad.outcome(), Outcome::Failure);
        assert_eq!(bad.error_class().as_deref(), Some("boom"));
    }

    #[test]
    fn a_boxed_metric_says_what_the_metric_says() {
        let boxed: Box<dyn Metric> = Box::new(Err::<(), _>("boom"));
        assert_eq!(boxed.outcome(), Outcome::Failure);
        assert_eq!(boxed.error_class().as_deref(), Some("boom"));
    }
}
