//! What a scenario is aimed at: a URL, and the settings that take its place.

use std::time::Duration;

use crate::{
    BuildError, KafkaUrl, UrlError,
    client::RetryPolicy,
    config::{Backend, ClientConfig, Connections},
};

/// Something that names a target: a [`KafkaUrl`], or its text.
pub trait IntoKafkaUrl: sealed::Sealed {
    /// Reads it.
    ///
    /// # Errors
    /// A text that is no such URL.
    fn into_kafka_url(self) -> Result<KafkaUrl, UrlError>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::KafkaUrl {}
    impl Sealed for &crate::KafkaUrl {}
    impl Sealed for &str {}
    impl Sealed for &String {}
    impl Sealed for String {}
}

impl IntoKafkaUrl for KafkaUrl {
    fn into_kafka_url(self) -> Result<KafkaUrl, UrlError> {
        Ok(self)
    }
}

impl IntoKafkaUrl for &KafkaUrl {
    fn into_kafka_url(self) -> Result<KafkaUrl, UrlError> {
        Ok(self.clone())
    }
}

impl IntoKafkaUrl for &str {
    fn into_kafka_url(self) -> Result<KafkaUrl, UrlError> {
        self.parse()
    }
}

impl IntoKafkaUrl for &String {
    fn into_kafka_url(self) -> Result<KafkaUrl, UrlError> {
        self.parse()
    }
}

impl IntoKafkaUrl for String {
    fn into_kafka_url(self) -> Result<KafkaUrl, UrlError> {
        self.parse()
    }
}

/// The URL as it was given, and what was set besides.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: Result<KafkaUrl, UrlError>,
    pub(crate) client_id: Option<String>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) connections: Option<Connections>,
    pub(crate) backend: Option<Backend>,
}

impl Target {
    pub(crate) fn new(url: impl IntoKafkaUrl) -> Self {
        Self {
            url: url.into_kafka_url(),
            client_id: None,
            connect_timeout: None,
            request_timeout: None,
            retry: None,
            connections: None,
            backend: None,
        }
    }

    /// The client's settings, checked.
    pub(crate) fn client_config(&self, url: &KafkaUrl) -> Result<ClientConfig, BuildError> {
        let mut builder = url.client_config_builder();
        if let Some(id) = &self.client_id {
            builder = builder.client_id(id);
        }
        if let Some(timeout) = self.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if let Some(timeout) = self.request_timeout {
            builder = builder.request_timeout(timeout);
        }
        if let Some(policy) = self.retry {
            builder = builder.retry(policy);
        }
        if let Some(connections) = self.connections {
            builder = builder.connections(connections);
        }
        Ok(builder.build()?)
    }

    /// Which backend was chosen, if it is there to be chosen.
    pub(crate) fn backend(&self, url: &KafkaUrl) -> Result<Backend, BuildError> {
        let backend = self.backend.unwrap_or_else(|| url.backend());
        if backend == Backend::Rskafka && cfg!(not(feature = "rskafka")) {
            return Err(BuildError::NoBackend);
        }
        Ok(backend)
    }
}

/// The setters that both scenarios' builders have; each takes the place of the URL's option.
macro_rules! target_setters {
    () => {
        /// The name of the scenario in every report.
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.name = name.into();
            self
        }

        /// The name that the broker logs and applies quotas to; 1 to 32767 bytes. Default: the
        /// URL's, or `karga`.
        pub fn client_id(mut self, id: impl Into<String>) -> Self {
            self.target.client_id = Some(id.into());
            self
        }

        /// The deadline for reaching one broker, above zero. Default: the URL's, or 5 s.
        pub const fn connect_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.target.connect_timeout = Some(timeout);
            self
        }

        /// The deadline of one request with everything it needs: its turn on a shared connection,
        /// connecting again, new metadata, retries. Above zero. Default: the URL's, or 10 s.
        pub const fn request_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.target.request_timeout = Some(timeout);
            self
        }

        /// What is sent again. Default: the URL's, or nothing. Every retry is counted.
        pub const fn retry(mut self, policy: crate::client::RetryPolicy) -> Self {
            self.target.retry = Some(policy);
            self
        }

        /// Which client carries the load. Default: the URL's, or this crate's own.
        pub const fn backend(mut self, backend: crate::config::Backend) -> Self {
            self.target.backend = Some(backend);
            self
        }
    };
}

pub(crate) use target_setters;
