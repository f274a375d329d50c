//! A request, ready to be sent.

use std::{borrow::Cow, fmt, time::Duration};

use http::{HeaderName, HeaderValue, Method};

use crate::{
    BuildError, Capture, Check, HttpRequest,
    answer::{Answer, Want},
    check::default_status,
    fault::Fault,
    headers::Headers,
    request::GivenBody,
    target::{Origin, Target, without_password},
    template::{Escape, Make, Names, Template, Values},
};

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
    /// Whether it asks for the connection to be closed after it.
    pub(crate) closes: bool,
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
        let refuse = |why| BuildError::Method {
            method: given.method.clone(),
            why,
        };
        let method = Method::from_bytes(given.method.as_bytes())
            .map_err(|_| refuse("it is no token of HTTP, such as GET"))?;
        if method == Method::CONNECT {
            return Err(refuse(
                "it opens a tunnel and asks for nothing; one through a proxy is opened by itself",
            ));
        }
        if given.name.as_ref().is_some_and(String::is_empty) {
            return Err(BuildError::OutOfRange {
                setting: "a request's name",
                range: "a word or more",
                value: "\"\"".to_owned(),
            });
        }
        let target = Target::parse(&given.url, names)?;
        let title = format!("{method} {}", title_of(&without_password(&given.url)));
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
                let text = text.map_err(|why| BuildError::Json { source: why.into() })?;
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
            closes: headers.close(),
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

/// A URL as far as a line of text has room for it.
fn title_of(url: &str) -> String {
    const MOST: usize = 200;
    match url.char_indices().nth(MOST) {
        None => url.to_owned(),
        Some((end, _)) => format!("{}... ({} bytes)", &url[..end], url.len()),
    }
}
