//! What can go wrong when batches are written and read.

use std::io;

use super::{BATCH_OVERHEAD, Compression, LOG_OVERHEAD, MAGIC};

/// Why a batch could not be written. Nothing of it stays in the buffer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The batch has no record: brokers refuse such a batch.
    #[error("a batch needs at least one record")]
    Empty,
    /// Record or batch do not fit the format's 32-bit lengths.
    #[error(
        "the batch would be {bytes} bytes long, over the format's limit of {}",
        i32::MAX
    )]
    TooLarge {
        /// Bytes that it would take.
        bytes: usize,
    },
    /// More headers than the format's 32-bit count.
    #[error(
        "a record has {count} headers, over the format's limit of {}",
        i32::MAX
    )]
    TooManyHeaders {
        /// How many there were.
        count: usize,
    },
    /// The compressor failed.
    #[error("compressing a batch with {codec} failed")]
    Compress {
        /// Which one.
        codec: Compression,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

/// Why bytes are not a batch, or not one that can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// A message set of Kafka before 0.11, or a format from the future.
    #[error(
        "batch at offset {base_offset} has format version (magic) {magic}, only {MAGIC} is \
         supported: formats 0 and 1 were written before Kafka 0.11"
    )]
    UnsupportedMagic {
        /// The version found.
        magic: i8,
        /// The batch's first offset.
        base_offset: i64,
    },
    /// The batch's own length is less than its header.
    #[error(
        "batch at offset {base_offset} claims a length of {length} bytes, a header alone has {}",
        BATCH_OVERHEAD - LOG_OVERHEAD
    )]
    Length {
        /// The length found, which does not count the first 12 bytes.
        length: i32,
        /// The batch's first offset.
        base_offset: i64,
    },
    /// The bytes were damaged on their way.
    #[error(
        "batch at offset {base_offset} is damaged: its CRC-32C is {computed:#010x}, \
         it says {stored:#010x}"
    )]
    Crc {
        /// What the batch says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
        /// The batch's first offset.
        base_offset: i64,
    },
    /// Attributes that name no known compression.
    #[error("batch at offset {base_offset} has unknown compression code {code}")]
    UnknownCompression {
        /// The code, 5 to 7.
        code: i16,
        /// The batch's first offset.
        base_offset: i64,
    },
    /// The records do not decompress.
    #[error("decompressing a batch with {codec} failed")]
    Decompress {
        /// The compression of the batch.
        codec: Compression,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The records decompress to more than is allowed.
    #[error(
        "a batch compressed with {codec} holds more than {limit} bytes: raise the decompressor's \
         limit if this is no attack"
    )]
    TooLarge {
        /// The compression of the batch.
        codec: Compression,
        /// The most bytes allowed.
        limit: usize,
    },
    /// More records than the bytes can hold, or fewer than none.
    #[error("batch at offset {base_offset} claims {count} records in {bytes} bytes")]
    Count {
        /// The count claimed.
        count: i32,
        /// Bytes of all records together, decompressed.
        bytes: usize,
        /// The batch's first offset.
        base_offset: i64,
    },
    /// A record that contradicts itself or its batch.
    #[error("record {index} of the batch at offset {base_offset} is malformed: {what}")]
    Record {
        /// Its place in the batch, from 0.
        index: i32,
        /// The batch's first offset.
        base_offset: i64,
        /// What is wrong.
        what: &'static str,
    },
    /// Bytes left over after the last record.
    #[error("batch at offset {base_offset} has {bytes} bytes after its last record")]
    Trailing {
        /// How many.
        bytes: usize,
        /// The batch's first offset.
        base_offset: i64,
    },
}
