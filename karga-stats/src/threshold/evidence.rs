//! What a figure was in a finished run.

use std::time::Duration;

use karga_core::{Account, LoadModel, Run};

use super::{Counted, Figure, Limit, Threshold, Time, figure::What, words};
use crate::{Histogram, HistogramAggregate, Histograms, Stats, text};

/// The value of a figure, and what it was taken from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    /// There is no value, and why.
    Nothing(String),
    Time {
        value: Duration,
        samples: u64,
    },
    Share {
        part: u64,
        whole: u64,
        of: &'static str,
    },
    AchievedShare {
        percent: f64,
        offered: f64,
    },
    Count {
        count: u64,
        bytes: bool,
    },
    Rate {
        rate: f64,
        bytes: bool,
    },
    Lag(u64),
}

impl Seen {
    /// Whether the condition holds for it; none does for nothing.
    pub(super) fn holds(&self, threshold: &Threshold) -> bool {
        let comparison = threshold.comparison;
        match (self, threshold.limit) {
            (Self::Time { value, .. }, Limit::Time(limit)) => comparison.holds(*value, limit),
            (Self::Share { part, whole, .. }, Limit::Percent(limit)) => {
                comparison.holds(percent(*part, *whole), limit)
            }
            (Self::AchievedShare { percent, .. }, Limit::Percent(limit)) => {
                comparison.holds(*percent, limit)
            }
            (Self::Count { count, .. } | Self::Lag(count), Limit::Count(limit)) => {
                comparison.holds(*count, limit)
            }
            (Self::Rate { rate, .. }, Limit::PerSecond(limit)) => comparison.holds(*rate, limit),
            // Checked when the threshold was built.
            _ => false,
        }
    }

    /// "it was 312.1 ms over 1,204 samples".
    pub(super) fn text(&self, limit: Limit) -> String {
        match self {
            Self::Nothing(why) => why.clone(),
            Self::Time { value, samples } => {
                format!(
                    "it was {} over {} samples",
                    words::time_beside(*value, limit),
                    text::count(*samples)
                )
            }
            Self::Share { part, whole, of } => format!(
                "it was {} ({} of {} {of})",
                words::percent(percent(*part, *whole)),
                text::count(*part),
                text::count(*whole),
            ),
            Self::AchievedShare { percent, offered } => format!(
                "it was {} of the offered {}/s",
                words::percent(*percent),
                words::number(*offered)
            ),
            Self::Count {
                count,
                bytes: false,
            }
            | Self::Lag(count) => {
                format!("it was {}", text::count(*count))
            }
            Self::Count { count, bytes: true } => format!("it was {} B", text::count(*count)),
            Self::Rate { rate, bytes } => {
                format!("it was {}", words::rate_beside(*rate, *bytes, limit))
            }
        }
    }
}

/// A part of a whole in percent.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    // 100 times an integer is exact up to 2^46, and so is the share then.
    part as f64 * 100.0 / whole as f64
}

/// What the figure was in the run.
pub(super) fn in_run<A: Histograms>(threshold: &Threshold, run: &Run<A>) -> Seen {
    let aggregate = run.aggregate.histograms();
    if aggregate.outcomes().completed() == 0 {
        return Seen::Nothing("there are no samples".to_owned());
    }
    let figure = &threshold.figure;
    let Some(stats) = stats_of(figure, aggregate) else {
        return Seen::Nothing(no_label(figure, aggregate));
    };
    match &figure.what {
        What::Quantile(_, time) | What::Mean(time) | What::Min(time) | What::Max(time) => {
            match times_of(time, stats, aggregate) {
                Some(times) if !times.is_empty() => Seen::Time {
                    value: time_value(&figure.what, times),
                    samples: times.count(),
                },
                _ => Seen::Nothing(no_step(time, aggregate)),
            }
        }
        What::Counted(counted) => counted_in_run(counted, threshold, stats, run.account),
        What::Rate(_) | What::AchievedRate if run.elapsed.is_zero() => {
            Seen::Nothing("the run took no time".to_owned())
        }
        What::Rate(counted) => Seen::Rate {
            rate: part(counted, stats, &run.account) as f64 / run.elapsed.as_secs_f64(),
            bytes: counted.is_bytes(),
        },
        What::AchievedRate => match threshold.limit {
            Limit::Percent(_) => achieved_share(run, stats),
            _ => Seen::Rate {
                rate: stats.outcomes().completed() as f64 / run.elapsed.as_secs_f64(),
                bytes: false,
            },
        },
        What::Lag | What::MaxLag => match (stats.lag(), &figure.what) {
            (None, _) => Seen::Nothing("no sample says a lag".to_owned()),
            (Some(lag), What::Lag) => Seen::Lag(lag.latest),
            (Some(lag), _) => Seen::Lag(lag.highest),
        },
    }
}

fn counted_in_run(
    counted: &Counted,
    threshold: &Threshold,
    stats: &Stats,
    account: Account,
) -> Seen {
    let part = part(counted, stats, &account);
    match threshold.limit {
        Limit::Percent(_) => {
            let (whole, of) = whole(counted, stats.outcomes().completed(), account.planned);
            if whole == 0 {
                return Seen::Nothing("no arrivals were planned".to_owned());
            }
            Seen::Share { part, whole, of }
        }
        _ => Seen::Count {
            count: part,
            bytes: counted.is_bytes(),
        },
    }
}

