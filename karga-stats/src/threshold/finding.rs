//! What a window says of a condition.

use std::time::Duration;

use karga_core::Account;

use super::{
    Comparison, Counted, Limit, Threshold,
    evidence::{self, Seen, part, stats_of, whole},
    figure::What,
    window::Window,
    words,
};
use crate::{Histogram, HistogramAggregate, text};

/// The logarithm of how many windows there are, for a target that just meets
/// a condition, to one that seems to miss it by chance: 100,000.
const RARE: f64 = 11.512_925_464_970_229;

/// How many standard errors a mean is beyond its limit as rarely.
const RARE_ERRORS: f64 = 4.27;

/// The least samples whose standard deviation is trusted.
const LEAST_SAMPLES: u64 = 10;

/// What a window says of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Finding {
    /// Nothing, yet.
    Open,
    Holds,
    /// It is missed, perhaps by chance.
    Doubtful,
    Missed(String),
}

/// A threshold and what it is looked at by.
pub(super) struct View<'a> {
    pub(super) threshold: &'a Threshold,
    pub(super) window: &'a Window,
    pub(super) total: &'a HistogramAggregate,
    pub(super) account: &'a Account,
}

impl View<'_> {
    pub(super) fn finding(&self) -> Finding {
        let what = &self.threshold.figure.what;
        match (what, self.threshold.limit) {
            (
                What::Quantile(..) | What::Mean(_) | What::Min(_) | What::Max(_),
                Limit::Time(limit),
            ) => self.times(limit),
            (What::Counted(counted), Limit::Count(limit)) => self.count(counted, limit),
            (What::Counted(Counted::Completed) | What::AchievedRate, Limit::Percent(limit)) => {
                self.progress(limit)
            }
            (What::Counted(counted), Limit::Percent(limit)) => self.share(counted, limit),
            (What::Rate(counted), Limit::PerSecond(limit)) => {
                self.rate(self.window.counted(), counted.is_bytes(), limit)
            }
            (What::AchievedRate, Limit::PerSecond(limit)) => {
                self.rate(self.window.completed(), false, limit)
            }
            (What::Lag | What::MaxLag, _) => self.lag(what),
            // Checked when the threshold was built.
            _ => Finding::Open,
        }
    }

    fn times(&self, limit: Duration) -> Finding {
        let what = &self.threshold.figure.what;
        let times = self.window.times();
        if times.is_empty() {
            return Finding::Open;
        }
        let seen = Seen::Time {
            value: evidence::time_value(what, times),
            samples: times.count(),
        };
        let is_sure = match what {
            What::Quantile(percent, _) => self.is_quantile_sure(percent / 100.0, times, limit),
            What::Mean(_) => is_mean_sure(times, limit),
            _ => true,
        };
        self.judge(&seen, is_sure)
    }

    /// Whether more samples are beyond the limit than chance puts there.
    fn is_quantile_sure(&self, q: f64, times: &Histogram, limit: Duration) -> bool {
        let comparison = self.threshold.comparison;
        let max = times.max();
        let beyond = times
            .buckets()
            .filter(|&(_, high, _)| !comparison.holds(high.min(max), limit))
            .map(|(_, _, count)| count)
            .sum();
        let allowed = if comparison.is_upper() { 1.0 - q } else { q };
        is_beyond_chance(beyond, times.count(), allowed)
    }

    /// Counts from t0, which only rise.
    fn count(&self, counted: &Counted, limit: u64) -> Finding {
        let stats = stats_of(&self.threshold.figure, self.total);
        let count = stats.map_or(0, |stats| part(counted, stats, self.account));
        let seen = Seen::Count {
            count,
            bytes: counted.is_bytes(),
        };
        let holds = seen.holds(self.threshold);
        match self.threshold.comparison {
            Comparison::Below | Comparison::AtMost if !holds => {
                Finding::Missed(seen.text(self.threshold.limit))
            }
            Comparison::Equal if count > limit => Finding::Missed(seen.text(self.threshold.limit)),
            // It may still become equal.
            Comparison::Unequal => Finding::Open,
            _ if holds => Finding::Holds,
            // It may still come to that.
            _ => Finding::Open,
        }
    }

    fn share(&self, counted: &Counted, limit: f64) -> Finding {
        let part = self.window.counted();
        let (whole, of) = whole(counted, self.window.completed(), self.window.planned());
        if whole == 0 {
            return Finding::Open;
        }
        let comparison = self.threshold.comparison;
        let allowed = limit / 100.0;
        let is_sure = if comparison.is_upper() || (comparison == Comparison::Equal && limit == 0.0)
        {
            is_beyond_chance(part, whole, allowed)
        } else if comparison.is_lower() || (comparison == Comparison::Equal && limit == 100.0) {
            is_beyond_chance(whole.saturating_sub(part), whole, 1.0 - allowed)
        } else {
            false
        };
        self.judge(&Seen::Share { part, whole, of }, is_sure)
    }

    /// What was completed of what was due.
    fn progress(&self, limit: f64) -> Finding {
        let due = self.window.least_planned();
        if due == 0 || !self.threshold.comparison.is_lower() {
            return Finding::Open;
        }
        let length = self.window.length().as_secs_f64();
        let completed = self.window.completed();
        let share = |completed: f64| completed * 100.0 / due as f64;
        let seen = Seen::AchievedShare {
            percent: share(completed as f64).min(100.0),
            offered: due as f64 / length,
        };
        let at_most = share(completed as f64 + self.leeway());
        let is_sure = !self.threshold.comparison.holds(at_most, limit);
        self.judge(&seen, is_sure)
    }

    fn rate(&self, counted: u64, bytes: bool, limit: f64) -> Finding {
        let length = self.window.length().as_secs_f64();
        if length == 0.0 {
            return Finding::Open;
        }
        let rate = counted as f64 / length;
        let completed = self.window.completed() as f64;
        // As if some more, or fewer, had ended within the window.
        let sign = if self.threshold.comparison.is_upper() {
            -1.0
        } else {
            1.0
        };
        let likely = if completed == 0.0 {
            rate
        } else {
            rate * (completed + sign * self.leeway()) / completed
        };
        let is_sure = !self.threshold.comparison.holds(likely, limit);
        self.judge(&Seen::Rate { rate, bytes }, is_sure)
    }

    fn lag(&self, what: &What) -> Finding {
        let Some(lag) = self.window.lag() else {
            return Finding::Open;
        };
        let lag = if *what == What::Lag {
            lag.latest
        } else {
            lag.highest
        };
        let may_come = self.threshold.comparison.is_exact() || self.threshold.comparison.is_lower();
        self.judge(&Seen::Lag(lag), !may_come)
    }

    /// How many iterations may have ended on the other side of the window's
    /// edges: those under way come and go like arrivals at random. If they
    /// pile up, it is not by chance.
    fn leeway(&self) -> f64 {
        let usual = under_way(self.account).min(self.window.under_way());
        (1.0 + 4.0 * (usual as f64).sqrt()) * self.weight()
    }

    /// How often an iteration counts in the figure: more than once if several
    /// of its parts have the figure's label.
    fn weight(&self) -> f64 {
        let counted = stats_of(&self.threshold.figure, self.total);
        let counted = counted.map_or(0, |stats| stats.outcomes().completed());
        let iterations = self.total.outcomes().completed();
        (counted as f64 / iterations.max(1) as f64).max(1.0)
    }

    fn judge(&self, seen: &Seen, is_sure: bool) -> Finding {
        if seen.holds(self.threshold) {
            return Finding::Holds;
        }
        if !is_sure {
            return Finding::Doubtful;
        }
        let length = words::time(self.window.length());
        Finding::Missed(match seen {
            Seen::Time { value, samples } => format!(
                "it was {} over the last {length}, {} samples",
                words::time_beside(*value, self.threshold.limit),
                text::count(*samples)
            ),
            seen => format!("{} over the last {length}", seen.text(self.threshold.limit)),
        })
    }
}

