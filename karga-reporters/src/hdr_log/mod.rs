mod name;

use std::{
    io,
    path::{Path, PathBuf},
};

use karga_core::{Reporter, Run};
use karga_stats::{
    Histograms,
    hdr_log::{self, WriteError},
};

use crate::file;

/// Writes a run as an HdrHistogram interval log, the portable artefact of a
/// run: [`karga_stats::hdr_log::read`] gives it back, and HdrHistogram's own
/// tools read the histograms in it.
///
/// The file is replaced as a whole: the log is written to a temporary file
/// beside it, which then takes its name. Until then, and if anything goes
/// wrong, the old file stays as it is. A path that is not a regular file, such
/// as `/dev/stdout`, is written to directly.
///
/// The report blocks its thread while it writes and until the disk has the
/// file. It comes after the run, so that no load waits for it; on a runtime of
/// one thread whatever else there is waits.
///
/// Of the runs of a suite each has a file of its own, with its name before the
/// extension: `run.hlog` becomes `run-produce.hlog` and `run-fetch.hlog`. In
/// names, whatever is not a letter, a digit, `_` or `.` becomes `-`, and a
/// number follows where two would be the same. None is replaced before all are
/// on the disk.
///
/// ```
/// use karga_core::{Account, Reporter, Run};
/// use karga_reporters::HdrLogReporter;
/// use karga_stats::{HistogramAggregate, Summary, hdr_log};
/// use karga_core::Report;
/// use std::{fs::File, io::BufReader, time::Duration};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("run.hlog");
/// let run = Run::new("ping", HistogramAggregate::default(), Account::default(), Duration::ZERO);
/// HdrLogReporter::to_file(&path).report(&run).await?;
///
/// let again = hdr_log::read(BufReader::new(File::open(&path)?))?;
/// assert_eq!(Summary::derive(&again), Summary::derive(&run));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a reporter does nothing until it is given a run"]
pub struct HdrLogReporter {
    path: PathBuf,
}

impl HdrLogReporter {
    /// Replaces the file at `path` with the log of each run.
    pub fn to_file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Tells whether the file can be written, without touching it. Those of a
    /// suite's runs stand in the same folder.
    ///
    /// # Errors
    ///
    /// If the path is a folder, or its folder is missing or not writable.
    pub fn check(&self) -> Result<(), HdrLogReporterError> {
        file::check(&self.path).map_err(|source| failed(&self.path, source))
    }
}

impl<A: Histograms + Sync> Reporter<Run<A>> for HdrLogReporter {
    type Error = HdrLogReporterError;

    async fn report(&self, run: &Run<A>) -> Result<(), Self::Error> {
        let log = log_of(run)?;
        file::replace(&self.path, &log).map_err(|source| failed(&self.path, source))
    }
}

impl<A: Histograms + Sync> Reporter<[Run<A>]> for HdrLogReporter {
    type Error = HdrLogReporterError;

    async fn report(&self, runs: &[Run<A>]) -> Result<(), Self::Error> {
        let paths = name::beside(&self.path, runs.iter().map(|run| run.name.as_str()));
        let mut logs = Vec::with_capacity(runs.len());
        for run in runs {
            logs.push(log_of(run)?);
        }
        let mut staged = Vec::with_capacity(runs.len());
        for (path, log) in paths.iter().zip(&logs) {
            staged.push(file::stage(path, log).map_err(|source| failed(path, source))?);
        }
        for (path, staged) in paths.iter().zip(staged) {
            staged.commit().map_err(|source| failed(path, source))?;
        }
        Ok(())
    }
}

/// In memory, so that nothing is opened before the whole log is there.
fn log_of<A: Histograms>(run: &Run<A>) -> Result<Vec<u8>, HdrLogReporterError> {
    let mut log = Vec::new();
    hdr_log::write(run, &mut log).map_err(|source| HdrLogReporterError::Run {
        run: run.name.clone(),
        source,
    })?;
    Ok(log)
}

fn failed(path: &Path, source: io::Error) -> HdrLogReporterError {
    HdrLogReporterError::File {
        path: path.to_owned(),
        source,
    }
}

/// Why a run could not be written as a histogram log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HdrLogReporterError {
    /// The file could not be written; what was there before is untouched.
    #[error(
        "cannot write the histogram log to {path:?}; name a file in a folder that exists and can \
         be written to"
    )]
    File {
        /// The path that was given, or the one made of it for a scenario.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The run has something in it that no log can hold; nothing was written.
    #[error("the run {run:?} cannot be expressed as a histogram log")]
    Run {
        /// The run's name.
        run: String,
        /// What it is.
        source: WriteError,
    },
}
