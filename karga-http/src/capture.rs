//! Values taken from answers, for the requests that follow.

use regex::bytes::Regex;
use serde_json::Value;

use crate::{BuildError, answer::Answer};

/// Where in an answer a value is found.
///
/// A capture that finds nothing makes the request a failure of the class
/// "capture: NAME", and ends the iteration: what follows has no value to use.
///
/// ```
/// use karga_http::{Capture, HttpRequest};
///
/// let login = HttpRequest::post("http://127.0.0.1:8080/login")
///     .capture("token", Capture::json("/token"))
///     .capture("session", Capture::header("x-session"))
///     .capture("nonce", Capture::regex("nonce=\"([0-9a-f]+)\""));
/// let next = HttpRequest::get("http://127.0.0.1:8080/me")
///     .header("authorization", "Bearer {{token}}");
/// # let _ = (login, next);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a capture does nothing until a request has it"]
pub struct Capture(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Json(String),
    Header(String),
    /// Read when the scenario is built.
    Regex(String, Option<Regex>),
}

impl Capture {
    /// What the JSON pointer (RFC 6901) names in the body: a string without its
    /// quotes, anything else as JSON text. `null` counts as nothing. Numbers that
    /// neither fit 64 bits nor a double are rounded.
    pub fn json(pointer: impl Into<String>) -> Self {
        Self(Kind::Json(pointer.into()))
    }

    /// The value of this header; the first, if there are several.
    pub fn header(name: impl Into<String>) -> Self {
        Self(Kind::Header(name.into()))
    }

    /// What the first group of the regular expression holds where that first matches
    /// the body, or the whole match, if the expression has no group. A group that had
    /// no part in the match counts as nothing.
    pub fn regex(pattern: impl Into<String>) -> Self {
        Self(Kind::Regex(pattern.into(), None))
    }

    /// Makes it ready for use.
    pub(crate) fn built(self) -> Result<Self, BuildError> {
        let kind = match self.0 {
            Kind::Json(pointer) => Kind::Json(check_pointer(pointer)?),
            Kind::Header(name) if http::HeaderName::try_from(name.as_str()).is_err() => {
                return Err(BuildError::Header {
                    name,
                    value: String::new(),
                    why: "a capture asks for it, and it is no header name".to_owned(),
                });
            }
            Kind::Regex(pattern, _) => match Regex::new(&pattern) {
                Ok(regex) => Kind::Regex(pattern, Some(regex)),
                Err(error) => {
                    let source = error.into();
                    return Err(BuildError::Regex { pattern, source });
                }
            },
            kind => kind,
        };
        Ok(Self(kind))
    }

    pub(crate) const fn needs_headers(&self) -> bool {
        matches!(self.0, Kind::Header(_))
    }

    pub(crate) const fn needs_body(&self) -> bool {
        matches!(self.0, Kind::Json(_) | Kind::Regex(..))
    }

    /// The value, or in words why there is none.
    pub(crate) fn take(&self, answer: &Answer) -> Result<String, String> {
        let body = || answer.body("a capture").map_err(|fault| fault.words);
        match &self.0 {
            Kind::Json(pointer) => {
                let json = answer.json(body()?)?;
                match json.pointer(pointer) {
                    None | Some(Value::Null) => Err(format!(
                        "the body has nothing at {pointer:?}: {}",
                        answer.beginning()
                    )),
                    Some(Value::String(text)) => Ok(text.clone()),
                    Some(other) => Ok(other.to_string()),
                }
            }
            Kind::Header(name) => match answer.header(name).next() {
                Some(value) => Ok(String::from_utf8_lossy(value.as_bytes()).into_owned()),
                None => Err(format!("the answer has no header {name:?}")),
            },
            Kind::Regex(pattern, regex) => {
                let body = body()?;
                let found = regex.as_ref().and_then(|regex| regex.captures(body));
                let Some(found) = found else {
                    return Err(format!(
                        "nothing in the body matches {pattern:?}: {}",
                        answer.beginning()
                    ));
                };
                match found.get(usize::from(found.len() > 1)) {
                    Some(value) => Ok(String::from_utf8_lossy(value.as_bytes()).into_owned()),
                    None => Err(format!(
                        "the first group of {pattern:?} has no part in what it matches: {}",
                        answer.beginning()
                    )),
                }
            }
        }
    }
}

/// Whether it is a JSON pointer.
pub(crate) fn check_pointer(pointer: String) -> Result<String, BuildError> {
    if pointer.is_empty() || pointer.starts_with('/') {
        Ok(pointer)
    } else {
        Err(BuildError::Pointer { pointer })
    }
}
