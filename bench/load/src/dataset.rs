//! The test file: made with verifiable content in a directory of its own, removed with it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::content::Content;
use crate::{LoadError, MIB};

/// Written at once while the file is made.
const CHUNK: usize = MIB;
/// Kept free beside the test file, so that a measurement never fills a disk that others use.
const ROOM_MARGIN_MIN: u64 = 64 * MIB as u64;
/// The margin is at least this share of the file, for what the file system needs to describe it.
const ROOM_MARGIN_DIVISOR: u64 = 20;
/// The start of the directory's name, so that one left behind by a killed process is recognised.
const DIRECTORY_PREFIX: &str = "rio-bench-";

/// A flag that calls a run off; cheap to clone and safe to set from a signal handler.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls the run off.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The flag itself, for a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether the run was called off.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error once the run was called off.
    pub fn check(&self) -> Result<(), LoadError> {
        if self.is_set() { Err(LoadError::Cancelled) } else { Ok(()) }
    }
}

/// What a task has to know about a test file; can be handed to another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes, a multiple of 1 MiB.
    pub size: u64,
    /// The seed of its content.
    pub seed: u64,
}

/// A test file in a directory of its own below a directory of the user; dropping it removes both.
#[derive(Debug)]
pub struct Dataset {
    file: DataFile,
    /// Held for its `Drop`.
    _directory: TempDir,
}

impl Dataset {
    /// Makes a file of `size` bytes (a multiple of 1 MiB, not zero) below `parent` and waits until it is on the disk.
    ///
    /// `progress` is told the bytes written so far. On any error, and when `cancel` is set meanwhile, nothing is left
    /// behind.
    pub fn create(
        parent: &Path,
        size: u64,
        seed: u64,
        cancel: &Cancel,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self, LoadError> {
        check_size(size)?;
        check_room(parent, size)?;
        let directory = tempfile::Builder::new()
            .prefix(DIRECTORY_PREFIX)
            .tempdir_in(parent)
            .map_err(LoadError::io("create a directory for the test file in", parent))?;
        let path = directory.path().join("data");
        let dataset = Self { file: DataFile { path, size, seed }, _directory: directory };
        File::create_new(&dataset.file.path).map_err(LoadError::io("create", &dataset.file.path))?;
        dataset.refill(cancel, progress)?;
        Ok(dataset)
    }

    /// What tasks have to know about the file.
    pub fn file(&self) -> &DataFile {
        &self.file
    }

    /// Writes the whole content again, in place: after a program has written to the file that does not write content
    /// which can be verified.
    pub fn refill(&self, cancel: &Cancel, progress: &mut dyn FnMut(u64)) -> Result<(), LoadError> {
        let path = &self.file.path;
        let content = Content::new(self.file.seed);
        let file = File::options().write(true).open(path).map_err(LoadError::io("open", path))?;
        let mut chunk = vec![0; CHUNK];
        content.fill(0, 0, &mut chunk);
        for offset in (0..self.file.size).step_by(CHUNK) {
            cancel.check()?;
            content.stamp(offset, 0, &mut chunk);
            file.write_all_at(&chunk, offset).map_err(LoadError::io("write", path))?;
            progress(offset + CHUNK as u64);
        }
        file.sync_all().map_err(LoadError::io("sync", path))
    }
}

fn check_size(size: u64) -> Result<(), LoadError> {
    const RULE: &str = "it must be a multiple of 1 MiB (1048576 bytes) and not zero";
    if size == 0 || !size.is_multiple_of(CHUNK as u64) {
        Err(LoadError::BadSize { size, rule: RULE })
    } else {
        Ok(())
    }
}

/// Refuses a place that is missing, no directory, or too small.
fn check_room(parent: &Path, size: u64) -> Result<(), LoadError> {
    let metadata = std::fs::metadata(parent).map_err(LoadError::io("use the directory", parent))?;
    if !metadata.is_dir() {
        return Err(LoadError::NotADirectory { path: parent.to_owned() });
    }
    let space = rustix::fs::statvfs(parent)
        .map_err(|errno| LoadError::io("ask for the free space of", parent)(errno.into()))?;
    let available = space.f_bavail.saturating_mul(space.f_frsize);
    let needed = size.saturating_add(ROOM_MARGIN_MIN.max(size / ROOM_MARGIN_DIVISOR));
    if available < needed {
        return Err(LoadError::NoRoom { path: parent.to_owned(), needed, available });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 4 * MIB as u64;

    fn create(parent: &Path, size: u64) -> Result<Dataset, LoadError> {
        Dataset::create(parent, size, 5, &Cancel::new(), &mut |_| {})
    }

    fn is_empty(directory: &Path) -> bool {
        std::fs::read_dir(directory).unwrap().next().is_none()
    }

    #[test]
    fn the_file_holds_content_that_verifies_and_goes_away_on_drop() {
        let parent = tempfile::tempdir().unwrap();
        let dataset = create(parent.path(), SIZE).unwrap();
        let bytes = std::fs::read(&dataset.file().path).unwrap();
        assert_eq!(bytes.len() as u64, SIZE);
        assert_eq!(Content::new(5).check_fully(0, &bytes, Some(0)), Ok(()));

        std::fs::write(dataset.file().path.with_extension("left"), b"by someone").unwrap();
        drop(dataset);
        assert!(is_empty(parent.path()));
    }

    #[test]
    fn refill_restores_what_another_program_wrote_over() {
        let parent = tempfile::tempdir().unwrap();
        let dataset = create(parent.path(), SIZE).unwrap();
        let file = File::options().write(true).open(&dataset.file().path).unwrap();
        file.write_all_at(&[0; 9000], 70_000).unwrap();
        dataset.refill(&Cancel::new(), &mut |_| {}).unwrap();
        let bytes = std::fs::read(&dataset.file().path).unwrap();
        assert_eq!(Content::new(5).check_fully(0, &bytes, Some(0)), Ok(()));
    }

    #[test]
    fn a_file_that_does_not_fit_is_refused_with_the_figures_and_nothing_is_written() {
        let parent = tempfile::tempdir().unwrap();
        let size = 1 << 60;
        match create(parent.path(), size).unwrap_err() {
            LoadError::NoRoom { path, needed, available } => {
                assert_eq!(path, parent.path());
                assert!(needed > size && available < needed);
            }
            other => panic!("unexpected: {other}"),
        }
        assert!(is_empty(parent.path()));
    }

    #[test]
    fn a_bad_place_or_size_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let missing = parent.path().join("missing");
        let error = create(&missing, SIZE).unwrap_err();
        assert!(matches!(error, LoadError::Io { .. }) && error.to_string().contains("missing"), "{error}");

        let file = parent.path().join("file");
        std::fs::write(&file, b"x").unwrap();
        assert!(matches!(create(&file, SIZE).unwrap_err(), LoadError::NotADirectory { .. }));
        for size in [0, 1, SIZE + 4096] {
            assert!(matches!(create(parent.path(), size).unwrap_err(), LoadError::BadSize { .. }), "{size}");
        }
    }

    #[test]
    fn cancelling_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let cancel = Cancel::new();
        let result = Dataset::create(parent.path(), SIZE, 5, &cancel, &mut |written| {
            if written >= SIZE / 2 {
                cancel.set();
            }
        });
        assert!(matches!(result.unwrap_err(), LoadError::Cancelled));
        assert!(is_empty(parent.path()));
    }
}
