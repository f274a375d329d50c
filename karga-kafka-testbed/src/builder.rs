//! The settings of a broker, one by one.

use crate::{BrokerError, EmbeddedBroker, settings::Settings};

/// Sets up an [`EmbeddedBroker`]; made by [`EmbeddedBroker::builder`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing before start"]
pub struct EmbeddedBrokerBuilder {
    settings: Settings,
}

impl EmbeddedBrokerBuilder {
    /// Name or address to listen on. Default: `127.0.0.1`, so that nobody else reaches it.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.settings.host = host.into();
        self
    }

    /// TCP port to listen on. Default: 0, any that is free.
    pub fn port(mut self, port: u16) -> Self {
        self.settings.port = port;
        self
    }

    /// Where clients are told to connect to, if that is not where the broker listens: the address
    /// of a proxy, say. Default: the listener's address, or, when that is a wildcard such as
    /// `0.0.0.0`, the address that the client came by.
    pub fn advertise(mut self, host: impl Into<String>, port: u16) -> Self {
        self.settings.advertise = Some((host.into(), port));
        self
    }

    /// Partitions of a topic whose creator does not say how many. Default: 1.
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.settings.partitions = partitions;
        self
    }

    /// Whether a topic comes into being when a client first asks for its metadata. Default: true,
    /// as in Kafka.
    pub fn auto_create_topics(mut self, auto_create_topics: bool) -> Self {
        self.settings.auto_create_topics = auto_create_topics;
        self
    }

    /// Bytes of batches kept in each partition: when there are more, the oldest are dropped and the
    /// log start offset moves. A topic's own `retention.bytes` goes before. The newest batch always
    /// stays. Default: 256 MiB.
    pub fn retention_bytes(mut self, bytes: u64) -> Self {
        self.settings.retention_bytes = bytes;
        self
    }

    /// Bytes of batches kept in all partitions together, so that many of them cannot fill the
    /// memory: the largest log is shortened first. Default: 1 GiB.
    pub fn total_retention_bytes(mut self, bytes: u64) -> Self {
        self.settings.total_retention_bytes = bytes;
        self
    }

    /// Largest batch accepted, in bytes; a larger one is answered with MESSAGE_TOO_LARGE. A topic's
    /// own `max.message.bytes` goes before. Default: 1,048,588, as in Kafka.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_message_bytes = bytes;
        self
    }

    /// Largest request accepted, in bytes; a larger one closes its connection. Default: 100 MiB, as
    /// in Kafka.
    pub fn max_frame_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_frame_bytes = bytes;
        self
    }

    /// Starts the broker; it takes connections when this returns.
    ///
    /// # Errors
    /// A setting that cannot be, a host that does not resolve, a port that is taken, or a thread
    /// that the system refuses.
    pub async fn start(self) -> Result<EmbeddedBroker, BrokerError> {
        let positive = [
            ("partitions", self.settings.partitions > 0),
            ("max_message_bytes", self.settings.max_message_bytes > 0),
            ("max_frame_bytes", self.settings.max_frame_bytes > 0),
        ];
        for (setting, fine) in positive {
            if !fine {
                return Err(BrokerError::NotPositive { setting });
            }
        }
        EmbeddedBroker::run(self.settings).await
    }
}
