//! What is wrong with an S2 stream.

use std::io;

use super::format::BLOCK_BYTES_MAX;

/// Why a stream cannot be read or written. Offsets are those of a chunk's first byte in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum S2Error {
    /// A chunk's type is one that a reader must know and does not.
    #[error(
        "unknown S2 chunk type: {found:#04x} at byte {offset}; expected 0x00, 0x01 or 0x80 to 0xff; is it an S2 or Snappy stream?"
    )]
    Type {
        /// Where the chunk begins.
        offset: u64,
        /// The byte that was found.
        found: u8,
    },
    /// An identifier that is neither that of S2 nor that of Snappy.
    #[error("invalid S2 stream identifier at byte {offset}; expected S2sTwO or sNaPpY")]
    Identifier {
        /// Where the chunk begins.
        offset: u64,
    },
    /// A chunk is too short or too long for its type.
    #[error(
        "S2 chunk at byte {offset} is {found} bytes long, which no block of up to {BLOCK_BYTES_MAX} bytes needs or fits"
    )]
    ChunkLength {
        /// Where the chunk begins.
        offset: u64,
        /// Bytes behind the chunk's header.
        found: usize,
    },
    /// A block says that it is longer than the format or the reader allows.
    #[error("S2 block at byte {offset} says it holds {found} bytes; the limit is {limit}")]
    BlockLength {
        /// Where the chunk begins.
        offset: u64,
        /// Bytes that the block claims.
        found: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// A block is not what a compressor makes.
    #[error("S2 block at byte {offset} is damaged; none of its bytes were used")]
    Block {
        /// Where the chunk begins.
        offset: u64,
    },
    /// A block's bytes are not those that were written.
    #[error(
        "S2 CRC mismatch: block at byte {offset} has {found:#010x}; expected {expected:#010x}; none of its bytes were used"
    )]
    Checksum {
        /// Where the chunk begins.
        offset: u64,
        /// What the stream says.
        expected: u32,
        /// What the bytes give.
        found: u32,
    },
    /// The input ended inside a chunk.
    #[error("S2 stream ends inside the chunk at byte {offset}; read the object again")]
    Truncated {
        /// Where the chunk begins.
        offset: u64,
    },
    /// The content is not as long as declared.
    #[error("S2 stream holds {} than the declared {declared} bytes", if *more { "more" } else { "fewer" })]
    Length {
        /// Bytes that were declared.
        declared: u64,
        /// Whether there are more, or fewer.
        more: bool,
    },
    /// A block size that a writer cannot use.
    #[error("an S2 block cannot have {found} bytes; expected 1 to {BLOCK_BYTES_MAX}")]
    BlockSize {
        /// Bytes that were asked for.
        found: usize,
    },
    /// A multiple that padding cannot reach.
    #[error("an S2 stream cannot be padded to a multiple of {found}; expected 1 to 65536")]
    Padding {
        /// The multiple that was asked for.
        found: usize,
    },
    /// An index that is not whole or contradicts itself.
    #[error(
        "the S2 index is damaged, or not one; expected ascending offsets inside the stream; read the stream without it"
    )]
    Index,
    /// The operating system gave no random bytes for padding.
    #[error("no random bytes for the padding of an S2 stream; getrandom(2) failed")]
    Random,
}

impl S2Error {
    /// The kind that the readers of the original report: [`io::ErrorKind::UnexpectedEof`] for truncation,
    /// [`io::ErrorKind::InvalidData`] for a bad stream.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Truncated { .. } | Self::Length { more: false, .. } => io::ErrorKind::UnexpectedEof,
            Self::BlockSize { .. } | Self::Padding { .. } => io::ErrorKind::InvalidInput,
            Self::Random => io::ErrorKind::Other,
            _ => io::ErrorKind::InvalidData,
        }
    }
}

impl From<S2Error> for io::Error {
    fn from(error: S2Error) -> Self {
        Self::new(error.kind(), error)
    }
}
