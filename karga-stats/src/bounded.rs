//! Values by name, for a bounded number of names.

#![expect(
    clippy::ptr_arg,
    reason = "a borrowed Cow is static, so that its address stands for its text"
)]

use std::borrow::Cow;

/// The name under which everything beyond the limit is counted.
pub(crate) const OTHER: &str = "other";

/// The longest name that is kept, in bytes; the rest is cut off.
const MAX_NAME: usize = 120;

/// A value that can be added to another.
pub(crate) trait Add {
    fn add(&mut self, other: Self);
}

impl Add for u64 {
    fn add(&mut self, other: Self) {
        *self = self.saturating_add(other);
    }
}

impl<T: Add> Add for Box<T> {
    fn add(&mut self, other: Self) {
        (**self).add(*other);
    }
}

/// Values by name: one for each of the `limit` names that come first in
/// alphabetical order, and one for all others.
///
/// Keeping the first in *alphabetical* order, not in order of appearance, is
/// what makes merging exact: a name that belongs to the first `limit` of all
/// also belongs to the first of every part, so it is never folded away on the
/// way, and the result depends on what was recorded, not on who recorded it
/// when.
#[derive(Debug, Clone)]
pub(crate) struct Bounded<T> {
    limit: usize,
    /// Sorted by name, at most `limit`.
    entries: Vec<(Cow<'static, str>, T)>,
    other: Option<T>,
    known: [Known; KNOWN],
}

/// How many seats there are for static names that are remembered by their
/// address; a power of two.
const KNOWN: usize = 32;

/// How many of them are looked at for one name.
const PROBES: usize = 8;

/// Where a static name stands that was looked up before. Comparing an address
/// and a length is all that a lookup costs in the usual case.
#[derive(Debug, Clone, Copy)]
struct Known {
    address: usize,
    len: u32,
    place: u32,
}

impl Known {
    /// No string has the address 0.
    const NONE: Self = Self {
        address: 0,
        len: 0,
        place: 0,
    };

    /// The seats where a string may be, the likeliest first. Neighbouring
    /// strings differ in the lower bits of their addresses.
    #[inline]
    fn seats(address: usize) -> impl Iterator<Item = usize> {
        let first = (address ^ (address >> 3) ^ (address >> 6)) % KNOWN;
        (first..first + PROBES).map(|seat| seat % KNOWN)
    }
}

impl<T: Add> Bounded<T> {
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            limit,
            entries: Vec::new(),
            other: None,
            known: [Known::NONE; KNOWN],
        }
    }

    /// The value that counts for this name; a new one is made if it has none.
    #[inline]
    pub(crate) fn entry(&mut self, name: &Cow<'static, str>, make: impl FnOnce() -> T) -> &mut T {
        if let Cow::Borrowed(name) = name {
            let address = name.as_ptr().addr();
            for seat in Known::seats(address) {
                let known = self.known[seat];
                if known.address == address && known.len as usize == name.len() {
                    return &mut self.entries[known.place as usize].1;
                }
                if known.address == 0 {
                    break;
                }
            }
        }
        self.find(name, make)
    }

    fn find(&mut self, given: &Cow<'static, str>, make: impl FnOnce() -> T) -> &mut T {
        let name = shorten(given);
        let Some(place) = self.place(&name) else {
            return self.other.get_or_insert_with(make);
        };
        if self
            .entries
            .get(place)
            .is_none_or(|(held, _)| *held != name)
        {
            self.insert(place, name.clone().into_owned().into(), make());
        }
        // A static string is never changed or freed, so that its address and
        // length stand for its text.
        if let Cow::Borrowed(name) = given {
            self.remember(name, place);
        }
        &mut self.entries[place].1
    }

    /// Remembers where a static name stands. When every seat that it may
    /// have is taken, all are given up: which names come again is not known.
    fn remember(&mut self, name: &'static str, place: usize) {
        let address = name.as_ptr().addr();
        let free =
            |known: &[Known; KNOWN]| Known::seats(address).find(|&seat| known[seat].address == 0);
        if free(&self.known).is_none() {
            self.forget_places();
        }
        if let Some(seat) = free(&self.known) {
            self.known[seat] = Known {
                address,
                len: name.len() as u32,
                place: place as u32,
            };
        }
    }

    /// Where the name stands or belongs, or none if it is beyond the limit.
    fn place(&self, name: &str) -> Option<usize> {
        if name == OTHER {
            return None;
        }
        let place = match self
            .entries
            .binary_search_by(|(held, _)| (**held).cmp(name))
        {
            Ok(place) | Err(place) => place,
        };
        (place < self.limit).then_some(place)
    }

    /// Inserts a new name; the last one gives way if there are too many.
    fn insert(&mut self, place: usize, name: Cow<'static, str>, value: T) {
        if self.entries.len() == self.limit
            && let Some((_, last)) = self.entries.pop()
        {
            self.add_other(last);
        }
        self.entries.insert(place, (name, value));
        self.forget_places();
    }

    /// Adds to the value of this name.
    pub(crate) fn add(&mut self, name: Cow<'static, str>, value: T) {
        match self.place(&name) {
            None => self.add_other(value),
            Some(place) => match self.entries.get_mut(place) {
                Some((held, mine)) if *held == name => mine.add(value),
                _ => self.insert(place, name, value),
            },
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.lower_limit(other.limit);
        for (name, value) in other.entries {
            self.add(name, value);
        }
        if let Some(value) = other.other {
            self.add_other(value);
        }
    }

    /// Must be called whenever a name may stand elsewhere than before.
    fn forget_places(&mut self) {
        self.known = [Known::NONE; KNOWN];
    }

    fn add_other(&mut self, value: T) {
        match &mut self.other {
            Some(other) => other.add(value),
            None => self.other = Some(value),
        }
    }

    /// Makes the limit this one, if it is above it.
    pub(crate) fn lower_limit(&mut self, limit: usize) {
        self.limit = self.limit.min(limit);
        while self.entries.len() > self.limit {
            self.forget_places();
            if let Some((_, last)) = self.entries.pop() {
                self.add_other(last);
            }
        }
    }

    /// The values in the order of their names.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let named = self.entries.iter_mut().map(|(_, value)| value);
        named.chain(&mut self.other)
    }

    /// The names and values in alphabetical order, "other" last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        let named = self.entries.iter().map(|(name, value)| (&**name, value));
        named.chain(self.other.iter().map(|value| (OTHER, value)))
    }
}

