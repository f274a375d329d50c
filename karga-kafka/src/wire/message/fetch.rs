//! Fetch: record batches of some partitions of one topic, from one broker, as a long poll.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{Call, RequestError, put_count_in, put_no_tags_in, put_text_in};
use crate::config::{FetchSettings, Isolation};
use crate::error_codes::ErrorCode;
use crate::wire::cursor::{Cursor, Malformed};
use crate::wire::versions::{Api, Unsupported, Versions};

/// The first version that names topics by their id.
const BY_ID: i16 = 13;

/// One partition and the offset to read it from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Position {
    /// The partition's index in its topic.
    pub partition: i32,
    /// The first offset wanted.
    pub offset: i64,
}

impl Position {
    /// Reads `partition` from `offset` on.
    pub const fn new(partition: i32, offset: i64) -> Self {
        Self { partition, offset }
    }
}

pub(crate) struct Fetch<'a> {
    pub(crate) topic: &'a str,
    /// Zero when it is not known.
    pub(crate) topic_id: u128,
    pub(crate) positions: &'a [Position],
    pub(crate) settings: &'a FetchSettings,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) throttle_ms: i32,
    pub(crate) error: Option<ErrorCode>,
    pub(crate) partitions: Vec<FetchedPartition>,
}

/// What one partition answered to a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchedPartition {
    /// The partition's index in its topic.
    pub index: i32,
    /// Why there is nothing, if so.
    pub error: Option<ErrorCode>,
    /// The offset after the last record that all in-sync replicas have; -1 when unknown. Less the
    /// reader's position it is the reader's lag.
    pub high_watermark: i64,
    /// The offset below which every transaction is decided; -1 when unknown.
    pub last_stable_offset: i64,
    /// The first offset that is still there; -1 when unknown.
    pub log_start_offset: i64,
    /// Aborted transactions whose records lie in `records` (read committed only): the producer's
    /// id and the first offset of each.
    pub aborted: Vec<(i64, i64)>,
    /// Record batches as the broker stores them, the last one possibly cut short. They may start
    /// before the offset asked for. The memory is shared with the answer's frame.
    pub records: Bytes,
}

impl Call for Fetch<'_> {
    type Answer = Answer;
    const API: Api = Api::Fetch;
    // Bounded by the connection's limit on frames: its bulk is not copied.
    const MAX_ANSWER: usize = usize::MAX;

    fn version(&self, versions: &Versions) -> Result<i16, Unsupported> {
        let limit = if self.topic_id == 0 {
            BY_ID - 1
        } else {
            i16::MAX
        };
        versions.newest_up_to(Api::Fetch, limit)
    }

    fn encode(&mut self, version: i16, out: &mut BytesMut) -> Result<(), RequestError> {
        let flexible = Api::Fetch.is_flexible(version);
        let settings = self.settings;
        if version <= 14 {
            out.put_i32(-1); // replica_id: a consumer
        }
        out.put_i32(millis(settings.max_wait()));
        out.put_i32(settings.min_bytes());
        out.put_i32(settings.max_bytes());
        out.put_i8(match settings.isolation() {
            Isolation::ReadUncommitted => 0,
            Isolation::ReadCommitted => 1,
        });
        if version >= 7 {
            out.put_i32(0); // session_id: none
            out.put_i32(-1); // session_epoch: a full fetch without a session (KIP-227)
        }
        put_count_in(out, flexible, 1)?;
        if version >= BY_ID {
            out.put_u128(self.topic_id);
        } else {
            put_text_in(out, flexible, self.topic)?;
        }
        put_count_in(out, flexible, self.positions.len())?;
        for position in self.positions {
            out.put_i32(position.partition);
            if version >= 9 {
                out.put_i32(-1); // current_leader_epoch: not checked
            }
            out.put_i64(position.offset);
            if version >= 12 {
                out.put_i32(-1); // last_fetched_epoch: not checked
            }
            if version >= 5 {
                out.put_i64(-1); // log_start_offset: for followers
            }
            out.put_i32(settings.max_bytes());
            put_no_tags_in(out, flexible);
        }
        put_no_tags_in(out, flexible);
        if version >= 7 {
            put_count_in(out, flexible, 0)?; // forgotten_topics_data
        }
        if version >= 11 {
            put_text_in(out, flexible, "")?; // rack_id
        }
        put_no_tags_in(out, flexible);
        Ok(())
    }

    fn decode(&self, version: i16, body: &mut Cursor) -> Result<Answer, Malformed> {
        let throttle_ms = body.i32("throttle_time_ms")?;
        let mut error = None;
        if version >= 7 {
            error = ErrorCode::new(body.i16("error_code")?);
            body.i32("session_id")?;
        }
        let mut partitions = Vec::with_capacity(self.positions.len());
        for _ in 0..body.count("responses", 3)? {
            if version >= BY_ID {
                body.u128("topic_id")?;
            } else {
                body.text("topic")?;
            }
            for _ in 0..body.count("partitions", 24)? {
                let one = partition(version, body)?;
                self.check_asked(one.index)?;
                partitions.push(one);
            }
            body.skip_tags()?;
        }
        body.skip_tags()?;
        Ok(Answer {
            throttle_ms,
            error,
            partitions,
        })
    }
}

impl Fetch<'_> {
    fn check_asked(&self, index: i32) -> Result<(), Malformed> {
        let asked = |position: &Position| position.partition == index;
        if self.positions.iter().any(asked) {
            return Ok(());
        }
        Err(Malformed::Unasked {
            got: format!("partition {index}"),
            asked: format!("{} others", self.positions.len()),
        })
    }
}

fn partition(version: i16, body: &mut Cursor) -> Result<FetchedPartition, Malformed> {
    let index = body.i32("partition_index")?;
    let error = ErrorCode::new(body.i16("error_code")?);
    let high_watermark = body.i64("high_watermark")?;
    let last_stable_offset = body.i64("last_stable_offset")?;
    let log_start_offset = match version {
        ..5 => -1,
        _ => body.i64("log_start_offset")?,
    };
    let mut aborted = Vec::new();
    for _ in 0..body
        .nullable_count("aborted_transactions", 16)?
        .unwrap_or(0)
    {
        aborted.push((body.i64("producer_id")?, body.i64("first_offset")?));
        body.skip_tags()?;
    }
    if version >= 11 {
        body.i32("preferred_read_replica")?;
    }
    let records = body.nullable_bytes("records")?.unwrap_or_default();
    body.skip_tags()?;
    Ok(FetchedPartition {
        index,
        error,
        high_watermark,
        last_stable_offset,
        log_start_offset,
        aborted,
        records,
    })
}

/// As the protocol carries a time to wait: whole milliseconds, at most some 24 days.
pub(crate) fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
