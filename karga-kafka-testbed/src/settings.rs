//! What a broker is told before it starts.

use karga_kafka::wire::frame;

/// Partitions of all topics together: metadata of more would not fit a sensible answer.
pub(crate) const MAX_PARTITIONS: usize = 20_000;

/// The most bytes of records in one Fetch answer: a broker's `fetch.max.bytes` default.
pub(crate) const MAX_FETCH_BYTES: usize = 55 * 1024 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) advertise: Option<(String, u16)>,
    pub(crate) partitions: i32,
    pub(crate) auto_create_topics: bool,
    pub(crate) retention_bytes: u64,
    pub(crate) total_retention_bytes: u64,
    pub(crate) max_message_bytes: usize,
    pub(crate) max_frame_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            advertise: None,
            partitions: 1,
            auto_create_topics: true,
            retention_bytes: 256 * 1024 * 1024,
            total_retention_bytes: 1024 * 1024 * 1024,
            max_message_bytes: 1_048_588,
            max_frame_bytes: frame::DEFAULT_MAX_LEN,
        }
    }
}
