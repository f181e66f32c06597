//! What is appended and read back.

use crate::error::WalError;
use crate::format::batch::{RECORD_BYTES_MAX, Record, decode_record};
use bytes::Bytes;
use std::io;
use std::time::{Duration, SystemTime};

/// A record of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalEntry {
    /// Its number. The log assigns it, from 1 without gaps; what a caller puts here is ignored by appends.
    pub sequence: u64,
    /// Its data, at least one byte.
    pub data: Bytes,
    /// When it was made, to the nanosecond. Times outside 1970 to 2554 are stored as the nearest of these.
    pub timestamp: SystemTime,
    /// The user's own mark.
    pub entry_type: u8,
}

impl WalEntry {
    /// An entry of type 0, made now.
    #[must_use]
    pub fn new(sequence: u64, data: Bytes) -> Self {
        Self { sequence, data, timestamp: SystemTime::now(), entry_type: 0 }
    }

    /// The entry by itself, with a checksum: what a log stores. Longer data than 2^30 bytes is cut off.
    #[must_use]
    pub fn serialize(&self) -> Bytes {
        let data = &self.data[..self.data.len().min(RECORD_BYTES_MAX)];
        let (sequence, entry_type) = (self.sequence, self.entry_type);
        Record { sequence, timestamp: nanos(self.timestamp), entry_type, data }.encode().into()
    }

    /// Reads what [`serialize`](Self::serialize) made, at the beginning of `bytes`, and says how many of them it takes.
    ///
    /// # Errors
    ///
    /// `InvalidData` with [`RecordError`](crate::format::batch::RecordError): cut off, or not what was written.
    pub fn deserialize(bytes: &[u8]) -> io::Result<(Self, usize)> {
        decode_record(bytes)
            .map(|(record, used)| (Self::from_record(&record), used))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    pub(crate) fn from_record(record: &Record<'_>) -> Self {
        Self {
            sequence: record.sequence,
            data: Bytes::copy_from_slice(record.data),
            timestamp: SystemTime::UNIX_EPOCH + Duration::from_nanos(record.timestamp),
            entry_type: record.entry_type,
        }
    }

    pub(crate) fn check(&self, record_bytes_max: usize) -> Result<(), WalError> {
        check_data(&self.data, record_bytes_max)
    }
}

pub(crate) fn check_data(data: &[u8], record_bytes_max: usize) -> Result<(), WalError> {
    match data.len() {
        0 => Err(WalError::EmptyRecord),
        len if len > record_bytes_max => Err(WalError::RecordTooLarge { bytes: len, max: record_bytes_max }),
        _ => Ok(()),
    }
}

/// Nanoseconds since 1970, as near as 64 bits allow.
pub(crate) fn nanos(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
