mod state;

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use karga_core::{LoadModel, Observer, Snapshot, StopReason};
use karga_stats::{HistogramAggregate, Histograms};

use crate::{figure::count, terminal, wrap};
use state::{State, seconds};

const WIDTH: usize = 80;
const NAME: usize = 9;
/// What the bar and the name leave of a line.
const BAR_ROOM: usize = WIDTH - NAME - 7;

/// Shows runs while they happen: elapsed time, offered and achieved rate,
/// iterations in flight, p99 of the response time in the last interval, what
/// did not succeed so far, and lag. In closed load, where nothing is offered,
/// it shows how many of the users are waiting for the target; during a warm-up,
/// how much of it is left.
///
/// When the schedule is over or the run was stopped, and iterations are still
/// in flight, it says how many it waits for.
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
    /// The arrivals that were due by the last snapshot.
    planned: u64,
}

#[derive(Clone)]
enum Display {
    Bars(MultiProgress),
    Lines(Arc<Mutex<dyn Write + Send>>),
}

impl Progress {
    /// Bars on standard error if that is a terminal that can move its cursor
    /// (not `TERM=dumb`), plain lines otherwise.
    pub fn new() -> Self {
        if io::stderr().is_terminal() && !terminal::is_dumb() {
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
        Self {
            display,
            bar: None,
            planned: 0,
        }
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

impl<A: Histograms> Observer<A> for Progress {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        let snapshot = &snapshot.map(Histograms::histograms);
        let planned = std::mem::replace(&mut self.planned, snapshot.account.planned);
        let state = State::of(snapshot, planned);
        match &self.display {
            Display::Lines(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                // See `to_writer`.
                let _ =
                    writeln!(writer, "{}", line(snapshot, &state)).and_then(|()| writer.flush());
            }
            Display::Bars(bars) => {
                let bar = self.bar.get_or_insert_with(|| bars.add(new_bar(snapshot)));
                draw(bar, snapshot, &state);
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
        Some(_) => "{prefix}{bar:6.green} {wide_msg}",
        None => "{prefix}{wide_msg}",
    };
    bar.set_style(
        ProgressStyle::with_template(template)
            .expect("invariant: the templates above are valid")
            .progress_chars("━╸─"),
    );
    bar.set_prefix(name(snapshot));
    bar
}

fn draw(bar: &ProgressBar, snapshot: &Snapshot<'_, HistogramAggregate>, state: &State) {
    if snapshot.stopped.is_some() {
        bar.finish_and_clear();
        return;
    }
    let time = seconds(snapshot.elapsed);
    bar.set_message(format!(
        "{time} s  {}",
        state.fit(BAR_ROOM - time.len() - 4)
    ));
    let length = bar.length().unwrap_or(u64::MAX);
    bar.set_position(millis(snapshot.elapsed).min(length));
}

/// "produce  4.0/10.0 s  998 of 1,000/s  3 in flight  p99 1.21 ms  0 errors",
/// and in the end "produce  10.0/10.0 s  completed: 8,000 of 8,000 arrivals  0
/// errors".
fn line(snapshot: &Snapshot<'_, HistogramAggregate>, state: &State) -> String {
    let time = match snapshot.plan.duration {
        Some(whole) => format!("{}/{} s", seconds(snapshot.elapsed), seconds(whole)),
        None => format!("{} s", seconds(snapshot.elapsed)),
    };
    let head = format!("{}{time:>10}  ", name(snapshot));
    let rest = match snapshot.stopped {
        Some(stop) => format!(
            "{stop}: {} of {} {}  {}",
            count(snapshot.account.completed),
            count(snapshot.account.planned),
            match snapshot.model {
                LoadModel::Closed => "iterations",
                _ => "arrivals",
            },
            state.errors()
        ),
        None => state.fit(WIDTH.saturating_sub(console::measure_text_width(&head))),
    };
    wrap::cut(&(head + &rest), WIDTH)
}

fn name(snapshot: &Snapshot<'_, HistogramAggregate>) -> String {
    let name = wrap::cut(snapshot.name, NAME);
    let spaces = NAME.saturating_sub(console::measure_text_width(&name));
    format!("{name}{}", " ".repeat(spaces))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    /// Bars on a terminal of 100 columns, drawn as often as they change.
    fn bars() -> (Progress, InMemoryTerm) {
        let terminal = InMemoryTerm::new(10, 100);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        let bars = MultiProgress::with_draw_target(target);
        bars.set_move_cursor(false);
        (Progress::on(Display::Bars(bars)), terminal)
    }

    fn snapshot<'a>(
        name: &'a str,
        aggregate: &'a HistogramAggregate,
    ) -> Snapshot<'a, HistogramAggregate> {
        let second = Duration::from_secs(1);
        let mut snapshot = Snapshot::new(name, 4 * second, aggregate, aggregate);
        snapshot.plan = karga_core::Plan::new(Some(1_000), Some(10 * second), 64);
        snapshot.interval_length = second;
        snapshot.account = karga_core::Account::new(1_000, 0, 0, 0);
        snapshot
    }

    fn show(progress: &mut Progress, snapshot: &Snapshot<'_, HistogramAggregate>) {
        let flow = progress.on_interval(snapshot);
        assert_eq!(flow, ControlFlow::Continue(()));
        if let Some(bar) = &progress.bar {
            // Not held back by the limit of the drawing rate.
            bar.force_draw();
        }
    }

    #[test]
    fn a_suite_has_a_bar_for_each_run_and_leaves_none_behind() {
        let (mut produce, terminal) = bars();
        let mut fetch = produce.clone();
        let aggregate = HistogramAggregate::default();
        show(&mut produce, &snapshot("produce", &aggregate));
        show(&mut fetch, &snapshot("fetch", &aggregate));
        insta::assert_snapshot!(terminal.contents(), @"
        produce  ━━╸─── 4.0 s  0 of 1,000/s  0 in flight  p99 -  0 errors
        fetch    ━━╸─── 4.0 s  0 of 1,000/s  0 in flight  p99 -  0 errors
        ");

        let mut last = snapshot("produce", &aggregate);
        last.stopped = Some(&StopReason::CtrlC);
        show(&mut produce, &last);
        // The other run goes on.
        assert!(
            !terminal.contents().contains("produce"),
            "{}",
            terminal.contents()
        );
        assert!(
            terminal.contents().contains("fetch"),
            "{}",
            terminal.contents()
        );

        // Its future is dropped, and with it the observer.
        drop(fetch);
        assert_eq!(terminal.contents(), "");
    }
}
