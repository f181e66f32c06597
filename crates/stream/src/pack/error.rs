//! What is wrong with a pack.

use std::io;
use std::ops::Range;

use super::format::{BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, VERSION};
use crate::checksum::Algorithm;
use crate::codec::{CodecError, DictionaryId};
use crate::keys::{KeyError, KeyId};

/// Why a pack cannot be read or written. Offsets are those of the first byte of the header or segment that is wrong.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The first bytes are not those of a pack.
    #[error("not a Rio pack: it does not begin with RIOPACK; `rio inspect` tells what it is")]
    Magic,
    /// A later version.
    #[error("pack version {found} is unknown; this program reads version {VERSION}; use a later one")]
    Version {
        /// The byte that was found.
        found: u8,
    },
    /// A field of the header that no writer makes.
    #[error("the pack's header is damaged: its {field} cannot be so; read the object again")]
    Header {
        /// The field.
        field: &'static str,
    },
    /// The header was changed.
    #[error("the pack's header was changed, or the key is another one; nothing of it was used")]
    HeaderAuthentication,
    /// The pack is encrypted and the reader brought no keys.
    #[error("the pack is encrypted with key {id}, and no keys were given; give the key file")]
    KeyMissing {
        /// The key that the pack names.
        id: KeyId,
    },
    /// The key could not be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The pack needs a dictionary that the reader did not bring.
    #[error("the pack needs dictionary {expected}, and it was not given, or another one was")]
    Dictionary {
        /// The dictionary that the pack names.
        expected: DictionaryId,
    },
    /// A segment of an impossible kind or length.
    #[error(
        "the segment at byte {offset} is damaged: its {field} cannot be so; it holds nothing that can be trusted"
    )]
    Segment {
        /// Where the segment begins.
        offset: u64,
        /// The field.
        field: &'static str,
    },
    /// A segment was changed or moved.
    #[error(
        "authentication failed: segment {number}, at byte {offset}, was changed or moved; none of its bytes were used"
    )]
    Authentication {
        /// Number of the segment, from 0.
        number: u64,
        /// Where it begins.
        offset: u64,
    },
    /// A frame is authentic and yet not what its codec makes.
    #[error("frame {number} cannot be decompressed: {source}")]
    Codec {
        /// Number of the frame, from 0.
        number: u64,
        /// What is wrong.
        source: CodecError,
    },
    /// The index does not describe the frames.
    #[error("the index at byte {offset} contradicts the frames; read the object again")]
    Index {
        /// Where the index or final segment begins.
        offset: u64,
    },
    /// The content is not that which was packed.
    #[error(
        "the content's {algorithm} is {found}; expected {expected}; the frames are authentic, so a program or memory failed"
    )]
    Content {
        /// The checksum.
        algorithm: Algorithm,
        /// What the pack says.
        expected: String,
        /// What the content gives.
        found: String,
    },
    /// The input ended before the trailer.
    #[error("the pack is cut off at byte {length}; read the object again")]
    Truncated {
        /// Bytes that there were.
        length: u64,
    },
    /// Bytes follow the trailer.
    #[error("bytes follow the pack's end at byte {offset}; expected none")]
    Surplus {
        /// Where the first of them stands.
        offset: u64,
    },
    /// The content is longer than the reader allows.
    #[error("the content exceeds the limit of {limit} bytes")]
    Limit {
        /// Bytes that are allowed.
        limit: u64,
    },
    /// A range that the content does not have.
    #[error("bytes {}..{} are not within the content of {length} bytes", range.start, range.end)]
    Range {
        /// Bytes that were asked for.
        range: Range<u64>,
        /// Bytes that there are.
        length: u64,
    },
    /// A block size that a writer cannot use.
    #[error(
        "a block cannot have {found} bytes; expected a power of two from {BLOCK_BYTES_MIN} to {BLOCK_BYTES_MAX}"
    )]
    BlockBytes {
        /// Bytes that were asked for.
        found: usize,
    },
    /// A writer was given a frame that does not follow.
    #[error(
        "frame {found} does not follow frame {expected}; frames are added in order, and none after a short one"
    )]
    Order {
        /// The frame that was to come.
        expected: u64,
        /// The frame that came.
        found: u64,
    },
    /// More frames than a pack counts.
    #[error("a pack cannot hold more than 2^40 frames; take larger blocks")]
    TooLong,
    /// A writer or reader was used after its end or an error.
    #[error("the pack is finished, or failed before; begin a new one")]
    Finished,
    /// The operating system gave no random bytes.
    #[error("no random bytes for a pack; getrandom(2) failed")]
    Random,
    /// The cipher refused to work.
    #[error("the cipher failed to encrypt a segment")]
    Cryptography,
}

impl PackError {
    /// The kind of the error: [`io::ErrorKind::UnexpectedEof`] for truncation, [`io::ErrorKind::InvalidData`] for a bad pack,
    /// [`io::ErrorKind::InvalidInput`] for a bad request.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Truncated { .. } => io::ErrorKind::UnexpectedEof,
            Self::Key(error) => error.kind(),
            Self::KeyMissing { .. } => io::ErrorKind::PermissionDenied,
            Self::Dictionary { .. } => io::ErrorKind::NotFound,
            Self::Range { .. } | Self::BlockBytes { .. } | Self::Order { .. } | Self::Finished => {
                io::ErrorKind::InvalidInput
            }
            Self::Random | Self::Cryptography => io::ErrorKind::Other,
            Self::TooLong | Self::Limit { .. } => io::ErrorKind::FileTooLarge,
            _ => io::ErrorKind::InvalidData,
        }
    }

    /// Where the first wrong byte is, or begins what holds it.
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::Magic | Self::Header { .. } | Self::HeaderAuthentication => Some(0),
            Self::Version { .. } => Some(8),
            Self::Segment { offset, .. }
            | Self::Authentication { offset, .. }
            | Self::Index { offset }
            | Self::Surplus { offset } => Some(*offset),
            Self::Truncated { length } => Some(*length),
            _ => None,
        }
    }
}

impl From<PackError> for io::Error {
    fn from(error: PackError) -> Self {
        Self::new(error.kind(), error)
    }
}
