//! What is wrong with a key or its file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{KEY_ID_BYTES_MAX, KeyId};

/// Why a key cannot be had, wrapped or unwrapped. No variant holds a secret.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A name that no key can have.
    #[error(
        "{found:?} cannot name a key; expected 1 to {KEY_ID_BYTES_MAX} letters, digits, '-', '_', '.', ':' or '/'"
    )]
    Id {
        /// The name, shortened.
        found: String,
    },
    /// The provider has no key of that name.
    #[error("there is no key {id}; give the key file that the object was encrypted with")]
    NotFound {
        /// The name that the object gives.
        id: KeyId,
    },
    /// A wrapped key is not what this key wrapped for this object.
    #[error(
        "key {id} does not open the object's key: it is another key of that name, or the object's header was changed"
    )]
    Unwrap {
        /// The name of the key.
        id: KeyId,
    },
    /// There is no key to wrap with.
    #[error("there is no key to encrypt with; the first key of a file is used, and there is none")]
    Empty,
    /// Two keys of one name.
    #[error("there are two keys {id}; give each a name of its own")]
    Twice {
        /// The name.
        id: KeyId,
    },
    /// The file could not be read or made.
    #[error("key file {path:?}: {source}")]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// Others than the owner may read or change the file.
    #[error(
        "key file {path:?} has mode {mode:03o}, so others can use its keys; expected 600 or 400: chmod 600 {path:?}"
    )]
    Mode {
        /// Its path.
        path: PathBuf,
        /// The permission bits.
        mode: u32,
    },
    /// The file is of somebody else, a folder, a link to a device, or too long.
    #[error("key file {path:?} {what}")]
    Unfit {
        /// Its path.
        path: PathBuf,
        /// What it is and should be.
        what: &'static str,
    },
    /// A line that is no key.
    #[error(
        "key file {path:?}, line {line}: expected `rio-key-1 NAME` and 64 hexadecimal digits, or a comment after #"
    )]
    Line {
        /// Its path.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes for a key; getrandom(2) failed")]
    Random,
    /// The cipher refused to work.
    #[error("the cipher failed to wrap a key")]
    Cryptography,
    /// A provider outside this crate failed.
    #[error("the key provider failed: {0}")]
    Provider(Arc<dyn std::error::Error + Send + Sync>),
}

impl KeyError {
    /// The kind of the error.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::NotFound { .. } | Self::Empty => io::ErrorKind::NotFound,
            Self::Unwrap { .. } | Self::Mode { .. } => io::ErrorKind::PermissionDenied,
            Self::File { source, .. } => source.kind(),
            Self::Random | Self::Cryptography | Self::Provider(_) => io::ErrorKind::Other,
            _ => io::ErrorKind::InvalidInput,
        }
    }
}

impl From<KeyError> for io::Error {
    fn from(error: KeyError) -> Self {
        Self::new(error.kind(), error)
    }
}
