//! What stands in columns: times, labels, errors, thresholds.

use console::Style;
use karga_stats::{LabelSummary, LatencySummary, ScenarioSummary, ThresholdSummary};

use crate::{
    figure::{count, duration, percent, rate},
    wrap,
};

use super::{
    complaint,
    page::{Page, WIDTH, pad, width},
};

/// Of the first column, its indent included.
const NAME: usize = 16;
/// Of each other column: `NAME + 8 * COLUMN = WIDTH`.
const COLUMN: usize = 8;
/// How many classes of errors are named; the others are added up.
const ERRORS: usize = 12;
/// Of the word that says whether a threshold held, its indent included.
const WORD: usize = 10;
/// The most columns for a condition that has what was seen beside it.
const CONDITION: usize = 34;

impl Page {
    pub(super) fn times(&mut self, row: &ScenarioSummary) {
        self.table_head("");
        let strong = self.strong.clone();
        self.table_row(&strong, "response time", &row.response_time);
        self.table_row(&Style::new(), "service time", &row.service_time);
        self.table_row(&Style::new(), "lateness", &row.lateness);
        for step in &row.steps {
            self.table_row(&Style::new(), &step.name, &step.duration);
        }
        self.covered(row);
        if let Some(caveat) = row.caveat() {
            for line in wrap::lines(caveat, WIDTH - 2) {
                let line = self.cautious.apply_to(line).to_string();
                self.line(&format!("  {line}"));
            }
        }
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
    pub(super) fn labels(&mut self, labels: &[LabelSummary]) {
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

    pub(super) fn errors(&mut self, row: &ScenarioSummary) {
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

    /// What was seen stands beside the condition, or below it if that is long.
    pub(super) fn thresholds(&mut self, thresholds: &[ThresholdSummary]) {
        if thresholds.is_empty() {
            return;
        }
        self.line("");
        let head = self.faint.apply_to("  thresholds").to_string();
        self.line(&head);
        let conditions = thresholds.iter().map(|one| width(&wrap::plain(&one.name)));
        let short = conditions.filter(|width| *width <= CONDITION);
        let column = short.max().unwrap_or(CONDITION);
        for threshold in thresholds {
            self.threshold(threshold, column);
        }
    }

    fn threshold(&mut self, threshold: &ThresholdSummary, column: usize) {
        let (word, style) = if threshold.passed {
            ("passed", self.good.clone())
        } else {
            ("MISSED", self.bad.clone())
        };
        let mut word = style.apply_to(pad(word, WORD - 2)).to_string();
        let blank = " ".repeat(WORD - 2);
        let mut put = |page: &mut Self, line: &str| {
            let word = std::mem::replace(&mut word, blank.clone());
            page.line(&format!("  {word}{line}"));
        };
        let details = complaint::details(threshold);
        let details = wrap::lines(&details, WIDTH - WORD - column - 2);
        let name = wrap::lines(&threshold.name, WIDTH - WORD);
        match name.as_slice() {
            [name] if width(name) <= column => {
                for (at, line) in details.iter().enumerate() {
                    let name = if at == 0 { name.as_str() } else { "" };
                    put(self, &format!("{}  {line}", pad(name, column)));
                }
            }
            lines => {
                for line in lines {
                    put(self, line);
                }
                for line in details.iter().filter(|line| !line.is_empty()) {
                    put(self, &format!("{}  {line}", pad("", column)));
                }
            }
        }
    }
}
