use crate::bucket::CHUNK;

/// The counts of [`CHUNK`] neighbouring buckets.
///
/// Recording waits for the cache more than for anything else, so the counts
/// are 32 bits wide; what does not fit is carried to upper halves, which a run
/// of billions of samples needs and no other has.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    low: [u32; CHUNK],
    high: Option<Box<[u32; CHUNK]>>,
}

impl Chunk {
    pub(crate) const fn new() -> Self {
        Self {
            low: [0; CHUNK],
            high: None,
        }
    }

    /// Counts one value.
    #[inline]
    pub(crate) fn count(&mut self, place: usize) {
        let low = &mut self.low[place];
        *low = low.wrapping_add(1);
        if *low == 0 {
            self.carry(place, 1);
        }
    }

    /// Counts so many values.
    pub(crate) fn add(&mut self, place: usize, count: u64) {
        let sum = u64::from(self.low[place]) + (count & u64::from(u32::MAX));
        self.low[place] = sum as u32;
        let high = (sum >> 32) + (count >> 32);
        if high > 0 {
            self.carry(place, high);
        }
    }

    /// Takes away what was added before.
    pub(crate) fn remove(&mut self, place: usize, count: u64) {
        let high = self.high.as_ref().map_or(0, |high| u64::from(high[place]));
        let left = (high << 32 | u64::from(self.low[place])) - count;
        self.low[place] = left as u32;
        if let Some(high) = &mut self.high {
            high[place] = (left >> 32) as u32;
        }
    }

    #[cold]
    fn carry(&mut self, place: usize, high: u64) {
        let halves = self.high.get_or_insert_with(|| Box::new([0; CHUNK]));
        // Together with the lower half it is a u64, which no count outgrows.
        halves[place] = halves[place].wrapping_add(high as u32);
    }

    /// Adds the counts of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        let pairs = self.low.iter().zip(&other.low);
        // Every pair is looked at, so that it takes a few vector instructions.
        let fits = pairs.fold(true, |fits, (a, b)| fits & a.checked_add(*b).is_some());
        if fits && other.high.is_none() {
            for (mine, theirs) in self.low.iter_mut().zip(&other.low) {
                *mine += theirs;
            }
        } else {
            for (place, count) in other.occupied() {
                self.add(place, count);
            }
        }
    }

    /// The places that counted something, ascending, and how much.
    pub(crate) fn occupied(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let high = move |place: usize| self.high.as_ref().map_or(0, |high| high[place]);
        let counts = self.low.iter().enumerate();
        counts
            .map(move |(place, &low)| (place, u64::from(high(place)) << 32 | u64::from(low)))
            .filter(|&(_, count)| count != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: u64 = u32::MAX as u64;

    fn list(chunk: &Chunk) -> Vec<(usize, u64)> {
        chunk.occupied().collect()
    }

    #[test]
    fn counts_are_carried_beyond_32_bits() {
        let mut chunk = Chunk::new();
        chunk.add(3, FULL);
        assert!(chunk.high.is_none());
        chunk.count(3);
        chunk.count(4);
        assert_eq!(list(&chunk), [(3, FULL + 1), (4, 1)]);
        chunk.add(4, 5 * FULL);
        chunk.add(3, FULL);
        assert_eq!(list(&chunk), [(3, 2 * FULL + 1), (4, 5 * FULL + 1)]);
        chunk.add(5, u64::MAX);
        assert_eq!(list(&chunk)[2], (5, u64::MAX));
    }

    #[test]
    fn what_was_added_can_be_taken_away_again() {
        let mut chunk = Chunk::new();
        chunk.add(3, 5);
        chunk.remove(3, 4);
        assert_eq!(list(&chunk), [(3, 1)]);
        chunk.add(3, 3 * FULL);
        chunk.remove(3, 2);
        assert_eq!(list(&chunk), [(3, 3 * FULL - 1)]);
        chunk.remove(3, 3 * FULL - 1);
        assert_eq!(list(&chunk), []);
    }

    #[test]
    fn a_count_that_is_a_multiple_of_what_fits_is_not_lost() {
        let mut chunk = Chunk::new();
        chunk.add(0, 1 << 32);
        assert_eq!(list(&chunk), [(0, 1 << 32)]);
    }

    #[test]
    fn merging_carries_too() {
        let mut full = Chunk::new();
        full.add(3, FULL);
        full.add(4, 7);
        let mut sum = full.clone();
        sum.merge(&full);
        assert_eq!(list(&sum), [(3, 2 * FULL), (4, 14)]);
        let mut small = Chunk::new();
        small.count(9);
        small.merge(&sum);
        assert_eq!(list(&small), [(3, 2 * FULL), (4, 14), (9, 1)]);
        sum.merge(&sum.clone());
        assert_eq!(list(&sum), [(3, 4 * FULL), (4, 28)]);
    }
}
