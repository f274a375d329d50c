//! Conditions as text.
//!
//! ```text
//! condition  = figure [ "{" "label" "=" string "}" ] comparison number [ unit ]
//! figure     = function "(" time ")" | "max" "(" "lag" ")" | "rate" "(" counted ")"
//!            | counted | "achieved_rate" | "lag"
//! function   = "p" number | "mean" | "min" | "max"
//! time       = "response_time" | "service_time" | "lateness" | "step" "(" string ")"
//! counted    = "completed" | ... | "errors" "(" name ")" | "count" "(" name ")"
//! comparison = "<" | "<=" | ">" | ">=" | "==" | "!="
//! name       = string | word
//! ```

use super::{
    Comparison, Counted, Figure, InvalidThreshold, Limit, ParseThresholdError, Threshold, Time,
    figure::What,
    known::{
        COMPARISONS, COUNTED, COUNTED_NAMES, FIGURE_NAMES, FUNCTION_NAMES, FUNCTIONS, TIME_NAMES,
        TIMES, did_you_mean, figures,
    },
    number::Decimal,
    quantity::{Misfit, quantity},
    reader::{Parsed, Reader, wrong},
};

pub(super) fn parse(text: &str) -> Result<Threshold, ParseThresholdError> {
    let mut reader = Reader::new(text);
    reader.condition().map_err(|problem| ParseThresholdError {
        text: text.to_owned(),
        column: problem.at + 1,
        problem: problem.problem,
        known: problem.known,
    })
}

/// The rules of the grammar.
impl Reader {
    fn condition(&mut self) -> Parsed<Threshold> {
        if self.peek().is_none() {
            return wrong(self.at, "the condition is empty", figures());
        }
        let figure = self.figure()?;
        let label_at = self.at;
        let label = self.label()?;
        let comparison_at = self.next_at();
        let comparison = self.comparison()?;
        let number_at = self.next_at();
        let limit = self.limit(&figure.what)?;
        let trailing = self.next_at();
        if self.peek().is_some() {
            let rest: String = self.chars[trailing..].iter().collect();
            return wrong(
                trailing,
                format!("there is more after the condition: \"{}\"", rest.trim_end()),
                "",
            );
        }
        let figure = Figure { label, ..figure };
        figure.compare(comparison, limit).or_else(|invalid| {
            let at = match invalid {
                InvalidThreshold::NoLabels { .. } | InvalidThreshold::NoName { .. } => label_at,
                InvalidThreshold::Exact { .. } => comparison_at,
                _ => number_at,
            };
            wrong(at, invalid.to_string(), "")
        })
    }

    fn figure(&mut self) -> Parsed<Figure> {
        let at = self.next_at();
        let Some(name) = self.word() else {
            let found = self.found();
            return wrong(
                at,
                format!("a figure is missing; there is {found}"),
                figures(),
            );
        };
        let calls = self.peek() == Some('(');
        let what = match name.as_str() {
            "mean" => What::Mean(self.time_argument(&name)?),
            "min" => What::Min(self.time_argument(&name)?),
            "max" => self.max(&name)?,
            "rate" => self.rate()?,
            "achieved_rate" => What::AchievedRate,
            "lag" => What::Lag,
            _ => match (percentile(&name, at)?, self.counted(&name)?) {
                (Some(percent), _) => What::Quantile(percent, self.time_argument(&name)?),
                (None, Some(counted)) => What::Counted(counted),
                (None, None) => return unknown_figure(&name, at, calls),
            },
        };
        Ok(Figure::new(what))
    }

    fn max(&mut self, name: &str) -> Parsed<What> {
        self.open(name, &format!("{TIMES}, lag"))?;
        let at = self.next_at();
        if self.word().as_deref() == Some("lag") {
            self.close()?;
            return Ok(What::MaxLag);
        }
        self.at = at;
        let time = self.time()?;
        self.close()?;
        Ok(What::Max(time))
    }

