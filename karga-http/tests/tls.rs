//! TLS: whom the users trust, and who they are.

mod peer;

use karga_core::{Action as _, Metric as _, Outcome, Scenario as _};
use karga_http::{Engine, HttpScenario, HttpScenarioBuilder, HttpVersion, SetupError};
use peer::{
    ENGINES, Peer, answer::Answer, bad, ending, good, iteration, once, remarked, tls::Authority,
    user,
};
use tokio_rustls::TlsAcceptor;

async fn peer(acceptor: TlsAcceptor) -> Peer {
    Peer::start_tls(acceptor, |_| Answer::ok("hello")).await
}

fn builder(peer: &Peer, engine: Engine) -> HttpScenarioBuilder {
    HttpScenario::builder(peer.https("/")).engine(engine)
}

/// A handshake that failed: no connection, and nothing sent.
async fn refused(builder: HttpScenarioBuilder, words: &str) {
    let (metric, remarks) = remarked(builder).await;
    assert_eq!(ending(&metric), bad("tls", None), "{remarks}");
    assert_eq!(metric.volume(), karga_core::Volume::default());
    assert!(metric.steps().is_empty());
    assert!(remarks.contains(words), "{remarks}");
}

#[tokio::test]
async fn a_certificate_of_a_root_that_is_given_is_trusted() {
    let authority = Authority::new();
    let peer = peer(authority.localhost()).await;
    for engine in ENGINES {
        let scenario = builder(&peer, engine)
            .root_certificates_pem(Authority::new().pem())
            .root_certificates_pem(authority.pem())
            .build()
            .unwrap();
        scenario.setup().await.unwrap();
        let user = scenario.connect(0).await.unwrap();
        for index in 0..2 {
            let metric = user.call(iteration(index, 0)).await;
            assert_eq!(ending(&metric), good(200), "{engine}");
            assert_eq!(metric.steps().len(), usize::from(index == 0));
        }
    }
    let seen = peer.seen();
    assert!(seen.iter().all(|seen| seen.version == "HTTP/1.1"));
    assert_eq!(seen.len(), 4);
    assert!(peer.wires().iter().all(|wire| wire.shown() == 0));
}

