//! One request: as a person describes it, and as a user sends it.

use std::{borrow::Cow, fmt, time::Duration};

use http::{HeaderName, HeaderValue, Method};
use serde::Serialize;

use crate::{
    BuildError, Capture, Check,
    answer::{Answer, Want},
    check::default_status,
    fault::Fault,
    target::{Origin, Target, basic, without_password},
    template::{Escape, Make, Names, Template, Values},
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
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until a scenario has it"]
pub struct HttpRequest {
    method: String,
    url: String,
    name: Option<String>,
    headers: Vec<(String, String)>,
    body: GivenBody,
    checks: Vec<Check>,
    captures: Vec<(String, Capture)>,
    deadline: Option<Duration>,
}

#[derive(Debug, Clone)]
enum GivenBody {
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

/// What holds for every request of a scenario.
#[derive(Debug)]
pub(crate) struct Common<'a> {
    pub(crate) headers: &'a [(String, String)],
    pub(crate) deadline: Duration,
    pub(crate) max_kept_body: usize,
    /// Whether a request without a name gets one.
    pub(crate) label_all: bool,
}

/// Variables and their places.
pub(crate) struct Variables(pub(crate) Vec<(usize, Make)>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.0.iter().map(|(place, _)| place);
        f.debug_list().entries(places).finish()
    }
}

/// A request, ready to be sent.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) label: Option<Cow<'static, str>>,
    /// For words: "GET http://host/path", values not filled in, and nobody's
    /// password.
    pub(crate) title: String,
    pub(crate) method: Method,
    /// The place of the server among those of the scenario.
    pub(crate) origin: usize,
    pub(crate) path: Template,
    /// All but `host` and `content-length`.
    pub(crate) headers: Vec<(HeaderName, Template)>,
    /// Where it differs from the server's.
    pub(crate) host: Option<Template>,
    pub(crate) body: Option<Template>,
    pub(crate) body_escape: Escape,
    /// The variables that stand anywhere in it, with their places.
    pub(crate) variables: Variables,
    pub(crate) deadline: Duration,
    pub(crate) want: Want,
    checks: Vec<Check>,
    checks_status: bool,
    /// Name, place among the captured values, and where it is found.
    captures: Vec<(String, usize, Capture)>,
}