/// Whether `seen` of `all` are so many that it cannot be chance if each is so
/// with the probability `p` at most.
///
/// The chance is at most `exp(-n D(k/n || p))`, with `D` the relative entropy
/// of the two shares (Chernoff's bound; Hoeffding, 1963, theorem 1).
fn is_beyond_chance(seen: u64, all: u64, p: f64) -> bool {
    let share = seen as f64 / all as f64;
    if seen == 0 || share <= p {
        return false;
    }
    if p <= 0.0 {
        return true;
    }
    let others = if share < 1.0 {
        (1.0 - share) * ((1.0 - share) / (1.0 - p)).ln()
    } else {
        0.0
    };
    all as f64 * (share * (share / p).ln() + others) >= RARE
}

/// Whether a mean is further from the limit than chance takes it.
fn is_mean_sure(times: &Histogram, limit: Duration) -> bool {
    let error = times.stdev().as_secs_f64() / (times.count() as f64).sqrt();
    let distance = times.mean().abs_diff(limit).as_secs_f64();
    times.count() >= LEAST_SAMPLES && distance >= RARE_ERRORS * error
}

/// The arrivals that were due and have not ended.
pub(super) const fn under_way(account: &Account) -> u64 {
    let ended = account
        .completed
        .saturating_add(account.dropped)
        .saturating_add(account.interrupted);
    account.planned.saturating_sub(ended)
}
