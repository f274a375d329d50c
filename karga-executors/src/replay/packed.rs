/// Numbers that never decrease, in some bits each.
///
/// They stand in blocks of 128. A block's head has its first number; the rest
/// of each is what it has above that, in as many bits as the largest of the
/// block needs. So any number is found by its place at once, and those up to a
/// limit by halving.
///
/// ```text
/// heads   base ┐        ┌ base
///              │        │          128 x bits = 2 x bits words,
/// words  ├─────┴───────┤├┴──────┤  whatever the number of bits
/// ```
#[derive(Default)]
pub(super) struct Packed {
    len: u64,
    heads: Vec<Head>,
    words: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Head {
    base: u64,
    /// Where its words begin.
    start: usize,
}

const BLOCK: usize = 128;

impl Packed {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.heads) + size_of_val(&*self.words)
    }

    /// The number at a place, from 0; `None` beyond the last.
    #[inline]
    pub(super) fn get(&self, place: u64) -> Option<u64> {
        if place >= self.len {
            return None;
        }
        // It fits, as the words of all blocks do.
        let place = place as usize;
        Some(self.in_block(place / BLOCK, place % BLOCK))
    }

    #[inline]
    fn in_block(&self, block: usize, at: usize) -> u64 {
        let head = self.heads[block];
        let end = self
            .heads
            .get(block + 1)
            .map_or(self.words.len(), |next| next.start);
        let bits = (end - head.start) / 2;
        if bits == 0 {
            return head.base;
        }
        let (word, shift) = (head.start + at * bits / 64, at * bits % 64);
        let mut above = self.words[word] >> shift;
        if shift + bits > 64 {
            above |= self.words[word + 1] << (64 - shift);
        }
        head.base + (above & (u64::MAX >> (64 - bits)))
    }

    /// How many numbers are below or equal to `limit`.
    pub(super) fn count_until(&self, limit: u64) -> u64 {
        let block = self.heads.partition_point(|head| head.base <= limit);
        let Some(block) = block.checked_sub(1) else {
            return 0;
        };
        let before = (block * BLOCK) as u64;
        // The base is below or equal, so the answer is 1 at least.
        let (mut low, mut high) = (1, (self.len - before).min(BLOCK as u64) as usize);
        while low < high {
            let middle = low.midpoint(high);
            if self.in_block(block, middle) <= limit {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        before + low as u64
    }
}

/// Takes numbers in order and packs them.
#[derive(Default)]
pub(super) struct Packer {
    packed: Packed,
    /// Of the block that is not full.
    pending: Vec<u64>,
}

impl Packer {
    pub(super) fn len(&self) -> u64 {
        self.packed.len + self.pending.len() as u64
    }

    /// Takes the next number, unless it is below the last one, which is
    /// returned then.
    pub(super) fn push(&mut self, number: u64) -> Result<(), u64> {
        if self.pending.len() == BLOCK {
            self.pack();
        }
        let last = match self.pending.last() {
            Some(last) => Some(*last),
            None => self
                .packed
                .len
                .checked_sub(1)
                .and_then(|n| self.packed.get(n)),
        };
        match last {
            Some(last) if number < last => Err(last),
            _ => {
                self.pending.push(number);
                Ok(())
            }
        }
    }

    pub(super) fn finish(mut self) -> Packed {
        self.pack();
        self.packed.heads.shrink_to_fit();
        self.packed.words.shrink_to_fit();
        self.packed
    }

    fn pack(&mut self) {
        let (Some(base), Some(last)) = (self.pending.first(), self.pending.last()) else {
            return;
        };
        let (base, bits) = (*base, (u64::BITS - (last - base).leading_zeros()) as usize);
        let Packed { len, heads, words } = &mut self.packed;
        let start = words.len();
        heads.push(Head { base, start });
        words.resize(start + 2 * bits, 0);
        for (at, number) in self.pending.iter().enumerate() {
            let above = number - base;
            let (word, shift) = (start + at * bits / 64, at * bits % 64);
            // Nothing is above the base where there are no words.
            if above > 0 {
                words[word] |= above << shift;
                if shift + bits > 64 {
                    words[word + 1] |= above >> (64 - shift);
                }
            }
        }
        *len += self.pending.len() as u64;
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(numbers: &[u64]) -> Packed {
        let mut packer = Packer::default();
        for number in numbers {
            packer.push(*number).unwrap();
        }
        packer.finish()
    }

    /// Gaps of all sizes: of n bits where n goes round.
    fn gaps(count: u64, bits: u32) -> Vec<u64> {
        let mut number = 0_u64;
        let mut state = 1_u64;
        (0..count)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                number = number.saturating_add(state >> (64 - bits));
                number
            })
            .collect()
    }

    #[test]
    fn every_number_comes_back() {
        for bits in 1..=63 {
            for count in [1, 2, 127, 128, 129, 300, 1024] {
                let numbers = gaps(count, bits);
                let packed = pack(&numbers);
                assert_eq!(packed.len(), count);
                for (at, number) in (0..).zip(&numbers) {
                    assert_eq!(packed.get(at), Some(*number), "{bits} bits, {count}, {at}");
                    for limit in [number.saturating_sub(1), *number, number.saturating_add(1)] {
                        let wanted = numbers.partition_point(|n| *n <= limit) as u64;
                        assert_eq!(
                            packed.count_until(limit),
                            wanted,
                            "{bits}, {count}, {limit}"
                        );
                    }
                }
                assert_eq!(packed.get(count), None);
                assert_eq!(packed.count_until(u64::MAX), count);
            }
        }
    }

    #[test]
    fn equal_numbers_need_no_words() {
        let packed = pack(&[7; 1000]);
        assert_eq!((packed.get(999), packed.get(1000)), (Some(7), None));
        assert_eq!((packed.count_until(6), packed.count_until(7)), (0, 1000));
        assert_eq!(packed.bytes(), 8 * size_of::<Head>());
        assert_eq!(Packed::default().count_until(9), 0);
    }

    #[test]
    fn the_widest_block_is_held_too() {
        let packed = pack(&[0, 1, u64::MAX]);
        assert_eq!(
            [0, 1, 2].map(|n| packed.get(n)),
            [Some(0), Some(1), Some(u64::MAX)]
        );
        assert_eq!(packed.count_until(u64::MAX - 1), 2);
    }

    #[test]
    fn what_is_out_of_order_is_not_taken() {
        let mut packer = Packer::default();
        for n in 0..128 {
            packer.push(n).unwrap();
        }
        // Across the border of a block, and inside of one.
        assert_eq!(packer.push(126), Err(127));
        packer.push(127).unwrap();
        assert_eq!(packer.push(126), Err(127));
        assert_eq!(packer.len(), 129);
        assert_eq!(packer.finish().get(128), Some(127));
    }
}
