use std::{
    fmt,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use super::packed::{Packed, Packer};

/// When arrivals came, as it was recorded somewhere: times since the
/// recording's start, in order.
///
/// Cloning is cheap: clones share the times. Held in memory are two to five
/// bytes per arrival, about log2(1.3 · 10¹¹ / rate) bits: 2.3 bytes at
/// 1,000,000/s, 3.6 at 1,000/s, 4.8 at 1/s. Any due time is found in some
/// nanoseconds.
///
/// # From a file
///
/// One arrival a line, seconds since the start as a decimal number. Blank
/// lines, and those that begin with `#`, say nothing, but for one: the last
/// line, which says how many arrivals there are. Without it the file was cut
/// off, and is refused.
///
/// ```text
/// # recorded on node 3
/// 0.000000000
/// 0.012003004
/// 0.012003004
/// 1.5
/// # end 4 arrivals
/// ```
///
/// [`write`](Recording::write) writes this, [`read`](Recording::read) and
/// [`from_reader`](Recording::from_reader) read it. Lists from elsewhere, which
/// have no such line, are read by [`from_list`](Recording::from_list), which
/// cannot tell whether lines are missing at the end.
///
/// # From an access log
///
/// Whatever gives times gives a recording. Logs are written when a request
/// ends, so their times may be out of order:
///
/// ```
/// use std::time::Duration;
/// use karga_executors::Recording;
///
/// let log = "1763719200.120 GET /cart\n\
///            1763719200.850 GET /\n\
///            1763719200.135 POST /order\n";
/// let mut times = log
///     .lines()
///     .filter_map(|line| line.split(' ').next()?.parse().ok())
///     .map(Duration::try_from_secs_f64)
///     .collect::<Result<Vec<_>, _>>()?;
/// times.sort_unstable();
/// // Seconds since 1970 become seconds since the first arrival.
/// let recording = Recording::from_times(times)?.without_lead();
/// assert_eq!(recording.len(), 3);
/// assert_eq!(recording.due(0), Some(Duration::ZERO));
/// assert_eq!(recording.due(1).unwrap().as_millis(), 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # From a run
///
/// An aggregate that keeps due times, as this one does, makes a recording of
/// any run: of random arrivals, to have the very same ones elsewhere, or of
/// users, to repeat their load in the open model.
///
/// ```
/// use std::time::Duration;
/// use karga_core::{Aggregate, Executor, Merge, Panicked, Sample, action_fn, scenario};
/// use karga_executors::{Recording, StageExecutor};
///
/// #[derive(Default)]
/// struct DueTimes(Vec<Duration>);
///
/// impl Merge for DueTimes {
///     fn fork(&self) -> Self {
///         Self::default()
///     }
///     fn merge(&mut self, other: Self) {
///         self.0.extend(other.0);
///     }
/// }
///
/// impl<M> Aggregate<M> for DueTimes {
///     fn record(&mut self, sample: &Sample<M>) {
///         self.0.push(sample.iteration.due);
///     }
///     fn record_panic(&mut self, sample: &Sample<Panicked>) {
///         self.0.push(sample.iteration.due);
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let executor = StageExecutor::ramp(0.0, 100.0, Duration::from_secs(10)).build()?;
/// let ping = scenario("ping", action_fn(|_| async {}));
/// let run = executor.execute(&ping, DueTimes::default(), &mut ()).await?;
/// let mut times = run.aggregate.0;
/// times.sort_unstable();
/// let recording = Recording::from_times(times)?;
/// assert_eq!(recording.len(), 500);
/// let mut file = Vec::new();
/// recording.write(&mut file)?;
/// assert!(file.ends_with(b"# end 500 arrivals\n"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Recording {
    packed: Arc<Packed>,
    /// What is left out before the first arrival, in nanoseconds.
    lead: u64,
}

