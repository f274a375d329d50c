use std::{error::Error, fmt};

use karga_core::error_chain;

/// Some reporters of a [`Fanout`](crate::Fanout) could not ship the report; the
/// others did.
///
/// As there are several causes, there is no one source: the text holds all of
/// them.
#[derive(Debug)]
#[non_exhaustive]
pub struct FanoutError {
    failures: Vec<FanoutFailure>,
    of: usize,
}

impl FanoutError {
    pub(super) const fn new(failures: Vec<FanoutFailure>, of: usize) -> Self {
        Self { failures, of }
    }

    /// Each that failed, in the order in which they were added; at least one.
    pub fn failures(&self) -> &[FanoutFailure] {
        &self.failures
    }

    /// How many reporters shipped the report.
    pub fn succeeded(&self) -> usize {
        self.of - self.failures.len()
    }
}

impl Error for FanoutError {}

impl fmt::Display for FanoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.of == 1 { "" } else { "s" };
        write!(
            f,
            "{} of {} reporter{s} failed",
            self.failures.len(),
            self.of
        )?;
        for (at, failure) in self.failures.iter().enumerate() {
            let before = if at == 0 { ": " } else { "; " };
            write!(f, "{before}{failure}")?;
        }
        Ok(())
    }
}

/// A reporter that failed, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct FanoutFailure {
    name: String,
    error: Box<dyn Error + Send + Sync>,
}

impl FanoutFailure {
    pub(super) fn new(name: &str, error: Box<dyn Error + Send + Sync>) -> Self {
        Self {
            name: name.to_owned(),
            error,
        }
    }

    /// The reporter's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The reporter's own error.
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        match self.error.downcast_ref::<karga_core::BoxReporterError>() {
            Some(boxed) => boxed.get_ref(),
            None => &*self.error,
        }
    }
}

/// "JsonReporter: cannot write the report: Permission denied", with all causes.
impl fmt::Display for FanoutFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, error_chain(&*self.error))
    }
}
