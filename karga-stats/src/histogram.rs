use std::{fmt, time::Duration};

use crate::{
    bounded::Add,
    bucket::{self, CHUNK, CHUNKS, bucket_of},
    chunk::Chunk,
};

/// How durations are distributed, to three significant digits.
///
/// The buckets are those of an
/// [HdrHistogram](https://github.com/HdrHistogram/HdrHistogram) with a unit of
/// 1 ns and three significant digits: a bucket is at most 1/1024 of its values
/// wide. Beyond 2^42 - 1 ns (some 73 minutes) there is one last bucket; such
/// values lose their place, never their count.
///
/// Beside the buckets stand the exact count, least, greatest and sum, so that
/// [`min`](Self::min), [`max`](Self::max) and [`mean`](Self::mean) are exact.
///
/// The buckets of a power of two are allocated (4 KiB) when the first value
/// falls there: an empty histogram costs nothing, a usual one 25 to 50 KiB,
/// the widest 132 KiB. Twice as much for those of which one counted more than
/// four billion values.
///
/// ```
/// use std::time::Duration;
/// use karga_stats::Histogram;
///
/// let mut histogram = Histogram::new();
/// for ms in 1..=1000 {
///     histogram.record(Duration::from_millis(ms));
/// }
/// assert_eq!(histogram.count(), 1000);
/// assert_eq!(histogram.max(), Duration::from_secs(1));
/// let p99 = histogram.quantile(0.99).as_secs_f64();
/// assert!((0.990..0.991).contains(&p99));
/// ```
#[derive(Clone)]
pub struct Histogram {
    count: u64,
    /// `u64::MAX` while empty.
    min: u64,
    max: u64,
    sum: u128,
    chunks: [Option<Box<Chunk>>; CHUNKS],
}

impl Histogram {
    /// An empty histogram.
    pub const fn new() -> Self {
        Self {
            count: 0,
            min: u64::MAX,
            max: 0,
            sum: 0,
            chunks: [const { None }; CHUNKS],
        }
    }

    /// Counts one value. Durations beyond 584 years count as 584 years.
    #[inline]
    pub fn record(&mut self, value: Duration) {
        let nanos = nanos(value);
        self.record_at(nanos, bucket_of(nanos));
    }

    /// Counts one value whose bucket is already known.
    #[inline]
    pub(crate) fn record_at(&mut self, nanos: u64, bucket: usize) {
        self.count += 1;
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
        self.sum += u128::from(nanos);
        self.chunk(bucket / CHUNK).count(bucket % CHUNK);
    }

    /// Takes in everything that `other` counted.
    pub fn merge(&mut self, other: Self) {
        self.add_exact(other.exact());
        for (mine, theirs) in self.chunks.iter_mut().zip(other.chunks) {
            match (mine, theirs) {
                (_, None) => {}
                (mine @ None, theirs) => *mine = theirs,
                (Some(mine), Some(theirs)) => mine.merge(&theirs),
            }
        }
    }

    /// How many values were counted.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether nothing was counted.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The least value, exactly; zero if there is none.
    pub const fn min(&self) -> Duration {
        if self.count == 0 {
            Duration::ZERO
        } else {
            Duration::from_nanos(self.min)
        }
    }

    /// The greatest value, exactly; zero if there is none.
    pub const fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The sum of the values by their number, exact to the nanosecond; zero if
    /// there is none.
    pub fn mean(&self) -> Duration {
        if self.count == 0 {
            return Duration::ZERO;
        }
        let mean = self.sum / u128::from(self.count);
        Duration::from_nanos(u64::try_from(mean).expect("invariant: no mean exceeds the maximum"))
    }

    /// The standard deviation of the whole population, from the middle of each
    /// bucket about the exact mean; zero if there are fewer than two values.
    pub fn stdev(&self) -> Duration {
        if self.count < 2 || self.min == self.max {
            return Duration::ZERO;
        }
        let mean = self.sum as f64 / self.count as f64;
        let squares: f64 = self
            .occupied()
            .map(|(bucket, count)| {
                // The ends of the distribution are known exactly.
                let value = bucket::middle(bucket).clamp(self.min, self.upper_edge(bucket));
                let distance = value as f64 - mean;
                distance * distance * count as f64
            })
            .sum();
        Duration::from_nanos((squares / self.count as f64).sqrt().round() as u64)
    }

