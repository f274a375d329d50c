//! A summary as text: the verdict, then each scenario.

use std::time::Duration;

use karga_core::{Detail, LoadModel, StopReason};
use karga_stats::{CountSummary, ScenarioSummary, Summary, Verdict, WarmUpSummary};

use crate::{
    figure::{bytes, count, counted, duration, rate},
    wrap,
};

use super::{
    complaint,
    page::{KEY, Page, WIDTH, width},
    strip::{self, Strip},
};

pub(super) fn render(summary: &Summary, colored: bool) -> String {
    let mut page = Page::new(colored);
    page.head(summary);
    for scenario in &summary.scenarios {
        page.scenario(scenario);
    }
    page.text
}

impl Page {
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
        self.thresholds(&row.thresholds);
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
            _ => format!(" · {}", wrap::cut(&complaint::stop(row), 24)),
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
            if is_closed(row) {
                "iterations"
            } else {
                "arrivals"
            },
            &format!(
                "{} planned = {} completed + {} dropped + {} interrupted",
                count(row.planned),
                count(row.completed),
                count(row.dropped),
                count(row.interrupted)
            ),
        );
        let is_tolerated = row.failed.max(row.unknown) > 0 && row.untolerated_failures() == 0;
        let tolerated = if is_tolerated {
            ": no more than its thresholds allow"
        } else {
            ""
        };
        self.fact(
            "outcomes",
            &format!(
                "{} succeeded, {} failed, {} unknown{tolerated}",
                count(row.succeeded),
                count(row.failed),
                count(row.unknown)
            ),
        );
        self.rate(row);
        if let Some(warm_up) = &row.warm_up {
            self.fact("warm-up", &warmed_up(warm_up));
        }
        if !row.start_offset.is_zero() {
            let offset = duration(row.start_offset);
            self.fact("start", &format!("{offset} after the common start"));
        }
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
        self.details(&row.details);
        for warning in &row.warnings {
            self.fact("warning", warning);
        }
    }

    /// What the scenario said of itself; a name that is too long to stand before
    /// its value stands in it.
    fn details(&mut self, details: &[Detail]) {
        const NAME: usize = KEY - 3;
        for Detail { name, value, .. } in details {
            let name = wrap::plain(name);
            match width(name.trim()) {
                0 => self.fact("detail", value),
                1..=NAME => self.fact(name.trim(), value),
                _ => self.fact("detail", &format!("{name}: {value}")),
            }
        }
    }

    /// In a closed run each iteration is due when it begins, so that nothing is
    /// offered which does not happen.
    fn rate(&mut self, row: &ScenarioSummary) {
        let (achieved, time) = (rate(row.achieved_rate), duration(row.load_time));
        let text = if is_closed(row) {
            format!("{achieved}/s achieved; users began iterations for {time}")
        } else {
            let offered = rate(row.offered_rate);
            format!("{offered}/s offered for {time}, {achieved}/s achieved")
        };
        self.fact("rate", &text);
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
        let who = match row.model {
            LoadModel::Open => "worker",
            _ => "user",
        };
        // An executor that knows nothing of itself has said so.
        if generator.workers > 0 {
            parts.push(format!(
                "{} of {} in flight at most",
                count(generator.peak_in_flight),
                counted(generator.workers, who)
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
}

pub(super) fn is_closed(row: &ScenarioSummary) -> bool {
    row.model == LoadModel::Closed
}

/// "5.00 s, 500 iterations, not in these figures".
fn warmed_up(warm_up: &WarmUpSummary) -> String {
    let iterations = counted(warm_up.completed, "iteration");
    let others = [
        (warm_up.failed, "failed"),
        (warm_up.unknown, "unknown"),
        (warm_up.dropped, "dropped"),
        (warm_up.interrupted, "interrupted"),
    ];
    let others: Vec<_> = others
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", count(number)))
        .collect();
    let others = match others.as_slice() {
        [] => String::new(),
        others => format!(" ({})", others.join(", ")),
    };
    let time = duration(warm_up.duration);
    format!("{time}, {iterations}{others}, not in these figures")
}

/// A summary may have been read from a file that says anything.
pub(super) fn time_of(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn counts(counts: &[CountSummary]) -> Vec<String> {
    let text = |one: &CountSummary| {
        let name = wrap::plain(&one.name.replace('_', " "));
        format!("{name}: {}", count(one.count))
    };
    counts.iter().map(text).collect()
}
