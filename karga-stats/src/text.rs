//! Figures as a person reads them, shared with the reporters.

use std::time::Duration;

/// Thousands apart: "1,203".
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share with one decimal: "2.4 %"; only nothing is "0.0 %", and only all is
/// "100.0 %".
pub fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0.0 %".to_owned();
    }
    let share = part as f64 / whole as f64 * 100.0;
    if share < 0.05 {
        "<0.1 %".to_owned()
    } else if part < whole {
        format!("{:.1} %", share.min(99.9))
    } else {
        format!("{share:.1} %")
    }
}

/// The shortest exact form in one unit: "10 ms".
pub fn duration(value: Duration) -> String {
    let nanos = value.as_nanos();
    let (unit, divisor) = [("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)]
        .into_iter()
        .find(|&(_, divisor)| nanos >= divisor)
        .unwrap_or(("ns", 1));
    format!("{} {unit}", nanos as f64 / divisor as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_thousands_apart() {
        let texts = [0, 999, 1000, 1_234_567].map(count);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn durations_are_short_and_exact() {
        let texts =
            [0, 1_500, 10_000_000, 2_000_000_000].map(|n| duration(Duration::from_nanos(n)));
        assert_eq!(texts, ["0 ns", "1.5 µs", "10 ms", "2 s"]);
    }

    #[test]
    fn a_share_of_nothing_is_nothing() {
        assert_eq!(percent(3, 0), "0.0 %");
        assert_eq!(percent(1203, 50_000), "2.4 %");
        assert_eq!(percent(1, 50_000), "<0.1 %");
        assert_eq!(percent(49_999, 50_000), "99.9 %");
        assert_eq!(percent(50_000, 50_000), "100.0 %");
    }
}
