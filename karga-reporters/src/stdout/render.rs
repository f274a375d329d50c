//! A summary as text.

use std::time::Duration;

use console::Style;
use karga_core::StopReason;
use karga_stats::{CountSummary, LabelSummary, LatencySummary, ScenarioSummary, Summary, Verdict};

use crate::{
    figure::{bytes, count, counted, duration, percent, rate},
    wrap,
};

use super::{
    complaint,
    strip::{self, Strip},
};

const WIDTH: usize = 80;
/// Of the first column of the tables, its indent included.
const NAME: usize = 16;
/// Of each other column: `NAME + 8 * COLUMN = WIDTH`.
const COLUMN: usize = 8;
/// Of the names of facts, their indent included.
const KEY: usize = 14;
/// How many classes of errors are named; the others are added up.
const ERRORS: usize = 12;

pub(super) fn render(summary: &Summary, colored: bool) -> String {
    let mut page = Page::new(colored);
    page.head(summary);
    for scenario in &summary.scenarios {
        page.scenario(scenario);
    }
    page.text
}

struct Page {
    text: String,
    good: Style,
    bad: Style,
    cautious: Style,
    strong: Style,
    faint: Style,
}

impl Page {
    fn new(colored: bool) -> Self {
        let style = || Style::new().force_styling(colored);
        Self {
            text: String::new(),
            good: style().green().bold(),
            bad: style().red().bold(),
            cautious: style().yellow().bold(),
            strong: style().bold(),
            faint: style().dim(),
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// `value` behind `key`, over as many lines as it takes.
    fn fact(&mut self, key: &str, value: &str) {
        for (at, line) in wrap::lines(value, WIDTH - KEY).into_iter().enumerate() {
            let key = if at == 0 { key } else { "" };
            let key = self
                .faint
                .apply_to(format!("  {key:<width$}", width = KEY - 2));
            self.line(&format!("{key}{line}"));
        }
    }

    /// `values` behind `key`, each on one line if that can be.
    fn list(&mut self, key: &str, values: &[String]) {
        let mut lines = Vec::new();
        let mut line = String::new();
        for value in values {
            if line.is_empty() {
                line.clone_from(value);
            } else if width(&line) + 3 + width(value) <= WIDTH - KEY {
                line = format!("{line}, {value}");
            } else {
                lines.push(format!("{line},"));
                line.clone_from(value);
            }
        }
        lines.push(line);
        for (at, line) in lines.iter().enumerate() {
            self.fact(if at == 0 { key } else { "" }, line);
        }
    }

    /// The verdict on the whole, and everything that speaks against it.
    fn head(&mut self, summary: &Summary) {
        let (word, style) = if summary.passed() {
            ("PASSED", &self.good)
        } else if summary.is_sound() {
            // Nothing is wrong with what there is; it is not the whole.
            ("STOPPED", &self.cautious)
        } else {
            ("FAILED", &self.bad)
        };
        let name = wrap::cut(&summary.name, WIDTH - 2 - width(word));
        let word = style.apply_to(word).to_string();
        let name = self.strong.apply_to(name).to_string();
        self.line(&format!("{word}  {name}"));
        if summary.scenarios.is_empty() {
            self.complaint("there is no scenario, so there is nothing to judge");
        }
        for scenario in &summary.scenarios {
            for complaint in complaint::of(scenario) {
                self.complaint(&format!("{}: {complaint}", scenario.name));
            }
        }
    }

    fn complaint(&mut self, complaint: &str) {
        let mark = self.bad.apply_to("!").to_string();
        for (at, line) in wrap::lines(complaint, WIDTH - 4).into_iter().enumerate() {
            let mark = if at == 0 { mark.as_str() } else { " " };
            self.line(&format!("  {mark} {line}"));
        }
    }

    fn scenario(&mut self, row: &ScenarioSummary) {
        self.line("");
        self.title(row);
        self.facts(row);
        self.line("");
        self.times(row);
        if !row.labels.is_empty() {
            self.line("");
            self.labels(&row.labels);
        }
        self.timeline(row);
        self.errors(row);
    }

    /// How rate, response times and failures went over the run.
    fn timeline(&mut self, row: &ScenarioSummary) {
        let strips = strip::of(&row.timeline);
        if strips.is_empty() {
            return;
        }
        self.line("");
        for (at, Strip { name, bars, note }) in strips.into_iter().enumerate() {
            let key = if at == 0 { "timeline" } else { "" };
            let key = format!("  {key:<width$}{name:<8}", width = KEY - 2);
            let note = wrap::cut(&note, WIDTH - width(&key) - width(&bars) - 2);
            let line = format!("{}{bars}  {note}", self.faint.apply_to(key));
            self.line(&line);
        }
    }

    /// "produce ─────────── generator healthy · 10.0 s · stopped by Ctrl-C"
    fn title(&mut self, row: &ScenarioSummary) {
        let verdict = row.generator.verdict;
        let style = match verdict {
            Verdict::Healthy => &self.good,
            _ => &self.bad,
        };
        let stop = match &row.stop {
            StopReason::Completed => String::new(),
            stop => format!(" · {}", wrap::cut(&stop.to_string(), 24)),
        };
        let verdict_text = complaint::verdict(verdict);
        let end = format!(" · {}{stop}", duration(row.elapsed));
        let room = WIDTH - 6 - width(&verdict_text) - width(&end);
        let name = wrap::cut(&row.name, room);
        let rule = "─".repeat(WIDTH - 2 - width(&name) - width(&verdict_text) - width(&end));
        let line = format!(
            "{} {} {}{end}",
            self.strong.apply_to(name),
            self.faint.apply_to(rule),
            style.apply_to(verdict_text),
        );
        self.line(&line);
    }

    fn facts(&mut self, row: &ScenarioSummary) {
        self.fact(
            "arrivals",
            &format!(
                "{} planned = {} completed + {} dropped + {} interrupted",
                count(row.planned),
                count(row.completed),
                count(row.dropped),
                count(row.interrupted)
            ),
        );
        self.fact(
            "outcomes",
            &format!(
                "{} succeeded, {} failed, {} unknown",
                count(row.succeeded),
                count(row.failed),
                count(row.unknown)
            ),
        );
        self.fact(
            "rate",
            &format!(
                "{}/s offered for {}, {}/s achieved",
                rate(row.offered_rate),
                duration(row.load_time),
                rate(row.achieved_rate)
            ),
        );
        self.moved(row);
        if let Some(lag) = row.lag {
            self.fact(
                "lag",
                &format!(
                    "{} at the end, {} at most",
                    counted(lag.latest, "message"),
                    count(lag.highest)
                ),
            );
        }
        if !row.counts.is_empty() {
            self.list("counts", &counts(&row.counts));
        }
        self.generator(row);
        for threshold in &row.thresholds {
            let verdict = if threshold.passed { "held" } else { "missed" };
            self.fact("threshold", &format!("{}: {verdict}", threshold.name));
        }
        for warning in &row.warnings {
            self.fact("warning", warning);
        }
    }

    fn moved(&mut self, row: &ScenarioSummary) {
        let seconds = row.elapsed.as_secs_f64();
        let per_second = |value: u64| {
            if seconds > 0.0 {
                value as f64 / seconds
            } else {
                0.0
            }
        };
        let mut parts = Vec::new();
        if row.messages > 0 {
            parts.push(format!(
                "{} ({}/s)",
                counted(row.messages, "message"),
                rate(per_second(row.messages))
            ));
        }
        for (value, verb) in [(row.bytes_sent, "sent"), (row.bytes_received, "received")] {
            if value > 0 {
                parts.push(format!(
                    "{} {verb} ({}/s)",
                    bytes(value as f64),
                    bytes(per_second(value))
                ));
            }
        }
        if !parts.is_empty() {
            self.list("volume", &parts);
        }
    }

    fn generator(&mut self, row: &ScenarioSummary) {
        let generator = &row.generator;
        let mut parts = Vec::new();
        // An executor that knows nothing of itself has said so.
        if generator.workers > 0 {
            parts.push(format!(
                "{} of {} in flight at most",
                count(generator.peak_in_flight),
                counted(generator.workers, "worker")
            ));
        }
        if generator.cpu_seconds > 0.0 {
            let seconds = row.elapsed.as_secs_f64();
            let cores = if seconds > 0.0 {
                format!(" ({} cores)", rate(generator.cpu_seconds / seconds))
            } else {
                String::new()
            };
            parts.push(format!(
                "process CPU {}{cores}",
                duration(time_of(generator.cpu_seconds))
            ));
        }
        if let Some(busy) = generator.busy {
            parts.push(format!("busy {:.0} %", busy * 100.0));
        }
        if !parts.is_empty() {
            self.list("generator", &parts);
        }
    }

    fn times(&mut self, row: &ScenarioSummary) {
        self.table_head("");
        let strong = self.strong.clone();
        self.table_row(&strong, "response time", &row.response_time);
        self.table_row(&Style::new(), "service time", &row.service_time);
        self.table_row(&Style::new(), "lateness", &row.lateness);
        for step in &row.steps {
            self.table_row(&Style::new(), &step.name, &step.duration);
        }
        self.covered(row);
    }

    /// What the times stand for, where that is not plain.
    fn covered(&mut self, row: &ScenarioSummary) {
        let bad = row.failed.saturating_add(row.unknown);
        if row.completed == 0 || (bad == 0 && row.interrupted == 0) {
            return;
        }
        let mut note = format!(
            "times cover all completed iterations ({})",
            count(row.completed)
        );
        if bad > 0 {
            note += &format!(", failed and unknown ones ({}) included", count(bad));
        }
        if row.interrupted > 0 {
            note += &format!(
                "; interrupted arrivals ({}) are not in them",
                count(row.interrupted)
            );
        }
        for line in wrap::lines(&note, WIDTH - 2) {
            let line = self.faint.apply_to(format!("  {line}")).to_string();
            self.line(&line);
        }
    }

    fn table_head(&mut self, name: &str) {
        let heads = ["min", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
        let mut line = format!("  {name:<width$}", width = NAME - 2);
        for head in heads {
            line.push_str(&format!("{head:>COLUMN$}"));
        }
        let line = self.faint.apply_to(line).to_string();
        self.line(&line);
    }

    fn table_row(&mut self, style: &Style, name: &str, times: &LatencySummary) {
        let mut line = format!("  {}", pad(&wrap::cut(name, NAME - 3), NAME - 2));
        let figures = [
            times.min,
            times.mean,
            times.p50,
            times.p90,
            times.p99,
            times.p99_9,
            times.p99_99,
            times.max,
        ];
        for figure in figures {
            let text = if times.count == 0 {
                "-".to_owned()
            } else {
                duration(figure)
            };
            line.push_str(&format!("{:>COLUMN$}", wrap::cut(&text, COLUMN)));
        }
        let line = style.apply_to(line).to_string();
        self.line(&line);
    }

    /// One line of response times for each label, and one of how it ended.
    fn labels(&mut self, labels: &[LabelSummary]) {
        self.table_head("response time");
        for label in labels {
            self.table_row(&Style::new(), &label.name, &label.response_time);
            let mut ended = format!(
                "{} completed ({}/s)",
                count(label.completed),
                rate(label.achieved_rate)
            );
            if label.failed > 0 || label.unknown > 0 {
                ended.push_str(&format!(
                    ", {} failed, {} unknown",
                    count(label.failed),
                    count(label.unknown)
                ));
            }
            for line in wrap::lines(&ended, WIDTH - NAME) {
                let line = self
                    .faint
                    .apply_to(format!("{:NAME$}{line}", ""))
                    .to_string();
                self.line(&line);
            }
        }
    }

    fn errors(&mut self, row: &ScenarioSummary) {
        if row.errors.is_empty() {
            return;
        }
        self.line("");
        let head = self.faint.apply_to("  errors").to_string();
        self.line(&head);
        let (shown, rest) = row.errors.split_at(row.errors.len().min(ERRORS));
        for error in shown {
            self.error(&error.class, error.count, row.completed);
        }
        if !rest.is_empty() {
            let counts = rest.iter().map(|error| error.count);
            let more = counts.fold(0, u64::saturating_add);
            let classes = match rest.len() {
                1 => "1 more class".to_owned(),
                classes => format!("{classes} more classes"),
            };
            self.error(&classes, more, row.completed);
        }
    }

    fn error(&mut self, class: &str, number: u64, completed: u64) {
        let figures = format!("{:>12} {:>8}", count(number), percent(number, completed));
        let room = WIDTH - 4 - width(&figures) - 2;
        for (at, line) in wrap::lines(class, room).into_iter().enumerate() {
            let figures = if at == 0 { figures.as_str() } else { "" };
            let figures = pad(figures, WIDTH - 4 - room - 2);
            let figures = self.bad.apply_to(figures).to_string();
            self.line(&format!("  {figures}  {line}"));
        }
    }
}

/// A summary may have been read from a file that says anything.
fn time_of(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn counts(counts: &[CountSummary]) -> Vec<String> {
    let text = |one: &CountSummary| {
        let name = wrap::plain(&one.name.replace('_', " "));
        format!("{name}: {}", count(one.count))
    };
    counts.iter().map(text).collect()
}

fn width(text: &str) -> usize {
    console::measure_text_width(text)
}

fn pad(text: &str, to: usize) -> String {
    let spaces = to.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(spaces))
}
