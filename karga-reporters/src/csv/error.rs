use std::{io, path::PathBuf};

/// Why samples cannot be written as CSV, or were not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsvReporterError {
    /// The file could not be made, or not even the line of column names fits.
    #[error(
        "cannot write samples to {path:?}; name a file in a folder that exists and can be written \
         to, on a disk that has room"
    )]
    File {
        /// The path that was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The writer did not take the line of column names.
    #[error("the writer did not take the column names of the samples")]
    Writer {
        /// What the writer said.
        source: io::Error,
    },
    /// The buffer is too small.
    #[error("a buffer of {bytes} bytes cannot keep samples; give it at least {least}")]
    Buffer {
        /// What was given.
        bytes: usize,
        /// The least that is taken.
        least: usize,
    },
    /// There is no thread to write with.
    #[error("the system gave no thread to write samples with")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
    /// Some samples are not in the file, for the reasons that are named.
    #[error("{}", .reasons.join("; "))]
    Incomplete {
        /// A sentence for each cause: how many, of how many, and why.
        reasons: Vec<String>,
    },
}
