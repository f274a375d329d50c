//! The figures of one line, in as many columns as there are.

use std::time::Duration;

use karga_core::{LoadModel, Snapshot};
use karga_stats::HistogramAggregate;

use crate::figure::{duration, rate, short};

/// The figures of one line, as text.
pub(super) struct State {
    /// Nothing is measured yet.
    warm_up_left: Option<Duration>,
    /// No further arrival is due, and some have not ended.
    waiting: bool,
    achieved: String,
    /// None if nothing is offered that does not happen.
    offered: Option<String>,
    /// How many, and of what.
    in_flight: String,
    waiting_for: String,
    p99: String,
    errors: String,
    lag: Option<String>,
}

impl State {
    /// Both rates are those of the whole interval, so that they can be compared
    /// while the load rises or falls: `planned` arrivals were due before it.
    pub(super) fn of(snapshot: &Snapshot<'_, HistogramAggregate>, planned: u64) -> Self {
        let interval = snapshot.interval;
        let seconds = snapshot.interval_length.as_secs_f64();
        let per_second = |count: u64| {
            if seconds > 0.0 {
                count as f64 / seconds
            } else {
                0.0
            }
        };
        let outcomes = snapshot.total.outcomes();
        let lag = interval.lag().or(snapshot.total.lag());
        let due = snapshot.account.planned.saturating_sub(planned);
        let is_closed = snapshot.model == LoadModel::Closed;
        let offers_nothing = snapshot.model == LoadModel::Open && snapshot.offered_rate == 0.0;
        let is_over = offers_nothing
            || snapshot
                .plan
                .duration
                .is_some_and(|end| snapshot.elapsed >= end);
        Self {
            warm_up_left: snapshot.warm_up_left,
            // What became due in the interval in which the load ended is still
            // to be shown.
            waiting: due == 0 && is_over && snapshot.in_flight > 0,
            achieved: rate(per_second(interval.outcomes().completed())),
            offered: (!is_closed).then(|| rate(per_second(due))),
            in_flight: match snapshot.model {
                LoadModel::Open => format!("{} in flight", short(snapshot.in_flight)),
                _ => format!(
                    "{} of {} users busy",
                    short(snapshot.in_flight),
                    short(snapshot.plan.workers)
                ),
            },
            waiting_for: short(snapshot.in_flight),
            p99: match interval.response_time().count() {
                0 => "-".to_owned(),
                _ => duration(interval.response_time().quantile(0.99)),
            },
            errors: short(outcomes.failed + outcomes.unknown),
            lag: lag.map(|lag| short(lag.latest)),
        }
    }

    pub(super) fn errors(&self) -> String {
        let s = if self.errors == "1" { "" } else { "s" };
        format!("{} error{s}", self.errors)
    }

    /// The figures in at most so many columns, if that can be: in fewer words
    /// if it takes that, then without the least of them. A figure that was
    /// cut in two would be a wrong one.
    pub(super) fn fit(&self, room: usize) -> String {
        let Self {
            warm_up_left,
            waiting,
            achieved,
            offered,
            in_flight,
            waiting_for,
            p99,
            errors,
            lag,
        } = self;
        if let Some(left) = warm_up_left {
            return format!("warm-up, {} s left", seconds(*left));
        }
        let lag = match lag {
            Some(lag) => format!("  lag {lag}"),
            None => String::new(),
        };
        let rest = format!("p99 {p99}  {}{lag}", self.errors());
        let short_rest = format!("p99 {p99}  {errors} err{lag}");
        let (words, fewer, least) = if *waiting {
            (
                format!("{achieved}/s  waiting for {waiting_for} in flight  {rest}"),
                format!("waiting for {waiting_for} in flight  {short_rest}"),
                format!("waiting for {waiting_for}  {short_rest}"),
            )
        } else {
            let (long, short) = match offered {
                Some(offered) => (
                    format!("{achieved} of {offered}/s"),
                    format!("{achieved}/{offered}/s"),
                ),
                None => (format!("{achieved}/s"), format!("{achieved}/s")),
            };
            (
                format!("{long}  {in_flight}  {rest}"),
                format!("{short}  {in_flight}  {short_rest}"),
                format!("{short}  {short_rest}"),
            )
        };
        let fits = |text: &String| console::measure_text_width(text) <= room;
        [words, fewer].into_iter().find(fits).unwrap_or(least)
    }
}

pub(super) fn seconds(time: Duration) -> String {
    let decimals = usize::from(time < Duration::from_secs(100));
    format!("{:.decimals$}", time.as_secs_f64())
}
