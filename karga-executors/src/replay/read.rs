//! Recordings as text: see [`Recording`] for the format.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    packed::Packer,
    recording::Recording,
    seconds::{NoTime, nanos},
};

/// The longest line that is read, in bytes, with its end: a file without line
/// ends fills no memory.
const MAX_LINE: usize = 1 << 16;

/// As much of a line as an error shows.
const SHOWN: usize = 40;

impl Recording {
    /// Reads the file at `path`, in the [format](Recording#from-a-file) that
    /// [`write`](Recording::write) writes.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is cut off, has no arrival or another number
    /// of them than its last line says; if a line is no number or longer than
    /// 64 KiB, or a time is negative, out of order or 584 years or more after
    /// the start.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ReadRecordingError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| ReadRecordingError::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::from_reader(BufReader::new(file))
    }

    /// Reads the [format](Recording#from-a-file) that
    /// [`write`](Recording::write) writes.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Recording::read).
    pub fn from_reader(reader: impl BufRead) -> Result<Self, ReadRecordingError> {
        let mut text = Text::default();
        text.read(reader)?;
        if text.said.is_none() && text.line > 0 {
            return Err(ReadRecordingError::Truncated {
                line: text.line,
                text: text.last,
                arrivals: text.arrivals.len(),
            });
        }
        text.recording()
    }

    /// Reads a plain list of times from elsewhere: the same
    /// [format](Recording#from-a-file), but it need not say at its end how many
    /// arrivals there are.
    ///
    /// Lines that are missing at the end are not noticed then, unless the cut
    /// went through a line: its last line must have a line end.
    ///
    /// ```
    /// use std::time::Duration;
    /// use karga_executors::Recording;
    ///
    /// // Of a file: BufReader::new(File::open(path)?).
    /// let recording = Recording::from_list("0.5\n0.75\n3\n".as_bytes())?;
    /// assert_eq!(recording.len(), 3);
    /// assert_eq!(recording.due(1), Some(Duration::from_millis(750)));
    /// # Ok::<(), karga_executors::ReadRecordingError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`read`](Recording::read), but for the last line.
    pub fn from_list(reader: impl BufRead) -> Result<Self, ReadRecordingError> {
        let mut text = Text::default();
        text.read(reader)?;
        if text.cut {
            return Err(ReadRecordingError::Unfinished {
                line: text.line,
                text: text.last,
            });
        }
        text.recording()
    }
}

/// A text, as far as it was read.
#[derive(Default)]
struct Text {
    arrivals: Packer,
    /// The number of the last line, from 1.
    line: u64,
    /// The last line, as errors show it.
    last: String,
    /// How many arrivals there are, if a line said so.
    said: Option<u64>,
    /// The last line is a time without a line end, and was not taken: a part
    /// of a number is another number.
    cut: bool,
}

impl Text {
    fn read(&mut self, mut reader: impl BufRead) -> Result<(), ReadRecordingError> {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let mut limited = reader.by_ref().take(MAX_LINE as u64 + 1);
            let read = limited.read_until(b'\n', &mut bytes);
            let line = self.line + 1;
            match read {
                Ok(0) => return Ok(()),
                // What is left of it is no line of its own.
                Ok(length) if length > MAX_LINE => {
                    return Err(ReadRecordingError::TooLong {
                        line,
                        text: shown(String::from_utf8_lossy(&bytes).trim()),
                        most: MAX_LINE,
                    });
                }
                Ok(_) => {}
                Err(source) => return Err(ReadRecordingError::Read { line, source }),
            }
            let line = String::from_utf8_lossy(&bytes);
            let line = line.trim_start_matches('\u{feff}').trim();
            self.line += 1;
            self.last = shown(line);
            let ended = bytes.ends_with(b"\n");
            let is_time = !line.is_empty() && !line.starts_with('#');
            if !ended && is_time && self.said.is_none() {
                self.cut = true;
            } else {
                self.take(line)?;
            }
        }
    }

    fn take(&mut self, line: &str) -> Result<(), ReadRecordingError> {
        let (at, text) = (self.line, || shown(line));
        if line.is_empty() {
            return Ok(());
        }
        if let Some(comment) = line.strip_prefix('#') {
            let found = self.arrivals.len();
            return match count(comment) {
                Some(said) if said != found => Err(ReadRecordingError::Count {
                    line: at,
                    text: text(),
                    found,
                }),
                said => {
                    self.said = said.or(self.said);
                    Ok(())
                }
            };
        }
        let time = nanos(line).map_err(|why| match why {
            NoTime::NotANumber => ReadRecordingError::NotANumber {
                line: at,
                text: text(),
            },
            NoTime::Negative => ReadRecordingError::Negative {
                line: at,
                text: text(),
            },
            NoTime::TooLate => ReadRecordingError::TooLate {
                line: at,
                text: text(),
            },
        })?;
        if self.said.is_some() {
            return Err(ReadRecordingError::AfterEnd {
                line: at,
                text: text(),
            });
        }
        self.arrivals
            .push(time)
            .map_err(|before| ReadRecordingError::OutOfOrder {
                line: at,
                text: text(),
                before: Duration::from_nanos(before),
            })
    }

    fn recording(self) -> Result<Recording, ReadRecordingError> {
        let lines = self.line;
        Recording::of(self.arrivals).ok_or(ReadRecordingError::Empty { lines })
    }
}

