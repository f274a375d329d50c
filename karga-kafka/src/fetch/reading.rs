//! Reading the records of a fetch answer: every batch checked, every record parsed.

use std::collections::HashSet;

use crate::records::{Batch, BatchError, Batches, Decompressor, FetchedRecord};

/// Called with the partition and each new record.
pub(crate) type OnRecord = dyn Fn(i32, &FetchedRecord<'_>) + Send + Sync;

/// What was read of one partition.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Where to go on.
    pub(crate) next: i64,
    /// Records read that had not been read before.
    pub(crate) messages: u64,
    /// Why the rest could not be read.
    pub(crate) fault: Option<ReadFault>,
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadFault {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error("the first batch came incomplete")]
    Partial,
}

impl ReadFault {
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Batch(BatchError::UnsupportedMagic { .. }) => "unsupported batch format",
            Self::Batch(BatchError::TooLarge { .. }) => "batch too large",
            Self::Batch(_) => "corrupt batch",
            Self::Partial => "incomplete batch",
        }
    }
}

/// A partition's place in its log and what reads it.
pub(crate) struct Reader<'a> {
    pub(crate) partition: i32,
    /// The first offset not yet read.
    pub(crate) position: i64,
    /// Aborted transactions to leave out: the producer's id and the first offset of each. Empty
    /// where uncommitted records are wanted.
    pub(crate) aborted: &'a [(i64, i64)],
    pub(crate) decompressor: &'a mut Decompressor,
    pub(crate) on_record: Option<&'a OnRecord>,
}

impl Reader<'_> {
    /// Reads all whole batches in `bytes`; stops at the first that cannot be read, behind those
    /// that can.
    pub(crate) fn read(mut self, bytes: &[u8]) -> Reading {
        let mut reading = Reading {
            next: self.position,
            messages: 0,
            fault: None,
        };
        let mut aborts = Aborts::new(self.aborted);
        let mut whole = false;
        for batch in Batches::new(bytes) {
            let read = batch.and_then(|batch| {
                let messages = self.read_batch(&batch, &mut aborts)?;
                Ok((messages, batch.header().next_offset()))
            });
            match read {
                Ok((messages, next)) => {
                    whole = true;
                    reading.messages += messages;
                    reading.next = reading.next.max(next);
                }
                Err(error) => {
                    reading.fault = Some(error.into());
                    return reading;
                }
            }
        }
        if !whole && !bytes.is_empty() {
            reading.fault = Some(ReadFault::Partial);
        }
        reading
    }

    fn read_batch(
        &mut self,
        batch: &Batch<'_>,
        aborts: &mut Aborts<'_>,
    ) -> Result<u64, BatchError> {
        batch.verify_crc()?;
        let header = batch.header();
        if header.is_control() {
            aborts.end(batch, self.decompressor)?;
            return Ok(0);
        }
        let wanted = !aborts.covers(batch);
        let mut messages = 0;
        for record in batch.records(self.decompressor)? {
            let record = record?;
            // A batch comes whole, also when the position is in its middle.
            if wanted && record.offset() >= self.position {
                messages += 1;
                if let Some(on_record) = self.on_record {
                    on_record(self.partition, &record);
                }
            }
        }
        Ok(messages)
    }
}

/// Which producers' records belong to an aborted transaction at this place of the log, found as
/// Kafka's own consumer does (`CompletedFetch.java`).
struct Aborts<'a> {
    /// By first offset.
    ahead: Vec<&'a (i64, i64)>,
    open: HashSet<i64>,
}

impl<'a> Aborts<'a> {
    fn new(aborted: &'a [(i64, i64)]) -> Self {
        let mut ahead: Vec<_> = aborted.iter().collect();
        ahead.sort_by_key(|(_, first)| std::cmp::Reverse(*first));
        Self {
            ahead,
            open: HashSet::new(),
        }
    }

    fn covers(&mut self, batch: &Batch<'_>) -> bool {
        let header = batch.header();
        while let Some((producer, _)) = self
            .ahead
            .pop_if(|(_, first)| *first <= header.last_offset())
        {
            self.open.insert(*producer);
        }
        header.is_transactional() && self.open.contains(&header.producer_id)
    }

