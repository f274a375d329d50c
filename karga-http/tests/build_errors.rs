//! What cannot be built: the error names the value and the way out.

mod peer;

use std::{collections::BTreeMap, error::Error as _, time::Duration};

use karga_http::{
    BuildError, Capture, Check, Engine, HttpRequest, HttpScenario, HttpScenarioBuilder, Statuses,
};
use peer::{ENGINES, tls::Authority};
use serde_json::json;

const URL: &str = "http://127.0.0.1:1/";

fn get() -> HttpRequest {
    HttpRequest::get(URL)
}

fn builder() -> HttpScenarioBuilder {
    HttpScenario::builder(URL)
}

fn refused(builder: HttpScenarioBuilder) -> BuildError {
    let errors = ENGINES.map(|engine| {
        let built = builder.clone().engine(engine).build();
        built.expect_err("it cannot be built")
    });
    let [lean, reqwest] = errors;
    assert_eq!(lean.to_string(), reqwest.to_string());
    lean
}

fn told(request: impl Into<HttpRequest>) -> String {
    refused(HttpScenario::builder(request)).to_string()
}

/// What the error's cause says.
fn cause(error: &BuildError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn urls() {
    for (url, why) in [
        ("", "it is empty: write http://host:port/path"),
        (
            "/path",
            "it has no scheme: write http:// or https:// before the host",
        ),
        (
            "127.0.0.1:1/",
            "it has no scheme: write http:// or https:// before the host",
        ),
        (
            "localhost:1/",
            "its scheme is \"localhost\": write http:// or https:// before the host",
        ),
        (
            "ws://h/",
            "its scheme is \"ws\": write http:// or https:// before the host",
        ),
        ("http://", "it has no host: write http://host:port/path"),
        ("http://h:x/", "its port must be a number from 1 to 65535"),
        (
            "http://{{user}}.h/",
            "values may stand in its path and query alone, not in its scheme or host",
        ),
    ] {
        assert_eq!(
            told(url),
            format!("the URL {url:?} cannot be loaded: {why}")
        );
        // It is the same for one that follows.
        let error = refused(builder().then(url));
        assert_eq!(error.to_string(), told(url));
        assert!(matches!(error, BuildError::Url { url: named, .. } if named == url));
    }
}

#[test]
fn methods() {
    for method in ["", "GET ", "GE\nT", "G\u{c4}T", "CONNECT"] {
        let error = refused(HttpScenario::builder(HttpRequest::new(method, URL)));
        assert!(matches!(&error, BuildError::Method { method: named, .. } if named == method));
        let why = match method {
            "CONNECT" => {
                "it opens a tunnel and asks for nothing; one through a proxy is opened by itself"
            }
            _ => "it is no token of HTTP, such as GET",
        };
        let told = format!("the method {method:?} cannot be used: {why}");
        assert_eq!(error.to_string(), told);
    }
    assert_eq!(
        told(get().name("")),
        "a request's name must be a word or more, and is \"\""
    );
    // What is long is shown as far as anybody reads it.
    let long = HttpScenario::builder(format!("{URL}{}", "x".repeat(70_000)));
    let long = long
        .engine(Engine::Reqwest)
        .build()
        .unwrap_err()
        .to_string();
    assert!(
        long.contains("the reqwest engine takes 65534 at most"),
        "{long}"
    );
    assert!(long.len() < 500, "{long}");
    let own = HttpRequest::new("PROPFIND", URL);
    assert!(HttpScenario::builder(own).build().is_ok());
}

#[test]
fn headers() {
    let framing = "how a message is framed is for the engine to write";
    let control = "its value has a line break or another control character in it";
    let no_name = "its name is none: use letters, digits and dashes, without spaces or line breaks";
    for (name, value, why) in [
        ("", "v", no_name),
        ("x y", "v", no_name),
        ("x\r\ny", "v", no_name),
        ("x-{{user}}", "v", no_name),
        ("x", "a\r\nb", control),
        ("x", "a\0", control),
        ("Content-Length", "5", framing),
        ("transfer-encoding", "chunked", framing),
        ("Expect", "100-continue", framing),
        ("upgrade", "websocket", framing),
        ("TE", "trailers", framing),
        ("host", " ", "a host has a name"),
        (
            "x",
            "Bearer {user}",
            "{user} is no value: write {{user}}, or in a format! string, which takes doubled \
             braces for single ones, {{{{user}}}}",
        ),
    ] {
        let expected =
            format!("the header {name:?} with the value {value:?} cannot be sent: {why}");
        assert_eq!(told(get().header(name, value)), expected);
        let of_scenario = refused(builder().header(name, value));
        assert_eq!(of_scenario.to_string(), expected);
    }
    for (request, by) in [
        (get().check(Check::header("x y", "")), "a check"),
        (get().capture("v", Capture::header("x y")), "a capture"),
    ] {
        let why = format!("{by} asks for it, and it is no header name");
        assert!(told(request).ends_with(&why));
    }
}

#[test]
fn templates() {
    let known = "there are index, user, sku; name others by variable() or capture()";
    for (request, what, template, why) in [
        (
            HttpRequest::get("http://h/{{x}}"),
            "the URL",
            "http://h/{{x}}",
            format!("{{{{x}}}} is not known here: {known}"),
        ),
        (
            get().header("x-a", "{{ x y }}"),
            "the header \"x-a\"",
            "{{ x y }}",
            format!("{{{{x y}}}} is not known here: {known}"),
        ),
        (
            get().body("a {{index"),
            "the body",
            "a {{index",
            "a {{ is not closed by }}; a body with such braces of its own is given by bytes()"
                .to_owned(),
        ),
        (
            get().json(&json!(["{{}}"])),
            "the JSON body",
            "[\"{{}}\"]",
            format!("{{{{}}}} is not known here: {known}"),
        ),
    ] {
        let builder = HttpScenario::builder(request).variable("sku", |_| String::new());
        let expected =
            format!("{what} has a template that cannot be filled in, {template:?}: {why}");
        assert_eq!(refused(builder).to_string(), expected);
    }
    // What is captured is known after that.
    let capture = || get().capture("token", Capture::json("/t"));
    let uses = || get().body("{{token}}");
    assert!(
        HttpScenario::builder(capture())
            .then(uses())
            .build()
            .is_ok()
    );
    for early in [
        HttpScenario::builder(uses()).then(capture()),
        HttpScenario::builder(capture().body("{{token}}")),
    ] {
        let told = refused(early).to_string();
        let why = "{{token}} is captured only by this or a later request: use it after that";
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn names() {
    let variable = |name: &str| refused(builder().variable(name, |_| String::new()));
    let capture = |name: &str| {
        let request = get().capture(name, Capture::json(""));
        refused(HttpScenario::builder(request).variable("sku", |_| String::new()))
    };
    for name in ["", "a b", "a}}"] {
        let expected = format!(
            "{name:?} cannot be the name of a value: use letters, digits, '_', '-' and '.'"
        );
        assert_eq!(variable(name).to_string(), expected);
        assert_eq!(capture(name).to_string(), expected);
    }
    for name in ["index", "user"] {
        let expected = format!("{name:?} cannot be the name of a value: it is built in");
        assert_eq!(variable(name).to_string(), expected);
        assert_eq!(capture(name).to_string(), expected);
    }
    assert_eq!(
        capture("sku").to_string(),
        "\"sku\" cannot be the name of a value: a capture cannot have the name of a variable"
    );
    let twice = builder()
        .variable("sku", |_| String::new())
        .variable("sku", |_| String::new());
    assert_eq!(
        refused(twice).to_string(),
        "\"sku\" cannot be the name of a value: there is a variable of this name already"
    );
}

#[test]
fn regular_expressions_and_pointers() {
    for request in [
        get().check(Check::body_matches("(a")),
        get().capture("v", Capture::regex("(a")),
    ] {
        let error = refused(HttpScenario::builder(request));
        assert!(matches!(&error, BuildError::Regex { pattern, .. } if pattern == "(a"));
        let told = "the regular expression \"(a\" cannot be read";
        assert_eq!(error.to_string(), told);
        assert!(cause(&error).contains("unclosed group"));
    }
    for request in [
        get().check(Check::json("a/b", 1)),
        get().capture("v", Capture::json("a/b")),
    ] {
        assert_eq!(
            told(request),
            "\"a/b\" is no JSON pointer: it begins with a slash, as in \"/user/id\", or is empty \
             for the whole"
        );
    }
}

#[test]
fn bodies_that_are_no_json() {
    let keys: BTreeMap<Vec<u8>, u8> = [(vec![1], 1)].into();
    let error = refused(HttpScenario::builder(get().json(&keys)));
    assert_eq!(error.to_string(), "the body cannot be written as JSON");
    assert_eq!(cause(&error), "key must be a string");
}

#[test]
fn settings_outside_of_their_range() {
    let day = Duration::from_secs(24 * 3600);
    let deadline = "the deadline must be above zero, and a day at most, and is";
    for (time, value) in [
        (Duration::ZERO, "0ns"),
        (day + Duration::from_nanos(1), "86400.000000001s"),
    ] {
        let expected = format!("{deadline} {value}");
        assert_eq!(refused(builder().deadline(time)).to_string(), expected);
        assert_eq!(told(get().deadline(time)), expected);
    }
    assert!(builder().deadline(day).build().is_ok());
    let redirects = builder().redirects(1001).build().expect_err("too many");
    assert_eq!(
        redirects.to_string(),
        "redirects must be 1000 at most, and is 1001"
    );

    let none: [u16; 0] = [];
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    let empty = [
        Check::status(none),
        Check::status(200..200),
        Check::status(300..200),
        Check::status(300..=200),
        Check::status(0..0),
    ];
    for check in empty {
        assert_eq!(
            told(get().check(check)),
            "the statuses of a check must be at least one, and is none"
        );
    }
    for (statuses, value) in [
        (Statuses::from(99), "99"),
        (Statuses::from([200, 1000]), "200 or 1000"),
        (Statuses::from(0..300), "0 to 299"),
        (Statuses::from(200..=1000), "200 to 1000"),
    ] {
        assert_eq!(statuses.to_string(), value);
        assert_eq!(
            told(get().check(Check::status(statuses))),
            format!("the status of a check must be from 100 to 999, and is {value}")
        );
    }
}

#[test]
fn certificates() {
    let (authority, other) = (Authority::new(), Authority::new());
    let pem = authority.client_pem();
    let (certificate, key) = pem.split_at(pem.find("-----BEGIN PRIVATE").expect("a key"));
    let others = other.client_pem();
    let (others, _) = others.split_at(others.find("-----BEGIN PRIVATE").expect("a key"));
    let tls = || HttpScenario::builder("https://localhost:1/");

    let roots = "the root certificates cannot be used: give them in PEM form";
    let own = "the client's certificate and its key cannot be used: give them in PEM form";
    let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    for (builder, expected, why) in [
        (
            tls().root_certificates_pem("garbage"),
            roots,
            "no certificate",
        ),
        (tls().root_certificates_pem(key), roots, "no certificate"),
        (tls().root_certificates_pem(broken), roots, ""),
        (tls().client_certificate_pem(""), own, "no certificate"),
        (tls().client_certificate_pem(certificate), own, "no key"),
        (tls().client_certificate_pem(key), own, "no certificate"),
    ] {
        let error = refused(builder.clone());
        assert!(matches!(error, BuildError::Certificates { .. }));
        assert_eq!(error.to_string(), expected);
        assert!(cause(&error).contains(why), "{}", cause(&error));
        assert!(!cause(&error).is_empty());
    }
    let error = refused(tls().client_certificate_pem(format!("{others}{key}")));
    assert_eq!(error.to_string(), own);
    assert!(cause(&error).contains("KeyMismatch"), "{}", cause(&error));
    // What cannot be read is told even if it is not needed.
    let plain = refused(builder().root_certificates_pem("garbage"));
    assert_eq!(plain.to_string(), roots);
}

#[test]
fn proxies() {
    for (url, why) in [
        ("", "relative URL without a base"),
        ("127.0.0.1:3128", "relative URL without a base"),
        ("localhost:3128", "its scheme is \"localhost\""),
        ("socks5://127.0.0.1:1080", "its scheme is \"socks5\""),
        ("ftp://127.0.0.1", "its scheme is \"ftp\""),
        ("http://", "empty host"),
    ] {
        let error = builder().proxy(url).build().expect_err(url);
        assert_eq!(
            error.to_string(),
            format!("the proxy {url:?} cannot be used: {why}: write http://host:port")
        );
    }
    assert!(
        builder()
            .proxy("http://me:secret@127.0.0.1:3128")
            .build()
            .is_ok()
    );
}
