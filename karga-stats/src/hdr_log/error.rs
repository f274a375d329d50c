use std::{error::Error, io};

/// Why a log could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The target did not take it; what stands there is incomplete.
    #[error("cannot write the histogram log")]
    Io(#[from] io::Error),
    /// Something of the run has no form in the log.
    #[error("the {what} of the run cannot be written")]
    Unwritable {
        /// Which part of the run.
        what: &'static str,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A line would be longer than those that are read.
    #[error("the {what} of the run takes a line of {len} bytes; at most {most} are read again")]
    TooLong {
        /// Which part of the run.
        what: &'static str,
        /// How long the line would be.
        len: usize,
        /// The longest line that is read.
        most: usize,
    },
}

/// Why a log could not be read. Lines count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The source failed.
    #[error("cannot read the histogram log after line {line}")]
    Io {
        /// The last line that was read.
        line: u64,
        /// What the source said.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("the histogram log is empty")]
    Empty,
    /// It ends too early.
    #[error(
        "the histogram log is cut off: it ends within or after line {line}, without its last line"
    )]
    CutOff {
        /// The last line that is there.
        line: u64,
    },
    /// A line is of no kind that a histogram log has.
    #[error("line {line} is none of a histogram log: {reason}")]
    Syntax {
        /// Which line.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A line is longer than any that a histogram log has.
    #[error("line {line} is longer than {most} bytes")]
    TooLong {
        /// Which line.
        line: u64,
        /// The longest line that is read.
        most: usize,
    },
    /// The histogram in a line cannot be read.
    #[error("line {line}: the histogram cannot be read")]
    Histogram {
        /// Which line.
        line: u64,
        /// Why not.
        source: InvalidHistogram,
    },
    /// It has intervals, but nothing that karga adds to them.
    #[error(
        "the histogram log is not one of karga's: it has no line `#[karga version: ...]`, so it holds no whole run; `hdr_log::intervals` reads its histograms"
    )]
    Foreign,
    /// A later karga wrote it.
    #[error("line {line}: the log is of version {found}; this karga reads version {known}")]
    Version {
        /// Which line.
        line: u64,
        /// The version that stands there.
        found: String,
        /// The version that is read.
        known: u32,
    },
    /// One of karga's own lines cannot be read.
    #[error("line {line}: what karga noted there cannot be read")]
    Note {
        /// Which line.
        line: u64,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Lines contradict each other.
    #[error("line {line}: {reason}")]
    Contradiction {
        /// The line where it shows.
        line: u64,
        /// What does not fit together.
        reason: String,
    },
    /// The checksum in the last line is not that of the lines before it.
    #[error("the histogram log was changed after it was written: its checksum does not match")]
    Changed,
}

/// Why the text in an interval line is no histogram.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHistogram {
    /// It is no base64.
    #[error("it is not base64: {reason}")]
    NotBase64 {
        /// Where and why.
        reason: String,
    },
    /// It is base64 of something else.
    #[error("it is not a compressed HdrHistogram: it begins with {cookie:#010x}")]
    NotAHistogram {
        /// The first four bytes.
        cookie: u32,
    },
    /// It has an encoding that is no longer written.
    #[error("it is encoded in version {version}; only version 2 is read")]
    OldVersion {
        /// The encoding's version.
        version: u32,
    },
    /// It ends too early.
    #[error("it is cut off")]
    CutOff,
    /// It cannot be inflated.
    #[error("it cannot be inflated")]
    Deflate(#[source] io::Error),
    /// Its values are fractions, or shifted: those of a `DoubleHistogram`.
    #[error("it is one of fractional or shifted values, which are not read")]
    Scaled,
    /// No histogram has such a range.
    #[error("no histogram has {digits} digits from {lowest} to {highest}")]
    Range {
        /// The significant digits.
        digits: u32,
        /// The lowest value that can be told from zero.
        lowest: u64,
        /// The highest value that can be counted.
        highest: u64,
    },
    /// There are more counts than the range has buckets.
    #[error("it has more counts than its range has buckets")]
    TooLong,
    /// The counts add up to more than any histogram can hold.
    #[error("it counts more than 2^63 values")]
    TooManyValues,
}

impl From<io::Error> for InvalidHistogram {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutOff,
            _ => Self::Deflate(error),
        }
    }
}
