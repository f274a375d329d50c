//! Redirects (RFC 9110, 15.4), followed one by one, so that every exchange of a
//! chain is counted.

use http::{HeaderMap, HeaderName, Method, header};
use reqwest::{Request, Url};

use crate::fault::Fault;

/// What describes a body that is not sent again.
const OF_BODY: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
];

/// What is for one server, and no business of another.
const OF_SERVER: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::HOST,
    header::PROXY_AUTHORIZATION,
];

/// Where an answer leads, if it redirects.
pub(super) fn target(status: u16, headers: &HeaderMap, from: &Url) -> Result<Option<Url>, Fault> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    // One that leads nowhere is an answer like any other.
    let Some(location) = headers.get(header::LOCATION) else {
        return Ok(None);
    };
    let location = String::from_utf8_lossy(location.as_bytes());
    let refuse = |why: &str| {
        let words = format!("the answer of {from} redirects to {location:?}: {why}");
        Fault::protocol(words)
    };
    let mut to = from
        .join(&location)
        .map_err(|error| refuse(&error.to_string()))?;
    if !matches!(to.scheme(), "http" | "https") || !to.has_host() {
        return Err(refuse("that is no URL of HTTP"));
    }
    // What is the client's own stays with it unless the server says something else.
    if to.fragment().is_none() {
        to.set_fragment(from.fragment());
    }
    Ok(Some(to))
}

/// The request that follows: `request` was answered by `status`, which led to `to`.
pub(super) fn follow(mut request: Request, status: u16, to: Url) -> Request {
    let method = request.method();
    let becomes_get = match status {
        301 | 302 => *method == Method::POST, // what browsers always did
        303 => !matches!(*method, Method::GET | Method::HEAD),
        _ => false,
    };
    if becomes_get {
        *request.method_mut() = Method::GET;
        *request.body_mut() = None;
        for name in OF_BODY {
            request.headers_mut().remove(name);
        }
    }
    if request.url().origin() != to.origin() {
        for name in OF_SERVER {
            request.headers_mut().remove(name);
        }
    }
    *request.url_mut() = to;
    request
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn led(status: u16, location: &str) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::from_str(location).unwrap());
        let led = target(status, &headers, &url("http://host:81/a/b?c"));
        led.map(|to| to.map(String::from))
            .map_err(|fault| fault.words)
    }

    #[test]
    fn an_answer_leads_where_the_rfc_says() {
        for (location, to) in [
            ("/x", "http://host:81/x"),
            ("x?y", "http://host:81/a/x?y"),
            ("?y", "http://host:81/a/b?y"),
            ("//other/x", "http://other/x"),
            ("https://other:82", "https://other:82/"),
        ] {
            for status in [301, 302, 303, 307, 308] {
                assert_eq!(led(status, location), Ok(Some(to.to_owned())), "{location}");
            }
            for status in [200, 300, 304, 305, 404] {
                assert_eq!(led(status, location), Ok(None), "{status}");
            }
        }
        let nowhere = target(302, &HeaderMap::new(), &url("http://host/"));
        assert!(matches!(nowhere, Ok(None)));
        for location in ["mailto:a@b", "file:///x", "http://", "http://h:x/"] {
            assert!(led(302, location).unwrap_err().contains(location));
        }
    }

    #[test]
    fn what_is_for_one_server_is_not_told_another() {
        let mut request = Request::new(Method::PUT, url("http://host/a"));
        for name in ["authorization", "cookie", "host", "x-mine", "content-type"] {
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static("v"));
        }
        let names = |request: &Request| {
            let mut names: Vec<_> = request.headers().keys().map(ToString::to_string).collect();
            names.sort();
            names
        };
        let again = || request.try_clone().unwrap();
        let same = follow(again(), 307, url("http://host/b"));
        assert_eq!(names(&same), names(&request));
        assert_eq!(same.method(), Method::PUT);
        for other in ["http://host:81/a", "https://host/a", "http://other/a"] {
            let other = follow(again(), 308, url(other));
            assert_eq!(names(&other), ["content-type", "x-mine"]);
        }
        let get = follow(again(), 303, url("http://other/"));
        assert_eq!(
            (names(&get), get.method()),
            (vec!["x-mine".to_owned()], &Method::GET)
        );
        assert_eq!(
            follow(again(), 302, url("http://host/")).method(),
            Method::PUT
        );
    }
}
