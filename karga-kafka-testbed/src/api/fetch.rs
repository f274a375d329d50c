//! Fetch: batches out of logs, waiting for them if there are too few.

use std::{sync::Arc, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::{ResponseError, messages::FetchRequest};
use karga_kafka::wire::frame;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Close, Head, Next, check_epoch};
use crate::{
    output::Output,
    settings::MAX_FETCH_BYTES,
    state::{Shared, State},
};

/// The first version with compact lengths and tagged fields.
const FLEXIBLE: i16 = 12;
/// The first version that names topics by id.
const TOPIC_IDS: i16 = 13;

/// A Fetch that has been read and not yet answered.
#[derive(Debug)]
pub(crate) struct PendingFetch {
    head: Head,
    max_wait: Duration,
    min_bytes: u64,
    max_bytes: usize,
    topics: Vec<Topic>,
}

#[derive(Debug)]
struct Topic {
    /// `None` for an id that no topic has.
    name: Option<String>,
    id: Uuid,
    partitions: Vec<Wanted>,
}

#[derive(Debug)]
struct Wanted {
    partition: i32,
    epoch: i32,
    offset: i64,
    max_bytes: usize,
}

pub(super) fn handle(
    shared: &Shared,
    head: Head,
    request: FetchRequest,
    output: &mut Output,
) -> Result<Next, Close> {
    let mut state = shared.lock();
    state.stats.fetch_requests += 1;
    // No session is ever opened here (every answer says id 0), so none can be continued.
    if request.session_id != 0 {
        let fetch = PendingFetch::new(&state, head, FetchRequest::default());
        fetch.write(&[], ResponseError::FetchSessionIdNotFound.code(), output)?;
        return Ok(Next::Read);
    }
    let fetch = PendingFetch::new(&state, head, request);
    if fetch.max_wait.is_zero() || fetch.is_ready(&state) {
        fetch.answer(&mut state, output)?;
        return Ok(Next::Read);
    }
    Ok(Next::Wait(fetch))
}

