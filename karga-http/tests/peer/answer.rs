//! What the server answers.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Response,
    body::{Body, Frame, SizeHint},
};

pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Pieces,
    /// None for one that never comes.
    after: Option<Duration>,
}

impl Answer {
    /// A 200 with this body, and its length in a header.
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: Pieces {
                pieces: [Bytes::from(body.into())].into(),
                sized: true,
            },
            after: Some(Duration::ZERO),
        }
    }

    /// An empty answer of this status.
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::ok("")
        }
    }

    /// The same of another status.
    pub(crate) const fn of(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// An answer that redirects.
    pub(crate) fn redirect(status: u16, to: impl Into<String>) -> Self {
        Self::status(status).header("location", to)
    }

    /// An answer without a known length: chunks, with HTTP/1.1.
    pub(crate) fn chunks(pieces: &[&'static str]) -> Self {
        let mut answer = Self::ok("");
        answer.body.pieces = pieces
            .iter()
            .map(|piece| Bytes::from_static(piece.as_bytes()))
            .collect();
        answer.body.sized = false;
        answer
    }

    /// No answer at all.
    pub(crate) fn never() -> Self {
        Self {
            after: None,
            ..Self::ok("")
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Waits before the answer, by the clock of the runtime.
    pub(crate) const fn after(mut self, time: Duration) -> Self {
        self.after = Some(time);
        self
    }

    pub(super) async fn give(self) -> Response<Pieces> {
        match self.after {
            None => std::future::pending().await,
            Some(Duration::ZERO) => {}
            Some(time) => tokio::time::sleep(time).await,
        }
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(self.body).unwrap()
    }
}

/// A body in pieces.
pub(crate) struct Pieces {
    pieces: VecDeque<Bytes>,
    /// Whether its length is told.
    sized: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.sized && self.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        if self.sized {
            SizeHint::with_exact(self.len())
        } else {
            SizeHint::default()
        }
    }
}

impl Pieces {
    fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }
}
