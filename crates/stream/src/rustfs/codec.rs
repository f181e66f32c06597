//! The six algorithms, one self-contained unit at a time.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use flate2::Compression;
use flate2::bufread::{DeflateDecoder, GzDecoder};
use flate2::write::{DeflateEncoder, GzEncoder};

/// How blocks are compressed. The stream does not say; the reader has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CompressionAlgorithm {
    /// Not at all.
    None,
    /// One member of RFC 1952, level 6.
    Gzip,
    /// RFC 1951 without a header, level 6.
    Deflate,
    /// One frame of RFC 8878, level 3, without content size and checksum.
    Zstd,
    /// LZ4 frame format: linked blocks of 64 KiB, with checksums of blocks and content.
    #[default]
    Lz4,
    /// RFC 7932, quality 5, window of 4 MiB.
    Brotli,
    /// Snappy framing format.
    Snappy,
}

/// zlib's level 6, which the original uses.
const DEFLATE_LEVEL: u32 = 6;
/// 0 is the library's default, 3.
const ZSTD_LEVEL: i32 = 0;
/// The window that a zstd frame may ask for: 2^26 bytes, the longest block.
const ZSTD_WINDOW_LOG_MAX: u32 = 26;
const BROTLI_QUALITY: u32 = 5;
const BROTLI_WINDOW_LOG: u32 = 22;
/// Bytes that the brotli codec moves at once.
const BROTLI_BUFFER_BYTES: usize = 4096;
/// Memory that is taken for output before any of it was produced.
const FIRST_OUTPUT_BYTES: usize = 1 << 20;
/// What [`decompress_block`] produces at most.
const UNIT_BYTES_MAX: usize = super::BLOCK_BYTES_MAX;

impl CompressionAlgorithm {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Gzip, Self::Deflate, Self::Zstd, Self::Lz4, Self::Brotli, Self::Snappy];

    /// The name in lower case, which object metadata holds.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Brotli => "brotli",
            Self::Snappy => "snappy",
        }
    }
}

impl fmt::Display for CompressionAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CompressionAlgorithm {
    type Err = io::Error;

    /// Takes a name in any case; [`io::ErrorKind::Other`] for another one.
    fn from_str(s: &str) -> Result<Self, io::Error> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(s));
        found.ok_or_else(|| io::Error::other(format!("Unsupported compression algorithm: {s}")))
    }
}

/// Compresses `input` as one unit. If the codec fails, which it does for lack of memory only, the result is empty.
pub fn compress_block(input: &[u8], algorithm: CompressionAlgorithm) -> Vec<u8> {
    let mut out = Vec::new();
    match compress(input, algorithm, &mut out) {
        Ok(()) => out,
        Err(_) => Vec::new(),
    }
}

/// Decompresses one unit, up to 64 MiB. `None` gives the bytes as they are.
///
/// # Errors
///
/// The codec's; [`io::ErrorKind::InvalidData`] for a longer unit, and for bytes behind it.
pub fn decompress_block(compressed: &[u8], algorithm: CompressionAlgorithm) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    decompress(compressed, algorithm, UNIT_BYTES_MAX, &mut out)?;
    Ok(out)
}

/// Appends `input` as one unit. After an error, the caller takes away what was appended.
pub(super) fn compress(input: &[u8], algorithm: CompressionAlgorithm, out: &mut Vec<u8>) -> io::Result<()> {
    // The bytes are those of the original: it flushes gzip and deflate before it ends them, and the others not.
    match algorithm {
        CompressionAlgorithm::None => out.extend_from_slice(input),
        CompressionAlgorithm::Gzip => {
            let mut encoder = GzEncoder::new(out, Compression::new(DEFLATE_LEVEL));
            encoder.write_all(input)?;
            encoder.flush()?;
            encoder.finish()?;
        }
        CompressionAlgorithm::Deflate => {
            let mut encoder = DeflateEncoder::new(out, Compression::new(DEFLATE_LEVEL));
            encoder.write_all(input)?;
            encoder.flush()?;
            encoder.finish()?;
        }
        CompressionAlgorithm::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)?;
            encoder.write_all(input)?;
            encoder.finish()?;
        }
        CompressionAlgorithm::Lz4 => {
            let mut encoder = lz4::EncoderBuilder::new().build(out)?;
            encoder.write_all(input)?;
            encoder.finish().1?;
        }
        CompressionAlgorithm::Brotli => {
            let buffer = BROTLI_BUFFER_BYTES;
            let mut encoder = brotli::CompressorWriter::new(out, buffer, BROTLI_QUALITY, BROTLI_WINDOW_LOG);
            encoder.write_all(input)?;
            drop(encoder);
        }
        CompressionAlgorithm::Snappy => {
            let mut encoder = snap::write::FrameEncoder::new(out);
            encoder.write_all(input)?;
            encoder.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        }
    }
    Ok(())
}

/// Appends the content of one unit, at most `limit` bytes. After an error, the caller takes away what was appended.
pub(super) fn decompress(
    input: &[u8],
    algorithm: CompressionAlgorithm,
    limit: usize,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let rest: &[u8] = match algorithm {
        CompressionAlgorithm::None => read(input, limit, out)?,
        CompressionAlgorithm::Gzip => read(GzDecoder::new(input), limit, out)?.into_inner(),
        CompressionAlgorithm::Deflate => read(DeflateDecoder::new(input), limit, out)?.into_inner(),
        CompressionAlgorithm::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            read(decoder, limit, out)?.finish()
        }
        CompressionAlgorithm::Lz4 => {
            let decoder = lz4_flex::frame::FrameDecoder::new(input);
            read(decoder, limit, out)?.into_inner()
        }
        CompressionAlgorithm::Brotli => {
            read(brotli::Decompressor::new(input, BROTLI_BUFFER_BYTES), limit, out)?;
            &[]
        }
        CompressionAlgorithm::Snappy => {
            read(snap::read::FrameDecoder::new(input), limit, out)?;
            &[]
        }
    };
    if rest.is_empty() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "bytes behind the end of the compressed data"))
}

/// Reads to the end, or fails where `limit` is exceeded.
fn read<R: Read>(decoder: R, limit: usize, out: &mut Vec<u8>) -> io::Result<R> {
    out.reserve(limit.min(FIRST_OUTPUT_BYTES));
    let mut bounded = decoder.take(limit as u64);
    let read = bounded.read_to_end(out)?;
    let mut decoder = bounded.into_inner();
    // One byte more than the limit, or the end, at which the codec checks what follows the content.
    if read == limit {
        let mut probe = [0];
        if decoder.read(&mut probe)? > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more data than declared"));
        }
    }
    Ok(decoder)
}
