//! One partition's log: whole batches in a row, the oldest dropped when there are too many bytes.
//!
//! Pure: no clock, no I/O. Batches stay the bytes that the producer sent; only base offset and
//! leader epoch, which the CRC does not cover, are written into them.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use karga_kafka::records::{
    BATCH_OVERHEAD, BatchHeader, Batches, Decompressor, set_base_offset, set_leader_epoch,
};

/// The epoch of a leader that never changes.
pub(crate) const LEADER_EPOCH: i32 = 0;

/// Memory is taken in pieces of this size, so that small batches lie side by side. A piece is given
/// back when all of its batches are gone.
const CHUNK: usize = 1024 * 1024;

#[derive(Debug)]
struct Stored {
    base_offset: i64,
    last_offset: i64,
    max_timestamp: i64,
    /// Bytes ever appended before this batch.
    position: u64,
    bytes: Bytes,
}

/// An offset that is not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfRange;

/// A partition's batches.
#[derive(Debug, Default)]
pub(crate) struct PartitionLog {
    batches: VecDeque<Stored>,
    /// The first offset that is still there.
    start: i64,
    /// The offset that the next record gets.
    end: i64,
    /// Bytes ever appended.
    position: u64,
    /// Room for the next batches.
    tail: BytesMut,
}

impl PartitionLog {
    /// The first offset that is still there.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// The offset that the next record gets; with one replica, also the high watermark.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// Bytes of all batches.
    pub(crate) fn bytes(&self) -> u64 {
        self.batches
            .front()
            .map_or(0, |first| self.position - first.position)
    }

    /// Appends a batch that was checked, and returns its first offset.
    ///
    /// `batch` is one whole batch, `header` its header.
    pub(crate) fn append(&mut self, batch: &[u8], header: &BatchHeader) -> i64 {
        debug_assert!(batch.len() >= BATCH_OVERHEAD);
        if self.tail.capacity() < batch.len() {
            self.tail = BytesMut::with_capacity(batch.len().max(CHUNK));
        }
        self.tail.extend_from_slice(batch);
        set_base_offset(&mut self.tail, self.end);
        set_leader_epoch(&mut self.tail, LEADER_EPOCH);
        let bytes = self.tail.split().freeze();
        let base_offset = self.end;
        let last_offset = base_offset + i64::from(header.last_offset_delta);
        self.batches.push_back(Stored {
            base_offset,
            last_offset,
            max_timestamp: header.max_timestamp,
            position: self.position,
            bytes,
        });
        self.position += batch.len() as u64;
        self.end = last_offset + 1;
        base_offset
    }

    /// Drops the oldest batches until at most `max` bytes are left, and returns the bytes dropped.
    /// The newest one stays even if it alone is larger, unless `all_may_go`.
    pub(crate) fn retain(&mut self, max: u64, all_may_go: bool) -> u64 {
        let before = self.bytes();
        let keep = usize::from(!all_may_go);
        while self.bytes() > max && self.batches.len() > keep {
            self.batches.pop_front();
        }
        self.start = self
            .batches
            .front()
            .map_or(self.end, |first| first.base_offset);
        before - self.bytes()
    }

    /// Bytes that a read from `offset` on could give.
    pub(crate) fn available(&self, offset: i64) -> Result<u64, OutOfRange> {
        let index = self.index(offset)?;
        Ok(self
            .batches
            .get(index)
            .map_or(0, |batch| self.position - batch.position))
    }

    /// Whole batches from the one that holds `offset` on, as many as fit into `max` bytes. With
    /// `at_least_one`, the first is given even if it alone is larger, so that a reader can always
    /// go on.
    pub(crate) fn read(
        &self,
        offset: i64,
        max: usize,
        at_least_one: bool,
        mut take: impl FnMut(&Bytes),
    ) -> Result<usize, OutOfRange> {
        let index = self.index(offset)?;
        let mut total = 0;
        for batch in self.batches.range(index..) {
            let fits = total + batch.bytes.len() <= max;
            if !(fits || (at_least_one && total == 0)) {
                break;
            }
            total += batch.bytes.len();
            take(&batch.bytes);
        }
        Ok(total)
    }

    /// The first record stamped at `timestamp` or later: its offset and its timestamp.
    pub(crate) fn find(
        &self,
        timestamp: i64,
        decompressor: &mut Decompressor,
    ) -> Option<(i64, i64)> {
        self.batches
            .iter()
            .filter(|batch| batch.max_timestamp >= timestamp)
            .find_map(|batch| records(batch, decompressor, |(_, stamp)| stamp >= timestamp))
    }

    /// The first record with the latest timestamp of all: its offset and its timestamp.
    pub(crate) fn latest(&self, decompressor: &mut Decompressor) -> Option<(i64, i64)> {
        let max = self.batches.iter().map(|batch| batch.max_timestamp).max()?;
        self.find(max, decompressor)
    }

    /// The place of the batch with `offset`; one behind the last for the end of the log.
    fn index(&self, offset: i64) -> Result<usize, OutOfRange> {
        if offset < self.start || offset > self.end {
            return Err(OutOfRange);
        }
        Ok(self
            .batches
            .partition_point(|batch| batch.last_offset < offset))
    }
}

/// The first record of a batch that fits. Batches were read through when they came in, so that
/// none fails here.
fn records(
    stored: &Stored,
    decompressor: &mut Decompressor,
    fits: impl Fn((i64, i64)) -> bool,
) -> Option<(i64, i64)> {
    let batch = Batches::new(&stored.bytes).next()?.ok()?;
    batch
        .records(decompressor)
        .ok()?
        .map_while(Result::ok)
        .map(|record| (record.offset(), record.timestamp()))
        .find(|found| fits(*found))
}

