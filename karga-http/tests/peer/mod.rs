//! A real HTTP server on the loopback device, hyper's, which remembers every
//! request that it saw; and what the tests share beside it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses its own part, and says what it expects"
)]

pub(crate) mod answer;
pub(crate) mod tls;
pub(crate) mod wire;

use std::{
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper::{Request, Response, Uri, body::Body as _, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use karga_core::{Action as _, Iteration, Metric as _, MetricOf, Outcome, Scenario as _};
use karga_http::{Engine, HttpMetric, HttpScenario, HttpScenarioBuilder, HttpUser};
use tokio::{net::TcpListener, task::AbortHandle};
use tokio_rustls::TlsAcceptor;

use self::{
    answer::{Answer, Pieces},
    wire::{Counted, Wire},
};

pub(crate) const ENGINES: [Engine; 2] = [Engine::Lean, Engine::Reqwest];

/// What the server saw of one request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) uri: Uri,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// "HTTP/1.1" or "HTTP/2.0".
    pub(crate) version: String,
    /// The number of its connection, in the order in which they came.
    pub(crate) connection: usize,
}

impl Seen {
    /// The values of all headers of this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of the only header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name}: {all:?}");
        all.first().copied()
    }

    pub(crate) fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

type Reply = dyn Fn(&Seen) -> Answer + Send + Sync;

struct State {
    seen: Mutex<Vec<Seen>>,
    wires: Mutex<Vec<Arc<Wire>>>,
    reply: Box<Reply>,
}

/// A server that lives as long as this value, on the runtime of the test.
pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
    state: Arc<State>,
    accepting: AbortHandle,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Peer {
    /// Answers every request with a short text.
    pub(crate) async fn hello() -> Self {
        Self::start(|_| Answer::ok("hello")).await
    }

    /// Answers as the function says.
    pub(crate) async fn start(reply: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(None, reply).await
    }

    /// The same, over TLS.
    pub(crate) async fn start_tls(
        acceptor: TlsAcceptor,
        reply: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Some(acceptor), reply).await
    }

    async fn serve(
        acceptor: Option<TlsAcceptor>,
        reply: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(State {
            seen: Mutex::default(),
            wires: Mutex::default(),
            reply: Box::new(reply),
        });
        let accepting = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                loop {
                    let (tcp, _) = listener.accept().await.unwrap();
                    tcp.set_nodelay(true).unwrap();
                    let wire = Arc::<Wire>::default();
                    let number = {
                        let mut wires = state.wires.lock().unwrap();
                        wires.push(Arc::clone(&wire));
                        wires.len() - 1
                    };
                    let state = Arc::clone(&state);
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        match acceptor {
                            None => talk(Counted::new(tcp, wire), number, state).await,
                            Some(acceptor) => {
                                let Ok(stream) = acceptor.accept(tcp).await else {
                                    return; // the client does not trust it, or it the client
                                };
                                let shown = stream.get_ref().1.peer_certificates();
                                wire.certificates(shown.map_or(0, <[_]>::len));
                                talk(Counted::new(stream, wire), number, state).await;
                            }
                        }
                    });
                }
            }
        })
        .abort_handle();
        Self {
            addr,
            state,
            accepting,
        }
    }

    /// The URL of a path on it: `http://127.0.0.1:PORT/path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The same over TLS, of the host that its certificate names.
    pub(crate) fn https(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.addr.port())
    }

    /// The requests that it saw so far, in their order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// "GET /path?query" of each of them.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |seen: &Seen| format!("{} {}", seen.method, seen.target());
        self.seen().iter().map(line).collect()
    }

    /// The only request that it saw.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }

    /// What went over each of its connections, in the order in which they came.
    pub(crate) fn wires(&self) -> Vec<Arc<Wire>> {
        self.state.wires.lock().unwrap().clone()
    }

    /// Bytes that it read and wrote, of all connections together.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let wires = self.wires();
        let read = wires.iter().map(|wire| wire.read()).sum();
        (read, wires.iter().map(|wire| wire.written()).sum())
    }
}

async fn talk<S>(stream: Counted<S>, connection: usize, state: Arc<State>)
where
    Counted<S>: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let state = Arc::clone(&state);
        async move {
            let seen = look(request, connection).await;
            let answer = (state.reply)(&seen);
            state.seen.lock().unwrap().push(seen);
            Ok::<Response<Pieces>, Infallible>(answer.give().await)
        }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    // However it ends: the tests look at what the client made of it.
    drop(
        builder
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

async fn look(request: Request<Incoming>, connection: usize) -> Seen {
    let (head, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame.unwrap().into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        uri: head.uri,
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect(),
        body: text(&bytes),
        version: format!("{:?}", head.version),
        connection,
    }
}

/// The iteration of this index by this user.
pub(crate) const fn iteration(index: u64, user: u64) -> Iteration {
    Iteration::new(index, user, Duration::ZERO)
}

/// A user of what the builder describes, without a look at the server before.
pub(crate) async fn user(builder: HttpScenarioBuilder) -> HttpUser {
    builder.build().unwrap().connect(0).await.unwrap()
}

/// The only iteration of the only user.
pub(crate) async fn once(builder: HttpScenarioBuilder) -> HttpMetric {
    user(builder).await.call(iteration(0, 0)).await
}

/// The same, with what the scenario remarks.
pub(crate) async fn remarked(builder: HttpScenarioBuilder) -> (MetricOf<HttpScenario>, String) {
    let scenario = builder.build().unwrap();
    let user = scenario.connect(0).await.unwrap();
    let metric = user.call(iteration(0, 0)).await;
    (metric, scenario.remarks().join("\n"))
}

/// Outcome, class and status.
pub(crate) fn ending(metric: &HttpMetric) -> (Outcome, String, Option<u16>) {
    let class = metric.error_class().unwrap_or_default().into_owned();
    (metric.outcome(), class, metric.status())
}

/// A success of this status.
pub(crate) const fn good(status: u16) -> (Outcome, String, Option<u16>) {
    (Outcome::Success, String::new(), Some(status))
}

/// Something that went wrong, of this class.
pub(crate) fn bad(class: &str, status: impl Into<Option<u16>>) -> (Outcome, String, Option<u16>) {
    (Outcome::Failure, class.to_owned(), status.into())
}

/// Names and figures of what was counted.
pub(crate) fn counted(metric: &HttpMetric) -> Vec<(&'static str, u64)> {
    let counts = metric.counts().iter();
    counts.map(|count| (count.name, count.count)).collect()
}
