//! Requests as reqwest takes them, and how long messages are on the wire.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use reqwest::{Method, Request, Response, Url, Version};

use crate::{BuildError, fault::Fault, prepared::Prepared, target::Origin, template::Values};

/// A request of reqwest's, and how many bytes it is on the wire.
#[derive(Debug)]
pub(crate) struct Message {
    pub(super) request: Request,
    /// Without what a proxy or a cookie jar adds.
    pub(super) len: u64,
}

impl Message {
    /// One that is the same for every iteration.
    pub(crate) fn fixed(prepared: &Prepared, origin: &Origin) -> Result<Self, BuildError> {
        let made = Self::new(prepared, origin, &Values::none());
        made.map_err(|fault| BuildError::Url {
            url: prepared.title.clone(),
            why: fault.words,
        })
    }

    /// One with the values of an iteration.
    pub(crate) fn new(
        prepared: &Prepared,
        origin: &Origin,
        values: &Values,
    ) -> Result<Self, Fault> {
        request(prepared, origin, values).map(Self::of)
    }

    pub(super) fn of(request: Request) -> Self {
        let len = request_len(&request);
        Self { request, len }
    }

    /// The same once more. None for one whose body is no bytes, which none of
    /// ours is.
    pub(crate) fn again(&self) -> Option<Self> {
        Some(Self {
            request: self.request.try_clone()?,
            len: self.len,
        })
    }
}

/// What the crate http takes.
const LONGEST_URL: usize = u16::MAX as usize - 1;

fn request(prepared: &Prepared, origin: &Origin, values: &Values) -> Result<Request, Fault> {
    let mut scratch = origin.to_string().into_bytes();
    prepared.render_path(values, &mut scratch)?;
    let url = String::from_utf8_lossy(&scratch).into_owned();
    if url.len() > LONGEST_URL {
        let words = format!(
            "the URL has {} bytes, and the reqwest engine takes {LONGEST_URL} at most",
            url.len()
        );
        return Err(Fault::failure("request", words));
    }
    let url = Url::parse(&url)
        .map_err(|error| Fault::failure("request", format!("{url:?} is no URL: {error}")))?;
    let mut request = Request::new(prepared.method.clone(), url);
    let headers = request.headers_mut();
    for (name, template) in &prepared.headers {
        let value = Prepared::header_value(name, template, values, &mut scratch)?;
        headers.append(name.clone(), value);
    }
    if let Some(template) = &prepared.host {
        let value = Prepared::header_value(&header::HOST, template, values, &mut scratch)?;
        headers.insert(header::HOST, value);
    }
    if let Some(template) = &prepared.body {
        let mut body = Vec::new();
        template.render(values, prepared.body_escape, &mut body);
        if !body.is_empty() {
            *request.body_mut() = Some(Bytes::from(body).into());
            return Ok(request);
        }
    }
    // hyper says nothing of the length of what is empty.
    if prepared.body.is_some() || prepared.declares_empty_body() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    Ok(request)
}

/// What HTTP/1.1 writes for this request: its head, and its body.
fn request_len(request: &Request) -> u64 {
    let url = request.url();
    let path = url[url::Position::BeforePath..url::Position::AfterQuery].len();
    let line = request.method().as_str().len() + 1 + path + " HTTP/1.1\r\n".len();
    let headers = request.headers();
    let mut len = line + fields_len(headers) + "\r\n".len();
    if !headers.contains_key(header::HOST) {
        let host = url[url::Position::BeforeHost..url::Position::AfterPort].len();
        len += "host: \r\n".len() + host;
    }
    // One that is empty is none, and has its length among the headers.
    if let Some(body) = request.body().and_then(reqwest::Body::as_bytes) {
        len += "content-length: \r\n".len() + body.len().to_string().len() + body.len();
    }
    len as u64
}

/// What HTTP/1.1 writes for the head of this answer.
pub(super) fn head_len(response: &Response) -> u64 {
    let reason = match response.extensions().get::<hyper::ext::ReasonPhrase>() {
        Some(reason) => reason.as_bytes().len(),
        None => response.status().canonical_reason().map_or(0, str::len),
    };
    let line = "HTTP/1.1 200 \r\n".len() + reason;
    (line + fields_len(response.headers()) + "\r\n".len()) as u64
}

/// Whether this answer promises that its connection can take another request: its end
/// can be told without the connection's, and it does not say otherwise
/// ([RFC 9112](https://www.rfc-editor.org/rfc/rfc9112), 6.3 and 9.3).
pub(super) fn keeps_connection(response: &Response, method: &Method) -> bool {
    let headers = response.headers();
    let has = |name, wanted: &[u8]| {
        let values = headers.get_all(name).iter();
        let mut tokens = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
        tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(wanted))
    };
    let status = response.status().as_u16();
    let ends = matches!(status, 204 | 304)
        || method == Method::HEAD
        || if headers.contains_key(header::TRANSFER_ENCODING) {
            has(header::TRANSFER_ENCODING, b"chunked")
        } else {
            headers.contains_key(header::CONTENT_LENGTH)
        };
    let stays = match response.version() {
        Version::HTTP_11 => true,
        Version::HTTP_10 => has(header::CONNECTION, b"keep-alive"),
        _ => false,
    };
    ends && stays && !has(header::CONNECTION, b"close")
}

fn fields_len(headers: &HeaderMap) -> usize {
    let field = |(name, value): (&header::HeaderName, &HeaderValue)| {
        name.as_str().len() + ": \r\n".len() + value.len()
    };
    headers.iter().map(field).sum()
}
