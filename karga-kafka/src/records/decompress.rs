//! The reading half of the compressions: bounded, since the bytes may come from anybody.

use std::{
    fmt,
    io::{self, Read as _},
};

use flate2::read::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use zstd::zstd_safe::DCtx;

use super::{BatchError, Compression, compress::XERIAL_HEADER};

/// zstd's `ZSTD_error_dstSize_tooSmall` (`zstd_errors.h`; its codes are stable), as the library
/// returns it: the negated code.
const ZSTD_DST_TOO_SMALL: usize = 70usize.wrapping_neg();

/// Snappy's densest element makes 64 bytes of 3 (format description, "copies"): a block that
/// claims more than this many times its own size is lying.
const SNAPPY_MAX_RATIO: usize = 64;

/// Room for decompressed records, kept from batch to batch, and the ceiling for it.
///
/// The room grows with what really comes out, never with what a batch claims.
pub struct Decompressor {
    limit: usize,
    output: Vec<u8>,
    snappy: snap::raw::Decoder,
    zstd: Option<DCtx<'static>>,
}

impl Decompressor {
    /// The ceiling unless told otherwise: 128 MiB of records in one batch, which is over a hundred
    /// times what a broker's `message.max.bytes` lets through by default.
    pub const DEFAULT_LIMIT: usize = 128 * 1024 * 1024;

    /// A decompressor with [`DEFAULT_LIMIT`](Self::DEFAULT_LIMIT).
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(Self::DEFAULT_LIMIT)
    }

    /// A decompressor that refuses to produce more than `limit` bytes for one batch.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            output: Vec::new(),
            snappy: snap::raw::Decoder::new(),
            zstd: None,
        }
    }

    /// Decompresses `input`; the result stays until the next call.
    pub(super) fn decompress(
        &mut self,
        codec: Compression,
        input: &[u8],
    ) -> Result<&[u8], BatchError> {
        self.output.clear();
        let done = match codec {
            Compression::None => {
                self.output.extend_from_slice(input);
                Ok(())
            }
            Compression::Gzip => self.stream(MultiGzDecoder::new(input)),
            Compression::Lz4 => self.stream(FrameDecoder::new(input)),
            Compression::Snappy => self.snappy(input),
            Compression::Zstd => self.zstd(input),
        };
        match done {
            Ok(()) => Ok(&self.output),
            Err(Failure::TooLarge) => Err(BatchError::TooLarge {
                codec,
                limit: self.limit,
            }),
            Err(Failure::Io(source)) => Err(BatchError::Decompress { codec, source }),
        }
    }

    fn stream(&mut self, decoder: impl io::Read) -> Result<(), Failure> {
        let ceiling = u64::try_from(self.limit)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        decoder.take(ceiling).read_to_end(&mut self.output)?;
        if self.output.len() > self.limit {
            return Err(Failure::TooLarge);
        }
        Ok(())
    }

    fn snappy(&mut self, input: &[u8]) -> Result<(), Failure> {
        let Some(mut rest) = input.strip_prefix(&XERIAL_HEADER) else {
            return self.snappy_block(input);
        };
        while !rest.is_empty() {
            // Streams may stand one after the other, each with its header.
            if let Some(next) = rest.strip_prefix(&XERIAL_HEADER) {
                rest = next;
                continue;
            }
            let Some((len, body)) = rest.split_first_chunk::<4>() else {
                return Err(cut_off("a block's length"));
            };
            let block = usize::try_from(u32::from_be_bytes(*len))
                .ok()
                .and_then(|len| body.split_at_checked(len));
            let Some((block, next)) = block else {
                return Err(cut_off("a block"));
            };
            self.snappy_block(block)?;
            rest = next;
        }
        Ok(())
    }

    fn snappy_block(&mut self, block: &[u8]) -> Result<(), Failure> {
        let claimed = snap::raw::decompress_len(block).map_err(io::Error::from)?;
        let start = self.output.len();
        if claimed > block.len().saturating_mul(SNAPPY_MAX_RATIO) {
            return Err(Failure::Io(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a block of {} bytes claims to hold {claimed}", block.len()),
            )));
        }
        if claimed > self.limit - start {
            return Err(Failure::TooLarge);
        }
        self.output.resize(start + claimed, 0);
        let len = self
            .snappy
            .decompress(block, &mut self.output[start..])
            .map_err(io::Error::from)?;
        self.output.truncate(start + len);
        Ok(())
    }

    /// In one shot into the final buffer, since a stream would first allocate the window that the
    /// frame claims. The buffer starts small and grows while zstd asks for more.
    fn zstd(&mut self, input: &[u8]) -> Result<(), Failure> {
        let context = self.zstd.get_or_insert_with(DCtx::default);
        let mut room = input.len().saturating_mul(8).max(64 * 1024).min(self.limit);
        loop {
            self.output.clear();
            self.output.reserve_exact(room);
            // A Vec's capacity is zstd's bound: one left over from before is used in full, up to
            // the limit that is checked below.
            match context.decompress(&mut self.output, input) {
                Ok(len) if len > self.limit => return Err(Failure::TooLarge),
                Ok(_) => return Ok(()),
                Err(ZSTD_DST_TOO_SMALL) if self.output.capacity() >= self.limit => {
                    return Err(Failure::TooLarge);
                }
                Err(ZSTD_DST_TOO_SMALL) => {
                    room = self.output.capacity().saturating_mul(4).min(self.limit);
                }
                Err(code) => {
                    return Err(Failure::Io(io::Error::new(
                        io::ErrorKind::InvalidData,
                        zstd::zstd_safe::get_error_name(code),
                    )));
                }
            }
        }
    }
}

