//! What a broker has done so far.

/// Counts since the broker started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerStats {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open_connections: u64,
    /// Connections that the broker closed because of what came over them: frames that are not
    /// Kafka's protocol, unsupported requests, failed produce requests with acks=0.
    pub refused_connections: u64,
    /// Requests of any kind.
    pub requests: u64,
    /// Produce requests.
    pub produce_requests: u64,
    /// Fetch requests.
    pub fetch_requests: u64,
    /// Batches appended.
    pub batches_appended: u64,
    /// Records appended.
    pub records_appended: u64,
    /// Bytes of batches appended.
    pub bytes_appended: u64,
    /// Batches of idempotent producers that were in the log already and not appended again.
    pub duplicates: u64,
    /// Batches refused with an error.
    pub batches_refused: u64,
    /// Bytes of batches sent to consumers.
    pub bytes_fetched: u64,
}