#[tokio::test]
async fn one_of_an_unknown_root_is_refused() {
    let peer = peer(Authority::new().localhost()).await;
    for engine in ENGINES {
        refused(builder(&peer, engine), "UnknownIssuer").await;
        let other = Authority::new().pem();
        refused(
            builder(&peer, engine).root_certificates_pem(other),
            "UnknownIssuer",
        )
        .await;
    }
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn one_of_another_host_is_refused() {
    let authority = Authority::new();
    let peer = peer(authority.server("elsewhere.example", &[], None)).await;
    for engine in ENGINES {
        let trusting = builder(&peer, engine).root_certificates_pem(authority.pem());
        refused(trusting, "not valid for name").await;
    }
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn every_one_is_accepted_if_asked_for() {
    let authority = Authority::new();
    for acceptor in [
        authority.localhost(),
        authority.server("elsewhere.example", &["http/1.1"], None),
    ] {
        let peer = peer(acceptor).await;
        for engine in ENGINES {
            let metric = once(builder(&peer, engine).accept_invalid_certificates(true)).await;
            assert_eq!(ending(&metric), good(200), "{engine}");
        }
    }
}

#[tokio::test]
async fn a_client_shows_the_certificate_that_it_has() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let peer = peer(authority.server("localhost", &["http/1.1"], Some(&clients))).await;
    for engine in ENGINES {
        let trusting = || builder(&peer, engine).root_certificates_pem(authority.pem());
        let known = once(trusting().client_certificate_pem(clients.client_pem())).await;
        assert_eq!(ending(&known), good(200), "{engine}");

        // With TLS 1.3 a client learns that it was refused when it reads.
        let stranger = once(trusting().client_certificate_pem(authority.client_pem())).await;
        let nobody = once(trusting()).await;
        for refused in [stranger, nobody] {
            assert_ne!(refused.outcome(), Outcome::Success, "{engine}");
            assert_eq!(refused.status(), None);
        }
    }
    assert_eq!(peer.seen().len(), 2);
    let shown: Vec<_> = peer.wires().iter().map(|wire| wire.shown()).collect();
    assert_eq!(shown, [1, 0, 0, 1, 0, 0]);
}

#[tokio::test]
async fn setup_refuses_what_no_user_could_talk_to() {
    let peer = peer(Authority::new().localhost()).await;
    for engine in ENGINES {
        let scenario = builder(&peer, engine).build().unwrap();
        let error = scenario.setup().await.unwrap_err();
        let SetupError::Unreachable { class, origin, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(class, "tls", "{engine}");
        assert_eq!(*origin, peer.https(""));
        let way_out = "root_certificates_pem, or by accept_invalid_certificates";
        assert!(error.to_string().contains(way_out), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_no_server() {
    let peer = Peer::hello().await;
    for engine in ENGINES {
        let (metric, remarks) = remarked(builder(&peer, engine)).await;
        assert_eq!(ending(&metric), bad("tls", None), "{engine}: {remarks}");
    }
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn protocols_are_agreed_on_in_the_handshake() {
    let authority = Authority::new();
    let both = ["h2", "http/1.1"];
    for (engine, version, offered, spoken, told) in [
        (
            Engine::Auto,
            HttpVersion::Auto,
            &both[..],
            "HTTP/1.1",
            "HTTP/1.1",
        ),
        (
            Engine::Lean,
            HttpVersion::Http1,
            &both,
            "HTTP/1.1",
            "HTTP/1.1",
        ),
        (
            Engine::Reqwest,
            HttpVersion::Auto,
            &both,
            "HTTP/2.0",
            "HTTP/2",
        ),
        (
            Engine::Reqwest,
            HttpVersion::Auto,
            &both[1..],
            "HTTP/1.1",
            "HTTP/1.1",
        ),
        (
            Engine::Reqwest,
            HttpVersion::Auto,
            &[],
            "HTTP/1.1",
            "HTTP/1.1",
        ),
        (
            Engine::Reqwest,
            HttpVersion::Http1,
            &both,
            "HTTP/1.1",
            "HTTP/1.1",
        ),
        (
            Engine::Auto,
            HttpVersion::Http2,
            &both,
            "HTTP/2.0",
            "HTTP/2",
        ),
        (
            Engine::Reqwest,
            HttpVersion::Http2,
            &both[..1],
            "HTTP/2.0",
            "HTTP/2",
        ),
    ] {
        let peer = peer(authority.server("localhost", offered, None)).await;
        let scenario = builder(&peer, engine)
            .version(version)
            .root_certificates_pem(authority.pem())
            .build()
            .unwrap();
        let what = format!("{engine}, {version}, {offered:?}");
        let user = scenario.connect(0).await.unwrap();
        let metric = user.call(iteration(0, 0)).await;
        assert_eq!(ending(&metric), good(200), "{what}");
        assert_eq!(peer.only().version, spoken, "{what}");
        assert_eq!(scenario.details()[1].value, told, "{what}");
    }
}

#[tokio::test]
async fn a_server_without_the_protocol_is_refused() {
    let authority = Authority::new();
    let peer = peer(authority.localhost()).await;
    let http2 = builder(&peer, Engine::Reqwest)
        .version(HttpVersion::Http2)
        .root_certificates_pem(authority.pem());
    refused(http2, "NoApplicationProtocol").await;

    let peer = self::peer(authority.server("localhost", &["h2"], None)).await;
    for engine in ENGINES {
        let http1 = builder(&peer, engine)
            .version(HttpVersion::Http1)
            .root_certificates_pem(authority.pem());
        refused(http1, "NoApplicationProtocol").await;
    }
}

/// Connections live on: the handshake is made once for each user.
#[tokio::test]
async fn each_user_has_a_connection_of_its_own() {
    let authority = Authority::new();
    let peer = peer(authority.localhost()).await;
    for engine in ENGINES {
        let before = peer.wires().len();
        for _ in 0..2 {
            let trusting = builder(&peer, engine).root_certificates_pem(authority.pem());
            let user = user(trusting).await;
            for index in 0..3 {
                assert_eq!(ending(&user.call(iteration(index, 0)).await), good(200));
            }
        }
        assert_eq!(peer.wires().len() - before, 2, "{engine}");
    }
}
