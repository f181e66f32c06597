//! The file of what was learnt. Its format is that of `docs/formats/learnt-state.md`.

use rustfs_rio_tune::{LearntState, LearntStateError};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Files above this are not read: every learnt state is smaller.
const BYTES_MAX: u64 = 1 << 20;

/// Why nothing was learnt from a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It could not be read, written or moved.
    #[error("learnt state {}: {source}; starting without", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It was damaged, foreign or from a later version, and was set aside.
    #[error("learnt state {}: {source}. It is now {}; starting without", path.display(), aside.display())]
    SetAside {
        /// The file.
        path: PathBuf,
        /// Where it is now.
        aside: PathBuf,
        /// What is wrong with it.
        source: LearntStateError,
    },
}

/// Reads what was learnt. A file that does not exist is an empty state. One that is damaged, foreign or of a later version is renamed to
/// `NAME.set-aside`, in place of any earlier one. Blocks: call it outside of asynchronous tasks.
///
/// # Errors
///
/// [`StateError`], with which the caller starts cold.
pub fn load_learnt_state(path: &Path) -> Result<LearntState, StateError> {
    let io_error = |source| StateError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LearntState::default()),
        opened => opened.and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes)).map_err(io_error)?,
    };
    LearntState::decode(&bytes).map_err(|source| {
        let aside = with_ending(path, ".set-aside");
        match fs::rename(path, &aside) {
            Ok(()) => StateError::SetAside { path: path.to_owned(), aside, source },
            Err(error) => StateError::Io { path: path.to_owned(), source: error },
        }
    })
}

/// Writes what was learnt, durably and as a whole or not at all: into `NAME.new`, which then takes the place of the file. Blocks: call it
/// outside of asynchronous tasks.
///
/// # Errors
///
/// [`StateError::Io`].
pub fn save_learnt_state(path: &Path, learnt: &LearntState) -> Result<(), StateError> {
    let new = with_ending(path, ".new");
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(&learnt.encode())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    };
    write().map_err(|source| StateError::Io { path: path.to_owned(), source })
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
