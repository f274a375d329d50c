//! Kafka's error codes: every code up to Apache Kafka 4.1, its name, and what it asks of a client.
//!
//! Source: `org.apache.kafka.common.protocol.Errors` of Apache Kafka 4.1, where a code is retriable
//! when its exception is a `RetriableException`, and asks for new metadata when it is an
//! `InvalidMetadataException`.

use std::borrow::Cow;
use std::fmt;

/// An error code from a broker's answer: never zero, which means "no error".
///
/// Printed as its name in the protocol.
///
/// ```
/// use karga_kafka::ErrorCode;
///
/// assert_eq!(ErrorCode::new(0), None);
/// let code = ErrorCode::new(6).unwrap();
/// assert_eq!(code.to_string(), "NOT_LEADER_OR_FOLLOWER");
/// assert!(code.is_retriable() && code.is_leadership());
/// assert_eq!(ErrorCode::new(4000).unwrap().to_string(), "UNKNOWN_ERROR_CODE_4000");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(i16);

impl ErrorCode {
    /// A topic or partition that the broker does not have.
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    /// A partition that is between two leaders.
    pub const LEADER_NOT_AVAILABLE: Self = Self(5);
    /// A broker that does not lead the partition (any more).
    pub const NOT_LEADER_OR_FOLLOWER: Self = Self(6);
    /// The broker gave up waiting for its replicas: the records may be in the log.
    pub const REQUEST_TIMED_OUT: Self = Self(7);
    /// A record batch over the broker's or the topic's limit.
    pub const MESSAGE_TOO_LARGE: Self = Self(10);
    /// Fewer in-sync replicas than the topic asks for, noticed after the records were appended.
    pub const NOT_ENOUGH_REPLICAS_AFTER_APPEND: Self = Self(20);
    /// A request version that the broker does not speak.
    pub const UNSUPPORTED_VERSION: Self = Self(35);
    /// A topic that exists already.
    pub const TOPIC_ALREADY_EXISTS: Self = Self(36);
    /// An epoch that the client knows and the broker does not yet.
    pub const UNKNOWN_LEADER_EPOCH: Self = Self(75);

    /// The error of a code in an answer; `None` for zero, which is success.
    pub const fn new(code: i16) -> Option<Self> {
        if code == 0 { None } else { Some(Self(code)) }
    }

    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self.0
    }

    /// The name in the protocol, such as `MESSAGE_TOO_LARGE`; a code that is newer than this table
    /// is named `UNKNOWN_ERROR_CODE_` and its number.
    pub fn name(self) -> Cow<'static, str> {
        match self.entry() {
            Some(entry) => Cow::Borrowed(entry.name),
            None => Cow::Owned(format!("UNKNOWN_ERROR_CODE_{}", self.0)),
        }
    }

    /// Whether the protocol calls the error passing: the same request may succeed later.
    pub fn is_retriable(self) -> bool {
        self.entry()
            .is_some_and(|entry| !matches!(entry.kind, Kind::Final))
    }

    /// Whether the error says that the client's picture of leaders and topics is out of date, so
    /// that metadata must be asked for again.
    pub fn is_leadership(self) -> bool {
        self == Self::UNKNOWN_LEADER_EPOCH
            || self
                .entry()
                .is_some_and(|entry| matches!(entry.kind, Kind::Metadata))
    }

    /// Whether the request may have taken effect although the broker reports an error.
    pub fn may_have_happened(self) -> bool {
        matches!(
            self,
            Self::REQUEST_TIMED_OUT | Self::NOT_ENOUGH_REPLICAS_AFTER_APPEND
        )
    }

    fn entry(self) -> Option<&'static Entry> {
        let index = TABLE
            .binary_search_by_key(&self.0, |entry| entry.code)
            .ok()?;
        TABLE.get(index)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

struct Entry {
    code: i16,
    name: &'static str,
    kind: Kind,
}

enum Kind {
    Final,
    Retriable,
    /// Retriable, after new metadata.
    Metadata,
}

const fn entry(code: i16, name: &'static str, kind: Kind) -> Entry {
    Entry { code, name, kind }
}

use Kind::{Final, Metadata, Retriable};

