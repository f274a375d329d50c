//! Where a request goes: the server, and the path on it.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use url::{Host, Url};

use crate::{
    BuildError,
    template::{Names, Piece, Template, in_single_braces},
};

/// A server, as a URL names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) tls: bool,
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
    /// As the header `host` has it: without the scheme's own port.
    pub(crate) authority: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

impl Origin {
    /// That of a URL, or why it has none.
    pub(crate) fn of(url: &Url) -> Result<Self, String> {
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            // "localhost:8080" is read as a URL of the scheme "localhost".
            other => {
                return Err(format!(
                    "its scheme is {other:?}: write http:// or https:// before the host"
                ));
            }
        };
        let Some(host) = url.host() else {
            return Err("it has no host: write http://host:port/path".to_owned());
        };
        let port = match url.port_or_known_default() {
            Some(port @ 1..) => port,
            _ => return Err("its port must be a number from 1 to 65535".to_owned()),
        };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            authority: match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_string(),
            },
        })
    }
}

/// What a URL says.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) origin: Origin,
    /// Path and query.
    pub(crate) path: Template,
    /// The value of the header `authorization` for the URL's user and password.
    pub(crate) authorization: Option<String>,
}

/// Stands for value number so much while the URL is read; what it becomes in a
/// path or query is known, and nobody writes it.
fn seat(number: usize) -> String {
    format!("{SEAT}{number}\u{E001}")
}

const SEAT: char = '\u{E000}';

const SEAT_OPENS: &str = "%EE%80%80";
const SEAT_CLOSES: &str = "%EE%80%81";

impl Target {
    /// Reads a URL whose path and query may have values in them.
    pub(crate) fn parse(given: &str, names: &Names) -> Result<Self, BuildError> {
        let refuse = |why: &str| BuildError::Url {
            url: without_password(given),
            why: why.to_owned(),
        };
        let template = Template::parse(given, names, "the URL")?;
        for piece in template.pieces() {
            let Piece::Text(literal) = piece else {
                continue;
            };
            if literal.iter().any(u8::is_ascii_control) {
                return Err(refuse(
                    "it has a line break or another control character in it",
                ));
            }
            if let Some(name) = names.in_single_braces(literal) {
                return Err(refuse(&format!(
                    "{}; braces that are meant are %7B and %7D",
                    in_single_braces(name)
                )));
            }
        }
        let mut text = String::new();
        let mut values = Vec::new();
        for piece in template.pieces() {
            match piece {
                Piece::Text(literal) => text.push_str(&String::from_utf8_lossy(literal)),
                Piece::Value(value) => {
                    text.push_str(&seat(values.len()));
                    values.push(value.clone());
                }
            }
        }
        if text.trim().is_empty() {
            return Err(refuse("it is empty: write http://host:port/path"));
        }
        let (scheme, authority) = authority(&text);
        if scheme.contains(SEAT) || authority.contains(SEAT) {
            return Err(refuse(
                "values may stand in its path and query alone, not in its scheme or host",
            ));
        }
        if authority.is_empty() && !scheme.is_empty() {
            return Err(refuse("it has no host: write http://host:port/path"));
        }
        let url = Url::parse(&text).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => {
                refuse("it has no scheme: write http:// or https:// before the host")
            }
            url::ParseError::EmptyHost => refuse("it has no host: write http://host:port/path"),
            url::ParseError::InvalidPort => refuse("its port must be a number from 1 to 65535"),
            other => refuse(&format!("{other}: write http://host:port/path")),
        })?;
        let origin = Origin::of(&url).map_err(|why| refuse(&why))?;
        let mut path = Vec::new();
        let mut rest = &url[url::Position::BeforePath..url::Position::AfterQuery];
        while let Some((before, after)) = rest.split_once(SEAT_OPENS) {
            let seat = after.split_once(SEAT_CLOSES).and_then(|(number, after)| {
                Some((values.get(number.parse::<usize>().ok()?)?, after))
            });
            let Some((value, after)) = seat else {
                return Err(refuse("it has characters of a private use area (U+E000)"));
            };
            path.push(Piece::Text(before.as_bytes().to_vec()));
            path.push(Piece::Value(value.clone()));
            rest = after;
        }
        path.push(Piece::Text(rest.as_bytes().to_vec()));
        Ok(Self {
            origin,
            path: Template::of(path),
            authorization: authorization(&url),
        })
    }
}

