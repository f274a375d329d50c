//! Decimal numbers as text, without the rounding of a detour.

/// A number as it was written: digits with at most one point between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal(String);

/// Why a number is not a whole number of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotWhole {
    Fraction,
    TooLarge,
}

impl Decimal {
    /// None if it is anything but digits with at most one point, of which at
    /// least one digit stands before the point and one behind it.
    pub(super) fn new(text: &str) -> Option<Self> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_number = match text.split_once('.') {
            Some((whole, fraction)) => digits(whole) && digits(fraction),
            None => digits(text),
        };
        is_number.then(|| Self(text.to_owned()))
    }

    /// The nearest float to this number times a power of ten.
    pub(super) fn float(&self, ten: u32) -> f64 {
        // The text is a number, whose exponent is the one that is added.
        format!("{}e{ten}", self.0).parse().unwrap_or(f64::INFINITY)
    }

    /// This number times `unit`, if that is a whole number.
    pub(super) fn whole(&self, unit: u128) -> Result<u128, NotWhole> {
        let (whole, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        let fraction = fraction.trim_end_matches('0');
        let mantissa: u128 = format!("{whole}{fraction}")
            .parse()
            .map_err(|_| NotWhole::TooLarge)?;
        let scaled = mantissa.checked_mul(unit).ok_or(NotWhole::TooLarge)?;
        let parts = u32::try_from(fraction.len())
            .ok()
            .and_then(|places| 10_u128.checked_pow(places))
            .ok_or(NotWhole::Fraction)?;
        if scaled.is_multiple_of(parts) {
            Ok(scaled / parts)
        } else {
            Err(NotWhole::Fraction)
        }
    }
}

/// The decimal number `text` divided by a power of ten: "1500" by 3 is "1.5".
pub(super) fn shifted(text: &str, ten: usize) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let padded = format!("{whole:0>width$}", width = ten + 1);
    let (whole, moved) = padded.split_at(padded.len() - ten);
    let fraction = format!("{moved}{fraction}");
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

/// The number with the largest of the prefixes k, M and G that leaves it at
/// least 1 and with at most one digit behind the point, or with none.
pub(super) fn prefixed(text: &str) -> (String, &'static str) {
    for (ten, prefix) in [(9, "G"), (6, "M"), (3, "k")] {
        let short = shifted(text, ten);
        let (whole, fraction) = short.split_once('.').unwrap_or((&short, ""));
        if whole != "0" && fraction.len() <= 1 {
            return (short, prefix);
        }
    }
    (text.to_owned(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::new(text).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn only_digits_and_one_point_are_a_number() {
        for text in ["", ".", "1.", ".5", "1.2.3", "-1", "1e3", "NaN", "1,000"] {
            assert_eq!(Decimal::new(text), None, "{text}");
        }
    }

    #[test]
    fn whole_numbers_of_a_unit_are_exact() {
        assert_eq!(decimal("1.5").whole(1000), Ok(1500));
        assert_eq!(decimal("0.10").whole(10), Ok(1));
        assert_eq!(decimal("0.0015").whole(1000), Err(NotWhole::Fraction));
        let huge = "9".repeat(60);
        assert_eq!(decimal(&huge).whole(1), Err(NotWhole::TooLarge));
        let tiny = format!("0.{}1", "0".repeat(60));
        assert_eq!(decimal(&tiny).whole(1), Err(NotWhole::Fraction));
    }

    #[test]
    fn prefixes_shorten_what_stays_exact() {
        for (text, short) in [
            ("900", ("900", "")),
            ("1000", ("1", "k")),
            ("1500", ("1.5", "k")),
            ("1234", ("1234", "")),
            ("12000000", ("12", "M")),
            ("0.5", ("0.5", "")),
            ("0", ("0", "")),
        ] {
            assert_eq!(prefixed(text), (short.0.to_owned(), short.1));
        }
    }

    #[test]
    fn floats_are_the_nearest_ones() {
        assert_eq!(decimal("0.1").float(3), 100.0);
        assert_eq!(decimal("99.9").float(0), 99.9);
        assert_eq!(decimal(&"9".repeat(400)).float(0), f64::INFINITY);
    }
}
