//! Errors with the names and texts of the original, for callers that downcast an [`io::Error`](std::io::Error).

use std::error::Error;

/// The SHA-256 of the content is not the expected one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("Bad sha256: Expected {expected_sha256} does not match calculated {calculated_sha256}")]
pub struct Sha256Mismatch {
    /// In hexadecimal.
    pub expected_sha256: String,
    /// In hexadecimal.
    pub calculated_sha256: String,
}

/// The MD5 of the content is not the expected one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("Bad digest: Expected {expected_md5} does not match calculated {calculated_md5}")]
pub struct BadDigest {
    /// In hexadecimal.
    pub expected_md5: String,
    /// In hexadecimal.
    pub calculated_md5: String,
}

/// The content is shorter than it must be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("Size small: got {got}, want {want}")]
pub struct SizeTooSmall {
    /// Bytes.
    pub want: i64,
    /// Bytes.
    pub got: i64,
}

/// The content is longer than it may be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("Size large: got {got}, want {want}")]
pub struct SizeTooLarge {
    /// Bytes.
    pub want: i64,
    /// Bytes.
    pub got: i64,
}

/// The content does not have the size that it must have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("Size mismatch: got {got}, want {want}")]
pub struct SizeMismatch {
    /// Bytes.
    pub want: i64,
    /// Bytes.
    pub got: i64,
}

/// A checksum of the content is not the expected one, or what a request says of it cannot be understood.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("Bad checksum: Want {want} does not match calculated {got}")]
pub struct ChecksumMismatch {
    /// What was expected.
    pub want: String,
    /// What was found.
    pub got: String,
}

/// A checksum that cannot be understood.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("invalid checksum")]
pub struct InvalidChecksum;

/// A body ended before its declared length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Incomplete body: {remaining} bytes were still expected")]
pub struct IncompleteBody {
    /// Bytes that are missing.
    pub remaining: i64,
}

/// Whether `err` is a [`ChecksumMismatch`], itself or as the content of an [`io::Error`](std::io::Error).
pub fn is_checksum_mismatch(err: &(dyn Error + 'static)) -> bool {
    let inside = || err.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref::<ChecksumMismatch>();
    err.is::<ChecksumMismatch>() || inside().is_some()
}