impl Default for Decompressor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor")
            .field("limit", &self.limit)
            .field("capacity", &self.output.capacity())
            .finish_non_exhaustive()
    }
}

enum Failure {
    TooLarge,
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn cut_off(what: &str) -> Failure {
    Failure::Io(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("the snappy stream ends inside {what}"),
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bytes::BytesMut;

    use super::{super::compress::Compressor, *};

    fn compressed(codec: Compression, input: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        Compressor::default()
            .compress(codec, input, &mut out)
            .unwrap();
        out
    }

    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * i / 7 % 251) as u8).collect()
    }

    const CODECS: [Compression; 4] = [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    #[test]
    fn each_comes_back_at_every_size_and_with_state_reused() {
        for codec in CODECS {
            let mut compressor = Compressor::default();
            let mut decompressor = Decompressor::new();
            for len in [1, 100, 32 * 1024, 32 * 1024 + 1, 65_536, 300_000, 7] {
                let input = text(len);
                let mut out = BytesMut::from(&b"before"[..]);
                compressor.compress(codec, &input, &mut out).unwrap();
                assert_eq!(&out[..6], b"before");
                let back = decompressor.decompress(codec, &out[6..]).unwrap();
                assert!(back == input, "{codec} of {len} bytes");
            }
        }
    }

    #[test]
    fn bombs_are_refused_at_the_limit_and_one_byte_less_is_not() {
        let zeros = vec![0; 1_000_000];
        for codec in CODECS {
            let bomb = compressed(codec, &zeros);
            let mut tight = Decompressor::with_limit(999_999);
            let error = tight.decompress(codec, &bomb).unwrap_err();
            assert!(
                matches!(error, BatchError::TooLarge { limit: 999_999, .. }),
                "{error}"
            );
            assert!(tight.output.capacity() < 3_000_000, "{codec}");
            let mut fits = Decompressor::with_limit(1_000_000);
            assert_eq!(fits.decompress(codec, &bomb).unwrap().len(), 1_000_000);
        }
    }

    #[test]
    fn claimed_sizes_allocate_nothing() {
        // A bare snappy block that claims 2^32 - 1 bytes, and a zstd frame that claims 2^40.
        let snappy = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x00];
        let zstd = [
            0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0,
        ];
        for (codec, bytes) in [
            (Compression::Snappy, &snappy[..]),
            (Compression::Zstd, &zstd),
        ] {
            let mut decompressor = Decompressor::new();
            decompressor.decompress(codec, bytes).unwrap_err();
            assert!(decompressor.output.capacity() <= 64 * 1024, "{codec}");
        }
    }

    #[test]
    fn cut_off_streams_are_refused() {
        for codec in CODECS {
            let whole = compressed(codec, &text(5_000));
            let mut decompressor = Decompressor::new();
            for len in 0..whole.len() {
                // A xerial stream may end after any block, and a gzip or zstd series after any
                // frame; an lz4 frame is complete without its end mark of 4 bytes.
                let end_mark = codec == Compression::Lz4 && whole.len() - len <= 4;
                if let Ok(back) = decompressor.decompress(codec, &whole[..len]) {
                    assert!(back.len() < 5_000 || end_mark, "{codec} cut at {len}");
                }
            }
        }
    }

    #[test]
    fn a_bare_snappy_block_is_read() {
        let input = text(40_000);
        let bare = snap::raw::Encoder::new().compress_vec(&input).unwrap();
        let mut decompressor = Decompressor::new();
        assert!(decompressor.decompress(Compression::Snappy, &bare).unwrap() == input);
    }

    #[test]
    fn concatenated_streams_are_read_as_one() {
        for codec in [Compression::Gzip, Compression::Snappy, Compression::Zstd] {
            let mut twice = compressed(codec, b"one ");
            twice.extend_from_slice(&compressed(codec, b"two"));
            let mut decompressor = Decompressor::new();
            assert_eq!(
                decompressor.decompress(codec, &twice).unwrap(),
                b"one two",
                "{codec}"
            );
        }
    }

    #[test]
    fn a_zstd_stream_without_its_size_is_read() {
        let input = text(3_000_000);
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.write_all(&input).unwrap();
        let stream = encoder.finish().unwrap();
        let mut decompressor = Decompressor::new();
        assert!(decompressor.decompress(Compression::Zstd, &stream).unwrap() == input);
    }
}
