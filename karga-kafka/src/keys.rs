//! What a produced record's key is.

use std::{fmt, num::NonZeroU64, sync::Arc};

use crate::{
    RecordSeat,
    seeded::{Purpose, Stream},
};

mod zipf;

use zipf::Zipf;
pub use zipf::ZipfError;

/// The keys of produced records.
///
/// | made by | key |
/// |---|---|
/// | [`none`](Keys::none) | no key (the default) |
/// | [`sequence`](Keys::sequence) | the record's number in the run, in decimal digits: every key once |
/// | [`uniform`](Keys::uniform) | one of n keys, all as often |
/// | [`zipf`](Keys::zipf) | one of n keys, some far more often than others |
/// | [`from_fn`](Keys::from_fn) | what a closure writes |
///
/// ```
/// use karga_kafka::Keys;
///
/// // Ten thousand customers; the busiest one has about a tenth of the records.
/// let keys = Keys::zipf(10_000, 1.0)?;
/// assert!(Keys::zipf(10_000, f64::NAN).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Keys {
    kind: Kind,
}

#[derive(Clone, Default)]
enum Kind {
    #[default]
    None,
    Sequence,
    Uniform(NonZeroU64),
    Zipf(Zipf),
    Function(Arc<Write>),
}

type Write = dyn Fn(RecordSeat, &mut Vec<u8>) + Send + Sync;

/// The most decimal digits of a `u64`.
const MAX_DIGITS: usize = 20;

impl Keys {
    /// No key.
    pub const fn none() -> Self {
        Self { kind: Kind::None }
    }

    /// The record's number in the whole run, from 0, in decimal digits. No key comes twice.
    pub const fn sequence() -> Self {
        Self {
            kind: Kind::Sequence,
        }
    }

    /// One of the `n` keys "0" to "n-1", all equally often, seeded.
    ///
    /// # Errors
    /// `n` is zero.
    pub fn uniform(n: u64) -> Result<Self, ZipfError> {
        let n = NonZeroU64::new(n).ok_or(ZipfError::NoKeys)?;
        Ok(Self {
            kind: Kind::Uniform(n),
        })
    }

    /// One of the `n` keys "0" to "n-1", seeded, with the frequencies of Zipf's law: key number k
    /// comes in proportion to 1 / (k + 1)^`skew`, so "0" is the most frequent.
    ///
    /// A `skew` of 0 is even; around 1 is usual for what people do. Drawing one key costs about a
    /// tenth of a microsecond and no memory, for any `n`.
    ///
    /// # Errors
    /// `n` is zero, or `skew` is negative, infinite or not a number.
    pub fn zipf(n: u64, skew: f64) -> Result<Self, ZipfError> {
        Ok(Self {
            kind: Kind::Zipf(Zipf::new(n, skew)?),
        })
    }

    /// What `write` appends to the buffer, which it gets empty. A buffer left empty is an empty
    /// key, not a missing one.
    pub fn from_fn(write: impl Fn(RecordSeat, &mut Vec<u8>) + Send + Sync + 'static) -> Self {
        Self {
            kind: Kind::Function(Arc::new(write)),
        }
    }

    /// Whether records have no key at all.
    pub const fn is_none(&self) -> bool {
        matches!(self.kind, Kind::None)
    }

    /// The size of the largest key in bytes, where it is known before it is written.
    pub fn max_len(&self) -> Option<usize> {
        match &self.kind {
            Kind::None => Some(0),
            Kind::Sequence => Some(MAX_DIGITS),
            Kind::Uniform(n) => Some(digits_of(n.get() - 1)),
            Kind::Zipf(zipf) => Some(digits_of(zipf.n() - 1)),
            Kind::Function(_) => None,
        }
    }

    /// The key of one record, if it has one, written to `scratch`.
    #[inline]
    pub(crate) fn key<'a>(
        &self,
        seed: u64,
        seat: RecordSeat,
        scratch: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        let stream = || Stream::new(seed, Purpose::Key, seat.index, u64::from(seat.place));
        let number = match &self.kind {
            Kind::None => return None,
            Kind::Function(write) => {
                scratch.clear();
                write(seat, scratch);
                return Some(scratch);
            }
            Kind::Sequence => seat.number,
            Kind::Uniform(n) => stream().below(n.get()),
            Kind::Zipf(zipf) => zipf.draw(&mut stream()),
        };
        scratch.clear();
        push_decimal(number, scratch);
        Some(scratch)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::None => f.write_str("Keys::none()"),
            Kind::Sequence => f.write_str("Keys::sequence()"),
            Kind::Uniform(n) => write!(f, "Keys::uniform({n})"),
            Kind::Zipf(zipf) => write!(f, "Keys::zipf({}, {})", zipf.n(), zipf.skew()),
            Kind::Function(_) => f.write_str("Keys::from_fn(..)"),
        }
    }
}

const fn digits_of(number: u64) -> usize {
    match number.checked_ilog10() {
        Some(log) => log as usize + 1,
        None => 1,
    }
}

/// Appends decimal digits, some five times faster than `write!`.
fn push_decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; MAX_DIGITS];
    let mut start = MAX_DIGITS;
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(keys: &Keys, index: u64, place: u32) -> Option<String> {
        let mut scratch = b"old".to_vec();
        keys.key(5, RecordSeat::new(index, place, 100), &mut scratch)
            .map(|key| String::from_utf8(key.to_vec()).unwrap())
    }

    #[test]
    fn decimal_digits_are_those_of_display() {
        for number in [0, 9, 10, 99, 100, 12_345, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(number, &mut out);
            assert_eq!(String::from_utf8(out.clone()).unwrap(), number.to_string());
            assert_eq!(digits_of(number), out.len());
        }
    }

    #[test]
    fn sequences_count_over_requests() {
        let keys = Keys::sequence();
        assert_eq!(key(&keys, 0, 0).as_deref(), Some("0"));
        assert_eq!(key(&keys, 3, 99).as_deref(), Some("399"));
        assert_eq!(key(&keys, 4, 0).as_deref(), Some("400"));
        assert_eq!(key(&Keys::none(), 4, 0), None);
    }

    #[test]
    fn sets_stay_inside_and_repeat_by_seed() {
        for keys in [Keys::uniform(7).unwrap(), Keys::zipf(7, 1.2).unwrap()] {
            for index in 0..500 {
                let drawn = key(&keys, index, 3).unwrap();
                assert!(drawn.parse::<u64>().unwrap() < 7);
                assert!(drawn.len() <= keys.max_len().unwrap());
                assert_eq!(key(&keys, index, 3).unwrap(), drawn);
            }
        }
    }

    #[test]
    fn an_empty_key_is_a_key() {
        assert_eq!(key(&Keys::from_fn(|_, _| ()), 0, 0).as_deref(), Some(""));
    }
}
