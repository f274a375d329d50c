//! Lines of at most 80 columns.

use console::Style;

use crate::wrap;

/// Columns of a terminal that everybody has.
pub(super) const WIDTH: usize = 80;

/// Of the names of facts, their indent included.
pub(super) const KEY: usize = 14;

pub(super) struct Page {
    pub(super) text: String,
    pub(super) good: Style,
    pub(super) bad: Style,
    pub(super) cautious: Style,
    pub(super) strong: Style,
    pub(super) faint: Style,
}

impl Page {
    pub(super) fn new(colored: bool) -> Self {
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

    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// `value` behind `key`, over as many lines as it takes.
    pub(super) fn fact(&mut self, key: &str, value: &str) {
        for (at, line) in wrap::lines(value, WIDTH - KEY).into_iter().enumerate() {
            let key = if at == 0 { key } else { "" };
            let key = self.faint.apply_to(pad(&format!("  {key}"), KEY));
            self.line(&format!("{key}{line}"));
        }
    }

    /// `values` behind `key`, each on one line if that can be.
    pub(super) fn list(&mut self, key: &str, values: &[String]) {
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
}

pub(super) fn width(text: &str) -> usize {
    console::measure_text_width(text)
}

pub(super) fn pad(text: &str, to: usize) -> String {
    let spaces = to.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(spaces))
}
