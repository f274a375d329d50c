//! The settings of a fetch scenario.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{FetchScenario, Plan, reading::OnRecord};
use crate::{
    backend::{
        error::BuildError,
        target::{IntoKafkaUrl, Target, target_setters},
    },
    config::{Backend, ConfigError, FetchSettings, Isolation},
    records::FetchedRecord,
};

/// Where a [`FetchScenario`] starts in each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum StartOffset {
    /// At the first record that is still there: everything is read. The default.
    #[default]
    Earliest,
    /// Behind the last record that is there before the load: only what is new is read.
    Latest,
    /// At this offset, 0 or more, which each partition must hold (or be about to write).
    Offset(i64),
    /// At the first record with this timestamp or a later one, in milliseconds since the Unix epoch,
    /// 0 or more; behind the last record where there is none.
    Timestamp(i64),
}

impl StartOffset {
    /// At the first record of this time or later.
    pub fn time(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self::Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Builds a [`FetchScenario`]. A setting takes the place of the URL's option of the same name.
#[derive(Clone)]
#[must_use = "settings do nothing until build() is called"]
pub struct FetchScenarioBuilder {
    name: String,
    target: Target,
    start: StartOffset,
    partition: Option<i32>,
    max_wait: Option<Duration>,
    min_bytes: Option<i32>,
    max_bytes: Option<i32>,
    isolation: Option<Isolation>,
    on_record: Option<Arc<OnRecord>>,
}

impl FetchScenarioBuilder {
    pub(super) fn new(url: impl IntoKafkaUrl) -> Self {
        Self {
            name: "fetch".to_owned(),
            target: Target::new(url),
            start: StartOffset::default(),
            partition: None,
            max_wait: None,
            min_bytes: None,
            max_bytes: None,
            isolation: None,
            on_record: None,
        }
    }

    target_setters!();

    /// Where to start in each partition. Default: [`StartOffset::Earliest`].
    pub const fn start(mut self, start: StartOffset) -> Self {
        self.start = start;
        self
    }

    /// Reads this partition only, 0 or more. Default: all of the topic's partitions. (The URL's
    /// `partition` is about producing.)
    pub const fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// How long a broker may wait for `min_bytes`, at most an hour. Default: the URL's, or 500 ms.
    pub const fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = Some(wait);
        self
    }

    /// Bytes of records that end the wait; 0 answers at once. Default: the URL's, or 1.
    pub const fn min_bytes(mut self, bytes: i32) -> Self {
        self.min_bytes = Some(bytes);
        self
    }

    /// Most bytes of records of one answer, above 0; the first batch comes whole, even if it is
    /// larger. Default: the URL's, or 4 MiB.
    pub const fn max_bytes(mut self, bytes: i32) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Which records to see. Default: the URL's, or [`Isolation::ReadUncommitted`].
    pub const fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// Calls `look` with the partition and every new record, in the order of each partition, within
    /// the iteration that read it. It must not block; what it takes counts as service time.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use karga_kafka::FetchScenario;
    ///
    /// static EMPTY: AtomicU64 = AtomicU64::new(0);
    ///
    /// let scenario = FetchScenario::builder("kafka://localhost:9092/orders")
    ///     .on_record(|partition, record| {
    ///         if record.value().is_none_or(<[u8]>::is_empty) {
    ///             EMPTY.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///         let _ = (partition, record.offset(), record.timestamp());
    ///     })
    ///     .build()?;
    /// # Ok::<(), karga_kafka::BuildError>(())
    /// ```
    pub fn on_record(
        mut self,
        look: impl Fn(i32, &FetchedRecord<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.on_record = Some(Arc::new(look));
        self
    }

    /// Checks and finishes the settings. Nothing is connected yet.
    ///
    /// # Errors
    /// A URL that cannot be read, a setting outside of its range, or one that the chosen backend
    /// cannot honour.
    pub fn build(self) -> Result<FetchScenario, BuildError> {
        let url = self.target.url.clone()?;
        let config = self.target.client_config(&url)?;
        let backend = self.target.backend(&url)?;
        if let Some(partition @ ..0) = self.partition {
            return Err(negative("partition", partition.into()));
        }
        match self.start {
            StartOffset::Offset(offset @ ..0) => return Err(negative("start offset", offset)),
            StartOffset::Timestamp(at @ ..0) => return Err(negative("start timestamp", at)),
            _ => {}
        }
        let of_url = url.fetch_settings();
        let settings = FetchSettings::builder()
            .max_wait(self.max_wait.unwrap_or(of_url.max_wait()))
            .min_bytes(self.min_bytes.unwrap_or(of_url.min_bytes()))
            .max_bytes(self.max_bytes.unwrap_or(of_url.max_bytes()))
            .isolation(self.isolation.unwrap_or(of_url.isolation()))
            .build()?;
        if backend == Backend::Rskafka {
            #[cfg(feature = "rskafka")]
            crate::backend::rskafka::check_fetch(&config, self.on_record.is_some())?;
        }
        let plan = Plan {
            settings,
            on_record: self.on_record,
        };
        let from = (self.start, self.partition);
        Ok(FetchScenario::new(
            self.name, &url, config, backend, plan, from,
        ))
    }
}

impl fmt::Debug for FetchScenarioBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchScenarioBuilder")
            .field("name", &self.name)
            .field("target", &self.target)
            .field("start", &self.start)
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}

fn negative(setting: &'static str, value: i64) -> BuildError {
    BuildError::Config(ConfigError::OutOfRange {
        setting,
        range: "0 or more",
        value: value.to_string(),
    })
}
