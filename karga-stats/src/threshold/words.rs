//! What was seen, as a person reads it.

use std::time::Duration;

use super::Limit;
use crate::text;

/// A time to four digits: "312.1 ms".
pub(crate) fn time(value: Duration) -> String {
    text::duration(rounded(value))
}

/// A time to four digits, or exactly where that would hide on which side of
/// the limit it is.
pub(super) fn time_beside(value: Duration, limit: Limit) -> String {
    match limit {
        Limit::Time(limit) if value != limit && rounded(value) == limit => text::duration(value),
        _ => time(value),
    }
}

fn rounded(value: Duration) -> Duration {
    let nanos = value.as_nanos();
    let digits = nanos.checked_ilog10().unwrap_or(0);
    let unit = 10_u128.pow(digits.saturating_sub(3));
    let rounded = (nanos + unit / 2) / unit * unit;
    let seconds = u64::try_from(rounded / 1_000_000_000).unwrap_or(u64::MAX);
    Duration::new(seconds, (rounded % 1_000_000_000) as u32)
}

/// A number with one decimal, three below 1, none from 1,000 on: "912.3",
/// "10,400".
pub(crate) fn number(value: f64) -> String {
    if value >= 1000.0 {
        text::count(value.round() as u64)
    } else if value < 1.0 && value > 0.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.1}")
    }
}

/// A number of bytes with a prefix: "10.4 kB".
fn bytes(value: f64) -> String {
    let (scaled, prefix) = match value {
        _ if value >= 1e9 => (value / 1e9, "G"),
        _ if value >= 1e6 => (value / 1e6, "M"),
        _ if value >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    format!("{scaled:.1} {prefix}B")
}

/// A rate, with more digits where few would hide on which side of the limit it
/// is.
pub(super) fn rate_beside(rate: f64, is_bytes: bool, limit: Limit) -> String {
    let short = |rate: f64| if is_bytes { bytes(rate) } else { number(rate) };
    match limit {
        Limit::PerSecond(limit) if rate != limit && short(rate) == short(limit) => {
            format!("{rate}{}/s", if is_bytes { " B" } else { "" })
        }
        _ => format!("{}/s", short(rate)),
    }
}

/// A share in percent to at least three digits: "2.4 %", "0.0123 %".
pub(super) fn percent(percent: f64) -> String {
    if percent > 0.0 && percent < 0.1 {
        format!("{percent:.4} %")
    } else {
        // 99.96 % is not all.
        let places = if percent > 99.9 && percent < 100.0 {
            3
        } else {
            1
        };
        let factor = 10_f64.powi(places);
        let shown = if percent < 100.0 {
            (percent * factor).floor() / factor
        } else {
            percent
        };
        format!("{shown:.*} %", places as usize)
    }
}

/// The names that were seen, at most ten of them.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 10;
    let all: Vec<&str> = names.collect();
    let mut listed = all
        .iter()
        .take(MOST)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if all.len() > MOST {
        listed += &format!(" and {} more", all.len() - MOST);
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_four_digits() {
        let texts = [0, 999, 312_147_967, 1_500_000_000, 9_999_999]
            .map(|nanos| time(Duration::from_nanos(nanos)));
        assert_eq!(texts, ["0 ns", "999 ns", "312.1 ms", "1.5 s", "10 ms"]);
    }

    #[test]
    fn a_time_is_not_rounded_to_its_limit() {
        let (limit, nanos) = (Limit::Time(Duration::from_millis(50)), Duration::from_nanos);
        let texts = [50_000_001, 50_000_000, 50_020_001].map(|n| time_beside(nanos(n), limit));
        assert_eq!(texts, ["50.000001 ms", "50 ms", "50.02 ms"]);
    }

    #[test]
    fn shares_are_never_rounded_up_to_all() {
        let texts = [0.0, 0.0123, 2.44, 99.96, 99.9999, 100.0].map(percent);
        assert_eq!(
            texts,
            [
                "0.0 %", "0.0123 %", "2.4 %", "99.960 %", "99.999 %", "100.0 %"
            ]
        );
    }

    #[test]
    fn rates_are_short_but_not_beside_their_limit() {
        let texts = [0.0, 0.25, 912.34, 10_400.2, 2.5e6].map(number);
        assert_eq!(texts, ["0.0", "0.250", "912.3", "10,400", "2,500,000"]);
        let texts = [900.0, 10_400.0, 2.5e6, 3e9].map(bytes);
        assert_eq!(texts, ["900.0 B", "10.4 kB", "2.5 MB", "3.0 GB"]);
        let beside = |rate, bytes| rate_beside(rate, bytes, Limit::PerSecond(900.0));
        assert_eq!(beside(912.34, false), "912.3/s");
        assert_eq!(beside(900.0, false), "900.0/s");
        assert_eq!(beside(899.99, false), "899.99/s");
        assert_eq!(beside(899.99, true), "899.99 B/s");
    }
}
