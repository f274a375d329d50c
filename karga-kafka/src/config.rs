//! Settings of the client and of its requests. A bad one cannot be built.

use std::fmt;
use std::net::Ipv6Addr;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use crate::client::RetryPolicy;
use crate::wire::frame;

mod values;

pub use values::{Acks, Backend, Isolation, UnknownValue};

/// The port of a broker that is named without one.
pub const DEFAULT_PORT: u16 = 9092;

/// A broker's host and port.
///
/// Read from `host`, `host:port`, `[::1]` or `[::1]:port`; printed with its port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// A host (a name, an IPv4 address, or an IPv6 address without brackets) and a port.
    ///
    /// # Errors
    /// An empty host, characters that no host has, or port 0.
    pub fn new(host: impl Into<String>, port: u16) -> Result<Self, EndpointError> {
        let host = host.into();
        if host.is_empty() {
            return Err(EndpointError::EmptyHost);
        }
        let lawful = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !host.chars().all(lawful) && host.parse::<Ipv6Addr>().is_err() {
            return Err(EndpointError::BadHost { host });
        }
        if port == 0 {
            return Err(EndpointError::BadPort { port: "0".into() });
        }
        Ok(Self { host, port })
    }

    /// The host, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, never 0.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let bad_host = || EndpointError::BadHost {
            host: text.to_owned(),
        };
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(bad_host)?;
            host.parse::<Ipv6Addr>().map_err(|_| bad_host())?;
            match rest {
                "" => (host, None),
                _ => (host, Some(rest.strip_prefix(':').ok_or_else(bad_host)?)),
            }
        } else {
            match text.split_once(':') {
                Some((_, port)) if port.contains(':') => return Err(bad_host()),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => port.parse().map_err(|_| EndpointError::BadPort {
                port: port.to_owned(),
            })?,
        };
        Self::new(host, port)
    }
}

/// Why a text names no broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Nothing where the host should be.
    #[error("a host is empty: write host or host:port")]
    EmptyHost,
    /// A host with characters that no host has.
    #[error(
        "host {host:?} is neither a name nor an address: \
         write host:port, and an IPv6 address in brackets as [::1]:port"
    )]
    BadHost {
        /// What was written.
        host: String,
    },
    /// A port that is no number from 1 to 65535.
    #[error("port {port:?} is not a number from 1 to 65535")]
    BadPort {
        /// What was written.
        port: String,
    },
}

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
    fn endpoints_are_read_and_printed() {
        for (text, host, port) in [
            ("kafka", "kafka", 9092),
            ("kafka-1.example:19092", "kafka-1.example", 19092),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("[::1]", "::1", 9092),
            ("[fe80::2]:9093", "fe80::2", 9093),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.host(), endpoint.port()), (host, port));
            assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
    }

    #[test]
    fn what_is_no_endpoint_says_why() {
        for (text, part) in [
            ("", "host is empty"),
            (":9092", "host is empty"),
            ("::1", "in brackets"),
            ("[::1", "in brackets"),
            ("[kafka]:1", "in brackets"),
            ("[::1]9092", "in brackets"),
            ("user@kafka", "\"user@kafka\""),
            ("kafka:", "port \"\""),
            ("kafka:0", "port \"0\""),
            ("kafka:65536", "port \"65536\""),
            ("kafka:-1", "port \"-1\""),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

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
