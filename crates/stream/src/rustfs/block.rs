//! Headers of the block stream, and what can be wrong with it; `docs/formats/rustfs-block.md` specifies the bytes.

use std::io;

use crate::varint;

/// Bytes of content in a block unless told otherwise.
pub const BLOCK_BYTES: usize = 1 << 20;
/// The longest block that is read, in bytes of content. The format has no limit; a header alone may claim 2^64.
pub const BLOCK_BYTES_MAX: usize = 64 << 20;
/// The longest block that is written, in bytes of content: with any algorithm it stays below the 2^24 bytes that a header can say.
pub const BLOCK_BYTES_WRITTEN_MAX: usize = 15 << 20;

/// Type, length and checksum, without the number behind them.
pub(super) const HEADER_BYTES: usize = 8;
/// The longest header with its number.
pub(super) const HEAD_BYTES_MAX: usize = HEADER_BYTES + varint::BYTES_MAX;
/// The largest length that a header can say.
pub(super) const LENGTH_MAX: usize = (1 << 24) - 1;

pub(super) const COMPRESSED: u8 = 0x00;
pub(super) const STORED: u8 = 0x01;
pub(super) const END: u8 = 0xff;

/// Why a block stream cannot be read or written. Offsets are those of a frame's first byte in the stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// A frame's type is none that exists.
    #[error(
        "Unknown compression type: {found:#04x} at byte {offset}; expected 0x00, 0x01 or 0xff; is it a RustFS block stream?"
    )]
    Type {
        /// Where the frame begins.
        offset: u64,
        /// The byte that was found.
        found: u8,
    },
    /// A frame whose length and number contradict each other.
    #[error("invalid frame header at byte {offset}: {length} bytes do not hold a number and a block")]
    Header {
        /// Where the frame begins.
        offset: u64,
        /// Bytes behind the header.
        length: usize,
    },
    /// A block says that it is longer than a reader takes.
    #[error("block at byte {offset} says it holds {found} bytes; the limit is {limit}")]
    BlockLength {
        /// Where the frame begins.
        offset: u64,
        /// Bytes that the block claims.
        found: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// The content of a block does not have the length that its header says.
    #[error(
        "Decompressed length mismatch: block at byte {offset} does not hold {expected} bytes; none of its bytes were used"
    )]
    ContentLength {
        /// Where the frame begins.
        offset: u64,
        /// Bytes that the header says.
        expected: u64,
    },
    /// The bytes of a block are not those that were written.
    #[error(
        "CRC32 mismatch: block at byte {offset} has {found:#010x}; expected {expected:#010x}; none of its bytes were used"
    )]
    Checksum {
        /// Where the frame begins.
        offset: u64,
        /// What the header says.
        expected: u32,
        /// What the bytes give.
        found: u32,
    },
    /// The codec cannot read or write a block.
    #[error("{message} (block at byte {offset})")]
    Codec {
        /// Where the frame begins.
        offset: u64,
        /// The kind that the codec reports.
        codec: io::ErrorKind,
        /// What the codec says.
        message: String,
    },
    /// The input ended inside a frame.
    #[error("block stream ends inside the frame at byte {offset}; read the object again")]
    Truncated {
        /// Where the frame begins.
        offset: u64,
    },
    /// The content is not as long as declared, or longer than the caller allows.
    #[error("block stream holds {} than {declared} bytes", if *more { "more" } else { "fewer" })]
    Length {
        /// Bytes that were declared or allowed.
        declared: u64,
        /// Whether there are more, or fewer.
        more: bool,
    },
    /// A block size that a writer cannot use.
    #[error("a block cannot have {found} bytes; expected 1 to {BLOCK_BYTES_WRITTEN_MAX}")]
    BlockSize {
        /// Bytes that were asked for.
        found: usize,
    },
}

impl BlockError {
    /// The kind that the readers of the original report; [`io::ErrorKind::UnexpectedEof`] for truncation.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Truncated { .. } | Self::Length { more: false, .. } => io::ErrorKind::UnexpectedEof,
            Self::BlockSize { .. } => io::ErrorKind::InvalidInput,
            Self::Codec { codec, .. } => *codec,
            _ => io::ErrorKind::InvalidData,
        }
    }
}

impl From<BlockError> for io::Error {
    fn from(error: BlockError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// CRC-32 of IEEE 802.3.
pub(super) fn checksum(data: &[u8]) -> u32 {
    crc_fast::crc32_iso_hdlc(data)
}

/// A header; `length` is at most [`LENGTH_MAX`].
pub(super) fn header(kind: u8, length: usize, checksum: u32) -> [u8; HEADER_BYTES] {
    let [a, b, c, ..] = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let [d, e, f, g] = checksum.to_le_bytes();
    [kind, a, b, c, d, e, f, g]
}

/// Type, length and checksum of a header.
pub(super) fn parse(header: [u8; HEADER_BYTES]) -> (u8, usize, u32) {
    let [kind, a, b, c, d, e, f, g] = header;
    let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
    (kind, length, u32::from_le_bytes([d, e, f, g]))
}
