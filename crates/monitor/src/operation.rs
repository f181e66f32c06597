//! What is recorded: kinds of operation, the path taken, the class of file, and classes of error.
//!
//! All of them are closed sets, so that a recorder has a fixed number of places and no name can flood it. Names of an
//! application's own go to [`Registry`](crate::Registry), which is bounded too.

use serde::{Deserialize, Serialize};

/// What an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Operation {
    /// Data was read.
    Read,
    /// Data was written.
    Write,
    /// Data was made durable.
    Sync,
    /// A file was opened or created.
    Open,
    /// A file was closed.
    Close,
    /// Attributes, size, reservation or advice: everything that moves no data.
    Metadata,
    /// Records were appended to a log and acknowledged.
    Append,
    /// Appends that had gathered were written together.
    Commit,
    /// A log was opened: all that is durable in it was read and checked.
    Recover,
    /// Content was compressed, the choice of the codec included.
    Compress,
    /// Content was decompressed.
    Decompress,
    /// Content was encrypted and got its authentication tag.
    Encrypt,
    /// Content was authenticated and decrypted.
    Decrypt,
    /// Checksums of content were computed.
    Checksum,
    /// A cache read ahead of its callers.
    Prefetch,
    /// A caller waited for a buffer of a pool that was at its bound.
    Wait,
}

impl Operation {
    /// Every kind, in declaration order; `kind as usize` is the index.
    pub const ALL: [Self; 16] = [
        Self::Read,
        Self::Write,
        Self::Sync,
        Self::Open,
        Self::Close,
        Self::Metadata,
        Self::Append,
        Self::Commit,
        Self::Recover,
        Self::Compress,
        Self::Decompress,
        Self::Encrypt,
        Self::Decrypt,
        Self::Checksum,
        Self::Prefetch,
        Self::Wait,
    ];

    /// Whether it contains operations that are recorded themselves, or none at all: it has counts and latencies of its own and no part
    /// in sums over all operations.
    #[must_use]
    pub fn is_composite(self) -> bool {
        matches!(self, Self::Append | Self::Commit | Self::Recover | Self::Prefetch | Self::Wait)
            || self.is_stage()
    }

    /// Whether it is a stage of the reader and writer pipeline, which computes and touches no file. Stages have no part in sums over all
    /// operations: five of them per read would make an error rate of the files look a sixth of what it is.
    #[must_use]
    pub fn is_stage(self) -> bool {
        matches!(self, Self::Compress | Self::Decompress | Self::Encrypt | Self::Decrypt | Self::Checksum)
    }

    /// The name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Open => "open",
            Self::Close => "close",
            Self::Metadata => "metadata",
            Self::Append => "append",
            Self::Commit => "commit",
            Self::Recover => "recover",
            Self::Compress => "compress",
            Self::Decompress => "decompress",
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Checksum => "checksum",
            Self::Prefetch => "prefetch",
            Self::Wait => "wait",
        }
    }
}

/// How an operation was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Path {
    /// On the calling task: from the page cache, or computed.
    Inline,
    /// Through io_uring.
    Ring,
    /// On a thread of a pool.
    Blocking,
    /// From a cache of this process.
    Cache,
    /// By a simulated device, or by the application itself.
    Other,
}

impl Path {
    /// Every path, in declaration order; `path as usize` is the index.
    pub const ALL: [Self; 5] = [Self::Inline, Self::Ring, Self::Blocking, Self::Cache, Self::Other];

    /// The name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Ring => "ring",
            Self::Blocking => "blocking",
            Self::Cache => "cache",
            Self::Other => "other",
        }
    }
}

/// What a file holds, as the program that opens it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FileClass {
    /// Contents of objects. The default.
    #[default]
    Data,
    /// Small files about objects.
    Meta,
    /// A write-ahead log.
    Log,
    /// Temporary files.
    Scratch,
}

impl FileClass {
    /// Every class, in declaration order; `class as usize` is the index.
    pub const ALL: [Self; 4] = [Self::Data, Self::Meta, Self::Log, Self::Scratch];

    /// The name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Meta => "meta",
            Self::Log => "log",
            Self::Scratch => "scratch",
        }
    }
}

/// Why an operation failed, as far as alerts have to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ErrorClass {
    /// The device or file system failed: `EIO` and its kin. Somebody has to look.
    Device,
    /// No space, quota or file descriptors left.
    Exhausted,
    /// The file does not exist, exists already, or may not be accessed.
    Access,
    /// The request itself was at fault.
    Invalid,
    /// Not in time.
    Timeout,
    /// Content is not what was written: a checksum, an authentication tag or a format does not hold. Somebody has to look.
    Damaged,
    /// Everything else.
    Other,
}

impl ErrorClass {
    /// Every class, in declaration order; `class as usize` is the index.
    pub const ALL: [Self; 7] = [
        Self::Device,
        Self::Exhausted,
        Self::Access,
        Self::Invalid,
        Self::Timeout,
        Self::Damaged,
        Self::Other,
    ];

    /// The name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Exhausted => "exhausted",
            Self::Access => "access",
            Self::Invalid => "invalid",
            Self::Timeout => "timeout",
            Self::Damaged => "damaged",
            Self::Other => "other",
        }
    }
}

impl From<std::io::ErrorKind> for ErrorClass {
    /// `EIO` has no kind of its own in the standard library; whoever has the error number says [`ErrorClass::Device`].
    fn from(kind: std::io::ErrorKind) -> Self {
        use std::io::ErrorKind as Kind;
        match kind {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::OutOfMemory | Kind::FileTooLarge => {
                Self::Exhausted
            }
            Kind::NotFound | Kind::AlreadyExists | Kind::PermissionDenied | Kind::ReadOnlyFilesystem => {
                Self::Access
            }
            Kind::InvalidInput | Kind::Unsupported | Kind::IsADirectory => Self::Invalid,
            Kind::InvalidData => Self::Damaged,
            Kind::TimedOut => Self::Timeout,
            _ => Self::Other,
        }
    }
}

/// A place in a recorder: kind, path and class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What was done.
    pub operation: Operation,
    /// How.
    pub path: Path,
    /// To which class of file.
    pub class: FileClass,
}

impl Key {
    /// Places in a recorder.
    pub(crate) const COUNT: usize = Operation::ALL.len() * Path::ALL.len() * FileClass::ALL.len();

    /// A place.
    #[must_use]
    pub const fn new(operation: Operation, path: Path, class: FileClass) -> Self {
        Self { operation, path, class }
    }

    pub(crate) const fn index(self) -> usize {
        let row = self.operation as usize * Path::ALL.len() + self.path as usize;
        row * FileClass::ALL.len() + self.class as usize
    }

    /// Every place, by index.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Operation::ALL.into_iter().flat_map(|operation| {
            Path::ALL.into_iter().flat_map(move |path| {
                FileClass::ALL.into_iter().map(move |class| Self { operation, path, class })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_count_up_without_gaps() {
        let indices: Vec<usize> = Key::all().map(Key::index).collect();
        assert_eq!(indices, (0..Key::COUNT).collect::<Vec<_>>());
    }
}
