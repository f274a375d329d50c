//! The floor under every client: one pre-built frame, written and answered on one socket.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiKey, ProduceRequest, RequestHeader, TopicName};
use kafka_protocol::protocol::{Encodable, StrBytes};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::unix_millis;

/// How the tables call the loop on a blocking socket.
pub const BLOCKING: &str = "bare socket, blocking";
/// How the tables call the loop on a tokio socket.
pub const TOKIO: &str = "bare socket, tokio";

/// The newest version that names the topic by its name alone needs no lookup of an id.
const PRODUCE_VERSION: i16 = 9;
/// Room for an answer, which has some 60 bytes.
const ANSWER_BYTES: usize = 4096;

/// A whole Produce request, its length in front: `records` records of `size` bytes each for
/// partition 0 of `topic`, acks=all, by kafka-protocol's own encoder.
pub fn produce_frame(topic: &str, records: usize, size: usize) -> Result<Bytes, Box<dyn Error>> {
    let timestamp = unix_millis()?;
    let value = Bytes::from(vec![b'x'; size]);
    let records: Vec<Record> = (0..records)
        .map(|n| Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            timestamp_type: TimestampType::Creation,
            offset: n as i64,
            // The encoder starts a new batch where sequences are not consecutive.
            sequence: NO_SEQUENCE + n as i32,
            timestamp,
            key: None,
            value: Some(value.clone()),
            headers: Default::default(),
        })
        .collect();
    let mut batch = BytesMut::new();
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    RecordBatchEncoder::encode(&mut batch, &records, &options)?;

    let header = RequestHeader::default()
        .with_request_api_key(ApiKey::Produce as i16)
        .with_request_api_version(PRODUCE_VERSION)
        .with_client_id(Some(StrBytes::from_static_str("bare")));
    let partition = PartitionProduceData::default()
        .with_index(0)
        .with_records(Some(batch.freeze()));
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![
            TopicProduceData::default()
                .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
                .with_partition_data(vec![partition]),
        ]);
    let mut body = BytesMut::new();
    header.encode(
        &mut body,
        ApiKey::Produce.request_header_version(PRODUCE_VERSION),
    )?;
    request.encode(&mut body, PRODUCE_VERSION)?;
    let mut frame = BytesMut::with_capacity(body.len() + 4);
    frame.extend_from_slice(&u32::try_from(body.len())?.to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame.freeze())
}

/// Length of the first frame in `read`, its four bytes of length included, once they are there.
fn frame_length(read: &[u8]) -> Option<usize> {
    let length: [u8; 4] = read.get(..4)?.try_into().ok()?;
    Some(u32::from_be_bytes(length) as usize + 4)
}

/// A loop that measured refusals would be fast and mean nothing. The error code stands in a fixed
/// place, for there is one topic with one partition: from the end, the tag counts of the answer, the
/// throttle time, the tags of topic and partition, the error's message and records (none), the log's
/// start, the append time, the base offset, then the error code.
fn check(answer: &[u8]) -> Result<(), Box<dyn Error>> {
    const FROM_END: usize = 1 + 4 + 1 + 1 + 1 + 1 + 8 + 8 + 8 + 2;
    let at = answer.len().checked_sub(FROM_END);
    match at.and_then(|at| answer.get(at..at + 2)) {
        Some([0, 0]) => Ok(()),
        code => Err(format!("the broker refused the frame: error {code:?}").into()),
    }
}

/// A blocking socket.
pub struct Blocking {
    socket: TcpStream,
    answer: BytesMut,
}

impl Blocking {
    /// Connects, with Nagle's algorithm off.
    pub fn connect(address: &str) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            answer: BytesMut::zeroed(ANSWER_BYTES),
        })
    }

    /// Writes a frame and waits for its answer.
    pub fn round_trip(&mut self, frame: &[u8]) -> Result<(), Box<dyn Error>> {
        self.socket.write_all(frame)?;
        let mut read = 0;
        while frame_length(&self.answer[..read]).is_none_or(|length| read < length) {
            match self.socket.read(&mut self.answer[read..])? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                n => read += n,
            }
        }
        check(&self.answer[..read])
    }
}

/// A tokio socket.
pub struct Tokio {
    socket: tokio::net::TcpStream,
    answer: BytesMut,
}

impl Tokio {
    /// Connects, with Nagle's algorithm off.
    pub async fn connect(address: &str) -> io::Result<Self> {
        let socket = tokio::net::TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            answer: BytesMut::with_capacity(ANSWER_BYTES),
        })
    }

    /// Writes a frame and waits for its answer.
    pub async fn round_trip(&mut self, frame: &[u8]) -> Result<(), Box<dyn Error>> {
        self.answer.clear();
        self.socket.write_all(frame).await?;
        while frame_length(&self.answer).is_none_or(|length| self.answer.len() < length) {
            if self.socket.read_buf(&mut self.answer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        check(&self.answer)
    }
}
