//! The counts of a histogram in few bytes, for the seconds that are over.

use crate::Histogram;

/// Counts by bucket, each occupied one as a variable-length integer whose
/// lowest bits say what it is:
///
/// ```text
///     gap 0   the distance from the one before; it counted once
///    gap 01   the same; another integer, the count less two, follows
///  count 11   the count less two; it follows the one before at once
/// ```
///
/// So few values far apart and many close together both take a byte or two for
/// each bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sparse {
    bytes: Box<[u8]>,
}

/// Counts from here on do not fit beside the bits that say what they are.
const NEAR: u64 = 1 << 61;

impl Sparse {
    pub(crate) fn of(histogram: &Histogram) -> Self {
        Self::encode(histogram.occupied())
    }

    /// Encodes pairs whose buckets ascend; no count may be 0.
    pub(crate) fn encode(pairs: impl Iterator<Item = (usize, u64)>) -> Self {
        let mut bytes = Vec::new();
        let mut next = 0;
        for (bucket, count) in pairs {
            let gap = (bucket - next) as u64;
            match count {
                1 => put(&mut bytes, gap << 1),
                2..NEAR if gap == 0 => put(&mut bytes, (count - 2) << 2 | 0b11),
                _ => {
                    put(&mut bytes, gap << 2 | 0b01);
                    put(&mut bytes, count - 2);
                }
            }
            next = bucket + 1;
        }
        Self {
            bytes: bytes.into_boxed_slice(),
        }
    }

    /// The pairs of bucket and count, ascending.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let mut rest = &*self.bytes;
        let mut next = 0;
        std::iter::from_fn(move || {
            let head = take(&mut rest)?;
            let (gap, count) = match head & 0b11 {
                0b01 => (head >> 2, take(&mut rest)? + 2),
                0b11 => (0, (head >> 2) + 2),
                _ => (head >> 1, 1),
            };
            let bucket = next + gap as usize;
            next = bucket + 1;
            Some((bucket, count))
        })
    }

    /// Adds the counts of another.
    pub(crate) fn merge(&mut self, other: Self) {
        if self.bytes.is_empty() {
            *self = other;
        } else if !other.bytes.is_empty() {
            *self = Self::encode(sum(self.pairs(), other.pairs()));
        }
    }
}

/// Merges two ascending sequences; counts of the same bucket are added.
fn sum(
    a: impl Iterator<Item = (usize, u64)>,
    b: impl Iterator<Item = (usize, u64)>,
) -> impl Iterator<Item = (usize, u64)> {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    std::iter::from_fn(move || match (a.peek(), b.peek()) {
        (Some(&(at, x)), Some(&(bt, y))) if at == bt => {
            a.next();
            b.next();
            Some((at, x + y))
        }
        (Some(&(at, _)), Some(&(bt, _))) if bt < at => b.next(),
        (None, _) => b.next(),
        (Some(_), _) => a.next(),
    })
}

/// Appends a number, seven bits to a byte, the lowest first.
fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Takes a number off the front.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    let mut shift = 0;
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::LAST;

    #[test]
    fn what_was_encoded_is_decoded() {
        // With the bytes that each takes.
        let pairs = [
            ((0, 1), 1),
            ((1, 33), 1),
            ((2, 34), 2),
            ((66, 1), 1),
            ((98, 2), 2),
            ((200, 129), 3),
            ((201, NEAR), 10),
            ((202, u64::MAX), 11),
            ((20_000, u64::MAX), 13),
            ((LAST, 1), 3),
        ];
        for end in 0..=pairs.len() {
            let counts = pairs[..end].iter().map(|&(pair, _)| pair);
            let sparse = Sparse::encode(counts.clone());
            assert!(sparse.pairs().eq(counts));
            let bytes = pairs[..end].iter().map(|(_, bytes)| bytes);
            assert_eq!(
                sparse.bytes.len(),
                bytes.sum::<usize>(),
                "{:?}",
                &pairs[..end]
            );
        }
    }

    #[test]
    fn merging_adds_bucket_by_bucket() {
        let mut a = Sparse::encode([(1, 1), (5, 2), (9, 1)].into_iter());
        a.merge(Sparse::encode([(0, 4), (5, 3), (LAST, 1)].into_iter()));
        assert!(a.pairs().eq([(0, 4), (1, 1), (5, 5), (9, 1), (LAST, 1)]));
        a.merge(Sparse::default());
        assert!(a.pairs().eq([(0, 4), (1, 1), (5, 5), (9, 1), (LAST, 1)]));
    }
}
