//! A server that does to each connection what a test says and counts what went over the wire, and
//! a user that tells in short what came of a request.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test program uses its own part, and helpers may panic as tests do"
)]

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use karga_core::{Action as _, Iteration, Metric as _, Outcome, Scenario as _};
use karga_http::{Engine, HttpMetric, HttpRequest, HttpScenario, HttpScenarioBuilder, HttpUser};
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

pub const ENGINES: [Engine; 2] = [Engine::Lean, Engine::Reqwest];

/// That of every request, unless a test says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// The answer that most tests are content with.
pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// A server that follows a script.
pub struct Server {
    pub address: SocketAddr,
    log: Arc<Log>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Log {
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Server {
    /// Does this to each connection, which is open until the script drops it.
    pub async fn start<F, S>(script: F) -> Self
    where
        F: Fn(Peer) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, script)
    }

    pub fn on<F, S>(listener: TcpListener, script: F) -> Self
    where
        F: Fn(Peer) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let log = Arc::<Log>::default();
        let kept = Arc::clone(&log);
        let task = tokio::spawn(async move {
            let mut peers = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Whoever waits for an acknowledgement waits on the kernel's clock.
                stream.set_nodelay(true).unwrap();
                let number = log.connections.fetch_add(1, SeqCst);
                let log = Arc::clone(&log);
                peers.spawn(script(Peer {
                    number,
                    stream,
                    log,
                }));
            }
        });
        Self {
            address,
            log: kept,
            task,
        }
    }

    /// Reads a request, sends these bytes whatever it was, closes.
    pub async fn answers_once(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |mut peer| {
            let answer = answer.clone();
            async move {
                peer.request().await;
                peer.send(&answer).await;
            }
        })
        .await
    }

    /// Sends these bytes for each request, and leaves the connection open.
    pub async fn answers(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |mut peer| {
            let answer = answer.clone();
            async move {
                while peer.request().await.is_some() {
                    peer.send(&answer).await;
                }
            }
        })
        .await
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn connections(&self) -> usize {
        self.log.connections.load(SeqCst)
    }

    /// The requests that were read whole.
    pub fn requests(&self) -> Vec<String> {
        self.log.requests.lock().unwrap().clone()
    }

    /// The first line of each.
    pub fn lines(&self) -> Vec<String> {
        let requests = self.requests();
        let line = |request: &String| request.lines().next().unwrap().to_owned();
        requests.iter().map(line).collect()
    }

    /// The bytes that came from clients and those that went to them.
    pub fn wire(&self) -> (u64, u64) {
        (self.log.received.load(SeqCst), self.log.sent.load(SeqCst))
    }

    /// Closes everything, listener included.
    pub async fn stop(self) {
        let mut server = self;
        server.task.abort();
        (&mut server.task).await.unwrap_err();
        settle().await; // connections are dropped by their own tasks
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, as the server sees it.
pub struct Peer {
    /// How many there were before.
    pub number: usize,
    pub stream: TcpStream,
    log: Arc<Log>,
}

impl Peer {
    /// Reads a request to its end. None if the client closed the connection.
    pub async fn request(&mut self) -> Option<String> {
        let mut request = self.head().await?;
        let length = length(&request);
        let mut body = vec![0; length];
        let mut read = 0;
        while read < length {
            read += self.read(&mut body[read..]).await?;
        }
        request.push_str(&String::from_utf8_lossy(&body));
        self.log.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Reads a head alone, byte by byte, so that nothing after it is read.
    pub async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.read(&mut byte).await?;
            head.extend(byte);
        }
        Some(String::from_utf8(head).unwrap())
    }

    /// Reads some bytes. None if there are no more.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let read = self
            .stream
            .read(buffer)
            .await
            .ok()
            .filter(|&read| read > 0)?;
        self.log.received.fetch_add(read as u64, SeqCst);
        Some(read)
    }

    /// Sends all of it. None if the client does not want it.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Option<()> {
        let mut bytes = bytes.as_ref();
        while !bytes.is_empty() {
            let written = self.stream.write(bytes).await.ok()?;
            self.log.sent.fetch_add(written as u64, SeqCst);
            bytes = &bytes[written..];
        }
        Some(())
    }

    /// Waits until the client closes the connection.
    pub async fn closed(&mut self) {
        let mut buffer = vec![0; 64 * 1024];
        while self.read(&mut buffer).await.is_some() {}
    }

    /// Closes the connection as if the machine had gone away.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

