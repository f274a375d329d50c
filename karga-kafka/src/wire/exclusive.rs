//! A connection with one user and one request in flight: the user's own task writes and reads, so
//! an answer costs no hop from one task to another.

use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;

use super::frame;
use super::link::{self, Answered, CallError, LinkError, Phase, Progress};
use super::message::{self, Call};
use super::open::LinkContext;
use super::versions::Versions;
use crate::config::Endpoint;

/// Answers above this size get room for another of their kind at once.
const LARGE_ANSWER: usize = 256 * 1024;

/// The most room that is kept ready for an answer that has not been announced.
const MOST_ROOM: usize = 16 * 1024 * 1024;

/// Must be dropped when a call on it was cancelled, and after [`CallError::Link`]: an answer may
/// then be under way that the next call would take for its own.
#[derive(Debug)]
pub(crate) struct Exclusive {
    stream: TcpStream,
    endpoint: Endpoint,
    context: Arc<LinkContext>,
    versions: Versions,
    correlation: i32,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// Bytes of the last answer.
    last_answer: usize,
}

/// What a connection is made of.
pub(super) struct Parts {
    pub(super) stream: TcpStream,
    pub(super) endpoint: Endpoint,
    pub(super) context: Arc<LinkContext>,
    pub(super) versions: Versions,
    pub(super) incoming: BytesMut,
}

impl Exclusive {
    /// A connection on which only versions can be asked for.
    pub(super) fn new(stream: TcpStream, endpoint: Endpoint, context: Arc<LinkContext>) -> Self {
        Self {
            stream,
            endpoint,
            context,
            versions: Versions::from_answer([]),
            correlation: 0,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            last_answer: 0,
        }
    }

    pub(super) fn set_versions(&mut self, versions: Versions) {
        self.versions = versions;
    }

    /// The parts, to go on as a pipelined connection.
    pub(super) fn into_parts(self) -> Parts {
        Parts {
            stream: self.stream,
            endpoint: self.endpoint,
            context: self.context,
            versions: self.versions,
            incoming: self.incoming,
        }
    }

    /// The broker.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether the broker is known to have closed the connection while it was idle, as far as can
    /// be seen without waiting. Costs no system call while nothing has arrived.
    pub(crate) fn is_stale(&self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        if self.stream.poll_read_ready(&mut context).is_pending() {
            return false;
        }
        // Nothing may come unasked: a byte is as bad as an end.
        match self.stream.try_read(&mut [0]) {
            Ok(_) => true,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    /// Sends one request and waits for its answer.
    pub(crate) async fn call<C: Call>(
        &mut self,
        call: &mut C,
        progress: &Progress,
    ) -> Result<Answered<C::Answer>, CallError> {
        let version = call
            .version(&self.versions)
            .map_err(message::RequestError::from)?;
        self.correlation = self.correlation.wrapping_add(1);
        let correlation = self.correlation;
        self.outgoing.clear();
        let client_id = self.context.config.client_id();
        message::encode_frame(call, version, correlation, client_id, &mut self.outgoing)?;
        let bytes_sent = self.outgoing.len();
        let answer = self.exchange(call.unanswered().is_some(), progress).await;
        let broken = |error| CallError::Link { error, sent: true };
        let Some(frame) = answer.map_err(broken)? else {
            let answer = call
                .unanswered()
                .expect("invariant: exchange reads an answer unless there is none");
            return Ok(Answered {
                answer,
                bytes_sent,
                bytes_received: 0,
            });
        };
        let bytes_received = frame.len() + frame::LEN_BYTES;
        self.last_answer = bytes_received;
        link::check_correlation(&frame, Some(correlation)).map_err(broken)?;
        let answer = message::decode_answer(call, version, frame).map_err(|source| {
            broken(LinkError::Malformed {
                api: C::API,
                source,
            })
        })?;
        Ok(Answered {
            answer,
            bytes_sent,
            bytes_received,
        })
    }

    /// Writes the frame and, unless there is none, reads the next one.
    async fn exchange(
        &mut self,
        unanswered: bool,
        progress: &Progress,
    ) -> Result<Option<Bytes>, LinkError> {
        progress.enter(Phase::Sending);
        self.context.counters.requests.add(1);
        frame::write(&mut self.stream, &mut self.outgoing).await?;
        if unanswered {
            return Ok(None);
        }
        progress.enter(Phase::Answer);
        if self.last_answer > LARGE_ANSWER {
            self.incoming.reserve(self.last_answer.min(MOST_ROOM));
        }
        let max = self.context.config.max_frame();
        match frame::read(&mut self.stream, &mut self.incoming, max).await? {
            Some(frame) => Ok(Some(frame)),
            None => Err(LinkError::Closed),
        }
    }
}
