//! A request, as a person describes it.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::{
    Capture, Check,
    target::{basic, without_password},
};

/// A request of an [`HttpScenario`](crate::HttpScenario).
///
/// URL (its path and query), headers and body may have values in them that
/// differ from iteration to iteration: `{{index}}` is the number of the
/// iteration, `{{user}}` that of the virtual user; `{{name}}` is what an earlier
/// request of the same iteration [captured](Self::capture), or a
/// [variable](crate::HttpScenarioBuilder::variable) of the scenario. Values are
/// escaped for where they stand: in URLs as `%XX`, in [JSON](Self::json) as in a
/// string. A name that is not known is refused when the scenario is built.
///
/// ```
/// use karga_http::{Check, HttpRequest};
///
/// let order = HttpRequest::post("http://127.0.0.1:8080/users/{{user}}/orders?page={{index}}")
///     .name("order")
///     .header("x-request-id", "load-{{index}}")
///     .json(&serde_json::json!({ "sku": "A-{{index}}", "count": 1 }))
///     .check(Check::status(201));
/// # let _ = order;
/// ```
#[derive(Clone)]
#[must_use = "a request does nothing until a scenario has it"]
pub struct HttpRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) name: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: GivenBody,
    pub(crate) checks: Vec<Check>,
    pub(crate) captures: Vec<(String, Capture)>,
    pub(crate) deadline: Option<Duration>,
}

#[derive(Debug, Clone)]
pub(crate) enum GivenBody {
    None,
    Text(String),
    Bytes(Vec<u8>),
    Json(Result<String, String>),
}

/// The URL of a GET.
impl From<&str> for HttpRequest {
    fn from(url: &str) -> Self {
        Self::get(url)
    }
}

/// The URL of a GET.
impl From<String> for HttpRequest {
    fn from(url: String) -> Self {
        Self::get(url)
    }
}

/// The URL of a GET.
impl From<&String> for HttpRequest {
    fn from(url: &String) -> Self {
        Self::get(url.as_str())
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident $method:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name(url: impl Into<String>) -> Self {
            Self::new($method, url)
        }
    )*};
}

impl HttpRequest {
    /// A request of this method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            name: None,
            headers: Vec::new(),
            body: GivenBody::None,
            checks: Vec::new(),
            captures: Vec::new(),
            deadline: None,
        }
    }

    methods! {
        /// A GET.
        get "GET";
        /// A HEAD: its answer has no body.
        head "HEAD";
        /// A POST.
        post "POST";
        /// A PUT.
        put "PUT";
        /// A PATCH.
        patch "PATCH";
        /// A DELETE.
        delete "DELETE";
        /// An OPTIONS.
        options "OPTIONS";
    }

    /// Its name: the label of its own row in every report. Default: none if it
    /// is the scenario's only request; otherwise method and path, as they are
    /// written in the program.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds a header. Those of the scenario and those that every request has
    /// (`accept`, `user-agent`, `host`) give way to it; several of one name are
    /// all sent. With HTTP/2, `:authority` stays that of the URL, and servers may
    /// refuse a `host` that differs from it.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Authenticates by user and password (RFC 7617), as those of a URL do. They
    /// are taken as they are, without values in them.
    pub fn basic_auth(self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        self.header("authorization", basic(user.as_ref(), password.as_ref()))
    }

    /// A body that is text and may have values in it. It is sent without a
    /// content type unless a header says one.
    pub fn body(mut self, text: impl Into<String>) -> Self {
        self.body = GivenBody::Text(text.into());
        self
    }

    /// A body that is sent as it is, whatever is in it.
    pub fn bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = GivenBody::Bytes(bytes.into());
        self
    }

    /// A JSON body, with the content type `application/json` unless a header
    /// says another. Its strings may have values in them.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.body = GivenBody::Json(serde_json::to_string(body).map_err(|error| error.to_string()));
        self
    }

    /// Adds a condition on the answer; see [`Check`].
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Takes a value from the answer, for the requests that follow in the same
    /// iteration; see [`Capture`].
    pub fn capture(mut self, name: impl Into<String>, capture: Capture) -> Self {
        self.captures.push((name.into(), capture));
        self
    }

    /// How long it may take, from before it is sent (connecting included) to the
    /// last byte of its answer. Default: the scenario's.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    pub(crate) fn captured_names(&self) -> impl Iterator<Item = &str> {
        self.captures.iter().map(|(name, _)| name.as_str())
    }
}

/// Without what is nobody's business: passwords, and the values of headers.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.headers.iter().map(|(name, _)| name);
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &without_password(&self.url))
            .field("name", &self.name)
            .field("headers", &names.collect::<Vec<_>>())
            .field("checks", &self.checks)
            .field("captures", &self.captures)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