#[cfg(test)]
mod tests {
    use karga_kafka::records::{BatchEncoder, BatchSettings, Compression, Record};

    use super::*;

    fn batch(timestamps: &[i64], value: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        let mut encoder = BatchEncoder::new();
        let settings = BatchSettings::new().compression(Compression::Lz4);
        let mut writer = encoder.begin(&mut out, settings);
        for timestamp in timestamps {
            writer
                .push(&Record::new(value).timestamp(*timestamp))
                .unwrap();
        }
        writer.finish().unwrap();
        out
    }

    fn append(log: &mut PartitionLog, bytes: &[u8]) -> i64 {
        let batch = Batches::new(bytes).next().unwrap().unwrap();
        log.append(bytes, batch.header())
    }

    fn read(log: &PartitionLog, offset: i64, max: usize) -> Vec<(i64, i64)> {
        let mut found = Vec::new();
        log.read(offset, max, true, |bytes| {
            let batch = Batches::new(bytes).next().unwrap().unwrap();
            batch.verify_crc().unwrap();
            assert_eq!(batch.header().leader_epoch, LEADER_EPOCH);
            found.push((batch.header().base_offset, batch.header().last_offset()));
        })
        .unwrap();
        found
    }

    #[test]
    fn offsets_are_given_in_order_and_found_again() {
        let mut log = PartitionLog::default();
        assert_eq!((log.start(), log.end(), log.bytes()), (0, 0, 0));
        assert_eq!(read(&log, 0, 1_000), []);
        assert_eq!(append(&mut log, &batch(&[1, 2, 3], b"a")), 0);
        assert_eq!(append(&mut log, &batch(&[4], b"a")), 3);
        assert_eq!(append(&mut log, &batch(&[5, 6], b"a")), 4);
        assert_eq!((log.start(), log.end()), (0, 6));
        for (offset, first) in [(0, 0), (2, 0), (3, 1), (4, 2), (5, 2), (6, 3)] {
            let expected = &[(0, 2), (3, 3), (4, 5)][first..];
            assert_eq!(read(&log, offset, usize::MAX), expected, "from {offset}");
        }
        for offset in [-1, 7, i64::MAX, i64::MIN] {
            assert_eq!(log.read(offset, 1, true, |_| ()), Err(OutOfRange));
            assert_eq!(log.available(offset), Err(OutOfRange));
        }
        assert_eq!(log.available(0), Ok(log.bytes()));
        assert_eq!(log.available(6), Ok(0));
    }

    #[test]
    fn reads_stop_at_their_limit_but_give_one_batch() {
        let mut log = PartitionLog::default();
        let one = batch(&[1], b"value");
        for _ in 0..5 {
            append(&mut log, &one);
        }
        assert_eq!(read(&log, 0, 1), [(0, 0)]);
        assert_eq!(log.read(0, 1, false, |_| ()), Ok(0));
        assert_eq!(read(&log, 1, 2 * one.len()), [(1, 1), (2, 2)]);
        assert_eq!(read(&log, 1, 2 * one.len() + 1).len(), 2);
        assert_eq!(log.available(3), Ok(2 * one.len() as u64));
    }

    #[test]
    fn retention_moves_the_start_and_keeps_the_newest() {
        let mut log = PartitionLog::default();
        let one = batch(&[1, 2], &[7; 1_000]);
        let len = one.len() as u64;
        for _ in 0..10 {
            append(&mut log, &one);
        }
        assert_eq!(log.retain(10 * len, false), 0);
        assert_eq!(log.start(), 0);
        assert_eq!(log.retain(3 * len + 1, false), 7 * len);
        assert_eq!((log.start(), log.end(), log.bytes()), (14, 20, 3 * len));
        assert_eq!(log.available(13), Err(OutOfRange));
        assert_eq!(read(&log, 14, usize::MAX).len(), 3);
        log.retain(0, false);
        assert_eq!((log.start(), log.end()), (18, 20));
        assert_eq!(log.retain(len - 1, true), len);
        assert_eq!((log.start(), log.end(), log.bytes()), (20, 20, 0));
        assert_eq!(append(&mut log, &one), 20);
        assert_eq!(read(&log, 20, usize::MAX), [(20, 21)]);
    }

    #[test]
    fn chunks_hold_batches_larger_than_themselves() {
        let mut log = PartitionLog::default();
        let mut noise = 1u32;
        let value: Vec<u8> = (0..3 * CHUNK)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            })
            .collect();
        let large = batch(&[1], &value);
        let small = batch(&[1], b"small");
        for bytes in [&small, &large, &small, &large] {
            append(&mut log, bytes);
        }
        assert_eq!(read(&log, 0, usize::MAX), [(0, 0), (1, 1), (2, 2), (3, 3)]);
    }

    #[test]
    fn timestamps_find_the_record_and_not_just_its_batch() {
        let mut log = PartitionLog::default();
        let mut decompressor = Decompressor::new();
        assert_eq!(log.find(0, &mut decompressor), None);
        assert_eq!(log.latest(&mut decompressor), None);
        append(&mut log, &batch(&[10, 20, 30], b"a"));
        append(&mut log, &batch(&[25, 90, 40], b"a"));
        append(&mut log, &batch(&[90], b"a"));
        for (timestamp, found) in [
            (0, Some((0, 10))),
            (11, Some((1, 20))),
            (30, Some((2, 30))),
            (31, Some((4, 90))),
            (91, None),
        ] {
            assert_eq!(
                log.find(timestamp, &mut decompressor),
                found,
                "at {timestamp}"
            );
        }
        assert_eq!(log.latest(&mut decompressor), Some((4, 90)));
    }
}
