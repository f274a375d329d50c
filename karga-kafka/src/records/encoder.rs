//! Writing a batch in one pass.

use std::fmt;

use bytes::{BufMut as _, BytesMut};

use super::{
    BATCH_OVERHEAD, CRC_START, Compression, EncodeError, LOG_OVERHEAD, MAGIC, Record,
    compress::Compressor, varint,
};

/// The batch's attribute bit of a transaction.
const TRANSACTIONAL: i16 = 1 << 4;

/// Who an idempotent producer's batch comes from, so that a broker can drop what was sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Producer {
    /// The id that InitProducerId gave.
    pub id: i64,
    /// The epoch that InitProducerId gave.
    pub epoch: i16,
    /// The sequence number of the batch's first record in its partition.
    pub base_sequence: i32,
}

/// What is the same for a whole batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchSettings {
    compression: Compression,
    producer: Option<Producer>,
    transactional: bool,
}

impl BatchSettings {
    /// No compression, no producer id, no transaction.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How to compress the records. Default: [`Compression::None`].
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Makes this an idempotent producer's batch. Default: none (id, epoch and sequence -1).
    #[must_use]
    pub fn producer(mut self, producer: Producer) -> Self {
        self.producer = Some(producer);
        self
    }

    /// Makes this batch part of the producer's transaction. Default: false.
    #[must_use]
    pub fn transactional(mut self, transactional: bool) -> Self {
        self.transactional = transactional;
        self
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodedBatch {
    /// Records in the batch, at least one.
    pub records: i32,
    /// Bytes of the whole batch, header included.
    pub bytes: usize,
    /// Bytes that it has before compression, header included.
    pub uncompressed_bytes: usize,
}

/// Writes batches; keeps its compressors and scratch memory from one to the next.
#[derive(Default)]
pub struct BatchEncoder {
    scratch: BytesMut,
    compressor: Compressor,
}

impl BatchEncoder {
    /// An encoder that has allocated nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a batch at the end of `out`. Records without compression go straight into it.
    ///
    /// A batch that is not [finished](BatchWriter::finish) leaves `out` as it was.
    pub fn begin<'a>(
        &'a mut self,
        out: &'a mut BytesMut,
        settings: BatchSettings,
    ) -> BatchWriter<'a> {
        let start = out.len();
        out.put_bytes(0, BATCH_OVERHEAD);
        self.scratch.clear();
        BatchWriter {
            records_start: if settings.compression == Compression::None {
                out.len()
            } else {
                0
            },
            encoder: self,
            out,
            settings,
            start,
            count: 0,
            base_timestamp: 0,
            max_timestamp: 0,
            finished: false,
        }
    }
}

impl fmt::Debug for BatchEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchEncoder")
            .field("scratch", &self.scratch.capacity())
            .finish_non_exhaustive()
    }
}

/// A batch being written.
#[must_use = "a batch that is not finished is taken back"]
pub struct BatchWriter<'a> {
    encoder: &'a mut BatchEncoder,
    out: &'a mut BytesMut,
    settings: BatchSettings,
    /// Where the batch begins in `out`.
    start: usize,
    /// Where its records begin in the buffer that they are written to.
    records_start: usize,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    finished: bool,
}

