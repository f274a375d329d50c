//! The counts of a histogram in few bytes, for the seconds that are over.

use crate::Histogram;

/// Counts by bucket. Each occupied bucket is one variable-length integer, twice
/// the distance from the one before, plus one if it counted more than once; then
/// another integer, the count less two, follows. A usual second takes one to
/// three bytes for each bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sparse {
    bytes: Box<[u8]>,
}

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
            if count == 1 {
                put(&mut bytes, gap << 1);
            } else {
                put(&mut bytes, gap << 1 | 1);
                put(&mut bytes, count - 2);
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
            let count = if head & 1 == 0 {
                1
            } else {
                take(&mut rest)? + 2
            };
            let bucket = next + (head >> 1) as usize;
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
        let pairs = [
            (0, 1),
            (1, 2),
            (200, 129),
            (201, 130),
            (20_000, u64::MAX),
            (LAST, 1),
        ];
        let sparse = Sparse::encode(pairs.into_iter());
        assert!(sparse.pairs().eq(pairs));
        let bytes = [1, 1 + 1, 2 + 1, 1 + 2, 3 + 10, 3];
        assert_eq!(sparse.bytes.len(), bytes.iter().sum::<usize>());
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
