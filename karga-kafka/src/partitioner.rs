//! Which partition a produced record goes to.

use crate::{
    RecordSeat,
    seeded::{Purpose, Stream},
};

/// How the records of a [`ProduceScenario`](crate::ProduceScenario) are spread over partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Partitioning {
    /// All records go to this partition.
    Explicit(i32),
    /// Record number n of the run goes to partition n modulo the number of partitions: the records
    /// of one request are spread over all of them.
    RoundRobin,
    /// All records of one request go to one partition, drawn evenly and seeded for each request.
    Sticky,
    /// The partition follows from the key as in Kafka's Java client: murmur2 of the key's bytes,
    /// its sign bit cleared, modulo the number of partitions. A record without a key goes where
    /// [`Sticky`](Partitioning::Sticky) would send it, as Java's default does. This is the default.
    #[default]
    ByKey,
}

impl Partitioning {
    /// Whether all records of a request go to the same partition, given whether they have keys.
    pub(crate) fn is_one_per_request(self, keyed: bool) -> bool {
        match self {
            Self::Explicit(_) | Self::Sticky => true,
            Self::RoundRobin => false,
            Self::ByKey => !keyed,
        }
    }

    /// The partition of one record among `count` partitions, which is not zero.
    #[inline]
    pub(crate) fn partition(
        self,
        seed: u64,
        seat: RecordSeat,
        key: Option<&[u8]>,
        count: u32,
    ) -> i32 {
        let place = match (self, key) {
            (Self::Explicit(partition), _) => return partition,
            (Self::RoundRobin, _) => (seat.number % u64::from(count)) as u32,
            (Self::ByKey, Some(key)) => return partition_for_key(key, count),
            (Self::Sticky, _) | (Self::ByKey, None) => {
                let mut stream = Stream::new(seed, Purpose::Partition, seat.index, 0);
                stream.below(u64::from(count)) as u32
            }
        };
        place as i32
    }
}

/// The partition that Kafka's Java client chooses for a key among `partitions` partitions
/// (`BuiltInPartitioner.partitionForKey`).
///
/// ```
/// assert_eq!(karga_kafka::partition_for_key(b"user-12345", 12), 7);
/// ```
///
/// # Panics
/// If `partitions` is zero.
pub fn partition_for_key(key: &[u8], partitions: u32) -> i32 {
    let positive = murmur2(key) & 0x7fff_ffff;
    (positive % partitions) as i32
}

/// MurmurHash2, 32 bits, with the seed that Kafka uses (`org.apache.kafka.common.utils.Utils`);
/// the algorithm is Austin Appleby's, in the public domain.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    let mut hash = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_is_that_of_kafka() {
        // The vectors of Kafka's own UtilsTest.testMurmur2, then some computed by
        // `Utils.murmur2` of kafka-clients 4.1.1.
        let vectors: &[(&[u8], i32)] = &[
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
            (b"a", -1_563_381_124),
            (b"ab", 316_155_434),
            (b"abcd", -1_323_649_548),
            (b"abcde", 461_995_741),
            ("äöü".as_bytes(), -2_070_914_556),
            (b"the quick brown fox jumps over the lazy dog", -890_066_680),
            (&[255], -311_467_685),
            (&[255, 254], 1_717_632_651),
            (&[255, 254, 253], 998_637_092),
            (&[255, 254, 253, 252, 251, 250, 249], -166_236_347),
        ];
        for (data, hash) in vectors {
            assert_eq!(murmur2(data) as i32, *hash, "{data:?}");
        }
        let counting: Vec<u8> = (0..=255).collect();
        assert_eq!(murmur2(&counting) as i32, -1_948_347_274);
        assert_eq!(murmur2(&counting[..255]) as i32, 1_542_706_800);
    }

    #[test]
    fn keys_land_where_java_puts_them() {
        // `Utils.toPositive(Utils.murmur2(key)) % 12` of kafka-clients 4.1.1.
        for (key, partition) in [
            ("", 9),
            ("0", 8),
            ("1", 3),
            ("42", 4),
            ("key", 1),
            ("21", 0),
        ] {
            assert_eq!(partition_for_key(key.as_bytes(), 12), partition, "{key}");
        }
    }

    #[test]
    fn round_robin_goes_on_from_one_request_to_the_next() {
        let at = |number: u64| {
            let seat = RecordSeat::new(number / 10, (number % 10) as u32, 10);
            Partitioning::RoundRobin.partition(0, seat, Some(b"key"), 3)
        };
        let first: Vec<i32> = (0..12).map(at).collect();
        assert_eq!(first, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn sticky_is_one_partition_per_request_and_even() {
        let mut counts = [0_u32; 4];
        for index in 0..8000 {
            let at = |place, key| {
                let seat = RecordSeat::new(index, place, 10);
                (
                    Partitioning::Sticky.partition(1, seat, key, 4),
                    Partitioning::ByKey.partition(1, seat, None, 4),
                )
            };
            let (sticky, keyless) = at(0, None);
            assert_eq!(sticky, keyless);
            assert_eq!(at(9, Some(b"key")).0, sticky);
            counts[usize::try_from(sticky).unwrap()] += 1;
        }
        // 2,000 each, standard deviation 39: five of them.
        assert!(counts.iter().all(|n| n.abs_diff(2000) < 195), "{counts:?}");
    }

    #[test]
    fn an_explicit_partition_wins() {
        let seat = RecordSeat::new(7, 7, 10);
        assert_eq!(
            Partitioning::Explicit(5).partition(0, seat, Some(b"k"), 2),
            5
        );
    }
}