/// The length of the body of a request with this head.
pub fn length(head: &str) -> usize {
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.map_or(0, |length| length.parse().unwrap())
}

/// A port of this machine that refuses connections for as long as it is held, and can be listened
/// to by others meanwhile.
pub struct Refused(TcpSocket);

impl Refused {
    pub fn new() -> Self {
        Self::bind("127.0.0.1:0".parse().unwrap())
    }

    fn bind(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        Self(socket)
    }

    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address())
    }

    /// Listens on the port; it is still held when the listener is gone.
    pub fn listen(&self) -> TcpListener {
        Self::bind(self.address()).0.listen(64).unwrap()
    }
}

/// A certificate for this name that vouches for itself, and who shows it.
pub fn certificate(name: &str, expired: bool) -> (String, TlsAcceptor) {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    if expired {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    certificate_of(params)
}

/// The same of these.
pub fn certificate_of(params: rcgen::CertificateParams) -> (String, TlsAcceptor) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (certificate.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// What came of a request, in short.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub outcome: Outcome,
    /// Empty if there is none.
    pub class: String,
    /// 0 if there was no answer.
    pub status: u16,
    pub sent: u64,
    pub received: u64,
    /// Connections that were opened.
    pub connects: usize,
    pub reconnects: u64,
    pub unsolicited: u64,
    pub redirects: u64,
}

impl Told {
    pub fn of(metric: &HttpMetric) -> Self {
        let count = |name: &str| {
            let counts = metric.counts().iter();
            counts
                .filter(|count| count.name == name)
                .map(|count| count.count)
                .sum()
        };
        let status = metric.status();
        let named = status.map_or(0, |status| count(&format!("status_{status}")));
        assert_eq!(named > 0, status.is_some(), "{metric:?}");
        Self {
            outcome: metric.outcome(),
            class: metric.error_class().unwrap_or_default().into_owned(),
            status: status.unwrap_or_default(),
            sent: metric.volume().bytes_sent,
            received: metric.volume().bytes_received,
            connects: metric
                .steps()
                .iter()
                .filter(|step| step.name == "connect")
                .count(),
            reconnects: count("reconnects"),
            unsolicited: count("unsolicited_answers"),
            redirects: count("redirects"),
        }
    }

    pub fn verdict(&self) -> (Outcome, &str, u16) {
        (self.outcome, &self.class, self.status)
    }

    pub fn bytes(&self) -> (u64, u64) {
        (self.sent, self.received)
    }

    /// Connections that were opened, and how many of them for another.
    pub fn opened(&self) -> (usize, u64) {
        (self.connects, self.reconnects)
    }
}

pub const SUCCESS: (Outcome, &str, u16) = (Outcome::Success, "", 200);

/// One user of a scenario.
pub struct User {
    pub scenario: HttpScenario,
    pub user: HttpUser,
}

impl User {
    /// Of a scenario with this one request.
    pub async fn new(engine: Engine, request: impl Into<HttpRequest>) -> Self {
        Self::of(
            HttpScenario::builder(request)
                .engine(engine)
                .deadline(DEADLINE),
        )
        .await
    }

    pub async fn of(builder: HttpScenarioBuilder) -> Self {
        let scenario = builder.preflight(false).build().unwrap();
        scenario.setup().await.unwrap();
        let user = in_time(scenario.connect(0)).await.unwrap();
        Self { scenario, user }
    }

    pub async fn call(&self) -> Told {
        Told::of(&self.iterate().await)
    }

    pub async fn iterate(&self) -> HttpMetric {
        in_time(self.user.call(Iteration::new(0, 0, Duration::ZERO))).await
    }
}

/// A future's result, which must come.
pub async fn in_time<T>(work: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, work)
        .await
        .expect("something hangs")
}

/// The deadline has passed since, and no more than the timer's resolution beyond.
pub fn in_the_deadline(start: Instant) {
    let took = start.elapsed();
    assert!(
        (DEADLINE..DEADLINE + Duration::from_millis(3)).contains(&took),
        "{took:?}"
    );
}

/// Lets everybody see what has happened so far: on a paused clock time passes when nothing else
/// is left to do.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
