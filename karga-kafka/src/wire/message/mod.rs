//! The requests that this client sends and the answers it reads, one file each.
//!
//! Requests come from inside: the cold ones are written by `kafka-protocol`, the hot ones (Produce,
//! Fetch) by hand, straight into the frame. Answers come from outside: all of them are read by
//! hand through [`Cursor`](super::cursor::Cursor), which believes no claimed length.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::cursor::{Cursor, Malformed};
use super::frame;
use super::versions::{Api, Unsupported, Versions};

pub(crate) mod admin;
pub(crate) mod api_versions;
pub(crate) mod fetch;
pub(crate) mod list_offsets;
pub(crate) mod metadata;
pub(crate) mod produce;

/// Why a request could not be written. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The broker is too old or too new.
    #[error("the broker does not speak this client's protocol versions")]
    Unsupported(#[from] Unsupported),
    /// A value that the protocol cannot carry.
    #[error("the protocol cannot carry {0}")]
    Value(String),
    /// The caller's own code refused to write the records.
    #[error("the records could not be written")]
    Records(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More bytes than a frame can hold.
    #[error("the request does not fit into a frame")]
    Frame(#[from] frame::FrameError),
}

/// One request and how to read its answer.
pub(crate) trait Call: Send {
    type Answer: Send;
    const API: Api;
    /// The longest answer to believe, in bytes: read into structures, it takes several times that.
    const MAX_ANSWER: usize = 16 * 1024 * 1024;

    /// The version to speak, out of what the broker speaks.
    fn version(&self, versions: &Versions) -> Result<i16, Unsupported> {
        versions.newest(Self::API)
    }

    /// Appends the request's body.
    fn encode(&mut self, version: i16, out: &mut BytesMut) -> Result<(), RequestError>;

    /// Reads the answer's body; it must end where the body ends.
    fn decode(&self, version: i16, body: &mut Cursor) -> Result<Self::Answer, Malformed>;

    /// What stands for the answer when the broker sends none (Produce with acks=0).
    fn unanswered(&self) -> Option<Self::Answer> {
        None
    }
}

/// Appends a whole request frame to `out`.
pub(crate) fn encode_frame<C: Call>(
    call: &mut C,
    version: i16,
    correlation: i32,
    client_id: &str,
    out: &mut BytesMut,
) -> Result<(), RequestError> {
    let start = frame::begin(out);
    encode_header(C::API, version, correlation, client_id, out)?;
    call.encode(version, out)?;
    Ok(frame::finish(out, start)?)
}

/// Request header, version 1 or (for flexible versions) 2.
fn encode_header(
    api: Api,
    version: i16,
    correlation: i32,
    client_id: &str,
    out: &mut BytesMut,
) -> Result<(), RequestError> {
    out.put_i16(api.key());
    out.put_i16(version);
    out.put_i32(correlation);
    put_text(out, client_id)?; // never compact, also in header version 2
    if api.is_flexible(version) {
        put_no_tags(out);
    }
    Ok(())
}

/// Reads an answer whose correlation id was checked.
pub(crate) fn decode_answer<C: Call>(
    call: &C,
    version: i16,
    answer: Bytes,
) -> Result<C::Answer, Malformed> {
    if answer.len() > C::MAX_ANSWER {
        return Err(Malformed::TooLong {
            len: answer.len(),
            max: C::MAX_ANSWER,
        });
    }
    let flexible = C::API.is_flexible(version);
    // The answer to ApiVersions has header version 0 always, so that a client can read the
    // refusal of a version it does not share (KIP-511).
    let tagged_header = flexible && !matches!(C::API, Api::ApiVersions);
    let mut cursor = Cursor::new(answer, tagged_header);
    cursor.i32("correlation_id")?;
    cursor.skip_tags()?;
    cursor.set_flexible(flexible);
    let decoded = call.decode(version, &mut cursor)?;
    cursor.finish()?;
    Ok(decoded)
}

/// A string with a length of 16 bits.
fn put_text(out: &mut BytesMut, text: &str) -> Result<(), RequestError> {
    let len = i16::try_from(text.len()).map_err(|_| too_long(text))?;
    out.put_i16(len);
    out.put_slice(text.as_bytes());
    Ok(())
}

/// A string in the encoding of the version.
fn put_text_in(out: &mut BytesMut, flexible: bool, text: &str) -> Result<(), RequestError> {
    if !flexible {
        return put_text(out, text);
    }
    let len = u32::try_from(text.len() + 1).map_err(|_| too_long(text))?;
    put_uvarint(out, len);
    out.put_slice(text.as_bytes());
    Ok(())
}

fn too_long(text: &str) -> RequestError {
    RequestError::Value(format!("a string of {} bytes", text.len()))
}

/// The count of an array in the encoding of the version.
fn put_count_in(out: &mut BytesMut, flexible: bool, count: usize) -> Result<(), RequestError> {
    let fits = i32::try_from(count)
        .map_err(|_| RequestError::Value(format!("an array of {count} entries")))?;
    if flexible {
        put_uvarint(out, fits.cast_unsigned() + 1);
    } else {
        out.put_i32(fits);
    }
    Ok(())
}

fn put_no_tags(out: &mut BytesMut) {
    out.put_u8(0);
}

fn put_no_tags_in(out: &mut BytesMut, flexible: bool) {
    if flexible {
        put_no_tags(out);
    }
}

fn put_uvarint(out: &mut BytesMut, value: u32) {
    let (bytes, len) = uvarint(value);
    out.put_slice(&bytes[..len]);
}

/// A variable-length integer and how many bytes of the array it takes.
fn uvarint(mut value: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut len = 0;
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes[len] = low;
            return (bytes, len + 1);
        }
        bytes[len] = low | 0x80;
        len += 1;
    }
}

/// Appends a request body written by `kafka-protocol`.
fn encode_cold<M: kafka_protocol::protocol::Encodable>(
    message: &M,
    version: i16,
    out: &mut BytesMut,
) -> Result<(), RequestError> {
    message
        .encode(out, version)
        .map_err(|error| RequestError::Value(error.to_string()))
}

#[cfg(test)]
mod tests;
