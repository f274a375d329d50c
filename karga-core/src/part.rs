use std::{borrow::Cow, slice, time::Duration};

use crate::{Count, Iteration, Outcome, Sample, Volume};

/// One named operation inside an iteration: it gets its own row beside the
/// iteration's.
///
/// Parts are for iterations that are a flow of several operations, each of
/// which is worth times, outcomes and thresholds of its own: log in, search, buy.
/// Where the duration alone is of interest, [`Step`](crate::Step)s are enough;
/// where each iteration is one operation of several kinds, a
/// [label](crate::Metric::label) is.
///
/// # Times
///
/// Parts follow each other. The first one is due when the iteration is, so that
/// its response time and its lateness include those of the iteration's start;
/// each later one is due when it starts, so that its lateness is zero and its
/// response time is its service time. So if parts are back to back and cover
/// the iteration, their response times add up to the iteration's.
/// [`Sample::parts`](crate::Sample::parts) gives them so:
///
/// ```text
///         due     start                                  end
///          ├────────┼──────────┬───────────────┬──────────┤
/// login    ╞═══════════════════╡ response time            │
/// search            │          ╞═══════════════╡          │
/// buy               │                          ╞══════════╡
/// ```
///
/// # What an iteration says of itself
///
/// An aggregate never adds parts to the total: outcome, error class, volume and
/// counts of the iteration are what its metric says of the whole. A metric with
/// parts gives the sums itself.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use karga_core::{Metric, Outcome, Part, Volume};
///
/// struct Purchase { parts: Vec<Part> }
///
/// impl Metric for Purchase {
///     fn outcome(&self) -> Outcome {
///         let failed = |part: &Part| part.outcome != Outcome::Success;
///         if self.parts.iter().any(failed) { Outcome::Failure } else { Outcome::Success }
///     }
///     fn volume(&self) -> Volume {
///         Volume::new(self.parts.iter().map(|part| part.volume.messages).sum(), 0, 0)
///     }
///     fn parts(&self) -> &[Part] {
///         &self.parts
///     }
/// }
///
/// let ms = Duration::from_millis;
/// let mut login = Part::new("login", ms(0), ms(30));
/// login.volume = Volume::new(1, 0, 0);
/// let mut buy = Part::new("buy", ms(30), ms(80));
/// buy.outcome = Outcome::Failure;
/// buy.error_class = Some("http 503".into());
/// let purchase = Purchase { parts: vec![login, buy] };
/// assert_eq!(purchase.outcome(), Outcome::Failure);
/// assert_eq!(purchase.volume().messages, 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// Which operation it was, of bounded cardinality. A row is shared by the
    /// parts and the iterations of one label.
    pub label: Cow<'static, str>,
    /// When it started, since the iteration's start.
    pub start: Duration,
    /// When it was done, since the iteration's start; no later than the
    /// iteration was.
    pub end: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not succeed, as a class of bounded cardinality.
    pub error_class: Option<Cow<'static, str>>,
    /// Messages and bytes that it moved.
    pub volume: Volume,
    /// What else happened in it, such as retries.
    pub counts: Cow<'static, [Count]>,
}

impl Part {
    /// A success from `start` to `end`, both since the iteration's start, that
    /// moved nothing; the other fields may be set.
    pub fn new(label: impl Into<Cow<'static, str>>, start: Duration, end: Duration) -> Self {
        Self {
            label: label.into(),
            start,
            end,
            outcome: Outcome::Success,
            error_class: None,
            volume: Volume::default(),
            counts: Cow::Borrowed(&[]),
        }
    }
}

/// The parts of one iteration, each with its own times; made by
/// [`Sample::parts`](crate::Sample::parts).
#[derive(Debug, Clone)]
#[must_use = "iterators are lazy"]
pub struct Parts<'a> {
    iteration: Iteration,
    start: Duration,
    is_first: bool,
    parts: slice::Iter<'a, Part>,
}

impl<'a> Parts<'a> {
    /// Of an iteration that started then.
    #[inline]
    pub(crate) fn new(iteration: Iteration, start: Duration, parts: &'a [Part]) -> Self {
        Self {
            iteration,
            start,
            is_first: true,
            parts: parts.iter(),
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Sample<&'a Part>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let part = self.parts.next()?;
        let [start, end] = [part.start, part.end].map(|since| self.start.saturating_add(since));
        let mut iteration = self.iteration;
        if !std::mem::take(&mut self.is_first) {
            iteration.due = start;
        }
        Some(Sample::new(iteration, start, end, part))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.parts.size_hint()
    }
}

impl ExactSizeIterator for Parts<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metric;

    #[test]
    fn a_boxed_metric_gives_its_parts() {
        struct Flow([Part; 1]);
        impl Metric for Flow {
            fn outcome(&self) -> Outcome {
                Outcome::Success
            }
            fn parts(&self) -> &[Part] {
                &self.0
            }
        }
        let part = Part::new("login", Duration::ZERO, Duration::from_millis(30));
        assert_eq!(
            (part.outcome, part.volume),
            (Outcome::Success, Volume::default())
        );
        let boxed: Box<dyn Metric> = Box::new(Flow([part.clone()]));
        assert_eq!(boxed.parts(), [part]);
        assert!(().parts().is_empty());
    }
    #[test]
    fn times_add_up_if_parts_cover_the_iteration() {
        struct Flow([Part; 3]);
        impl Metric for Flow {
            fn outcome(&self) -> Outcome {
                Outcome::Success
            }
            fn parts(&self) -> &[Part] {
                &self.0
            }
        }
        let ms = Duration::from_millis;
        let part = |start, end| Part::new("part", ms(start), ms(end));
        let flow = Flow([part(0, 30), part(30, 80), part(80, 100)]);
        let iteration = Iteration::new(7, 3, ms(1_000));
        let sample = Sample::new(iteration, ms(1_005), ms(1_105), flow);
        let times = sample.parts().map(|part| {
            assert_eq!((part.iteration.index, part.iteration.user), (7, 3));
            [part.response_time(), part.service_time(), part.lateness()]
        });
        let times: Vec<_> = times.collect();
        assert_eq!(
            times,
            [
                [ms(35), ms(30), ms(5)],
                [ms(50), ms(50), ms(0)],
                [ms(20), ms(20), ms(0)],
            ]
        );
        let sum: Duration = times.iter().map(|[response, ..]| response).sum();
        assert_eq!(sum, sample.response_time());
        let mut parts = sample.parts();
        parts.next();
        assert_eq!(parts.len(), 2);
    }
}
