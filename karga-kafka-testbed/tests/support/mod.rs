//! A client that does only what it is told: one connection, one frame at a time.

#![allow(dead_code, reason = "no test file uses all of it")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    ResponseError,
    messages::{
        ApiKey, FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, RequestHeader,
        ResponseHeader, TopicName,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::PartitionData,
        produce_request::{PartitionProduceData, TopicProduceData},
        produce_response::PartitionProduceResponse,
    },
    protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes},
};
use karga_kafka::{
    records::{BatchEncoder, BatchSettings, Record},
    wire::frame,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

/// Longer than anything here takes: a test that gets here fails instead of hanging.
const HANGS: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    input: BytesMut,
    next_id: i32,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            input: BytesMut::new(),
            next_id: 1,
        }
    }

    /// Sends a request and returns its correlation id.
    pub(crate) async fn send<R: Request>(&mut self, request: &R, version: i16) -> i32 {
        let id = self.next_id;
        self.next_id += 1;
        let mut out = BytesMut::new();
        let start = frame::begin(&mut out);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(id)
            .with_client_id(Some(StrBytes::from_static_str("test")));
        header.encode(&mut out, R::header_version(version)).unwrap();
        request.encode(&mut out, version).unwrap();
        frame::finish(&mut out, start).unwrap();
        self.stream.write_all(&out).await.unwrap();
        id
    }

    /// Reads an answer: the correlation id and the body, all of which must be used up.
    pub(crate) async fn receive<A: Decodable + HeaderVersion>(&mut self, version: i16) -> (i32, A) {
        let mut frame = self
            .frame()
            .await
            .expect("the broker closed the connection");
        let header = ResponseHeader::decode(&mut frame, A::header_version(version)).unwrap();
        let answer = A::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "{} bytes behind the answer", frame.len());
        (header.correlation_id, answer)
    }

    /// One request and its answer.
    pub(crate) async fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        let id = self.send(request, version).await;
        let (answered, answer) = self.receive::<R::Response>(version).await;
        assert_eq!(id, answered);
        answer
    }

    /// The next frame; `None` when the broker has closed the connection.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        let read = frame::read(&mut self.stream, &mut self.input, usize::MAX);
        match timeout(HANGS, read).await.expect("no answer within 30 s") {
            Ok(frame) => frame,
            // A close while our bytes were on their way comes as a reset.
            Err(frame::FrameError::Io(_)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next frame, whatever it is; `None` when there is no more.
    pub(crate) async fn frame_or_garbage(&mut self) -> Option<Bytes> {
        let read = frame::read(&mut self.stream, &mut self.input, usize::MAX);
        timeout(HANGS, read)
            .await
            .expect("neither answer nor end within 30 s")
            .ok()
            .flatten()
    }

    /// Sends bytes as they are.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        // The broker may close before all of it is written.
        let _ = self.stream.write_all(bytes).await;
    }

    pub(crate) async fn produce(&mut self, topic: &str, partition: i32, batch: &[u8]) -> Produced {
        self.produce_with(topic, partition, batch, -1, 9).await
    }

    pub(crate) async fn produce_with(
        &mut self,
        topic: &str,
        partition: i32,
        batch: &[u8],
        acks: i16,
        version: i16,
    ) -> Produced {
        let request = produce_request(topic, partition, batch, acks);
        let answer: ProduceResponse = self.call(&request, version).await;
        Produced(answer.responses[0].partition_responses[0].clone())
    }

    pub(crate) async fn fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> PartitionData {
        let request = fetch_request(topic, partition, offset);
        let answer: FetchResponse = self.call(&request, 12).await;
        answer.responses[0].partitions[0].clone()
    }
}

#[derive(Debug)]
pub(crate) struct Produced(pub(crate) PartitionProduceResponse);

impl Produced {
    pub(crate) fn offset(&self) -> i64 {
        assert_eq!(self.0.error_code, 0, "{:?}", self.0.error_message);
        self.0.base_offset
    }

    pub(crate) fn error(&self) -> ResponseError {
        ResponseError::try_from_code(self.0.error_code).expect("an error")
    }
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

pub(crate) fn produce_request(
    topic: &str,
    partition: i32,
    batch: &[u8],
    acks: i16,
) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(Bytes::copy_from_slice(batch)));
    let topic = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(1_000)
        .with_topic_data(vec![topic])
}

/// Everything from an offset on, without waiting.
pub(crate) fn fetch_request(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(i32::MAX);
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(0)
        .with_max_bytes(i32::MAX)
        .with_topics(vec![topic])
}

/// A batch with one record for each value, stamped 1, 2, 3 and so on.
pub(crate) fn batch(values: &[&[u8]]) -> BytesMut {
    batch_with(values, BatchSettings::new())
}

pub(crate) fn batch_with(values: &[&[u8]], settings: BatchSettings) -> BytesMut {
    let mut out = BytesMut::new();
    let mut encoder = BatchEncoder::new();
    let mut batch = encoder.begin(&mut out, settings);
    for (value, timestamp) in values.iter().zip(1..) {
        batch
            .push(&Record::new(value).timestamp(timestamp))
            .unwrap();
    }
    batch.finish().unwrap();
    out
}

/// Writes a batch's checksum again, after it was changed.
pub(crate) fn reseal(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// The bytes of a request frame, to be damaged.
pub(crate) fn raw_frame(api: ApiKey, version: i16, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let start = frame::begin(&mut out);
    RequestHeader::default()
        .with_request_api_key(api as i16)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("test")))
        .encode(&mut out, api.request_header_version(version))
        .unwrap();
    out.extend_from_slice(body);
    frame::finish(&mut out, start).unwrap();
    out.to_vec()
}
