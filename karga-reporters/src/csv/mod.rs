mod counts;
mod error;
mod pipe;
mod promise;
mod row;
mod samples;
mod sink;
mod writer;

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use karga_core::Reporter;

pub use counts::CsvCounts;
pub use error::CsvReporterError;
pub use samples::CsvSamples;

use crate::file::{self, Place};
use pipe::Pipe;
use sink::{Sink, Stream};

/// Writes every sample of a run as a line of CSV, while the run goes on, and
/// every [part](karga_core::Part) of it as one more.
///
/// [`samples`](Self::samples) gives the aggregate that hands the samples over; a
/// thread of its own writes them. Load is never held up: samples for which the
/// buffer has no room, because the disk is too slow, are let go. How many were
/// not written, and why, joins the warnings of the run, and so its summary.
///
/// # The file
///
/// The file is made, or emptied, at once, so that a path that cannot be written
/// to is known before the run. Its first line names the columns:
///
/// | column | |
/// |---|---|
/// | `scenario` | as given to [`samples_of`](Self::samples_of), empty otherwise |
/// | `index`, `user` | of the iteration |
/// | `label` | of the operation; empty if it has none |
/// | `due`, `start`, `end` | seconds since t0 |
/// | `response_time` | `end - due`, in seconds |
/// | `service_time` | `end - start`, in seconds |
/// | `lateness` | `start - due`, in seconds |
/// | `outcome` | `success`, `failure` or `unknown` |
/// | `error_class` | why it did not succeed; empty if it did |
/// | `messages`, `bytes_sent`, `bytes_received` | what it moved |
/// | `lag` | in messages; empty if it is not known |
/// | `part` | empty for an iteration; for a part of one its number in it, from 0 |
///
/// A part has the label, times, outcome and volume of its own, no lag, and the
/// index and user of its iteration, whose line follows at once. What an iteration
/// moved is the sum over its parts, so count either the lines with a `part` or
/// those without one.
///
/// Seconds have nine decimals. Fields are quoted as RFC 4180 says; lines end
/// with a line feed. The order is that in which threads hand their blocks over:
/// sort by `end` or `index` where order matters. Samples of a warm-up are not
/// in the file; iterations that panicked are, with the class `panic`.
///
/// If the disk is full, the file ends with a whole sample.
///
/// # Memory and cost
///
/// The [buffer](CsvReporterBuilder::buffer) of 16 MiB, which is used only while
/// the disk is slower than the load, 64 KiB for each thread, and at most 1 MiB
/// of empty blocks for later. A sample takes some 100 to 150 bytes, and so does a
/// part. Recording one takes 0.11 to 0.16 µs; see `benches/csv.rs`.
///
/// # End
///
/// Clones share the file. When the last of them and of the aggregates is
/// dropped, what was handed over is written, and the thread ends: that drop
/// waits for it, as the end of a run does, for as long as the writer takes.
/// After a run that was brought to its end nothing is left to wait for.
///
/// As a [`Reporter`], of whatever report, it waits until all is written and
/// fails if a sample is missing from the file, for whatever cause.
///
/// ```
/// use karga_core::{Account, Aggregate, Iteration, Merge, Reporter, Run, Sample};
/// use karga_reporters::CsvReporter;
/// use karga_stats::HistogramAggregate;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("samples.csv");
/// let csv = CsvReporter::create(&path)?;
/// // `LoadTest::builder().aggregate(aggregate)`; the executor does the rest:
/// let mut aggregate = (HistogramAggregate::default(), csv.samples());
/// let iteration = Iteration::new(0, 0, Duration::ZERO);
/// aggregate.record(&Sample::new(iteration, Duration::ZERO, Duration::from_millis(1), ()));
/// let warnings = aggregate.finish().await;
/// assert!(warnings.is_empty());
/// # let run = Run::new("ping", aggregate, Account::new(1, 1, 0, 0), Duration::from_secs(1));
///
/// csv.report(&run).await?; // everything is in the file
/// assert_eq!(std::fs::read_to_string(&path)?.lines().count(), 2);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "record samples into what `samples` gives"]
pub struct CsvReporter {
    pipe: Arc<Pipe>,
}

