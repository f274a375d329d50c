//! A client of a Kafka cluster that hides nothing: every request has a deadline that holds, nothing
//! is sent again unless a [`RetryPolicy`] says so, and every retry, reconnect, throttle and leader
//! change is [counted](Client::counters).
//!
//! A [`Client`] knows a cluster: its brokers, its topics, how to administer them. A [`Session`]
//! carries load: it has connections of its own with one request in flight, or shares a pipelined
//! pool, as [`Connections`](crate::config::Connections) says.
//!
//! ```no_run
//! use karga_kafka::KafkaUrl;
//! use karga_kafka::client::{Client, Position};
//! use karga_kafka::config::Acks;
//!
//! # async fn example(batch: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let url: KafkaUrl = "kafka://localhost:9092/orders".parse()?;
//! let client = Client::connect(url.client_config()).await?;
//! let topic = client.topic(url.topic()).await?;
//! let session = client.session();
//!
//! // An encoded record batch goes straight into the request's buffer.
//! let write = |buffer: &mut bytes::BytesMut| {
//!     buffer.extend_from_slice(batch);
//!     Ok::<_, std::convert::Infallible>(())
//! };
//! let produced = session.produce(&topic, 0, Acks::All, write).await?;
//!
//! let position = Position::new(0, produced.base_offset);
//! let fetched = session.fetch(&topic, &[position], &url.fetch_settings()).await?;
//! println!("{} bytes of records", fetched.partitions[0].records.len());
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout_at;

use crate::config::{ClientConfig, Endpoint};
use crate::error::Error;
use crate::error_codes::ErrorCode;
use crate::wire::exclusive::Exclusive;
use crate::wire::link::{CallError, Phase, Progress};
use crate::wire::message::metadata::AskMetadata;
use crate::wire::open::LinkContext;
use crate::wire::versions::Api;

mod admin;
mod control;
pub(crate) mod counters;
mod metadata;
mod pool;
mod retry;
mod session;

pub use admin::{NewTopic, ProducerId};
pub use counters::Counters;
pub use metadata::Topic;
pub use retry::RetryPolicy;
pub use session::{Fetched, Produced, Session};

pub use crate::wire::message::fetch::{FetchedPartition, Position};
pub use crate::wire::message::list_offsets::{ListedOffset, OffsetSpec};

use control::Control;
use counters::LiveCounters;
use metadata::Brokers;
use pool::Pool;

/// A Kafka cluster, as one program sees it. Clones are the same client.
///
/// Dropping the last clone and the last [`Session`] closes every connection and ends every task.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    link: Arc<LinkContext>,
    brokers: Brokers,
    control: Mutex<Control>,
    /// Of all sessions, when they share their connections.
    pool: Option<Arc<Pool>>,
}

impl Client {
    /// Connects to the first bootstrap broker that can be reached, and asks it for the others.
    ///
    /// Takes at most the connect deadline for each bootstrap broker and one request deadline.
    ///
    /// # Errors
    /// [`Error::Bootstrap`] with every broker and its cause, when none can be reached.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    pub async fn connect(config: ClientConfig) -> Result<Self, Error> {
        let brokers = u32::try_from(config.bootstrap().len()).unwrap_or(u32::MAX);
        let connecting = config.connect_timeout().saturating_mul(brokers);
        let pool = Pool::new(config.connections());
        let client = Self {
            shared: Arc::new(Shared {
                link: Arc::new(LinkContext {
                    config,
                    counters: LiveCounters::default(),
                }),
                brokers: Brokers::default(),
                control: Mutex::default(),
                pool: pool.map(Arc::new),
            }),
        };
        let progress = client.progress(connecting);
        client.bootstrap(&progress).await?;
        Ok(client)
    }

    /// Finds a broker, and asks it for the others.
    async fn bootstrap(&self, progress: &Progress) -> Result<(), Error> {
        let work = pin!(async {
            let mut control = self.control(progress).await;
            let mut ask = AskMetadata { topic: None };
            let answer = self.ask_any(&mut control, &mut ask, progress).await?;
            self.brokers().replace(&answer);
            Ok(())
        });
        self.within(Api::Metadata, progress, work).await
    }

    /// A way to carry load: with connections of its own, or over the client's pool, as
    /// [`ClientConfig::connections`] says. Connects when it is first used.
    pub fn session(&self) -> Session {
        Session::new(self.clone(), self.shared.pool.clone())
    }

    /// A session with connections of its own, whatever the settings say: for long polls, which
    /// would hold up everything behind them on a shared connection.
    pub fn exclusive_session(&self) -> Session {
        Session::new(self.clone(), None)
    }

    /// The settings that it was made with.
    pub fn config(&self) -> &ClientConfig {
        &self.shared.link.config
    }

    /// What was counted since the client was made, over all of its sessions.
    pub fn counters(&self) -> Counters {
        self.live().read()
    }

    /// The brokers that the cluster has named, in no order.
    pub fn known_brokers(&self) -> Vec<Endpoint> {
        self.brokers().all()
    }

    fn live(&self) -> &LiveCounters {
        &self.shared.link.counters
    }

    fn brokers(&self) -> &Brokers {
        &self.shared.brokers
    }

    /// Opens a connection to one broker of the cluster. `again` says that it replaces another.
    async fn open_broker(
        &self,
        broker: i32,
        again: bool,
        progress: &Progress,
    ) -> Result<Box<Exclusive>, Error> {
        progress.enter(Phase::Connecting);
        let endpoint = self
            .brokers()
            .endpoint(broker)
            .ok_or_else(|| Error::Broker {
                request: Api::Metadata,
                target: format!("broker {broker}"),
                code: ErrorCode::LEADER_NOT_AVAILABLE,
                message: Some("the cluster names no usable address for it".to_owned()),
            })?;
        // Boxed, because it is rare and large, and would be part of every request's future.
        let opened = Box::pin(self.shared.link.open(&endpoint, again)).await;
        opened
            .map(Box::new)
            .map_err(|source| Error::Connect { endpoint, source })
    }

    /// The start of a request whose deadline is the request deadline and `more`.
    fn progress(&self, more: Duration) -> Progress {
        Progress::within(self.config().request_timeout().saturating_add(more))
    }

    /// Holds a request to its deadline. The work is pinned where it was made, because it is some
    /// kilobytes that would otherwise be copied for each request.
    async fn within<T>(
        &self,
        request: Api,
        progress: &Progress,
        work: Pin<&mut impl Future<Output = Result<T, Error>>>,
    ) -> Result<T, Error> {
        match timeout_at(progress.deadline(), work).await {
            Ok(result) => result,
            Err(_) => {
                self.live().timeouts.add(1);
                Err(Error::Timeout {
                    request,
                    after: progress.limit(),
                    phase: progress.phase(),
                })
            }
        }
    }
}

/// Says which request failed where.
fn failed(request: Api, endpoint: &Endpoint, error: CallError) -> Error {
    match error {
        CallError::Request(source) => Error::Request { request, source },
        CallError::Link { error, sent } => Error::Link {
            request,
            endpoint: endpoint.clone(),
            sent,
            source: error,
        },
    }
}
