//! Directories that files were created in, and whether their disks are nearly full.

use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Directories at most; more are not watched.
const PLACES_MAX: usize = 64;
/// Nearly full below both of these, and no longer at either of the second.
const FULL_SHARE: f64 = 0.02;
const FULL_BYTES: u64 = 1 << 30;
const ROOM_SHARE: f64 = 0.03;
const ROOM_BYTES: u64 = 3 << 29;

/// Free and all bytes of the file system that a directory is on.
type Ask = dyn Fn(&Path) -> io::Result<(u64, u64)> + Send + Sync;

#[derive(Debug)]
struct Place {
    directory: PathBuf,
    full: Option<String>,
}

/// The directories of a runtime.
pub(crate) struct Places {
    all: Arc<Mutex<Vec<Place>>>,
    any_full: AtomicBool,
    /// Somebody looks. While nobody does nothing is noted and nothing refused.
    watched: AtomicBool,
    /// A look is under way, perhaps on a device that does not answer.
    looks: Arc<AtomicBool>,
    ask: Arc<Ask>,
}

impl Default for Places {
    fn default() -> Self {
        Self::asking(|directory| {
            let space = rustix::fs::statvfs(directory)?;
            Ok((space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize))
        })
    }
}

impl Places {
    pub(crate) fn asking(ask: impl Fn(&Path) -> io::Result<(u64, u64)> + Send + Sync + 'static) -> Self {
        Self {
            all: Arc::default(),
            any_full: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            looks: Arc::default(),
            ask: Arc::new(ask),
        }
    }

    /// Begins, or ends and forgets everything.
    pub(super) fn watch(&self, is_watched: bool) {
        self.watched.store(is_watched, Ordering::Relaxed);
        if !is_watched {
            self.all.lock().clear();
            self.any_full.store(false, Ordering::Relaxed);
        }
    }

    /// Notes that a file is about to be created here.
    ///
    /// # Errors
    ///
    /// `StorageFull` while the disk is nearly full.
    pub(crate) fn enter(&self, file: &Path) -> io::Result<()> {
        if !self.watched.load(Ordering::Relaxed) {
            return Ok(());
        }
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let mut all = self.all.lock();
        match all.iter().find(|place| place.directory == directory) {
            Some(Place { full: Some(how), .. }) => {
                let text = format!("{how}; no files are created there until space is free again");
                Err(io::Error::new(io::ErrorKind::StorageFull, text))
            }
            Some(_) => Ok(()),
            None => {
                if all.len() < PLACES_MAX {
                    all.push(Place { directory: directory.to_owned(), full: None });
                }
                Ok(())
            }
        }
    }

    /// A disk that is nearly full, in words.
    pub(super) fn full(&self) -> Option<String> {
        if !self.any_full.load(Ordering::Relaxed) {
            return None;
        }
        self.all.lock().iter().find_map(|place| place.full.clone())
    }

    /// Asks the file systems, on a thread. A look that is still under way is not joined by another.
    pub(super) async fn look(&self) {
        let directories: Vec<PathBuf> = self.all.lock().iter().map(|place| place.directory.clone()).collect();
        if directories.is_empty() || self.looks.swap(true, Ordering::AcqRel) {
            return;
        }
        let (all, looks, ask) = (Arc::clone(&self.all), Arc::clone(&self.looks), Arc::clone(&self.ask));
        let work = move || {
            for directory in directories {
                let Ok((free, total)) = ask(&directory) else { continue };
                let mut all = all.lock();
                if let Some(place) = all.iter_mut().find(|place| place.directory == directory) {
                    place.full = judge(place.full.is_some(), &directory, free, total);
                }
            }
            looks.store(false, Ordering::Release);
        };
        // A device that hangs keeps the thread, not this task.
        let looking = tokio::task::spawn_blocking(work);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(200), looking).await;
        let any = self.all.lock().iter().any(|place| place.full.is_some());
        self.any_full.store(any, Ordering::Relaxed);
    }
}

fn judge(was_full: bool, directory: &Path, free: u64, total: u64) -> Option<String> {
    let (share, bytes) = if was_full { (ROOM_SHARE, ROOM_BYTES) } else { (FULL_SHARE, FULL_BYTES) };
    let is_full = (free as f64) < total as f64 * share && free < bytes;
    is_full.then(|| format!("{} has {} MiB free of {} MiB", directory.display(), free >> 20, total >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[tokio::test]
    async fn a_full_disk_refuses_new_files_until_there_is_room() {
        let free = Arc::new(AtomicU64::new(1 << 40));
        let asked = Arc::clone(&free);
        let places = Places::asking(move |_| Ok((asked.load(Ordering::Relaxed), 1 << 41)));
        let file = Path::new("/data/object");
        assert!(places.enter(file).is_ok());
        assert!(places.all.lock().is_empty(), "nobody looks, so nothing is noted");
        places.watch(true);
        assert!(places.enter(file).is_ok());
        places.look().await;
        assert!(places.full().is_none() && places.enter(file).is_ok());
        free.store(100 << 20, Ordering::Relaxed);
        places.look().await;
        let refused = places.enter(file).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert!(refused.to_string().contains("/data has 100 MiB free of 2097152 MiB"), "{refused}");
        assert!(places.enter(Path::new("/other/object")).is_ok(), "another disk");
        free.store(1200 << 20, Ordering::Relaxed);
        places.look().await;
        assert!(places.enter(file).is_err(), "not before there is room to spare");
        free.store(2 << 30, Ordering::Relaxed);
        places.look().await;
        assert!(places.enter(file).is_ok() && places.full().is_none());
        free.store(0, Ordering::Relaxed);
        places.look().await;
        assert!(places.enter(file).is_err());
        places.watch(false);
        assert!(
            places.enter(file).is_ok() && places.full().is_none(),
            "nobody would find out that there is room"
        );
    }
}