/// The count in the comment ` end 12 arrivals`. The word after the number is
/// how one sees that no digit of it is missing.
fn count(comment: &str) -> Option<u64> {
    let mut words = comment.split_ascii_whitespace();
    match [words.next()?, words.next()?, words.next()?] {
        ["end", count, "arrivals"] if words.next().is_none() => count.parse().ok(),
        _ => None,
    }
}

fn shown(line: &str) -> String {
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

/// Why a text is no [`Recording`]. Lines are numbered from 1, and shown up to
/// their fortieth character.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadRecordingError {
    /// The file cannot be opened.
    #[error("cannot open the recording {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line cannot be read.
    #[error("cannot read line {line} of the recording")]
    Read {
        /// Which line.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// A line is longer than any that a recording has.
    #[error(
        "line {line}: \"{text}\" goes on beyond {most} bytes: \
         give one time a line, and break longer comments"
    )]
    TooLong {
        /// Which line.
        line: u64,
        /// How it begins.
        text: String,
        /// The longest line that is read, in bytes.
        most: usize,
    },
    /// A line is no number.
    #[error(
        "line {line}: \"{text}\" is no time: \
         give seconds as a decimal number, such as 12.003004005"
    )]
    NotANumber {
        /// Which line.
        line: u64,
        /// What it says.
        text: String,
    },
    /// A time is below zero.
    #[error("line {line}: \"{text}\" is before the start: give seconds since then, from 0")]
    Negative {
        /// Which line.
        line: u64,
        /// What it says.
        text: String,
    },
    /// A time is beyond 2^64 ns.
    #[error(
        "line {line}: \"{text}\" is more than 584 years after the start: \
         give seconds, not parts of them"
    )]
    TooLate {
        /// Which line.
        line: u64,
        /// What it says.
        text: String,
    },
    /// A time is earlier than the one before.
    #[error("line {line}: \"{text}\" comes after a time of {before:?}: sort the times")]
    OutOfOrder {
        /// Which line.
        line: u64,
        /// What it says.
        text: String,
        /// The time before.
        before: Duration,
    },
    /// There is a time after the line that ends the recording.
    #[error(
        "line {line}: \"{text}\" comes after the line that ends the recording: \
         give one recording only"
    )]
    AfterEnd {
        /// Which line.
        line: u64,
        /// What it says.
        text: String,
    },
    /// The last line says another number of arrivals than there are.
    #[error(
        "line {line}: \"{text}\", and {found} are before it: the file is damaged; \
         take a whole one, or put the count right if it was edited"
    )]
    Count {
        /// Which line.
        line: u64,
        /// What it says.
        text: String,
        /// How many arrivals there are.
        found: u64,
    },
    /// The last line does not say how many arrivals there are.
    #[error(
        "line {line}: the recording ends with \"{text}\", without `# end {arrivals} arrivals`, \
         so it was cut off: take a whole one; a list from elsewhere, which has no such line, \
         is read by `Recording::from_list`"
    )]
    Truncated {
        /// The last line.
        line: u64,
        /// What it says.
        text: String,
        /// How many arrivals are before the cut.
        arrivals: u64,
    },
    /// The last line of a list has no line end.
    #[error(
        "line {line}: \"{text}\" has no line end, so the list may be cut off: \
         take a whole one, or end the line if it is whole"
    )]
    Unfinished {
        /// The last line.
        line: u64,
        /// What it says.
        text: String,
    },
    /// There is no arrival.
    #[error("there is no time in {lines} lines, so there is nothing to replay: give at least one")]
    Empty {
        /// How many lines there are.
        lines: u64,
    },
}