/// The share of the offered rate that was achieved.
fn achieved_share<A: Histograms>(run: &Run<A>, stats: &Stats) -> Seen {
    let Account { planned, .. } = run.account;
    if run.model == LoadModel::Closed {
        return Seen::Nothing(
            "users without pacing offer no rate that it could be a share of; give a rate per \
             second"
                .to_owned(),
        );
    }
    let load_time = run.load_time.as_secs_f64();
    if planned == 0 || load_time == 0.0 {
        return Seen::Nothing("no load was offered".to_owned());
    }
    // The run cannot end before the last arrival has its answer.
    let unavoidable = stats.service_time().min().as_secs_f64();
    let time = (run.elapsed.as_secs_f64() - unavoidable).max(load_time);
    let share = stats.outcomes().completed() as f64 / planned as f64 * load_time / time;
    Seen::AchievedShare {
        percent: (share * 100.0).min(100.0),
        offered: planned as f64 / load_time,
    }
}

/// What a count is a part of.
pub(super) fn whole(counted: &Counted, completed: u64, planned: u64) -> (u64, &'static str) {
    if counted.is_part_of_planned() {
        (planned, "planned")
    } else {
        (completed, "completed")
    }
}

/// How often something was counted.
pub(super) fn part(counted: &Counted, stats: &Stats, account: &Account) -> u64 {
    let (outcomes, volume) = (stats.outcomes(), stats.volume());
    match counted {
        Counted::Completed => outcomes.completed(),
        Counted::Succeeded => outcomes.succeeded,
        Counted::Failures => outcomes.failed,
        Counted::Unknown => outcomes.unknown,
        Counted::Errors(class) => named(class, stats.errors()),
        Counted::Dropped => account.dropped,
        Counted::Interrupted => account.interrupted,
        Counted::Count(name) => named(name, stats.counts()),
        Counted::Messages => volume.messages,
        Counted::BytesSent => volume.bytes_sent,
        Counted::BytesReceived => volume.bytes_received,
    }
}

fn named<'a>(wanted: &str, mut counts: impl Iterator<Item = (&'a str, u64)>) -> u64 {
    let found = counts.find(|(name, _)| *name == wanted);
    found.map_or(0, |(_, count)| count)
}

/// The statistics of the figure's label, or of all iterations.
pub(super) fn stats_of<'a>(
    figure: &Figure,
    aggregate: &'a HistogramAggregate,
) -> Option<&'a Stats> {
    let Some(wanted) = &figure.label else {
        return Some(aggregate.total());
    };
    let mut labels = aggregate.labels();
    labels
        .find(|(label, _)| label == wanted)
        .map(|(_, stats)| stats)
}

/// The histogram of a time, if there is one.
pub(super) fn times_of<'a>(
    time: &Time,
    stats: &'a Stats,
    aggregate: &'a HistogramAggregate,
) -> Option<&'a Histogram> {
    match time {
        Time::Response => Some(stats.response_time()),
        Time::Service => Some(stats.service_time()),
        Time::Lateness => Some(stats.lateness()),
        Time::Step(wanted) => {
            let mut steps = aggregate.steps();
            steps
                .find(|(name, _)| name == wanted)
                .map(|(_, times)| times)
        }
    }
}

/// The figure of a histogram.
pub(super) fn time_value(what: &What, times: &Histogram) -> Duration {
    match what {
        What::Quantile(percent, _) => times.quantile(percent / 100.0),
        What::Mean(_) => times.mean(),
        What::Min(_) => times.min(),
        _ => times.max(),
    }
}

/// What was seen instead of a class or a name that never was; empty if it was,
/// or if nothing was.
pub(super) fn instead<A: Histograms>(threshold: &Threshold, run: &Run<A>) -> String {
    let figure = &threshold.figure;
    let Some(stats) = stats_of(figure, run.aggregate.histograms()) else {
        return String::new();
    };
    let (kind, wanted, seen): (_, _, Vec<&str>) = match figure.what.counted() {
        Some(Counted::Errors(class)) => {
            let classes = stats.errors().map(|(class, _)| class);
            ("classes", class, classes.collect())
        }
        Some(Counted::Count(name)) => (
            "names",
            name,
            stats.counts().map(|(name, _)| name).collect(),
        ),
        _ => return String::new(),
    };
    if seen.is_empty() || seen.contains(&wanted.as_str()) {
        return String::new();
    }
    format!("; {kind} seen: {}", words::names(seen.into_iter()))
}

fn no_label(figure: &Figure, aggregate: &HistogramAggregate) -> String {
    let wanted = figure.label.as_deref().unwrap_or_default();
    let seen = words::names(aggregate.labels().map(|(label, _)| label));
    if seen.is_empty() {
        format!("no sample has the label \"{wanted}\", nor any other")
    } else {
        format!("no sample has the label \"{wanted}\"; labels seen: {seen}")
    }
}

fn no_step(time: &Time, aggregate: &HistogramAggregate) -> String {
    let Time::Step(wanted) = time else {
        return "there are no samples".to_owned();
    };
    let seen = words::names(aggregate.steps().map(|(step, _)| step));
    if seen.is_empty() {
        format!("no sample has the step \"{wanted}\", nor any other")
    } else {
        format!("no sample has the step \"{wanted}\"; steps seen: {seen}")
    }
}
