use std::time::Duration;

use karga_core::{Outcome, Part, Sample};

use crate::{
    aggregate::Limits,
    bounded::Add,
    stats::{Stats, Times, class_of},
    timeline::{Closed, Timeline},
};

/// What is kept of the iterations and the parts with one label.
///
/// The timelines are the label's own, not tables inside each slot of the
/// total's: so a name is stored once, and what is folded into "other" takes
/// its seconds along.
#[derive(Debug, Clone)]
pub(crate) struct Labelled {
    pub(crate) stats: Stats,
    /// Of its iterations, whose response times belong to the total.
    pub(crate) timeline: Timeline<()>,
    /// Of its parts, which no total has: their iterations are there.
    pub(crate) parts: Timeline<()>,
}

impl Labelled {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            stats: Stats::new(limits),
            timeline: Timeline::new(limits.timeline),
            parts: Timeline::new(limits.timeline),
        }
    }

    /// Records a part, into the second of this end.
    pub(crate) fn record_part(&mut self, sample: &Sample<&Part>, end: Duration) {
        let part = sample.metric;
        let times = Times::new(sample.iteration.due, sample.start, sample.end);
        let class = match part.outcome {
            Outcome::Success => None,
            outcome => Some(class_of(outcome, part.error_class.clone())),
        };
        self.stats.record(times, part.outcome, part.volume);
        self.stats.record_extras(class.as_ref(), &part.counts, None);
        let slot = self.parts.at(end);
        slot.response.record_at(times.response.0, times.response.1);
    }

    /// The response times of its iterations and of its parts in a slot; see
    /// [`Timeline::slot`].
    pub(crate) fn slot(&self, number: u64, shift: u32) -> LabelSlot {
        LabelSlot {
            iterations: self.timeline.slot(number, shift),
            parts: self.parts.slot(number, shift),
        }
    }

    /// Makes the limits these where they are above them.
    pub(crate) fn lower_limits(&mut self, limits: &Limits) {
        self.stats.lower_limits(limits);
        self.timeline.lower_limit(limits.timeline);
        self.parts.lower_limit(limits.timeline);
    }
}

impl Add for Labelled {
    fn add(&mut self, other: Self) {
        self.stats.merge(other.stats);
        self.timeline.merge(other.timeline);
        self.parts.merge(other.parts);
    }
}

/// The response times of a label in one slot of the timeline.
pub(crate) struct LabelSlot {
    /// A part of the total's.
    pub(crate) iterations: Closed<()>,
    pub(crate) parts: Closed<()>,
}
