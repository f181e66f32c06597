//! Headers and nonces of the encrypted stream, and what can be wrong with it; `docs/formats/rustfs-encrypted.md` specifies the bytes.

use std::io;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, Nonce, UnboundKey};

use crate::key::DataKey;

/// Bytes of content in a block that is written; readers take any length.
pub const SEALED_BLOCK_BYTES: usize = 8192;

pub(super) const HEADER_BYTES: usize = 8;
pub(super) const TAG_BYTES: usize = 16;
pub(super) const BLOCK: u8 = 0x00;
pub(super) const END: u8 = 0xff;
/// The end frame.
pub(super) const END_FRAME: [u8; HEADER_BYTES] = [END, 0, 0, 0, 0, 0, 0, 0];
/// What the length in a header says too much: the checksum behind it is counted, though it is part of the header.
pub(super) const LENGTH_EXCESS: usize = 4;

/// Why an encrypted stream cannot be read or written. Parts are those of the list that the reader was given, blocks count from 0 within
/// their part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealedError {
    /// A frame's type is none that exists.
    #[error(
        "unknown encrypted block type {found:#04x} of block {block} of part {part}; expected 0x00 or 0xff; is it a RustFS encrypted stream?"
    )]
    Type {
        /// The part.
        part: usize,
        /// The block, from 0.
        block: u64,
        /// The byte that was found.
        found: u8,
    },
    /// A frame's length cannot be that of a block.
    #[error("Invalid encrypted block length: {found} for block {block} of part {part}")]
    BlockLength {
        /// The part.
        part: usize,
        /// The block, from 0.
        block: u64,
        /// What the header says.
        found: usize,
    },
    /// A block was changed or moved, or key or nonce are others.
    #[error(
        "decrypt error: aead::Error; block {block} of part {part} was changed or moved, or key or nonce are wrong; none of its bytes were used"
    )]
    Authentication {
        /// The part.
        part: usize,
        /// The block, from 0.
        block: u64,
    },
    /// The content does not have the length that the header says.
    #[error("Plaintext length mismatch in block {block} of part {part}; none of its bytes were used")]
    PlainLength {
        /// The part.
        part: usize,
        /// The block, from 0.
        block: u64,
    },
    /// The content does not have the checksum that the header says.
    #[error(
        "CRC32 mismatch in block {block} of part {part}: {found:#010x}, expected {expected:#010x}; none of its bytes were used"
    )]
    Checksum {
        /// The part.
        part: usize,
        /// The block, from 0.
        block: u64,
        /// What the header says.
        expected: u32,
        /// What the bytes give.
        found: u32,
    },
    /// The input ended inside a header.
    #[error(
        "unexpected EOF while reading encrypted block header of block {block} of part {part}; read the object again"
    )]
    TruncatedHeader {
        /// The part.
        part: usize,
        /// The block, from 0.
        block: u64,
    },
    /// The input ended inside a block.
    #[error(
        "unexpected EOF while reading encrypted block payload of block {block} of part {part}; read the object again"
    )]
    TruncatedPayload {
        /// The part.
        part: usize,
        /// The block, from 0.
        block: u64,
    },
    /// The input ended before an end frame.
    #[error(
        "unexpected EOF before the end frame of part {part}, after {blocks} blocks; read the object again"
    )]
    Truncated {
        /// The part.
        part: usize,
        /// Blocks of this part that were read.
        blocks: u64,
    },
    /// Parts of the list are missing.
    #[error("unexpected EOF before part {part}; the list of parts names it; read the object again")]
    MissingPart {
        /// The part.
        part: usize,
    },
    /// The content is not as long as declared.
    #[error("encrypted stream holds {} than the declared {declared} bytes", if *more { "more" } else { "fewer" })]
    Length {
        /// Bytes that were declared.
        declared: u64,
        /// Whether there are more, or fewer.
        more: bool,
    },
    /// A part would need a block number above 2^32 - 1 (32 TiB).
    #[error("part {part} is longer than the format counts (2^32 blocks); split it into several parts")]
    TooLong {
        /// The part.
        part: usize,
    },
    /// A writer was used after its end frame.
    #[error("the encrypted stream is finished; begin a new one with a new nonce")]
    Finished,
    /// The cipher refused to work.
    #[error("the cipher failed to encrypt a block")]
    Cryptography,
}

impl SealedError {
    /// The kind that the readers of the original report.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::TruncatedHeader { .. }
            | Self::TruncatedPayload { .. }
            | Self::Truncated { .. }
            | Self::MissingPart { .. }
            | Self::Length { more: false, .. } => io::ErrorKind::UnexpectedEof,
            Self::Type { .. } | Self::Length { more: true, .. } => io::ErrorKind::InvalidData,
            Self::Finished | Self::TooLong { .. } => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::Other,
        }
    }
}

impl From<SealedError> for io::Error {
    fn from(error: SealedError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// AES-256-GCM with a scheduled key. The library keeps it in memory that it overwrites before freeing.
pub(super) fn cipher(key: &DataKey) -> Result<LessSafeKey, SealedError> {
    let key = UnboundKey::new(&AES_256_GCM, key.expose()).map_err(|_| SealedError::Cryptography)?;
    Ok(LessSafeKey::new(key))
}

/// Adds to the big-endian word that begins at byte `at`, wrapping.
fn add(mut nonce: [u8; 12], at: usize, value: u32) -> [u8; 12] {
    if let Some(word) = nonce.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) {
        *word = u32::from_be_bytes(*word).wrapping_add(value).to_be_bytes();
    }
    nonce
}

/// The nonce of a part: the word at bytes 4 to 7 of `base_nonce`, big-endian, plus the number of the part modulo 2^32.
pub fn multipart_part_nonce(base_nonce: [u8; 12], part_number: usize) -> [u8; 12] {
    add(base_nonce, 4, part_number as u32)
}

/// The part's nonce of older versions: the word at bytes 8 to 11 plus the number of the part.
pub(super) fn legacy_part_nonce(base_nonce: [u8; 12], part_number: usize) -> [u8; 12] {
    add(base_nonce, 8, part_number as u32)
}

/// The nonce of a block: the word at bytes 8 to 11 of the part's nonce plus the number of the block.
pub(super) fn block_nonce(part_nonce: [u8; 12], block: u32) -> [u8; 12] {
    add(part_nonce, 8, block)
}

pub(super) fn aead_nonce(nonce: [u8; 12]) -> Nonce {
    Nonce::assume_unique_for_key(nonce)
}