impl Prepared {
    /// Checks a request and makes it ready; the names that it captures are known
    /// from then on.
    pub(crate) fn new(
        given: HttpRequest,
        common: &Common<'_>,
        names: &mut Names,
        origins: &mut Vec<Origin>,
    ) -> Result<Self, BuildError> {
        let method =
            Method::from_bytes(given.method.as_bytes()).map_err(|_| BuildError::Method {
                method: given.method.clone(),
            })?;
        if method == Method::CONNECT {
            return Err(BuildError::Method {
                method: "CONNECT".to_owned(),
            });
        }
        let target = Target::parse(&given.url, names)?;
        let title = format!("{method} {}", without_password(&given.url));
        let mut headers = Headers::default();
        for (name, value) in given.headers.iter() {
            headers.add(name, value, names)?;
        }
        if let Some(value) = target.authorization {
            headers.add_unless_there("authorization", &value);
        }
        headers.add_common(common.headers, names)?;
        let (body, body_escape) = match given.body {
            GivenBody::None => (None, Escape::Nothing),
            GivenBody::Text(text) => (
                Some(Template::parse(&text, names, "the body")?),
                Escape::Nothing,
            ),
            GivenBody::Bytes(bytes) => (Some(Template::text(bytes)), Escape::Nothing),
            GivenBody::Json(text) => {
                let text = text.map_err(|why| BuildError::Json {
                    source: serde::ser::Error::custom(why),
                })?;
                headers.add_unless_there("content-type", "application/json");
                (
                    Some(Template::parse(&text, names, "the JSON body")?),
                    Escape::Json,
                )
            }
        };
        headers.add_unless_there("accept", "*/*");
        headers.add_unless_there("user-agent", USER_AGENT);
        let deadline = check_deadline(given.deadline.unwrap_or(common.deadline))?;
        let checks: Vec<Check> = given
            .checks
            .into_iter()
            .map(Check::built)
            .collect::<Result<_, _>>()?;
        let mut captures = Vec::new();
        for (name, capture) in given.captures {
            let place = names.capture(&name)?;
            captures.push((name, place, capture.built()?));
        }
        let needs_body = checks.iter().any(Check::needs_body)
            || captures.iter().any(|(_, _, capture)| capture.needs_body());
        let needs_headers = checks.iter().any(Check::needs_headers)
            || captures
                .iter()
                .any(|(_, _, capture)| capture.needs_headers());
        let origin = match origins.iter().position(|known| *known == target.origin) {
            Some(known) => known,
            None => {
                origins.push(target.origin);
                origins.len() - 1
            }
        };
        let label = given.name.or_else(|| {
            let path = given.url.split_once("://").map_or("", |(_, rest)| rest);
            let path = path.split(['?', '#']).next().unwrap_or(path);
            let path = path.find('/').map_or("/", |at| &path[at..]);
            common.label_all.then(|| format!("{method} {path}"))
        });
        let templates = headers.given.iter().map(|(_, value)| value);
        let templates = templates.chain([&target.path]).chain(&headers.host);
        let variables = Variables(names.used(templates.chain(&body)));
        Ok(Self {
            label: label.map(Cow::Owned),
            title,
            method,
            origin,
            path: target.path,
            headers: headers.given,
            host: headers.host,
            body,
            body_escape,
            variables,
            deadline,
            want: Want {
                headers: needs_headers,
                body: needs_body.then_some(common.max_kept_body),
            },
            checks_status: checks.iter().any(Check::is_on_status),
            checks,
            captures,
        })
    }

    /// Whether it is the same for every iteration.
    pub(crate) fn is_fixed(&self) -> bool {
        let mut templates = self.headers.iter().map(|(_, value)| value);
        self.path.is_fixed()
            && templates.all(Template::is_fixed)
            && self.host.as_ref().is_none_or(Template::is_fixed)
            && self.body.as_ref().is_none_or(Template::is_fixed)
    }

    /// Whether a body must be declared although there is none: a server that
    /// expects one may wait for it (RFC 9110, 8.6).
    pub(crate) fn declares_empty_body(&self) -> bool {
        matches!(self.method, Method::POST | Method::PUT | Method::PATCH)
    }

    /// Fills in path and query, and makes sure that values did not make it
    /// another path: to all who read URLs, "/a/../b" is "/b".
    pub(crate) fn render_path(&self, values: &Values, to: &mut Vec<u8>) -> Result<(), Fault> {
        let start = to.len();
        self.path.render(values, Escape::Url, to);
        if self.path.is_fixed() {
            return Ok(());
        }
        let path = to[start..].split(|&byte| byte == b'?').next();
        let mut segments = path.unwrap_or_default().split(|&byte| byte == b'/');
        if segments.any(is_dots) {
            let path = String::from_utf8_lossy(&to[start..]);
            let words = format!("the path {path:?} would be that of another one: it was not sent");
            return Err(Fault::failure("request", words));
        }
        Ok(())
    }

    /// Fills in a header's value, and makes sure that it is one.
    pub(crate) fn header_value(
        name: &HeaderName,
        template: &Template,
        values: &Values,
        scratch: &mut Vec<u8>,
    ) -> Result<HeaderValue, Fault> {
        scratch.clear();
        template.render(values, Escape::Nothing, scratch);
        HeaderValue::from_bytes(scratch).map_err(|_| {
            Fault::failure(
                "header value",
                format!(
                    "the value of the header {name:?}, {:?}, has a line break or another control \
                     character in it: it was not sent",
                    String::from_utf8_lossy(scratch)
                ),
            )
        })
    }

