//! What one produce iteration measured.

use std::borrow::Cow;

use karga_core::{Count, Metric, Outcome, Volume};

/// What one iteration of a [`ProduceScenario`](crate::ProduceScenario) measured.
///
/// | outcome | when | class |
/// |---|---|---|
/// | success | every record was acknowledged; with acks=0, handed to the socket | none |
/// | unknown | the deadline passed, or the connection broke, after something was sent | "timeout", "connection closed", or the protocol's name of an error that a broker gives after it appended, such as `REQUEST_TIMED_OUT` |
/// | failure | it is known that records were not written | the protocol's name of the broker's error, such as `MESSAGE_TOO_LARGE`; or the client's own, such as "connection refused" |
///
/// An iteration whose records go to several partitions is a success only if all of them were
/// acknowledged, and unknown if no part failed and some part is unknown. Its volume counts what was
/// acknowledged, whatever the outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProduceMetric {
    /// How the iteration ended.
    pub outcome: Outcome,
    /// Records acknowledged.
    pub messages: u64,
    /// Records of which it is not known whether they were written.
    pub unknown_messages: u64,
    /// Bytes of the record batches sent, as they go over the wire: compressed, batch headers
    /// included, request headers not. Batches count once, whether they were acknowledged or not.
    pub bytes_sent: u64,
    /// The partition of the last acknowledgement. None if there was none.
    pub partition: Option<i32>,
    /// The offset of the first record in that acknowledgement. None with acks=0, which tells none.
    pub base_offset: Option<i64>,
    /// Why it did not succeed.
    pub class: Option<Cow<'static, str>>,
    /// What else happened: "retries", "reconnects", "throttles", "leader_changes".
    pub counts: Vec<Count>,
}

impl ProduceMetric {
    pub(crate) const fn new() -> Self {
        Self {
            outcome: Outcome::Success,
            messages: 0,
            unknown_messages: 0,
            bytes_sent: 0,
            partition: None,
            base_offset: None,
            class: None,
            counts: Vec::new(),
        }
    }
}

impl Metric for ProduceMetric {
    fn outcome(&self) -> Outcome {
        self.outcome
    }

    fn volume(&self) -> Volume {
        Volume::new(self.messages, self.bytes_sent, 0)
    }

    fn error_class(&self) -> Option<Cow<'static, str>> {
        self.class.clone()
    }

    fn counts(&self) -> &[Count] {
        &self.counts
    }
}
