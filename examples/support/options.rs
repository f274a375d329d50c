//! Times and rates that options give.

use std::time::Duration;

use karga::core::schedule::MAX_RATE;

/// The longest schedule.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// A length of time that an option gives.
pub(crate) fn seconds(option: &str, given: f64) -> Result<Duration, String> {
    match Duration::try_from_secs_f64(given) {
        Ok(time) if time >= Duration::from_millis(1) && time <= LONGEST => Ok(time),
        _ => {
            let longest = LONGEST.as_secs();
            Err(format!(
                "{option} {given}: give a number from 0.001 to {longest}"
            ))
        }
    }
}

/// A rate that `--rate` gives.
pub(crate) fn rate(given: f64) -> Result<f64, String> {
    if given > 0.0 && given <= MAX_RATE {
        Ok(given)
    } else {
        Err(format!(
            "--rate {given:?}: give a number above 0, up to {MAX_RATE:e}"
        ))
    }
}