impl BatchWriter<'_> {
    /// Appends one record. The first one's timestamp becomes the batch's base.
    ///
    /// # Errors
    /// The batch or the record would break the format's 32-bit limits; the record is not in the
    /// batch then, which stays usable.
    #[inline]
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), EncodeError> {
        if self.count == 0 {
            self.base_timestamp = record.timestamp;
            self.max_timestamp = record.timestamp;
        }
        let timestamp_delta = record.timestamp.wrapping_sub(self.base_timestamp);
        let key_len = nullable_len(record.key)?;
        let value_len = nullable_len(record.value)?;
        let headers =
            i32::try_from(record.headers.len()).map_err(|_| EncodeError::TooManyHeaders {
                count: record.headers.len(),
            })?;

        let mut body = 1
            + varint::len_long(timestamp_delta)
            + varint::len(self.count)
            + varint::len(key_len)
            + record.key.map_or(0, <[u8]>::len)
            + varint::len(value_len)
            + record.value.map_or(0, <[u8]>::len)
            + varint::len(headers);
        for header in record.headers {
            body += varint::len(len(header.key.as_bytes())?)
                + header.key.len()
                + varint::len(nullable_len(header.value)?)
                + header.value.map_or(0, <[u8]>::len);
        }
        let total = self.uncompressed_len() + body + varint::MAX_VARINT;
        if total > i32::MAX as usize || self.count == i32::MAX {
            return Err(EncodeError::TooLarge { bytes: total });
        }

        let buffer = match self.settings.compression {
            Compression::None => &mut *self.out,
            _ => &mut self.encoder.scratch,
        };
        // Grown at once and then written into: cheaper than appending seven small pieces.
        let start = buffer.len();
        buffer.resize(start + varint::len(body as i32) + body, 0);
        let out = &mut buffer[start..];
        let mut at = varint::put(out, 0, body as i32);
        at += 1; // attributes: none are defined for a record
        at = varint::put_long(out, at, timestamp_delta);
        at = varint::put(out, at, self.count);
        at = put_nullable(out, at, key_len, record.key);
        at = put_nullable(out, at, value_len, record.value);
        at = varint::put(out, at, headers);
        for header in record.headers {
            // The lengths were checked above, when the record's size was summed up.
            at = put_nullable(
                out,
                at,
                header.key.len() as i32,
                Some(header.key.as_bytes()),
            );
            let len = header.value.map_or(-1, |value| value.len() as i32);
            at = put_nullable(out, at, len, header.value);
        }
        debug_assert_eq!(at, out.len());
        self.count += 1;
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        Ok(())
    }

    /// Records so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.cast_unsigned() as usize
    }

    /// Whether there is no record yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the batch so far, header included, before compression.
    #[must_use]
    pub fn uncompressed_len(&self) -> usize {
        let records = match self.settings.compression {
            Compression::None => self.out.len() - self.records_start,
            _ => self.encoder.scratch.len(),
        };
        BATCH_OVERHEAD + records
    }

    /// Compresses the records where that was asked for, then writes lengths, counts and checksum.
    ///
    /// # Errors
    /// There is no record, or the compressor failed: the buffer is as before [`BatchEncoder::begin`].
    pub fn finish(mut self) -> Result<EncodedBatch, EncodeError> {
        if self.count == 0 {
            return Err(EncodeError::Empty);
        }
        let uncompressed_bytes = self.uncompressed_len();
        let codec = self.settings.compression;
        if codec != Compression::None {
            let BatchEncoder {
                scratch,
                compressor,
            } = &mut *self.encoder;
            compressor
                .compress(codec, scratch, self.out)
                .map_err(|source| EncodeError::Compress { codec, source })?;
        }
        let bytes = self.out.len() - self.start;
        let length =
            i32::try_from(bytes - LOG_OVERHEAD).map_err(|_| EncodeError::TooLarge { bytes })?;
        let producer = self.settings.producer.unwrap_or(Producer {
            id: -1,
            epoch: -1,
            base_sequence: -1,
        });
        let attributes = codec.code()
            | if self.settings.transactional {
                TRANSACTIONAL
            } else {
                0
            };

        let batch = &mut self.out[self.start..];
        let mut fields = &mut batch[..BATCH_OVERHEAD];
        fields.put_i64(0); // base offset: the broker's to set
        fields.put_i32(length);
        fields.put_i32(-1); // partition leader epoch: the broker's to set
        fields.put_i8(MAGIC);
        fields.put_u32(0); // CRC, below
        fields.put_i16(attributes);
        fields.put_i32(self.count - 1); // last offset delta
        fields.put_i64(self.base_timestamp);
        fields.put_i64(self.max_timestamp);
        fields.put_i64(producer.id);
        fields.put_i16(producer.epoch);
        fields.put_i32(producer.base_sequence);
        fields.put_i32(self.count);
        let crc = crc32c::crc32c(&batch[CRC_START..]);
        batch[CRC_START - 4..CRC_START].copy_from_slice(&crc.to_be_bytes());
        self.finished = true;
        Ok(EncodedBatch {
            records: self.count,
            bytes,
            uncompressed_bytes,
        })
    }
}

