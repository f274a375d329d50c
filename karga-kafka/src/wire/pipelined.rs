//! A connection that several tasks share, with a cap on its requests in flight.
//!
//! A caller puts its whole frame into the queue and writes what the socket takes, without waiting
//! in between; what it does not take, the connection's one driver task writes later. So a caller
//! that is cancelled leaves no half frame behind. The driver also reads: brokers answer the
//! requests of one connection in order, so the oldest request in flight is the one that is answered.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::exclusive::{Exclusive, Parts};
use super::frame::{self, FrameError};
use super::link::{self, Answered, CallError, LinkError, Phase, Progress};
use super::message::{self, Call};
use super::open::LinkContext;
use super::versions::Versions;
use crate::config::Endpoint;

type Reply = oneshot::Sender<Result<Bytes, LinkError>>;

/// Ends its driver when dropped; requests still in flight then fail.
#[derive(Debug)]
pub(crate) struct Pipelined {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    versions: Versions,
    context: Arc<LinkContext>,
    driver: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    writer: OwnedWriteHalf,
    queues: Mutex<Queues>,
    /// Wakes the driver when a caller leaves bytes behind.
    left_behind: Notify,
    permits: Arc<Semaphore>,
    correlation: AtomicI32,
    /// No new request may go here.
    retired: AtomicBool,
    spare: Mutex<Vec<BytesMut>>,
    most_spare: usize,
}

#[derive(Debug, Default)]
struct Queues {
    unsent: VecDeque<Outgoing>,
    in_flight: VecDeque<InFlight>,
    /// Why the connection is over.
    ended: Option<LinkError>,
}

#[derive(Debug)]
struct Outgoing {
    rest: BytesMut,
    /// Who waits for the frame to be written, when nothing else will be heard of it.
    written: Option<(Reply, OwnedSemaphorePermit)>,
}

#[derive(Debug)]
struct InFlight {
    correlation: i32,
    reply: Reply,
    /// Given back when the answer is here, even if nobody waits for it any more.
    _permit: OwnedSemaphorePermit,
}

impl Pipelined {
    pub(crate) fn new(connection: Exclusive, in_flight: NonZeroUsize) -> Self {
        let Parts {
            stream,
            endpoint,
            context,
            versions,
            incoming,
        } = connection.into_parts();
        let (reader, writer) = stream.into_split();
        let most = in_flight.get().min(Semaphore::MAX_PERMITS);
        let shared = Arc::new(Shared {
            writer,
            queues: Mutex::default(),
            left_behind: Notify::new(),
            permits: Arc::new(Semaphore::new(most)),
            correlation: AtomicI32::new(0),
            retired: AtomicBool::new(false),
            spare: Mutex::default(),
            most_spare: most.min(64),
        });
        let max_frame = context.config.max_frame();
        let driver = tokio::spawn(drive(Arc::clone(&shared), reader, incoming, max_frame));
        Self {
            shared,
            endpoint,
            versions,
            context,
            driver,
        }
    }

    /// The broker.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether new requests should go elsewhere: it is over, or an answer is overdue.
    pub(crate) fn is_retired(&self) -> bool {
        self.shared.retired.load(Relaxed)
    }

    /// Requests that could be sent at once.
    pub(crate) fn free(&self) -> usize {
        self.shared.permits.available_permits()
    }