/// The scheme and the authority that a URL is written with, if it has a scheme.
fn authority(text: &str) -> (&str, &str) {
    let Some((scheme, rest)) = text.split_once("://") else {
        return ("", "");
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    (scheme, &rest[..end])
}

/// A URL as it may be shown to anybody: without user and password, though it may be
/// none that can be loaded.
pub(crate) fn without_password(url: &str) -> String {
    let slash = |c| matches!(c, '/' | '\\');
    let start = match url.find(slash) {
        Some(at) if url[..at].ends_with(':') || url.starts_with("//") => {
            url.len() - url[at..].trim_start_matches(slash).len()
        }
        _ => 0,
    };
    let (scheme, rest) = url.split_at(start);
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let authority = &rest[..end];
    let user = authority.rfind('@').or_else(|| {
        // What is no port is the beginning of a password that has to be escaped.
        let (_, port) = authority.rsplit_once(':')?;
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        let is_ipv6 = authority.starts_with('[');
        (!is_port && !is_ipv6).then(|| rest.rfind('@')).flatten()
    });
    match user {
        Some(at) => format!("{scheme}{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// The value of the header `authorization` for a URL's user and password.
pub(crate) fn authorization(url: &Url) -> Option<String> {
    (!url.username().is_empty() || url.password().is_some()).then(|| {
        let user = decoded(url.username());
        let password = decoded(url.password().unwrap_or_default());
        basic(&user, &password)
    })
}

/// The value of the header `authorization` (RFC 7617).
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{user}:{password}"))
    )
}

/// A URL's user or password without its escapes.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use karga_core::Iteration;

    use super::*;
    use crate::template::{Escape, Values};

    fn parse(url: &str) -> Result<Target, String> {
        let names = Names::new(Vec::new(), Vec::new()).unwrap();
        Target::parse(url, &names).map_err(|error| error.to_string())
    }

    fn path(url: &str) -> String {
        let values = Values {
            iteration: Iteration::new(5, 2, Duration::ZERO),
            made: Vec::new(),
            captured: Vec::new(),
        };
        let mut path = Vec::new();
        let target = parse(url).unwrap();
        target.path.render(&values, Escape::Url, &mut path);
        String::from_utf8(path).unwrap()
    }

    #[test]
    fn a_url_is_taken_apart() {
        let target = parse("https://us%40er:p%3Aw@Example.com/a?b=c#d").unwrap();
        assert_eq!(target.origin.to_string(), "https://example.com");
        assert_eq!((target.origin.port, target.origin.tls), (443, true));
        assert_eq!(target.authorization.unwrap(), basic("us@er", "p:w"));
        assert_eq!(parse("http://h:80/").unwrap().origin.authority, "h");
        assert_eq!(
            parse("http://[::1]:81").unwrap().origin.authority,
            "[::1]:81"
        );
        assert_eq!(path("http://h"), "/");
        assert_eq!(path("http://h?q"), "/?q");
        assert_eq!(path("http://h/a b/ä/../c?d=e f#g"), "/a%20b/c?d=e%20f");
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("http://us%40er:p@ss@h:80/a@b", "http://h:80/a@b"),
            ("https://me@h?@", "https://h?@"),
            ("http://h/{{user}}@x", "http://h/{{user}}@x"),
            ("http://h", "http://h"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn values_stand_in_path_and_query() {
        assert_eq!(
            path("http://h/{{index}}/x-{{user}}?q={{index}}"),
            "/5/x-2?q=5"
        );
        assert_eq!(path("http://h?{{index}}={{user}}"), "/?5=2");
    }

    #[test]
    fn what_cannot_be_loaded_is_told_with_the_way_out() {
        for (url, part) in [
            ("", "empty"),
            ("127.0.0.1:80/x", "no scheme"),
            ("/path", "no scheme"),
            ("localhost:8080/", "\"localhost\""),
            ("ftp://h/", "\"ftp\""),
            ("http://", "no host"),
            ("http:///", "no host"),
            ("http://h:99999/", "1 to 65535"),
            ("http://h:0/", "1 to 65535"),
            ("http://{{user}}/", "path and query alone"),
            ("http://h{{user}}:80/", "path and query alone"),
            ("http://h:{{user}}/", "path and query alone"),
            ("http:///path", "no host"),
            ("{{user}}://h/", "path and query alone"),
            ("http://u{{user}}@h/", "path and query alone"),
            ("http://a b/", "host"),
            ("http://h/{index}", "{index} is no value"),
            ("http://h/\r\nx: y", "line break"),
            ("http://u:secret@h/{user}", "{user} is no value"),
        ] {
            let why = parse(url).unwrap_err();
            assert!(why.contains(part), "{url:?}: {why}");
            let shown = format!("{:?}", without_password(url));
            assert!(why.contains(&shown), "{why}");
        }
    }
}