fn shorten(name: &Cow<'static, str>) -> Cow<'static, str> {
    if name.len() <= MAX_NAME {
        return name.clone();
    }
    let mut end = MAX_NAME;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(&name[..end]),
        Cow::Owned(name) => Cow::Owned(name[..end].to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(limit: usize, names: &[&'static str]) -> Bounded<u64> {
        let mut counts = Bounded::new(limit);
        for name in names {
            *counts.entry(&Cow::Borrowed(*name), || 0) += 1;
        }
        counts
    }

    fn list(counts: &Bounded<u64>) -> Vec<(&str, u64)> {
        counts.iter().map(|(name, &count)| (name, count)).collect()
    }

    #[test]
    fn names_beyond_the_limit_are_other_in_whatever_order_they_come() {
        let expected = vec![("a", 2), ("b", 1), (OTHER, 3)];
        for names in [
            ["a", "b", "c", "d", "a", "d"],
            ["d", "c", "d", "b", "a", "a"],
            ["d", "a", "c", "a", "d", "b"],
        ] {
            assert_eq!(list(&counted(2, &names)), expected);
            for split in 0..names.len() {
                let mut left = counted(2, &names[..split]);
                left.merge(counted(2, &names[split..]));
                assert_eq!(list(&left), expected);
            }
        }
    }

    #[test]
    fn the_last_lookup_is_not_trusted_after_an_insertion_before_it() {
        let mut counts = counted(8, &["m"]);
        *counts.entry(&Cow::Borrowed("a"), || 0) += 10;
        *counts.entry(&Cow::Borrowed("m"), || 0) += 1;
        counts.merge(counted(8, &["b", "b"]));
        *counts.entry(&Cow::Borrowed("m"), || 0) += 1;
        *counts.entry(&Cow::Owned("m".to_owned()), || 0) += 1;
        assert_eq!(list(&counts), [("a", 10), ("b", 2), ("m", 4)]);
    }

    #[test]
    fn many_and_long_static_names_are_told_apart() {
        // Neighbours in one static text, so that their addresses are close; one
        // begins where the other does, and some are cut to the same name.
        const TEXT: &str = concat!(
            "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmno",
            "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmno",
        );
        let names: Vec<&'static str> = (0..50)
            .map(|n| &TEXT[n..n + 1 + n % 3])
            .chain([TEXT, &TEXT[..130], &TEXT[..120]])
            .collect();
        let mut expected = std::collections::BTreeMap::<&str, u64>::new();
        let mut counts = Bounded::new(100);
        for _ in 0..3 {
            for name in &names {
                *expected
                    .entry(&name[..name.len().min(MAX_NAME)])
                    .or_default() += 1;
                *counts.entry(&Cow::Borrowed(*name), || 0) += 1;
            }
        }
        assert_eq!(list(&counts), expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_name_that_is_other_joins_the_others() {
        let mut counts = counted(1, &["a", "b", OTHER]);
        counts.merge(counted(1, &[OTHER]));
        assert_eq!(list(&counts), [("a", 1), (OTHER, 3)]);
    }

    #[test]
    fn merging_with_a_lower_limit_lowers_the_limit() {
        let mut counts = counted(3, &["a", "b", "c"]);
        counts.merge(counted(1, &["b", "a"]));
        assert_eq!(list(&counts), [("a", 2), (OTHER, 3)]);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let name = Cow::<'static, str>::Owned("ä".repeat(100) + "x");
        let mut counts = Bounded::<u64>::new(2);
        *counts.entry(&name, || 0) += 1;
        *counts.entry(&Cow::Owned("ä".repeat(90)), || 0) += 1;
        assert_eq!(list(&counts), [("ä".repeat(60).as_str(), 2)]);
    }
}
