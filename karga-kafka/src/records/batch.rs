//! Walking the batches in a row of bytes, and what stands in a batch's header.

use std::iter::FusedIterator;

use super::{
    BATCH_OVERHEAD, BatchError, CRC_START, Compression, Decompressor, LOG_OVERHEAD, MAGIC,
    Producer, Records,
};

/// Bytes up to and with the magic, which lies at the same place in every format.
const MAGIC_END: usize = 17;

const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// The fixed part of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchHeader {
    /// Offset of the first record; 0 in what a producer sends.
    pub base_offset: i64,
    /// Bytes of the batch without the first 12.
    pub length: i32,
    /// The leader's epoch when it appended the batch; -1 in what a producer sends.
    pub leader_epoch: i32,
    /// CRC-32C of everything from the attributes on, as stored.
    pub crc: u32,
    /// All attribute bits.
    pub attributes: i16,
    /// Offset of the last record, counted from the first; compaction may leave it higher than
    /// `count - 1`.
    pub last_offset_delta: i32,
    /// Milliseconds since the Unix epoch that the records' timestamps count from.
    pub base_timestamp: i64,
    /// The latest timestamp in the batch.
    pub max_timestamp: i64,
    /// The idempotent producer's id, or -1.
    pub producer_id: i64,
    /// The idempotent producer's epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Number of records claimed; not yet checked against the bytes.
    pub count: i32,
}

impl BatchHeader {
    fn parse(bytes: &[u8; BATCH_OVERHEAD]) -> Self {
        /// `N` bytes at a constant place inside the header.
        fn at<const N: usize>(bytes: &[u8; BATCH_OVERHEAD], start: usize) -> [u8; N] {
            let mut field = [0; N];
            field.copy_from_slice(&bytes[start..start + N]);
            field
        }
        Self {
            base_offset: i64::from_be_bytes(at(bytes, 0)),
            length: i32::from_be_bytes(at(bytes, 8)),
            leader_epoch: i32::from_be_bytes(at(bytes, 12)),
            crc: u32::from_be_bytes(at(bytes, 17)),
            attributes: i16::from_be_bytes(at(bytes, 21)),
            last_offset_delta: i32::from_be_bytes(at(bytes, 23)),
            base_timestamp: i64::from_be_bytes(at(bytes, 27)),
            max_timestamp: i64::from_be_bytes(at(bytes, 35)),
            producer_id: i64::from_be_bytes(at(bytes, 43)),
            producer_epoch: i16::from_be_bytes(at(bytes, 51)),
            base_sequence: i32::from_be_bytes(at(bytes, 53)),
            count: i32::from_be_bytes(at(bytes, 57)),
        }
    }

    /// Offset of the last record.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset
            .wrapping_add(i64::from(self.last_offset_delta))
    }

    /// Where to fetch next.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// How the records are compressed; `None` for a code that nobody has defined.
    #[must_use]
    pub fn compression(&self) -> Option<Compression> {
        Compression::from_attributes(self.attributes)
    }

    /// Whether the broker stamped the batch as it was appended: all its records then have
    /// [`max_timestamp`](Self::max_timestamp).
    #[must_use]
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Whether the batch belongs to a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch holds a transaction's marker instead of records for consumers, who skip
    /// it. Its offsets count.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// The idempotent producer that sent this batch, if one did.
    #[must_use]
    pub fn producer(&self) -> Option<Producer> {
        (self.producer_id >= 0).then_some(Producer {
            id: self.producer_id,
            epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
        })
    }
}

