//! What a produced record's value holds.

use std::{
    fmt, fs, io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use crate::seeded::{Purpose, Stream};

/// Which record of a run a payload or a key is made for.
///
/// All of it follows from the schedule alone, so what is made of it is the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RecordSeat {
    /// The number of the iteration, from 0.
    pub index: u64,
    /// The record's place in the iteration's request, from 0.
    pub place: u32,
    /// The record's number in the whole run: `index` times the batch, plus `place`.
    pub number: u64,
}

impl RecordSeat {
    /// The seat of record `place` in iteration `index` of requests of `batch` records.
    pub const fn new(index: u64, place: u32, batch: u32) -> Self {
        Self {
            index,
            place,
            number: index.wrapping_mul(batch as u64).wrapping_add(place as u64),
        }
    }
}

/// What the values of produced records hold.
///
/// | made by | value |
/// |---|---|
/// | [`fixed`](Payload::fixed) | the same bytes in every record; they compress well |
/// | [`random`](Payload::random) | seeded random bytes of one size, or of sizes spread evenly over a range; they do not compress |
/// | [`lines`](Payload::lines) | the lines of a file in order, over and over |
/// | [`from_fn`](Payload::from_fn) | what a closure writes |
///
/// ```
/// use karga_kafka::Payload;
///
/// let same = Payload::fixed("hello");
/// let kilobyte = Payload::random(1024);
/// let between = Payload::random(100..=1000);
/// let json = Payload::from_fn(|seat, out| {
///     out.extend_from_slice(format!("{{\"order\":{}}}", seat.number).as_bytes());
/// });
/// assert_eq!(between.max_len(), Some(1000));
/// assert_eq!(json.max_len(), None); // known only when it is written
/// ```
#[derive(Clone)]
pub struct Payload {
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Fixed(Bytes),
    Random { min: usize, max: usize },
    Lines(Arc<Lines>),
    Function(Arc<Write>),
}

type Write = dyn Fn(RecordSeat, &mut Vec<u8>) + Send + Sync;

struct Lines {
    text: Vec<u8>,
    /// Where each line starts and ends in `text`.
    spans: Vec<(usize, usize)>,
}

/// The size of random payloads in bytes: one, or a range that includes both ends.
///
/// Made by `into()` from a `usize` or a range `min..=max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadSize {
    min: usize,
    max: usize,
}

impl From<usize> for PayloadSize {
    fn from(size: usize) -> Self {
        Self {
            min: size,
            max: size,
        }
    }
}

impl From<RangeInclusive<usize>> for PayloadSize {
    fn from(range: RangeInclusive<usize>) -> Self {
        let (min, max) = range.into_inner();
        Self { min, max }
    }
}

/// Why a payload could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The file of lines could not be read.
    #[error("cannot read the payload lines from '{}': check the path and its permissions", path.display())]
    Unreadable {
        /// The path as it was given.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file of lines holds nothing.
    #[error("the payload file '{}' is empty: it needs at least one line", path.display())]
    Empty {
        /// The path as it was given.
        path: PathBuf,
    },
}

impl Payload {
    /// The same bytes in every record.
    pub fn fixed(bytes: impl Into<Bytes>) -> Self {
        Self {
            kind: Kind::Fixed(bytes.into()),
        }
    }

    /// Random bytes of `size`, or of sizes spread evenly over a range.
    ///
    /// They are seeded by the scenario's seed, the iteration's index and the record's place: the
    /// same in every run, whatever the scheduling. They do not compress. A range that ends before
    /// it starts is refused when the scenario is built.
    pub fn random(size: impl Into<PayloadSize>) -> Self {
        let PayloadSize { min, max } = size.into();
        Self {
            kind: Kind::Random { min, max },
        }
    }

