//! A target in one line: `kafka://host:9092[,host2:9092]/topic?acks=all&...`

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

use crate::client::RetryPolicy;
use crate::config::{
    Acks, Backend, ClientConfig, ClientConfigBuilder, Connections, Endpoint, EndpointError,
    FetchSettings, Isolation,
};
use crate::partitioner::Partitioning;
use crate::records::Compression;

mod options;
mod text;

pub use options::UrlOptions;

const FORM: &str = "kafka://host:9092[,host2:9092]/topic[?option=value&...]";

/// Brokers, a topic, and options.
///
/// ```
/// use karga_kafka::config::Acks;
/// use karga_kafka::KafkaUrl;
///
/// let url: KafkaUrl = "kafka://kafka1,kafka2:19092/orders?acks=1&request_timeout=500ms".parse()?;
/// assert_eq!(url.topic(), "orders");
/// assert_eq!(url.endpoints()[0].port(), 9092);
/// assert_eq!(url.acks(), Acks::Leader);
/// let again = "kafka://kafka1:9092,kafka2:19092/orders?acks=1&request_timeout=500ms";
/// assert_eq!(url.to_string(), again);
///
/// let error = "kafka://kafka1/orders?ack=1".parse::<KafkaUrl>().unwrap_err();
/// assert!(error.to_string().starts_with("unknown option \"ack\": the known ones are acks, "));
/// # Ok::<(), karga_kafka::UrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaUrl {
    endpoints: Vec<Endpoint>,
    topic: String,
    options: UrlOptions,
}

impl KafkaUrl {
    /// The brokers named, at least one, in the URL's order.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The options as they were given, `None` where one was not.
    pub const fn options(&self) -> &UrlOptions {
        &self.options
    }

    /// Client settings: the URL's, and the defaults of [`ClientConfig`] for the rest.
    pub fn client_config(&self) -> ClientConfig {
        self.client_config_builder()
            .build()
            .expect("invariant: parsing refuses what the builder refuses")
    }

    /// As [`client_config`](Self::client_config), still open for more settings.
    pub fn client_config_builder(&self) -> ClientConfigBuilder {
        let options = &self.options;
        let mut builder = ClientConfig::builder().bootstrap(self.endpoints.iter().cloned());
        if let Some(id) = &options.client_id {
            builder = builder.client_id(id);
        }
        if let Some(timeout) = options.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if let Some(timeout) = options.request_timeout {
            builder = builder.request_timeout(timeout);
        }
        if let Some(connections) = options.connections {
            let in_flight = options.in_flight.unwrap_or(Connections::DEFAULT_IN_FLIGHT);
            builder = builder.connections(Connections::Shared {
                connections,
                in_flight,
            });
        }
        let mut retry = RetryPolicy::up_to(options.retries.unwrap_or(0));
        if let Some(backoff) = options.retry_backoff {
            retry = retry.backoff(backoff);
        }
        builder.retry(retry)
    }

    /// Fetch settings: the URL's, and the defaults of [`FetchSettings`] for the rest.
    pub fn fetch_settings(&self) -> FetchSettings {
        let options = &self.options;
        let mut builder = FetchSettings::builder();
        if let Some(wait) = options.max_wait {
            builder = builder.max_wait(wait);
        }
        if let Some(bytes) = options.min_bytes {
            builder = builder.min_bytes(bytes);
        }
        if let Some(bytes) = options.max_bytes {
            builder = builder.max_bytes(bytes);
        }
        if let Some(isolation) = options.isolation {
            builder = builder.isolation(isolation);
        }
        builder
            .build()
            .expect("invariant: parsing refuses what the builder refuses")
    }

    /// Whose word a produce request waits for. Default: all in-sync replicas.
    pub fn acks(&self) -> Acks {
        self.options.acks.unwrap_or_default()
    }

    /// How record batches are compressed. Default: not at all.
    pub fn compression(&self) -> Compression {
        self.options.compression.unwrap_or_default()
    }

    /// Records of one produce request. Default: 1.
    pub fn batch(&self) -> NonZeroU32 {
        self.options.batch.unwrap_or(NonZeroU32::MIN)
    }

    /// Which partitions records go to. Default: by key.
    pub fn partition(&self) -> Partitioning {
        self.options.partition.unwrap_or_default()
    }

    /// Which client carries the load. Default: this crate's own.
    pub fn backend(&self) -> Backend {
        self.options.backend.unwrap_or_default()
    }
}

