//! What is wrong with a method, a dictionary or a compressed block.

use std::io;

use super::Codec;

/// Why a block cannot be compressed or decompressed, or a method not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A byte that names no codec.
    #[error(
        "codec {found:#04x} is unknown; expected 0x00 to 0x07; was the object written by a later version?"
    )]
    Unknown {
        /// The byte that was found.
        found: u8,
    },
    /// A text that names no method.
    #[error(
        "{found:?} names no compression method; expected none, lz4, zstd, s2, snappy, brotli, deflate or gzip, with a level as in zstd:3"
    )]
    Name {
        /// The text that was found.
        found: String,
    },
    /// A level that the codec does not have.
    #[error("{codec} has no level {found}; expected {least} to {most}")]
    Level {
        /// The codec.
        codec: Codec,
        /// The level that was asked for.
        found: i32,
        /// The lowest level.
        least: i32,
        /// The highest level.
        most: i32,
    },
    /// A block is not what the codec makes, or not as long as declared.
    #[error(
        "a {codec} block is damaged or does not hold the declared {declared} bytes; none of its bytes were used"
    )]
    Damaged {
        /// The codec.
        codec: Codec,
        /// Bytes that were declared.
        declared: usize,
    },
    /// A block is for a dictionary that is not at hand.
    #[error("the data needs the dictionary it was compressed with, and it was not given, or another one was")]
    Dictionary,
    /// A dictionary of an impossible length.
    #[error("a dictionary cannot have {found} bytes; expected 1 to {most}")]
    DictionaryLength {
        /// Bytes that were given.
        found: usize,
        /// The most.
        most: usize,
    },
    /// The samples did not give a dictionary.
    #[error(
        "no dictionary could be trained from {samples} samples of {bytes} bytes: {reason}; give more samples, at least ten times the dictionary"
    )]
    Training {
        /// How many samples.
        samples: usize,
        /// Their bytes.
        bytes: usize,
        /// What the library says.
        reason: String,
    },
    /// A library refused to work, usually for lack of memory.
    #[error("the library of {codec} failed; is there memory left?")]
    Library {
        /// The codec.
        codec: Codec,
    },
}

impl CodecError {
    /// The kind of the error: [`io::ErrorKind::InvalidData`] for a bad block, [`io::ErrorKind::InvalidInput`] for a bad request.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Unknown { .. } | Self::Damaged { .. } | Self::Dictionary => io::ErrorKind::InvalidData,
            Self::Library { .. } => io::ErrorKind::OutOfMemory,
            _ => io::ErrorKind::InvalidInput,
        }
    }
}

impl From<CodecError> for io::Error {
    fn from(error: CodecError) -> Self {
        Self::new(error.kind(), error)
    }
}
