use super::{Block, curve::Curve, random::Random};

/// A Poisson process under the curve, drawn block by block.
///
/// Seen along the area instead of the time, it is a process of rate 1, whatever
/// the curve. The whole area is halved until a block holds some 100 arrivals.
/// The number of all arrivals is drawn once; how many of those in a part lie
/// in its first half is a fair coin for each, seeded by the part's place in
/// the tree; inside of a block the places are uniform. That is exactly the
/// Poisson process, but any block is found from n alone, in some ten draws and
/// without memory, so that every slice agrees on it.
///
/// ```text
///                     1: 1007                depth 0, counts of a schedule
///             ┌──────────┴──────────┐
///          2: 493                3: 514      depth 1
///        ┌────┴────┐           ┌────┴────┐
///     4: 251    5: 242      6: 262    7: 252 ...
/// ```
#[derive(Debug, Clone)]
pub(super) struct Poisson {
    seed: u64,
    len: u64,
    depth: u32,
}

/// The area of a block is above half of this, unless it is the whole.
const BLOCK_AREA: f64 = 128.0;

/// A node whose own draws begin here, so that they differ from the splits.
const PLACES: u64 = 1 << 63;

/// A leaf of the tree.
struct Leaf {
    /// From 0, along the area.
    number: u64,
    /// The first arrival in it.
    first: u64,
    count: u64,
}

impl Poisson {
    pub(super) fn new(seed: u64, area: f64) -> Self {
        let mut depth = 0;
        let mut block = area;
        while block > BLOCK_AREA {
            block /= 2.0;
            depth += 1;
        }
        let len = Random::new(seed, 0).poisson(area);
        Self { seed, len, depth }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The block that contains arrival `n`.
    pub(super) fn block(&self, curve: &Curve, n: u64) -> Option<Block> {
        (n < self.len).then(|| {
            let leaf = self.descend(|_, in_first_half, first| n >= first + in_first_half);
            self.draw(curve, &leaf)
        })
    }

    /// How many arrivals are due at `t` nanoseconds or before.
    pub(super) fn count_until(&self, curve: &Curve, t: u64) -> u64 {
        let leaves = 1_u64 << self.depth;
        // The leaf that t lies in: the last one that begins at t or before.
        // The estimate is off by one at most, where times were rounded.
        let share = curve.area_at(t) / curve.area();
        let mut target = ((share * leaves as f64) as u64).min(leaves - 1);
        while target > 0 && self.bounds(curve, target).0 > t {
            target -= 1;
        }
        while target + 1 < leaves && self.bounds(curve, target + 1).0 <= t {
            target += 1;
        }
        let leaf = self.descend(|middle, _, _| target >= middle);
        let block = self.draw(curve, &leaf);
        leaf.first + block.due.partition_point(|due| *due <= t) as u64
    }

    /// Goes down to one leaf. `second` says whether to take the second half,
    /// given the number of the first leaf in it, the count in the first half,
    /// and the first arrival of both.
    fn descend(&self, second: impl Fn(u64, u64, u64) -> bool) -> Leaf {
        let (mut node, mut first, mut count) = (1_u64, 0, self.len);
        for level in 0..self.depth {
            let in_first_half = Random::new(self.seed, node).heads(count);
            let first_leaf = ((node << 1) | 1) << (self.depth - level - 1);
            let middle = first_leaf - (1 << self.depth);
            if second(middle, in_first_half, first) {
                node = (node << 1) | 1;
                first += in_first_half;
                count -= in_first_half;
            } else {
                node <<= 1;
                count = in_first_half;
            }
        }
        Leaf {
            number: node - (1 << self.depth),
            first,
            count,
        }
    }

    fn draw(&self, curve: &Curve, leaf: &Leaf) -> Block {
        let mut random = Random::new(self.seed, PLACES | leaf.number);
        let width = curve.area() / (1_u64 << self.depth) as f64;
        let start = width * leaf.number as f64;
        let mut places: Vec<f64> = (0..leaf.count)
            .map(|_| start + random.uniform() * width)
            .collect();
        places.sort_unstable_by(f64::total_cmp);
        // Rounding must not carry an arrival over the border to another block.
        let (earliest, latest) = self.bounds(curve, leaf.number);
        let mut after = earliest;
        let due = places
            .into_iter()
            .map(|place| {
                after = curve.time_at(place).clamp(after, latest);
                after
            })
            .collect();
        Block {
            first: leaf.first,
            due,
        }
    }

    /// When a leaf begins and ends, in nanoseconds.
    fn bounds(&self, curve: &Curve, leaf: u64) -> (u64, u64) {
        let width = curve.area() / (1_u64 << self.depth) as f64;
        let at = |leaf: u64| curve.time_at(width * leaf as f64);
        // The last arrival is due before the end, as the uniform ones are.
        (at(leaf), at(leaf + 1).min(curve.end() - 1))
    }
}
