//! What both kinds of connection share: how far a request has come, and why a connection ends.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::cursor::Malformed;
use super::frame::FrameError;
use super::message::RequestError;
use super::versions::Api;

/// Why an open connection was given up.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The broker closed it.
    #[error("the broker closed the connection")]
    Closed,
    /// Reading or writing a frame failed.
    #[error("the stream of frames broke")]
    Frame(#[source] Arc<FrameError>),
    /// An answer to a request that was not next.
    #[error(
        "an answer has correlation id {got}, and {} was expected: \
         the peer does not follow the Kafka protocol",
        .expected.map_or_else(|| "none".to_owned(), |id| id.to_string())
    )]
    Correlation {
        /// The id received.
        got: i32,
        /// The id of the oldest request in flight, if there is one.
        expected: Option<i32>,
    },
    /// An answer too short for its correlation id.
    #[error("an answer of {len} bytes is too short: the peer does not follow the Kafka protocol")]
    Short {
        /// Bytes of the answer.
        len: usize,
    },
    /// An answer that is not what its request asks for.
    #[error("the answer to {api} cannot be read")]
    Malformed {
        /// The request.
        api: Api,
        /// What is wrong.
        #[source]
        source: Malformed,
    },
}

impl LinkError {
    /// Whether the peer broke the protocol, rather than the connection.
    pub(crate) fn is_protocol(&self) -> bool {
        match self {
            Self::Closed => false,
            Self::Correlation { .. } | Self::Short { .. } | Self::Malformed { .. } => true,
            Self::Frame(error) => matches!(
                **error,
                FrameError::NegativeLength { .. } | FrameError::TooLong { .. }
            ),
        }
    }
}

impl From<FrameError> for LinkError {
    fn from(error: FrameError) -> Self {
        Self::Frame(Arc::new(error))
    }
}

/// Checks that `answer` belongs to the request that is next.
pub(crate) fn check_correlation(answer: &Bytes, expected: Option<i32>) -> Result<(), LinkError> {
    let prefix = answer
        .first_chunk()
        .ok_or(LinkError::Short { len: answer.len() })?;
    let got = i32::from_be_bytes(*prefix);
    if expected == Some(got) {
        return Ok(());
    }
    Err(LinkError::Correlation { got, expected })
}

/// Why one request on an open connection has no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// It could not be written down; the connection is as good as before.
    Request(RequestError),
    /// The connection is lost; whether the request reached it.
    Link { error: LinkError, sent: bool },
}

impl From<RequestError> for CallError {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

/// An answer, and the bytes of both frames.
#[derive(Debug)]
pub(crate) struct Answered<T> {
    pub(crate) answer: T,
    pub(crate) bytes_sent: usize,
    pub(crate) bytes_received: usize,
}

/// What a request was doing when its deadline came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// It waited for its turn on a connection.
    Queued,
    /// It resolved a name, connected, or agreed on versions.
    Connecting,
    /// It asked for the leaders of a topic.
    Metadata,
    /// It waited before a retry.
    Backoff,
    /// It was being written.
    Sending,
    /// It was written, and its answer had not come.
    Answer,
}

impl Phase {
    const ALL: [Self; 6] = [
        Self::Queued,
        Self::Connecting,
        Self::Metadata,
        Self::Backoff,
        Self::Sending,
        Self::Answer,
    ];

    /// Whether the broker may have the request.
    pub const fn is_sent(self) -> bool {
        matches!(self, Self::Sending | Self::Answer)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "waiting for a turn on the connection",
            Self::Connecting => "connecting",
            Self::Metadata => "looking up leaders",
            Self::Backoff => "waiting before a retry",
            Self::Sending => "sending",
            Self::Answer => "waiting for the answer",
        })
    }
}

/// How far one request has come, readable after its future was dropped by a deadline.
#[derive(Debug)]
pub(crate) struct Progress {
    phase: AtomicU8,
    limit: Duration,
    deadline: Instant,
}

impl Progress {
    pub(crate) fn within(limit: Duration) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Queued as u8),
            limit,
            // Longer than any run, where the sum has no representation.
            deadline: Instant::now()
                .checked_add(limit)
                .unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400 * 365)),
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    pub(crate) fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Relaxed))]
    }

    pub(crate) const fn limit(&self) -> Duration {
        self.limit
    }

    pub(crate) const fn deadline(&self) -> Instant {
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_read_as_it_was_entered() {
        let progress = Progress::within(Duration::MAX);
        assert_eq!(progress.phase(), Phase::Queued);
        for phase in Phase::ALL {
            progress.enter(phase);
            assert_eq!(progress.phase(), phase);
        }
    }

    #[test]
    fn only_what_was_written_counts_as_sent() {
        let sent: Vec<_> = Phase::ALL
            .into_iter()
            .filter(|phase| phase.is_sent())
            .collect();
        assert_eq!(sent, [Phase::Sending, Phase::Answer]);
    }
}
