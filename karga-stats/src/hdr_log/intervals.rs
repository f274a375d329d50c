use std::{io::BufRead, time::Duration};

use super::{
    ReadError,
    lines::{Line, Lines},
    payload,
};
use crate::{Histogram, histogram::nanos};

/// One histogram of a log, and which time and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interval {
    /// When it begins, as it stands in the log: in logs of karga since t0, in
    /// others since their base time, or since 1970.
    pub start: Duration,
    /// How long it is.
    pub length: Duration,
    /// Its tag, if it has one.
    pub tag: Option<String>,
    /// The values, with what a log knows of them: the least and the greatest
    /// value are those of the outermost buckets, the mean is that of the
    /// buckets' middles.
    pub histogram: Histogram,
}

/// Reads every interval of a histogram log of version 2 encodings, whoever
/// wrote it, taking values as nanoseconds.
///
/// # Errors
///
/// At the first line that cannot be read; see [`ReadError`].
pub fn intervals(from: impl BufRead) -> Result<Vec<Interval>, ReadError> {
    Intervals::new(from).collect()
}

/// The intervals of a histogram log, one by one.
///
/// ```
/// use std::time::Duration;
/// use karga_stats::hdr_log::Intervals;
///
/// # fn f(file: std::io::BufReader<std::fs::File>) -> Result<(), karga_stats::hdr_log::ReadError> {
/// // A log of another program, whose values are microseconds.
/// for interval in Intervals::new(file).unit(Duration::from_micros(1)) {
///     let interval = interval?;
///     let _p99 = interval.histogram.quantile(0.99);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is read before it is iterated over"]
pub struct Intervals<R> {
    lines: Lines<R>,
    unit: u64,
    /// Whether karga wrote it, so that it has a last line of a known kind.
    ours: bool,
    /// Whether that line was read.
    ended: bool,
    /// Whether an error was given.
    failed: bool,
}

impl<R: BufRead> Intervals<R> {
    /// Reads from here; values are nanoseconds.
    pub fn new(from: R) -> Self {
        Self {
            lines: Lines::new(from),
            unit: 1,
            ours: false,
            ended: false,
            failed: false,
        }
    }

    /// What a value of 1 stands for; a nanosecond by default. A log does not
    /// say it.
    pub fn unit(mut self, unit: Duration) -> Self {
        self.unit = nanos(unit);
        self
    }

    fn read(&mut self) -> Result<Option<Interval>, ReadError> {
        while self.lines.advance()? {
            match self.lines.line()? {
                Line::Other => {}
                Line::Note { kind, .. } => {
                    self.ours = true;
                    self.ended = kind == "end";
                }
                Line::Interval {
                    tag,
                    start,
                    length,
                    payload,
                } => {
                    let histogram = self.histogram(payload)?;
                    return Ok(Some(Interval {
                        start,
                        length,
                        tag: tag.map(str::to_owned),
                        histogram,
                    }));
                }
            }
        }
        match self.lines.number() {
            0 => Err(ReadError::Empty),
            line if self.ours && !self.ended => Err(ReadError::CutOff { line }),
            _ => Ok(None),
        }
    }

    fn histogram(&self, payload: &str) -> Result<Histogram, ReadError> {
        let mut histogram = Histogram::new();
        payload::decode(payload, |low, high, count| {
            // HdrHistogram's "median equivalent value".
            let middle = low + (high - low).div_ceil(2);
            let span = [low, middle, high].map(|value| value.saturating_mul(self.unit));
            histogram.add_span(span, count);
        })
        .map_err(|source| ReadError::Histogram {
            line: self.lines.number(),
            source,
        })?;
        Ok(histogram)
    }
}

impl<R: BufRead> Iterator for Intervals<R> {
    type Item = Result<Interval, ReadError>;

    /// The next interval. After an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let interval = self.read().map_err(|error| self.lines.explain(error));
        self.failed = interval.is_err();
        interval.transpose()
    }
}
