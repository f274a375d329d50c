//! Durations as seconds, for serde.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    value.as_secs_f64().serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    duration(f64::deserialize(from)?)
}

fn duration<E: Error>(seconds: f64) -> Result<Duration, E> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|error| E::custom(format_args!("{seconds} is not a time in seconds: {error}")))
}

/// A wall clock as seconds since 1970 (UTC), without leap seconds.
pub(super) mod since_1970 {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::{Deserialize, Deserializer, Error, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<SystemTime>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        // A clock that is set before 1970 is one that nobody has set.
        let since = value.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        since.map(|since| since.as_secs_f64()).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        let Some(seconds) = Option::<f64>::deserialize(from)? else {
            return Ok(None);
        };
        let at = UNIX_EPOCH.checked_add(super::duration(seconds)?);
        at.map(Some)
            .ok_or_else(|| D::Error::custom(format_args!("{seconds} is beyond the clock's range")))
    }
}
