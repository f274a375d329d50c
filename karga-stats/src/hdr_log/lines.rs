use std::{
    io::{BufRead, Read},
    time::Duration,
};

use flate2::Crc;

use super::ReadError;

/// The longest line that is read or written, in bytes.
pub(super) const MOST: usize = 16 << 20;

/// What one of karga's own lines begins with.
pub(super) const NOTE: &str = "#[karga ";

/// The lines of a log, by kind, one after the other.
#[derive(Debug)]
pub(super) struct Lines<R> {
    from: R,
    number: u64,
    buffer: Vec<u8>,
    crc: Crc,
}

/// One line.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// Nothing that is looked at: a comment, a legend, an empty line.
    Other,
    /// What karga noted: `#[karga kind: text]`.
    Note { kind: &'a str, text: &'a str },
    /// `[Tag=tag,]start,length,max,payload`
    Interval {
        tag: Option<&'a str>,
        start: Duration,
        length: Duration,
        payload: &'a str,
    },
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            number: 0,
            buffer: Vec::new(),
            crc: Crc::new(),
        }
    }

    /// The number of the line that was read last, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The checksum of the lines before the one that was read last.
    pub(super) fn checksum(&self) -> u32 {
        self.crc.sum()
    }

    /// Reads the next line; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, ReadError> {
        if self.number > 0 {
            self.crc.update(trim(&self.buffer));
            self.crc.update(b"\n");
        }
        self.buffer.clear();
        let mut limited = Read::take(&mut self.from, MOST as u64 + 1);
        let read = limited.read_until(b'\n', &mut self.buffer);
        let read = read.map_err(|source| ReadError::Io {
            line: self.number,
            source,
        })?;
        if read == 0 {
            return Ok(false);
        }
        self.number += 1;
        if self.buffer.len() > MOST {
            return Err(ReadError::TooLong {
                line: self.number,
                most: MOST,
            });
        }
        Ok(true)
    }

    /// The line that was read last.
    pub(super) fn line(&self) -> Result<Line<'_>, ReadError> {
        let text = str::from_utf8(trim(&self.buffer));
        let text = text.map_err(|_| self.syntax("it is not UTF-8"))?;
        parse(text).map_err(|reason| self.syntax(&reason))
    }

    /// What an error in the last line means: without a line break at its end it
    /// is but the part of a line that was left.
    pub(super) fn explain(&self, error: ReadError) -> ReadError {
        match error {
            ReadError::Io { .. } | ReadError::TooLong { .. } => error,
            _ if self.number > 0 && !self.buffer.is_empty() && !self.buffer.ends_with(b"\n") => {
                ReadError::CutOff { line: self.number }
            }
            _ => error,
        }
    }

    fn syntax(&self, reason: &str) -> ReadError {
        ReadError::Syntax {
            line: self.number,
            reason: reason.to_owned(),
        }
    }
}

/// Without the line break.
fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn parse(text: &str) -> Result<Line<'_>, String> {
    if let Some(note) = text.strip_prefix(NOTE) {
        let (kind, text) = note
            .strip_suffix(']')
            .and_then(|note| note.split_once(": "))
            .ok_or("a note of karga reads `#[karga kind: ...]`")?;
        return Ok(Line::Note { kind, text });
    }
    // The legend stands in quotes, as a line of column names.
    if text.is_empty() || text.starts_with(['#', '"']) {
        return Ok(Line::Other);
    }
    let (tag, rest) = match text.strip_prefix("Tag=") {
        Some(tagged) => {
            let (tag, rest) = tagged.split_once(',').ok_or("nothing follows the tag")?;
            (Some(tag), rest)
        }
        None => (None, text),
    };
    let mut fields = rest.split(',');
    let mut field = |name: &str| {
        fields.next().ok_or_else(|| {
            format!("it has no {name}; an interval is `[Tag=tag,]start,length,max,histogram`")
        })
    };
    let start = seconds("start", field("start")?)?;
    let length = seconds("length", field("length")?)?;
    let max = field("max")?;
    max.parse::<f64>()
        .map_err(|_| format!("the max is {}, not a number", quoted(max)))?;
    let payload = field("histogram")?;
    if fields.next().is_some() {
        return Err("something follows the histogram".to_owned());
    }
    Ok(Line::Interval {
        tag,
        start,
        length,
        payload,
    })
}

/// Seconds with any number of decimals, of which nine are kept.
fn seconds(name: &str, text: &str) -> Result<Duration, String> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let parsed = (digits(whole) && digits(decimals))
        .then(|| whole.parse().ok())
        .flatten();
    let Some(whole) = parsed else {
        return Err(format!("the {name} is {}, not in seconds", quoted(text)));
    };
    let nanos = decimals
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(9)
        .fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
    Ok(Duration::new(whole, nanos))
}

/// The beginning of a text that may be anything.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        for other in [
            "",
            "# anything",
            "#[StartTime: 1.0 (seconds)]",
            "\"StartTimestamp\",\"x\"",
        ] {
            assert_eq!(parse(other), Ok(Line::Other));
        }
        assert_eq!(
            parse("#[karga slot: {\"a\":[1]}]"),
            Ok(Line::Note {
                kind: "slot",
                text: "{\"a\":[1]}"
            })
        );
        assert_eq!(
            parse("Tag=a,1.5,2,0.1,HIST="),
            Ok(Line::Interval {
                tag: Some("a"),
                start: Duration::from_millis(1500),
                length: Duration::from_secs(2),
                payload: "HIST=",
            })
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, reason) in [
            ("hello", "the start is \"hello\", not in seconds"),
            ("-1.0,1,1,H", "the start is \"-1.0\", not in seconds"),
            ("1.,1,1,H", "the start is \"1.\", not in seconds"),
            ("1,x,1,H", "the length is \"x\", not in seconds"),
            ("1,1,x,H", "the max is \"x\", not a number"),
            (
                "1,1",
                "it has no max; an interval is `[Tag=tag,]start,length,max,histogram`",
            ),
            ("Tag=a", "nothing follows the tag"),
            ("1,1,1,H,", "something follows the histogram"),
            (
                "#[karga slot {}]",
                "a note of karga reads `#[karga kind: ...]`",
            ),
            (
                "99999999999999999999,1,1,H",
                "the start is \"99999999999999999999\", not in seconds",
            ),
        ] {
            assert_eq!(parse(text), Err(reason.to_owned()));
        }
    }
}
