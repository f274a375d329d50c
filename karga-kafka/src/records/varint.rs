//! Zigzag variable-length integers, as inside a record (protocol guide, types VARINT and VARLONG).

/// Most bytes of a 32-bit varint.
pub(super) const MAX_VARINT: usize = 5;
/// Most bytes of a 64-bit varint.
pub(super) const MAX_VARLONG: usize = 10;

fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

fn zigzag_long(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Bytes that [`put`] takes for this value.
#[inline]
pub(super) fn len(value: i32) -> usize {
    len_raw(u64::from(zigzag(value)))
}

/// Bytes that [`put_long`] takes for this value.
#[inline]
pub(super) fn len_long(value: i64) -> usize {
    len_raw(zigzag_long(value))
}

/// Compares instead of counting bits: nearly all values take one or two bytes, and a branch that
/// is always foreseen costs less than the arithmetic.
#[inline]
fn len_raw(raw: u64) -> usize {
    match raw {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => (64 - raw.leading_zeros()).div_ceil(7) as usize,
    }
}

/// Writes `value` at `out[at..]` and returns the place after it. The caller has made sure of the
/// room: [`len`] bytes.
#[inline]
pub(super) fn put(out: &mut [u8], at: usize, value: i32) -> usize {
    put_raw(out, at, u64::from(zigzag(value)))
}

/// Writes `value` at `out[at..]` and returns the place after it. The caller has made sure of the
/// room: [`len_long`] bytes.
#[inline]
pub(super) fn put_long(out: &mut [u8], at: usize, value: i64) -> usize {
    put_raw(out, at, zigzag_long(value))
}

#[inline]
fn put_raw(out: &mut [u8], mut at: usize, mut rest: u64) -> usize {
    while rest >= 0x80 {
        out[at] = (rest as u8) | 0x80;
        rest >>= 7;
        at += 1;
    }
    out[at] = rest as u8;
    at + 1
}

/// Takes a 32-bit varint off the front; `None` when the bytes end inside it or it is too long.
#[inline]
pub(super) fn take(input: &mut &[u8]) -> Option<i32> {
    let (&first, rest) = input.split_first()?;
    if first < 0x80 {
        *input = rest;
        let raw = u32::from(first);
        return Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed());
    }
    let raw = u32::try_from(take_raw(input, MAX_VARINT)?).ok()?;
    Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
}

/// Takes a 64-bit varint off the front; `None` when the bytes end inside it or it is too long.
#[inline]
pub(super) fn take_long(input: &mut &[u8]) -> Option<i64> {
    let raw = take_raw(input, MAX_VARLONG)?;
    Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
}

#[inline]
fn take_raw(input: &mut &[u8], max: usize) -> Option<u64> {
    let mut raw = 0u64;
    for (i, &byte) in input.iter().take(max).enumerate() {
        if i == MAX_VARLONG - 1 && byte > 1 {
            return None; // bits beyond the 64th
        }
        raw |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *input = &input[i + 1..];
            return Some(raw);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_bytes() {
        // The protocol guide's own examples, and the ends of the range.
        for (value, bytes) in [
            (0, &[0x00][..]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut out = [0; MAX_VARINT];
            let end = put(&mut out, 0, value);
            assert_eq!(&out[..end], bytes, "{value}");
            let mut input = bytes;
            assert_eq!(take(&mut input), Some(value));
            assert!(input.is_empty());
        }
    }

    #[test]
    fn too_long_or_cut_off_is_refused() {
        for bytes in [
            &[][..],
            &[0x80],
            &[0xff, 0xff, 0xff, 0xff],
            &[0xff, 0xff, 0xff, 0xff, 0x1f],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        ] {
            assert_eq!(take(&mut &bytes[..]), None, "{bytes:x?}");
        }
        for bytes in [&[0xff; 10][..], &[0x80; 9], &[0x80; 11]] {
            assert_eq!(take_long(&mut &bytes[..]), None, "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn round_trips(value: i32, long: i64, shift in 0u32..64) {
            let mut out = [0; MAX_VARLONG];
            let value = value >> (shift % 32);
            let end = put(&mut out, 0, value);
            prop_assert_eq!(end, len(value));
            prop_assert_eq!(take(&mut &out[..end]), Some(value));
            let long = long >> shift;
            let end = put_long(&mut out, 0, long);
            prop_assert_eq!(end, len_long(long));
            prop_assert_eq!(take_long(&mut &out[..end]), Some(long));
        }
    }
}
