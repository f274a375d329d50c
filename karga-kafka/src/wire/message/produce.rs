//! Produce: one record batch for one partition, written once, straight into the frame.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::{Call, RequestError, put_count_in, put_no_tags_in, put_text_in, put_uvarint, uvarint};
use crate::config::Acks;
use crate::error_codes::ErrorCode;
use crate::wire::cursor::{Cursor, Malformed};
use crate::wire::versions::{Api, Unsupported, Versions};

pub(crate) mod group;

/// The first version that names the topic by its id.
const BY_ID: i16 = 13;

/// Bytes kept free in front of the records for their length: what the longest compact length takes.
const LEN_ROOM: usize = 5;

pub(crate) struct Produce<'a, W> {
    pub(crate) topic: &'a str,
    /// Zero when it is not known.
    pub(crate) topic_id: u128,
    pub(crate) partition: i32,
    pub(crate) acks: Acks,
    pub(crate) timeout_ms: i32,
    pub(crate) records: Records<W>,
    /// Keep a copy of the records, to send them again.
    pub(crate) keep: bool,
}

/// Records that are still to be written by the caller, or were kept from an earlier attempt.
pub(crate) enum Records<W> {
    Writer(W),
    Kept(Bytes),
    Spent,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) error: Option<ErrorCode>,
    pub(crate) message: Option<String>,
    pub(crate) base_offset: i64,
    pub(crate) log_append_time: i64,
    pub(crate) log_start_offset: i64,
    pub(crate) throttle_ms: i32,
}

impl<W, E> Call for Produce<'_, W>
where
    W: FnOnce(&mut BytesMut) -> Result<(), E> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Answer = Answer;
    const API: Api = Api::Produce;

    fn version(&self, versions: &Versions) -> Result<i16, Unsupported> {
        let limit = if self.topic_id == 0 {
            BY_ID - 1
        } else {
            i16::MAX
        };
        versions.newest_up_to(Api::Produce, limit)
    }

    fn encode(&mut self, version: i16, out: &mut BytesMut) -> Result<(), RequestError> {
        let flexible = Api::Produce.is_flexible(version);
        if flexible {
            put_uvarint(out, 0); // transactional_id: null
        } else {
            out.put_i16(-1);
        }
        out.put_i16(self.acks.to_wire());
        out.put_i32(self.timeout_ms);
        put_count_in(out, flexible, 1)?;
        if version >= BY_ID {
            out.put_u128(self.topic_id);
        } else {
            put_text_in(out, flexible, self.topic)?;
        }
        put_count_in(out, flexible, 1)?;
        out.put_i32(self.partition);
        self.put_records(flexible, out)?;
        for _structure in ["partition", "topic", "request"] {
            put_no_tags_in(out, flexible);
        }
        Ok(())
    }

    fn decode(&self, version: i16, body: &mut Cursor) -> Result<Answer, Malformed> {
        let topics = body.count("responses", 3)?;
        let mut answer = None;
        for _ in 0..topics {
            if version >= BY_ID {
                body.u128("topic_id")?;
            } else {
                body.text("name")?;
            }
            for _ in 0..body.count("partition_responses", 22)? {
                let (index, one) = partition(version, body)?;
                if index != self.partition || answer.is_some() {
                    return Err(self.unasked(index));
                }
                answer = Some(one);
            }
            body.skip_tags()?;
        }
        let throttle_ms = body.i32("throttle_time_ms")?;
        body.skip_tags()?;
        let mut answer = answer.ok_or_else(|| self.unasked_nothing())?;
        answer.throttle_ms = throttle_ms;
        Ok(answer)
    }

    fn unanswered(&self) -> Option<Answer> {
        (self.acks == Acks::None).then_some(Answer {
            error: None,
            message: None,
            base_offset: -1,
            log_append_time: -1,
            log_start_offset: -1,
            throttle_ms: 0,
        })
    }
}

impl<W, E> Produce<'_, W>
where
    W: FnOnce(&mut BytesMut) -> Result<(), E> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn put_records(&mut self, flexible: bool, out: &mut BytesMut) -> Result<(), RequestError> {
        let gap = out.len();
        out.put_bytes(0, LEN_ROOM);
        let start = out.len();
        match std::mem::replace(&mut self.records, Records::Spent) {
            Records::Writer(write) => {
                write(out).map_err(|error| RequestError::Records(error.into()))?;
            }
            Records::Kept(bytes) => out.put_slice(&bytes),
            Records::Spent => {
                return Err(RequestError::Value(
                    "records that were written before".into(),
                ));
            }
        }
        let len = out.len().checked_sub(start).ok_or_else(|| {
            RequestError::Value("records whose writer removed bytes that are not its own".into())
        })?;
        if self.keep {
            self.records = Records::Kept(Bytes::copy_from_slice(&out[start..]));
        }
        let fits = i32::try_from(len)
            .map_err(|_| RequestError::Value(format!("a record batch of {len} bytes")))?;
        // The length is known only now, and its own length varies: the few bytes in front of the
        // gap move up to it, which is cheaper than moving the records down.
        let (prefix, prefix_len) = if flexible {
            uvarint(fits.cast_unsigned() + 1)
        } else {
            let [a, b, c, d] = fits.to_be_bytes();
            ([a, b, c, d, 0], 4)
        };
        out[start - prefix_len..start].copy_from_slice(&prefix[..prefix_len]);
        close_gap(out, gap, LEN_ROOM - prefix_len);
        Ok(())
    }

    fn unasked(&self, partition: i32) -> Malformed {
        Malformed::Unasked {
            got: format!("partition {partition}"),
            asked: format!("one batch for partition {}", self.partition),
        }
    }

    fn unasked_nothing(&self) -> Malformed {
        Malformed::Unasked {
            got: "no partition".to_owned(),
            asked: format!("partition {}", self.partition),
        }
    }
}

/// Moves everything in front of `gap` up over `unused` bytes, so that nothing lies between.
fn close_gap(out: &mut BytesMut, gap: usize, unused: usize) {
    out.copy_within(..gap, unused);
    out.advance(unused);
}

fn partition(version: i16, body: &mut Cursor) -> Result<(i32, Answer), Malformed> {
    let index = body.i32("index")?;
    let error = ErrorCode::new(body.i16("error_code")?);
    let base_offset = body.i64("base_offset")?;
    let log_append_time = body.i64("log_append_time_ms")?;
    let log_start_offset = match version {
        ..5 => -1,
        _ => body.i64("log_start_offset")?,
    };
    let mut message = None;
    if version >= 8 {
        let mut of_record = None;
        for _ in 0..body.count("record_errors", 6)? {
            body.i32("batch_index")?;
            let text = body.nullable_text("batch_index_error_message")?;
            of_record = of_record.or(text);
            body.skip_tags()?;
        }
        // A record's own message says more than the batch's.
        let of_batch = body.nullable_text("error_message")?;
        message = of_record.or(of_batch);
    }
    body.skip_tags()?; // among them the new leader, from version 10 on: metadata tells it too
    let answer = Answer {
        error,
        message,
        base_offset,
        log_append_time,
        log_start_offset,
        throttle_ms: 0,
    };
    Ok((index, answer))
}
