//! The records of one batch.

use std::iter::FusedIterator;

use super::{BatchError, BatchHeader, Header, varint};

/// Length, attributes, two deltas, null key, null value, no headers: one byte each.
const MIN_RECORD: usize = 7;
/// Key length and value length.
const MIN_HEADER: usize = 2;

/// A record as it stands in a batch, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct FetchedRecord<'a> {
    offset: i64,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Headers<'a>,
}

impl<'a> FetchedRecord<'a> {
    /// Its place in the partition.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Milliseconds since the Unix epoch, by the producer's clock or, if the topic says so, the
    /// broker's.
    #[must_use]
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// The key; `None` is null.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// The value; `None` is null.
    #[must_use]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// The headers, in order, repeated keys kept.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        self.headers
    }
}

/// The records of a batch, in order; ends after the first error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    base_offset: i64,
    base_timestamp: i64,
    /// The one timestamp of all records, when the broker stamped the batch.
    append_time: Option<i64>,
    last_offset_delta: i32,
    index: i32,
    count: i32,
}

impl<'a> Records<'a> {
    pub(super) fn new(header: &BatchHeader, bytes: &'a [u8]) -> Result<Self, BatchError> {
        let possible = bytes.len() / MIN_RECORD;
        if usize::try_from(header.count).map_or(true, |count| count > possible) {
            return Err(BatchError::Count {
                count: header.count,
                bytes: bytes.len(),
                base_offset: header.base_offset,
            });
        }
        Ok(Self {
            rest: bytes,
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            append_time: header.is_log_append_time().then_some(header.max_timestamp),
            last_offset_delta: header.last_offset_delta,
            index: 0,
            count: header.count,
        })
    }

    #[inline]
    fn take(&mut self) -> Result<FetchedRecord<'a>, &'static str> {
        let len = varint::take(&mut self.rest).ok_or("its length is cut off")?;
        let (mut body, rest) = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len))
            .ok_or("its length is negative or goes beyond the batch")?;
        self.rest = rest;
        let (_attributes, after) = body.split_first().ok_or("it is empty")?;
        body = after;
        let timestamp_delta = varint::take_long(&mut body).ok_or("bad timestamp")?;
        let offset_delta = varint::take(&mut body).ok_or("bad offset")?;
        if offset_delta < 0 || offset_delta > self.last_offset_delta {
            return Err("its offset is outside of the batch");
        }
        let key = take_nullable(&mut body).ok_or("bad key length")?;
        let value = take_nullable(&mut body).ok_or("bad value length")?;
        let headers = Headers::take(&mut body)?;
        if !body.is_empty() {
            return Err("bytes left over at its end");
        }
        Ok(FetchedRecord {
            offset: self.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp: self
                .append_time
                .unwrap_or_else(|| self.base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            headers,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<FetchedRecord<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.count {
            if self.rest.is_empty() {
                return None;
            }
            let bytes = std::mem::take(&mut self.rest).len();
            return Some(Err(BatchError::Trailing {
                bytes,
                base_offset: self.base_offset,
            }));
        }
        let index = self.index;
        self.index += 1;
        Some(self.take().map_err(|what| {
            self.index = self.count;
            self.rest = &[];
            BatchError::Record {
                index,
                base_offset: self.base_offset,
                what,
            }
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // The count was checked against the bytes, so that collecting cannot over-allocate; one
        // more for bytes left over.
        let left = (self.count - self.index).cast_unsigned() as usize;
        (0, Some(left + usize::from(!self.rest.is_empty())))
    }
}

impl FusedIterator for Records<'_> {}

/// The headers of one record, in order.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    /// Exactly the headers, their structure checked.
    rest: &'a [u8],
    left: usize,
}

impl<'a> Headers<'a> {
    #[inline]
    fn take(body: &mut &'a [u8]) -> Result<Self, &'static str> {
        let count = varint::take(body).ok_or("bad header count")?;
        let left = usize::try_from(count).map_err(|_| "its header count is negative")?;
        if left == 0 {
            return Ok(Self { rest: &[], left });
        }
        if left > body.len() / MIN_HEADER {
            return Err("its header count goes beyond it");
        }
        let headers = Self { rest: body, left };
        for _ in 0..left {
            take_nullable(body).flatten().ok_or("bad header key")?;
            take_nullable(body).ok_or("bad header value")?;
        }
        Ok(headers)
    }
}

impl<'a> Iterator for Headers<'a> {
    /// A header; or `Err` with the bytes of a key that is not UTF-8, and its value.
    type Item = Result<Header<'a>, (&'a [u8], Option<&'a [u8]>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let key = take_nullable(&mut self.rest)??;
        let value = take_nullable(&mut self.rest)?;
        Some(
            std::str::from_utf8(key)
                .map(|key| Header { key, value })
                .map_err(|_| (key, value)),
        )
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// Takes a length and that many bytes; length -1 is null, any other below zero is refused.
#[inline]
fn take_nullable<'a>(input: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let len = varint::take(input)?;
    if len == -1 {
        return Some(None);
    }
    let (bytes, rest) = input.split_at_checked(usize::try_from(len).ok()?)?;
    *input = rest;
    Some(Some(bytes))
}
