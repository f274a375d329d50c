//! What an answer must be like.

use std::{
    fmt,
    ops::{Range, RangeInclusive},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use memchr::memmem;
use regex::bytes::Regex;
use serde_json::Value;

use crate::{
    BuildError,
    answer::{Answer, excerpt},
    capture::check_pointer,
    fault::Fault,
    status,
};

/// A condition on an answer. One that does not hold makes the request a failure
/// of the class that the condition names.
///
/// Without a check on the status, those from 100 to 399 are a success and all
/// others a failure, of the class "http 503" and the like.
///
/// ```
/// use karga_http::{Check, HttpRequest};
///
/// let request = HttpRequest::get("http://127.0.0.1:8080/orders")
///     .check(Check::status(200))
///     .check(Check::header("content-type", "application/json"))
///     .check(Check::json("/orders/0/state", "open"))
///     .check(Check::body_contains("total"));
/// # let _ = request;
/// ```
#[derive(Debug, Clone)]
#[must_use = "a check does nothing until a request has it"]
pub struct Check(Kind);

#[derive(Clone)]
enum Kind {
    Status(Statuses),
    Header(String, Option<String>),
    Contains(Vec<u8>),
    Equals(Vec<u8>),
    /// Read when the scenario is built.
    Matches(String, Option<Regex>),
    Json(String, Value),
    Body(Arc<Holds>),
}

type Holds = dyn Fn(&[u8]) -> bool + Send + Sync;

/// The statuses that [`Check::status`] accepts: made of one, of an array, or of
/// a range.
#[derive(Debug, Clone)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl From<u16> for Statuses {
    fn from(status: u16) -> Self {
        Self(vec![status..=status])
    }
}

impl<const N: usize> From<[u16; N]> for Statuses {
    fn from(statuses: [u16; N]) -> Self {
        Self(statuses.map(|status| status..=status).to_vec())
    }
}

impl From<Vec<u16>> for Statuses {
    fn from(statuses: Vec<u16>) -> Self {
        let ranges = statuses.into_iter().map(|status| status..=status);
        Self(ranges.collect())
    }
}

impl From<Range<u16>> for Statuses {
    fn from(range: Range<u16>) -> Self {
        // One that is empty accepts nothing, which is refused at the build.
        Self(match range.end.checked_sub(1) {
            Some(last) if last >= range.start => vec![range.start..=last],
            _ => Vec::new(),
        })
    }
}

