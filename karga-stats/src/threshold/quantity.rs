//! Numbers with units.

use std::time::Duration;

use super::{
    Limit,
    figure::What,
    number::{Decimal, NotWhole},
};

/// Why a number and a unit are no limit of a figure.
pub(super) enum Misfit {
    Unit,
    Number(String),
}

/// The limit that a number and its unit are for this figure.
pub(super) fn quantity(what: &What, number: &Decimal, unit: &str) -> Result<Limit, Misfit> {
    let fits = |limit: Limit| {
        if what.takes(limit) {
            Ok(limit)
        } else {
            Err(Misfit::Unit)
        }
    };
    if unit == "%" {
        return fits(Limit::Percent(number.float(0)));
    }
    if what.time().is_some() {
        let nanos = nanoseconds(unit).ok_or(Misfit::Unit)?;
        return time(number, nanos).map(Limit::Time);
    }
    let (unit, per_second) = match unit.strip_suffix("/s") {
        Some(unit) => (unit, true),
        None => (unit, false),
    };
    let prefix = match what.is_bytes() {
        true => unit.strip_suffix('B').ok_or(Misfit::Unit)?,
        false => unit,
    };
    let factor = Factor::of(prefix, what.is_bytes()).ok_or(Misfit::Unit)?;
    match what {
        What::Counted(_) | What::Lag | What::MaxLag if per_second => Err(Misfit::Unit),
        What::Counted(_) | What::Lag | What::MaxLag => {
            let count = number.whole(factor.whole()).ok();
            match count.and_then(|count| u64::try_from(count).ok()) {
                Some(count) => Ok(Limit::Count(count)),
                None => Err(Misfit::Number(format!(
                    "{what} is a count: it needs a whole number, at most 2^64 - 1"
                ))),
            }
        }
        // A bare number could be meant as either.
        What::AchievedRate if !per_second => Err(Misfit::Unit),
        _ => fits(Limit::PerSecond(factor.float(number))),
    }
}

/// A power of ten, or of 1024.
#[derive(Clone, Copy)]
enum Factor {
    Ten(u32),
    Binary(u32),
}

impl Factor {
    fn of(prefix: &str, bytes: bool) -> Option<Self> {
        Some(match prefix {
            "" => Self::Ten(0),
            "k" => Self::Ten(3),
            "M" => Self::Ten(6),
            "G" => Self::Ten(9),
            "Ki" if bytes => Self::Binary(1),
            "Mi" if bytes => Self::Binary(2),
            "Gi" if bytes => Self::Binary(3),
            _ => return None,
        })
    }

    const fn whole(self) -> u128 {
        match self {
            Self::Ten(ten) => 10_u128.pow(ten),
            Self::Binary(power) => 1024_u128.pow(power),
        }
    }

    fn float(self, number: &Decimal) -> f64 {
        match self {
            Self::Ten(ten) => number.float(ten),
            Self::Binary(_) => number.float(0) * self.whole() as f64,
        }
    }
}

/// How many nanoseconds a unit of time has.
fn nanoseconds(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        // The micro sign and the Greek letter look the same.
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        _ => return None,
    })
}

fn time(number: &Decimal, nanos: u128) -> Result<Duration, Misfit> {
    const SECOND: u128 = 1_000_000_000;
    let whole = number.whole(nanos).map_err(|not| {
        Misfit::Number(match not {
            NotWhole::Fraction => "times are whole nanoseconds; this is finer".to_owned(),
            NotWhole::TooLarge => "this time is too long".to_owned(),
        })
    })?;
    let seconds = u64::try_from(whole / SECOND)
        .map_err(|_| Misfit::Number("this time is too long".to_owned()))?;
    Ok(Duration::new(seconds, (whole % SECOND) as u32))
}