/// One whole batch, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The fixed part.
    #[must_use]
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All of the batch's bytes, header included.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Checks that the bytes from the attributes on are the ones that were written.
    ///
    /// # Errors
    /// [`BatchError::Crc`] with both checksums.
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let computed = crc32c::crc32c(&self.bytes[CRC_START..]);
        if computed == self.header.crc {
            return Ok(());
        }
        Err(BatchError::Crc {
            stored: self.header.crc,
            computed,
            base_offset: self.header.base_offset,
        })
    }

    /// The records, lent from the batch itself, or from `decompressor` when they are compressed.
    ///
    /// Does not check the CRC: see [`verify_crc`](Self::verify_crc).
    ///
    /// # Errors
    /// Unknown compression, records that do not decompress or are over the decompressor's limit,
    /// or a count that the bytes cannot hold.
    pub fn records<'r>(&self, decompressor: &'r mut Decompressor) -> Result<Records<'r>, BatchError>
    where
        'a: 'r,
    {
        let stored = &self.bytes[BATCH_OVERHEAD..];
        let records = match self.header.compression() {
            Some(Compression::None) => stored,
            Some(codec) => decompressor.decompress(codec, stored)?,
            None => {
                return Err(BatchError::UnknownCompression {
                    code: self.header.attributes & 7,
                    base_offset: self.header.base_offset,
                });
            }
        };
        Records::new(&self.header, records)
    }
}

/// Bytes at the end that are not a whole batch: a Fetch answer is cut at its size limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartialBatch {
    /// Bytes that are there.
    pub available: usize,
    /// Bytes that the whole batch has; `None` when not even its length is there.
    pub needed: Option<usize>,
}

/// The batches in a row of bytes, in order.
///
/// Ends at the first batch that is not whole ([`partial`](Self::partial) tells), and after the
/// first error, since nothing behind it can be found.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
    failed: bool,
}

impl<'a> Batches<'a> {
    /// Walks the batches in `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            failed: false,
        }
    }

    /// Bytes that were not walked yet.
    #[must_use]
    pub fn remaining(&self) -> &'a [u8] {
        self.rest
    }

    /// What is left when the walk has ended without an error: `None` if the bytes ended with a
    /// whole batch.
    #[must_use]
    pub fn partial(&self) -> Option<PartialBatch> {
        if self.rest.is_empty() || self.failed {
            return None;
        }
        let needed = self
            .rest
            .first_chunk::<LOG_OVERHEAD>()
            .and_then(|[.., a, b, c, d]| usize::try_from(i32::from_be_bytes([*a, *b, *c, *d])).ok())
            .map(|length| length + LOG_OVERHEAD);
        Some(PartialBatch {
            available: self.rest.len(),
            needed,
        })
    }

    fn take(&mut self) -> Result<Option<Batch<'a>>, BatchError> {
        let Some(start) = self.rest.first_chunk::<MAGIC_END>() else {
            return Ok(None);
        };
        let [o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3, .., magic] = *start;
        let base_offset = i64::from_be_bytes([o0, o1, o2, o3, o4, o5, o6, o7]);
        let length = i32::from_be_bytes([l0, l1, l2, l3]);
        let magic = magic.cast_signed();
        if magic != MAGIC {
            return Err(BatchError::UnsupportedMagic { magic, base_offset });
        }
        let whole = usize::try_from(length)
            .ok()
            .filter(|length| *length >= BATCH_OVERHEAD - LOG_OVERHEAD)
            .ok_or(BatchError::Length {
                length,
                base_offset,
            })?
            + LOG_OVERHEAD;
        let Some((bytes, rest)) = self.rest.split_at_checked(whole) else {
            return Ok(None);
        };
        let fixed = bytes
            .first_chunk()
            .expect("invariant: no shorter than a header, see above");
        self.rest = rest;
        Ok(Some(Batch {
            header: BatchHeader::parse(fixed),
            bytes,
        }))
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let batch = self.take().transpose()?;
        self.failed = batch.is_err();
        Some(batch)
    }
}

impl FusedIterator for Batches<'_> {}

/// Gives the batch at the start of `bytes` its place in a log: the CRC does not cover it.
///
/// # Panics
/// If `bytes` is shorter than a batch's header.
pub fn set_base_offset(bytes: &mut [u8], base_offset: i64) {
    bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
}

