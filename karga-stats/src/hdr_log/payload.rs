//! One histogram as the text that stands in an interval line: counts of
//! buckets, zigzag LEB128, deflated, base64 (the encoding "V2" of
//! [HdrHistogram](https://github.com/HdrHistogram/HdrHistogram)).
//!
//! ```text
//! cookie 0x1c849314, length │ zlib( cookie 0x1c849313, length of the counts,
//!    u32       u32          │   offset, digits, lowest, highest, ratio, counts )
//!                           │    u32     u32     u64      u64     f64
//! ```

use std::io::{self, BufReader, Read, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

use super::InvalidHistogram;
use crate::bucket;

const COOKIE: u32 = 0x1c84_9313;
const COMPRESSED_COOKIE: u32 = 0x1c84_9314;

/// The half of a cookie that says the word size, not the format.
const WORD_SIZE: u32 = 0xf0;

/// No number takes more bytes.
const LONGEST_NUMBER: u64 = 9;

/// Encodes counts by bucket, ascending, after what `text` holds already; false
/// if a count does not fit into the format.
pub(super) fn encode(pairs: impl Iterator<Item = (usize, u64)>, text: &mut String) -> bool {
    let mut counts = Vec::new();
    let mut next = 0;
    for (bucket, count) in pairs {
        if bucket > next {
            // A run of empty buckets is its length, negative.
            put(&mut counts, -((bucket - next) as i64));
        }
        let Ok(count) = i64::try_from(count) else {
            return false;
        };
        put(&mut counts, count);
        next = bucket + 1;
    }
    let mut plain = Vec::with_capacity(40 + counts.len());
    plain.extend(COOKIE.to_be_bytes());
    plain.extend((counts.len() as u32).to_be_bytes());
    plain.extend(0_u32.to_be_bytes());
    plain.extend(Layout::OURS.digits.to_be_bytes());
    plain.extend(Layout::OURS.lowest.to_be_bytes());
    plain.extend(Layout::OURS.highest.to_be_bytes());
    plain.extend(1_f64.to_be_bytes());
    plain.extend(counts);

    let mut packed = COMPRESSED_COOKIE.to_be_bytes().to_vec();
    packed.extend([0; 4]);
    let mut encoder = ZlibEncoder::new(packed, Compression::default());
    let packed = encoder.write_all(&plain).and_then(|()| encoder.finish());
    let mut packed = packed.expect("invariant: writing to memory does not fail");
    let len = (packed.len() - 8) as u32;
    packed[4..8].copy_from_slice(&len.to_be_bytes());
    STANDARD.encode_string(packed, text);
    true
}

/// Decodes a histogram, and gives the least and the greatest value and the
/// count of each of its buckets that counted something, ascending.
///
/// Nothing is allocated by what the text claims: numbers are taken from the
/// deflated stream one by one, and there are at most as many as the range of
/// values has buckets.
pub(super) fn decode(
    text: &str,
    mut each: impl FnMut(u64, u64, u64),
) -> Result<Layout, InvalidHistogram> {
    let packed = STANDARD
        .decode(text)
        .map_err(|error| InvalidHistogram::NotBase64 {
            reason: error.to_string(),
        })?;
    let mut packed = packed.as_slice();
    let cookie = u32::from_be_bytes(take(&mut packed).map_err(|_| InvalidHistogram::CutOff)?);
    check_cookie(cookie, COMPRESSED_COOKIE)?;
    let len = u32::from_be_bytes(take(&mut packed).map_err(|_| InvalidHistogram::CutOff)?);
    let packed = packed.get(..len as usize).ok_or(InvalidHistogram::CutOff)?;

    let mut plain = BufReader::new(ZlibDecoder::new(packed));
    let plain = &mut plain;
    check_cookie(u32::from_be_bytes(take(plain)?), COOKIE)?;
    let len = u64::from(u32::from_be_bytes(take(plain)?));
    let offset = u32::from_be_bytes(take(plain)?);
    let layout = Layout {
        digits: u32::from_be_bytes(take(plain)?),
        lowest: u64::from_be_bytes(take(plain)?),
        highest: u64::from_be_bytes(take(plain)?),
    };
    let ratio = f64::from_be_bytes(take(plain)?);
    if offset != 0 || ratio != 1.0 {
        return Err(InvalidHistogram::Scaled);
    }
    let buckets = layout.buckets().ok_or(InvalidHistogram::Range {
        digits: layout.digits,
        lowest: layout.lowest,
        highest: layout.highest,
    })?;
    if len > buckets * LONGEST_NUMBER {
        return Err(InvalidHistogram::TooLong);
    }

    let mut counts = plain.take(len);
    let (mut bucket, mut total) = (0_u64, 0_i64);
    while counts.limit() > 0 {
        let number = number(&mut counts)?;
        let next = bucket.checked_add(number.unsigned_abs().max(1));
        if number > 0 {
            if bucket >= buckets {
                return Err(InvalidHistogram::TooLong);
            }
            total = total
                .checked_add(number)
                .ok_or(InvalidHistogram::TooManyValues)?;
            let (low, high) = layout.edges(bucket);
            each(low, high, number as u64);
            bucket += 1;
        } else {
            // Zero is one empty bucket, a negative number a run of them.
            bucket = next
                .filter(|&next| next <= buckets)
                .ok_or(InvalidHistogram::TooLong)?;
        }
    }
    // The checksum stands behind the last byte, and is looked at there.
    match counts.into_inner().read(&mut [0]) {
        Ok(0) => Ok(layout),
        Ok(_) => Err(InvalidHistogram::TooLong),
        Err(error) => Err(error.into()),
    }
}

/// How a histogram divides the range of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    digits: u32,
    lowest: u64,
    highest: u64,
}

