//! A TCP proxy in front of a broker that delays, loses or cuts answers by plan.
//!
//! It rewrites the addresses in answers to Metadata requests, so that a client that starts at the
//! proxy stays with it, whatever the broker advertises. One broker only.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use kafka_protocol::{
    messages::{MetadataResponse, ResponseHeader},
    protocol::{Decodable as _, Encodable as _, HeaderVersion as _, StrBytes},
};
use karga_kafka::wire::frame;
use tokio::{
    io::AsyncWriteExt as _,
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
};

pub const PRODUCE: i16 = 0;
pub const FETCH: i16 = 1;
const METADATA: i16 = 3;

/// What becomes of one request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Both pass.
    None,
    /// The request passes, its answer is held back this long, and everything behind it.
    Delay(Duration),
    /// The request passes; instead of its answer the connection is closed.
    CutAnswer,
    /// The connection is closed before the request is passed on.
    CutRequest,
    /// The request passes and is never answered; later ones on this connection neither.
    Swallow,
}

/// Decides by the request's kind and its number among those of its kind, from 0.
type Plan = dyn Fn(i16, u64) -> Fault + Send + Sync;

pub struct Proxy {
    addr: SocketAddr,
    task: AbortHandle,
    shared: Arc<Shared>,
}

struct Shared {
    addr: SocketAddr,
    broker: String,
    plan: Box<Plan>,
    produced: AtomicU64,
    fetched: AtomicU64,
    connections: watch::Sender<usize>,
}

/// A request that was passed on and waits for its answer.
struct Pending {
    api: i16,
    version: i16,
    fault: Fault,
}

type Queue = Mutex<VecDeque<Pending>>;

impl Proxy {
    /// A proxy in front of the broker at `host:port`.
    pub async fn start(
        broker: &str,
        plan: impl Fn(i16, u64) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            addr,
            broker: broker.to_owned(),
            plan: Box::new(plan),
            produced: AtomicU64::new(0),
            fetched: AtomicU64::new(0),
            connections: watch::Sender::new(0),
        });
        let accepting = Arc::clone(&shared);
        let accept = async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&accepting);
                shared.connections.send_modify(|count| *count += 1);
                connections.spawn(async move {
                    serve(client, &shared).await;
                    shared.connections.send_modify(|count| *count -= 1);
                });
            }
        };
        Self {
            addr,
            task: tokio::spawn(accept).abort_handle(),
            shared,
        }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits until every client has gone and the broker has answered all that was passed on, heard
    /// by a client or not.
    pub async fn at_rest(&self) {
        let mut connections = self.shared.connections.subscribe();
        connections.wait_for(|count| *count == 0).await.unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(client: TcpStream, shared: &Shared) {
    let Ok(broker) = TcpStream::connect(&shared.broker).await else {
        return;
    };
    client.set_nodelay(true).unwrap();
    broker.set_nodelay(true).unwrap();
    let (broker_read, mut broker_write) = broker.into_split();
    let pending = Queue::default();
    let gone = AtomicBool::new(false);
    let (to_client, answers) = mpsc::unbounded_channel();
    let mut hear = pin!(hear(broker_read, to_client, &pending, &gone));
    {
        let (client_read, client_write) = client.into_split();
        tokio::select! {
            () = pass_on(client_read, &mut broker_write, &pending, shared) => {}
            () = answer(client_write, answers, shared) => {}
            () = &mut hear => return,
        }
        // Here the client's connection is closed.
    }
    // The broker goes on with what it has.
    gone.store(true, Ordering::Relaxed);
    if !pending.lock().unwrap().is_empty() {
        hear.await;
    }
}

/// From the client to the broker.
async fn pass_on(
    mut client: OwnedReadHalf,
    broker: &mut OwnedWriteHalf,
    pending: &Queue,
    shared: &Shared,
) {
    let mut buffer = BytesMut::new();
    while let Ok(Some(request)) =
        frame::read(&mut client, &mut buffer, frame::DEFAULT_MAX_LEN).await
    {
        let mut head = &request[..];
        let (api, version) = (head.get_i16(), head.get_i16());
        let number = match api {
            PRODUCE => shared.produced.fetch_add(1, Ordering::Relaxed),
            FETCH => shared.fetched.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        let fault = (shared.plan)(api, number);
        if fault == Fault::CutRequest {
            return;
        }
        if !(api == PRODUCE && acks_none(&request, version)) {
            pending.lock().unwrap().push_back(Pending {
                api,
                version,
                fault,
            });
        }
        if write(broker, &request).await.is_err() {
            return;
        }
    }
}

/// Takes the broker's answers, until it closes, or the client is gone and all are there.
async fn hear(
    mut broker: OwnedReadHalf,
    to_client: mpsc::UnboundedSender<(Pending, Bytes)>,
    pending: &Queue,
    gone: &AtomicBool,
) {
    let mut buffer = BytesMut::new();
    while let Ok(Some(answer)) = frame::read(&mut broker, &mut buffer, frame::DEFAULT_MAX_LEN).await
    {
        let mut pending = pending.lock().unwrap();
        let asked = pending.pop_front().expect("an answer to a request");
        if gone.load(Ordering::Relaxed) && pending.is_empty() {
            return;
        }
        let _ = to_client.send((asked, answer)); // the client may be gone
    }
}

/// From the broker to the client, by plan.
async fn answer(
    mut client: OwnedWriteHalf,
    mut answers: mpsc::UnboundedReceiver<(Pending, Bytes)>,
    shared: &Shared,
) {
    while let Some((asked, mut answer)) = answers.recv().await {
        match asked.fault {
            Fault::None => {}
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::CutAnswer | Fault::CutRequest => return,
            Fault::Swallow => std::future::pending().await,
        }
        if asked.api == METADATA {
            answer = rewritten(answer, asked.version, shared.addr);
        }
        if write(&mut client, &answer).await.is_err() {
            return;
        }
    }
}

async fn write(to: &mut OwnedWriteHalf, content: &[u8]) -> std::io::Result<()> {
    let mut out = BytesMut::with_capacity(content.len() + frame::LEN_BYTES);
    let start = frame::begin(&mut out);
    out.put_slice(content);
    frame::finish(&mut out, start).unwrap();
    to.write_all(&out).await
}

/// Whether a Produce request asks for no answer.
fn acks_none(request: &Bytes, version: i16) -> bool {
    let mut rest = &request[8..];
    let id = rest.get_i16();
    rest.advance(usize::try_from(id).unwrap_or(0));
    if version >= 9 {
        rest.advance(1); // no tagged fields in the header
        rest.advance(1); // transactional id: null
    } else {
        rest.advance(2);
    }
    rest.get_i16() == 0
}

/// The answer with every broker's address replaced by the proxy's.
fn rewritten(answer: Bytes, version: i16, addr: SocketAddr) -> Bytes {
    let mut rest = answer;
    let header_version = MetadataResponse::header_version(version);
    let header = ResponseHeader::decode(&mut rest, header_version).unwrap();
    let mut body = MetadataResponse::decode(&mut rest, version).unwrap();
    for broker in &mut body.brokers {
        broker.host = StrBytes::from_string(addr.ip().to_string());
        broker.port = i32::from(addr.port());
    }
    let mut out = BytesMut::new();
    header.encode(&mut out, header_version).unwrap();
    body.encode(&mut out, version).unwrap();
    out.freeze()
}
