//! URLs that cannot be loaded: the words name the way out, and no password.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use karga_http::{BuildError, Capture, Engine, HttpRequest, HttpScenario};

fn refused(url: &str) -> BuildError {
    let errors = [Engine::Lean, Engine::Reqwest].map(|engine| {
        let built = HttpScenario::builder(url).engine(engine).build();
        built.err().unwrap_or_else(|| panic!("{url:?} was built"))
    });
    let [lean, reqwest] = errors;
    assert_eq!(lean.to_string(), reqwest.to_string());
    lean
}

#[test]
fn a_line_break_is_refused_wherever_it_stands() {
    for url in [
        "http://h/a\r\nx: y",
        "http://h/a\nb",
        "http://h/?a=\n",
        "http://h/\t",
        "http://h/{{index}}\r",
        "http://h/\0",
        "http://h\n/",
        "ht\ntp://h/",
        "http://h/\n",
    ] {
        let error = refused(url);
        assert!(matches!(&error, BuildError::Url { .. }), "{error:?}");
        let why = "it has a line break or another control character in it";
        assert_eq!(
            error.to_string(),
            format!("the URL {url:?} cannot be loaded: {why}")
        );
    }
}

#[test]
fn a_single_brace_is_refused_with_the_ways_out() {
    for url in [
        "http://h/orders/{index}",
        "http://h/?a={index}",
        "http://h/{{user}}/{index}",
        "http://h/{x}/{index}/{y",
        "http://{index}/",
        "http://h/#{index}",
    ] {
        let error = refused(url);
        let told = error.to_string();
        assert!(matches!(&error, BuildError::Url { .. }), "{told}");
        assert!(told.contains(&format!("{url:?}")), "{told}");
        for way in [" {{index}}", " {{{{index}}}}", "%7B", "%7D"] {
            assert!(told.contains(way), "{way}: {told}");
        }
    }
    // So are those of a variable and of what was captured before.
    let capture = HttpRequest::get("http://h/").capture("it", Capture::regex("."));
    for name in ["sku", "it"] {
        let uses = format!("http://h/{{{name}}}");
        let builder = HttpScenario::builder(capture.clone()).then(uses);
        let built = builder.variable("sku", |_| String::new()).build();
        let told = built.unwrap_err().to_string();
        assert!(told.contains(&format!("write {{{{{name}}}}}")), "{told}");
    }
    // The ways out are some.
    let index = "index";
    for url in [
        format!("http://h/orders/{{{{{index}}}}}"),
        "http://h/orders/%7Bindex%7D".to_owned(),
        // Braces that nobody can have meant for a value.
        "http://h/?filter={\"index\":1}".to_owned(),
        "http://h/{other}".to_owned(),
        "http://h/}index{".to_owned(),
    ] {
        HttpScenario::builder(url).build().unwrap();
    }
}

/// Whatever is wrong with the URL, and wherever the text of the error ends up.
#[test]
fn a_password_stands_in_no_error() {
    let mut kinds = [0, 0];
    for url in [
        // The scheme.
        "ftp://me:secret@h/",
        "me:secret@h/",
        "me:secret@h:80/a?b#c",
        "//me:secret@h/",
        "://me:secret@h/",
        // The host and its port.
        "http://me:secret@",
        "http://me:secret@/",
        "http://me:secret@h:x/",
        "http://me:secret@h:0/",
        "http://me:secret@h:99999/",
        "http://me:secret@{{user}}.h/",
        "http://me:secret@a b/",
        "http://me:secret@[::1/",
        "http://:secret@h:x/",
        // One with an @ in it, or with what ends a host.
        "http://me:a@secret@h:x/",
        "http://me:secret@b@h:x/",
        "http://me:{{user}}secret@h/",
        "http://me:a/secret@h/",
        "http://me:a?secret@h/",
        "http://me:a#secret@h/",
        "http://me:a\\secret@h/",
        // Slashes.
        "http:me:secret@h:x/",
        "http:/me:secret@h:x/",
        "http:\\\\me:secret@h:x/",
        "http:////me:secret@h:x/",
        // Characters and braces.
        "http://me:secret@h/\n",
        "http://me:secret\n@h/",
        "http://me:secret@h/{index}",
        "http://me:{user}secret@h/",
        "http://me:secret@h/\u{E000}",
        // Templates.
        "http://me:secret@h/{{x}}",
        "http://me:secret@h/{{x",
        "me:secret@h/{{x}}",
        "http://me:{{x}}secret@h/",
    ] {
        let Err(error) = HttpScenario::builder(url).build() else {
            // One that can be loaded after all.
            assert!(url.contains('\u{E000}'), "{url:?} was built");
            continue;
        };
        match &error {
            BuildError::Url { .. } => kinds[0] += 1,
            BuildError::Template { .. } => kinds[1] += 1,
            other => panic!("{other}"),
        }
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("secret"), "{url:?}: {text}");
        }
    }
    assert!(kinds[0] > 10 && kinds[1] > 2, "{kinds:?}");

    // A proxy has one more often.
    for url in [
        "me:secret@h:3128",
        "socks5://me:secret@h:3128",
        "http://me:secret@",
        "http://me:a/secret@h:3128",
    ] {
        let built = HttpScenario::builder("http://h/").proxy(url).build();
        let error = built.unwrap_err();
        assert!(matches!(&error, BuildError::Proxy { .. }), "{error}");
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("secret"), "{url:?}: {text}");
        }
    }
}

/// What is left of a URL without user and password is the whole of it.
#[test]
fn an_at_that_ends_no_user_stays() {
    for url in [
        "http://h/@me/{index}",
        "http://h:80/@me/{index}",
        "http://h/?to=a@b&c={index}",
        "http://[::1]/@me/{index}",
        "http://[::1]:80/a:b@me/{index}",
        "/@me",
        "/users/a@b",
    ] {
        let told = refused(url).to_string();
        assert!(told.contains(&format!("{url:?}")), "{told}");
    }
    let request = HttpRequest::post("http://h/").body("{\"mail\":\"a@{{b}}\"}");
    let error = HttpScenario::builder(request).build().unwrap_err();
    assert!(error.to_string().contains("a@{{b}}"), "{error}");
}

/// Those who print what they built are told no more.
#[test]
fn a_password_stands_in_no_debug_text_of_what_can_be_loaded() {
    let request = HttpRequest::get("http://me:secret@h/{{index}}")
        .header("authorization", "secret")
        .header("x-key", "secret");
    let text = format!("{request:?}");
    assert!(text.contains("http://h/{{index}}"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let scenario = HttpScenario::builder(request).build().unwrap();
    let text = format!("{scenario:?}");
    assert!(!text.contains("secret"), "{text}");
    let requests: Vec<_> = scenario.requests().collect();
    assert_eq!(requests, ["GET http://h/{{index}}"]);
}
