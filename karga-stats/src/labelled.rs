use crate::{aggregate::Limits, bounded::Add, stats::Stats, timeline::Timeline};

/// What is kept of the iterations with one label.
///
/// The timeline is the label's own, not a table inside each slot of the
/// total's: so a name is stored once, and what is folded into "other" takes
/// its seconds along.
#[derive(Debug, Clone)]
pub(crate) struct Labelled {
    pub(crate) stats: Stats,
    pub(crate) timeline: Timeline<()>,
}

impl Labelled {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            stats: Stats::new(limits),
            timeline: Timeline::new(limits.timeline),
        }
    }

    /// Makes the limits these where they are above them.
    pub(crate) fn lower_limits(&mut self, limits: &Limits) {
        self.stats.lower_limits(limits);
        self.timeline.lower_limit(limits.timeline);
    }
}

impl Add for Labelled {
    fn add(&mut self, other: Self) {
        self.stats.merge(other.stats);
        self.timeline.merge(other.timeline);
    }
}
