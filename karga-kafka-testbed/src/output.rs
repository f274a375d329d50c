//! Answers on their way out: many in one write, batches without a copy.

use std::{collections::VecDeque, io, io::IoSlice, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

/// Batches smaller than this are copied among the other bytes: cheaper than a piece of their own.
const COPY_BELOW: usize = 4 * 1024;

/// Pieces handed to one vectored write.
const MAX_SLICES: usize = 64;

/// A client that has taken nothing for so long is given up, and its answers with it.
const STALLED: Duration = Duration::from_secs(60);

/// Bytes to be written: finished pieces, then those still being built.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pieces: VecDeque<Bytes>,
    piece_bytes: usize,
    /// Small answers are encoded here.
    pub(crate) tail: BytesMut,
}

impl Output {
    /// Bytes that wait to be written.
    pub(crate) fn len(&self) -> usize {
        self.piece_bytes + self.tail.len()
    }

    /// Appends a frame whose content is `skeleton` with each of `inserts` put in before the byte
    /// of the skeleton that it names. The frame's length is already in the skeleton.
    pub(crate) fn put(
        &mut self,
        skeleton: &[u8],
        inserts: impl IntoIterator<Item = (usize, Bytes)>,
    ) {
        let mut done = 0;
        for (at, bytes) in inserts {
            self.tail.extend_from_slice(&skeleton[done..at]);
            done = at;
            if bytes.len() < COPY_BELOW {
                self.tail.extend_from_slice(&bytes);
            } else {
                self.cut();
                self.piece_bytes += bytes.len();
                self.pieces.push_back(bytes);
            }
        }
        self.tail.extend_from_slice(&skeleton[done..]);
    }

    /// Makes a piece of what was built so far.
    fn cut(&mut self) {
        if !self.tail.is_empty() {
            self.piece_bytes += self.tail.len();
            self.pieces.push_back(self.tail.split().freeze());
        }
    }

    /// Writes everything. Not cancel safe: after a call dropped half way, close the connection.
    pub(crate) async fn flush<W>(&mut self, writer: &mut W) -> io::Result<()>
    where
        W: AsyncWrite + Unpin,
    {
        if self.pieces.is_empty() {
            while !self.tail.is_empty() {
                let written = stalled(timeout(STALLED, writer.write(&self.tail)).await)?;
                self.tail.advance(written);
            }
            return Ok(());
        }
        self.cut();
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                *slice = IoSlice::new(piece);
                count += 1;
            }
            let written = timeout(STALLED, writer.write_vectored(&slices[..count])).await;
            self.advance(stalled(written)?);
        }
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        self.piece_bytes -= written;
        while let Some(first) = self.pieces.front_mut() {
            if first.len() > written {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.pieces.pop_front();
        }
    }
}

fn stalled(written: Result<io::Result<usize>, tokio::time::error::Elapsed>) -> io::Result<usize> {
    match written {
        Ok(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
        Ok(written) => written,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn pieces_come_out_in_order_through_a_narrow_pipe() {
        let large = Bytes::from(vec![b'x'; COPY_BELOW]);
        let small = Bytes::from_static(b"small");
        let mut output = Output::default();
        output.tail.extend_from_slice(b"first ");
        output.put(b"[][]", [(1, small.clone()), (3, large.clone())]);
        output.put(b"()", [(1, large.clone()), (1, large.clone()), (2, small)]);
        let mut expected = b"first [small][".to_vec();
        expected.extend_from_slice(&large);
        expected.extend_from_slice(b"](");
        expected.extend_from_slice(&large);
        expected.extend_from_slice(&large);
        expected.extend_from_slice(b")small");
        assert_eq!(output.len(), expected.len());

        let (mut near, mut far) = tokio::io::duplex(7);
        let write = async move {
            output.flush(&mut near).await.unwrap();
            assert_eq!(output.len(), 0);
        };
        let mut read = Vec::new();
        let ((), end) = tokio::join!(write, far.read_to_end(&mut read));
        end.unwrap();
        assert_eq!(read, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_is_stuck_is_given_up() {
        let (mut near, _far) = tokio::io::duplex(7);
        let mut output = Output::default();
        output.tail.extend_from_slice(b"more than seven bytes");
        let start = tokio::time::Instant::now();
        let error = output.flush(&mut near).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), STALLED);
    }
}
