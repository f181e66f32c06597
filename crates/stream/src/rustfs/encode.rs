//! Writing a block stream.

use super::block::{
    BLOCK_BYTES, BLOCK_BYTES_WRITTEN_MAX, BlockError, COMPRESSED, END, HEADER_BYTES, LENGTH_MAX, STORED,
    checksum, header,
};
use super::codec::{CompressionAlgorithm, compress};
use super::index::Index;
use crate::varint;

/// Makes a block stream from pieces of any size. Its bytes depend on the content, the block size and the algorithm only.
///
/// It holds back up to one block. By default it writes what every version reads; [`BlockEncoder::storing`] and [`BlockEncoder::ending`]
/// write what older ones do not.
#[derive(Debug)]
pub struct BlockEncoder {
    algorithm: CompressionAlgorithm,
    block_bytes: usize,
    storing: bool,
    ending: bool,
    held: Vec<u8>,
    written: u64,
    plain: u64,
    index: Index,
    failed: Option<BlockError>,
}

impl BlockEncoder {
    /// An encoder with blocks of [`BLOCK_BYTES`].
    pub fn new(algorithm: CompressionAlgorithm) -> Self {
        Self {
            algorithm,
            block_bytes: BLOCK_BYTES,
            storing: false,
            ending: false,
            held: Vec::new(),
            written: 0,
            plain: 0,
            index: Index::new(),
            failed: None,
        }
    }

    /// An encoder with blocks of `bytes`, 1 to [`BLOCK_BYTES_WRITTEN_MAX`].
    ///
    /// # Errors
    ///
    /// [`BlockError::BlockSize`].
    pub fn with_block_bytes(algorithm: CompressionAlgorithm, bytes: usize) -> Result<Self, BlockError> {
        if bytes == 0 || bytes > BLOCK_BYTES_WRITTEN_MAX {
            return Err(BlockError::BlockSize { found: bytes });
        }
        Ok(Self { block_bytes: bytes, ..Self::new(algorithm) })
    }

    /// One that fails at every call.
    pub(super) fn failing(algorithm: CompressionAlgorithm, error: BlockError) -> Self {
        Self { failed: Some(error), ..Self::new(algorithm) }
    }

    /// Stores blocks as they are if they do not shrink. RustFS 0.0.5 reads them unless they are shorter than 15 bytes.
    pub fn storing(self) -> Self {
        Self { storing: true, ..self }
    }

    /// Ends the stream with an end frame, so that a reader notices a lost end. RustFS 0.0.5 cannot read it, and streams of parts that
    /// are put one behind the other must not have it.
    pub fn ending(self) -> Self {
        Self { ending: true, ..self }
    }

    /// Where blocks begin in what was written so far.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Takes the next bytes of the content and appends the blocks that are full to `out`.
    ///
    /// # Errors
    ///
    /// [`BlockError::Codec`] if the codec fails. The stream is then of no use; every later call fails.
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), BlockError> {
        while !input.is_empty() {
            self.usable()?;
            if self.held.is_empty()
                && let Some((block, rest)) = input.split_at_checked(self.block_bytes)
            {
                self.write(block, out)?;
                input = rest;
                continue;
            }
            let (now, rest) = input.split_at(input.len().min(self.block_bytes - self.held.len()));
            self.held.extend_from_slice(now);
            input = rest;
            if self.held.len() == self.block_bytes {
                self.write_held(out)?;
            }
        }
        Ok(())
    }

    /// Appends what was held back. The stream of an empty content is empty, or an end frame alone.
    ///
    /// # Errors
    ///
    /// As [`BlockEncoder::push`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), BlockError> {
        self.usable()?;
        self.write_held(out)?;
        if std::mem::take(&mut self.ending) {
            out.extend_from_slice(&header(END, 0, 0));
            self.written += HEADER_BYTES as u64;
        }
        Ok(())
    }

    fn usable(&self) -> Result<(), BlockError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn write_held(&mut self, out: &mut Vec<u8>) -> Result<(), BlockError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let mut held = std::mem::take(&mut self.held);
        self.write(&held, out)?;
        held.clear();
        self.held = held;
        Ok(())
    }

    fn write(&mut self, block: &[u8], out: &mut Vec<u8>) -> Result<(), BlockError> {
        let start = out.len();
        let offset = self.written;
        out.extend_from_slice(&[0; HEADER_BYTES]);
        varint::put(out, block.len() as u64);
        let payload = out.len();
        let codec = |kind, message| BlockError::Codec { offset, codec: kind, message };
        let result = compress(block, self.algorithm, out);
        let mut kind = COMPRESSED;
        if self.storing && out.len() - payload >= block.len() {
            out.truncate(payload);
            out.extend_from_slice(block);
            kind = STORED;
        }
        let length = out.len() - start - HEADER_BYTES;
        let failure = match result {
            Err(error) => Some(codec(error.kind(), error.to_string())),
            Ok(()) if length > LENGTH_MAX => {
                Some(codec(std::io::ErrorKind::InvalidData, "block does not fit a frame".to_owned()))
            }
            Ok(()) => None,
        };
        if let Some(error) = failure {
            out.truncate(start);
            self.failed = Some(error.clone());
            return Err(error);
        }
        if let Some(place) = out.get_mut(start..start + HEADER_BYTES) {
            place.copy_from_slice(&header(kind, length, checksum(block)));
        }
        self.written += (out.len() - start) as u64;
        self.plain += block.len() as u64;
        let signed = |value| i64::try_from(value).unwrap_or(i64::MAX);
        // Offsets only grow, which is all that could be refused.
        let _ = self.index.add(signed(self.written), signed(self.plain));
        Ok(())
    }
}