    fn rate(&mut self) -> Parsed<What> {
        self.open("rate", COUNTED)?;
        let at = self.next_at();
        let name = self.word().unwrap_or_default();
        let Some(counted) = self.counted(&name)? else {
            let hint = did_you_mean(&name, COUNTED_NAMES);
            let problem = match name.is_empty() {
                true => format!("rate needs what is counted; there is {}", self.found()),
                false => format!("\"{name}\" is nothing that is counted{hint}"),
            };
            return wrong(at, problem, format!("counted: {COUNTED}"));
        };
        self.close()?;
        Ok(What::Rate(counted))
    }

    /// Something that is counted, if the name is one.
    fn counted(&mut self, name: &str) -> Parsed<Option<Counted>> {
        Ok(Some(match name {
            "completed" => Counted::Completed,
            "succeeded" => Counted::Succeeded,
            "failures" => Counted::Failures,
            "unknown" => Counted::Unknown,
            "dropped" => Counted::Dropped,
            "interrupted" => Counted::Interrupted,
            "messages" => Counted::Messages,
            "bytes_sent" => Counted::BytesSent,
            "bytes_received" => Counted::BytesReceived,
            "errors" => Counted::Errors(self.name_argument(name, "error class")?),
            "count" => Counted::Count(self.name_argument(name, "count")?),
            _ => return Ok(None),
        }))
    }

    fn time_argument(&mut self, function: &str) -> Parsed<Time> {
        self.open(function, TIMES)?;
        let time = self.time()?;
        self.close()?;
        Ok(time)
    }

    fn time(&mut self) -> Parsed<Time> {
        let at = self.next_at();
        let known = format!("times: {TIMES}");
        let Some(name) = self.word() else {
            let found = self.found();
            return wrong(at, format!("a time is missing; there is {found}"), known);
        };
        match name.as_str() {
            "response_time" => Ok(Time::Response),
            "service_time" => Ok(Time::Service),
            "lateness" => Ok(Time::Lateness),
            "step" => Ok(Time::Step(self.name_argument("step", "step")?)),
            _ => {
                let hint = did_you_mean(&name, TIME_NAMES);
                wrong(at, format!("there is no time \"{name}\"{hint}"), known)
            }
        }
    }

    /// A name in parentheses.
    fn name_argument(&mut self, function: &str, what: &str) -> Parsed<String> {
        self.open(function, "a name, in quotes if it is not one word")?;
        let name = self.name(what)?;
        self.close()?;
        Ok(name)
    }

    /// A word or a string that is not empty.
    fn name(&mut self, what: &str) -> Parsed<String> {
        let at = self.next_at();
        let name = match self.peek() {
            Some('"') => self.string()?,
            _ => match self.word() {
                Some(word) => word,
                None => {
                    let problem = format!(
                        "the name of the {what} is missing; there is {}",
                        self.found()
                    );
                    return wrong(at, problem, "a name, in quotes if it is not one word");
                }
            },
        };
        match name.as_str() {
            "" => wrong(at, format!("the name of the {what} is empty"), ""),
            _ => Ok(name),
        }
    }

    fn label(&mut self) -> Parsed<Option<String>> {
        const FORM: &str = "labels: {label=\"login\"}";
        if !self.takes('{') {
            return Ok(None);
        }
        let at = self.next_at();
        let key = self.word().unwrap_or_default();
        if key != "label" {
            let problem = match key.is_empty() {
                true => format!("\"label\" is missing; there is {}", self.found()),
                false => format!("iterations have no \"{key}\" to be told apart by, only a label"),
            };
            return wrong(at, problem, FORM);
        }
        let at = self.next_at();
        if !self.takes('=') {
            return wrong(
                at,
                format!("\"=\" is missing; there is {}", self.found()),
                FORM,
            );
        }
        let label = self.name("label")?;
        let at = self.next_at();
        if !self.takes('}') {
            return wrong(
                at,
                format!("\"}}\" is missing; there is {}", self.found()),
                FORM,
            );
        }
        Ok(Some(label))
    }

    fn comparison(&mut self) -> Parsed<Comparison> {
        let at = self.next_at();
        for comparison in Comparison::ALL {
            let sign: Vec<char> = comparison.sign().chars().collect();
            if self.chars[at..].starts_with(&sign) {
                self.at += sign.len();
                return Ok(comparison);
            }
        }
        let found = self.found();
        let hint = match self.peek() {
            Some('=') => "; did you mean \"==\"?",
            Some('≤') => "; did you mean \"<=\"?",
            Some('≥') => "; did you mean \">=\"?",
            _ => "",
        };
        wrong(
            at,
            format!("a comparison is missing; there is {found}{hint}"),
            COMPARISONS,
        )
    }

