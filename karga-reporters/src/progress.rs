use std::{
    fmt,
    io::{self, IsTerminal, Write},
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use karga_core::{Observer, Snapshot, StopReason};
use karga_stats::HistogramAggregate;

use crate::{
    figure::{count, duration, rate, short},
    wrap,
};

const WIDTH: usize = 80;
const NAME: usize = 9;

/// Shows runs while they happen: elapsed time, offered and achieved rate,
/// iterations in flight, p99 of the response time in the last interval, what
/// did not succeed so far, and lag.
///
/// On a terminal each run has a line of its own with a bar, which is removed
/// when the run ends; elsewhere a plain line is written at each interval. Both
/// go to standard error, so that standard output holds the result alone.
///
/// Clones share one display: give one to each member of a suite.
///
/// ```
/// use karga_reporters::Progress;
///
/// let progress = Progress::new();
/// let (produce, fetch) = (progress.clone(), progress.clone());
/// # let _ = (produce, fetch);
/// ```
pub struct Progress {
    display: Display,
    /// Made at the first snapshot, which knows the name and the plan.
    bar: Option<ProgressBar>,
}

#[derive(Clone)]
enum Display {
    Bars(MultiProgress),
    Lines(Arc<Mutex<dyn Write + Send>>),
}

impl Progress {
    /// Bars on standard error if that is a terminal, plain lines otherwise.
    pub fn new() -> Self {
        if io::stderr().is_terminal() {
            Self::on(Display::Bars(MultiProgress::with_draw_target(
                ProgressDrawTarget::stderr(),
            )))
        } else {
            Self::to_writer(io::stderr())
        }
    }

    /// Plain lines to `writer`. What it does not take is lost: progress is not
    /// worth stopping a run for.
    pub fn to_writer(writer: impl Write + Send + 'static) -> Self {
        Self::on(Display::Lines(Arc::new(Mutex::new(writer))))
    }

    fn on(display: Display) -> Self {
        Self { display, bar: None }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// Shares the display; the line is the clone's own.
impl Clone for Progress {
    fn clone(&self) -> Self {
        Self::on(self.display.clone())
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let display = match self.display {
            Display::Bars(_) => "bars",
            Display::Lines(_) => "lines",
        };
        f.debug_struct("Progress")
            .field("display", &display)
            .finish()
    }
}

impl Observer<HistogramAggregate> for Progress {
    fn on_interval(
        &mut self,
        snapshot: &Snapshot<'_, HistogramAggregate>,
    ) -> ControlFlow<StopReason> {
        match &self.display {
            Display::Lines(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                // See `to_writer`.
                let _ = writeln!(writer, "{}", line(snapshot)).and_then(|()| writer.flush());
            }
            Display::Bars(bars) => {
                let bar = self.bar.get_or_insert_with(|| bars.add(new_bar(snapshot)));
                draw(bar, snapshot);
            }
        }
        ControlFlow::Continue(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // Also when the run's future was dropped half way.
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn new_bar(snapshot: &Snapshot<'_, HistogramAggregate>) -> ProgressBar {
    let length = snapshot.plan.duration.map(millis);
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::hidden());
    let template = match length {
        Some(_) => "{prefix} {bar:8.green} {wide_msg}",
        None => "{prefix} {wide_msg}",
    };
    bar.set_style(
        ProgressStyle::with_template(template)
            .expect("invariant: the templates above are valid")
            .progress_chars("━╸─"),
    );
    bar.set_prefix(name(snapshot));
    bar
}

fn draw(bar: &ProgressBar, snapshot: &Snapshot<'_, HistogramAggregate>) {
    if snapshot.stopped.is_some() {
        bar.finish_and_clear();
        return;
    }
    let state = State::of(snapshot);
    bar.set_message(format!(
        "{}  {}  {} in flight  p99 {}  {} errors{}",
        state.time, state.rates, state.in_flight, state.p99, state.errors, state.lag
    ));
    let length = bar.length().unwrap_or(u64::MAX);
    bar.set_position(millis(snapshot.elapsed).min(length));
}

/// "produce   4.0/10.0 s  998 of 1,000/s  3 in flight  p99 1.21 ms  0 errors", and in the end
/// "produce   10.0/10.0 s  completed: 8,000 of 8,000 arrivals  0 errors".
fn line(snapshot: &Snapshot<'_, HistogramAggregate>) -> String {
    let state = State::of(snapshot);
    let (name, time) = (name(snapshot), &state.time);
    let rest = match snapshot.stopped {
        Some(stop) => format!(
            "{stop}: {} of {} arrivals",
            count(snapshot.account.completed),
            count(snapshot.account.planned)
        ),
        None => format!(
            "{}  {} in flight  p99 {}",
            state.rates, state.in_flight, state.p99
        ),
    };
    let line = format!("{name}{time:>10}  {rest}  {} errors{}", state.errors, state.lag);
    wrap::cut(&line, WIDTH)
}

fn name(snapshot: &Snapshot<'_, HistogramAggregate>) -> String {
    let name = wrap::cut(snapshot.name, NAME);
    let spaces = NAME.saturating_sub(console::measure_text_width(&name));
    format!("{name}{}", " ".repeat(spaces))
}

/// The figures of one line, as text.
struct State {
    time: String,
    rates: String,
    in_flight: String,
    p99: String,
    errors: String,
    lag: String,
}

impl State {
    fn of(snapshot: &Snapshot<'_, HistogramAggregate>) -> Self {
        let interval = snapshot.interval;
        let seconds = snapshot.interval_length.as_secs_f64();
        let achieved = if seconds > 0.0 {
            interval.outcomes().completed() as f64 / seconds
        } else {
            0.0
        };
        let time = match snapshot.plan.duration {
            Some(whole) => format!(
                "{:.1}/{:.1} s",
                snapshot.elapsed.as_secs_f64(),
                whole.as_secs_f64()
            ),
            None => format!("{:.1} s", snapshot.elapsed.as_secs_f64()),
        };
        let outcomes = snapshot.total.outcomes();
        Self {
            time,
            rates: format!("{} of {}/s", rate(achieved), rate(snapshot.offered_rate)),
            in_flight: short(snapshot.in_flight),
            p99: match interval.response_time().count() {
                0 => "-".to_owned(),
                _ => duration(interval.response_time().quantile(0.99)),
            },
            errors: short(outcomes.failed + outcomes.unknown),
            lag: match interval.lag().or(snapshot.total.lag()) {
                Some(lag) => format!("  lag {}", short(lag.latest)),
                None => String::new(),
            },
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
