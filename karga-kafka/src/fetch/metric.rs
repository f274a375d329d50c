//! What one fetch iteration measured.

use std::borrow::Cow;

use karga_core::{Count, Metric, Outcome, Volume};

/// What one iteration of a [`FetchScenario`](crate::FetchScenario) measured.
///
/// A fetch that found no new record within its wait is a success of no messages. One that timed out
/// or lost its connection is unknown; it took no effect, and its records come again. A broker's
/// error is a failure with the protocol's name as its class, and so are batches that cannot be read
/// ("corrupt batch").
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchMetric {
    /// How the iteration ended.
    pub outcome: Outcome,
    /// Records read: checked, parsed, and not seen before by this scenario.
    pub messages: u64,
    /// Bytes of record batches received, as they went over the wire.
    pub bytes_received: u64,
    /// The scenario's lag after this iteration, in messages: over all of its partitions, the high
    /// watermark less the position.
    pub lag: u64,
    /// Why it did not succeed.
    pub class: Option<Cow<'static, str>>,
    /// What else happened: "retries", "reconnects", "throttles", "leader_changes", and, where
    /// retention removed records before they were read, "offset_resets" and "records_skipped".
    pub counts: Vec<Count>,
}

impl FetchMetric {
    pub(crate) const fn new() -> Self {
        Self {
            outcome: Outcome::Success,
            messages: 0,
            bytes_received: 0,
            lag: 0,
            class: None,
            counts: Vec::new(),
        }
    }

    /// Notes what went wrong. A failure stands before what is unknown, and the first of a kind
    /// gives the class.
    pub(crate) fn fault(&mut self, outcome: Outcome, class: Cow<'static, str>) {
        let worse = match self.outcome {
            Outcome::Success => true,
            Outcome::Unknown => outcome == Outcome::Failure,
            _ => false,
        };
        if worse {
            self.outcome = outcome;
            self.class = Some(class);
        }
    }

    /// Adds to a count, if there is something to add.
    pub(crate) fn count(&mut self, name: &'static str, count: u64) {
        crate::backend::tally::add(&mut self.counts, name, count);
    }
}

impl Metric for FetchMetric {
    fn outcome(&self) -> Outcome {
        self.outcome
    }

    fn volume(&self) -> Volume {
        Volume::new(self.messages, 0, self.bytes_received)
    }

    fn error_class(&self) -> Option<Cow<'static, str>> {
        self.class.clone()
    }

    fn counts(&self) -> &[Count] {
        &self.counts
    }

    fn lag(&self) -> Option<u64> {
        Some(self.lag)
    }
}
