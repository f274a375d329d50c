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

use Kind::{Final, Metadata, Retriable};

macro_rules! codes {
    ($($code:literal $name:ident $kind:ident;)+) => {
        /// Every code by its name.
        impl ErrorCode {
            $(
                #[doc = concat!("`", stringify!($name), "`, number ", $code, ".")]
                pub const $name: Self = Self($code);
            )+
        }

        /// In the order of the codes.
        static TABLE: &[Entry] = &[
            $(Entry { code: $code, name: stringify!($name), kind: $kind },)+
        ];
    };
}

codes! {
    -1 UNKNOWN_SERVER_ERROR Final;
    1 OFFSET_OUT_OF_RANGE Final;
    2 CORRUPT_MESSAGE Retriable;
    3 UNKNOWN_TOPIC_OR_PARTITION Metadata;
    4 INVALID_FETCH_SIZE Final;
    5 LEADER_NOT_AVAILABLE Metadata;
    6 NOT_LEADER_OR_FOLLOWER Metadata;
    7 REQUEST_TIMED_OUT Retriable;
    8 BROKER_NOT_AVAILABLE Final;
    9 REPLICA_NOT_AVAILABLE Metadata;
    10 MESSAGE_TOO_LARGE Final;
    11 STALE_CONTROLLER_EPOCH Final;
    12 OFFSET_METADATA_TOO_LARGE Final;
    13 NETWORK_EXCEPTION Metadata;
    14 COORDINATOR_LOAD_IN_PROGRESS Retriable;
    15 COORDINATOR_NOT_AVAILABLE Retriable;
    16 NOT_COORDINATOR Retriable;
    17 INVALID_TOPIC_EXCEPTION Final;
    18 RECORD_LIST_TOO_LARGE Final;
    19 NOT_ENOUGH_REPLICAS Retriable;
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND Retriable;
    21 INVALID_REQUIRED_ACKS Final;
    22 ILLEGAL_GENERATION Final;
    23 INCONSISTENT_GROUP_PROTOCOL Final;
    24 INVALID_GROUP_ID Final;
    25 UNKNOWN_MEMBER_ID Final;
    26 INVALID_SESSION_TIMEOUT Final;
    27 REBALANCE_IN_PROGRESS Final;
    28 INVALID_COMMIT_OFFSET_SIZE Final;
    29 TOPIC_AUTHORIZATION_FAILED Final;
    30 GROUP_AUTHORIZATION_FAILED Final;
    31 CLUSTER_AUTHORIZATION_FAILED Final;
    32 INVALID_TIMESTAMP Final;
    33 UNSUPPORTED_SASL_MECHANISM Final;
    34 ILLEGAL_SASL_STATE Final;
    35 UNSUPPORTED_VERSION Final;
    36 TOPIC_ALREADY_EXISTS Final;
    37 INVALID_PARTITIONS Final;
    38 INVALID_REPLICATION_FACTOR Final;
    39 INVALID_REPLICA_ASSIGNMENT Final;
    40 INVALID_CONFIG Final;
    41 NOT_CONTROLLER Retriable;
    42 INVALID_REQUEST Final;
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT Final;
    44 POLICY_VIOLATION Final;
    45 OUT_OF_ORDER_SEQUENCE_NUMBER Final;
    46 DUPLICATE_SEQUENCE_NUMBER Final;
    47 INVALID_PRODUCER_EPOCH Final;
    48 INVALID_TXN_STATE Final;
    49 INVALID_PRODUCER_ID_MAPPING Final;
    50 INVALID_TRANSACTION_TIMEOUT Final;
    51 CONCURRENT_TRANSACTIONS Retriable;
    52 TRANSACTION_COORDINATOR_FENCED Final;
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED Final;
    54 SECURITY_DISABLED Final;
    55 OPERATION_NOT_ATTEMPTED Final;
    56 KAFKA_STORAGE_ERROR Metadata;
    57 LOG_DIR_NOT_FOUND Final;
    58 SASL_AUTHENTICATION_FAILED Final;
    59 UNKNOWN_PRODUCER_ID Final;
    60 REASSIGNMENT_IN_PROGRESS Final;
    61 DELEGATION_TOKEN_AUTH_DISABLED Final;
    62 DELEGATION_TOKEN_NOT_FOUND Final;
    63 DELEGATION_TOKEN_OWNER_MISMATCH Final;
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED Final;
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED Final;
    66 DELEGATION_TOKEN_EXPIRED Final;
    67 INVALID_PRINCIPAL_TYPE Final;
    68 NON_EMPTY_GROUP Final;
    69 GROUP_ID_NOT_FOUND Final;
    70 FETCH_SESSION_ID_NOT_FOUND Retriable;
    71 INVALID_FETCH_SESSION_EPOCH Retriable;
    72 LISTENER_NOT_FOUND Metadata;
    73 TOPIC_DELETION_DISABLED Final;
    74 FENCED_LEADER_EPOCH Metadata;
    75 UNKNOWN_LEADER_EPOCH Retriable;
    76 UNSUPPORTED_COMPRESSION_TYPE Final;
    77 STALE_BROKER_EPOCH Final;
    78 OFFSET_NOT_AVAILABLE Retriable;
    79 MEMBER_ID_REQUIRED Final;
    80 PREFERRED_LEADER_NOT_AVAILABLE Metadata;
    81 GROUP_MAX_SIZE_REACHED Final;
    82 FENCED_INSTANCE_ID Final;
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE Metadata;
    84 ELECTION_NOT_NEEDED Metadata;
    85 NO_REASSIGNMENT_IN_PROGRESS Final;
    86 GROUP_SUBSCRIBED_TO_TOPIC Final;
    87 INVALID_RECORD Final;
    88 UNSTABLE_OFFSET_COMMIT Retriable;
    89 THROTTLING_QUOTA_EXCEEDED Retriable;
    90 PRODUCER_FENCED Final;
    91 RESOURCE_NOT_FOUND Final;
    92 DUPLICATE_RESOURCE Final;
    93 UNACCEPTABLE_CREDENTIAL Final;
    94 INCONSISTENT_VOTER_SET Final;
    95 INVALID_UPDATE_VERSION Final;
    96 FEATURE_UPDATE_FAILED Final;
    97 PRINCIPAL_DESERIALIZATION_FAILURE Final;
    98 SNAPSHOT_NOT_FOUND Final;
    99 POSITION_OUT_OF_RANGE Final;
    100 UNKNOWN_TOPIC_ID Metadata;
    101 DUPLICATE_BROKER_REGISTRATION Final;
    102 BROKER_ID_NOT_REGISTERED Final;
    103 INCONSISTENT_TOPIC_ID Metadata;
    104 INCONSISTENT_CLUSTER_ID Final;
    105 TRANSACTIONAL_ID_NOT_FOUND Final;
    106 FETCH_SESSION_TOPIC_ID_ERROR Retriable;
    107 INELIGIBLE_REPLICA Final;
    108 NEW_LEADER_ELECTED Final;
    109 OFFSET_MOVED_TO_TIERED_STORAGE Final;
    110 FENCED_MEMBER_EPOCH Final;
    111 UNRELEASED_INSTANCE_ID Final;
    112 UNSUPPORTED_ASSIGNOR Final;
    113 STALE_MEMBER_EPOCH Final;
    114 MISMATCHED_ENDPOINT_TYPE Final;
    115 UNSUPPORTED_ENDPOINT_TYPE Final;
    116 UNKNOWN_CONTROLLER_ID Final;
    117 UNKNOWN_SUBSCRIPTION_ID Final;
    118 TELEMETRY_TOO_LARGE Final;
    119 INVALID_REGISTRATION Final;
    120 TRANSACTION_ABORTABLE Final;
    121 INVALID_RECORD_STATE Final;
    122 SHARE_SESSION_NOT_FOUND Retriable;
    123 INVALID_SHARE_SESSION_EPOCH Retriable;
    124 FENCED_STATE_EPOCH Final;
    125 INVALID_VOTER_KEY Final;
    126 DUPLICATE_VOTER Final;
    127 VOTER_NOT_FOUND Final;
    128 INVALID_REGULAR_EXPRESSION Final;
    129 REBOOTSTRAP_REQUIRED Final;
    130 STREAMS_INVALID_TOPOLOGY Final;
    131 STREAMS_INVALID_TOPOLOGY_EPOCH Final;
    132 STREAMS_TOPOLOGY_FENCED Final;
    133 SHARE_SESSION_LIMIT_REACHED Retriable;
}

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