    /// The least value that at least the share `q` of all values do not
    /// exceed: the upper edge of its bucket, at most the exact maximum; zero
    /// if there is none.
    ///
    /// So it is never too small and at most 1/1024 too large. A `q` below 0 or
    /// not a number counts as 0, one above 1 as 1. Where the value lies beyond
    /// 73 minutes the answer is the maximum.
    pub fn quantile(&self, q: f64) -> Duration {
        let [value] = self.quantiles([q]);
        value
    }

    /// Several [quantiles](Self::quantile) in one pass; `qs` must ascend.
    pub(crate) fn quantiles<const N: usize>(&self, qs: [f64; N]) -> [Duration; N] {
        debug_assert!(qs.is_sorted(), "quantiles are asked for in order");
        let mut values = [Duration::ZERO; N];
        if self.count == 0 {
            return values;
        }
        let mut wanted = qs
            .map(|q| rank(q, self.count))
            .into_iter()
            .enumerate()
            .peekable();
        let mut seen = 0;
        for (bucket, count) in self.occupied() {
            seen += count;
            while let Some((place, _)) = wanted.next_if(|&(_, rank)| rank <= seen) {
                values[place] = Duration::from_nanos(self.upper_edge(bucket));
            }
            if wanted.peek().is_none() {
                break;
            }
        }
        values
    }

    /// The buckets that counted something, in ascending order: the least and
    /// the greatest value that fall there, and how many did.
    ///
    /// The last bucket's greatest value is the maximum, since it also counts
    /// what lies beyond the range.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, Duration, u64)> + '_ {
        self.occupied().map(|(bucket, count)| {
            let high = bucket::high(bucket);
            let high = if bucket == bucket::LAST {
                high.max(self.max)
            } else {
                high
            };
            (
                Duration::from_nanos(bucket::low(bucket)),
                Duration::from_nanos(high),
                count,
            )
        })
    }

    /// The buckets that counted something, by their number.
    pub(crate) fn occupied(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let chunks = self.chunks.iter().enumerate();
        chunks.flat_map(|(chunk, counts)| {
            let counts = counts.iter().flat_map(|counts| counts.occupied());
            counts.map(move |(place, count)| (chunk * CHUNK + place, count))
        })
    }

    /// Adds to one bucket without touching what is kept beside the buckets.
    pub(crate) fn add_bucket(&mut self, bucket: usize, count: u64) {
        self.chunk(bucket / CHUNK).add(bucket % CHUNK, count);
    }

    /// Takes from one bucket what was added to it before.
    pub(crate) fn remove_bucket(&mut self, bucket: usize, count: u64) {
        self.chunk(bucket / CHUNK).remove(bucket % CHUNK, count);
    }

    /// Counts values that lie somewhere from `low` to `high`: in the bucket of
    /// the highest, so that no quantile is too small, and in the sum as
    /// `middle`. Their count must not bring the whole beyond a `u64`.
    #[cfg(feature = "hdr-log")]
    pub(crate) fn add_span(&mut self, [low, middle, high]: [u64; 3], count: u64) {
        self.add_exact(Exact {
            count,
            min: low,
            max: high,
            sum: u128::from(middle) * u128::from(count),
        });
        self.add_bucket(bucket_of(high), count);
    }

    /// What is kept beside the buckets.
    pub(crate) const fn exact(&self) -> Exact {
        Exact {
            count: self.count,
            min: self.min,
            max: self.max,
            sum: self.sum,
        }
    }

    /// Adds to what is kept beside the buckets.
    pub(crate) fn add_exact(&mut self, other: Exact) {
        let mut exact = self.exact();
        exact.add(other);
        self.set_exact(exact);
    }

    /// Replaces what is kept beside the buckets.
    pub(crate) const fn set_exact(&mut self, exact: Exact) {
        Exact {
            count: self.count,
            min: self.min,
            max: self.max,
            sum: self.sum,
        } = exact;
    }

    /// Forgets every value and keeps the memory.
    pub(crate) fn clear(&mut self) {
        (self.count, self.min, self.max, self.sum) = (0, u64::MAX, 0, 0);
        for chunk in self.chunks.iter_mut().flatten() {
            **chunk = Chunk::new();
        }
    }

    /// The greatest value that may have fallen into the bucket.
    fn upper_edge(&self, bucket: usize) -> u64 {
        if bucket == bucket::LAST {
            self.max
        } else {
            bucket::high(bucket).min(self.max)
        }
    }

    #[inline]
    fn chunk(&mut self, chunk: usize) -> &mut Chunk {
        self.chunks[chunk].get_or_insert_with(new_chunk)
    }
}

