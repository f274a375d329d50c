//! Values of options as text, both ways.

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use crate::partitioner::Partitioning;

/// One of the words of a type; its own error lists them.
pub(super) fn word<T: FromStr<Err: ToString>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|error: T::Err| error.to_string())
}

pub(super) fn number<T: FromStr>(value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| "use a whole number from 0".to_owned())
}

pub(super) fn number_from_one<T: FromStr>(value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| "use a whole number from 1".to_owned())
}

pub(super) fn bytes<const LEAST: i32>(value: &str) -> Result<i32, String> {
    match value.parse() {
        Ok(bytes) if bytes >= LEAST => Ok(bytes),
        _ => Err(format!("use bytes from {LEAST} to {}", i32::MAX)),
    }
}

pub(super) fn partitioning(value: &str) -> Result<Partitioning, String> {
    match value {
        "round_robin" => Ok(Partitioning::RoundRobin),
        "sticky" => Ok(Partitioning::Sticky),
        "key" => Ok(Partitioning::ByKey),
        _ => match value.parse() {
            Ok(index @ 0..) => Ok(Partitioning::Explicit(index)),
            _ => Err("use a partition's index from 0, round_robin, sticky or key".to_owned()),
        },
    }
}

pub(super) fn print_partitioning(partitioning: &Partitioning) -> String {
    match partitioning {
        Partitioning::Explicit(index) => index.to_string(),
        Partitioning::RoundRobin => "round_robin".to_owned(),
        Partitioning::Sticky => "sticky".to_owned(),
        Partitioning::ByKey => "key".to_owned(),
    }
}

pub(super) fn client_id(value: &str) -> Result<String, String> {
    if value.len() > i16::MAX as usize {
        return Err("use at most 32767 bytes".to_owned());
    }
    Ok(value.to_owned())
}

const UNITS: [(&str, u64); 5] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
];

/// A whole number and a unit: `500ms`, `5s`.
pub(super) fn duration(value: &str) -> Result<Duration, String> {
    let bad = || "use a whole number and one of ns, us, ms, s, m, such as 500ms or 5s".to_owned();
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    let (_, nanos) = UNITS
        .into_iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(bad)?;
    let number: u64 = number.parse().map_err(|_| bad())?;
    number
        .checked_mul(nanos)
        .map(Duration::from_nanos)
        .ok_or_else(|| "it is over 500 years".to_owned())
}

pub(super) fn positive_duration(value: &str) -> Result<Duration, String> {
    let duration = duration(value)?;
    if duration.is_zero() {
        return Err("it must be above zero".to_owned());
    }
    Ok(duration)
}

/// How long a broker may wait.
pub(super) fn wait(value: &str) -> Result<Duration, String> {
    let duration = duration(value)?;
    if duration > Duration::from_secs(3600) {
        return Err("it must be at most an hour, 60m".to_owned());
    }
    Ok(duration)
}

/// In the largest unit that divides it.
pub(super) fn print_duration(duration: &Duration) -> String {
    let nanos = duration.as_nanos();
    let (name, unit) = UNITS
        .into_iter()
        .rev()
        .find(|(_, unit)| nanos.is_multiple_of(u128::from(*unit)))
        .expect("invariant: one divides everything");
    format!("{}{name}", nanos / u128::from(unit))
}

/// Writes what could be read as part of a URL's structure as `%` and two hexadecimal digits.
pub(super) fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-~:/@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}"); // writing to a String cannot fail
        }
    }
    out
}

/// Reads `%` and two hexadecimal digits as a byte; a `%` without them stands for itself, and bytes
/// that are not UTF-8 become U+FFFD.
pub(super) fn unescape(value: &str) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = || {
            let digits = str::from_utf8(tail.get(..2)?).ok()?;
            let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            hexadecimal.then(|| u8::from_str_radix(digits, 16).ok())?
        };
        match (first, escaped()) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &tail[2..];
            }
            _ => {
                out.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_printed_in_the_largest_unit() {
        for (text, nanos, printed) in [
            ("500ms", 500_000_000, "500ms"),
            ("1000ms", 1_000_000_000, "1s"),
            ("90s", 90_000_000_000, "90s"),
            ("120s", 120_000_000_000, "2m"),
            ("7ns", 7, "7ns"),
            ("1500us", 1_500_000, "1500us"),
        ] {
            let read = duration(text).unwrap();
            assert_eq!(read, Duration::from_nanos(nanos));
            assert_eq!(print_duration(&read), printed);
        }
        assert_eq!(print_duration(&Duration::ZERO), "0m");
        for bad in [
            "",
            "5",
            "s",
            "-5s",
            "1.5s",
            "5 s",
            "5h",
            "99999999999999999999s",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(
            duration("18446744073709551615s")
                .unwrap_err()
                .contains("500 years")
        );
        assert!(positive_duration("0ms").is_err());
        assert!(wait("3601s").is_err() && wait("60m").is_ok());
    }

    #[test]
    fn partitionings_go_both_ways() {
        for text in ["0", "7", "round_robin", "sticky", "key"] {
            assert_eq!(print_partitioning(&partitioning(text).unwrap()), text);
        }
        for text in ["-1", "", "random", "2147483648"] {
            assert!(partitioning(text).is_err(), "{text}");
        }
    }

    #[test]
    fn escapes_go_both_ways() {
        for text in ["plain", "a b&c=d", "100%", "Überfluß", "%41", "?#"] {
            assert_eq!(unescape(&escape(text)), text);
        }
        assert_eq!(unescape("%4"), "%4");
        assert_eq!(unescape("%+1"), "%+1");
        assert_eq!(unescape("%zz%41"), "%zzA");
    }
}