impl PendingFetch {
    fn new(state: &State, head: Head, request: FetchRequest) -> Self {
        let limit = |bytes: i32| usize::try_from(bytes).unwrap_or(0).min(MAX_FETCH_BYTES);
        let topics = request.topics.into_iter().map(|topic| {
            let name = if head.version < TOPIC_IDS {
                Some(topic.topic.to_string())
            } else {
                state.name_of(topic.topic_id).map(str::to_owned)
            };
            let partitions = topic.partitions.into_iter().map(|partition| Wanted {
                partition: partition.partition,
                epoch: partition.current_leader_epoch,
                offset: partition.fetch_offset,
                max_bytes: limit(partition.partition_max_bytes),
            });
            Topic {
                name,
                id: topic.topic_id,
                partitions: partitions.collect(),
            }
        });
        Self {
            head,
            max_wait: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)),
            min_bytes: u64::try_from(request.min_bytes).unwrap_or(0),
            max_bytes: limit(request.max_bytes),
            topics: topics.collect(),
        }
    }

    /// The longest that the client waits for an answer.
    pub(crate) fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// Whether the answer need not wait any longer; if it must, `waiter` is told of changes.
    pub(crate) fn is_due(&self, state: &mut State, waiter: &Arc<Notify>) -> bool {
        if self.is_ready(state) {
            return true;
        }
        for (topic, wanted) in self.partitions() {
            if let Some(partition) = state.partition_mut(topic, wanted.partition) {
                partition.wait(waiter);
            }
        }
        false
    }

    /// Takes `waiter` off all lists again.
    pub(crate) fn forget(&self, state: &mut State, waiter: &Arc<Notify>) {
        for (topic, wanted) in self.partitions() {
            if let Some(partition) = state.partition_mut(topic, wanted.partition) {
                partition.forget(waiter);
            }
        }
    }

    fn partitions(&self) -> impl Iterator<Item = (&str, &Wanted)> {
        self.topics.iter().flat_map(|topic| {
            let name = topic.name.as_deref().unwrap_or_default();
            topic.partitions.iter().map(move |wanted| (name, wanted))
        })
    }

    /// Whether there are enough bytes, or an error that would be waited for in vain.
    fn is_ready(&self, state: &State) -> bool {
        let mut bytes = 0;
        for (topic, wanted) in self.partitions() {
            match available(state, topic, wanted) {
                Ok(available) => bytes += available.min(wanted.max_bytes as u64),
                Err(_) => return true,
            }
        }
        // A fetch of nothing at all waits its time, as in Kafka.
        bytes >= self.min_bytes || bytes >= self.max_bytes as u64 && bytes > 0
    }

    /// Appends the answer to the output.
    pub(crate) fn answer(&self, state: &mut State, output: &mut Output) -> Result<(), Close> {
        let mut left = self.max_bytes;
        let mut first = true;
        let mut read = Vec::new();
        for topic in &self.topics {
            let name = topic.name.as_deref();
            for wanted in &topic.partitions {
                let mut batches = Vec::new();
                let max = wanted.max_bytes.min(left);
                let result = match name {
                    None => Err(ResponseError::UnknownTopicId),
                    Some(name) => available(state, name, wanted).map(|_| {
                        state
                            .partition(name, wanted.partition)
                            .map_or((0, 0), |partition| {
                                let log = &partition.log;
                                let taken = log.read(wanted.offset, max, first, |bytes| {
                                    batches.push(bytes.clone());
                                });
                                let taken = taken.unwrap_or(0);
                                first &= taken == 0;
                                left = left.saturating_sub(taken);
                                (log.start(), log.end())
                            })
                    }),
                };
                let bytes: usize = batches.iter().map(Bytes::len).sum();
                state.stats.bytes_fetched += bytes as u64;
                let (start, end, error) = match result {
                    Ok((start, end)) => (start, end, 0),
                    // Kafka tells where the log begins and ends, so that the client can go there.
                    Err(error) => {
                        let log = name
                            .and_then(|name| state.partition(name, wanted.partition))
                            .filter(|_| error == ResponseError::OffsetOutOfRange)
                            .map(|partition| &partition.log);
                        let (start, end) = log.map_or((-1, -1), |log| (log.start(), log.end()));
                        (start, end, error.code())
                    }
                };
                read.push(Read {
                    start,
                    end,
                    error,
                    bytes,
                    batches,
                });
            }
        }
        self.write(&read, 0, output)
    }

    /// Encodes the answer by hand, so that batches go from the log to the socket uncopied. Fields
    /// and versions as in Kafka's `FetchResponse.json`.
    fn write(&self, read: &[Read], error: i16, output: &mut Output) -> Result<(), Close> {
        let version = self.head.version;
        let flexible = version >= FLEXIBLE;
        let mut skeleton = BytesMut::with_capacity(64 + 64 * read.len());
        let mut inserts = Vec::new();
        let mut inserted = 0;
        let frame_start = frame::begin(&mut skeleton);
        skeleton.put_i32(self.head.correlation_id);
        if flexible {
            skeleton.put_u8(0); // the header's tags
        }
        skeleton.put_i32(0); // throttle time
        if version >= 7 {
            skeleton.put_i16(error);
            skeleton.put_i32(0); // session
        }
        put_count(&mut skeleton, self.topics.len(), flexible);
        let mut read = read.iter();
        for topic in &self.topics {
            if version >= TOPIC_IDS {
                skeleton.put_slice(topic.id.as_bytes());
            } else {
                put_text(
                    &mut skeleton,
                    topic.name.as_deref().unwrap_or_default(),
                    flexible,
                );
            }
            put_count(&mut skeleton, topic.partitions.len(), flexible);
            for (wanted, read) in topic.partitions.iter().zip(read.by_ref()) {
                skeleton.put_i32(wanted.partition);
                skeleton.put_i16(read.error);
                skeleton.put_i64(read.end); // high watermark
                skeleton.put_i64(read.end); // last stable offset
                if version >= 5 {
                    skeleton.put_i64(read.start);
                }
                put_count(&mut skeleton, 0, flexible); // aborted transactions
                if version >= 11 {
                    skeleton.put_i32(-1); // preferred read replica
                }
                put_count(&mut skeleton, read.bytes, flexible);
                let at = skeleton.len();
                inserts.extend(read.batches.iter().map(|batch| (at, batch.clone())));
                inserted += read.bytes;
                if flexible {
                    skeleton.put_u8(0); // the partition's tags
                }
            }
            if flexible {
                skeleton.put_u8(0); // the topic's tags
            }
        }
        if flexible {
            skeleton.put_u8(0); // the answer's tags
        }
        let length = i32::try_from(skeleton.len() - frame::LEN_BYTES + inserted)
            .map_err(|_| Close::Unencodable("a fetch answer is over 2 GiB".to_owned()))?;
        skeleton[frame_start..frame::LEN_BYTES].copy_from_slice(&length.to_be_bytes());
        output.put(&skeleton, inserts);
        Ok(())
    }
}

/// What one partition gives.
struct Read {
    start: i64,
    end: i64,
    error: i16,
    bytes: usize,
    batches: Vec<Bytes>,
}

fn available(state: &State, topic: &str, wanted: &Wanted) -> Result<u64, ResponseError> {
    let partition = state
        .partition(topic, wanted.partition)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    check_epoch(wanted.epoch)?;
    partition
        .log
        .available(wanted.offset)
        .map_err(|_| ResponseError::OffsetOutOfRange)
}

/// The count of an array or the length of bytes: four bytes, or a varint of one more.
fn put_count(out: &mut BytesMut, count: usize, flexible: bool) {
    // Arrays are as long as the request's, and bytes at most MAX_FETCH_BYTES or one batch.
    if flexible {
        put_varint(out, count as u32 + 1);
    } else {
        out.put_i32(count as i32);
    }
}

fn put_text(out: &mut BytesMut, text: &str, flexible: bool) {
    // A name that came in with the request and so is no longer than its length allows.
    if flexible {
        put_varint(out, text.len() as u32 + 1);
    } else {
        out.put_i16(text.len() as i16);
    }
    out.put_slice(text.as_bytes());
}

fn put_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}
