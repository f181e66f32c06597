//! The directory of a log: names, removal, durability of names, and the lock against a second writer.
//!
//! The system calls here may wait for the device, so they run on tokio's blocking threads; awaiting them is what joins them.

use rustfs_rio_engine::File;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;

pub(crate) const CONTROL_NAME: &str = "control";
const SEGMENT_SUFFIX: &str = ".wal";

#[derive(Debug, Clone)]
pub(crate) struct Directory {
    path: PathBuf,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Os(Handle),
    #[cfg(any(test, feature = "testing"))]
    Simulated(rustfs_rio_engine::sim::SimDisk),
}

/// What is at a log's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    Directory,
    Other,
}

impl Directory {
    pub(crate) fn new(path: &Path, runtime: Handle) -> Self {
        Self { path: path.to_owned(), place: Place::Os(runtime) }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn simulated(path: &Path, disk: &rustfs_rio_engine::sim::SimDisk) -> Self {
        Self { path: path.to_owned(), place: Place::Simulated(disk.clone()) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) async fn look(&self) -> io::Result<Found> {
        let found = |path: PathBuf| match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(Found::Directory),
            Ok(_) => Ok(Found::Other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
            Err(error) => Err(error),
        };
        match &self.place {
            Place::Os(runtime) => blocking(runtime, self.path.clone(), found).await,
            #[cfg(any(test, feature = "testing"))]
            Place::Simulated(_) => Ok(Found::Directory),
        }
    }

    /// Makes the directory, and its name durable. The parent must exist.
    pub(crate) async fn create(&self) -> io::Result<()> {
        let create = |path: PathBuf| {
            std::fs::create_dir(&path)?;
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            std::fs::File::open(parent)?.sync_all()
        };
        match &self.place {
            Place::Os(runtime) => blocking(runtime, self.path.clone(), create).await,
            #[cfg(any(test, feature = "testing"))]
            Place::Simulated(_) => Ok(()),
        }
    }

    /// Names of the files in it, in order.
    pub(crate) async fn list(&self) -> io::Result<Vec<String>> {
        let list = |path: PathBuf| {
            let mut names = Vec::new();
            for entry in std::fs::read_dir(path)? {
                if let Ok(name) = entry?.file_name().into_string() {
                    names.push(name);
                }
            }
            Ok(names)
        };
        let mut names = match &self.place {
            Place::Os(runtime) => blocking(runtime, self.path.clone(), list).await?,
            #[cfg(any(test, feature = "testing"))]
            Place::Simulated(disk) => {
                let inside = |path: PathBuf| Some(path.strip_prefix(&self.path).ok()?.to_str()?.to_owned());
                disk.paths().into_iter().filter_map(inside).collect()
            }
        };
        names.sort();
        Ok(names)
    }

    /// Removes a file and makes that durable.
    pub(crate) async fn remove(&self, name: &str) -> io::Result<()> {
        let remove = |path: PathBuf| {
            std::fs::remove_file(&path)?;
            path.parent().map_or(Ok(()), |parent| std::fs::File::open(parent)?.sync_all())
        };
        match &self.place {
            Place::Os(runtime) => blocking(runtime, self.join(name), remove).await,
            #[cfg(any(test, feature = "testing"))]
            Place::Simulated(disk) => disk.remove(self.join(name)),
        }
    }

    /// Makes the names durable: `fsync(2)` of the directory.
    pub(crate) async fn sync(&self) -> io::Result<()> {
        match &self.place {
            Place::Os(runtime) => {
                blocking(runtime, self.path.clone(), |path| std::fs::File::open(path)?.sync_all()).await
            }
            #[cfg(any(test, feature = "testing"))]
            Place::Simulated(_) => Ok(()),
        }
    }

    /// Locks a file against other writers: `flock(2)`, exclusive. The lock belongs to the open file, so it lasts until the last
    /// operation on it has completed, also one whose future was dropped: nobody else writes while the kernel still may.
    /// `false` if the file is locked.
    pub(crate) fn lock(&self, file: &File) -> io::Result<bool> {
        match &self.place {
            Place::Os(_) => {
                let file = file.try_clone_to_std()?;
                match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => Ok(true),
                    Err(Errno::WOULDBLOCK) => Ok(false),
                    Err(error) => Err(error.into()),
                }
            }
            #[cfg(any(test, feature = "testing"))]
            Place::Simulated(_) => Ok(true),
        }
    }
}

async fn blocking<T, F>(runtime: &Handle, path: PathBuf, work: F) -> io::Result<T>
where
    T: Send + 'static,
    F: FnOnce(PathBuf) -> io::Result<T> + Send + 'static,
{
    runtime.spawn_blocking(move || work(path)).await.map_err(io::Error::other)?
}

/// The name of a segment file. The number counts files, not segments: a file is reused for other segments under its name,
/// so that reuse does not change the directory.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:010}{SEGMENT_SUFFIX}")
}

/// The number in the name of a segment file.
pub(crate) fn file_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    let number = digits.parse().ok()?;
    (file_name(number) == name).then_some(number)
}
