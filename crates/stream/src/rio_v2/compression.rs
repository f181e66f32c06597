//! Readers over S2 streams.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use crate::reader::{Pump, Stage, TryGetIndex, delegate, staged};
use crate::rustfs::{CompressionAlgorithm, Index, IndexInfo};
use crate::s2::{BLOCK_BYTES, BLOCK_BYTES_MAX, Decoder, Encoder, S2Error};

/// An encrypted stream's length is a multiple of this, in bytes.
const PADDING_BYTES: usize = 256;
/// Contents up to this length have no index, in bytes.
const INDEXED_BYTES_MIN: i64 = 8 << 20;

/// Where the first block begins: behind the identifier.
const FIRST_BLOCK: i64 = 10;

/// An encoder that notes where blocks begin.
struct Compress {
    /// Gone after the end.
    encoder: Option<Encoder>,
    block_bytes: usize,
    padded: bool,
    /// Bytes of the block that is being gathered.
    gathered: usize,
    /// Where that block will begin.
    next: IndexInfo,
    written: i64,
    blocks: Index,
    /// The index, from [`INDEXED_BYTES_MIN`] on.
    indexed: bool,
    failed: Option<S2Error>,
}

impl Compress {
    fn new(block_bytes: usize, padded: bool) -> Self {
        let block_bytes = block_bytes.min(BLOCK_BYTES_MAX);
        let encoder = Encoder::with_block_bytes(block_bytes);
        Self {
            failed: encoder.as_ref().err().copied(),
            encoder: encoder.ok(),
            block_bytes,
            padded,
            gathered: 0,
            next: IndexInfo { compressed_offset: FIRST_BLOCK, uncompressed_offset: 0 },
            written: 0,
            blocks: Index::new(),
            indexed: false,
        }
    }

    /// A block was written.
    fn note(&mut self, plain: usize) {
        let IndexInfo { compressed_offset, uncompressed_offset } = self.next;
        // Offsets only grow, which is all that could be refused.
        let _ = self.blocks.add(compressed_offset, uncompressed_offset);
        let plain = uncompressed_offset.saturating_add(i64::try_from(plain).unwrap_or(i64::MAX));
        self.next = IndexInfo { compressed_offset: self.written, uncompressed_offset: plain };
        self.blocks.total_uncompressed = plain;
        self.blocks.total_compressed = self.written;
        self.indexed = plain > INDEXED_BYTES_MIN;
    }

    fn wrote(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

impl Stage for Compress {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        let Some(encoder) = &mut self.encoder else { return Ok(input.len()) };
        // At most to the end of a block, so that each block's place is known.
        let now = input.len().min(self.block_bytes - self.gathered);
        let before = out.len();
        encoder.push(input.get(..now).unwrap_or_default(), out);
        self.wrote(out.len() - before);
        self.gathered += now;
        if self.gathered == self.block_bytes {
            self.note(self.gathered);
            self.gathered = 0;
        }
        Ok(now)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        let Some(encoder) = self.encoder.take() else { return Ok(()) };
        let before = out.len();
        if self.padded {
            encoder.finish_padded(PADDING_BYTES, out).inspect_err(|error| self.failed = Some(*error))?;
        } else {
            encoder.finish(out);
        }
        self.wrote(out.len() - before);
        if self.gathered > 0 {
            self.note(self.gathered);
            self.gathered = 0;
        }
        self.blocks.total_compressed = self.written;
        Ok(())
    }
}

impl Stage for Decoder {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        Ok(Decoder::push(self, input, out)?)
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(Decoder::finish(self)?)
    }
}

/// Compresses what `inner` gives into an S2 stream, whatever algorithm is named.
pub struct CompressReader<R> {
    inner: R,
    pump: Pump<Compress>,
}

impl<R> CompressReader<R>
where
    R: AsyncRead + Unpin + Send + Sync,
{
    /// With blocks of 1 MiB.
    pub fn new(inner: R, _compression_algorithm: CompressionAlgorithm) -> Self {
        Self { inner, pump: Pump::new(Compress::new(BLOCK_BYTES, false)) }
    }

    /// With blocks of `block_size` bytes. More than 4 MiB is taken for that; 0 fails at the first read with
    /// [`io::ErrorKind::InvalidInput`].
    pub fn with_block_size(
        inner: R,
        block_size: usize,
        _compression_algorithm: CompressionAlgorithm,
    ) -> Self {
        Self { inner, pump: Pump::new(Compress::new(block_size, false)) }
    }

    /// With random bytes at the end that make the length a multiple of 256, for a stream that will be encrypted.
    pub fn with_encrypted_padding(inner: R, _compression_algorithm: CompressionAlgorithm) -> Self {
        Self { inner, pump: Pump::new(Compress::new(BLOCK_BYTES, true)) }
    }
}

impl<R: AsyncRead + Unpin + Send + Sync> AsyncRead for CompressReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, pump } = &mut *self;
        pump.poll_read(inner, cx, buf)
    }
}

impl<R> TryGetIndex for CompressReader<R> {
    /// Where blocks begin; nothing up to 8 MiB of content.
    fn try_get_index(&self) -> Option<&Index> {
        let stage = self.pump.stage();
        stage.indexed.then_some(&stage.blocks)
    }
}

staged!([R] CompressReader<R>: Compress);
delegate!([R] CompressReader<R>: etag);

impl<R: fmt::Debug> fmt::Debug for CompressReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompressReader").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// Decompresses the S2 or Snappy stream that `inner` gives, whatever algorithm is named.
pub struct DecompressReader<R> {
    inner: R,
    pump: Pump<Decoder>,
}

impl<R> DecompressReader<R>
where
    R: AsyncRead + Unpin + Send + Sync,
{
    /// A content of any length.
    pub fn new(inner: R, _compression_algorithm: CompressionAlgorithm) -> Self {
        Self::with_decoder(inner, Decoder::new())
    }

    /// With a decoder that knows how much must come.
    pub fn with_decoder(inner: R, decoder: Decoder) -> Self {
        Self { inner, pump: Pump::new(decoder) }
    }
}

impl<R: AsyncRead + Unpin + Send + Sync> AsyncRead for DecompressReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, pump } = &mut *self;
        pump.poll_read(inner, cx, buf)
    }
}

/// There is none: the index of a stream is not that of its content.
impl<R> TryGetIndex for DecompressReader<R> {}

staged!([R] DecompressReader<R>: Decompress);
delegate!([R] DecompressReader<R>: etag);

impl<R: fmt::Debug> fmt::Debug for DecompressReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecompressReader").field("inner", &self.inner).finish_non_exhaustive()
    }
}
