//! How the records of a request are made and written, without I/O.

use bytes::{Bytes, BytesMut};

use crate::{
    Keys, Partitioning, Payload, RecordSeat,
    records::{
        BATCH_OVERHEAD, BatchEncoder, BatchSettings, Compression, EncodeError, EncodedBatch,
        Header, Record,
    },
};

/// Most bytes of a record besides its key, value and headers: its length, attributes, timestamp and
/// offset deltas, three lengths or counts.
const RECORD_OVERHEAD: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;

/// Most bytes of a header besides its key and value: their two lengths.
const HEADER_OVERHEAD: usize = 5 + 5;

/// What every record of a scenario is made by.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) seed: u64,
    /// Records of one request; not zero.
    pub(crate) batch: u32,
    pub(crate) payload: Payload,
    pub(crate) keys: Keys,
    pub(crate) headers: Vec<(String, Option<Bytes>)>,
    pub(crate) partitioning: Partitioning,
    pub(crate) compression: Compression,
}

/// The memory in which one user makes records; kept from one request to the next.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    encoder: BatchEncoder,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// One record, lent for as long as the desk is not used again.
pub(crate) struct MadeRecord<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: &'a [u8],
}

/// The places of a request's records, partition by partition.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// For each group its partition and how many places it has.
    groups: Vec<(i32, u32)>,
    /// The places, group after group, ascending within each.
    places: Vec<u32>,
    /// The partition of each record and its place, for sorting.
    scratch: Vec<(i32, u32)>,
}

impl Recipe {
    /// The most bytes that one request's records may take before compression, where that is known
    /// before they are made.
    pub(crate) fn max_len(&self) -> Option<usize> {
        let headers: usize = self
            .headers
            .iter()
            .map(|(key, value)| HEADER_OVERHEAD + key.len() + value.as_ref().map_or(0, Bytes::len))
            .sum();
        let record = RECORD_OVERHEAD + headers + self.payload.max_len()? + self.keys.max_len()?;
        Some(
            record
                .saturating_mul(self.batch as usize)
                .saturating_add(BATCH_OVERHEAD),
        )
    }

    /// The partition of all records of iteration `index`, if they have one in common.
    pub(crate) fn one_partition(&self, index: u64, partitions: u32) -> Option<i32> {
        self.partitioning
            .is_one_per_request(!self.keys.is_none())
            .then(|| {
                let seat = RecordSeat::new(index, 0, self.batch);
                self.partitioning
                    .partition(self.seed, seat, None, partitions)
            })
    }

    /// Finds out which records of iteration `index` go to which partition.
    pub(crate) fn group(&self, desk: &mut Desk, index: u64, partitions: u32, groups: &mut Groups) {
        groups.scratch.clear();
        for place in 0..self.batch {
            let seat = RecordSeat::new(index, place, self.batch);
            let key = match self.partitioning {
                Partitioning::ByKey => self.keys.key(self.seed, seat, &mut desk.key),
                _ => None,
            };
            let partition = self
                .partitioning
                .partition(self.seed, seat, key, partitions);
            groups.scratch.push((partition, place));
        }
        groups.scratch.sort_unstable();
        groups.groups.clear();
        groups.places.clear();
        for &(partition, place) in &groups.scratch {
            match groups.groups.last_mut() {
                Some((last, count)) if *last == partition => *count += 1,
                _ => groups.groups.push((partition, 1)),
            }
            groups.places.push(place);
        }
    }

    /// Writes the records at `places` of iteration `index` as one batch at the end of `out`.
    pub(crate) fn encode(
        &self,
        desk: &mut Desk,
        index: u64,
        places: impl Iterator<Item = u32>,
        timestamp: i64,
        out: &mut BytesMut,
    ) -> Result<EncodedBatch, EncodeError> {
        let Desk {
            encoder,
            key,
            value,
        } = desk;
        let headers = self.headers();
        let settings = BatchSettings::new().compression(self.compression);
        let mut writer = encoder.begin(out, settings);
        for place in places {
            let made = self.make(RecordSeat::new(index, place, self.batch), key, value);
            let mut record = Record::new(made.value)
                .headers(&headers)
                .timestamp(timestamp);
            record.key = made.key;
            writer.push(&record)?;
        }
        writer.finish()
    }

