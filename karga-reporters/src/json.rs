use std::{
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

use karga_core::Reporter;
use serde::Serialize;

use crate::file;

/// Writes a report as JSON, indented unless [`compact`](Self::compact).
///
/// A file is replaced as a whole: the report is written to a temporary file
/// beside it, which then takes its name. Until then, and if anything goes
/// wrong, the old file stays as it is. A path that is not a regular file, such
/// as `/dev/stdout`, is written to directly.
///
/// The report blocks its thread while it writes and until the disk has the
/// file. It comes after the run, so that no load waits for it; on a runtime of
/// one thread whatever else there is waits.
///
/// It ships every report that is `Serialize`; a
/// [`Summary`](karga_stats::Summary) has a stable form, see its docs.
///
/// ```no_run
/// use karga_core::Reporter;
/// use karga_reporters::JsonReporter;
/// # async fn example(summary: &karga_stats::Summary) -> Result<(), Box<dyn std::error::Error>> {
/// let json = JsonReporter::to_file("run.json");
/// json.check()?; // before the run: better to know now
/// // ...
/// json.report(summary).await?;
/// # Ok(()) }
/// ```
#[must_use = "a reporter does nothing until it is given a report"]
pub struct JsonReporter {
    target: Target,
    compact: bool,
}

enum Target {
    File(PathBuf),
    Writer(Mutex<Box<dyn Write + Send>>),
}

impl fmt::Debug for JsonReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target: &dyn fmt::Debug = match &self.target {
            Target::File(path) => path,
            Target::Writer(_) => &"a writer",
        };
        f.debug_struct("JsonReporter")
            .field("target", target)
            .field("compact", &self.compact)
            .finish()
    }
}

impl JsonReporter {
    /// Replaces the file at `path` with each report.
    pub fn to_file(path: impl Into<PathBuf>) -> Self {
        Self {
            target: Target::File(path.into()),
            compact: false,
        }
    }

    /// Writes each report to `writer`, followed by a line break.
    pub fn to_writer(writer: impl Write + Send + 'static) -> Self {
        Self {
            target: Target::Writer(Mutex::new(Box::new(writer))),
            compact: false,
        }
    }

    /// Writes each report on one line. Default: indented over many.
    pub fn compact(mut self) -> Self {
        self.compact = true;
        self
    }

    /// Tells whether the file can be written, without touching it; for a
    /// writer there is nothing to tell.
    ///
    /// # Errors
    ///
    /// If the path is a folder, or its folder is missing or not writable.
    pub fn check(&self) -> Result<(), JsonReporterError> {
        match &self.target {
            Target::File(path) => {
                file::check(path).map_err(|source| JsonReporterError::file(path, source))
            }
            Target::Writer(_) => Ok(()),
        }
    }

    fn write(&self, report: &(impl Serialize + ?Sized)) -> Result<(), JsonReporterError> {
        // Nothing is opened before the whole text is there.
        let mut text = if self.compact {
            serde_json::to_vec(report)
        } else {
            serde_json::to_vec_pretty(report)
        }
        .map_err(|source| JsonReporterError::Serialize { source })?;
        text.push(b'\n');
        match &self.target {
            Target::File(path) => {
                file::replace(path, &text).map_err(|source| JsonReporterError::file(path, source))
            }
            Target::Writer(writer) => {
                // A writer that panicked under the lock is still a writer.
                let mut writer = writer
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
                writer
                    .write_all(&text)
                    .and_then(|()| writer.flush())
                    .map_err(|source| JsonReporterError::Writer { source })
            }
        }
    }
}

impl<R: Serialize + Sync + ?Sized> Reporter<R> for JsonReporter {
    type Error = JsonReporterError;

    async fn report(&self, report: &R) -> Result<(), Self::Error> {
        self.write(report)
    }
}

/// Why a report could not be written as JSON.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonReporterError {
    /// The file could not be written; what was there before is untouched.
    #[error(
        "cannot write the JSON report to {path:?}; name a file in a folder that exists and can be \
         written to"
    )]
    File {
        /// The path that was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The writer failed.
    #[error("the writer did not take the JSON report")]
    Writer {
        /// What the writer said.
        source: io::Error,
    },
    /// The report cannot be expressed as JSON; nothing was written.
    #[error("the report cannot be expressed as JSON")]
    Serialize {
        /// Why not.
        source: serde_json::Error,
    },
}

impl JsonReporterError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}