#[expect(
    clippy::len_without_is_empty,
    reason = "a recording without arrivals cannot be made"
)]
impl Recording {
    /// A recording of these times since its start, which never decrease.
    ///
    /// # Errors
    ///
    /// If there is no time at all, one is earlier than the one before, or one
    /// is 584 years or more after the start.
    pub fn from_times(times: impl IntoIterator<Item = Duration>) -> Result<Self, RecordingError> {
        let mut packer = Packer::default();
        for time in times {
            let arrival = packer.len();
            let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            if nanos == u64::MAX {
                return Err(RecordingError::TooLate { arrival, time });
            }
            packer
                .push(nanos)
                .map_err(|before| RecordingError::OutOfOrder {
                    arrival,
                    time,
                    before: Duration::from_nanos(before),
                })?;
        }
        Self::of(packer).ok_or(RecordingError::Empty)
    }

    /// `None` if there is no arrival.
    pub(super) fn of(packer: Packer) -> Option<Self> {
        (packer.len() > 0).then(|| Self {
            packed: Arc::new(packer.finish()),
            lead: 0,
        })
    }

    /// The same arrivals without the time before the first, which is due at
    /// 0 s then. It turns seconds since 1970 into seconds since the first
    /// arrival.
    pub fn without_lead(mut self) -> Self {
        self.lead = self.packed.get(0).unwrap_or_default();
        self
    }

    /// How many arrivals there are; at least one.
    #[inline]
    pub fn len(&self) -> u64 {
        self.packed.len()
    }

    /// When arrival `n`, from 0, came; `None` beyond the last.
    #[inline]
    pub fn due(&self, n: u64) -> Option<Duration> {
        self.packed.get(n).map(|nanos| self.shown(nanos))
    }

    /// When the last arrival came.
    pub fn duration(&self) -> Duration {
        self.due(self.len() - 1).unwrap_or_default()
    }

    /// How many arrivals had come at `t` or before.
    pub fn count_until(&self, t: Duration) -> u64 {
        let nanos = u64::try_from(t.as_nanos()).unwrap_or(u64::MAX);
        self.packed.count_until(nanos.saturating_add(self.lead))
    }

    /// The times of all arrivals, in order.
    pub fn times(&self) -> impl Iterator<Item = Duration> + '_ {
        (0..self.len()).filter_map(|n| self.due(n))
    }

    /// Writes the recording as [text](Recording#from-a-file), to the
    /// nanosecond, with its count at the end.
    ///
    /// # Errors
    ///
    /// Those of the writer. What it has taken then is a file that is cut off,
    /// which cannot be read.
    pub fn write(&self, writer: impl Write) -> io::Result<()> {
        let mut writer = io::BufWriter::new(writer);
        writeln!(writer, "# seconds since the start, one arrival a line")?;
        for time in self.times() {
            writeln!(writer, "{}.{:09}", time.as_secs(), time.subsec_nanos())?;
        }
        writeln!(writer, "# end {} arrivals", self.len())?;
        writer.flush()
    }

    fn shown(&self, nanos: u64) -> Duration {
        // No arrival is before the first.
        Duration::from_nanos(nanos.saturating_sub(self.lead))
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("len", &self.len())
            .field("first", &self.due(0))
            .field("last", &self.duration())
            .field("bytes", &self.packed.bytes())
            .finish()
    }
}

/// Why times are no [`Recording`]. Arrivals are numbered from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// There is no arrival.
    #[error("there are no times, so there is nothing to replay: give at least one")]
    Empty,
    /// A time is earlier than the one before.
    #[error("arrival {arrival} at {time:?} comes after one at {before:?}: sort the times")]
    OutOfOrder {
        /// Which arrival.
        arrival: u64,
        /// Its time.
        time: Duration,
        /// The time of the one before.
        before: Duration,
    },
    /// A time is beyond 2^64 ns.
    #[error(
        "arrival {arrival} at {time:?} is more than 584 years after the start: \
         give times since then"
    )]
    TooLate {
        /// Which arrival.
        arrival: u64,
        /// Its time.
        time: Duration,
    },
}