    /// Whether the answer is what it must be, and the values that it gives.
    #[inline]
    pub(crate) fn judge(&self, answer: &Answer, values: &mut Values) -> Result<(), Fault> {
        if !self.checks_status {
            default_status(answer.status)?;
        }
        if self.checks.is_empty() && self.captures.is_empty() {
            return Ok(());
        }
        self.look_at(answer, values)
    }

    fn look_at(&self, answer: &Answer, values: &mut Values) -> Result<(), Fault> {
        // What makes the rest meaningless comes first.
        let on_status = self.checks.iter().filter(|check| check.is_on_status());
        let others = self.checks.iter().filter(|check| !check.is_on_status());
        for check in on_status.chain(others) {
            check.look(answer)?;
        }
        for (name, place, capture) in &self.captures {
            match capture.take(answer) {
                Ok(value) => values.captured[*place] = Some(value),
                Err(why) => {
                    let class = format!("capture: {name}");
                    return Err(Fault::failure(class, why));
                }
            }
        }
        Ok(())
    }
}

/// Whether a path's segment stands for this or the outer folder, escaped or not.
fn is_dots(segment: &[u8]) -> bool {
    let mut rest = segment;
    let mut dots = 0;
    while let Some((_, after)) = rest.split_first() {
        rest = match rest {
            [b'.', ..] => after,
            [b'%', b'2', b'e' | b'E', after @ ..] => after,
            _ => return false,
        };
        dots += 1;
    }
    matches!(dots, 1 | 2)
}

const USER_AGENT: &str = concat!("karga/", env!("CARGO_PKG_VERSION"));

/// What a request may take.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn check_deadline(deadline: Duration) -> Result<Duration, BuildError> {
    if deadline.is_zero() || deadline > LONGEST {
        return Err(BuildError::OutOfRange {
            setting: "the deadline",
            range: "above zero, and a day at most",
            value: format!("{deadline:?}"),
        });
    }
    Ok(deadline)
}

/// Those that say how a message is framed: the engine writes them.
const FRAMING: [&str; 5] = [
    "content-length",
    "transfer-encoding",
    "expect",
    "upgrade",
    "te",
];

/// Headers as they are put together.
#[derive(Debug, Default)]
struct Headers {
    given: Vec<(HeaderName, Template)>,
    host: Option<Template>,
}

impl Headers {
    fn add(&mut self, name: &str, value: &str, names: &Names) -> Result<(), BuildError> {
        let refuse = |why: &str| BuildError::Header {
            name: name.to_owned(),
            value: value.to_owned(),
            why: why.to_owned(),
        };
        let parsed = HeaderName::try_from(name).map_err(|_| {
            refuse(
                "its name is none: use letters, digits and dashes, without spaces or line breaks",
            )
        })?;
        if FRAMING.contains(&parsed.as_str()) {
            return Err(refuse("how a message is framed is for the engine to write"));
        }
        // What a value may be is a matter of its bytes (RFC 9110, 5.5).
        if HeaderValue::from_str(value).is_err() {
            return Err(refuse(
                "its value has a line break or another control character in it",
            ));
        }
        let template = Template::parse(value, names, &format!("the header {name:?}"))?;
        if parsed == http::header::HOST {
            if value.trim().is_empty() {
                return Err(refuse("a host has a name"));
            }
            self.host = Some(template);
        } else {
            self.given.push((parsed, template));
        }
        Ok(())
    }

    /// Adds those of the scenario that the request does not have.
    fn add_common(&mut self, common: &[(String, String)], names: &Names) -> Result<(), BuildError> {
        let mut others = Self::default();
        for (name, value) in common {
            others.add(name, value, names)?;
        }
        let there: Vec<HeaderName> = self.given.iter().map(|(name, _)| name.clone()).collect();
        others.given.retain(|(name, _)| !there.contains(name));
        self.given.append(&mut others.given);
        self.host = self.host.take().or(others.host);
        Ok(())
    }

    fn add_unless_there(&mut self, name: &'static str, value: &str) {
        let name = HeaderName::from_static(name);
        if self.given.iter().all(|(known, _)| *known != name) {
            self.given.push((name, Template::text(value)));
        }
    }
}
