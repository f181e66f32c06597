//! Errors: what was wrong, what was expected, what to do.

use crate::format::LogId;
use crate::format::scan::DamageKind;
use rustfs_rio_engine::buf::BufferError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why an operation on a log failed. Clones share the cause.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WalError {
    /// A setting is out of its range.
    #[error("log configuration: {name} is {value}, expected {expected}")]
    Config {
        /// The setting.
        name: &'static str,
        /// The value it has.
        value: u64,
        /// What is allowed.
        expected: &'static str,
    },
    /// A record without data.
    #[error("a record needs at least one byte of data")]
    EmptyRecord,
    /// A record that exceeds the log's bound.
    #[error(
        "a record of {bytes} bytes, the log takes at most {max}; split it, or raise record_bytes_max, pending_bytes_max or segment_bytes"
    )]
    RecordTooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// Records that cannot be committed together.
    #[error(
        "{records} records of {bytes} bytes with their headers, at most {records_max} records of {bytes_max} bytes are \
         committed together; split the batch, or raise batch_records_max, pending_bytes_max or segment_bytes"
    )]
    BatchTooLarge {
        /// Records passed.
        records: usize,
        /// Their size in the log.
        bytes: usize,
        /// The bound on records.
        records_max: u32,
        /// The bound on bytes.
        bytes_max: usize,
    },
    /// The numbers of records are used up.
    #[error("the log has used all sequence numbers; start another one")]
    SequenceOverflow,
    /// The log was closed.
    #[error("the log is closed; open it again")]
    Closed,
    /// Another handle, in this process or another one, has the log open for writing.
    #[error("{} is open for writing elsewhere; close it there, or read with inspect or verify", path.display())]
    Locked {
        /// The log.
        path: PathBuf,
    },
    /// There is no log.
    #[error("{} holds no log; create one", path.display())]
    NotFound {
        /// The directory.
        path: PathBuf,
    },
    /// There is a log already.
    #[error("{} holds a log already; open it, or choose another directory", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// Something else is in the log's place.
    #[error("{} is not a log: {reason}", path.display())]
    NotALog {
        /// The path.
        path: PathBuf,
        /// What was found.
        reason: &'static str,
    },
    /// The log is in a later format.
    #[error("{} has format version {found}, this program reads version 1; use a newer one", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Durable data is damaged or missing. Nothing was changed.
    #[error("the log in {} is damaged: {damage}; `rio wal repair` saves what is whole into another directory", path.display())]
    Damaged {
        /// The log.
        path: PathBuf,
        /// What is wrong.
        damage: Damage,
    },
    /// No room for another segment. Nothing was written; the same append may be tried again when there is room.
    #[error("no room for another segment: {0}; free space or give up old records, then append again")]
    NoSpace(Arc<io::Error>),
    /// A write or a sync failed earlier. What was not acknowledged may or may not be in the log.
    #[error("the log takes no more appends: {0}; open it again to recover what is durable")]
    Poisoned(Arc<io::Error>),
    /// Records before this one were given up.
    #[error("record {sequence} was given up; the log starts at {first}")]
    Truncated {
        /// The record asked for.
        sequence: u64,
        /// The first one there is.
        first: u64,
    },
    /// Records up to there have not been written.
    #[error("record {sequence} is not in the log; the next one will be {next}")]
    Beyond {
        /// The record asked for.
        sequence: u64,
        /// The next one to be written.
        next: u64,
    },
    /// A file of the earlier draft is not readable.
    #[error("{} at offset {offset}: {source}", path.display())]
    Draft {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// What is wrong.
        source: crate::format::draft::DraftError,
    },
    /// There is no tokio runtime around the call.
    #[error("no tokio runtime: open the log inside a runtime built with enable_all()")]
    NoRuntime,
    /// A file operation failed; a log that is open goes on unless it says otherwise.
    #[error("{0}")]
    Io(Arc<io::Error>),
}

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Durable records of a segment.
    #[error(
        "segment {segment} ({file}) has {kind} at offset {offset}, where record {sequence} belongs; a later part of the log \
         proves that it was durable"
    )]
    Records {
        /// The segment.
        segment: u64,
        /// Its file.
        file: String,
        /// Where the damage begins.
        offset: u64,
        /// The first record that is lost.
        sequence: u64,
        /// What is there.
        kind: DamageKind,
    },
    /// Segments that must be there are not.
    #[error("segments {first} to {last} are missing")]
    Missing {
        /// The first one.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// Two files say that they are the same segment.
    #[error("files {one} and {two} both are segment {segment}")]
    Duplicate {
        /// The segment.
        segment: u64,
        /// A file.
        one: String,
        /// Another file.
        two: String,
    },
    /// A file belongs to another log.
    #[error("file {file} belongs to log {found}, the others to {expected}")]
    Foreign {
        /// The file.
        file: String,
        /// Its log.
        found: LogId,
        /// This log.
        expected: LogId,
    },
    /// A file that holds batches has no whole header.
    #[error("file {file} has a damaged header and holds records")]
    Header {
        /// The file.
        file: String,
    },
    /// A segment's file is shorter than its header says.
    #[error("segment {segment} ({file}) has {found} bytes instead of {expected}")]
    Short {
        /// The segment.
        segment: u64,
        /// Its file.
        file: String,
        /// The file's size.
        found: u64,
        /// What its header states.
        expected: u64,
    },
    /// The log ends before a commit that was durable.
    #[error("the log ends with commit {found}, but commit {expected} was durable")]
    LostEnd {
        /// The last commit there is.
        found: u64,
        /// A commit that was durable.
        expected: u64,
    },
    /// The control file is not readable, or gone while there are segments.
    #[error("the control file is damaged or missing")]
    Control,
    /// A segment does not continue the one before it.
    #[error("segment {segment} ({file}) does not continue the one before it")]
    Discontinuous {
        /// The segment.
        segment: u64,
        /// Its file.
        file: String,
    },
}

impl WalError {
    pub(crate) fn damaged(path: &Path, damage: Damage) -> Self {
        Self::Damaged { path: path.to_owned(), damage }
    }

    /// The kind that an `io::Error` with this error has.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        use io::ErrorKind;
        match self {
            Self::Config { .. }
            | Self::EmptyRecord
            | Self::RecordTooLarge { .. }
            | Self::BatchTooLarge { .. }
            | Self::Beyond { .. } => ErrorKind::InvalidInput,
            Self::SequenceOverflow | Self::NoRuntime => ErrorKind::Other,
            Self::Closed => ErrorKind::BrokenPipe,
            Self::Locked { .. } => ErrorKind::ResourceBusy,
            Self::NotFound { .. } | Self::Truncated { .. } => ErrorKind::NotFound,
            Self::Exists { .. } => ErrorKind::AlreadyExists,
            Self::NotALog { .. } | Self::Damaged { .. } | Self::Draft { .. } => ErrorKind::InvalidData,
            Self::Version { .. } => ErrorKind::Unsupported,
            Self::NoSpace(_) => ErrorKind::StorageFull,
            Self::Poisoned(error) | Self::Io(error) => error.kind(),
        }
    }
}

impl From<io::Error> for WalError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl From<BufferError> for WalError {
    fn from(error: BufferError) -> Self {
        io::Error::from(error).into()
    }
}

impl From<WalError> for io::Error {
    fn from(error: WalError) -> Self {
        io::Error::new(error.kind(), error)
    }
}
