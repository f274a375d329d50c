//! The head of an answer: its status, and how its body is framed.

use std::mem::MaybeUninit;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{fault::Fault, status};

/// The largest head that is read, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// The most headers that are read.
const MOST_HEADERS: usize = 128;

/// A body of more bytes than this is none: eight exabytes.
const LONGEST_BODY: u64 = i64::MAX as u64;

/// How a body ends (RFC 9112, 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    Chunked,
    UntilClose,
}

#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) framing: Framing,
    /// Whether the connection can carry another request after it.
    pub(super) keep_alive: bool,
    /// How many bytes it takes.
    pub(super) len: usize,
    /// If they were wanted.
    pub(super) headers: Option<Box<HeaderMap>>,
}

/// Reads a head, if it is whole. `to_head` says that it answers a HEAD.
#[inline]
pub(super) fn parse(bytes: &[u8], to_head: bool, want: bool) -> Result<Option<Head>, Fault> {
    let mut space = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let complete = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        bytes,
        &mut space,
    );
    let len = match complete {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(refuse(&error, bytes)),
    };
    let status = parsed.code.unwrap_or_default();
    if !status::is_status(status) {
        return Err(Fault::protocol(format!("{status:03} is no status")));
    }
    let mut length = None;
    let mut coding = Coding::None;
    let mut keep_alive = parsed.version == Some(1);
    for header in &*parsed.headers {
        let name = header.name.as_bytes();
        // Most headers differ from all of these in their length.
        match name.len() {
            14 if is(name, b"Content-Length") => {
                length = Some(content_length(header.value, length)?);
            }
            17 if is(name, b"Transfer-Encoding") => {
                coding = Coding::of(header.value);
            }
            // What HTTP/1.1 does anyway is all that most servers say.
            10 if is(name, b"Connection") && !(keep_alive && header.value == b"keep-alive") => {
                for token in tokens(header.value) {
                    if is(token, b"close") {
                        keep_alive = false;
                    } else if is(token, b"keep-alive") && parsed.version == Some(0) {
                        keep_alive = true;
                    }
                }
            }
            _ => {}
        }
    }
    let bodiless = to_head || status < 200 || matches!(status, 204 | 304);
    let framing = match (coding, length) {
        _ if bodiless => Framing::Length(0),
        (Coding::Chunked, length) => {
            // Two framings on one message: who is in between may read the other.
            keep_alive &= length.is_none();
            Framing::Chunked
        }
        (Coding::Other, _) | (Coding::None, None) => {
            keep_alive = false;
            Framing::UntilClose
        }
        (Coding::None, Some(length)) => Framing::Length(length),
    };
    let headers = want.then(|| Box::new(copied(parsed.headers)));
    Ok(Some(Head {
        status,
        framing,
        keep_alive,
        len,
        headers,
    }))
}

#[derive(Debug, Clone, Copy)]
enum Coding {
    None,
    Chunked,
    /// Its end cannot be known but by the end of the connection.
    Other,
}

impl Coding {
    fn of(value: &[u8]) -> Self {
        match tokens(value).last() {
            Some(last) if last.eq_ignore_ascii_case(b"chunked") => Self::Chunked,
            _ => Self::Other,
        }
    }
}

/// Whether it is this name. Most often it is written in the same way, which is
/// cheaper to see.
#[inline]
fn is(given: &[u8], name: &[u8]) -> bool {
    given == name || given.eq_ignore_ascii_case(name)
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// The length that a header says, which must be that of any before it.
#[inline]
fn content_length(value: &[u8], before: Option<u64>) -> Result<u64, Fault> {
    match (number(value), before) {
        (Some(said), None) => Ok(said),
        _ => content_lengths(value, before),
    }
}

/// The same for several, or what is none.
#[cold]
fn content_lengths(value: &[u8], before: Option<u64>) -> Result<u64, Fault> {
    let mut length = before;
    for text in tokens(value) {
        let said = number(text).ok_or_else(|| {
            let text = String::from_utf8_lossy(text);
            Fault::protocol(format!("{text:?} is no content length"))
        })?;
        if length.is_some_and(|length| length != said) {
            return Err(Fault::protocol("the answer has two content lengths"));
        }
        length = Some(said);
    }
    length.ok_or_else(|| Fault::protocol("the content length is empty"))
}

/// Digits alone: `parse` would take a sign.
#[inline]
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10)
            .then(|| number.checked_mul(10)?.checked_add(digit.into()))
            .flatten()
            .filter(|number| *number <= LONGEST_BODY)
    })
}

