//! Thresholds while a run goes on.

use std::{ops::ControlFlow, time::Duration};

use karga_core::{Account, Judgement, Observer, Run, Snapshot, StopReason};

use super::{
    Comparison, Counted, Limit, Threshold, Thresholds,
    evidence::{self, Seen, part, stats_of, times_of, whole},
    figure::What,
    set::judge,
    window::{Part, Window},
    words,
};
use crate::{Histogram, HistogramAggregate, Histograms, text};

/// The logarithm of how many windows there are, for a target that just meets
/// a condition, to one that seems to miss it by chance: 100,000.
const RARE: f64 = 11.512_925_464_970_229;

/// How many standard errors a mean is beyond its limit as rarely.
const RARE_ERRORS: f64 = 4.27;

/// The least samples whose standard deviation is trusted.
const LEAST_SAMPLES: u64 = 10;

/// What was seen of the run that goes on.
#[derive(Debug, Default)]
pub(super) struct Watch {
    elapsed: Duration,
    account: Account,
    /// The offered rate at the last interval's end.
    offered_rate: Option<f64>,
    /// One for each threshold.
    watched: Vec<Watched>,
    has_stopped: bool,
}

#[derive(Debug, Default)]
struct Watched {
    window: Window,
    last_good_rate: Option<f64>,
    /// When it stopped the run, and why.
    stopped: Option<(Duration, String)>,
}

/// What a window says of a condition.
#[derive(Debug, Clone, PartialEq)]
enum Finding {
    /// Nothing, yet.
    Open,
    Holds,
    /// It is missed, perhaps by chance.
    Doubtful,
    Missed(String),
}

impl<A: Histograms> Observer<A> for Thresholds {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        if snapshot.warm_up_left.is_some() {
            return ControlFlow::Continue(());
        }
        self.take_in(snapshot);
        let plan = snapshot.plan.duration;
        let is_over = plan.is_some_and(|duration| snapshot.elapsed > duration);
        if is_over || snapshot.stopped.is_some() || self.watch.has_stopped {
            return ControlFlow::Continue(());
        }
        self.look(snapshot)
    }

    fn judge(&mut self, run: &Run<A>) -> Vec<Judgement> {
        let watch = std::mem::take(&mut self.watch);
        let mut watched = watch.watched.into_iter();
        let judge = |threshold| {
            let mut judgement = judge(threshold, run);
            if let Some(watched) = watched.next() {
                judgement.last_good_rate = watched.last_good_rate;
                if let Some((at, why)) = watched.stopped {
                    judgement.passed = false;
                    judgement.reason = why;
                    judgement.stopped_at = Some(at);
                }
            }
            judgement
        };
        self.thresholds.iter().map(judge).collect()
    }
}

impl Thresholds {
    /// Adds the newest interval to every window.
    fn take_in<A: Histograms>(&mut self, snapshot: &Snapshot<'_, A>) {
        if snapshot.elapsed < self.watch.elapsed || self.watch.watched.is_empty() {
            // Another run than before.
            self.watch = Watch::default();
            let windows = self.thresholds.iter().map(|_| Watched::default());
            self.watch.watched = windows.collect();
        }
        let length = snapshot.elapsed - self.watch.elapsed;
        let account = since(snapshot.account, self.watch.account);
        let interval = snapshot.interval.histograms();
        let offered_rate = Some(snapshot.offered_rate).filter(|rate| *rate > 0.0);
        let least_rate = match (self.watch.offered_rate, offered_rate) {
            (Some(before), Some(now)) => Some(now.min(before)),
            (before, now) => before.or(now),
        };
        for (threshold, watched) in self.thresholds.iter().zip(&mut self.watch.watched) {
            let mut part = newest(threshold, interval, &account, length);
            part.offered_rate = least_rate;
            part.under_way = under_way(&self.watch.account);
            watched.window.push(part, self.window);
        }
        self.watch.elapsed = snapshot.elapsed;
        self.watch.account = snapshot.account;
        self.watch.offered_rate = offered_rate;
    }

    fn look<A: Histograms>(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        let is_spared = snapshot.elapsed < self.grace.unwrap_or(self.window);
        let mut reasons = Vec::new();
        for (threshold, watched) in self.thresholds.iter().zip(&mut self.watch.watched) {
            let total = snapshot.total.histograms();
            let view = View {
                threshold,
                window: &watched.window,
                total,
                account: &snapshot.account,
            };
            match view.finding() {
                Finding::Holds => {
                    // What has only just been raised has not been borne yet.
                    let rate = watched.window.offered_rate();
                    watched.last_good_rate = rate.or(watched.last_good_rate);
                }
                Finding::Missed(why) if !is_spared && (self.abort || threshold.abort) => {
                    reasons.push(format!("threshold {threshold}: {why}"));
                    watched.stopped = Some((snapshot.elapsed, why));
                }
                _ => {}
            }
        }
        if reasons.is_empty() {
            return ControlFlow::Continue(());
        }
        self.watch.has_stopped = true;
        ControlFlow::Break(StopReason::Observer(reasons.join("; ")))
    }
}

/// What happened between two accounts.
fn since(now: Account, before: Account) -> Account {
    Account::new(
        now.planned.saturating_sub(before.planned),
        now.completed.saturating_sub(before.completed),
        now.dropped.saturating_sub(before.dropped),
        now.interrupted.saturating_sub(before.interrupted),
    )
}

/// The arrivals that were due and have not ended.
const fn under_way(account: &Account) -> u64 {
    let ended = account
        .completed
        .saturating_add(account.dropped)
        .saturating_add(account.interrupted);
    account.planned.saturating_sub(ended)
}

/// What a threshold needs of an interval.
fn newest(
    threshold: &Threshold,
    interval: &HistogramAggregate,
    account: &Account,
    length: Duration,
) -> Part {
    let mut newest = Part::new(length, account.planned);
    let figure = &threshold.figure;
    let Some(stats) = stats_of(figure, interval) else {
        return newest;
    };
    newest.completed = stats.outcomes().completed();
    newest.lag = stats.lag();
    if let Some(counted) = figure.what.counted() {
        newest.counted = part(counted, stats, account);
    }
    match figure
        .what
        .time()
        .and_then(|time| times_of(time, stats, interval))
    {
        Some(times) => newest.with_times(times),
        None => newest,
    }
}

/// A threshold and what it is looked at by.
struct View<'a> {
    threshold: &'a Threshold,
    window: &'a Window,
    total: &'a HistogramAggregate,
    account: &'a Account,
}

impl View<'_> {
    fn finding(&self) -> Finding {
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
        1.0 + 4.0 * (usual as f64).sqrt()
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