impl CsvReporter {
    /// Writes to the file at `path`, which is made or emptied. A path that is
    /// no regular file, such as `/dev/stdout`, is written to as it is; opening a
    /// named pipe waits for its reader.
    ///
    /// # Errors
    ///
    /// If the file cannot be made or takes no line, or if there is no thread.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, CsvReporterError> {
        Self::builder().create(path)
    }

    /// Writes to `writer`; it is flushed whenever nothing more is to be
    /// written for the moment.
    ///
    /// # Errors
    ///
    /// If the writer does not take the first line, or if there is no thread.
    pub fn to_writer(writer: impl Write + Send + 'static) -> Result<Self, CsvReporterError> {
        Self::builder().to_writer(writer)
    }

    /// Sets a buffer other than the default one.
    pub fn builder() -> CsvReporterBuilder {
        CsvReporterBuilder::default()
    }

    /// The aggregate that hands samples over, for the only scenario.
    pub fn samples(&self) -> CsvSamples {
        self.samples_of("")
    }

    /// The aggregate that hands samples over, for one of several scenarios that
    /// share the file: `scenario` stands in the first column.
    pub fn samples_of(&self, scenario: &str) -> CsvSamples {
        CsvSamples::new(Arc::clone(&self.pipe), scenario)
    }

    /// What became of all samples so far.
    pub fn counts(&self) -> CsvCounts {
        self.pipe.counts()
    }
}

impl<R: Sync + ?Sized> Reporter<R> for CsvReporter {
    type Error = CsvReporterError;

    async fn report(&self, _: &R) -> Result<(), Self::Error> {
        self.pipe.sync().await;
        let pipe = &self.pipe;
        let reasons =
            counts::complaints(pipe.target(), pipe.counts(), pipe.buffer(), pipe.failure());
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(CsvReporterError::Incomplete { reasons })
        }
    }
}

/// Makes a [`CsvReporter`]; see [`CsvReporter::builder`].
///
/// ```
/// use karga_reporters::CsvReporter;
///
/// let csv = CsvReporter::builder().buffer(64 << 20).to_writer(std::io::sink())?;
/// assert!(CsvReporter::builder().buffer(0).to_writer(std::io::sink()).is_err());
/// # drop(csv);
/// # Ok::<(), karga_reporters::CsvReporterError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "call `create` or `to_writer` to get the reporter"]
pub struct CsvReporterBuilder {
    buffer: usize,
}

/// Some 140,000 samples.
const BUFFER: usize = 16 << 20;

/// Room for some samples at least.
const LEAST_BUFFER: usize = 4 << 10;

impl Default for CsvReporterBuilder {
    fn default() -> Self {
        Self { buffer: BUFFER }
    }
}

impl CsvReporterBuilder {
    /// How many bytes of memory may be taken by rows that wait to be written. What
    /// comes when they do is let go. Default: 16 MiB, some 140,000 samples without
    /// parts; at least 4 KiB. It is memory only while rows wait.
    pub const fn buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes;
        self
    }

    /// Writes to the file at `path`; see [`CsvReporter::create`].
    ///
    /// # Errors
    ///
    /// If the file cannot be made or takes no line, if the buffer is too small,
    /// or if there is no thread.
    pub fn create(self, path: impl AsRef<Path>) -> Result<CsvReporter, CsvReporterError> {
        let path = path.as_ref();
        self.check()?;
        let failed = |source| CsvReporterError::File {
            path: path.to_owned(),
            source,
        };
        let target = path.display().to_string();
        match file::place(path).map_err(failed)? {
            Place::File { file, .. } => {
                let file = File::create(file).map_err(failed)?;
                self.open(target, file, failed)
            }
            Place::Device => {
                let device = file::device(path).map_err(failed)?;
                self.open(target, Stream(device), failed)
            }
        }
    }

    /// Writes to `writer`; see [`CsvReporter::to_writer`].
    ///
    /// # Errors
    ///
    /// If the writer does not take the first line, if the buffer is too small,
    /// or if there is no thread.
    pub fn to_writer(
        self,
        writer: impl Write + Send + 'static,
    ) -> Result<CsvReporter, CsvReporterError> {
        self.check()?;
        let failed = |source| CsvReporterError::Writer { source };
        self.open("CSV".into(), Stream(writer), failed)
    }

    const fn check(&self) -> Result<(), CsvReporterError> {
        if self.buffer < LEAST_BUFFER {
            return Err(CsvReporterError::Buffer {
                bytes: self.buffer,
                least: LEAST_BUFFER,
            });
        }
        Ok(())
    }

    fn open(
        self,
        target: String,
        mut sink: impl Sink + 'static,
        failed: impl Fn(io::Error) -> CsvReporterError,
    ) -> Result<CsvReporter, CsvReporterError> {
        if let Err(error) = put_header(&mut sink) {
            // What there was is gone, and half a line is no file.
            let _ = sink.truncate(0);
            return Err(failed(error));
        }
        let begins_at = row::HEADER.len() as u64;
        let pipe = Pipe::open(target, Box::new(sink), begins_at, self.buffer)
            .map_err(|source| CsvReporterError::Thread { source })?;
        Ok(CsvReporter {
            pipe: Arc::new(pipe),
        })
    }
}

fn put_header(sink: &mut impl Sink) -> io::Result<()> {
    let mut header = row::HEADER;
    while !header.is_empty() {
        match sink.write(header) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => header = &header[taken.min(header.len())..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    sink.flush()
}