    /// Takes note of a transaction's end. The key of a marker is its version and its type, each
    /// 16 bits; type 0 is an abort.
    fn end(
        &mut self,
        batch: &Batch<'_>,
        decompressor: &mut Decompressor,
    ) -> Result<(), BatchError> {
        if self.open.is_empty() {
            return Ok(());
        }
        for record in batch.records(decompressor)? {
            if let Some([_, _, 0, 0, ..]) = record?.key() {
                self.open.remove(&batch.header().producer_id);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::BytesMut;

    use super::*;
    use crate::records::{BatchEncoder, BatchSettings, Producer, Record, set_base_offset};

    fn batch(base: i64, values: &[&str], settings: BatchSettings) -> BytesMut {
        let mut out = BytesMut::new();
        let mut encoder = BatchEncoder::new();
        let mut writer = encoder.begin(&mut out, settings);
        for value in values {
            writer.push(&Record::new(value.as_bytes())).unwrap();
        }
        writer.finish().unwrap();
        set_base_offset(&mut out, base);
        out
    }

    fn read(bytes: &[u8], position: i64, aborted: &[(i64, i64)]) -> (Reading, Vec<(i64, String)>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let hook = Arc::clone(&seen);
        let on_record = move |partition: i32, record: &FetchedRecord<'_>| {
            assert_eq!(partition, 4);
            let value = String::from_utf8(record.value().unwrap().to_vec()).unwrap();
            hook.lock().unwrap().push((record.offset(), value));
        };
        let reader = Reader {
            partition: 4,
            position,
            aborted,
            decompressor: &mut Decompressor::new(),
            on_record: Some(&on_record),
        };
        let reading = reader.read(bytes);
        let seen = seen.lock().unwrap().clone();
        (reading, seen)
    }

    fn values(seen: &[(i64, String)]) -> Vec<&str> {
        seen.iter().map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn a_position_inside_a_batch_skips_what_was_read() {
        let mut bytes = batch(10, &["a", "b", "c"], BatchSettings::new());
        bytes.extend_from_slice(&batch(13, &["d"], BatchSettings::new()));
        let (reading, seen) = read(&bytes, 11, &[]);
        assert_eq!((reading.next, reading.messages), (14, 3));
        assert!(reading.fault.is_none());
        assert_eq!(seen, [(11, "b".into()), (12, "c".into()), (13, "d".into())]);
    }

    #[test]
    fn an_answer_cut_at_its_limit_gives_its_whole_batches() {
        let mut bytes = batch(0, &["a"], BatchSettings::new());
        let whole = bytes.len();
        bytes.extend_from_slice(&batch(1, &["b"], BatchSettings::new()));
        for end in whole..bytes.len() {
            let (reading, seen) = read(&bytes[..end], 0, &[]);
            assert_eq!((reading.next, seen.len()), (1, 1));
            assert!(reading.fault.is_none());
        }
        let (reading, _) = read(&bytes[..whole - 1], 0, &[]);
        assert_eq!(reading.fault.unwrap().class(), "incomplete batch");
        assert_eq!(reading.next, 0);
    }

    #[test]
    fn damage_stops_there_and_keeps_what_came_before() {
        let mut bytes = batch(0, &["a"], BatchSettings::new());
        bytes.extend_from_slice(&batch(1, &["b"], BatchSettings::new()));
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let (reading, seen) = read(&bytes, 0, &[]);
        assert_eq!((reading.next, values(&seen)), (1, vec!["a"]));
        assert_eq!(reading.fault.unwrap().class(), "corrupt batch");
    }

    #[test]
    fn nothing_is_nothing() {
        let (reading, _) = read(&[], 5, &[]);
        assert_eq!((reading.next, reading.messages), (5, 0));
        assert!(reading.fault.is_none());
    }

    #[test]
    fn aborted_records_are_left_out_until_their_marker() {
        let of = |id| {
            BatchSettings::new().transactional(true).producer(Producer {
                id,
                epoch: 0,
                base_sequence: 0,
            })
        };
        let mut bytes = batch(0, &["aborted"], of(7));
        bytes.extend_from_slice(&batch(1, &["other"], of(8)));
        bytes.extend_from_slice(&batch(2, &["plain"], BatchSettings::new()));
        bytes.extend_from_slice(&marker(3, of(7)));
        bytes.extend_from_slice(&batch(4, &["again"], of(7)));
        let (reading, seen) = read(&bytes, 0, &[(7, 0)]);
        assert!(reading.fault.is_none(), "{:?}", reading.fault);
        assert_eq!(values(&seen), ["other", "plain", "again"]);
        assert_eq!((reading.next, reading.messages), (5, 3));
        // Uncommitted records are wanted: all but the marker.
        assert_eq!(read(&bytes, 0, &[]).0.messages, 4);
    }

    /// An abort marker: a control batch of one record.
    fn marker(base: i64, settings: BatchSettings) -> BytesMut {
        let mut out = BytesMut::new();
        let mut encoder = BatchEncoder::new();
        let mut writer = encoder.begin(&mut out, settings);
        writer
            .push(&Record::new(&[0; 6]).key(&[0, 0, 0, 0]))
            .unwrap();
        writer.finish().unwrap();
        out[22] |= 1 << 5; // the control bit
        let crc = crc32c::crc32c(&out[21..]).to_be_bytes();
        out[17..21].copy_from_slice(&crc);
        set_base_offset(&mut out, base);
        out
    }
}