impl From<RangeInclusive<u16>> for Statuses {
    fn from(range: RangeInclusive<u16>) -> Self {
        Self(if range.is_empty() {
            Vec::new()
        } else {
            vec![range]
        })
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            let or = if at == 0 { "" } else { " or " };
            if range.start() == range.end() {
                write!(f, "{or}{}", range.start())?;
            } else {
                write!(f, "{or}{} to {}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

impl Check {
    /// The status is this one, one of these, or in this range: `200`,
    /// `[200, 404]`, `200..300`. Class: "http 503" and the like, whatever
    /// status it was.
    pub fn status(statuses: impl Into<Statuses>) -> Self {
        Self(Kind::Status(statuses.into()))
    }

    /// There is such a header and its value contains this text, without regard
    /// to case; an empty text asks that the header is there. Class:
    /// "check: header".
    pub fn header(name: impl Into<String>, contains: impl Into<String>) -> Self {
        let contains = contains.into();
        Self(Kind::Header(
            name.into(),
            (!contains.is_empty()).then_some(contains),
        ))
    }

    /// The body contains this. Class: "check: body".
    pub fn body_contains(text: impl Into<Vec<u8>>) -> Self {
        Self(Kind::Contains(text.into()))
    }

    /// The body is exactly this. Class: "check: body".
    pub fn body_equals(text: impl Into<Vec<u8>>) -> Self {
        Self(Kind::Equals(text.into()))
    }

    /// The regular expression matches somewhere in the body. Class:
    /// "check: body".
    pub fn body_matches(pattern: impl Into<String>) -> Self {
        Self(Kind::Matches(pattern.into(), None))
    }

    /// The body is JSON, and what the JSON pointer (RFC 6901) names equals this.
    /// Class: "check: body".
    pub fn json(pointer: impl Into<String>, value: impl Into<Value>) -> Self {
        Self(Kind::Json(pointer.into(), value.into()))
    }

    /// The function says so of the body. It runs between two requests of the
    /// load, so it should be quick. Class: "check: body".
    pub fn body(holds: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self(Kind::Body(Arc::new(holds)))
    }

    /// Makes it ready for use.
    pub(crate) fn built(self) -> Result<Self, BuildError> {
        let kind = match self.0 {
            Kind::Status(statuses) if statuses.0.is_empty() => {
                return Err(BuildError::OutOfRange {
                    setting: "the statuses of a check",
                    range: "at least one",
                    value: "none".to_owned(),
                });
            }
            Kind::Status(statuses)
                if !statuses.0.iter().all(|range| {
                    status::is_status(*range.start()) && status::is_status(*range.end())
                }) =>
            {
                return Err(BuildError::OutOfRange {
                    setting: "the status of a check",
                    range: "from 100 to 999",
                    value: statuses.to_string(),
                });
            }
            Kind::Header(name, _) if http::HeaderName::try_from(name.as_str()).is_err() => {
                return Err(BuildError::Header {
                    name,
                    value: String::new(),
                    why: "a check asks for it, and it is no header name".to_owned(),
                });
            }
            Kind::Matches(pattern, _) => match Regex::new(&pattern) {
                Ok(regex) => Kind::Matches(pattern, Some(regex)),
                Err(error) => {
                    let source = error.into();
                    return Err(BuildError::Regex { pattern, source });
                }
            },
            Kind::Json(pointer, value) => Kind::Json(check_pointer(pointer)?, value),
            kind => kind,
        };
        Ok(Self(kind))
    }

    pub(crate) const fn is_on_status(&self) -> bool {
        matches!(self.0, Kind::Status(_))
    }

    pub(crate) const fn needs_headers(&self) -> bool {
        matches!(self.0, Kind::Header(..))
    }

    pub(crate) const fn needs_body(&self) -> bool {
        matches!(
            self.0,
            Kind::Contains(_)
                | Kind::Equals(_)
                | Kind::Matches(..)
                | Kind::Json(..)
                | Kind::Body(_)
        )
    }

    /// Whether the answer is like that.
    pub(crate) fn look(&self, answer: &Answer) -> Result<(), Fault> {
        let body = || answer.body("a check");
        match &self.0 {
            Kind::Status(statuses) => check_status(answer.status, |status| {
                statuses.0.iter().any(|range| range.contains(&status))
            })
            .map_err(|fault| Fault {
                words: format!("the status is {}, not {statuses}", answer.status),
                ..fault
            }),
            Kind::Header(name, contains) => {
                let mut values = answer.header(name).peekable();
                if values.peek().is_none() {
                    let words = format!("the answer has no header {name:?}");
                    return Err(Fault::failure("check: header", words));
                }
                let Some(part) = contains else {
                    return Ok(());
                };
                let part = part.to_ascii_lowercase();
                let holds = |value: &http::HeaderValue| {
                    has(&value.as_bytes().to_ascii_lowercase(), part.as_bytes())
                };
                if values.any(holds) {
                    return Ok(());
                }
                let words = format!("the header {name:?} does not contain {part:?}");
                Err(Fault::failure("check: header", words))
            }
            Kind::Contains(part) => holds(answer, has(body()?, part), || {
                format!("the body does not contain {:?}", excerpt(part))
            }),
            Kind::Equals(whole) => holds(answer, body()? == whole.as_slice(), || {
                format!("the body is not {:?}", excerpt(whole))
            }),
            Kind::Matches(pattern, regex) => {
                let body = body()?;
                let matches = regex.as_ref().is_some_and(|regex| regex.is_match(body));
                holds(answer, matches, || {
                    format!("the body does not match {pattern:?}")
                })
            }
            Kind::Json(pointer, wanted) => {
                let json = answer.json(body()?).map_err(failed)?;
                let found = json.pointer(pointer);
                holds(answer, found == Some(wanted), || match found {
                    Some(found) => format!("the body has {found} at {pointer:?}, not {wanted}"),
                    None => format!("the body has nothing at {pointer:?}, not {wanted}"),
                })
            }
            Kind::Body(holds_for) => {
                let body = body()?;
                // The answer came, whatever becomes of those who look at it.
                match catch_unwind(AssertUnwindSafe(|| holds_for(body))) {
                    Ok(held) => holds(answer, held, || {
                        "the body is not what the check's function asks for".to_owned()
                    }),
                    Err(_) => Err(failed("the check's function panicked".to_owned())),
                }
            }
        }
    }
}

/// What holds of a status unless a check says something else.
pub(crate) fn default_status(status: u16) -> Result<(), Fault> {
    check_status(status, |status| status < 400)
}

fn check_status(status: u16, holds: impl Fn(u16) -> bool) -> Result<(), Fault> {
    if holds(status) {
        return Ok(());
    }
    let words = format!("the status is {status}");
    Err(Fault::failure(status::class(status), words))
}

fn holds(answer: &Answer, holds: bool, words: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds {
        Ok(())
    } else {
        Err(failed(format!("{}: {}", words(), answer.beginning())))
    }
}

fn failed(words: String) -> Fault {
    Fault::failure("check: body", words)
}

fn has(whole: &[u8], part: &[u8]) -> bool {
    memmem::find(whole, part).is_some()
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(statuses) => write!(f, "status {statuses}"),
            Self::Header(name, part) => write!(f, "header {name:?} {part:?}"),
            Self::Contains(part) => write!(f, "body contains {:?}", excerpt(part)),
            Self::Equals(whole) => write!(f, "body equals {:?}", excerpt(whole)),
            Self::Matches(pattern, _) => write!(f, "body matches {pattern:?}"),
            Self::Json(pointer, value) => write!(f, "body has {value} at {pointer:?}"),
            Self::Body(_) => f.write_str("body fits a function"),
        }
    }
}