    /// Sends one request, when it is its turn, and waits for its answer.
    pub(crate) async fn call<C: Call>(
        &self,
        call: &mut C,
        progress: &Progress,
    ) -> Result<Answered<C::Answer>, CallError> {
        let version = call
            .version(&self.versions)
            .map_err(message::RequestError::from)?;
        progress.enter(Phase::Queued);
        let permits = Arc::clone(&self.shared.permits);
        let permit = permits.acquire_owned().await.map_err(|_| self.unsent())?;
        let correlation = self.shared.correlation.fetch_add(1, Relaxed);
        let mut frame = self.shared.take_spare();
        let client_id = self.context.config.client_id();
        let encoded = message::encode_frame(call, version, correlation, client_id, &mut frame);
        if let Err(error) = encoded {
            self.shared.give_spare(frame);
            return Err(error.into());
        }
        let bytes_sent = frame.len();
        progress.enter(Phase::Sending);
        self.context.counters.requests.add(1);
        let unanswered = call.unanswered();
        let reply = self
            .shared
            .send(frame, correlation, unanswered.is_some(), permit)
            .map_err(|error| CallError::Link { error, sent: false })?;
        if unanswered.is_none() {
            progress.enter(Phase::Answer);
        }
        let overdue = RetireIfOverdue {
            shared: &self.shared,
            deadline: progress.deadline(),
        };
        let answer = reply.await.unwrap_or(Err(LinkError::Closed));
        std::mem::forget(overdue); // it holds references only, and its question is settled
        let broken = |error| CallError::Link { error, sent: true };
        let frame = answer.map_err(broken)?;
        if let Some(answer) = unanswered {
            return Ok(Answered {
                answer,
                bytes_sent,
                bytes_received: 0,
            });
        }
        let bytes_received = frame.len() + frame::LEN_BYTES;
        let answer = message::decode_answer(call, version, frame).map_err(|source| {
            self.shared.retired.store(true, Relaxed);
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

    /// Why a request could not even be queued.
    fn unsent(&self) -> CallError {
        let ended = self.shared.lock().ended.clone();
        CallError::Link {
            error: ended.unwrap_or(LinkError::Closed),
            sent: false,
        }
    }
}

impl Drop for Pipelined {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// An answer that is overdue holds up all that come after it on this connection, so new requests
/// go elsewhere; those in flight here keep their own deadlines. A caller that was merely cancelled
/// changes nothing.
struct RetireIfOverdue<'a> {
    shared: &'a Shared,
    deadline: Instant,
}

impl Drop for RetireIfOverdue<'_> {
    fn drop(&mut self) {
        if Instant::now() >= self.deadline {
            self.shared.retired.store(true, Relaxed);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        // Nothing panics while it is held, and the queues would be whole if it did.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame, writes what the socket takes, and returns where to wait for the answer (or,
    /// for a request without one, for the end of the writing).
    fn send(
        &self,
        frame: BytesMut,
        correlation: i32,
        unanswered: bool,
        permit: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Result<Bytes, LinkError>>, LinkError> {
        let (reply, receiver) = oneshot::channel();
        let mut queues = self.lock();
        if let Some(error) = &queues.ended {
            return Err(error.clone());
        }
        let written = if unanswered {
            Some((reply, permit))
        } else {
            queues.in_flight.push_back(InFlight {
                correlation,
                reply,
                _permit: permit,
            });
            None
        };
        queues.unsent.push_back(Outgoing {
            rest: frame,
            written,
        });
        match self.flush(&mut queues) {
            Ok(true) => {}
            Ok(false) => self.left_behind.notify_one(),
            Err(error) => self.end(queues, FrameError::Io(error).into()),
        }
        Ok(receiver)
    }

    /// Writes until all is written (true) or the socket is full.
    fn flush(&self, queues: &mut Queues) -> io::Result<bool> {
        while let Some(first) = queues.unsent.front_mut() {
            match self.writer.try_write(&first.rest) {
                Ok(written) => first.rest.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if first.rest.is_empty() {
                let done = queues.unsent.pop_front();
                let done = done.expect("invariant: the queue has a first entry");
                if let Some((reply, _permit)) = done.written {
                    let _ = reply.send(Ok(Bytes::new())); // nobody may be waiting any more
                }
                self.give_spare(done.rest);
            }
        }
        Ok(true)
    }

    /// Hands an answer to the oldest request in flight.
    fn answer(&self, frame: Bytes) -> Result<(), LinkError> {
        let mut queues = self.lock();
        let expected = queues.in_flight.front().map(|oldest| oldest.correlation);
        link::check_correlation(&frame, expected)?;
        let oldest = queues.in_flight.pop_front();
        drop(queues);
        if let Some(oldest) = oldest {
            let _ = oldest.reply.send(Ok(frame)); // nobody may be waiting any more
        }
        Ok(())
    }

    /// Fails everything in flight and everything to come.
    fn end(&self, mut queues: MutexGuard<'_, Queues>, error: LinkError) {
        self.retired.store(true, Relaxed);
        let error = queues.ended.get_or_insert(error).clone();
        let in_flight = std::mem::take(&mut queues.in_flight);
        let unsent = std::mem::take(&mut queues.unsent);
        drop(queues);
        self.permits.close();
        let waiting = in_flight.into_iter().map(|one| one.reply);
        let writing = unsent.into_iter().filter_map(|one| one.written);
        for reply in waiting.chain(writing.map(|(reply, _)| reply)) {
            let _ = reply.send(Err(error.clone())); // nobody may be waiting any more
        }
        self.left_behind.notify_one(); // the driver has nothing left to do
    }

    fn take_spare(&self) -> BytesMut {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.pop().unwrap_or_default()
    }

    fn give_spare(&self, mut buffer: BytesMut) {
        buffer.clear();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < self.most_spare {
            spare.push(buffer);
        }
    }
}

/// Reads answers, and writes what callers left behind, until the connection is over.
async fn drive(
    shared: Arc<Shared>,
    mut reader: OwnedReadHalf,
    mut incoming: BytesMut,
    max_frame: usize,
) {
    let error = loop {
        let behind = {
            let queues = shared.lock();
            if queues.ended.is_some() {
                return;
            }
            !queues.unsent.is_empty()
        };
        let step = tokio::select! {
            frame = frame::read(&mut reader, &mut incoming, max_frame) => match frame {
                Ok(Some(frame)) => shared.answer(frame),
                Ok(None) => Err(LinkError::Closed),
                Err(error) => Err(error.into()),
            },
            ready = shared.writer.writable(), if behind => ready
                .and_then(|()| shared.flush(&mut shared.lock()))
                .map(|_| ())
                .map_err(|error| FrameError::Io(error).into()),
            () = shared.left_behind.notified(), if !behind => Ok(()),
        };
        if let Err(error) = step {
            break error;
        }
    };
    shared.end(shared.lock(), error);
}
