//! Bad input gives a clear error, or an honest class, within the deadline: never a hang, a panic
//! or an empty success.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use karga_core::{Outcome, Scenario as _};
use karga_http::{BuildError, Capture, Engine, HttpRequest, HttpScenario};
use support::{
    DEADLINE, ENGINES, OK, Peer, Refused, SUCCESS, Server, Told, User, certificate, certificate_of,
    in_the_deadline, in_time,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

#[test]
fn what_cannot_be_sent_is_refused_at_the_build_and_named() {
    let build = |request: HttpRequest, engine| -> BuildError {
        HttpScenario::builder(request)
            .engine(engine)
            .build()
            .unwrap_err()
    };
    let url = "http://127.0.0.1:80/";
    for engine in ENGINES {
        for (request, parts) in [
            (
                HttpRequest::get("127.0.0.1:80/x"),
                ["\"127.0.0.1:80/x\"", "no scheme"],
            ),
            (HttpRequest::get("http://"), ["\"http://\"", "no host"]),
            (HttpRequest::get(""), ["\"\"", "http://host:port/path"]),
            (
                HttpRequest::get("http://h/{{who}}"),
                ["{{who}}", "not known here: there are index"],
            ),
            (
                HttpRequest::get(url).body("{{who}}"),
                ["{{who}}", "the body"],
            ),
            (
                HttpRequest::get(url).header("x", "{{who}}"),
                ["{{who}}", "the header \"x\""],
            ),
            (
                HttpRequest::get(url).header("x", "a\r\ny: b"),
                ["a\\r\\ny: b", "line break"],
            ),
            (
                HttpRequest::get(url).header("x\r\ny", "b"),
                ["x\\r\\ny", "line breaks"],
            ),
            (
                HttpRequest::get(url).header("content-length", "7"),
                ["\"7\"", "the engine"],
            ),
            (
                HttpRequest::new("GE T", url),
                ["\"GE T\"", "no token of HTTP"],
            ),
        ] {
            let words = build(request, engine).to_string();
            for part in parts {
                assert!(words.contains(part), "{engine}: {words:?} lacks {part:?}");
            }
        }
    }
}

/// The error of a setup, and what a request tells that is sent all the same.
async fn unreachable(engine: Engine, url: &str) -> (String, Told) {
    let builder = HttpScenario::builder(url).engine(engine).deadline(DEADLINE);
    let scenario = builder.clone().build().unwrap();
    let error = in_time(scenario.setup()).await.unwrap_err().to_string();
    (error, User::of(builder).await.call().await)
}

/// On the real clock, because names are resolved on a thread; no deadline matters.
#[tokio::test]
async fn a_name_without_an_address_is_dns() {
    let url = format!("http://{}.invalid/", "x".repeat(64));
    for engine in ENGINES {
        let (error, told) = unreachable(engine, &url).await;
        assert!(
            error.starts_with(&format!("dns: {} cannot", url.trim_end_matches('/'))),
            "{error}"
        );
        assert!(error.contains("preflight(false)"), "{error}");
        assert_eq!(told.verdict(), (Outcome::Failure, "dns", 0), "{engine}");
        assert_eq!((told.bytes(), told.connects), ((0, 0), 0), "{engine}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_named_before_the_load_and_counted_in_it() {
    let refused = Refused::new();
    for engine in ENGINES {
        let (error, told) = unreachable(engine, &refused.url()).await;
        let start = format!(
            "connect refused: http://{} cannot be reached",
            refused.address()
        );
        assert!(error.starts_with(&start), "{error}");
        assert_eq!(
            told.verdict(),
            (Outcome::Failure, "connect refused", 0),
            "{engine}"
        );
        assert_eq!((told.bytes(), told.connects), ((0, 0), 0), "{engine}");
    }
}

/// Answers over TLS. Clients that do not get so far see the connection closed.
async fn tls_server(acceptor: TlsAcceptor) -> Server {
    Server::start(move |peer| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(peer.stream).await {
                let mut request = [0; 4096];
                while let Ok(1..) = stream.read(&mut request).await {
                    stream.write_all(OK.as_bytes()).await.unwrap();
                }
            }
        }
    })
    .await
}

/// As `openssl req -x509` makes one.
#[tokio::test(start_paused = true)]
async fn an_authoritys_certificate_as_the_servers_own_is_told_with_the_way_out() {
    for engine in ENGINES {
        let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let (pem, acceptor) = certificate_of(params);
        let server = tls_server(acceptor).await;
        let builder = HttpScenario::builder(server.url().replace("http", "https"))
            .engine(engine)
            .root_certificates_pem(pem);
        let error = in_time(builder.clone().build().unwrap().setup()).await;
        let user = User::of(builder).await;
        assert_eq!(user.call().await.class, "tls", "{engine}");
        for told in [
            error.unwrap_err().to_string(),
            user.scenario.remarks().concat(),
        ] {
            assert!(
                told.contains("basicConstraints=CA:FALSE"),
                "{engine}: {told}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_certificate_is_tls_and_says_what_is_wrong_with_it() {
    for engine in ENGINES {
        for (name, expired, trusted, why) in [
            ("127.0.0.1", false, false, "UnknownIssuer"),
            ("other.example", false, true, "not valid for name"),
            ("127.0.0.1", true, true, "expired"),
        ] {
            let (pem, acceptor) = certificate(name, expired);
            let server = tls_server(acceptor).await;
            let url = server.url().replace("http", "https");
            let builder = HttpScenario::builder(&url)
                .engine(engine)
                .deadline(DEADLINE);
            let strict = match trusted {
                true => builder.clone().root_certificates_pem(pem),
                false => builder.clone(),
            };
            let setup = in_time(strict.clone().build().unwrap().setup()).await;
            let error = setup.unwrap_err().to_string();
            assert!(error.starts_with("tls: https://127.0.0.1:"), "{error}");
            assert!(error.contains(why), "{engine}, {name}: {error}");
            let user = User::of(strict).await;
            let told = user.call().await;
            assert_eq!(
                told.verdict(),
                (Outcome::Failure, "tls", 0),
                "{engine}, {name}"
            );
            assert_eq!(
                (told.bytes(), told.connects),
                ((0, 0), 0),
                "{engine}, {name}"
            );
            let remarks = user.scenario.remarks();
            assert!(remarks[0].contains(why), "{engine}, {name}: {remarks:?}");
            // Who asks for it gets an answer all the same.
            let user = User::of(builder.accept_invalid_certificates(true)).await;
            assert_eq!(user.call().await.verdict(), SUCCESS, "{engine}, {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_speaks_no_tls_is_tls() {
    for engine in ENGINES {
        for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
            let server = Server::start(move |mut peer: Peer| async move {
                peer.read(&mut [0; 4096]).await;
                peer.send(answer).await;
            })
            .await;
            let url = server.url().replace("http", "https");
            let user = User::new(engine, url).await;
            let told = user.call().await;
            assert_eq!(
                told.verdict(),
                (Outcome::Failure, "tls", 0),
                "{engine}, {answer:?}"
            );
            assert_eq!(
                (told.bytes(), told.connects),
                ((0, 0), 0),
                "{engine}, {answer:?}"
            );
        }
        // One that says nothing at all: no request was sent.
        let server = Server::start(|mut peer| async move { peer.closed().await }).await;
        let user = User::new(engine, server.url().replace("http", "https")).await;
        let start = Instant::now();
        let told = user.call().await;
        in_the_deadline(start);
        assert_eq!(told.verdict(), (Outcome::Unknown, "timeout", 0), "{engine}");
        assert_eq!((told.bytes(), told.connects), ((0, 0), 0), "{engine}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_captured_line_break_cannot_become_a_header() {
    let body = r#"{"token":"a\r\nx-injected: b"}"#;
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
    for engine in ENGINES {
        let server = Server::answers(answer.as_str()).await;
        let login = HttpRequest::get(server.url()).capture("token", Capture::json("/token"));
        for name in ["authorization", "host"] {
            let next = HttpRequest::get(server.url()).header(name, "{{token}}");
            let flow = HttpScenario::builder(login.clone())
                .then(next)
                .engine(engine);
            let told = User::of(flow).await.call().await;
            let expected = (Outcome::Failure, "header value", 0);
            assert_eq!(told.verdict(), expected, "{engine}, {name}");
        }
        assert_eq!(server.requests().len(), 2, "{engine}: it was sent");
        // Where it can stand it does, as what it is.
        let next = HttpRequest::post(format!("{}{{{{token}}}}?q={{{{token}}}}", server.url()))
            .json(&["{{token}}"]);
        let told = User::of(HttpScenario::builder(login).then(next).engine(engine)).await;
        assert_eq!(told.call().await.verdict(), SUCCESS, "{engine}");
        let sent = &server.requests()[3];
        let value = "a%0D%0Ax-injected%3A%20b";
        assert!(
            sent.starts_with(&format!("POST /{value}?q={value} HTTP/1.1\r\n")),
            "{sent}"
        );
        assert!(sent.ends_with(r#"["a\r\nx-injected: b"]"#), "{sent}");
        assert!(!sent.contains("\r\nx-injected"), "{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_capture_that_finds_nothing_ends_the_iteration() {
    for engine in ENGINES {
        for capture in [
            Capture::json("/token"),
            Capture::header("x"),
            Capture::regex("token"),
        ] {
            let server = Server::answers(OK).await;
            let flow =
                HttpScenario::builder(HttpRequest::get(server.url()).capture("token", capture))
                    .then(HttpRequest::get(server.url()).header("x", "{{token}}"))
                    .engine(engine);
            let told = User::of(flow).await.call().await;
            let expected = (Outcome::Failure, "capture: token", 200);
            assert_eq!(told.verdict(), expected, "{engine}");
            assert_eq!(
                (told.bytes(), server.requests().len()),
                (server.wire(), 1),
                "{engine}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_loop_ends_where_it_was_asked_to() {
    let answer = "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n";
    let server = Server::answers(answer).await;
    let builder = HttpScenario::builder(server.url()).redirects(5);
    let error = builder
        .clone()
        .engine(Engine::Lean)
        .build()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the lean engine cannot do redirects"),
        "{error}"
    );
    let told = User::of(builder.engine(Engine::Reqwest)).await.call().await;
    assert_eq!(told.verdict(), (Outcome::Failure, "too many redirects", 0));
    // The sixth was an answer too, and not followed.
    assert_eq!((told.redirects, server.requests().len()), (6, 6));
    assert_eq!(told.bytes(), server.wire());
    // Whoever follows none has an answer.
    for engine in ENGINES {
        let server = Server::answers(answer).await;
        let told = User::new(engine, server.url()).await.call().await;
        assert_eq!(told.verdict(), (Outcome::Success, "", 302), "{engine}");
        assert_eq!(
            (told.bytes(), told.redirects),
            (server.wire(), 0),
            "{engine}"
        );
    }
}
