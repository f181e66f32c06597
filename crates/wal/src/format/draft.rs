//! Record format 1 of the earlier draft of this API, for import: `sequence u64`, `unix seconds u64`, `length u32`, data, all
//! little-endian, one record after the other, no checksum. What cannot be told from a damaged file is taken at its word.

use super::{u32_at, u64_at};

/// Bytes of a record before its data.
pub const DRAFT_HEADER_BYTES: usize = 20;

/// A record of the draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DraftRecord<'a> {
    /// Its sequence.
    pub sequence: u64,
    /// Seconds since 1970.
    pub seconds: u64,
    /// Its data.
    pub data: &'a [u8],
}

/// Why a draft record could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// Fewer bytes than a record's header has.
    #[error("{have} bytes are left, a record's header has 20")]
    TooShort {
        /// Bytes left.
        have: usize,
    },
    /// The data is cut off.
    #[error("the record states {stated} bytes of data, {have} are left")]
    Truncated {
        /// What the record states.
        stated: u32,
        /// Bytes left.
        have: usize,
    },
    /// A record without data, which a log does not take.
    #[error("record {sequence} has no data, and a log takes no empty records")]
    Empty {
        /// Its sequence.
        sequence: u64,
    },
    /// The draft numbered records from 1, one by one.
    #[error("sequence {found} follows {before}; the file is damaged or not a draft log")]
    OutOfOrder {
        /// Sequence of the record before.
        before: u64,
        /// Sequence found.
        found: u64,
    },
}

/// Reads the record at the beginning of `bytes`, which follows the record `before` (0 for the first), and returns it with
/// the bytes that it takes.
///
/// # Errors
///
/// [`DraftError`] if there is no such record.
pub fn decode(bytes: &[u8], before: u64) -> Result<(DraftRecord<'_>, usize), DraftError> {
    if bytes.len() < DRAFT_HEADER_BYTES {
        return Err(DraftError::TooShort { have: bytes.len() });
    }
    let found = u64_at(bytes, 0);
    if before.checked_add(1) != Some(found) {
        return Err(DraftError::OutOfOrder { before, found });
    }
    if u32_at(bytes, 16) == 0 {
        return Err(DraftError::Empty { sequence: found });
    }
    let (seconds, stated) = (u64_at(bytes, 8), u32_at(bytes, 16));
    let end = DRAFT_HEADER_BYTES + stated as usize;
    let Some(data) = bytes.get(DRAFT_HEADER_BYTES..end) else {
        return Err(DraftError::Truncated { stated, have: bytes.len() - DRAFT_HEADER_BYTES });
    };
    Ok((DraftRecord { sequence: found, seconds, data }, end))
}
