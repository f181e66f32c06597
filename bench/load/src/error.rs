//! What can stop a measurement, with the fields a caller needs to say what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rustfs_rio_buf::BufferError;

/// Why a data set could not be made or a run could not be measured.
///
/// Operations that fail inside a run, and bytes that come back wrong, are no `LoadError`: they are counted in
/// [`Outcome`](crate::Outcome), because the run of the other engines is still worth having.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A system call failed.
    #[error("cannot {operation} {path}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file or directory it was tried on.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The place given for the test file is not a directory.
    #[error("{path} is not a directory; name an existing directory on the disk to be measured", path = path.display())]
    NotADirectory {
        /// The path as given.
        path: PathBuf,
    },
    /// The file system lacks room for the test file and the margin kept free.
    #[error(
        "no room in {path}: {} are needed (the test file and a margin) and {} are available; free some space, name \
         another directory, or ask for a smaller file",
        mib(*needed), mib(*available), path = path.display()
    )]
    NoRoom {
        /// The directory.
        path: PathBuf,
        /// Bytes needed, margin included.
        needed: u64,
        /// Bytes available to this user.
        available: u64,
    },
    /// The size of the test file is not usable.
    #[error("a test file of {size} bytes is not possible: {rule}")]
    BadSize {
        /// The size as given.
        size: u64,
        /// What a size must be.
        rule: &'static str,
    },
    /// The test file is too small for a workload.
    #[error(
        "workload {workload} needs a test file of at least {} and this one has {}; ask for a larger file",
        mib(*needed), mib(*size)
    )]
    FileTooSmall {
        /// The workload's name.
        workload: String,
        /// The smallest size that serves it.
        needed: u64,
        /// The size of the file at hand.
        size: u64,
    },
    /// A workload's name or shape is not understood.
    #[error("unknown workload {name:?}: {rule}")]
    BadWorkload {
        /// The text as given.
        name: String,
        /// What a name must be.
        rule: &'static str,
    },
    /// A cached workload was asked for and the page cache does not hold the file.
    #[error(
        "the page cache holds {} of {} of {path} after reading it repeatedly; ask for a file that fits in memory",
        mib(*resident), mib(*size), path = path.display()
    )]
    NotCached {
        /// The test file.
        path: PathBuf,
        /// Bytes found in the page cache.
        resident: u64,
        /// The file's size.
        size: u64,
    },
    /// There is no memory for the buffers of the tasks.
    #[error("no memory for the buffers of {workload}: {source}; ask for smaller blocks or fewer tasks")]
    Memory {
        /// The workload's name.
        workload: String,
        /// What was refused.
        source: BufferError,
    },
    /// An engine could not be set up for the run.
    #[error("engine {engine} could not run {workload}: {reason}")]
    Engine {
        /// The engine's name.
        engine: String,
        /// The workload's name.
        workload: String,
        /// What the engine said.
        reason: String,
    },
    /// The run was called off.
    #[error("cancelled")]
    Cancelled,
}

/// Sizes of test files are whole MiB; what is compared with them is rounded to that.
fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(crate::MIB as u64))
}

impl LoadError {
    /// Shapes a closure for `map_err`: the operation and path stay with the error.
    pub(crate) fn io<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { operation, path: path.to_owned(), source }
    }
}
