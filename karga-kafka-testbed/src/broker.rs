//! The broker as its owner sees it: started, asked, dropped.

use std::{fmt, io, net::SocketAddr, sync::Arc, thread, time::Duration};

use tokio::{net::TcpListener, runtime, sync::oneshot, time::sleep};

use crate::{
    BrokerStats, EmbeddedBrokerBuilder, connection,
    settings::Settings,
    state::{Shared, TopicConfig},
};

/// How long to wait after the system would not give a connection: it is short of descriptors, and
/// asking again at once would only burn the CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// A setting below one.
    #[error("setting {setting} must be at least 1")]
    NotPositive {
        /// The builder's method.
        setting: &'static str,
    },
    /// The listener could not be opened.
    #[error("cannot listen on {host}:{port}: choose another port, or 0 for any that is free")]
    Listen {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system gave no thread, or no runtime on it.
    #[error("cannot start the broker's thread")]
    Thread(#[source] io::Error),
}

/// Why a topic was not created, or not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TopicError {
    message: String,
}

/// The first and the next offset of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionOffsets {
    /// The partition's number.
    pub partition: i32,
    /// The first offset that is still there.
    pub start: i64,
    /// The offset that the next record gets.
    pub end: i64,
}

/// A Kafka broker in this process, on a thread and a TCP port of its own.
///
/// Dropping it closes all of its connections and waits for its thread, which takes a moment of a
/// millisecond's order.
#[must_use = "the broker stops when it is dropped"]
pub struct EmbeddedBroker {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Dropped to stop the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl EmbeddedBroker {
    /// Starts a broker with every setting at its default, on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// See [`EmbeddedBrokerBuilder::start`].
    pub async fn start() -> Result<Self, BrokerError> {
        Self::builder().start().await
    }

    /// Sets a broker up.
    pub fn builder() -> EmbeddedBrokerBuilder {
        EmbeddedBrokerBuilder::default()
    }

    pub(crate) async fn run(settings: Settings) -> Result<Self, BrokerError> {
        let shared = Arc::new(Shared::new(settings));
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, started) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("embedded-broker".to_owned())
            .spawn(move || serve(served, ready, stopped))
            .map_err(BrokerError::Thread)?;
        let address = started.await.unwrap_or_else(|_| {
            let died = io::Error::other("it ended before it was ready");
            Err(BrokerError::Thread(died))
        });
        match address {
            Ok(address) => Ok(Self {
                shared,
                address,
                stop: Some(stop),
                thread: Some(thread),
            }),
            Err(error) => {
                // It ends by itself, having nothing to serve.
                let _ = thread.join();
                Err(error)
            }
        }
    }

    /// The address that the broker listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The same as clients want it in `bootstrap.servers`: `127.0.0.1:43210`. A wildcard address
    /// becomes its loopback, since nobody can connect to a wildcard.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        address.to_string()
    }

    /// The URL of a topic on this broker: `kafka://127.0.0.1:43210/orders`.
    ///
    /// The topic is made, with the default number of partitions, if there is none of this name:
    /// karga's own scenarios never make one unasked. A broker that was told not to
    /// [create topics](EmbeddedBrokerBuilder::auto_create_topics) by itself makes none here either,
    /// and neither does one for which `topic` is no valid name; whoever uses the URL is then told.
    #[must_use]
    pub fn url(&self, topic: &str) -> String {
        if self.shared.settings.auto_create_topics {
            // It exists already, or the name is refused: see above.
            let _ = self.create_topic(topic, self.shared.settings.partitions);
        }
        format!("kafka://{}/{topic}", self.bootstrap())
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// The topic exists, its name is not one, or the number of partitions is below one or too high.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), TopicError> {
        self.shared
            .lock()
            .create(name, partitions, TopicConfig::default())
            .map(drop)
            .map_err(|(_, message)| TopicError { message })
    }

    /// The offsets of each of a topic's partitions, in their order.
    ///
    /// # Errors
    /// There is no such topic.
    pub fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>, TopicError> {
        let state = self.shared.lock();
        let found = state.topic(topic).ok_or_else(|| TopicError {
            message: format!("there is no topic {topic:?}"),
        })?;
        let offsets = found.partitions.iter().zip(0..).map(|(partition, index)| {
            let (start, end) = (partition.log.start(), partition.log.end());
            PartitionOffsets {
                partition: index,
                start,
                end,
            }
        });
        Ok(offsets.collect())
    }

    /// What the broker has done so far.
    #[must_use]
    pub fn stats(&self) -> BrokerStats {
        self.shared.lock().stats
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was caught per request or has been printed; there is no one to tell.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBroker")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The thread: listens, says so, and serves until it is told to stop. Ending the runtime drops
/// every connection's task.
fn serve(
    shared: Arc<Shared>,
    ready: oneshot::Sender<Result<SocketAddr, BrokerError>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = match runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(BrokerError::Thread(error)));
            return;
        }
    };
    runtime.block_on(async move {
        match listen(&shared.settings).await {
            Ok((listener, address)) => {
                // An owner who no longer waits has dropped `stopped`'s sender as well.
                let _ = ready.send(Ok(address));
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, &shared) => {}
                }
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    });
}

async fn listen(settings: &Settings) -> Result<(TcpListener, SocketAddr), BrokerError> {
    let (host, port) = (settings.host.as_str(), settings.port);
    let opened = async {
        let listener = TcpListener::bind((host, port)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    opened.await.map_err(|source| BrokerError::Listen {
        host: host.to_owned(),
        port,
        source,
    })
}

async fn accept(listener: TcpListener, shared: &Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                shared.lock().stats.connections += 1;
                tokio::spawn(connection::serve(stream, Arc::clone(shared)));
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}