    fn limit(&mut self, what: &What) -> Parsed<Limit> {
        let at = self.next_at();
        let number = self.number(what)?;
        let behind = self.at;
        let unit_at = self.next_at();
        let unit = self.unit();
        // A unit that is missing is missing behind the number.
        let unit_at = if unit.is_empty() { behind } else { unit_at };
        match quantity(what, &number, &unit) {
            Ok(limit) => Ok(limit),
            Err(Misfit::Unit) => {
                let known = format!("{what} needs {}", what.units());
                let problem = match unit.as_str() {
                    "" => format!("{what} needs a unit"),
                    _ => format!("{what} has no unit \"{unit}\""),
                };
                wrong(unit_at, problem, known)
            }
            Err(Misfit::Number(problem)) => wrong(at, problem, ""),
        }
    }

    fn number(&mut self, what: &What) -> Parsed<Decimal> {
        let at = self.next_at();
        let written = self.run(|c| c.is_ascii_digit() || c == '.');
        if let Some(number) = Decimal::new(&written) {
            return Ok(number);
        }
        let known = format!("{what} needs {}", what.units());
        if !written.is_empty() {
            return wrong(at, format!("\"{written}\" is no number"), known);
        }
        if self.peek() == Some('-') {
            return wrong(at, format!("{what} is never negative"), known);
        }
        let problem = match self.word() {
            Some(word) => format!("\"{word}\" is no number"),
            None => format!("a number is missing; there is {}", self.found()),
        };
        wrong(at, problem, known)
    }

    fn unit(&mut self) -> String {
        self.next_at();
        self.run(|c| c.is_alphabetic() || matches!(c, '%' | '/' | 'µ'))
    }

    fn open(&mut self, function: &str, known: &str) -> Parsed<()> {
        let at = self.next_at();
        if self.takes('(') {
            return Ok(());
        }
        let problem = format!(
            "{function} needs an argument in (); there is {}",
            self.found()
        );
        wrong(at, problem, format!("in (): {known}"))
    }

    fn close(&mut self) -> Parsed<()> {
        let at = self.next_at();
        if self.takes(')') {
            return Ok(());
        }
        wrong(
            at,
            format!("\")\" is missing; there is {}", self.found()),
            "",
        )
    }
}

/// The percentile that a function's name says: 99.9 for "p99.9".
fn percentile(name: &str, at: usize) -> Parsed<Option<f64>> {
    let Some(digits) = name.strip_prefix('p') else {
        return Ok(None);
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(None);
    }
    match Decimal::new(digits).map(|percent| percent.float(0)) {
        Some(percent) if percent <= 100.0 => Ok(Some(percent)),
        _ => wrong(
            at,
            format!("{name} is no percentile: it must be from p0 to p100"),
            format!("functions: {FUNCTIONS}"),
        ),
    }
}

fn unknown_figure(name: &str, at: usize, calls: bool) -> Parsed<Figure> {
    if TIME_NAMES.contains(&name) {
        let time = if name == "step" {
            "step(\"name\")"
        } else {
            name
        };
        let problem = format!("{name} needs a function: p99({time})");
        return wrong(at, problem, format!("functions: {FUNCTIONS}"));
    }
    if calls {
        let hint = did_you_mean(name, FUNCTION_NAMES);
        let known = format!("functions: {FUNCTIONS}, rate, errors, count");
        return wrong(at, format!("there is no function \"{name}\"{hint}"), known);
    }
    let all = [FIGURE_NAMES, TIME_NAMES].concat();
    let hint = match did_you_mean(name, &all) {
        hint if hint.contains("_time") || hint.contains("lateness") => hint
            .replace("mean \"", "mean \"p99(")
            .replace("\"?", ")\"?"),
        hint => hint,
    };
    wrong(
        at,
        format!("there is no figure \"{name}\"{hint}"),
        figures(),
    )
}
