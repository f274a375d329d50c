//! The buckets of a histogram: which one a value falls into, and its edges.
//!
//! The layout is that of HdrHistogram with three significant digits and a
//! unit of 1 ns: up to 2,047 ns one bucket for each nanosecond, from there on
//! 1,024 buckets of equal width for each power of two.
//!
//! ```text
//!  chunk 0      chunk 1      chunk 2        chunk 3          ... chunk 32
//!  0..1023 ns   ..2047 ns    ..4095 ns      ..8191 ns            ..2^42-1 ns
//!  width 1      width 1      width 2        width 4              width 2^31
//! ```
//!
//! So a bucket is never wider than 1/1024 of its values.

/// Buckets in one chunk.
pub(crate) const CHUNK: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 10;

/// Chunks in one histogram.
pub(crate) const CHUNKS: usize = 33;

/// Buckets in one histogram.
pub(crate) const BUCKETS: usize = CHUNKS * CHUNK;

/// The last bucket; values beyond the range are counted there.
pub(crate) const LAST: usize = BUCKETS - 1;

/// The greatest value that has a bucket of its own width: 2^42 - 1 ns, some
/// 73 minutes. The power of two above one hour.
pub(crate) const MAX: u64 = (1 << 42) - 1;

/// The bucket of a value in nanoseconds.
#[inline]
pub(crate) const fn bucket_of(nanos: u64) -> usize {
    let nanos = if nanos > MAX { MAX } else { nanos };
    let log2 = 63 - (nanos | 1).leading_zeros();
    let shift = log2.saturating_sub(CHUNK_BITS);
    ((shift as usize) << CHUNK_BITS) + (nanos >> shift) as usize
}

/// The least value that falls into a bucket.
pub(crate) const fn low(bucket: usize) -> u64 {
    let shift = shift_of(bucket);
    ((bucket - (shift << CHUNK_BITS)) as u64) << shift
}

/// The greatest value that falls into a bucket, saturated ones aside.
pub(crate) const fn high(bucket: usize) -> u64 {
    low(bucket) + ((1 << shift_of(bucket)) - 1)
}

/// The middle of a bucket.
pub(crate) const fn middle(bucket: usize) -> u64 {
    low(bucket) + (1 << shift_of(bucket)) / 2
}

/// The width of a bucket's values, as a power of two.
const fn shift_of(bucket: usize) -> usize {
    (bucket >> CHUNK_BITS).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_falls_into_its_bucket_and_buckets_leave_no_gap() {
        let mut next = 0;
        for bucket in 0..BUCKETS {
            assert_eq!(
                low(bucket),
                next,
                "bucket {bucket} begins where the last ended"
            );
            assert_eq!(bucket_of(low(bucket)), bucket);
            assert_eq!(bucket_of(middle(bucket)), bucket);
            assert_eq!(bucket_of(high(bucket)), bucket);
            next = high(bucket) + 1;
        }
        assert_eq!(next - 1, MAX);
    }

    #[test]
    fn a_bucket_is_at_most_a_1024th_of_its_values_wide() {
        for bucket in 1024..BUCKETS {
            let width = high(bucket) - low(bucket) + 1;
            assert!(width * 1024 <= low(bucket));
        }
    }

    #[test]
    fn values_beyond_the_range_fall_into_the_last_bucket() {
        assert_eq!(bucket_of(MAX + 1), LAST);
        assert_eq!(bucket_of(u64::MAX), LAST);
    }
}