impl fmt::Display for KafkaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("kafka://")?;
        for (at, endpoint) in self.endpoints.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{endpoint}")?;
        }
        write!(f, "/{}", self.topic)?;
        for (at, (name, value)) in self.options.pairs().into_iter().enumerate() {
            let mark = if at == 0 { '?' } else { '&' };
            write!(f, "{mark}{name}={}", text::escape(&value))?;
        }
        Ok(())
    }
}

impl FromStr for KafkaUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        if has_credentials(url) {
            return Err(UrlError::Credentials);
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(|| UrlError::NoScheme {
            url: url.to_owned(),
        })?;
        if !scheme.eq_ignore_ascii_case("kafka") {
            return Err(UrlError::UnknownScheme {
                scheme: scheme.to_owned(),
            });
        }
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let (hosts, topic) = place.split_once('/').unwrap_or((place, ""));
        let mut endpoints = Vec::new();
        for host in hosts.split(',') {
            endpoints.push(host.parse().map_err(|source| UrlError::Host {
                hosts: hosts.to_owned(),
                source,
            })?);
        }
        let topic = check_topic(topic)?;
        let options = match query {
            Some(query) => UrlOptions::parse(query)?,
            None => UrlOptions::default(),
        };
        Ok(Self {
            endpoints,
            topic,
            options,
        })
    }
}

/// Whether there is an `@` before the options. Neither a broker nor a topic has one, and what stands
/// before it must not be shown: it may be a password, with any characters in it.
fn has_credentials(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = rest.split('?').next().unwrap_or(rest);
    // Without a topic the `?` begins no options, but is part of the password.
    let place = if place.contains('/') { place } else { rest };
    let scheme = &url[..url.len() - rest.len()];
    place.contains('@') || scheme.contains('@')
}

/// Checks a topic's name by the broker's own rule (`org.apache.kafka.common.internals.Topic`).
fn check_topic(topic: &str) -> Result<String, UrlError> {
    if topic.is_empty() {
        return Err(UrlError::MissingTopic);
    }
    let lawful = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.len() > 249 || matches!(topic, "." | "..") || !topic.chars().all(lawful) {
        return Err(UrlError::BadTopic {
            topic: topic.to_owned(),
        });
    }
    Ok(topic.to_owned())
}

/// Why a text is no [`KafkaUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// No scheme at all.
    #[error("{url:?} has no scheme: write {FORM}")]
    NoScheme {
        /// What was written.
        url: String,
    },
    /// Another scheme than `kafka`.
    #[error("unknown scheme {scheme:?}: write {FORM}")]
    UnknownScheme {
        /// What was written.
        scheme: String,
    },
    /// A user's name or password.
    #[error(
        "a user or password in the URL: SASL and other credentials are not supported; use a \
         listener without them and write {FORM}"
    )]
    Credentials,
    /// A host or port that is none.
    #[error("the hosts {hosts:?} cannot be read")]
    Host {
        /// All of the URL's hosts.
        hosts: String,
        /// What is wrong with the first bad one.
        #[source]
        source: EndpointError,
    },
    /// Nothing where the topic should be.
    #[error("the topic is missing: write {FORM}")]
    MissingTopic,
    /// A name that no topic may have.
    #[error(
        "{topic:?} cannot be a topic's name: \
         use 1 to 249 of the letters, digits, '.', '_' and '-'"
    )]
    BadTopic {
        /// What was written.
        topic: String,
    },
    /// An option without a value.
    #[error("option {option:?} has no value: write option=value")]
    NoValue {
        /// What was written.
        option: String,
    },
    /// An option that does not exist.
    #[error(
        "unknown option {option:?}: the known ones are {}",
        UrlOptions::names()
    )]
    UnknownOption {
        /// What was written.
        option: String,
    },
    /// An option that was given before.
    #[error("option {option} is given twice: leave one")]
    DuplicateOption {
        /// The option's name.
        option: &'static str,
    },
    /// A value that the option does not take.
    #[error("option {option} cannot be {value:?}: {reason}")]
    BadValue {
        /// The option's name.
        option: &'static str,
        /// What was written.
        value: String,
        /// What it takes.
        reason: String,
    },
    /// An option that means nothing without another.
    #[error("option {option} needs {needs}=<value> beside it")]
    Needs {
        /// The option's name.
        option: &'static str,
        /// The option that is missing.
        needs: &'static str,
    },
}