/// What a histogram knows beside its buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exact {
    pub(crate) count: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) sum: u128,
}

impl Default for Exact {
    fn default() -> Self {
        Histogram::new().exact()
    }
}

impl Exact {
    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
    }
}

#[cold]
fn new_chunk() -> Box<Chunk> {
    Box::new(Chunk::new())
}

/// The nanoseconds of a duration, at most `u64::MAX` (584 years).
#[inline]
pub(crate) fn nanos(value: Duration) -> u64 {
    value
        .as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(value.subsec_nanos()))
}

/// Which of `count` values in order is the quantile, from 1.
fn rank(q: f64, count: u64) -> u64 {
    // 0.07 * 100 is a little more than 7; that little must not cost a rank.
    let exact = q * count as f64 * (1.0 - 2.0 * f64::EPSILON);
    (exact.ceil() as u64).clamp(1, count)
}

impl Add for Histogram {
    fn add(&mut self, other: Self) {
        self.merge(other);
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.exact() == other.exact() && self.occupied().eq(other.occupied())
    }
}

impl Eq for Histogram {}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99] = self.quantiles([0.5, 0.99]);
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("min", &self.min())
            .field("mean", &self.mean())
            .field("p50", &p50)
            .field("p99", &p99)
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn of(values: impl IntoIterator<Item = Duration>) -> Histogram {
        let mut histogram = Histogram::new();
        for value in values {
            histogram.record(value);
        }
        histogram
    }

    #[test]
    fn an_empty_histogram_is_all_zero() {
        let empty = Histogram::new();
        assert!(empty.is_empty());
        for value in [
            empty.min(),
            empty.max(),
            empty.mean(),
            empty.stdev(),
            empty.quantile(0.5),
        ] {
            assert_eq!(value, Duration::ZERO);
        }
        assert_eq!(empty.buckets().count(), 0);
    }

    #[test]
    fn one_value_is_every_figure() {
        let value = Duration::from_nanos(1_234_567_891);
        let one = of([value]);
        for figure in [
            one.min(),
            one.max(),
            one.mean(),
            one.quantile(0.0),
            one.quantile(1.0),
        ] {
            assert_eq!(figure, value);
        }
        assert_eq!(one.stdev(), Duration::ZERO);
    }

    #[test]
    fn values_beyond_the_range_keep_their_count_and_the_exact_maximum() {
        let mut long = of([HOUR, 10 * HOUR, 1000 * HOUR]);
        assert_eq!(long.count(), 3);
        assert_eq!(long.max(), 1000 * HOUR);
        assert_eq!(
            long.mean(),
            Duration::from_nanos(1011 * 3600 * 1_000_000_000 / 3)
        );
        assert_eq!(long.quantile(0.5), 1000 * HOUR);
        long.record(Duration::MAX);
        assert_eq!(long.max(), Duration::from_nanos(u64::MAX));
        assert_eq!(long.buckets().map(|(_, _, count)| count).sum::<u64>(), 4);
    }

    #[test]
    fn odd_shares_are_clamped() {
        let values = of((1..=100).map(Duration::from_nanos));
        assert_eq!(values.quantile(-1.0), Duration::from_nanos(1));
        assert_eq!(values.quantile(f64::NAN), Duration::from_nanos(1));
        assert_eq!(values.quantile(7.0), Duration::from_nanos(100));
        assert_eq!(values.quantile(0.07), Duration::from_nanos(7));
        assert_eq!(values.quantile(0.071), Duration::from_nanos(8));
    }

    #[test]
    fn the_standard_deviation_is_that_of_the_population() {
        // 2, 4, 4, 4, 5, 5, 7, 9: mean 5, standard deviation 2.
        let values = of([2, 4, 4, 4, 5, 5, 7, 9].map(Duration::from_nanos));
        assert_eq!(values.mean(), Duration::from_nanos(5));
        assert_eq!(values.stdev(), Duration::from_nanos(2));
    }

    #[test]
    fn cleared_is_equal_to_new() {
        let mut values = of([HOUR, Duration::from_micros(3)]);
        values.clear();
        assert_eq!(values, Histogram::new());
    }
}
