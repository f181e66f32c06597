//! Errors: what failed, on which file, and why.

use crate::op::OpKind;
use std::io;
use std::path::{Path, PathBuf};

/// A failed file operation with its context. It is the inner error of the `io::Error` that operations return, whose kind
/// is that of the cause; [`FileError::of`] finds it.
#[derive(Debug, thiserror::Error)]
#[error("{operation} of {} {}failed: {source}", path.display(), Range(*offset, *len))]
pub struct FileError {
    /// What was attempted.
    pub operation: OpKind,
    /// The file, as it was opened.
    pub path: PathBuf,
    /// First byte of the range, if the operation has one.
    pub offset: Option<u64>,
    /// Length of the range, if the operation has one.
    pub len: Option<u64>,
    /// Bytes that were transferred before the failure. For a write, the file may hold this much of the data.
    pub transferred: usize,
    /// The cause; `raw_os_error` gives the error number where the kernel reported one.
    #[source]
    pub source: io::Error,
}

struct Range(Option<u64>, Option<u64>);

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(offset) = self.0 {
            write!(f, "at offset {offset} ")?;
        }
        if let Some(len) = self.1 {
            write!(f, "({len} bytes) ")?;
        }
        Ok(())
    }
}

impl FileError {
    pub(crate) fn new(operation: OpKind, path: &Path, source: io::Error) -> Self {
        Self { operation, path: path.to_owned(), offset: None, len: None, transferred: 0, source }
    }

    pub(crate) fn range(mut self, offset: u64, len: usize) -> Self {
        self.offset = Some(offset);
        self.len = Some(len as u64);
        self
    }

    pub(crate) fn transferred(mut self, bytes: usize) -> Self {
        self.transferred = bytes;
        self
    }

    /// The context inside an `io::Error` that an operation returned.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&FileError> {
        error.get_ref()?.downcast_ref()
    }

    /// The kernel's error number behind an `io::Error`, with or without context around it.
    #[must_use]
    pub fn errno(error: &io::Error) -> Option<i32> {
        error.raw_os_error().or_else(|| Self::of(error)?.source.raw_os_error())
    }
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        io::Error::new(error.source.kind(), error)
    }
}

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A configuration value is out of its range.
    #[error("engine configuration: {name} is {value}, expected {expected}")]
    Config {
        /// The setting.
        name: &'static str,
        /// The value it has.
        value: u64,
        /// What is allowed.
        expected: &'static str,
    },
    /// io_uring was demanded and is not available.
    #[error("io_uring was demanded but is not available: {0}")]
    RingRefused(crate::errno::RingRefusal),
    /// There is no tokio runtime around the call.
    #[error("no tokio runtime: create the engine inside a runtime built with enable_all()")]
    NoRuntime,
}

/// Why an operation was refused before it started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The engine is shut down or shutting down.
    #[error("the engine is shut down")]
    ShutDown,
    /// Too many operations wait to be admitted: load is shed before it fills memory.
    #[error(
        "{max} operations already wait to be admitted, which is the bound; send fewer at a time, try again later, or raise \
         max_waiting_ops"
    )]
    Overloaded {
        /// How many may wait.
        max: usize,
    },
    /// Offset plus length exceeds the largest file offset, 2^63 - 1.
    #[error("offset {offset} plus length {len} exceeds the largest file offset; use a smaller range")]
    OffsetOverflow {
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
    },
    /// The handle was opened without the access that the operation needs.
    #[error("the handle was opened {have}; open it with {need} access")]
    Access {
        /// What the handle allows.
        have: &'static str,
        /// What the operation needs.
        need: &'static str,
    },
    /// A sync failed earlier; what the page cache holds may differ from the disk.
    #[error(
        "an earlier {operation} of this file failed (os error {errno}), so unsynced data may be lost; reopen the file, \
         verify its content and write again"
    )]
    Poisoned {
        /// The sync that failed.
        operation: OpKind,
        /// Its error number.
        errno: i32,
    },
    /// A direct write is not aligned.
    #[error(
        "direct I/O needs offset and length in multiples of {alignment} bytes, got offset {offset} and length {len}; \
         align them or open the file with UnalignedWrites::ReadModifyWrite"
    )]
    Misaligned {
        /// What the file needs.
        alignment: usize,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len: usize,
    },
    /// Direct I/O was demanded where the file system has none.
    #[error("the file system does not support direct I/O on this file; use DirectMode::Auto or Off")]
    NoDirectIo,
    /// The path contains a NUL byte.
    #[error("the path contains a NUL byte")]
    PathWithNul,
    /// More buffers than one vectored operation takes.
    #[error("{count} buffers in one vectored operation, at most {max} are possible; split it")]
    TooManyBuffers {
        /// Buffers passed.
        count: usize,
        /// The bound.
        max: usize,
    },
}

impl Refusal {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::ShutDown => io::ErrorKind::BrokenPipe,
            Self::Access { .. } => io::ErrorKind::PermissionDenied,
            Self::Poisoned { .. } => io::ErrorKind::Other,
            Self::Overloaded { .. } => io::ErrorKind::ResourceBusy,
            Self::NoDirectIo => io::ErrorKind::Unsupported,
            Self::OffsetOverflow { .. }
            | Self::Misaligned { .. }
            | Self::PathWithNul
            | Self::TooManyBuffers { .. } => io::ErrorKind::InvalidInput,
        }
    }

    /// The refusal inside an `io::Error` that an operation returned, with or without file context around it.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Refusal> {
        let inner = error.get_ref()?;
        if let Some(refusal) = inner.downcast_ref() {
            return Some(refusal);
        }
        inner.downcast_ref::<FileError>()?.source.get_ref()?.downcast_ref()
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        io::Error::new(refusal.kind(), refusal)
    }
}
