//! TLS under connections that end: nothing is sent twice unseen, and nobody goes on with the
//! session of another.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use karga_core::{Action as _, Iteration, Metric as _, Outcome, Scenario as _};
use karga_http::{Engine, HttpRequest, HttpScenario, HttpScenarioBuilder};
use rustls::HandshakeKind;
use support::{ENGINES, OK, Peer, SUCCESS, Server, Told, User, certificate, in_time, settle};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Builder,
    sync::oneshot,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// The most that one record holds.
const RECORD: usize = 16 * 1024;

fn url(server: &Server, path: &str) -> String {
    format!("https://{}{path}", server.address)
}

fn trusting(builder: HttpScenarioBuilder, engine: Engine) -> HttpScenarioBuilder {
    builder.engine(engine).accept_invalid_certificates(true)
}

async fn accept(acceptor: TlsAcceptor, peer: Peer) -> Option<TlsStream<TcpStream>> {
    acceptor.accept(peer.stream).await.ok()
}

/// What the next record says; nothing when there is none.
async fn record(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut bytes = vec![0; RECORD];
    let read = stream.read(&mut bytes).await.unwrap_or(0);
    bytes.truncate(read);
    bytes
}

/// A server on a thread of its own, which goes on while a client is busy.
async fn elsewhere<F, S>(script: F) -> (Server, oneshot::Sender<()>)
where
    F: Fn(Peer) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let (tell, told) = oneshot::channel();
    let (alive, gone) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            assert!(tell.send(Server::start(script).await).is_ok());
            gone.await.unwrap_err();
        });
    });
    (told.await.unwrap(), alive)
}

/// The server breaks off while the client still writes; how far the client comes differs from
/// time to time, and what must hold does not.
#[tokio::test]
async fn a_request_of_which_a_record_went_out_is_never_sent_again() {
    for kib in [100, 400, 2048] {
        let (_, acceptor) = certificate("127.0.0.1", false);
        let heads = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&heads);
        let (server, _alive) = elsewhere(move |peer| {
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
            async move {
                let Some(mut stream) = accept(acceptor, peer).await else {
                    return;
                };
                loop {
                    let request = record(&mut stream).await;
                    if request.starts_with(b"GET /small ") {
                        stream.write_all(OK.as_bytes()).await.unwrap();
                        continue;
                    }
                    if request.starts_with(b"POST /big ") {
                        seen.fetch_add(1, SeqCst);
                    }
                    // Unread bytes and no linger: a reset at once, without a farewell.
                    stream.get_ref().0.set_zero_linger().unwrap();
                    return;
                }
            }
        })
        .await;
        let small = HttpRequest::get(url(&server, "/small"));
        let big = HttpRequest::post(url(&server, "/big")).bytes(vec![b'x'; kib * 1024]);
        let flow = HttpScenario::builder(small).then(big);
        let flow = flow.deadline(Duration::from_secs(60));
        let user = User::of(trusting(flow, Engine::Lean)).await;
        for call in 1..=50 {
            let metric = user.iterate().await;
            let [small, big] = metric.parts() else {
                panic!("{kib} KiB, {call}: {metric:?}");
            };
            assert_eq!(small.outcome, Outcome::Success, "{kib} KiB, {call}");
            assert_eq!(big.outcome, Outcome::Unknown, "{kib} KiB, {call}: {big:?}");
            let class = big.error_class.as_deref().unwrap();
            let classes = ["connection closed", "connection reset"];
            assert!(classes.contains(&class), "{kib} KiB, {call}: {class}");
            assert!(big.volume.bytes_sent > 0, "{kib} KiB, {call}");
            assert_eq!(heads.load(SeqCst), call, "{kib} KiB: each head once");
        }
        assert_eq!(server.connections(), 50, "{kib} KiB");
    }
}

/// A server that resumes sessions, and closes each connection after an answer; the kind of each
/// handshake, in the order of the connections.
async fn resuming() -> (Server, Arc<Mutex<Vec<HandshakeKind>>>) {
    let (_, acceptor) = certificate("127.0.0.1", false);
    let kinds = Arc::<Mutex<Vec<_>>>::default();
    let seen = Arc::clone(&kinds);
    let server = Server::start(move |peer| {
        let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
        async move {
            let Some(mut stream) = accept(acceptor, peer).await else {
                return;
            };
            let kind = stream.get_ref().1.handshake_kind().unwrap();
            seen.lock().unwrap().push(kind);
            if !record(&mut stream).await.is_empty() {
                stream.write_all(OK.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        }
    })
    .await;
    (server, kinds)
}

#[tokio::test(start_paused = true)]
async fn each_user_begins_with_a_handshake_in_full_and_resumes_its_own_session_alone() {
    let expected = [HandshakeKind::Full, HandshakeKind::Resumed];
    for engine in ENGINES {
        let (server, kinds) = resuming().await;
        let builder = trusting(HttpScenario::builder(url(&server, "/")), engine);
        let scenario = builder.preflight(false).build().unwrap();
        scenario.setup().await.unwrap();
        for number in 0..3 {
            let user = in_time(scenario.connect(number)).await.unwrap();
            for call in 0..2 {
                let iteration = Iteration::new(call, number, Duration::ZERO);
                let told = Told::of(&in_time(user.call(iteration)).await);
                assert_eq!(told.verdict(), SUCCESS, "{engine}, {number}, {call}");
                assert_eq!(told.opened(), (1, call), "{engine}, {number}, {call}");
                settle().await;
            }
            let kinds = std::mem::take(&mut *kinds.lock().unwrap());
            assert_eq!(kinds, expected, "{engine}, user {number}");
        }
    }
}

/// All users are there before the first of them has anything to send, as in a run; and setup has
/// looked at the server before.
#[tokio::test(start_paused = true)]
async fn users_that_are_connected_together_share_no_session_either() {
    for engine in ENGINES {
        let (server, kinds) = resuming().await;
        let builder = trusting(HttpScenario::builder(url(&server, "/")), engine);
        let scenario = builder.build().unwrap();
        in_time(scenario.setup()).await.unwrap();
        let mut users = Vec::new();
        for number in 0..4 {
            users.push(in_time(scenario.connect(number)).await.unwrap());
        }
        for (number, user) in (0..).zip(&users) {
            let iteration = Iteration::new(0, number, Duration::ZERO);
            let told = Told::of(&in_time(user.call(iteration)).await);
            assert_eq!(told.verdict(), SUCCESS, "{engine}, {number}");
        }
        settle().await;
        let kinds = kinds.lock().unwrap();
        assert!(kinds.len() >= 4, "{engine}: {kinds:?}");
        let full = |kind: &HandshakeKind| *kind == HandshakeKind::Full;
        assert!(kinds.iter().all(full), "{engine}: {kinds:?}");
    }
}