fn copied(headers: &[httparse::Header<'_>]) -> HeaderMap {
    let pairs = headers.iter().filter_map(|header| {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(header.value).ok()?))
    });
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name, value);
    }
    map
}

fn refuse(error: &httparse::Error, bytes: &[u8]) -> Fault {
    const MOST: usize = 40;
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]);
    let why = match error {
        httparse::Error::TooManyHeaders => format!("more than {MOST_HEADERS} headers"),
        other => other.to_string(),
    };
    Fault::protocol(format!(
        "what came is no HTTP/1.1 answer ({why}): {start:?}"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(text: &str) -> Result<Head, String> {
        let parsed = parse(text.as_bytes(), false, true).map_err(|fault| fault.words)?;
        parsed.ok_or_else(|| "not whole".to_owned())
    }

    fn framing(text: &str) -> (Framing, bool) {
        let head = head(text).unwrap();
        (head.framing, head.keep_alive)
    }

    #[test]
    fn the_framing_is_that_of_the_rfc() {
        use Framing::{Chunked, Length, UntilClose};
        for (text, expected) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                (Length(5), true),
            ),
            (
                "HTTP/1.1 200\r\ncontent-length: 5, 5\r\n\r\n",
                (Length(5), true),
            ),
            (
                "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n",
                (Length(5), false),
            ),
            (
                "HTTP/1.0 200 OK\r\ncontent-length: 5\r\nConnection: Keep-Alive\r\n\r\n",
                (Length(5), true),
            ),
            (
                "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 0\r\n\r\n",
                (Length(0), false),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n",
                (Chunked, true),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
                (Chunked, true),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
                (UntilClose, false),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n",
                (Chunked, false),
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", (UntilClose, false)),
            ("HTTP/1.1 204 No\r\n\r\n", (Length(0), true)),
            (
                "HTTP/1.1 304 No\r\ncontent-length: 9\r\n\r\n",
                (Length(0), true),
            ),
        ] {
            assert_eq!(framing(text), expected, "{text:?}");
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
        let to_head = parse(answer, true, false).unwrap().unwrap();
        assert_eq!(to_head.framing, Length(0));
        assert_eq!(to_head.len, answer.len());
        assert!(to_head.headers.is_none());
    }

    #[test]
    fn what_lies_is_refused() {
        for (text, part) in [
            ("garbage\r\n\r\n", "no HTTP/1.1 answer"),
            ("HTTP/1.1 099 x\r\n\r\n", "099 is no status"),
            ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "\"-1\""),
            ("HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n", "\"+1\""),
            ("HTTP/1.1 200 OK\r\ncontent-length: 1a\r\n\r\n", "\"1a\""),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
                "999",
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n", "\"\""),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
                "two content lengths",
            ),
        ] {
            let why = head(text).unwrap_err();
            assert!(why.contains(part), "{text:?}: {why}");
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200));
        assert!(head(&many).unwrap_err().contains("more than 128 headers"));
        assert_eq!(head("HTTP/1.1 200 OK\r\n").unwrap_err(), "not whole");
    }

    proptest! {
        /// Whatever comes is a head, the beginning of one, or refused; and what is a
        /// head is one however much of it follows.
        #[test]
        fn anything_is_a_head_or_refused(
            version in "(HTTP/1\\.[01]|HTTP/2|[ -~]{0,8})",
            status in "( [0-9]{3}| [ -~]{0,4}|)",
            fields in "([A-Za-z-]{1,18}: ?[ -~]{0,20}\r?\n){0,5}",
            end in "(\r\n|\n|)",
            rest in any::<Vec<u8>>(),
        ) {
            let head = format!("{version}{status} OK\r\n{fields}{end}");
            let alone = parse(head.as_bytes(), false, true);
            let followed = parse(&[head.as_bytes(), &rest].concat(), false, true);
            if let Ok(Some(alone)) = alone {
                prop_assert!(alone.len <= head.len());
                prop_assert_eq!(followed.ok().flatten().map(|head| head.len), Some(alone.len));
            }
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in any::<Vec<u8>>(), to_head in any::<bool>()) {
            let _ = parse(&bytes, to_head, true);
            let _ = content_length(&bytes, None);
        }
    }
}
