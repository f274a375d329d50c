//! Fetching as a load.

mod builder;
mod metric;
mod reading;
mod shares;
mod start;
mod user;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use karga_core::{FirstErrors, Scenario};
use tokio::sync::Mutex;

pub use builder::{FetchScenarioBuilder, StartOffset};
pub use metric::FetchMetric;
pub use user::FetchUser;

use crate::{
    KafkaUrl,
    backend::{
        error::SetupError,
        native::{Cluster, Place},
        tally::Tally,
        target::IntoKafkaUrl,
    },
    config::{Backend, ClientConfig, FetchSettings},
};
use reading::OnRecord;
use shares::Shares;
use user::Route;

/// Reads a topic: each iteration is one fetch.
///
/// All users of the scenario read as one consumer group does: every record is read once, by one of
/// them. An iteration claims free partitions of one leader, at most its share (the number of
/// partitions divided by the number of users, rounded up), fetches them from where the last one
/// stopped, checks every batch's checksum, parses every record and lets the partitions go. Users
/// beyond the number of partitions only wait for their turn, and that wait is part of their service
/// time. Nothing is committed to the cluster.
///
/// A fetch with no new records waits up to `max_wait` at the broker and succeeds with no messages;
/// that wait is part of its service and response time, so that on an idle topic these figures tell
/// of `max_wait`, not of the broker's speed. A fetch is safe to repeat: after a timeout or a broken connection the next one reads from the same
/// place. Where retention removed records before they were read, reading goes on at the first one
/// that is there, and the counts "offset_resets" and "records_skipped" tell.
///
/// Fetches are long polls, so each user has connections of its own, also where the URL asks for a
/// shared pool. Outcome, volume and the lag of the whole scenario are told by [`FetchMetric`].
///
/// ```
/// use std::time::Duration;
/// use karga_kafka::{FetchScenario, StartOffset};
///
/// let scenario = FetchScenario::builder("kafka://localhost:9092/orders?max_bytes=1000000")
///     .start(StartOffset::Latest)
///     .max_wait(Duration::from_millis(100))
///     .build()?;
/// # fn is_scenario(_: impl karga_core::Scenario) {}
/// # is_scenario(scenario);
/// # Ok::<(), karga_kafka::BuildError>(())
/// ```
pub struct FetchScenario {
    name: String,
    config: ClientConfig,
    place: Place,
    backend: Backend,
    plan: Arc<Plan>,
    start: StartOffset,
    partition: Option<i32>,
    ready: Mutex<Option<Ready>>,
    firsts: Arc<FirstErrors>,
}

/// What every user works by.
pub(crate) struct Plan {
    pub(crate) settings: FetchSettings,
    pub(crate) on_record: Option<Arc<OnRecord>>,
}

/// What setup found, and what the users share from then on.
#[derive(Clone)]
struct Ready {
    cluster: Cluster,
    tally: Arc<Tally>,
    shares: Arc<Shares>,
    users: Arc<AtomicUsize>,
}

impl FetchScenario {
    /// A builder of scenarios that read the topic of `url`: a [`KafkaUrl`] or its text. A text that
    /// is no such URL is refused by [`build`](FetchScenarioBuilder::build).
    pub fn builder(url: impl IntoKafkaUrl) -> FetchScenarioBuilder {
        FetchScenarioBuilder::new(url)
    }

    fn new(
        name: String,
        url: &KafkaUrl,
        config: ClientConfig,
        backend: Backend,
        plan: Plan,
        (start, partition): (StartOffset, Option<i32>),
    ) -> Self {
        Self {
            name,
            config,
            place: Place {
                topic: url.topic().to_owned(),
                brokers: SetupError::brokers(url),
            },
            backend,
            plan: Arc::new(plan),
            start,
            partition,
            ready: Mutex::new(None),
            firsts: Arc::default(),
        }
    }

    async fn prepare(&self) -> Result<Ready, SetupError> {
        let cluster = Cluster::reach(self.config.clone(), &self.place, None).await?;
        let partitions = cluster.topic.partitions();
        let wanted = match self.partition {
            None => (0..).take(partitions).collect(),
            Some(one) if usize::try_from(one).is_ok_and(|index| index < partitions) => vec![one],
            Some(partition) => {
                return Err(SetupError::NoPartition {
                    topic: self.place.topic.clone(),
                    partition,
                    partitions,
                });
            }
        };
        let isolation = self.plan.settings.isolation();
        let slots = start::slots(&cluster, &self.place, &wanted, self.start, isolation).await?;
        Ok(Ready {
            tally: Arc::new(Tally::new(cluster.client.clone())),
            cluster,
            shares: Arc::new(Shares::new(slots)),
            users: Arc::default(),
        })
    }
}

impl Scenario for FetchScenario {
    type Action = FetchUser;
    type Error = SetupError;

    fn name(&self) -> &str {
        &self.name
    }

    async fn setup(&self) -> Result<(), SetupError> {
        self.firsts.clear();
        let mut ready = self.ready.lock().await;
        *ready = Some(self.prepare().await?);
        Ok(())
    }

    async fn connect(&self, _user: u64) -> Result<FetchUser, SetupError> {
        let ready = {
            let mut ready = self.ready.lock().await;
            match &*ready {
                Some(ready) => ready.clone(),
                None => ready.insert(self.prepare().await?).clone(),
            }
        };
        let Ready {
            cluster,
            tally,
            shares,
            users,
        } = ready;
        let session = cluster.client.exclusive_session();
        let route = match self.backend {
            #[cfg(feature = "rskafka")]
            Backend::Rskafka => Route::Rskafka(
                crate::backend::rskafka::RskafkaFetcher::connect(
                    &self.config,
                    &self.place,
                    shares.partitions(),
                )
                .await?,
            ),
            _ => {
                let connected = session.warm_up(&cluster.topic).await;
                connected.map_err(|error| self.place.failed(error))?;
                Route::Native
            }
        };
        users.fetch_add(1, Relaxed);
        Ok(FetchUser::new(
            Arc::clone(&self.plan),
            cluster.topic,
            session,
            route,
            tally,
            Arc::clone(&self.firsts),
            (shares, users),
        ))
    }

    async fn teardown(&self) -> Result<(), SetupError> {
        // The connections close with the last user.
        *self.ready.lock().await = None;
        Ok(())
    }

    /// The first error of each class since setup with its whole message, of at most 8 classes.
    fn remarks(&self) -> Vec<String> {
        self.firsts.remarks()
    }
}

impl fmt::Debug for FetchScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchScenario")
            .field("name", &self.name)
            .field("topic", &self.place.topic)
            .field("brokers", &self.place.brokers)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
