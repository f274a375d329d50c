//! Thresholds while a run goes on.

use std::{ops::ControlFlow, time::Duration};

use karga_core::{Account, Judgement, Observer, Run, Snapshot, StopReason};

use super::{
    Threshold, Thresholds,
    evidence::{part, stats_of, times_of},
    finding::{Finding, View, under_way},
    set::judge,
    window::{Part, Window},
};
use crate::{HistogramAggregate, Histograms};

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