    /// The lines of the file at `path` in order, over and over: record number n holds line n modulo
    /// the number of lines, without its line feed or carriage return and line feed.
    ///
    /// The file is read once, here, on the calling thread, and kept in memory.
    ///
    /// # Errors
    /// A file that cannot be read, or that has no line.
    pub fn lines(path: impl AsRef<Path>) -> Result<Self, PayloadError> {
        let path = path.as_ref();
        let text = fs::read(path).map_err(|source| PayloadError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let spans = spans(&text);
        if spans.is_empty() {
            return Err(PayloadError::Empty {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            kind: Kind::Lines(Arc::new(Lines { text, spans })),
        })
    }

    /// What `write` appends to the buffer, which it gets empty. The memory is reused from one
    /// record to the next.
    pub fn from_fn(write: impl Fn(RecordSeat, &mut Vec<u8>) + Send + Sync + 'static) -> Self {
        Self {
            kind: Kind::Function(Arc::new(write)),
        }
    }

    /// The size of the largest value in bytes, where it is known before it is written.
    pub fn max_len(&self) -> Option<usize> {
        match &self.kind {
            Kind::Fixed(bytes) => Some(bytes.len()),
            Kind::Random { max, .. } => Some(*max),
            Kind::Lines(lines) => lines.spans.iter().map(|(start, end)| end - start).max(),
            Kind::Function(_) => None,
        }
    }

    /// The sizes of a range that ends before it starts.
    pub(crate) fn reversed_range(&self) -> Option<(usize, usize)> {
        match self.kind {
            Kind::Random { min, max } if min > max => Some((min, max)),
            _ => None,
        }
    }

    /// The value of one record: in this payload's own memory, or written to `scratch`.
    #[inline]
    pub(crate) fn value<'a>(
        &'a self,
        seed: u64,
        seat: RecordSeat,
        scratch: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        match &self.kind {
            Kind::Fixed(bytes) => bytes,
            Kind::Random { min, max } => {
                let mut stream =
                    Stream::new(seed, Purpose::Payload, seat.index, u64::from(seat.place));
                let len = if min == max {
                    *min
                } else {
                    let spread = (max - min) as u64 + 1;
                    min + stream.below(spread) as usize
                };
                // Grows in the first iterations only; what is there is overwritten.
                if scratch.len() < len {
                    scratch.resize(len, 0);
                }
                let out = &mut scratch[..len];
                stream.fill(out);
                out
            }
            Kind::Lines(lines) => {
                let (start, end) = lines.spans[(seat.number % lines.spans.len() as u64) as usize];
                &lines.text[start..end]
            }
            Kind::Function(write) => {
                scratch.clear();
                write(seat, scratch);
                scratch
            }
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Fixed(bytes) => write!(f, "Payload::fixed({} bytes)", bytes.len()),
            Kind::Random { min, max } if min == max => write!(f, "Payload::random({min})"),
            Kind::Random { min, max } => write!(f, "Payload::random({min}..={max})"),
            Kind::Lines(lines) => write!(f, "Payload::lines({} lines)", lines.spans.len()),
            Kind::Function(_) => f.write_str("Payload::from_fn(..)"),
        }
    }
}

/// Where the lines of `text` are. A line feed at the very end ends the last line and begins none.
fn spans(text: &[u8]) -> Vec<(usize, usize)> {
    let mut start = 0;
    let mut spans = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let content = line
            .strip_suffix(b"\n")
            .map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        spans.push((start, start + content.len()));
        start += line.len();
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(payload: &Payload, seed: u64, index: u64, place: u32) -> Vec<u8> {
        let mut scratch = Vec::new();
        payload
            .value(seed, RecordSeat::new(index, place, 10), &mut scratch)
            .to_vec()
    }

    #[test]
    fn random_values_follow_from_seed_and_place_alone() {
        let payload = Payload::random(1..=64);
        let mut reused = vec![0xff; 10];
        for index in (0..50).rev() {
            for place in 0..4 {
                let seat = RecordSeat::new(index, place, 10);
                let again = payload.value(9, seat, &mut reused).to_vec();
                assert_eq!(again, value(&payload, 9, index, place));
            }
        }
        let random = Payload::random(32);
        assert_ne!(value(&random, 9, 0, 0), value(&random, 9, 0, 1));
        assert_ne!(value(&random, 9, 0, 0), value(&random, 9, 1, 0));
        assert_ne!(value(&random, 9, 0, 0), value(&random, 8, 0, 0));
    }

    #[test]
    fn sizes_of_a_range_are_even_and_reach_both_ends() {
        let payload = Payload::random(3..=6);
        let mut counts = [0_u32; 4];
        for index in 0..8000 {
            counts[value(&payload, 1, index, 0).len() - 3] += 1;
        }
        // 2,000 each, standard deviation 39: five of them.
        assert!(counts.iter().all(|n| n.abs_diff(2000) < 195), "{counts:?}");
    }

    #[test]
    fn random_values_do_not_compress() {
        let bytes = value(&Payload::random(100_000), 3, 0, 0);
        let packed = zstd::bulk::compress(&bytes, 3).unwrap();
        assert!(packed.len() >= bytes.len(), "{}", packed.len());
    }

    #[test]
    fn lines_are_cut_as_text_editors_see_them() {
        let cut = |text: &'static str| -> Vec<&str> {
            spans(text.as_bytes())
                .iter()
                .map(|&(start, end)| &text[start..end])
                .collect()
        };
        assert_eq!(cut("one\ntwo\r\n\nfour"), ["one", "two", "", "four"]);
        assert_eq!(cut("one\n"), ["one"]);
        assert_eq!(cut("a\rb\n"), ["a\rb"]);
        assert!(cut("").is_empty());
    }

    #[test]
    fn lines_come_in_order_over_and_over() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "a\nbb\nccc\n").unwrap();
        let payload = Payload::lines(&file).unwrap();
        assert_eq!(payload.max_len(), Some(3));
        let got: Vec<Vec<u8>> = (8..12).map(|place| value(&payload, 0, 0, place)).collect();
        assert_eq!(got, [&b"ccc"[..], b"a", b"bb", b"ccc"]);
        // Record 10 follows record 9 although it is in the next request.
        assert_eq!(value(&payload, 0, 1, 0), b"bb");
    }

    #[test]
    fn files_without_lines_are_refused_by_name() {
        let missing = Payload::lines("/no/such/file.txt").unwrap_err();
        assert!(
            missing.to_string().contains("'/no/such/file.txt'"),
            "{missing}"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = Payload::lines(&file).unwrap_err().to_string();
        assert!(empty.contains("is empty") && empty.contains(file.path().to_str().unwrap()));
    }

    #[test]
    fn a_closure_writes_into_an_empty_buffer() {
        let payload = Payload::from_fn(|seat, out| out.extend(seat.number.to_string().bytes()));
        let mut scratch = b"old".to_vec();
        let seat = RecordSeat::new(4, 2, 10);
        assert_eq!(payload.value(0, seat, &mut scratch), b"42");
    }
}
