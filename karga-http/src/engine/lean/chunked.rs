//! The chunked transfer coding (RFC 9112, 7.1), read without keeping any of it.

use crate::fault::Fault;

/// The longest line of a chunk's head or of the trailers, in bytes.
const LONGEST_LINE: usize = 8 * 1024;

/// The most bytes of all trailers together.
const MOST_TRAILERS: usize = 64 * 1024;

/// Reads chunks, however their bytes are cut.
#[derive(Debug)]
pub(super) struct Chunks {
    state: State,
    /// Bytes of the line that is being read.
    line: usize,
    trailers: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The digits of a size, and how many there were.
    Size {
        size: u64,
        digits: u8,
    },
    /// What follows the size on its line.
    Extension {
        size: u64,
    },
    /// The line feed after the size.
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// The beginning of a line of the trailers.
    Trailer,
    TrailerLine,
    LastLf,
    Done,
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Size { size: 0, digits: 0 },
            line: 0,
            trailers: 0,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads bytes, hands the data in them on, and gives how many were read: all
    /// of them, unless the last chunk ended before.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        mut data: impl FnMut(&[u8]),
    ) -> Result<usize, Fault> {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            if let State::Data { left } = self.state {
                let len = usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len() - at);
                data(&bytes[at..at + len]);
                at += len;
                self.state = match left - len as u64 {
                    0 => State::DataCr,
                    left => State::Data { left },
                };
            } else {
                self.state = self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<State, Fault> {
        let lie = |what: &str| {
            let byte = byte.escape_ascii();
            Err(Fault::protocol(format!(
                "a chunk lies: {what}, not '{byte}'"
            )))
        };
        self.line += 1;
        if self.line > LONGEST_LINE {
            return Err(Fault::protocol("a chunk's line is longer than 8 KiB"));
        }
        Ok(match (self.state, byte) {
            (State::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                if digits == 16 {
                    return Err(Fault::protocol("a chunk's size has more than 16 digits"));
                }
                State::Size {
                    size: size << 4 | u64::from(digit),
                    digits: digits + 1,
                }
            }
            (State::Size { digits: 0, .. }, _) => return lie("its size was to come"),
            (State::Size { size, .. } | State::Extension { size }, b'\r') => {
                State::SizeEnd { size }
            }
            (State::Size { size, .. }, b';' | b' ' | b'\t') => State::Extension { size },
            (State::Extension { .. }, b'\n') => return lie("a line ends with CR LF"),
            (State::Extension { size }, _) => State::Extension { size },
            (State::Size { .. }, _) => return lie("its size is hexadecimal"),
            (State::SizeEnd { size }, b'\n') => {
                self.line = 0;
                match size {
                    0 => State::Trailer,
                    left => State::Data { left },
                }
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                self.line = 0;
                State::Size { size: 0, digits: 0 }
            }
            (State::DataCr | State::DataLf, _) => return lie("it was to end here"),
            (State::Trailer, b'\r') => State::LastLf,
            (State::Trailer | State::TrailerLine, b'\n') => {
                self.trailers += self.line;
                self.line = 0;
                if self.trailers > MOST_TRAILERS {
                    return Err(Fault::protocol("the trailers are longer than 64 KiB"));
                }
                State::Trailer
            }
            (State::Trailer | State::TrailerLine, _) => State::TrailerLine,
            (State::LastLf, b'\n') => State::Done,
            (State::SizeEnd { .. } | State::LastLf, _) => return lie("a line ends with CR LF"),
            (State::Data { .. } | State::Done, _) => self.state, // never stepped
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// What comes of these bytes, cut into pieces of this length: the data, and
    /// what was left of the bytes once it was done.
    fn read(text: &str, piece: usize) -> Result<(String, String), String> {
        let mut chunks = Chunks::new();
        let (mut data, mut rest) = (Vec::new(), Vec::new());
        for bytes in text.as_bytes().chunks(piece) {
            let read = chunks
                .read(bytes, |part| data.extend_from_slice(part))
                .map_err(|fault| fault.words)?;
            rest.extend_from_slice(&bytes[read..]);
        }
        if !chunks.is_done() {
            return Err("not whole".to_owned());
        }
        Ok((
            String::from_utf8(data).unwrap(),
            String::from_utf8(rest).unwrap(),
        ))
    }

    #[test]
    fn chunks_are_read_however_they_are_cut() {
        let text = "5\r\nhello\r\n0A ; x=\"y\"\r\n, world...\r\n000\r\nx: y\r\nz: \r\n\r\nrest";
        for piece in 1..=text.len() {
            let expected = ("hello, world...".to_owned(), "rest".to_owned());
            assert_eq!(read(text, piece).unwrap(), expected, "{piece}");
        }
    }

    #[test]
    fn chunks_that_lie_are_refused() {
        for (text, part) in [
            ("\r\n", "its size was to come"),
            ("-5\r\n", "its size was to come"),
            ("5x\r\n", "hexadecimal"),
            ("5\nhello", "hexadecimal"),
            ("5\rhello", "CR LF"),
            ("5\r\nhello!\r\n", "it was to end here"),
            ("5\r\nhello\r!", "it was to end here"),
            ("0\r\n\r!", "CR LF"),
            ("12345678123456781\r\n", "16 digits"),
            ("5\r\nhell", "not whole"),
            ("0\r\n", "not whole"),
        ] {
            for piece in [1, text.len()] {
                let why = read(text, piece).unwrap_err();
                assert!(why.contains(part), "{text:?}: {why}");
            }
        }
        let long = format!("5;{}", "x".repeat(LONGEST_LINE));
        assert!(read(&long, 7).unwrap_err().contains("longer than 8 KiB"));
        let trailers = format!("0\r\n{}", "a: b\r\n".repeat(MOST_TRAILERS / 4));
        assert!(read(&trailers, 100).unwrap_err().contains("64 KiB"));
    }

    proptest! {
        /// Whatever data is written in chunks, and however it is cut, is read again.
        #[test]
        fn what_was_written_is_read(
            chunks in vec(vec(any::<u8>(), 1..300), 0..6),
            piece in 1_usize..400,
        ) {
            let mut text = Vec::new();
            for chunk in &chunks {
                text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                text.extend_from_slice(chunk);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"0\r\n\r\n");
            let (mut reader, mut data) = (Chunks::new(), Vec::new());
            for bytes in text.chunks(piece) {
                let read = reader.read(bytes, |part| data.extend_from_slice(part));
                prop_assert_eq!(read.map_err(|fault| fault.words), Ok(bytes.len()));
            }
            prop_assert!(reader.is_done());
            prop_assert_eq!(data, chunks.concat());
        }

        /// Whatever comes, no more is handed on than came.
        #[test]
        fn anything_is_data_or_a_lie(bytes in "[0-9a-f;x\r\n -]{0,60}", piece in 1_usize..9) {
            let (mut reader, mut data) = (Chunks::new(), 0);
            for bytes in bytes.as_bytes().chunks(piece) {
                if reader.read(bytes, |part| data += part.len()).is_err() {
                    break;
                }
            }
            prop_assert!(data <= bytes.len());
        }
    }
}
