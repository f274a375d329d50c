//! Figures in three significant digits, with the unit that suits them.

use std::time::Duration;

pub(crate) use karga_stats::text::{count, percent};

/// "1 message", "1,203 messages": for nouns with a regular plural.
pub(crate) fn counted(value: u64, noun: &str) -> String {
    let s = if value == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(value))
}

/// "0 ns", "1.21 ms", "36.5 s", "1m40s", "3h20m", "5 d": at most 7 columns, so
/// that columns of 8 never touch.
pub(crate) fn duration(value: Duration) -> String {
    // From here on three digits of seconds would round to 100.
    const LONG: Duration = Duration::from_millis(99_950);
    if value >= LONG {
        let rounded_up = u64::from(value.subsec_millis() >= 500);
        return long(value.as_secs().saturating_add(rounded_up));
    }
    scaled(
        value.as_nanos() as f64,
        &[(1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s")],
    )
}

fn long(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        0..6_000 => format!("{}m{:02}s", seconds / MINUTE, seconds % MINUTE),
        6_000..360_000 => format!("{}h{:02}m", seconds / HOUR, seconds % HOUR / MINUTE),
        360_000..8_640_000_000 => format!("{} d", seconds / DAY),
        _ => ">1e5 d".to_owned(),
    }
}

/// Decimal units: "512 B", "9.12 MB".
pub(crate) fn bytes(value: f64) -> String {
    scaled(
        value,
        &[
            (1.0, "B"),
            (1e3, "kB"),
            (1e6, "MB"),
            (1e9, "GB"),
            (1e12, "TB"),
        ],
    )
}

/// A rate without its unit: "0", "12.3", "998", "1,203", "1.21M" from ten
/// million.
pub(crate) fn rate(value: f64) -> String {
    if value < 999.5 {
        digits(value)
    } else if value < 1e7 {
        count(value.round() as u64)
    } else {
        let (scale, letter) = if value < 1e9 { (1e6, "M") } else { (1e9, "G") };
        format!("{}{letter}", digits(value / scale))
    }
}

/// A count in at most 6 columns: "0", "9,999", "12.3k", "4.56M".
pub(crate) fn short(value: u64) -> String {
    if value < 10_000 {
        return count(value);
    }
    let value = value as f64;
    let units = [(1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")];
    let (scale, letter) = units
        .into_iter()
        .find(|(scale, _)| value / scale < 999.5)
        .unwrap_or((1e15, "P"));
    format!("{}{letter}", digits(value / scale))
}

/// The value in the largest of the units (least first) in which it is at least
/// 1 when rounded.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let next = |at: usize| {
        units
            .get(at + 1)
            .is_some_and(|(scale, _)| value / scale >= 0.9995)
    };
    let mut at = 0;
    while next(at) {
        at += 1;
    }
    let (scale, unit) = units[at];
    if scale == 1.0 {
        // There is no half nanosecond and no half byte.
        return format!("{} {unit}", count(value.round() as u64));
    }
    format!("{} {unit}", digits(value / scale))
}

/// Three significant digits, the whole number from 1,000 on; zero is "0".
fn digits(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if v < 0.000_5 => "<0.001".to_owned(),
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v if v < 999.5 => format!("{v:.0}"),
        v => count(v.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        let cases = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (999_600, "1.00 ms"),
            (1_214_000, "1.21 ms"),
            (65_432_000_000, "65.4 s"),
            (99_949_000_000, "99.9 s"),
            (99_950_000_000, "1m40s"),
            (4_210_400_000_000, "70m10s"),
            (5_999_600_000_000, "1h40m"),
            (360_000_000_000_000, "4 d"),
        ];
        for (nanos, text) in cases {
            assert_eq!(duration(Duration::from_nanos(nanos)), text);
        }
        assert_eq!(duration(Duration::MAX), ">1e5 d");
    }

    #[test]
    fn one_is_singular() {
        let texts = [0, 1, 1_203].map(|n| counted(n, "message"));
        assert_eq!(texts, ["0 messages", "1 message", "1,203 messages"]);
    }

    #[test]
    fn sizes_and_rates_have_three_digits() {
        assert_eq!(bytes(512.0), "512 B");
        assert_eq!(bytes(9_123_456.0), "9.12 MB");
        let rates = [0.0, 0.0001, 0.5, 12.34, 998.3, 1_203.4, 12_345_678.0, 2e9].map(rate);
        assert_eq!(
            rates,
            [
                "0", "<0.001", "0.50", "12.3", "998", "1,203", "12.3M", "2.00G"
            ]
        );
    }

    #[test]
    fn short_counts_fit_six_columns() {
        let texts = [0, 9_999, 12_345, 999_600, 4_561_000, u64::MAX].map(short);
        assert_eq!(texts, ["0", "9,999", "12.3k", "1.00M", "4.56M", "18,447P"]);
    }
}
