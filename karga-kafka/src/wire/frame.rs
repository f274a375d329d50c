//! Length-prefixed frames: every Kafka request and response is four bytes of big-endian length,
//! then that many bytes (Kafka protocol guide, "Common request and response structure").
//!
//! Reading keeps all of its state in the caller's buffer, so a read that is cancelled half way is
//! continued by the next one. A claimed length is checked before a byte is allocated for it, and
//! even a lawful one makes the buffer grow only as bytes arrive.
//!
//! ```
//! use bytes::{BufMut, BytesMut};
//! use karga_kafka::wire::frame;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut out = BytesMut::new();
//! let start = frame::begin(&mut out);
//! out.put_slice(b"hello");
//! frame::finish(&mut out, start)?;
//! assert_eq!(&out[..], b"\0\0\0\x05hello");
//!
//! let mut reader = &out[..]; // any AsyncRead
//! let mut buffer = BytesMut::new();
//! let first = frame::read(&mut reader, &mut buffer, frame::DEFAULT_MAX_LEN).await?;
//! assert_eq!(first.as_deref(), Some(&b"hello"[..]));
//! let end = frame::read(&mut reader, &mut buffer, frame::DEFAULT_MAX_LEN).await?;
//! assert_eq!(end, None);
//! # Ok(())
//! # }
//! ```

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The largest frame accepted unless told otherwise: 100 MiB, the default of a broker's
/// `socket.request.max.bytes`.
pub const DEFAULT_MAX_LEN: usize = 100 * 1024 * 1024;

/// Bytes of the length in front of every frame.
pub const LEN_BYTES: usize = 4;

/// What a lawful but unproven length may reserve at once; beyond it, the buffer at most doubles
/// what has really arrived.
const TRUSTED_BYTES: usize = 1024 * 1024;

/// The least room offered to one read call, so that small frames arrive many at a time.
const READ_BYTES: usize = 16 * 1024;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The peer sent a length below zero: it does not speak Kafka's protocol.
    #[error("frame length {len} is negative: the peer does not speak the Kafka protocol")]
    NegativeLength {
        /// The length received.
        len: i32,
    },
    /// A length over the limit, received or about to be sent.
    #[error(
        "frame length {len} is over the limit of {max} bytes: \
         the peer does not speak the Kafka protocol, or the limit is too low for it"
    )]
    TooLong {
        /// The length of the frame in bytes.
        len: usize,
        /// The limit that it breaks, in bytes.
        max: usize,
    },
    /// The stream ended inside a frame.
    #[error("connection closed after {received} of {expected} bytes of a frame")]
    Truncated {
        /// Bytes of this frame that arrived, its length prefix included.
        received: usize,
        /// Bytes that the frame has, its length prefix included.
        expected: usize,
    },
    /// The transport failed.
    #[error("reading or writing a frame failed")]
    Io(#[from] io::Error),
}

/// Reads one frame: its bytes without the length, or `None` when the peer closed the stream
/// between two frames.
///
/// `buffer` carries bytes beyond the frame, and an unfinished frame, from one call to the next:
/// use the same one for the whole life of `reader`. Cancel safe: a dropped call loses nothing.
///
/// # Errors
/// A length that is negative or over `max` (bytes), a stream that ends inside a frame, or a failed
/// read. After any of these the stream has no known frame boundary: close it.
pub async fn read<R>(
    reader: &mut R,
    buffer: &mut BytesMut,
    max: usize,
) -> Result<Option<Bytes>, FrameError>
where
    R: AsyncRead + Unpin + ?Sized,
{
    loop {
        if let Some(frame) = take(buffer, max)? {
            return Ok(Some(frame));
        }
        reserve(buffer);
        if reader.read_buf(buffer).await? == 0 {
            if buffer.is_empty() {
                return Ok(None);
            }
            return Err(FrameError::Truncated {
                received: buffer.len(),
                expected: claimed(buffer).unwrap_or(0) + LEN_BYTES,
            });
        }
    }
}

/// Takes the first whole frame out of bytes already received, without I/O; `None` when more bytes
/// are needed. The frame shares the buffer's memory.
///
/// # Errors
/// A length that is negative or over `max` (bytes).
pub fn take(buffer: &mut BytesMut, max: usize) -> Result<Option<Bytes>, FrameError> {
    let Some(prefix) = buffer.first_chunk::<LEN_BYTES>() else {
        return Ok(None);
    };
    let len = i32::from_be_bytes(*prefix);
    let len = usize::try_from(len).map_err(|_| FrameError::NegativeLength { len })?;
    if len > max {
        return Err(FrameError::TooLong { len, max });
    }
    if buffer.len() - LEN_BYTES < len {
        return Ok(None);
    }
    buffer.advance(LEN_BYTES);
    Ok(Some(buffer.split_to(len).freeze()))
}

/// Opens a frame at the end of `out`: leaves room for its length and returns where it starts, for
/// [`finish`]. Whatever is appended in between is the frame's content.
pub fn begin(out: &mut BytesMut) -> usize {
    let start = out.len();
    out.put_i32(0);
    start
}

