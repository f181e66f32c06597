//! What is wrong with a DARE stream.

use std::io;

use super::format::{PAYLOAD_BYTES, VERSION};

/// Why a stream cannot be read or written. Parts count from 1, packages from 0 within their part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DareError {
    /// The version of a package is not 2.0.
    #[error(
        "DARE version {found:#04x} of package {package} of part {part} is unknown; expected {VERSION:#04x}; was the object encrypted with DARE 2.0?"
    )]
    Version {
        /// The part, from 1.
        part: u32,
        /// The package, from 0.
        package: u64,
        /// The byte that was found.
        found: u8,
    },
    /// The cipher of a package is unknown, or not that of the part's first package.
    #[error(
        "DARE cipher {found:#04x} of package {package} of part {part} is not supported; expected 0x00 or 0x01, and the same in the whole part"
    )]
    Cipher {
        /// The part, from 1.
        part: u32,
        /// The package, from 0.
        package: u64,
        /// The byte that was found.
        found: u8,
    },
    /// A package that is not the last one of its part is not full.
    #[error(
        "DARE package {package} of part {part} holds {found} bytes and is not the last; expected {PAYLOAD_BYTES}"
    )]
    ShortPackage {
        /// The part, from 1.
        part: u32,
        /// The package, from 0.
        package: u64,
        /// Bytes of payload.
        found: usize,
    },
    /// A package is of another stream: its nonce is not the one of this stream.
    #[error(
        "DARE nonce of package {package} of part {part} is not the stream's; the package was moved, or the nonce is of another object"
    )]
    Nonce {
        /// The part, from 1.
        part: u32,
        /// The package, from 0.
        package: u64,
    },
    /// A package was changed or moved, or the key is another one.
    #[error(
        "DARE authentication failed: package {package} of part {part} was changed or moved, or the key is wrong; none of its bytes were used"
    )]
    Authentication {
        /// The part, from 1.
        part: u32,
        /// The package, from 0.
        package: u64,
    },
    /// The input ended inside a package.
    #[error("DARE stream ends inside package {package} of part {part}; read the object again")]
    TruncatedPackage {
        /// The part, from 1.
        part: u32,
        /// The package, from 0.
        package: u64,
    },
    /// The input ended before the last package of a part.
    #[error(
        "DARE stream truncated before a finalized package of part {part}, after {packages} packages; read the object again"
    )]
    Truncated {
        /// The part, from 1.
        part: u32,
        /// Whole packages of this part that were read.
        packages: u64,
    },
    /// Bytes follow the last package of the last part.
    #[error(
        "DARE stream has bytes after its last package; expected {parts} parts; is the list of parts complete?"
    )]
    Surplus {
        /// Parts that the reader was told of.
        parts: u32,
    },
    /// A part's payload is not as long as declared.
    #[error("DARE part {part} holds {} than the declared {declared} bytes", if *more { "more" } else { "fewer" })]
    Length {
        /// The part, from 1.
        part: u32,
        /// Bytes that were declared.
        declared: u64,
        /// Whether there are more, or fewer.
        more: bool,
    },
    /// A part would need a package number above 2^32 - 1 (256 TiB).
    #[error("DARE part {part} is longer than the format counts (2^32 packages); split it into several parts")]
    TooLong {
        /// The part, from 1.
        part: u32,
    },
    /// A writer was given a payload that a package cannot hold at this place.
    #[error(
        "a DARE package cannot hold {found} bytes here; expected {PAYLOAD_BYTES}, and 1 to {PAYLOAD_BYTES} in the last one"
    )]
    Payload {
        /// Bytes that were given.
        found: usize,
    },
    /// A writer was used after its last package or after an error.
    #[error("the DARE stream is finished, or failed before; begin a new one with a new nonce")]
    Finished,
    /// The cipher refused to encrypt.
    #[error("the cipher failed to encrypt a DARE package")]
    Cryptography,
    /// The operating system gave no random bytes for a nonce.
    #[error("no random bytes for a DARE nonce; getrandom(2) failed")]
    Random,
}

impl DareError {
    /// The kind that the readers of the original report: [`io::ErrorKind::UnexpectedEof`] for truncation,
    /// [`io::ErrorKind::InvalidData`] for a bad stream.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::TruncatedPackage { .. } | Self::Truncated { .. } | Self::Length { more: false, .. } => {
                io::ErrorKind::UnexpectedEof
            }
            Self::Payload { .. } | Self::Finished | Self::TooLong { .. } => io::ErrorKind::InvalidInput,
            Self::Cryptography | Self::Random => io::ErrorKind::Other,
            _ => io::ErrorKind::InvalidData,
        }
    }
}

impl From<DareError> for io::Error {
    fn from(error: DareError) -> Self {
        Self::new(error.kind(), error)
    }
}
