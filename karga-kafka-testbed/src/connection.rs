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
    task::coop::consume_budget,
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
        // Requests that are here already need no waiting; others must have their turn between them.
        consume_budget().await;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kafka_protocol::{
        messages::{
            ApiKey, FetchRequest, RequestHeader, TopicName,
            fetch_request::{FetchPartition, FetchTopic},
        },
        protocol::{Encodable as _, StrBytes},
    };
    use karga_kafka::records::{BatchEncoder, BatchSettings, Batches, Record};
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;
    use crate::{settings::Settings, state::TopicConfig};

    const WAIT: Duration = Duration::from_millis(700);

    fn shared() -> Shared {
        let shared = Shared::new(Settings::default());
        shared
            .lock()
            .create("orders", 1, TopicConfig::default())
            .unwrap();
        shared
    }

    fn peer() -> Peer {
        Peer {
            local: ([127, 0, 0, 1], 1).into(),
            waiter: Arc::new(Notify::new()),
        }
    }

    /// A Fetch from the start that waits for one byte.
    fn fetch(shared: &Shared, peer: &Peer) -> PendingFetch {
        let partition = FetchPartition::default().with_partition_max_bytes(i32::MAX);
        let topic = FetchTopic::default()
            .with_topic(TopicName(StrBytes::from_static_str("orders")))
            .with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_max_wait_ms(WAIT.as_millis() as i32)
            .with_min_bytes(1)
            .with_topics(vec![topic]);
        let mut bytes = BytesMut::new();
        RequestHeader::default()
            .with_request_api_key(ApiKey::Fetch as i16)
            .with_request_api_version(4)
            .encode(&mut bytes, 1)
            .unwrap();
        request.encode(&mut bytes, 4).unwrap();
        let mut output = Output::default();
        match api::handle(shared, peer, bytes.freeze(), &mut output).unwrap() {
            Next::Wait(fetch) => fetch,
            Next::Read => panic!("answered at once"),
        }
    }

    fn append(shared: &Shared) {
        let mut bytes = BytesMut::new();
        let mut encoder = BatchEncoder::new();
        let mut batch = encoder.begin(&mut bytes, BatchSettings::new());
        batch.push(&Record::new(b"value")).unwrap();
        batch.finish().unwrap();
        let batch = Batches::new(&bytes).next().unwrap().unwrap();
        let mut state = shared.lock();
        let partition = state.partition_mut("orders", 0).unwrap();
        partition.log.append(&bytes, batch.header());
        partition.wake();
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_waits_exactly_as_long_as_it_said() {
        let (shared, peer) = (shared(), peer());
        let fetch = fetch(&shared, &peer);
        let (_client, mut reader) = duplex(100);
        let start = Instant::now();
        let waiting = Waiting {
            shared: &shared,
            peer: &peer,
            fetch: &fetch,
        };
        let waited = waiting
            .until_due(&mut reader, &mut BytesMut::new())
            .await
            .unwrap();
        assert!(!waited.is_gone());
        assert_eq!(start.elapsed(), WAIT);
        drop(waiting);
        // Nobody is left on the partition's list.
        assert_eq!(Arc::strong_count(&peer.waiter), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_ends_the_wait_at_once() {
        let (shared, peer) = (shared(), peer());
        let fetch = fetch(&shared, &peer);
        let (_client, mut reader) = duplex(100);
        let start = Instant::now();
        let producer = async {
            tokio::time::sleep(WAIT / 7).await;
            append(&shared);
        };
        let waiting = Waiting {
            shared: &shared,
            peer: &peer,
            fetch: &fetch,
        };
        let mut input = BytesMut::new();
        let (waited, ()) = tokio::join!(waiting.until_due(&mut reader, &mut input), producer);
        assert!(!waited.unwrap().is_gone());
        assert_eq!(start.elapsed(), WAIT / 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_goes_while_it_waits_is_let_go_and_one_that_goes_on_is_kept() {
        let (shared, peer) = (shared(), peer());
        let fetch = fetch(&shared, &peer);
        let (mut client, mut reader) = duplex(100);
        let start = Instant::now();
        let client = async move {
            tokio::time::sleep(WAIT / 7).await;
            client.write_all(b"the next request").await.unwrap();
            tokio::time::sleep(WAIT / 7).await;
        };
        let waiting = Waiting {
            shared: &shared,
            peer: &peer,
            fetch: &fetch,
        };
        let mut input = BytesMut::new();
        let (waited, ()) = tokio::join!(waiting.until_due(&mut reader, &mut input), client);
        assert!(waited.unwrap().is_gone());
        assert_eq!(start.elapsed(), WAIT / 7 * 2);
        assert_eq!(&input[..], b"the next request");
        drop(waiting);
        assert_eq!(Arc::strong_count(&peer.waiter), 1);
    }
}
