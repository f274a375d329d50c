//! A server that says what a test tells it to: the client's real frames come in over TCP, and the
//! script decides what goes back.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, MetadataResponse, ProduceRequest, ProduceResponse, RequestHeader,
    ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use karga_kafka::config::Endpoint;
use karga_kafka::wire::frame;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does about one request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Sends these bytes, as they are.
    Bytes(Bytes),
    /// Sends these bytes and closes.
    Last(Bytes),
    /// Closes.
    Close,
    /// Says nothing, and reads on.
    Silence,
}

/// A request that came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The connection's number, from 0.
    pub(crate) connection: usize,
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    pub(crate) body: Bytes,
}

impl Request {
    /// The whole frame of an answer.
    pub(crate) fn answer(&self, body: &impl Encodable) -> Bytes {
        self.answer_to(self.correlation, body)
    }

    /// The same with a correlation id of choice.
    pub(crate) fn answer_to(&self, correlation: i32, body: &impl Encodable) -> Bytes {
        let mut out = BytesMut::new();
        let start = frame::begin(&mut out);
        let header = ResponseHeader::default().with_correlation_id(correlation);
        let header_version = self.api.response_header_version(self.version);
        header.encode(&mut out, header_version).expect("a header");
        body.encode(&mut out, self.version).expect("a body");
        frame::finish(&mut out, start).expect("a frame");
        out.freeze()
    }

    /// A frame with the right correlation id and anything else.
    pub(crate) fn raw(&self, body: &[u8]) -> Bytes {
        let mut out = BytesMut::new();
        let start = frame::begin(&mut out);
        out.put_i32(self.correlation);
        out.put_slice(body);
        frame::finish(&mut out, start).expect("a frame");
        out.freeze()
    }

    /// The answer to a produce request for partition 0 of topic `t`.
    pub(crate) fn produced(&self, code: i16, throttle_ms: i32) -> Bytes {
        let partition = PartitionProduceResponse::default()
            .with_error_code(code)
            .with_base_offset(if code == 0 { 41 } else { -1 });
        let topic = TopicProduceResponse::default()
            .with_name(TopicName(StrBytes::from_static_str("t")))
            .with_partition_responses(vec![partition]);
        let response = ProduceResponse::default()
            .with_responses(vec![topic])
            .with_throttle_time_ms(throttle_ms);
        self.answer(&response)
    }

    /// The record batch of a produce request.
    pub(crate) fn records(&self) -> Bytes {
        let mut body = self.body.clone();
        let request = ProduceRequest::decode(&mut body, self.version).expect("a produce request");
        let records = &request.topic_data[0].partition_data[0].records;
        records.clone().expect("records")
    }
}

/// A scripted server; ends when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    log: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Answers versions and metadata (one broker: itself; one topic: `t` with one partition that it
    /// leads), and leaves the rest to `script`.
    pub(crate) async fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::bare(move |request, address| match request.api {
            ApiKey::ApiVersions => Reply::Bytes(request.answer(&versions())),
            ApiKey::Metadata => Reply::Bytes(request.answer(&metadata(&[(1, address)], Some(1)))),
            _ => script(request),
        })
        .await
    }

    /// As [`start`](Self::start), with one reply for each produce request, in this order.
    pub(crate) async fn replies(replies: impl IntoIterator<Item = fn(&Request) -> Reply>) -> Self {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::start(move |request| {
            let next = replies.lock().expect("no thread has panicked").pop_front();
            next.expect("a reply for each request")(request)
        })
        .await
    }

    /// Leaves every request to `script`, which is told the server's own address.
    pub(crate) async fn bare(
        script: impl Fn(&Request, SocketAddr) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (script, seen) = (Arc::new(script), Arc::clone(&log));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                connections.spawn(serve(stream, number, address, script, seen));
            }
        });
        Self { address, log, task }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        endpoint(self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The produce requests that came in.
    pub(crate) fn produced(&self) -> Vec<Request> {
        let log = self.log.lock().expect("no thread has panicked");
        let produced = |request: &&Request| request.api == ApiKey::Produce;
        log.iter().filter(produced).cloned().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    address
        .to_string()
        .parse()
        .expect("an address is an endpoint")
}

/// Speaks exactly what the answers here are written for.
pub(crate) fn versions() -> ApiVersionsResponse {
    let apis = [
        (ApiKey::Produce, 9),
        (ApiKey::Fetch, 12),
        (ApiKey::ListOffsets, 7),
        (ApiKey::Metadata, 9),
        (ApiKey::ApiVersions, 3),
        (ApiKey::InitProducerId, 4),
    ];
    let apis = apis.map(|(key, max)| {
        ApiVersion::default()
            .with_api_key(key as i16)
            .with_max_version(max)
    });
    ApiVersionsResponse::default().with_api_keys(apis.to_vec())
}

/// Brokers, and who leads partition 0 of topic `t`.
pub(crate) fn metadata(brokers: &[(i32, SocketAddr)], leader: Option<i32>) -> MetadataResponse {
    let brokers = brokers.iter().map(|(id, address)| {
        MetadataResponseBroker::default()
            .with_node_id((*id).into())
            .with_host(StrBytes::from_string(address.ip().to_string()))
            .with_port(address.port().into())
    });
    let partition = MetadataResponsePartition::default()
        .with_error_code(if leader.is_some() { 0 } else { 5 })
        .with_leader_id(leader.unwrap_or(-1).into());
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_static_str("t"))))
        .with_partitions(vec![partition]);
    MetadataResponse::default()
        .with_brokers(brokers.collect())
        .with_topics(vec![topic])
}

async fn serve<F>(
    mut stream: TcpStream,
    connection: usize,
    address: SocketAddr,
    script: Arc<F>,
    seen: Arc<Mutex<Vec<Request>>>,
) where
    F: Fn(&Request, SocketAddr) -> Reply,
{
    let mut buffer = BytesMut::new();
    while let Ok(Some(mut frame)) = frame::read(&mut stream, &mut buffer, 1 << 24).await {
        let api = ApiKey::try_from(i16::from_be_bytes([frame[0], frame[1]])).expect("a known key");
        let version = i16::from_be_bytes([frame[2], frame[3]]);
        let header = RequestHeader::decode(&mut frame, api.request_header_version(version));
        let request = Request {
            connection,
            api,
            version,
            correlation: header.expect("a header").correlation_id,
            body: frame,
        };
        seen.lock()
            .expect("no thread has panicked")
            .push(request.clone());
        let (bytes, last) = match script(&request, address) {
            Reply::Bytes(bytes) => (bytes, false),
            Reply::Last(bytes) => (bytes, true),
            Reply::Close => return,
            Reply::Silence => continue,
        };
        if stream.write_all(&bytes).await.is_err() || last {
            return;
        }
    }
}
