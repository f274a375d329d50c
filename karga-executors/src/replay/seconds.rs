/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoTime {
    NotANumber,
    Negative,
    TooLate,
}

/// The most significant digits that are looked at: more than 2^64 ns has, and
/// times 10^9 they fit into 128 bits.
const DIGITS: u32 = 28;

/// Seconds as a decimal number, with or without an exponent, to the nearest
/// nanosecond: exactly, without a detour over binary fractions.
pub(super) fn nanos(text: &str) -> Result<u64, NoTime> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(NoTime::NotANumber);
            }
            // What is beyond any time is so with a thousand digits already.
            let size = digits.parse().unwrap_or(1000_i32).min(1000);
            (
                mantissa,
                if exponent.starts_with('-') {
                    -size
                } else {
                    size
                },
            )
        }
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if whole.len() + fraction.len() == 0 || !digits().all(|byte| byte.is_ascii_digit()) {
        return Err(NoTime::NotANumber);
    }
    let zeros = digits().take_while(|byte| *byte == b'0').count();
    let kept = digits().skip(zeros).take(DIGITS as usize);
    let number = kept.fold(0_u128, |sum, byte| sum * 10 + u128::from(byte - b'0'));
    if number == 0 {
        return Ok(0);
    }
    if negative {
        return Err(NoTime::Negative);
    }
    // The place of the last digit that was kept, in nanoseconds.
    let kept = (whole.len() + fraction.len() - zeros).min(DIGITS as usize);
    let place = whole.len() as i64 - (zeros + kept) as i64 + i64::from(exponent) + 9;
    let ten_to = |power: i64| {
        u32::try_from(power)
            .ok()
            .and_then(|p| 10_u128.checked_pow(p))
    };
    let nanos = if place >= 0 {
        ten_to(place).and_then(|unit| number.checked_mul(unit))
    } else {
        Some(ten_to(-place).map_or(0, |unit| (number + unit / 2) / unit))
    };
    nanos
        .and_then(|nanos| u64::try_from(nanos).ok())
        .filter(|nanos| *nanos < u64::MAX)
        .ok_or(NoTime::TooLate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_seconds_are_read_exactly() {
        for (text, wanted) in [
            ("0", 0),
            ("-0.0", 0),
            ("12", 12_000_000_000),
            ("12.003004005", 12_003_004_005),
            ("0.1", 100_000_000),
            (".5", 500_000_000),
            ("5.", 5_000_000_000),
            ("000000000000000000000000000000000001.5", 1_500_000_000),
            ("0.0000000004", 0),
            ("0.0000000005", 1),
            ("0.30000000000000004", 300_000_000),
            ("1763719200.123456789", 1_763_719_200_123_456_789),
            ("1e-05", 10_000),
            ("1.5E+3", 1_500_000_000_000),
            ("1e-999999999999", 0),
            ("18446744073.709551614", u64::MAX - 1),
            (
                "0.999999999999999999999999999999999999999999",
                1_000_000_000,
            ),
        ] {
            assert_eq!(nanos(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "", "-", ".", "e5", "1e", "1e+", "1e1.5", "1,5", "NaN", "inf", "12s", "1 2", "+1",
            "0x10", "--1", "1-", "١",
        ] {
            assert_eq!(nanos(text), Err(NoTime::NotANumber), "{text}");
        }
        for text in ["-1", "-0.000000000000000000001", "-1e999"] {
            assert_eq!(nanos(text), Err(NoTime::Negative), "{text}");
        }
        for text in [
            "18446744073.709551615",
            "1e11",
            "1e999999999999",
            "99999999999999999999999999999999999999999999999999",
            "1763719200123456789012345678901234567890",
        ] {
            assert_eq!(nanos(text), Err(NoTime::TooLate), "{text}");
        }
    }
}
