//! Settings of a fetch.

use std::time::Duration;

use super::{ConfigError, Isolation, out_of_range};

/// How much a fetch asks for, and how long the broker may wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FetchSettings {
    max_wait: Duration,
    min_bytes: i32,
    max_bytes: i32,
    isolation: Isolation,
}

impl FetchSettings {
    /// Settings with the defaults of each setter.
    pub const fn builder() -> FetchSettingsBuilder {
        FetchSettingsBuilder(Self {
            max_wait: Duration::from_millis(500),
            min_bytes: 1,
            max_bytes: 4 * 1024 * 1024,
            isolation: Isolation::ReadUncommitted,
        })
    }

    /// See [`FetchSettingsBuilder::max_wait`].
    pub const fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// See [`FetchSettingsBuilder::min_bytes`].
    pub const fn min_bytes(&self) -> i32 {
        self.min_bytes
    }

    /// See [`FetchSettingsBuilder::max_bytes`].
    pub const fn max_bytes(&self) -> i32 {
        self.max_bytes
    }

    /// See [`FetchSettingsBuilder::isolation`].
    pub const fn isolation(&self) -> Isolation {
        self.isolation
    }
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self::builder().0
    }
}

/// Builds [`FetchSettings`].
#[derive(Debug, Clone, Copy)]
#[must_use = "settings do nothing until build() is called"]
pub struct FetchSettingsBuilder(FetchSettings);

impl FetchSettingsBuilder {
    /// How long the broker may wait for `min_bytes`, in whole milliseconds; 0 answers at once, and
    /// at most an hour. Default: 500 ms, as Kafka's own consumer.
    pub const fn max_wait(mut self, wait: Duration) -> Self {
        self.0.max_wait = wait;
        self
    }

    /// Bytes of records that end the wait; 0 or more. Default: 1.
    pub const fn min_bytes(mut self, bytes: i32) -> Self {
        self.0.min_bytes = bytes;
        self
    }

    /// Most bytes of records of one answer, above 0. The first batch comes whole, even if it is
    /// larger. Default: 4 MiB.
    pub const fn max_bytes(mut self, bytes: i32) -> Self {
        self.0.max_bytes = bytes;
        self
    }

    /// Which records to see. Default: [`Isolation::ReadUncommitted`], as Kafka's own consumer.
    pub const fn isolation(mut self, isolation: Isolation) -> Self {
        self.0.isolation = isolation;
        self
    }

    /// Checks and finishes the settings.
    ///
    /// # Errors
    /// A setting outside of the range that its setter names.
    pub fn build(self) -> Result<FetchSettings, ConfigError> {
        const LONGEST: Duration = Duration::from_secs(3600);
        let settings = self.0;
        if settings.max_wait > LONGEST {
            let value = format!("{:?}", settings.max_wait);
            return Err(out_of_range("max_wait", "at most an hour", value));
        }
        if settings.min_bytes < 0 {
            return Err(out_of_range("min_bytes", "0 or more", settings.min_bytes));
        }
        if settings.max_bytes < 1 {
            return Err(out_of_range("max_bytes", "above 0", settings.max_bytes));
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_fetch_settings_cannot_be_built() {
        let new = FetchSettings::builder;
        for (builder, part) in [
            (
                new().max_wait(Duration::from_secs(3601)),
                "max_wait must be at most an hour",
            ),
            (
                new().min_bytes(-1),
                "min_bytes must be 0 or more, and is -1",
            ),
            (new().max_bytes(0), "max_bytes must be above 0, and is 0"),
        ] {
            let error = builder.build().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(new().build().unwrap(), FetchSettings::default());
    }
}
