//! One client's connection: requests in, one after the other, answers out in the same order.
//!
//! As in Kafka, the next request is not looked at before the one before it is answered. So what a
//! client can make the broker keep for it is bounded: a frame, one flush of answers, and one
//! answer more.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::BytesMut;
use karga_kafka::wire::frame::{self, FrameError};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::TcpStream,
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    api::{self, Close, Next, fetch::PendingFetch},
    output::Output,
    state::Shared,
};

/// Answers are written when so many bytes of them are there, also while more requests wait.
const FLUSH_BYTES: usize = 256 * 1024;

/// Requests behind a waiting Fetch are read up to here, so that a closed connection is noticed.
const READ_AHEAD: usize = 64 * 1024;

/// What a handler knows of the connection it answers on.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The address that the client reached the broker at.
    pub(crate) local: SocketAddr,
    waiter: Arc<Notify>,
}

/// Why a connection ended before the client closed it.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("a frame could not be read")]
    Frame(#[from] FrameError),
    #[error("a request was not answered")]
    Request(#[from] Close),
    #[error("the connection broke")]
    Io(#[from] io::Error),
}

/// Serves a connection to its end.
pub(crate) async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let _open = Open::new(&shared);
    // The stream outlives the counting: a client that sees it closed finds it counted.
    if let Err(end) = run(&mut stream, &shared).await {
        let broken = match &end {
            End::Io(_) => true,
            End::Frame(error) => matches!(error, FrameError::Io(_)),
            End::Request(_) => false,
        };
        if !broken {
            shared.lock().stats.refused_connections += 1;
        }
    }
}

async fn run(stream: &mut TcpStream, shared: &Shared) -> Result<(), End> {
    stream.set_nodelay(true)?;
    let peer = Peer {
        local: stream.local_addr()?,
        waiter: Arc::new(Notify::new()),
    };
    let (mut reader, mut writer) = stream.split();
    let max = shared.settings.max_frame_bytes;
    let mut input = BytesMut::new();
    let mut output = Output::default();
    loop {
        let request = match frame::take(&mut input, max)? {
            Some(request) => request,
            None => {
                output.flush(&mut writer).await?;
                match frame::read(&mut reader, &mut input, max).await? {
                    Some(request) => request,
                    None => return Ok(()),
                }
            }
        };
        let next = match api::handle(shared, &peer, request, &mut output) {
            Ok(next) => next,
            Err(close) => {
                // The answers to the requests before it are still owed.
                output.flush(&mut writer).await?;
                return Err(close.into());
            }
        };
        if let Next::Wait(fetch) = next {
            output.flush(&mut writer).await?;
            let waiting = Waiting {
                shared,
                peer: &peer,
                fetch: &fetch,
            };
            if waiting.until_due(&mut reader, &mut input).await?.is_gone() {
                return Ok(());
            }
            drop(waiting);
            fetch.answer(&mut shared.lock(), &mut output)?;
        }
        if output.len() >= FLUSH_BYTES {
            output.flush(&mut writer).await?;
        }
    }
}

enum Waited {
    Due,
    Gone,
}

impl Waited {
    fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }
}

/// A Fetch that waits; takes its name off the partitions' lists when it no longer does.
struct Waiting<'a> {
    shared: &'a Shared,
    peer: &'a Peer,
    fetch: &'a PendingFetch,
}

impl Waiting<'_> {
    /// Waits until the Fetch has enough to answer, its time is over, or the client has gone.
    async fn until_due<R>(&self, reader: &mut R, input: &mut BytesMut) -> io::Result<Waited>
    where
        R: AsyncRead + Unpin,
    {
        let deadline = Instant::now() + self.fetch.max_wait();
        loop {
            if self
                .fetch
                .is_due(&mut self.shared.lock(), &self.peer.waiter)
            {
                return Ok(Waited::Due);
            }
            tokio::select! {
                () = self.peer.waiter.notified() => {}
                () = sleep_until(deadline) => return Ok(Waited::Due),
                read = reader.read_buf(input), if input.len() < READ_AHEAD => {
                    if read? == 0 {
                        return Ok(Waited::Gone);
                    }
                }
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.fetch
            .forget(&mut self.shared.lock(), &self.peer.waiter);
    }
}

/// Counts a connection as open while it lives.
struct Open<'a>(&'a Shared);

impl<'a> Open<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.lock().stats.open_connections += 1;
        Self(shared)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.lock().stats.open_connections -= 1;
    }
}
