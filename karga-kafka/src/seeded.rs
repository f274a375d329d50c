//! Seeded random numbers that depend on *which* record they are for, never on who asks first.
//!
//! A run with the same seed therefore makes the same records whatever the scheduling, the number of
//! workers or the retries. The generator is SplitMix64 (Steele, Lea and Flood, "Fast Splittable
//! Pseudorandom Number Generators", 2014; its constants are those of the public reference code): a
//! counter through a mixing function, two multiplications for eight bytes, with no state to warm up.

/// The odd step of SplitMix64's counter: 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a stream is for, so that the same record's key, payload and partition are independent.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(crate) enum Purpose {
    Payload = 1,
    Key = 2,
    Partition = 3,
}

/// A stream of random numbers that belongs to one record.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    state: u64,
}

impl Stream {
    /// The stream of one purpose for record `record` of iteration `index`.
    pub(crate) fn new(seed: u64, purpose: Purpose, index: u64, record: u64) -> Self {
        let seeded = mix(seed.wrapping_add((purpose as u64).wrapping_mul(GOLDEN)));
        let iteration = mix(seeded.wrapping_add(index.wrapping_mul(GOLDEN)));
        Self {
            state: mix(iteration.wrapping_add(record.wrapping_mul(GOLDEN))),
        }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Uniform in `0..n`, by multiplication (Lemire 2019). Its bias, below n / 2^64, is not
    /// rejected: no run is long enough to see it.
    ///
    /// `n` is not zero: zero gives zero.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(n);
        (wide >> 64) as u64
    }

    /// Uniform in [0, 1), with all 53 bits of an `f64`'s mantissa.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Fills `out` with bytes that do not compress.
    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        let mut state = self.state;
        let (words, rest) = out.as_chunks_mut::<8>();
        for word in words {
            state = state.wrapping_add(GOLDEN);
            *word = mix(state).to_le_bytes();
        }
        self.state = state;
        if !rest.is_empty() {
            let last = self.next_u64().to_le_bytes();
            rest.copy_from_slice(&last[..rest.len()]);
        }
    }
}

/// SplitMix64's mixing function: a bijection of 64 bits in which every bit depends on all others.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        // The first outputs of the reference implementation for the seed 1234567.
        let mut stream = Stream { state: 1_234_567 };
        let first: Vec<u64> = (0..3).map(|_| stream.next_u64()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn fill_gives_the_stream_whatever_the_length() {
        let start = Stream::new(7, Purpose::Payload, 3, 4);
        let mut whole = [0; 40];
        start.clone().fill(&mut whole);
        for len in 0..40 {
            let mut part = vec![0; len];
            start.clone().fill(&mut part);
            assert_eq!(part, whole[..len], "{len}");
        }
    }

    #[test]
    fn neighbours_and_purposes_differ() {
        let first =
            |seed, purpose, index, record| Stream::new(seed, purpose, index, record).next_u64();
        let mut seen = std::collections::HashSet::new();
        for seed in 0..10 {
            for index in 0..10 {
                for record in 0..10 {
                    for purpose in [Purpose::Payload, Purpose::Key, Purpose::Partition] {
                        assert!(seen.insert(first(seed, purpose, index, record)));
                    }
                }
            }
        }
    }

    #[test]
    fn below_is_even_and_unit_stays_below_one() {
        let mut stream = Stream::new(1, Purpose::Key, 0, 0);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[usize::try_from(stream.below(7)).unwrap()] += 1;
            let unit = stream.unit();
            assert!((0.0..1.0).contains(&unit));
        }
        // 10,000 each, standard deviation 93: five of them.
        assert!(
            counts.iter().all(|&n| n.abs_diff(10_000) < 465),
            "{counts:?}"
        );
    }
}