    /// Makes the record of one seat on a desk.
    #[cfg(feature = "rskafka")]
    pub(crate) fn make_at<'a>(&'a self, desk: &'a mut Desk, seat: RecordSeat) -> MadeRecord<'a> {
        self.make(seat, &mut desk.key, &mut desk.value)
    }

    /// Makes the record of one seat.
    #[inline]
    pub(crate) fn make<'a>(
        &'a self,
        seat: RecordSeat,
        key: &'a mut Vec<u8>,
        value: &'a mut Vec<u8>,
    ) -> MadeRecord<'a> {
        MadeRecord {
            key: self.keys.key(self.seed, seat, key),
            value: self.payload.value(self.seed, seat, value),
        }
    }

    /// The headers as the encoder takes them. Without any it allocates nothing.
    fn headers(&self) -> Vec<Header<'_>> {
        self.headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect()
    }
}

impl Groups {
    /// Each partition with the places of its records, by ascending partition.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i32, &[u32])> {
        let mut rest = &self.places[..];
        self.groups.iter().map(move |&(partition, count)| {
            let (places, after) = rest.split_at(count as usize);
            rest = after;
            (partition, places)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Batches, Decompressor};

    fn recipe() -> Recipe {
        Recipe {
            seed: 3,
            batch: 10,
            payload: Payload::random(20..=40),
            keys: Keys::uniform(5).unwrap(),
            headers: vec![
                ("h".to_owned(), Some(Bytes::from_static(b"1"))),
                ("h".to_owned(), None),
            ],
            partitioning: Partitioning::ByKey,
            compression: Compression::None,
        }
    }

    #[test]
    fn groups_hold_every_place_once_and_agree_with_the_keys() {
        let (recipe, mut desk, mut groups) = (recipe(), Desk::default(), Groups::default());
        for index in 0..50 {
            recipe.group(&mut desk, index, 3, &mut groups);
            let mut seen = Vec::new();
            for (partition, places) in groups.iter() {
                assert!(places.is_sorted() && !places.is_empty());
                for &place in places {
                    let seat = RecordSeat::new(index, place, 10);
                    let mut key = Vec::new();
                    let key = recipe.keys.key(3, seat, &mut key).unwrap();
                    assert_eq!(crate::partition_for_key(key, 3), partition);
                    seen.push(place);
                }
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_partition_only_where_all_records_agree() {
        let mut recipe = recipe();
        assert_eq!(recipe.one_partition(1, 3), None);
        recipe.keys = Keys::none();
        let sticky = recipe.one_partition(1, 3).unwrap();
        recipe.partitioning = Partitioning::Sticky;
        assert_eq!(recipe.one_partition(1, 3), Some(sticky));
        recipe.partitioning = Partitioning::Explicit(2);
        assert_eq!(recipe.one_partition(1, 3), Some(2));
        recipe.partitioning = Partitioning::RoundRobin;
        assert_eq!(recipe.one_partition(1, 3), None);
    }

    #[test]
    fn a_batch_holds_what_was_asked_and_no_more_than_foretold() {
        let (recipe, mut desk) = (recipe(), Desk::default());
        let mut out = BytesMut::new();
        let places = [1, 4, 9];
        let made = recipe
            .encode(&mut desk, 7, places.into_iter(), 1234, &mut out)
            .unwrap();
        assert_eq!((made.records, made.bytes), (3, out.len()));
        assert!(out.len() <= recipe.max_len().unwrap());
        let batch = Batches::new(&out).next().unwrap().unwrap();
        batch.verify_crc().unwrap();
        let mut decompressor = Decompressor::new();
        for (record, place) in batch.records(&mut decompressor).unwrap().zip(places) {
            let record = record.unwrap();
            let (mut key, mut value) = (Vec::new(), Vec::new());
            let expected = recipe.make(RecordSeat::new(7, place, 10), &mut key, &mut value);
            assert_eq!(record.key(), expected.key);
            assert_eq!(record.value(), Some(expected.value));
            assert_eq!(record.timestamp(), 1234);
            let headers: Vec<_> = record.headers().map(|header| header.unwrap()).collect();
            assert_eq!(headers.len(), 2);
            assert_eq!((headers[0].key, headers[0].value), ("h", Some(&b"1"[..])));
            assert_eq!((headers[1].key, headers[1].value), ("h", None));
        }
    }
}
