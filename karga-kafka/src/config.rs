//! Settings of the client and of its requests. A bad one cannot be built.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::client::RetryPolicy;
use crate::wire::frame;

mod endpoint;
mod fetch;
mod values;

pub use endpoint::{DEFAULT_PORT, Endpoint, EndpointError};
pub use fetch::{FetchSettings, FetchSettingsBuilder};
pub use values::{Acks, Backend, Isolation, UnknownValue};

/// How a session reaches its brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Connections {
    /// A connection of its own to each broker it speaks to, one request in flight at a time. The
    /// default, and the way to the truest latency.
    #[default]
    PerWorker,
    /// A pool that all sessions of a client share, its connections pipelined.
    Shared {
        /// Connections to each broker.
        connections: NonZeroUsize,
        /// Most requests in flight on one connection; more wait for their turn.
        in_flight: NonZeroUsize,
    },
}

impl Connections {
    /// The cap on requests in flight of one shared connection unless told otherwise: that of Kafka's
    /// own producer (`max.in.flight.requests.per.connection`).
    pub const DEFAULT_IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(5).expect("five is not zero");

    /// A shared pool of `connections`, each with [`DEFAULT_IN_FLIGHT`](Self::DEFAULT_IN_FLIGHT).
    pub const fn shared(connections: NonZeroUsize) -> Self {
        Self::Shared {
            connections,
            in_flight: Self::DEFAULT_IN_FLIGHT,
        }
    }
}

/// Why settings cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No broker to start from.
    #[error("no bootstrap broker: name at least one as host:port")]
    NoBootstrap,
    /// A setting outside of its range.
    #[error("{setting} must be {range}, and is {value}")]
    OutOfRange {
        /// The setting's name.
        setting: &'static str,
        /// What it may be.
        range: &'static str,
        /// What it was.
        value: String,
    },
}

fn out_of_range(
    setting: &'static str,
    range: &'static str,
    value: impl fmt::Display,
) -> ConfigError {
    ConfigError::OutOfRange {
        setting,
        range,
        value: value.to_string(),
    }
}

/// How a [`Client`](crate::client::Client) connects, identifies itself, waits and retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    bootstrap: Vec<Endpoint>,
    client_id: String,
    connect_timeout: Duration,
    request_timeout: Duration,
    retry: RetryPolicy,
    connections: Connections,
    max_frame: usize,
}

impl ClientConfig {
    /// Settings with the defaults of each setter; at least one bootstrap broker has to be added.
    pub fn builder() -> ClientConfigBuilder {
        ClientConfigBuilder(Self {
            bootstrap: Vec::new(),
            client_id: "karga".to_owned(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            retry: RetryPolicy::none(),
            connections: Connections::PerWorker,
            max_frame: frame::DEFAULT_MAX_LEN,
        })
    }

    /// The brokers to ask for the cluster, in this order.
    pub fn bootstrap(&self) -> &[Endpoint] {
        &self.bootstrap
    }

    /// See [`ClientConfigBuilder::client_id`].
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// See [`ClientConfigBuilder::connect_timeout`].
    pub const fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// See [`ClientConfigBuilder::request_timeout`].
    pub const fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// See [`ClientConfigBuilder::retry`].
    pub const fn retry(&self) -> RetryPolicy {
        self.retry
    }

    /// See [`ClientConfigBuilder::connections`].
    pub const fn connections(&self) -> Connections {
        self.connections
    }

    /// See [`ClientConfigBuilder::max_frame`].
    pub const fn max_frame(&self) -> usize {
        self.max_frame
    }
}

/// Builds a [`ClientConfig`].
#[derive(Debug, Clone)]
#[must_use = "settings do nothing until build() is called"]
pub struct ClientConfigBuilder(ClientConfig);

impl ClientConfigBuilder {
    /// Adds brokers to ask for the cluster. They are tried in order.
    pub fn bootstrap(mut self, brokers: impl IntoIterator<Item = Endpoint>) -> Self {
        self.0.bootstrap.extend(brokers);
        self
    }

    /// The name that the broker logs and applies quotas to; 1 to 32767 bytes. Default: `karga`.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.0.client_id = id.into();
        self
    }

    /// The deadline for resolving, connecting to and agreeing on versions with one broker. Above
    /// zero. Default: 5 s.
    ///
    /// The system's resolver cannot be interrupted: a look-up that is given up goes on in its own
    /// thread until the resolver's own time is over.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.0.connect_timeout = timeout;
        self
    }

    /// The deadline of one request with everything it needs: its turn on the connection, connecting
    /// again, new metadata, retries. A fetch has its `max_wait` on top. Above zero. Default: 10 s.
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.0.request_timeout = timeout;
        self
    }

    /// What to send again. Default: nothing.
    pub const fn retry(mut self, policy: RetryPolicy) -> Self {
        self.0.retry = policy;
        self
    }

    /// Whose connections requests go over. Default: [`Connections::PerWorker`].
    pub const fn connections(mut self, connections: Connections) -> Self {
        self.0.connections = connections;
        self
    }

    /// The longest frame to accept from a broker, in bytes; above 1 KiB. Default: 100 MiB.
    pub const fn max_frame(mut self, bytes: usize) -> Self {
        self.0.max_frame = bytes;
        self
    }

    /// Checks and finishes the settings.
    ///
    /// # Errors
    /// No bootstrap broker, or a setting outside of the range that its setter names.
    pub fn build(self) -> Result<ClientConfig, ConfigError> {
        let config = self.0;
        if config.bootstrap.is_empty() {
            return Err(ConfigError::NoBootstrap);
        }
        let id = config.client_id.len();
        if !(1..=i16::MAX as usize).contains(&id) {
            let value = format!("of {id} bytes");
            return Err(out_of_range("client_id", "1 to 32767 bytes long", value));
        }
        for (setting, timeout) in [
            ("connect_timeout", config.connect_timeout),
            ("request_timeout", config.request_timeout),
        ] {
            if timeout.is_zero() {
                return Err(out_of_range(setting, "above zero", "0 s"));
            }
        }
        if config.max_frame < 1024 {
            let value = config.max_frame;
            return Err(out_of_range("max_frame", "at least 1024 bytes", value));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(builder: ClientConfigBuilder) -> String {
        let broker = Endpoint::new("kafka", 1).unwrap();
        builder.bootstrap([broker]).build().unwrap_err().to_string()
    }

    #[test]
    fn bad_client_settings_cannot_be_built() {
        let error = ClientConfig::builder().build().unwrap_err().to_string();
        assert!(error.contains("no bootstrap broker"), "{error}");
        let new = ClientConfig::builder;
        for (error, part) in [
            (refused(new().client_id("")), "client_id must be 1 to 32767"),
            (
                refused(new().client_id("x".repeat(32768))),
                "of 32768 bytes",
            ),
            (
                refused(new().connect_timeout(Duration::ZERO)),
                "connect_timeout must be above zero",
            ),
            (
                refused(new().request_timeout(Duration::ZERO)),
                "request_timeout must be above zero",
            ),
            (
                refused(new().max_frame(0)),
                "max_frame must be at least 1024 bytes, and is 0",
            ),
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
