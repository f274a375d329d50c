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

/// How many static names are remembered by their address; a power of two.
const KNOWN: usize = 8;

/// Where a static name stands that was looked up before. Comparing an address
/// and a length is all that a lookup costs in the usual case.
#[derive(Debug, Clone, Copy)]
struct Known {
    address: usize,
    len: usize,
    place: usize,
}

impl Known {
    /// No string has the address 0.
    const NONE: Self = Self {
        address: 0,
        len: 0,
        place: 0,
    };

    /// Neighbouring strings differ in the lower bits of their addresses.
    #[inline]
    const fn seat(address: usize) -> usize {
        (address ^ (address >> 3) ^ (address >> 6)) % KNOWN
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
            let known = self.known[Known::seat(address)];
            if known.address == address && known.len == name.len() {
                return &mut self.entries[known.place].1;
            }
        }
        self.find(name, make)
    }

    fn find(&mut self, name: &Cow<'static, str>, make: impl FnOnce() -> T) -> &mut T {
        let name = shorten(name);
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
        if let Cow::Borrowed(name) = name {
            let address = name.as_ptr().addr();
            self.known[Known::seat(address)] = Known {
                address,
                len: name.len(),
                place,
            };
        }
        &mut self.entries[place].1
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
        self.shrink(other.limit);
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

    /// Lowers the limit, if it is above this one.
    fn shrink(&mut self, limit: usize) {
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