/// Notes the leader's epoch in the batch at the start of `bytes`: the CRC does not cover it.
///
/// # Panics
/// If `bytes` is shorter than a batch's header.
pub fn set_leader_epoch(bytes: &mut [u8], epoch: i32) {
    bytes[LOG_OVERHEAD..MAGIC_END - 1].copy_from_slice(&epoch.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::records::{BatchEncoder, BatchSettings, Record};

    fn two_batches() -> BytesMut {
        let mut out = BytesMut::new();
        let mut encoder = BatchEncoder::new();
        for value in [&b"first"[..], b"second"] {
            let mut batch = encoder.begin(&mut out, BatchSettings::new());
            batch.push(&Record::new(value)).unwrap();
            batch.finish().unwrap();
        }
        out
    }

    #[test]
    fn every_cut_gives_whole_batches_and_says_what_is_missing() {
        let bytes = two_batches();
        let first = 61 + 12;
        for cut in 0..=bytes.len() {
            let mut batches = Batches::new(&bytes[..cut]);
            let whole = batches.by_ref().map(Result::unwrap).count();
            let expected = usize::from(cut >= first) + usize::from(cut == bytes.len());
            assert_eq!(whole, expected, "cut at {cut}");
            let rest = cut - [0, first, bytes.len()][expected];
            match batches.partial() {
                None => assert_eq!(rest, 0),
                Some(PartialBatch { available, needed }) => {
                    assert_eq!(available, rest);
                    let length = [first, first + 1][expected];
                    assert_eq!(needed, (rest >= 12).then_some(length), "cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn old_formats_and_lying_lengths_are_named() {
        let good = two_batches();
        for magic in [0, 1, 3, -1i8] {
            let mut bytes = good.clone();
            bytes[16] = magic.cast_unsigned();
            let mut batches = Batches::new(&bytes);
            let error = batches.next().unwrap().unwrap_err();
            assert!(
                matches!(error, BatchError::UnsupportedMagic { magic: m, .. } if m == magic),
                "{error}"
            );
            assert!(batches.next().is_none());
            assert_eq!(batches.partial(), None);
        }
        for length in [0, 48, -1, i32::MIN] {
            let mut bytes = good.clone();
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            let error = Batches::new(&bytes).next().unwrap().unwrap_err();
            assert!(
                matches!(error, BatchError::Length { length: l, .. } if l == length),
                "{error}"
            );
        }
    }

    #[test]
    fn offset_and_epoch_are_outside_of_the_crc_and_all_else_is_not() {
        let mut bytes = two_batches().split_to(73);
        set_base_offset(&mut bytes, 1 << 40);
        set_leader_epoch(&mut bytes, 9);
        let batch = Batches::new(&bytes).next().unwrap().unwrap();
        batch.verify_crc().unwrap();
        assert_eq!(batch.header().base_offset, 1 << 40);
        assert_eq!(batch.header().next_offset(), (1 << 40) + 1);
        assert_eq!(batch.header().leader_epoch, 9);
        assert_eq!(batch.header().producer(), None);
        for at in 17..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let batch = Batches::new(&damaged).next().unwrap().unwrap();
            assert!(
                matches!(batch.verify_crc(), Err(BatchError::Crc { .. })),
                "byte {at}"
            );
        }
    }

    #[test]
    fn attributes_are_read() {
        let mut bytes = two_batches();
        bytes[22] = 0b11_1101;
        let batch = Batches::new(&bytes).next().unwrap().unwrap();
        let header = batch.header();
        assert!(header.is_control() && header.is_transactional() && header.is_log_append_time());
        assert_eq!(header.compression(), None);
        let error = batch.records(&mut Decompressor::new()).unwrap_err();
        assert!(
            matches!(error, BatchError::UnknownCompression { code: 5, .. }),
            "{error}"
        );
    }
}
