//! What memory-mapped reading refuses, and what it reports.

use super::{MAPPED_FILES_MAX, WINDOW_MAX, WINDOW_MIN};
use crate::error::FileError;
use std::io;

/// Why a file cannot be read through a mapping. It is found inside the `io::Error` by [`MappedError::of`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappedError {
    /// The file became shorter than it was, and the read reaches beyond its new end.
    #[error(
        "the file was truncated while mapped: it has {size} bytes, {expected} were there before; refresh or reopen it"
    )]
    Truncated {
        /// Size at the time of the error.
        size: u64,
        /// Size that was seen earlier.
        expected: u64,
    },
    /// As many files are mapped as the process can watch over.
    #[error(
        "{MAPPED_FILES_MAX} files of this process are mapped, which is the bound; drop one, or read without mapping"
    )]
    TooManyFiles,
    /// A pipe, socket or device.
    #[error("only regular files can be mapped; read it without mapping")]
    NotAFile,
    /// The file bypasses the page cache, which is what a mapping shows.
    #[error("the file is open for direct I/O; open it with DirectMode::Off to map it")]
    Direct,
    /// The window is too small or too large.
    #[error("a window of {bytes} bytes is not possible, expected {WINDOW_MIN} to {WINDOW_MAX}")]
    Window {
        /// What was asked for.
        bytes: usize,
    },
}

impl MappedError {
    /// The error inside an `io::Error`, with or without file context around it.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&MappedError> {
        let inner = error.get_ref()?;
        if let Some(error) = inner.downcast_ref() {
            return Some(error);
        }
        inner.downcast_ref::<FileError>()?.source.get_ref()?.downcast_ref()
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Truncated { .. } => io::ErrorKind::UnexpectedEof,
            Self::TooManyFiles => io::ErrorKind::QuotaExceeded,
            Self::NotAFile | Self::Direct => io::ErrorKind::Unsupported,
            Self::Window { .. } => io::ErrorKind::InvalidInput,
        }
    }
}

impl From<MappedError> for io::Error {
    fn from(error: MappedError) -> Self {
        io::Error::new(error.kind(), error)
    }
}
