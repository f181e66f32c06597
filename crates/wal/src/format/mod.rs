//! The on-disk format, without I/O. `docs/formats/wal.md` specifies it byte by byte.
//!
//! In reading order: `header` (what a segment says about itself), `control` (what is known about the log as a whole),
//! `batch` (records and what is committed together), `scan` (where a segment's records end, and why), `draft` (the record
//! format of an earlier program, for import).

pub mod batch;
pub mod control;
pub mod draft;
pub mod header;
pub mod scan;

/// Bytes before a segment's first batch. Two copies of the header are in there, half the size apart.
pub const SEGMENT_HEADER_BYTES: u64 = 4096;
/// Version of the format that this crate writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// Identifies a log: segments of another one do not belong to it. Random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub [u8; 16]);

impl std::fmt::Display for LogId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4) of `data`, continued from `before`.
#[must_use]
pub fn crc(before: u32, data: &[u8]) -> u32 {
    crc32c::crc32c_append(before, data)
}

/// What the checksums of a segment's batches start from, so that a batch is valid in one segment of one log only.
#[must_use]
pub fn segment_seed(log: LogId, segment: u64) -> u32 {
    crc(crc(0, &log.0), &segment.to_le_bytes())
}

/// What the record checksums of a log start from.
#[must_use]
pub fn first_chain(log: LogId) -> u32 {
    crc(0, &log.0)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map_or(0, u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|part| part.try_into().ok()).map_or(0, u64::from_le_bytes)
}

pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}
