//! Record batches (magic 2, Kafka 0.11 and later): what a Produce request carries, a log keeps,
//! and a Fetch answer returns, byte for byte the same.
//!
//! - [`BatchEncoder`] writes one batch, in one pass, at the end of a buffer that the caller is
//!   already building: the produce request's frame. Length, counts and CRC-32C are patched in at
//!   the end; nothing is allocated for a record.
//! - [`Batches`] walks the batches in `&[u8]`; each [`Batch`] shows its [`BatchHeader`], checks its
//!   CRC and lends its [`Records`], without a copy when they are not compressed.
//!
//! The reader takes bytes from anywhere: every claimed length and count is checked against what is
//! there, and decompression has a ceiling. Sources: "Record Batch" in Apache Kafka's documentation
//! (`implementation/message-format`), and `DefaultRecordBatch.java` for what the words leave open.
//!
//! ```
//! use bytes::BytesMut;
//! use karga_kafka::records::{BatchEncoder, BatchSettings, Batches, Compression, Decompressor, Record};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut encoder = BatchEncoder::new();
//! let mut frame = BytesMut::new();
//! let mut batch = encoder.begin(&mut frame, BatchSettings::new().compression(Compression::Zstd));
//! batch.push(&Record::new(b"hello").key(b"greeting").timestamp(1_700_000_000_000))?;
//! batch.push(&Record::new(b"world").timestamp(1_700_000_000_001))?;
//! batch.finish()?;
//!
//! let mut decompressor = Decompressor::new();
//! let mut batches = Batches::new(&frame);
//! while let Some(batch) = batches.next() {
//!     let batch = batch?;
//!     batch.verify_crc()?;
//!     for record in batch.records(&mut decompressor)? {
//!         let record = record?;
//!         assert!(record.value().is_some());
//!     }
//! }
//! assert!(batches.partial().is_none());
//! # Ok(())
//! # }
//! ```

mod batch;
mod compress;
mod compression;
mod decompress;
mod encoder;
mod error;
mod reader;
mod varint;

pub use batch::{Batch, BatchHeader, Batches, PartialBatch, set_base_offset, set_leader_epoch};
pub use compression::{Compression, UnknownCompression};
pub use decompress::Decompressor;
pub use encoder::{BatchEncoder, BatchSettings, BatchWriter, EncodedBatch, Producer};
pub use error::{BatchError, EncodeError};
pub use reader::{FetchedRecord, Headers, Records};

/// Bytes of a batch before its records; the smallest batch there can be.
pub const BATCH_OVERHEAD: usize = 61;

/// Bytes in front of what the batch's own length field counts: base offset and that field.
pub const LOG_OVERHEAD: usize = 12;

/// The only batch format that this crate reads and writes.
pub const MAGIC: i8 = 2;

/// Where the bytes covered by the CRC begin: everything from the attributes on. Base offset and
/// leader epoch lie before it, so that a broker can assign them without touching the checksum.
const CRC_START: usize = 21;

/// One header of a record: keys may repeat, and their order is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header<'a> {
    /// The header's name.
    pub key: &'a str,
    /// Its value; `None` is Kafka's null, which is not the same as empty.
    pub value: Option<&'a [u8]>,
}

/// A record to be written, borrowed. `None` as a key or value is Kafka's null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record<'a> {
    /// Key, null by default.
    pub key: Option<&'a [u8]>,
    /// Value, null by default (a tombstone in a compacted topic).
    pub value: Option<&'a [u8]>,
    /// Headers in order, none by default.
    pub headers: &'a [Header<'a>],
    /// When the record was made, in milliseconds since the Unix epoch; 0 by default.
    pub timestamp: i64,
}

impl<'a> Record<'a> {
    /// A record with this value, no key, no headers and timestamp 0.
    #[must_use]
    pub fn new(value: &'a [u8]) -> Self {
        Self {
            value: Some(value),
            ..Self::default()
        }
    }

    /// A record with a null value.
    #[must_use]
    pub fn null() -> Self {
        Self::default()
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: &'a [u8]) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the headers.
    #[must_use]
    pub fn headers(mut self, headers: &'a [Header<'a>]) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the timestamp, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn timestamp(mut self, millis: i64) -> Self {
        self.timestamp = millis;
        self
    }
}
