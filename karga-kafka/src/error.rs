//! What can go wrong with a request, and what that says about its outcome.

use std::borrow::Cow;
use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use karga_core::{Outcome, error_chain};

use crate::config::Endpoint;
use crate::error_codes::ErrorCode;
use crate::wire::frame::FrameError;
use crate::wire::link::{LinkError, Phase};
use crate::wire::message::RequestError;
use crate::wire::open::ConnectError;
use crate::wire::versions::Api;

/// Why a request of the [`Client`](crate::client::Client) has no good answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request's deadline passed.
    #[error("{request} had no answer within {after:?}; it was {phase}")]
    Timeout {
        /// The request.
        request: Api,
        /// The deadline, counted from the request's start.
        after: Duration,
        /// What it was doing.
        phase: Phase,
    },
    /// The broker answered with an error.
    #[error("{request} of {target} failed with {code}{}", explain(*.code, .message.as_deref()))]
    Broker {
        /// The request.
        request: Api,
        /// The topic or partition it was about.
        target: String,
        /// The protocol's error.
        code: ErrorCode,
        /// The broker's own words, if it sent any.
        message: Option<String>,
    },
    /// A broker cannot be connected to. The request was not sent.
    #[error("the broker at {endpoint} cannot be reached")]
    Connect {
        /// The broker.
        endpoint: Endpoint,
        /// Why.
        #[source]
        source: ConnectError,
    },
    /// None of the brokers that are known can be connected to. The request was not sent.
    #[error("no broker can be reached: {tried}")]
    Bootstrap {
        /// Every broker that was tried, and why it failed.
        tried: Tried,
    },
    /// The connection was lost with the request.
    #[error("{request} lost its connection to {endpoint}{}", if *.sent { "" } else { " before it was sent" })]
    Link {
        /// The request.
        request: Api,
        /// The broker.
        endpoint: Endpoint,
        /// Whether the broker may have the request.
        sent: bool,
        /// Why the connection ended.
        #[source]
        source: LinkError,
    },
    /// The request could not be written down. It was not sent.
    #[error("{request} cannot be sent")]
    Request {
        /// The request.
        request: Api,
        /// Why.
        #[source]
        source: RequestError,
    },
    /// A partition that the topic does not have. Nothing was sent.
    #[error("topic {topic} has no partition {partition}: it has {partitions}, counted from 0")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: i32,
        /// How many there are.
        partitions: usize,
    },
}

impl Error {
    /// A name of bounded cardinality for tables of errors: the protocol's error name, or one of
    /// `timeout` (after sending, so the outcome is unknown), `timeout before sending`,
    /// `connect timeout`, `connection refused`, `connection closed`, `connect failed`,
    /// `too many open files`, `dns`, `protocol`, `no broker`, `bad request`, `no such partition`.
    pub fn class(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Timeout { phase, .. } if phase.is_sent() => "timeout",
            Self::Timeout { .. } => "timeout before sending",
            Self::Broker { code, .. } => return code.name(),
            Self::Connect { source, .. } => connect_class(source),
            Self::Bootstrap { tried } => match &tried.0[..] {
                [(_, only)] => connect_class(only),
                _ => "no broker",
            },
            Self::Link { source, .. } => link_class(source),
            Self::Request { .. } => "bad request",
            Self::NoPartition { .. } => "no such partition",
        })
    }

    /// Whether the request may have taken effect although it failed: its answer was lost or late,
    /// or the broker says so.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Timeout { phase, .. } => phase.is_sent(),
            Self::Broker { code, .. } => code.may_have_happened(),
            Self::Link { sent, .. } => *sent,
            Self::Connect { .. }
            | Self::Bootstrap { .. }
            | Self::Request { .. }
            | Self::NoPartition { .. } => false,
        }
    }

    /// [`Outcome::Unknown`] when the request [may have happened](Self::may_have_happened), else
    /// [`Outcome::Failure`].
    pub fn outcome(&self) -> Outcome {
        if self.may_have_happened() {
            Outcome::Unknown
        } else {
            Outcome::Failure
        }
    }

    /// The protocol's error, when the broker answered with one.
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Broker { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the same request may succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Broker { code, .. } => code.is_retriable(),
            Self::Connect { .. } | Self::Bootstrap { .. } => true,
            Self::Link { source, .. } => !source.is_protocol(),
            Self::Timeout { .. } | Self::Request { .. } | Self::NoPartition { .. } => false,
        }
    }

    /// Whether the client's picture of leaders may be out of date.
    pub(crate) fn is_leadership(&self) -> bool {
        match self {
            Self::Broker { code, .. } => code.is_leadership(),
            Self::Connect { .. } | Self::Link { .. } => true,
            // An answer that is late says nothing about who leads; the next request opens a new
            // connection, and that will tell.
            Self::Timeout { phase, .. } => *phase == Phase::Connecting,
            _ => false,
        }
    }
}

/// Brokers that were tried, and why each failed.
#[derive(Debug)]
pub struct Tried(pub(crate) Vec<(Endpoint, ConnectError)>);

impl Tried {
    /// Each broker and its failure, in the order in which they were tried.
    pub fn iter(&self) -> impl Iterator<Item = (&Endpoint, &ConnectError)> {
        self.0.iter().map(|(endpoint, error)| (endpoint, error))
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (endpoint, error)) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            // The causes too: a list has more than one source, so nobody else could print them.
            write!(f, "{separator}{endpoint}: {}", error_chain(error))?;
        }
        Ok(())
    }
}

/// What to do about `MESSAGE_TOO_LARGE`. Apache Kafka itself does not tell its limit.
pub(crate) const TOO_LARGE_WAY_OUT: &str = "send fewer or smaller records (a scenario's .batch() \
     and .payload()), or raise the topic's max.message.bytes";

fn explain(code: ErrorCode, message: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(message) = message.filter(|message| !message.is_empty()) {
        text = format!(" ({})", message.trim_end_matches('.'));
    }
    let way_out = match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => "create it first, or check its name",
        ErrorCode::MESSAGE_TOO_LARGE => TOO_LARGE_WAY_OUT,
        ErrorCode::TOPIC_ALREADY_EXISTS => "use it as it is, or delete it first",
        ErrorCode::LEADER_NOT_AVAILABLE => "try again when a leader is elected",
        _ => return text,
    };
    text + ": " + way_out
}

fn connect_class(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::Resolve { .. } => "dns",
        ConnectError::Tcp { source, .. } => match source.kind() {
            ErrorKind::ConnectionRefused => "connection refused",
            ErrorKind::TimedOut => "connect timeout",
            _ => "connect failed",
        },
        ConnectError::TooManyFiles(_) => "too many open files",
        ConnectError::Timeout { .. } => "connect timeout",
        ConnectError::Handshake(error) => link_class(error),
        ConnectError::Refused { .. } | ConnectError::Request(_) => "protocol",
    }
}

fn link_class(error: &LinkError) -> &'static str {
    match error {
        _ if error.is_protocol() => "protocol",
        LinkError::Frame(frame) => match &**frame {
            FrameError::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                "connection refused"
            }
            _ => "connection closed",
        },
        _ => "connection closed",
    }
}
