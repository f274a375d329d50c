//! The writing half of the compressions, with state that is kept from batch to batch.

use std::io::{self, Write as _};

use bytes::{BufMut as _, BytesMut};
use flate2::{Compress, Crc, FlushCompress, Status};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use zstd::bulk::Compressor as ZstdCompressor;

use super::Compression;

/// snappy-java's stream header: its name, version 1, readable by version 1
/// (`SnappyCodec.java`).
pub(super) const XERIAL_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

/// Uncompressed bytes of one block: snappy-java's default.
const XERIAL_BLOCK: usize = 32 * 1024;

/// RFC 1952, section 2.3: magic, deflate, no flags, no time, no extra flags, unknown system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// Deflate's own default, as Java's `GZIPOutputStream`.
const GZIP_LEVEL: u32 = 6;
/// zstd's own default, as Kafka's.
const ZSTD_LEVEL: i32 = 3;

/// Compressors made on first use and used again, since each holds some 16 to 500 KB of tables.
#[derive(Default)]
pub(super) struct Compressor {
    deflate: Option<Compress>,
    snappy: Option<snap::raw::Encoder>,
    lz4: Option<FrameEncoder<Vec<u8>>>,
    zstd: Option<ZstdCompressor<'static>>,
    output: Vec<u8>,
}

impl Compressor {
    /// Appends `input`, compressed, to `out`. `input` is never empty, as a batch is not.
    pub(super) fn compress(
        &mut self,
        codec: Compression,
        input: &[u8],
        out: &mut BytesMut,
    ) -> io::Result<()> {
        match codec {
            Compression::None => out.put_slice(input),
            Compression::Gzip => self.gzip(input, out)?,
            Compression::Snappy => self.snappy(input, out)?,
            Compression::Lz4 => self.lz4(input, out)?,
            Compression::Zstd => self.zstd(input, out)?,
        }
        Ok(())
    }

    fn gzip(&mut self, mut input: &[u8], out: &mut BytesMut) -> io::Result<()> {
        let mut crc = Crc::new();
        crc.update(input);
        let deflate = self
            .deflate
            .get_or_insert_with(|| Compress::new(flate2::Compression::new(GZIP_LEVEL), false));
        deflate.reset();
        out.put_slice(&GZIP_HEADER);
        loop {
            self.output.clear();
            self.output.reserve(input.len().max(1024));
            let before = deflate.total_in();
            let status = deflate
                .compress_vec(input, &mut self.output, FlushCompress::Finish)
                .map_err(io::Error::other)?;
            let taken = usize::try_from(deflate.total_in() - before).unwrap_or(usize::MAX);
            input = input.get(taken..).unwrap_or_default();
            out.put_slice(&self.output);
            if status == Status::StreamEnd {
                break;
            }
            if taken == 0 && self.output.is_empty() {
                return Err(io::Error::other("deflate made no progress"));
            }
        }
        out.put_u32_le(crc.sum());
        out.put_u32_le(crc.amount());
        Ok(())
    }

    fn snappy(&mut self, input: &[u8], out: &mut BytesMut) -> io::Result<()> {
        let encoder = self.snappy.get_or_insert_with(snap::raw::Encoder::new);
        out.put_slice(&XERIAL_HEADER);
        for block in input.chunks(XERIAL_BLOCK) {
            let start = out.len();
            out.put_u32(0);
            let data = out.len();
            out.resize(data + snap::raw::max_compress_len(block.len()), 0);
            let len = encoder.compress(block, &mut out[data..])?;
            out.truncate(data + len);
            let len = u32::try_from(len).map_err(io::Error::other)?;
            out[start..data].copy_from_slice(&len.to_be_bytes());
        }
        Ok(())
    }

    fn lz4(&mut self, input: &[u8], out: &mut BytesMut) -> io::Result<()> {
        let mut encoder = self.lz4.take().unwrap_or_else(|| {
            let info = FrameInfo::new()
                .block_mode(BlockMode::Independent)
                .block_size(BlockSize::Max64KB);
            FrameEncoder::with_frame_info(info, Vec::new())
        });
        // Not kept after an error: its frame would still be open.
        encoder.get_mut().clear();
        encoder.write_all(input)?;
        encoder.try_finish()?;
        out.put_slice(encoder.get_ref());
        self.lz4 = Some(encoder);
        Ok(())
    }

    fn zstd(&mut self, input: &[u8], out: &mut BytesMut) -> io::Result<()> {
        let compressor = match &mut self.zstd {
            Some(compressor) => compressor,
            none => none.insert(ZstdCompressor::new(ZSTD_LEVEL)?),
        };
        self.output.clear();
        self.output
            .reserve(zstd::zstd_safe::compress_bound(input.len()));
        compressor.compress_to_buffer(input, &mut self.output)?;
        out.put_slice(&self.output);
        Ok(())
    }
}
