//! What karga notes beside the histograms, as JSON.

use std::{collections::BTreeMap, ops::Not, time::Duration};

use karga_core::{Run, Volume, WarmUp};
use serde::{Deserialize, Serialize};

use crate::{
    HistogramAggregate,
    aggregate::Limits,
    histogram::Exact,
    stats::{Lag, Outcomes, Stats},
    timeline::Counts,
};

/// The version of these notes.
pub(super) const VERSION: u32 = 1;

/// `run`: the run without what was recorded.
pub(super) fn head<A>(run: &Run<A>) -> Run<()> {
    let mut head = Run::new(run.name.clone(), (), run.account, run.elapsed);
    head.load_time = run.load_time;
    head.stop = run.stop.clone();
    head.generator = run.generator;
    head.started_at = run.started_at;
    head.warnings = run.warnings.clone();
    head.details = run.details.clone();
    head.model = run.model;
    head.start_offset = run.start_offset;
    head.warm_up = run
        .warm_up
        .as_ref()
        .map(|warm_up| WarmUp::new(warm_up.duration, (), warm_up.account));
    head.judgements = run.judgements.clone();
    head
}

/// `aggregate`: what a whole aggregate has beside histograms; its lines follow.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AggregateNote {
    pub(super) warm_up: bool,
    pub(super) limits: LimitsNote,
    /// The latest second in which something ended.
    pub(super) latest: u64,
    pub(super) total: StatsNote,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LimitsNote {
    labels: usize,
    error_classes: usize,
    counts: usize,
    steps: usize,
    timeline_slots: usize,
}

impl LimitsNote {
    pub(super) fn of(limits: &Limits) -> Self {
        let &Limits {
            labels,
            errors,
            counts,
            steps,
            timeline,
        } = limits;
        Self {
            labels,
            error_classes: errors,
            counts,
            steps,
            timeline_slots: timeline,
        }
    }

    /// An empty aggregate with these limits.
    pub(super) fn build(&self) -> Result<HistogramAggregate, crate::InvalidAggregate> {
        HistogramAggregate::builder()
            .labels(self.labels)
            .error_classes(self.error_classes)
            .counts(self.counts)
            .steps(self.steps)
            .timeline_slots(self.timeline_slots)
            .build()
    }
}

/// `label`: what a label has beside histograms.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LabelNote {
    pub(super) label: String,
    pub(super) stats: StatsNote,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StatsNote {
    pub(super) outcomes: OutcomesNote,
    pub(super) volume: Volume,
    pub(super) lag: Option<LagNote>,
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) counts: BTreeMap<String, u64>,
}

impl StatsNote {
    pub(super) fn of(stats: &Stats) -> Self {
        let owned = |(name, count): (&str, u64)| (name.to_owned(), count);
        Self {
            outcomes: OutcomesNote::of(stats.outcomes()),
            volume: stats.volume(),
            lag: stats.lag().map(|lag| LagNote {
                latest: lag.latest,
                at: lag.at,
                highest: lag.highest,
            }),
            errors: stats.errors().map(owned).collect(),
            counts: stats.counts().map(owned).collect(),
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct OutcomesNote {
    succeeded: u64,
    failed: u64,
    unknown: u64,
}

impl OutcomesNote {
    fn of(outcomes: Outcomes) -> Self {
        let Outcomes {
            succeeded,
            failed,
            unknown,
        } = outcomes;
        Self {
            succeeded,
            failed,
            unknown,
        }
    }

    /// The outcomes, if they are this many.
    pub(super) fn counting(self, completed: u64) -> Option<Outcomes> {
        let sum = self.succeeded.checked_add(self.failed)?;
        (sum.checked_add(self.unknown)? == completed).then_some(Outcomes {
            succeeded: self.succeeded,
            failed: self.failed,
            unknown: self.unknown,
        })
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct LagNote {
    latest: u64,
    at: Duration,
    highest: u64,
}

impl LagNote {
    pub(super) fn lag(self) -> Lag {
        let mut lag = Lag::new(self.latest, self.at);
        lag.highest = lag.highest.max(self.highest);
        lag
    }
}

/// `exact`: what the histogram in the next line loses, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ExactNote {
    count: u64,
    min: u64,
    max: u64,
    sum: u128,
    /// Whether these are parts of iterations, which the total does not have.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub(super) parts: bool,
}

impl ExactNote {
    pub(super) fn of(exact: Exact) -> Self {
        let Exact {
            count,
            min,
            max,
            sum,
        } = exact;
        Self {
            count,
            min,
            max,
            sum,
            parts: false,
        }
    }

    /// The same figures, of parts.
    pub(super) fn of_parts(exact: Exact) -> Self {
        Self {
            parts: true,
            ..Self::of(exact)
        }
    }

    pub(super) fn exact(self) -> Exact {
        Exact {
            count: self.count,
            min: self.min,
            max: self.max,
            sum: self.sum,
        }
    }
}

/// `slot`: what a slot of the timeline has beside histograms.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SlotNote {
    pub(super) slot: u64,
    pub(super) outcomes: OutcomesNote,
    pub(super) volume: Volume,
    pub(super) highest_lag: Option<u64>,
    /// Of the iterations without a label, if there are any; their histogram is
    /// the total less those of the labels' iterations.
    pub(super) unlabelled: Option<ExactNote>,
}

impl SlotNote {
    pub(super) fn of(slot: u64, counts: Counts, unlabelled: Exact) -> Self {
        Self {
            slot,
            outcomes: OutcomesNote::of(counts.outcomes),
            volume: counts.volume,
            highest_lag: counts.highest_lag,
            unlabelled: (unlabelled.count > 0).then(|| ExactNote::of(unlabelled)),
        }
    }
}

/// `end`: the last line. Without it the log is cut off.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EndNote {
    /// The CRC-32 of all lines before, each with a line feed.
    pub(super) crc32: u32,
}