impl fmt::Debug for BatchWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchWriter")
            .field("settings", &self.settings)
            .field("records", &self.count)
            .finish_non_exhaustive()
    }
}

impl Drop for BatchWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.out.truncate(self.start);
        }
    }
}

/// Writes a length and its bytes at `out[at..]` and returns the place after them.
#[inline]
fn put_nullable(out: &mut [u8], at: usize, len: i32, bytes: Option<&[u8]>) -> usize {
    let at = varint::put(out, at, len);
    let bytes = bytes.unwrap_or_default();
    let end = at + bytes.len();
    out[at..end].copy_from_slice(bytes);
    end
}

#[inline]
fn len(bytes: &[u8]) -> Result<i32, EncodeError> {
    i32::try_from(bytes.len()).map_err(|_| EncodeError::TooLarge { bytes: bytes.len() })
}

#[inline]
fn nullable_len(bytes: Option<&[u8]>) -> Result<i32, EncodeError> {
    bytes.map_or(Ok(-1), len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Header;

    #[test]
    fn the_known_bytes_of_a_batch() {
        // Written down field by field from the format's description.
        let mut out = BytesMut::from(&b"frame"[..]);
        let mut encoder = BatchEncoder::new();
        let mut batch = encoder.begin(
            &mut out,
            BatchSettings::new().producer(Producer {
                id: 7,
                epoch: 1,
                base_sequence: 40,
            }),
        );
        let headers = [
            Header {
                key: "h",
                value: Some(b"1"),
            },
            Header {
                key: "h",
                value: None,
            },
        ];
        batch
            .push(&Record::new(b"vv").key(b"k").timestamp(1_000))
            .unwrap();
        batch
            .push(&Record::null().headers(&headers).timestamp(999))
            .unwrap();
        let encoded = batch.finish().unwrap();
        assert_eq!((encoded.records, encoded.bytes), (2, 61 + 10 + 14));
        assert_eq!(encoded.uncompressed_bytes, encoded.bytes);

        let mut expected = b"frame".to_vec();
        expected.extend(0i64.to_be_bytes()); // base offset
        expected.extend((49i32 + 24).to_be_bytes()); // length
        expected.extend((-1i32).to_be_bytes()); // leader epoch
        expected.push(2); // magic
        expected.extend(out[5 + 17..5 + 21].to_vec()); // CRC, checked below
        expected.extend([0, 0]); // attributes
        expected.extend(1i32.to_be_bytes()); // last offset delta
        expected.extend(1_000i64.to_be_bytes());
        expected.extend(1_000i64.to_be_bytes()); // max
        expected.extend(7i64.to_be_bytes());
        expected.extend(1i16.to_be_bytes());
        expected.extend(40i32.to_be_bytes());
        expected.extend(2i32.to_be_bytes());
        expected.extend([18, 0, 0, 0, 2, b'k', 4, b'v', b'v', 0]);
        expected.extend([26, 0, 1, 2, 1, 1, 4, 2, b'h', 2, b'1', 2, b'h', 1]);
        assert_eq!(out, expected);
        let crc = u32::from_be_bytes(out[22..26].try_into().unwrap());
        assert_eq!(crc, crc32c::crc32c(&out[26..]));
    }

    #[test]
    fn what_is_not_finished_leaves_no_trace() {
        let mut out = BytesMut::from(&b"frame"[..]);
        let mut encoder = BatchEncoder::new();
        for compression in Compression::ALL {
            let settings = BatchSettings::new().compression(compression);
            let error = encoder.begin(&mut out, settings).finish().unwrap_err();
            assert!(matches!(error, EncodeError::Empty));
            let mut batch = encoder.begin(&mut out, settings);
            batch.push(&Record::new(b"value")).unwrap();
            assert_eq!((batch.len(), batch.is_empty()), (1, false));
            assert_eq!(batch.uncompressed_len(), 61 + 12);
            drop(batch);
            assert_eq!(&out[..], b"frame");
        }
    }
}
