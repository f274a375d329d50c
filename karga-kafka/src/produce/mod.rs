//! Producing as a load.

mod builder;
mod metric;
pub(crate) mod recipe;
mod user;

use std::{fmt, sync::Arc};

use karga_core::{FirstErrors, Scenario};
use tokio::sync::Mutex;

pub use builder::{DEFAULT_MAX_REQUEST, ProduceScenarioBuilder};
pub use metric::ProduceMetric;
pub use user::ProduceUser;

use crate::{
    KafkaUrl, Partitioning,
    backend::{
        error::SetupError,
        native::{Cluster, NativeProducer, Place},
        tally::Tally,
        target::IntoKafkaUrl,
    },
    config::{Acks, Backend, ClientConfig},
};
use recipe::Recipe;
use user::Route;

/// Produces records to a topic: each iteration makes one batch of records and waits until it is
/// acknowledged.
///
/// Every iteration makes records that depend on nothing but the seed and the iteration's index, so
/// that a run can be repeated record by record. Records whose partitions have the same leader travel
/// in one request. An iteration's outcome is told by [`ProduceMetric`].
///
/// Before the load, [`setup`](Scenario::setup) connects and looks for the topic: one that does not
/// exist is an error, unless [`create_topic`](ProduceScenarioBuilder::create_topic) was asked for.
/// Each user connects to every leader of the topic.
///
/// ```
/// use karga_kafka::{Keys, Payload, ProduceScenario, config::Acks, records::Compression};
///
/// let scenario = ProduceScenario::builder("kafka://localhost:9092/orders")
///     .acks(Acks::All)
///     .compression(Compression::Zstd)
///     .batch(100)
///     .payload(Payload::random(200..=2000))
///     .keys(Keys::zipf(10_000, 1.0)?)
///     .header("trace", "load test")
///     .create_topic(12)
///     .build()?;
///
/// let refused = ProduceScenario::builder("kafka://localhost:9092/orders").batch(0).build();
/// assert!(refused.is_err());
/// # fn is_scenario(_: impl karga_core::Scenario) {}
/// # is_scenario(scenario);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ProduceScenario {
    name: String,
    config: ClientConfig,
    place: Place,
    backend: Backend,
    plan: Arc<Plan>,
    create_topic: Option<i32>,
    ready: Mutex<Option<Ready>>,
    firsts: Arc<FirstErrors>,
}

/// What every user works by.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) recipe: Recipe,
    pub(crate) acks: Acks,
    /// Most bytes of one batch before compression.
    pub(crate) max_request: usize,
}

/// What setup found.
#[derive(Debug, Clone)]
struct Ready {
    cluster: Cluster,
    tally: Arc<Tally>,
}

impl ProduceScenario {
    /// A builder of scenarios that produce to the topic of `url`: a [`KafkaUrl`] or its text. A
    /// text that is no such URL is refused by [`build`](ProduceScenarioBuilder::build).
    pub fn builder(url: impl IntoKafkaUrl) -> ProduceScenarioBuilder {
        ProduceScenarioBuilder::new(url)
    }

    fn new(
        name: String,
        url: &KafkaUrl,
        config: ClientConfig,
        backend: Backend,
        plan: Plan,
        create_topic: Option<i32>,
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
            create_topic,
            ready: Mutex::new(None),
            firsts: Arc::default(),
        }
    }

    async fn prepare(&self) -> Result<Ready, SetupError> {
        let config = self.config.clone();
        let cluster = Cluster::reach(config, &self.place, self.create_topic).await?;
        let partitions = cluster.topic.partitions();
        if let Partitioning::Explicit(partition) = self.plan.recipe.partitioning
            && usize::try_from(partition).is_ok_and(|index| index >= partitions)
        {
            return Err(SetupError::NoPartition {
                topic: self.place.topic.clone(),
                partition,
                partitions,
            });
        }
        let tally = Arc::new(Tally::new(cluster.client.clone()));
        Ok(Ready { cluster, tally })
    }
}

impl Scenario for ProduceScenario {
    type Action = ProduceUser;
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

    async fn connect(&self, _user: u64) -> Result<ProduceUser, SetupError> {
        let Ready { cluster, tally } = {
            let mut ready = self.ready.lock().await;
            match &*ready {
                Some(ready) => ready.clone(),
                None => ready.insert(self.prepare().await?).clone(),
            }
        };
        let route = match self.backend {
            #[cfg(feature = "rskafka")]
            Backend::Rskafka => Route::Rskafka(
                crate::backend::rskafka::RskafkaProducer::connect(
                    &self.config,
                    &self.place,
                    cluster.topic.partitions(),
                    &self.plan,
                )
                .await?,
            ),
            _ => {
                let session = cluster.client.session();
                let connected = session.warm_up(&cluster.topic).await;
                connected.map_err(|error| self.place.failed(error))?;
                Route::Native(NativeProducer {
                    session,
                    topic: cluster.topic.clone(),
                    acks: self.plan.acks,
                    max_request: self.plan.max_request,
                })
            }
        };
        Ok(ProduceUser::new(
            Arc::clone(&self.plan),
            cluster.topic,
            route,
            tally,
            Arc::clone(&self.firsts),
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

impl fmt::Debug for ProduceScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProduceScenario")
            .field("name", &self.name)
            .field("topic", &self.place.topic)
            .field("brokers", &self.place.brokers)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
