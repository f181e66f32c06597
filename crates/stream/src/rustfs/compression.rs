//! Readers that compress and decompress.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::block::BLOCK_BYTES_WRITTEN_MAX;
use super::codec::CompressionAlgorithm;
use super::decode::BlockDecoder;
use super::encode::BlockEncoder;
use super::index::Index;
use crate::reader::{Pump, Stage, TryGetIndex, delegate, staged};

impl Stage for BlockEncoder {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        BlockEncoder::push(self, input, out)?;
        Ok(input.len())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        Ok(BlockEncoder::finish(self, out)?)
    }
}

impl Stage for BlockDecoder {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        Ok(BlockDecoder::push(self, input, out)?)
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(BlockDecoder::finish(self)?)
    }

    fn ended(&self) -> bool {
        BlockDecoder::ended(self)
    }
}

/// Compresses what `inner` gives into a RustFS block stream.
///
/// The bytes do not depend on the pieces in which `inner` gives them, nor on when it has none.
pub struct CompressReader<R> {
    /// The source.
    pub inner: R,
    pump: Pump<BlockEncoder>,
}

impl<R> CompressReader<R>
where
    R: AsyncRead + Unpin + Send + Sync,
{
    /// With blocks of 1 MiB.
    pub fn new(inner: R, compression_algorithm: CompressionAlgorithm) -> Self {
        Self { inner, pump: Pump::new(BlockEncoder::new(compression_algorithm)) }
    }

    /// With blocks of `block_size` bytes. More than [`BLOCK_BYTES_WRITTEN_MAX`] is taken for that; 0 fails at the first read with
    /// [`io::ErrorKind::InvalidInput`].
    pub fn with_block_size(inner: R, block_size: usize, compression_algorithm: CompressionAlgorithm) -> Self {
        let bytes = block_size.min(BLOCK_BYTES_WRITTEN_MAX);
        let encoder = BlockEncoder::with_block_bytes(compression_algorithm, bytes)
            .unwrap_or_else(|error| BlockEncoder::failing(compression_algorithm, error));
        Self { inner, pump: Pump::new(encoder) }
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
    fn try_get_index(&self) -> Option<&Index> {
        Some(self.pump.stage().index())
    }
}

staged!([R] CompressReader<R>: Compress);
delegate!([R] CompressReader<R>: etag);

impl<R: fmt::Debug> fmt::Debug for CompressReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompressReader").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// Decompresses the RustFS block stream that `inner` gives.
pub struct DecompressReader<R> {
    /// The source.
    pub inner: R,
    pump: Pump<BlockDecoder>,
}

impl<R> DecompressReader<R>
where
    R: AsyncRead + Unpin + Send + Sync,
{
    /// A content of any length.
    pub fn new(inner: R, compression_algorithm: CompressionAlgorithm) -> Self {
        Self::with_decoder(inner, BlockDecoder::new(compression_algorithm))
    }

    /// With a decoder that knows how much may or must come.
    pub fn with_decoder(inner: R, decoder: BlockDecoder) -> Self {
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