/// In the order of the codes.
static TABLE: &[Entry] = &[
    entry(-1, "UNKNOWN_SERVER_ERROR", Final),
    entry(1, "OFFSET_OUT_OF_RANGE", Final),
    entry(2, "CORRUPT_MESSAGE", Retriable),
    entry(3, "UNKNOWN_TOPIC_OR_PARTITION", Metadata),
    entry(4, "INVALID_FETCH_SIZE", Final),
    entry(5, "LEADER_NOT_AVAILABLE", Metadata),
    entry(6, "NOT_LEADER_OR_FOLLOWER", Metadata),
    entry(7, "REQUEST_TIMED_OUT", Retriable),
    entry(8, "BROKER_NOT_AVAILABLE", Final),
    entry(9, "REPLICA_NOT_AVAILABLE", Metadata),
    entry(10, "MESSAGE_TOO_LARGE", Final),
    entry(11, "STALE_CONTROLLER_EPOCH", Final),
    entry(12, "OFFSET_METADATA_TOO_LARGE", Final),
    entry(13, "NETWORK_EXCEPTION", Metadata),
    entry(14, "COORDINATOR_LOAD_IN_PROGRESS", Retriable),
    entry(15, "COORDINATOR_NOT_AVAILABLE", Retriable),
    entry(16, "NOT_COORDINATOR", Retriable),
    entry(17, "INVALID_TOPIC_EXCEPTION", Final),
    entry(18, "RECORD_LIST_TOO_LARGE", Final),
    entry(19, "NOT_ENOUGH_REPLICAS", Retriable),
    entry(20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", Retriable),
    entry(21, "INVALID_REQUIRED_ACKS", Final),
    entry(22, "ILLEGAL_GENERATION", Final),
    entry(23, "INCONSISTENT_GROUP_PROTOCOL", Final),
    entry(24, "INVALID_GROUP_ID", Final),
    entry(25, "UNKNOWN_MEMBER_ID", Final),
    entry(26, "INVALID_SESSION_TIMEOUT", Final),
    entry(27, "REBALANCE_IN_PROGRESS", Final),
    entry(28, "INVALID_COMMIT_OFFSET_SIZE", Final),
    entry(29, "TOPIC_AUTHORIZATION_FAILED", Final),
    entry(30, "GROUP_AUTHORIZATION_FAILED", Final),
    entry(31, "CLUSTER_AUTHORIZATION_FAILED", Final),
    entry(32, "INVALID_TIMESTAMP", Final),
    entry(33, "UNSUPPORTED_SASL_MECHANISM", Final),
    entry(34, "ILLEGAL_SASL_STATE", Final),
    entry(35, "UNSUPPORTED_VERSION", Final),
    entry(36, "TOPIC_ALREADY_EXISTS", Final),
    entry(37, "INVALID_PARTITIONS", Final),
    entry(38, "INVALID_REPLICATION_FACTOR", Final),
    entry(39, "INVALID_REPLICA_ASSIGNMENT", Final),
    entry(40, "INVALID_CONFIG", Final),
    entry(41, "NOT_CONTROLLER", Retriable),
    entry(42, "INVALID_REQUEST", Final),
    entry(43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", Final),
    entry(44, "POLICY_VIOLATION", Final),
    entry(45, "OUT_OF_ORDER_SEQUENCE_NUMBER", Final),
    entry(46, "DUPLICATE_SEQUENCE_NUMBER", Final),
    entry(47, "INVALID_PRODUCER_EPOCH", Final),
    entry(48, "INVALID_TXN_STATE", Final),
    entry(49, "INVALID_PRODUCER_ID_MAPPING", Final),
    entry(50, "INVALID_TRANSACTION_TIMEOUT", Final),
    entry(51, "CONCURRENT_TRANSACTIONS", Retriable),
    entry(52, "TRANSACTION_COORDINATOR_FENCED", Final),
    entry(53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", Final),
    entry(54, "SECURITY_DISABLED", Final),
    entry(55, "OPERATION_NOT_ATTEMPTED", Final),
    entry(56, "KAFKA_STORAGE_ERROR", Metadata),
    entry(57, "LOG_DIR_NOT_FOUND", Final),
    entry(58, "SASL_AUTHENTICATION_FAILED", Final),
    entry(59, "UNKNOWN_PRODUCER_ID", Final),
    entry(60, "REASSIGNMENT_IN_PROGRESS", Final),
    entry(61, "DELEGATION_TOKEN_AUTH_DISABLED", Final),
    entry(62, "DELEGATION_TOKEN_NOT_FOUND", Final),
    entry(63, "DELEGATION_TOKEN_OWNER_MISMATCH", Final),
    entry(64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", Final),
    entry(65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", Final),
    entry(66, "DELEGATION_TOKEN_EXPIRED", Final),
    entry(67, "INVALID_PRINCIPAL_TYPE", Final),
    entry(68, "NON_EMPTY_GROUP", Final),
    entry(69, "GROUP_ID_NOT_FOUND", Final),
    entry(70, "FETCH_SESSION_ID_NOT_FOUND", Retriable),
    entry(71, "INVALID_FETCH_SESSION_EPOCH", Retriable),
    entry(72, "LISTENER_NOT_FOUND", Metadata),
    entry(73, "TOPIC_DELETION_DISABLED", Final),
    entry(74, "FENCED_LEADER_EPOCH", Metadata),
    entry(75, "UNKNOWN_LEADER_EPOCH", Retriable),
    entry(76, "UNSUPPORTED_COMPRESSION_TYPE", Final),
    entry(77, "STALE_BROKER_EPOCH", Final),
    entry(78, "OFFSET_NOT_AVAILABLE", Retriable),
    entry(79, "MEMBER_ID_REQUIRED", Final),
    entry(80, "PREFERRED_LEADER_NOT_AVAILABLE", Metadata),
    entry(81, "GROUP_MAX_SIZE_REACHED", Final),
    entry(82, "FENCED_INSTANCE_ID", Final),
    entry(83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", Metadata),
    entry(84, "ELECTION_NOT_NEEDED", Metadata),
    entry(85, "NO_REASSIGNMENT_IN_PROGRESS", Final),
    entry(86, "GROUP_SUBSCRIBED_TO_TOPIC", Final),
    entry(87, "INVALID_RECORD", Final),
    entry(88, "UNSTABLE_OFFSET_COMMIT", Retriable),
    entry(89, "THROTTLING_QUOTA_EXCEEDED", Retriable),
    entry(90, "PRODUCER_FENCED", Final),
    entry(91, "RESOURCE_NOT_FOUND", Final),
    entry(92, "DUPLICATE_RESOURCE", Final),
    entry(93, "UNACCEPTABLE_CREDENTIAL", Final),
    entry(94, "INCONSISTENT_VOTER_SET", Final),
    entry(95, "INVALID_UPDATE_VERSION", Final),
    entry(96, "FEATURE_UPDATE_FAILED", Final),
    entry(97, "PRINCIPAL_DESERIALIZATION_FAILURE", Final),
    entry(98, "SNAPSHOT_NOT_FOUND", Final),
    entry(99, "POSITION_OUT_OF_RANGE", Final),
    entry(100, "UNKNOWN_TOPIC_ID", Metadata),
    entry(101, "DUPLICATE_BROKER_REGISTRATION", Final),
    entry(102, "BROKER_ID_NOT_REGISTERED", Final),
    entry(103, "INCONSISTENT_TOPIC_ID", Metadata),
    entry(104, "INCONSISTENT_CLUSTER_ID", Final),
    entry(105, "TRANSACTIONAL_ID_NOT_FOUND", Final),
    entry(106, "FETCH_SESSION_TOPIC_ID_ERROR", Retriable),
    entry(107, "INELIGIBLE_REPLICA", Final),
    entry(108, "NEW_LEADER_ELECTED", Final),
    entry(109, "OFFSET_MOVED_TO_TIERED_STORAGE", Final),
    entry(110, "FENCED_MEMBER_EPOCH", Final),
    entry(111, "UNRELEASED_INSTANCE_ID", Final),
    entry(112, "UNSUPPORTED_ASSIGNOR", Final),
    entry(113, "STALE_MEMBER_EPOCH", Final),
    entry(114, "MISMATCHED_ENDPOINT_TYPE", Final),
    entry(115, "UNSUPPORTED_ENDPOINT_TYPE", Final),
    entry(116, "UNKNOWN_CONTROLLER_ID", Final),
    entry(117, "UNKNOWN_SUBSCRIPTION_ID", Final),
    entry(118, "TELEMETRY_TOO_LARGE", Final),
    entry(119, "INVALID_REGISTRATION", Final),
    entry(120, "TRANSACTION_ABORTABLE", Final),
    entry(121, "INVALID_RECORD_STATE", Final),
    entry(122, "SHARE_SESSION_NOT_FOUND", Retriable),
    entry(123, "INVALID_SHARE_SESSION_EPOCH", Retriable),
    entry(124, "FENCED_STATE_EPOCH", Final),
    entry(125, "INVALID_VOTER_KEY", Final),
    entry(126, "DUPLICATE_VOTER", Final),
    entry(127, "VOTER_NOT_FOUND", Final),
    entry(128, "INVALID_REGULAR_EXPRESSION", Final),
    entry(129, "REBOOTSTRAP_REQUIRED", Final),
    entry(130, "STREAMS_INVALID_TOPOLOGY", Final),
    entry(131, "STREAMS_INVALID_TOPOLOGY_EPOCH", Final),
    entry(132, "STREAMS_TOPOLOGY_FENCED", Final),
    entry(133, "SHARE_SESSION_LIMIT_REACHED", Retriable),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_whole() {
        assert!(TABLE.is_sorted_by(|a, b| a.code + 1 == b.code || (a.code == -1 && b.code == 1)));
        assert_eq!(TABLE.last().unwrap().code, 133);
    }

    #[test]
    fn codes_agree_with_an_independent_table() {
        use kafka_protocol::error::ResponseError;
        for entry in TABLE {
            let theirs = ResponseError::try_from_code(entry.code).expect("not zero");
            if matches!(theirs, ResponseError::Unknown(_)) {
                continue; // newer than theirs
            }
            let squeeze = |name: &str| name.replace('_', "").to_ascii_lowercase();
            assert_eq!(
                squeeze(entry.name),
                squeeze(&format!("{theirs:?}")),
                "{}",
                entry.code
            );
            // Kafka 4.1 has since made a few final codes retriable.
            if theirs.is_retriable() {
                assert!(ErrorCode(entry.code).is_retriable(), "{}", entry.name);
            }
        }
    }

    #[test]
    fn only_two_errors_leave_the_outcome_open() {
        let open: Vec<_> = TABLE
            .iter()
            .filter(|entry| ErrorCode(entry.code).may_have_happened())
            .map(|entry| entry.name)
            .collect();
        assert_eq!(
            open,
            ["REQUEST_TIMED_OUT", "NOT_ENOUGH_REPLICAS_AFTER_APPEND"]
        );
    }
}
