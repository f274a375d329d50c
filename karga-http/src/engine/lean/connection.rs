//! One connection that carries one request at a time.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    chunked::Chunks,
    head::{self, Framing, Head},
};
use crate::{
    answer::{Answer, Body, Want, excerpt},
    engine::{alarm::Alarm, dial::Stream},
    fault::Fault,
};

/// What a connection reads into. Most answers fit.
const BUFFER: usize = 8 * 1024;

/// The same for a body that does not: fewer, larger reads.
const LARGE_BUFFER: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were read.
    filled: usize,
    /// Whether it can carry another one.
    pub(super) reusable: bool,
    /// Bytes of the message that the stream took.
    pub(super) sent: usize,
    /// Whether the stream may hold some of them back.
    unflushed: bool,
    /// Why the stream takes no more of them.
    unwritable: Option<io::Error>,
    /// Bytes of the answer.
    pub(super) received: u64,
}

/// One request, as it goes over a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) bytes: &'a [u8],
    /// A HEAD, whose answer has no body whatever it says.
    pub(super) is_head: bool,
    /// Whether it says that the connection is to be closed after it.
    pub(super) closes: bool,
    pub(super) want: Want,
    pub(super) deadline: Duration,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The connection had been closed: nothing of the request was sent.
    NotSent(io::Error),
    Fault(Fault),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What a connection is found to be that nobody asked anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Idle {
    Ready,
    Closed,
    /// The server said something all the same, which begins so.
    Unsolicited(String),
}

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            buffer: vec![0; BUFFER],
            filled: 0,
            reusable: true,
            sent: 0,
            unflushed: false,
            unwritable: None,
            received: 0,
        }
    }

    /// Whether the server has closed it, or spoken, since the last answer. This
    /// costs no system call unless something happened.
    pub(super) async fn idle(&mut self) -> Idle {
        poll_fn(|cx| {
            Poll::Ready(match self.stream.poll_read_now(cx, &mut self.buffer) {
                Poll::Pending => Idle::Ready,
                Poll::Ready(Ok(read @ 1..)) => Idle::Unsolicited(excerpt(&self.buffer[..read])),
                Poll::Ready(Ok(0) | Err(_)) => Idle::Closed,
            })
        })
        .await
    }

    /// Sends a request and reads its answer.
    pub(super) async fn exchange(
        &mut self,
        message: Message<'_>,
        alarm: &mut Alarm,
    ) -> Result<Answer, Stopped> {
        self.reusable = false; // until the answer is whole
        self.filled = 0;
        self.sent = 0;
        self.received = 0;
        self.unflushed = true;
        self.unwritable = None;

        let mut new = 0;
        let head = loop {
            // A head ends with a line: before one is whole, there is nothing new. What
            // comes first may be no head at all, and never have a line.
            let came = &self.buffer[new..self.filled];
            if (new == 0 && !came.is_empty() || came.contains(&b'\n'))
                && let Some(head) = self.head(message)?
            {
                break head;
            }
            self.make_room()?;
            new = self.filled;
            match self.fill(message, alarm, "waiting for the answer").await {
                Ok(1..) => {}
                Ok(0) if self.filled == 0 => {
                    let when = "when the request was sent, before any answer";
                    return Err(Fault::closed(when).into());
                }
                Ok(0) => return Err(Fault::closed("in the head of the answer").into()),
                Err(stopped) => return Err(stopped),
            }
        };
        let mut body = Body::new(message.want);
        let whole = self.read_body(head.len, head.framing, &mut body, message, alarm);
        whole.await?;
        if self.buffer.len() > BUFFER {
            // A user is to take no more memory for one large answer.
            self.buffer.truncate(BUFFER);
            self.buffer.shrink_to_fit();
        }
        let all_sent = self.sent == message.bytes.len();
        self.reusable = head.keep_alive && all_sent && !message.closes;
        Ok(Answer::new(head.status, head.headers, body))
    }

    /// The head of the answer, if it is whole.
    #[inline]
    fn head(&mut self, message: Message<'_>) -> Result<Option<Head>, Fault> {
        loop {
            let bytes = &self.buffer[..self.filled];
            match head::parse(bytes, message.is_head, message.want.headers)? {
                Some(head) if head.status == 101 => {
                    return Err(Fault::switched());
                }
                // What comes before the answer (RFC 9110, 15.2).
                Some(head) if head.status < 200 => {
                    self.buffer.copy_within(head.len..self.filled, 0);
                    self.filled -= head.len;
                }
                head => return Ok(head),
            }
        }
    }

    /// Reads the body. What was read already begins at `start`.
    async fn read_body(
        &mut self,
        start: usize,
        framing: Framing,
        body: &mut Body,
        message: Message<'_>,
        alarm: &mut Alarm,
    ) -> Result<(), Stopped> {
        let mut start = start;
        let mut chunks = Chunks::new();
        loop {
            let came = &self.buffer[start..self.filled];
            let (read, done) = match framing {
                Framing::Length(length) => {
                    let left = length - body.len();
                    let read = came.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    body.push(&came[..read]);
                    (read, body.len() == length)
                }
                Framing::Chunked => {
                    let read = chunks.read(came, |data| body.push(data))?;
                    (read, chunks.is_done())
                }
                Framing::UntilClose => {
                    body.push(came);
                    (came.len(), false)
                }
            };
            if done {
                let excess = came.len() - read;
                self.received -= excess as u64;
                return if excess == 0 {
                    Ok(())
                } else {
                    Err(Fault::protocol(format!(
                        "at least {excess} bytes follow the end of the answer, which nobody asked \
                         for: its content-length, or the size of a chunk, is too small"
                    ))
                    .into())
                };
            }
            // Few bodies are worth a buffer of their own.
            let left = match framing {
                Framing::Length(length) => length - body.len(),
                Framing::Chunked | Framing::UntilClose => body.len(),
            };
            if self.buffer.len() < LARGE_BUFFER && left > LARGE_BUFFER as u64 {
                self.buffer.resize(LARGE_BUFFER, 0);
            }
            self.filled = 0;
            start = 0;
            match self.fill(message, alarm, "while the body was read").await {
                Ok(0) if framing == Framing::UntilClose => return Ok(()),
                Ok(0) => {
                    let len = body.len();
                    let when = format!("in the body of the answer, after {len} bytes of it");
                    return Err(Fault::closed(&when).into());
                }
                Ok(_) => {}
                Err(stopped) => return Err(stopped),
            }
        }
    }

    /// Makes room for more of a head.
    fn make_room(&mut self) -> Result<(), Fault> {
        if self.filled == self.buffer.len() {
            if self.filled >= head::LONGEST {
                return Err(Fault::protocol("the answer's head is longer than 64 KiB"));
            }
            self.buffer.resize(head::LONGEST, 0);
        }
        Ok(())
    }

    /// Writes what is left of the message, and waits for more of the answer: the
    /// number of bytes that came, none at its end.
    #[inline]
    async fn fill(
        &mut self,
        message: Message<'_>,
        alarm: &mut Alarm,
        phase: &'static str,
    ) -> Result<usize, Stopped> {
        poll_fn(|cx| {
            // What cannot be written may be answered all the same: a server can refuse a
            // request before it has read it, and what it said may be yet to be seen.
            if self.unwritable.is_none() {
                self.unwritable = self.poll_write(cx, message.bytes).err();
            }
            let read = match self.poll_read(cx) {
                Poll::Ready(read) => read,
                Poll::Pending => {
                    return alarm
                        .poll(cx)
                        .map(|()| Err(Fault::timeout(message.deadline, phase).into()));
                }
            };
            Poll::Ready(match (read, &self.unwritable) {
                (Ok(0) | Err(_), Some(_)) => Err(self.unwritten()),
                (Ok(read), _) => {
                    self.received += read as u64;
                    Ok(read)
                }
                (Err(error), None) => Err(Fault::broken(&error, phase).into()),
            })
        })
        .await
    }

    /// Nothing more can be written, and nothing more comes.
    #[cold]
    fn unwritten(&mut self) -> Stopped {
        let error = self.unwritable.take();
        let error = error.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
        if self.sent == 0 && self.received == 0 {
            return Stopped::NotSent(error);
        }
        Fault::broken(&error, "while the request was sent").into()
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, message: &[u8]) -> io::Result<()> {
        while self.sent < message.len() {
            let stream = Pin::new(&mut self.stream);
            match stream.poll_write(cx, &message[self.sent..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => self.sent += written,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {}
            }
        }
        Ok(())
    }

    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = ReadBuf::new(&mut self.buffer[self.filled..]);
        match Pin::new(&mut self.stream).poll_read(cx, &mut space) {
            Poll::Ready(Ok(())) => {
                let read = space.filled().len();
                self.filled += read;
                Poll::Ready(Ok(read))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}
