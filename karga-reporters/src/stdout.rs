mod complaint;
mod page;
mod render;
mod strip;
mod tables;

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::Mutex,
};

use karga_core::Reporter;
use karga_stats::Summary;

use crate::terminal;

/// Prints a [`Summary`] for people: what went wrong on top, then the figures of
/// each scenario, in at most 80 columns.
///
/// The whole text is handed over at once. To print runs, see
/// [`Derived`](crate::Derived).
///
/// ```
/// use karga_core::{Account, Report, Run};
/// use karga_reporters::StdoutReporter;
/// use karga_stats::{HistogramAggregate, Summary};
///
/// let nothing = Run::new("ping", HistogramAggregate::default(), Account::default(),
///     std::time::Duration::ZERO);
/// let text = StdoutReporter::render(&Summary::derive(&nothing));
/// assert!(text.starts_with("FAILED  ping"));
/// ```
#[must_use = "a reporter does nothing until it is given a report"]
#[derive(Default)]
pub struct StdoutReporter {
    color: Color,
    /// Standard output if there is none.
    writer: Option<Mutex<Box<dyn Write + Send>>>,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Color {
    /// On a terminal, unless the environment variable `NO_COLOR` is set or
    /// `TERM` is `dumb`. A writer of one's own is taken for no terminal. The
    /// default.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl fmt::Debug for StdoutReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdoutReporter")
            .field("color", &self.color)
            .finish_non_exhaustive()
    }
}

impl StdoutReporter {
    /// Prints to `writer` instead of standard output.
    pub fn to_writer(writer: impl Write + Send + 'static) -> Self {
        Self {
            color: Color::default(),
            writer: Some(Mutex::new(Box::new(writer))),
        }
    }

    /// When to use colour. Default: [`Color::Auto`].
    pub fn color(mut self, color: Color) -> Self {
        self.color = color;
        self
    }

    /// The text, without colour.
    pub fn render(summary: &Summary) -> String {
        render::render(summary, false)
    }

    fn colored(&self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                self.writer.is_none()
                    && !terminal::is_color_unwanted()
                    && !terminal::is_dumb()
                    && io::stdout().is_terminal()
            }
        }
    }
}

impl Reporter<Summary> for StdoutReporter {
    type Error = StdoutReporterError;

    async fn report(&self, summary: &Summary) -> Result<(), Self::Error> {
        let text = render::render(summary, self.colored());
        let written = match &self.writer {
            None => put(&mut io::stdout().lock(), &text),
            Some(writer) => {
                // A writer that panicked under the lock is still a writer.
                let mut writer = writer
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
                put(&mut *writer, &text)
            }
        };
        written.map_err(|source| StdoutReporterError { source })
    }
}

fn put(writer: &mut dyn Write, text: &str) -> io::Result<()> {
    writer.write_all(text.as_bytes())?;
    writer.flush()
}

/// The summary could not be printed.
///
/// A reader that has seen enough, such as `head -1`, closes the pipe: then it
/// is [`is_broken_pipe`](Self::is_broken_pipe), and a program that has nothing
/// else to do may end in silence.
///
/// ```
/// use karga_core::Reporter;
/// use karga_reporters::{StdoutReporter, StdoutReporterError};
///
/// async fn print(summary: &karga_stats::Summary) -> Result<(), StdoutReporterError> {
///     match StdoutReporter::default().report(summary).await {
///         Err(error) if error.is_broken_pipe() => Ok(()), // nobody reads it
///         printed => printed,
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[error(
    "the summary could not be printed{}",
    if self.is_broken_pipe() { ", because whoever read the output has closed it" } else { "" }
)]
#[non_exhaustive]
pub struct StdoutReporterError {
    /// What the system said.
    source: io::Error,
}

impl StdoutReporterError {
    /// Whether whoever read the output has closed it.
    pub fn is_broken_pipe(&self) -> bool {
        self.source.kind() == io::ErrorKind::BrokenPipe
    }
}
