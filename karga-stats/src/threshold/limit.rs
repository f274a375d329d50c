use std::{fmt, time::Duration};

use super::number::{prefixed, shifted};

/// What a figure is compared with.
///
/// A `Duration` and a count turn into one: `figure.below(Duration::from_secs(1))`,
/// `figure.at_most(3)`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Limit {
    /// A time: "250ms".
    Time(Duration),
    /// A number of iterations, messages or bytes: "5", "10k", "20MB".
    Count(u64),
    /// A share in percent, 0 to 100, of the iterations or arrivals that the
    /// figure counts from: "1%". See [`Limit::share`].
    Percent(f64),
    /// A rate per second: "900/s", "10MB/s".
    PerSecond(f64),
}

impl Limit {
    /// A share as a fraction of 1: `0.01` is 1 %.
    pub fn share(share: f64) -> Self {
        // 0.07 * 100 is a little more than 7.
        Self::Percent((share * 1e12).round() / 1e10)
    }

    /// -0 is 0.
    pub(super) fn without_sign_of_zero(self) -> Self {
        match self {
            Self::Percent(percent) => Self::Percent(percent + 0.0),
            Self::PerSecond(rate) => Self::PerSecond(rate + 0.0),
            other => other,
        }
    }

    /// The text that reads back as this; of `bytes`, if it counts bytes.
    pub(super) fn text(self, bytes: bool) -> String {
        let byte = if bytes { "B" } else { "" };
        match self {
            Self::Time(time) => {
                let (ten, unit) = time_unit(time);
                shifted(&time.as_nanos().to_string(), ten) + unit
            }
            Self::Count(count) => {
                let (number, prefix) = prefixed(&count.to_string());
                format!("{number}{prefix}{byte}")
            }
            Self::Percent(percent) => format!("{percent}%"),
            Self::PerSecond(rate) => {
                let (number, prefix) = prefixed(&rate.to_string());
                format!("{number}{prefix}{byte}/s")
            }
        }
    }
}

/// The largest unit that leaves a time at least 1, and its power of ten in
/// nanoseconds.
fn time_unit(time: Duration) -> (usize, &'static str) {
    let nanos = time.as_nanos();
    if nanos >= 1_000_000_000 || nanos == 0 {
        (9, "s")
    } else if nanos >= 1_000_000 {
        (6, "ms")
    } else if nanos >= 1_000 {
        (3, "µs")
    } else {
        (0, "ns")
    }
}

impl From<Duration> for Limit {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

impl From<u64> for Limit {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

/// How a figure is compared with its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
}

impl Comparison {
    pub(super) const ALL: [Self; 6] = [
        Self::AtMost,
        Self::Below,
        Self::AtLeast,
        Self::Above,
        Self::Equal,
        Self::Unequal,
    ];

    /// Its sign in a text.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
            Self::Unequal => "!=",
        }
    }

    /// Whether the value compares so with the limit.
    pub(super) fn holds<T: PartialOrd>(self, value: T, limit: T) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Equal => value == limit,
            Self::Unequal => value != limit,
        }
    }

    /// Whether it bounds the figure from above.
    pub(super) const fn is_upper(self) -> bool {
        matches!(self, Self::Below | Self::AtMost)
    }

    /// Whether it bounds the figure from below.
    pub(super) const fn is_lower(self) -> bool {
        matches!(self, Self::Above | Self::AtLeast)
    }

    /// Whether it asks for one exact value, or for any other.
    pub(super) const fn is_exact(self) -> bool {
        matches!(self, Self::Equal | Self::Unequal)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sign())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_in_their_shortest_exact_form() {
        let ms = Duration::from_millis;
        for (limit, bytes, text) in [
            (Limit::Time(ms(250)), false, "250ms"),
            (Limit::Time(ms(1500)), false, "1.5s"),
            (Limit::Time(ms(90_000)), false, "90s"),
            (
                Limit::Time(Duration::from_nanos(1_000_001)),
                false,
                "1.000001ms",
            ),
            (Limit::Time(Duration::from_nanos(20_500)), false, "20.5µs"),
            (Limit::Time(Duration::ZERO), false, "0s"),
            (Limit::Count(5), false, "5"),
            (Limit::Count(10_000), false, "10k"),
            (Limit::Count(20_000_000), true, "20MB"),
            (Limit::Percent(0.1), false, "0.1%"),
            (Limit::share(0.07), false, "7%"),
            (Limit::share(0.999), false, "99.9%"),
            (Limit::PerSecond(900.0), false, "900/s"),
            (Limit::PerSecond(1e7), true, "10MB/s"),
            (Limit::PerSecond(0.5), false, "0.5/s"),
        ] {
            assert_eq!(limit.text(bytes), text);
        }
    }
}