/// Closes the frame opened at `start`: writes its length in front.
///
/// # Errors
/// A frame over 2^31 - 1 bytes, which the length cannot express.
///
/// # Panics
/// If `start` did not come from [`begin`] on this buffer, or bytes from `start` on were removed.
pub fn finish(out: &mut BytesMut, start: usize) -> Result<(), FrameError> {
    let len = out.len() - start - LEN_BYTES;
    let prefix = i32::try_from(len).map_err(|_| FrameError::TooLong {
        len,
        max: i32::MAX as usize,
    })?;
    out[start..start + LEN_BYTES].copy_from_slice(&prefix.to_be_bytes());
    Ok(())
}

/// Writes finished frames with as few writes as the transport allows (one, on a socket with room)
/// and empties `out`, keeping its memory.
///
/// Not cancel safe: a call dropped half way leaves part of a frame on the wire, so the stream must
/// then be closed.
///
/// # Errors
/// The transport's own.
pub async fn write<W>(writer: &mut W, out: &mut BytesMut) -> Result<(), FrameError>
where
    W: AsyncWrite + Unpin + ?Sized,
{
    writer.write_all(out).await?;
    out.clear();
    Ok(())
}

/// The length that the buffer's first frame claims, if its prefix is there and not negative.
fn claimed(buffer: &BytesMut) -> Option<usize> {
    let prefix = buffer.first_chunk::<LEN_BYTES>()?;
    usize::try_from(i32::from_be_bytes(*prefix)).ok()
}

/// Makes room for the next read: for the rest of the frame as far as its length can be believed.
fn reserve(buffer: &mut BytesMut) {
    let missing = claimed(buffer).map_or(0, |len| (len + LEN_BYTES).saturating_sub(buffer.len()));
    let believed = missing.min(buffer.len().max(TRUSTED_BYTES));
    buffer.reserve(believed.max(READ_BYTES));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(content: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        let start = begin(&mut out);
        out.put_slice(content);
        finish(&mut out, start).unwrap();
        out
    }

    #[tokio::test]
    async fn frames_arrive_whole_however_they_are_cut() {
        let mut wire = frame(b"first").to_vec();
        wire.extend_from_slice(&frame(b""));
        wire.extend_from_slice(&frame(&[7; 70_000]));
        for step in [1, 3, 4, 5, 1000, wire.len()] {
            let (mut near, mut far) = tokio::io::duplex(step);
            let sent = wire.clone();
            let writer = async move { near.write_all(&sent).await.unwrap() };
            let reader = async move {
                let mut buffer = BytesMut::new();
                let mut frames = Vec::new();
                while let Some(one) = read(&mut far, &mut buffer, 70_000).await.unwrap() {
                    frames.push(one);
                }
                frames
            };
            let ((), frames) = tokio::join!(writer, reader);
            assert_eq!(frames, [&b"first"[..], b"", &[7; 70_000]], "step {step}");
        }
    }

    #[tokio::test]
    async fn a_cancelled_read_is_continued() {
        let (mut near, mut far) = tokio::io::duplex(64);
        let wire = frame(b"hello");
        let mut buffer = BytesMut::new();
        near.write_all(&wire[..6]).await.unwrap();
        {
            let read = std::pin::pin!(read(&mut far, &mut buffer, 10));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(read.poll(&mut context).is_pending());
        }
        assert_eq!(buffer.len(), 6, "the cancelled read had consumed the bytes");
        near.write_all(&wire[6..]).await.unwrap();
        let got = read(&mut far, &mut buffer, 10).await.unwrap();
        assert_eq!(got.as_deref(), Some(&b"hello"[..]));
    }

    #[tokio::test]
    async fn a_negative_length_is_named() {
        let mut buffer = BytesMut::new();
        let error = read(&mut &[0xff; 4][..], &mut buffer, 10)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("length -1 "), "{error}");
    }

    #[tokio::test]
    async fn a_length_over_the_limit_is_named_and_never_allocated() {
        let mut buffer = BytesMut::new();
        let wire = i32::MAX.to_be_bytes();
        let error = read(&mut &wire[..], &mut buffer, 10).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("2147483647") && text.contains("10 bytes"),
            "{text}"
        );
        assert!(buffer.capacity() <= 2 * READ_BYTES, "{}", buffer.capacity());
    }

    #[tokio::test]
    async fn a_lawful_length_reserves_no_more_than_can_be_believed() {
        let mut buffer = BytesMut::new();
        let wire = i32::MAX.to_be_bytes();
        let error = read(&mut &wire[..], &mut buffer, usize::MAX)
            .await
            .unwrap_err();
        assert!(
            matches!(error, FrameError::Truncated { received: 4, .. }),
            "{error}"
        );
        assert!(
            buffer.capacity() <= 2 * TRUSTED_BYTES,
            "{}",
            buffer.capacity()
        );
    }

    #[tokio::test]
    async fn an_end_inside_a_frame_says_how_far_it_came() {
        for cut in [1, 4, 6] {
            let mut buffer = BytesMut::new();
            let wire = frame(b"hello");
            let error = read(&mut &wire[..cut], &mut buffer, 10).await.unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("after {cut} of")), "{text}");
        }
    }
}
