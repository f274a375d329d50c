use std::fmt;

use crate::{Histogram, Stats};

/// What the histogram of an interval is about; its tag in the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tag {
    pub(super) warm_up: bool,
    pub(super) series: Series,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Series {
    /// Of all iterations.
    Total(Kind),
    /// Of those with this label.
    Label(String, Kind),
    /// The duration of this step.
    Step(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Response,
    Service,
    Lateness,
}

const WARM_UP: &str = "warm_up:";
const STEP: &str = "step:";

const KINDS: [(Kind, &str); 3] = [
    (Kind::Response, "response_time"),
    (Kind::Service, "service_time"),
    (Kind::Lateness, "lateness"),
];

impl Tag {
    /// The tag of this text, if it is one that karga writes.
    pub(super) fn parse(text: Option<&str>) -> Option<Self> {
        let Some(text) = text else {
            return Some(Self {
                warm_up: false,
                series: Series::Total(Kind::Response),
            });
        };
        let (warm_up, text) = match text.strip_prefix(WARM_UP) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let series = if let Some(step) = text.strip_prefix(STEP) {
            Series::Step(decode(step)?)
        } else if let Some((label, kind)) = text.split_once('/') {
            Series::Label(decode(label)?, Kind::parse(kind)?)
        } else {
            Series::Total(Kind::parse(text)?)
        };
        Some(Self { warm_up, series })
    }

    /// Whether the interval has no tag: what tools show without being told a
    /// tag is the headline.
    pub(super) fn is_headline(&self) -> bool {
        !self.warm_up && self.series == Series::Total(Kind::Response)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.warm_up {
            f.write_str(WARM_UP)?;
        }
        match &self.series {
            Series::Total(kind) => f.write_str(kind.name()),
            Series::Label(label, kind) => {
                write!(f, "{}/{}", Encoded(label), kind.name())
            }
            Series::Step(step) => write!(f, "{STEP}{}", Encoded(step)),
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        let named = KINDS.iter().find(|(kind, _)| *kind == self);
        named.map_or("", |(_, name)| name)
    }

    /// The times of this kind.
    pub(super) const fn of(self, stats: &Stats) -> &Histogram {
        match self {
            Self::Response => stats.response_time(),
            Self::Service => stats.service_time(),
            Self::Lateness => stats.lateness(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let named = KINDS.iter().find(|(_, name)| *name == text);
        named.map(|(kind, _)| *kind)
    }
}

/// A name in a tag: letters, digits and `-._~` as they are, every other byte of
/// its UTF-8 as `%` and two digits (RFC 3986, section 2.1).
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    write!(f, "{}", char::from(byte))?;
                }
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            let digit = |at: usize| char::from(digits[at]).to_digit(16);
            bytes.push((digit(0)? * 16 + digit(1)?) as u8);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_read_as_documented() {
        let label = |name: &str| Series::Label(name.to_owned(), Kind::Response);
        for (warm_up, series, text) in [
            (false, Series::Total(Kind::Service), "service_time"),
            (true, Series::Total(Kind::Response), "warm_up:response_time"),
            (false, label("login"), "login/response_time"),
            (false, label("warm_up"), "warm_up/response_time"),
            (false, label("step:a/b"), "step%3Aa%2Fb/response_time"),
            (false, label(""), "/response_time"),
            (
                false,
                label("a,b ä\n%"),
                "a%2Cb%20%C3%A4%0A%25/response_time",
            ),
            (false, Series::Step("dns".to_owned()), "step:dns"),
            (
                true,
                Series::Step("lateness".to_owned()),
                "warm_up:step:lateness",
            ),
        ] {
            let tag = Tag { warm_up, series };
            assert_eq!(tag.to_string(), text);
            assert_eq!(Tag::parse(Some(text)), Some(tag));
        }
    }

    #[test]
    fn other_tags_are_none_of_ours() {
        for text in [
            "",
            "A",
            "login",
            "a/b",
            "a/b/lateness",
            "%4/lateness",
            "%zz/lateness",
            "%FF/lateness",
        ] {
            assert_eq!(Tag::parse(Some(text)), None, "{text}");
        }
        assert!(Tag::parse(None).is_some_and(|tag| tag.is_headline()));
    }
}