impl Layout {
    /// That of our own histogram.
    pub(super) const OURS: Self = Self {
        digits: 3,
        lowest: 1,
        highest: bucket::MAX,
    };

    /// The unit, as a power of two.
    const fn unit(self) -> u32 {
        self.lowest.ilog2()
    }

    /// Half the buckets of equal width that a power of two of values has at
    /// least, for this many digits, as a power of two.
    const fn half(self) -> u32 {
        (2 * 10_u64.pow(self.digits)).next_power_of_two().ilog2() - 1
    }

    /// How many buckets there are; none if the format does not allow this.
    fn buckets(self) -> Option<u64> {
        let valid = self.digits <= 5
            && self.lowest >= 1
            && self.highest >= self.lowest.checked_mul(2)?
            && self.highest <= i64::MAX as u64
            && self.unit() + self.half() <= 61;
        if !valid {
            return None;
        }
        // Every power of two above the first has one half.
        let first = self.unit() + self.half() + 1;
        let rest = (self.highest.ilog2() + 1).saturating_sub(first);
        Some((u64::from(rest) + 2) << self.half())
    }

    /// The least and the greatest value of a bucket.
    fn edges(self, bucket: u64) -> (u64, u64) {
        let half = self.half();
        let power = (bucket >> half).saturating_sub(1);
        let shift = power as u32 + self.unit();
        let low = (bucket - (power << half)) << shift;
        (low, low + ((1 << shift) - 1))
    }
}

fn check_cookie(cookie: u32, expected: u32) -> Result<(), InvalidHistogram> {
    if matches!(cookie, 0x0c72_124e | 0x0c72_124f) {
        return Err(InvalidHistogram::Scaled);
    }
    match cookie & !WORD_SIZE {
        base if base == expected & !WORD_SIZE => Ok(()),
        0x1c84_9308 | 0x1c84_9309 => Err(InvalidHistogram::OldVersion { version: 0 }),
        0x1c84_9301 | 0x1c84_9302 => Err(InvalidHistogram::OldVersion { version: 1 }),
        _ => Err(InvalidHistogram::NotAHistogram { cookie }),
    }
}

fn take<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Appends a number: its sign to the lowest bit, then seven bits to a byte, the
/// lowest first, and all eight in the ninth.
fn put(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    for _ in 1..LONGEST_NUMBER {
        if rest < 0x80 {
            break;
        }
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn number(from: &mut impl Read) -> io::Result<i64> {
    let mut value = 0;
    for byte in 0..LONGEST_NUMBER {
        let [bits] = take(from)?;
        if byte == LONGEST_NUMBER - 1 || bits < 0x80 {
            value |= u64::from(bits) << (7 * byte);
            break;
        }
        value |= u64::from(bits & 0x7f) << (7 * byte);
    }
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}
