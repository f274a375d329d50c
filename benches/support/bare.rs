//! The floor under every client: one pre-built frame, written and answered on one socket.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiKey, ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Row, Watch, unix_millis};

/// How the tables call the loop on a blocking socket.
pub const BLOCKING: &str = "bare socket, blocking";
/// How the tables call the loop on a tokio socket.
pub const TOKIO: &str = "bare socket, tokio";

/// The newest version that names the topic by its name alone needs no lookup of an id.
const PRODUCE_VERSION: i16 = 9;
/// Requests that are answered before the watch starts.
const WARM_UP: usize = 200;

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

/// A loop that measured refusals would be fast and mean nothing.
fn check(frame: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut body = Bytes::copy_from_slice(frame);
    body.advance(4);
    ResponseHeader::decode(
        &mut body,
        ApiKey::Produce.response_header_version(PRODUCE_VERSION),
    )?;
    let response = ProduceResponse::decode(&mut body, PRODUCE_VERSION)?;
    for topic in &response.responses {
        for partition in &topic.partition_responses {
            if partition.error_code != 0 {
                return Err(format!(
                    "the broker refused the frame: error {}",
                    partition.error_code
                )
                .into());
            }
        }
    }
    Ok(())
}

/// Writes `frame` and waits for its answer, `requests` times, on a blocking socket.
pub fn blocking(
    address: &str,
    frame: &[u8],
    requests: usize,
    records: u64,
    bench: &'static str,
) -> Result<Row, Box<dyn Error>> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let mut answer = vec![0; 4096];
    let mut round_trip = || -> io::Result<usize> {
        socket.write_all(frame)?;
        let mut read = 0;
        while frame_length(&answer[..read]).is_none_or(|length| read < length) {
            match socket.read(&mut answer[read..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => read += n,
            }
        }
        Ok(read)
    };
    let mut last = 0;
    for _ in 0..WARM_UP {
        last = round_trip()?;
    }
    let mut watch = Watch::start(requests);
    for _ in 0..requests {
        let begun = Instant::now();
        last = round_trip()?;
        watch.request(begun);
    }
    let row = watch.stop(bench, BLOCKING, requests as u64 * records);
    check(&answer[..last])?;
    Ok(row)
}

/// The same on a tokio socket.
pub async fn tokio(
    address: &str,
    frame: &[u8],
    requests: usize,
    records: u64,
    bench: &'static str,
) -> Result<Row, Box<dyn Error>> {
    let mut socket = tokio::net::TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let mut answer = BytesMut::with_capacity(4096);
    let mut watch = None;
    for request in 0..WARM_UP + requests {
        if request == WARM_UP {
            watch = Some(Watch::start(requests));
        }
        let begun = Instant::now();
        answer.clear();
        socket.write_all(frame).await?;
        while frame_length(&answer).is_none_or(|length| answer.len() < length) {
            if socket.read_buf(&mut answer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        if let Some(watch) = &mut watch {
            watch.request(begun);
        }
    }
    let watch = watch.ok_or("no request was to be measured")?;
    let row = watch.stop(bench, TOKIO, requests as u64 * records);
    check(&answer)?;
    Ok(row)
}
