use std::fmt;

/// A condition that cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidThreshold {
    /// A percentile below 0 or above 100, or none at all.
    #[error("p{percent} is no percentile: it must be from p0 to p100, as a share 0 to 1")]
    Quantile {
        /// The percentile.
        percent: f64,
    },
    /// A share below 0 % or above 100 %, or none at all.
    #[error("{percent}% is no share: it must be from 0% to 100%")]
    Percent {
        /// The share, in percent.
        percent: f64,
    },
    /// A rate below zero or without a bound, or none at all.
    #[error("{rate}/s is no rate: it must be finite and not below 0/s")]
    Rate {
        /// The rate, per second.
        rate: f64,
    },
    /// An empty name.
    #[error("the {what} has no name")]
    NoName {
        /// What it would name.
        what: &'static str,
    },
    /// A limit of another kind than the figure.
    #[error("{figure} cannot be compared with {limit}; it needs {units}")]
    Kind {
        /// The figure.
        figure: String,
        /// The limit.
        limit: String,
        /// What would fit.
        units: &'static str,
    },
    /// A label for a figure that has none.
    #[error("{figure} cannot have a label: {why}")]
    NoLabels {
        /// The figure.
        figure: String,
        /// Why it has none.
        why: &'static str,
    },
    /// An exact value of something that is measured, not counted.
    #[error("{figure} is measured and never exactly a value; compare it with <, <=, > or >=")]
    Exact {
        /// The figure.
        figure: String,
    },
    /// A condition that is the same for every run.
    #[error(
        "\"{condition}\" is {} true, whatever the run is like",
        if *always { "always" } else { "never" }
    )]
    Decided {
        /// The condition.
        condition: String,
        /// Whether it is always true; otherwise it never is.
        always: bool,
    },
}

/// A text that is no condition: what is wrong, where, and what is known there.
///
/// Its display shows the text with a caret under the column:
///
/// ```
/// use karga_stats::Threshold;
///
/// let error = "p99(response_tme) < 250ms".parse::<Threshold>().unwrap_err();
/// assert_eq!(error.column(), 5);
/// assert_eq!(
///     error.to_string(),
///     "\
/// there is no time \"response_tme\"; did you mean \"response_time\"?
///   p99(response_tme) < 250ms
///       ^
/// times: response_time, service_time, lateness, step(\"name\")"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseThresholdError {
    pub(super) text: String,
    pub(super) column: usize,
    pub(super) problem: String,
    pub(super) known: String,
}

impl ParseThresholdError {
    /// The text that was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the problem begins: a character of the text, counted from 1, or
    /// one more than there are if something is missing at the end.
    pub const fn column(&self) -> usize {
        self.column
    }

    /// What is wrong there, on one line.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// What is known there.
    pub fn known(&self) -> &str {
        &self.known
    }
}

impl fmt::Display for ParseThresholdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What moves the cursor elsewhere would part the caret from its place.
        let shown: String = self
            .text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        writeln!(f, "{}", self.problem)?;
        writeln!(f, "  {shown}")?;
        write!(f, "  {:>column$}", '^', column = self.column)?;
        if self.known.is_empty() {
            Ok(())
        } else {
            write!(f, "\n{}", self.known)
        }
    }
}

impl std::error::Error for ParseThresholdError {}
