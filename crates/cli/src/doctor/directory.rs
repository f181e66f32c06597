//! What the file system and the disk of a directory can do, found out with a small file in it.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustfs_rio::{AlignedBuf, DirectMode, DiskFile, OpenOptions, Refusal, RuntimeError, RuntimeHandle};
use rustix::io::{Errno, ReadWriteFlags};
use serde_json::json;

use super::finding::{Finding, chosen, read};
use crate::bench::machine::{bytes, file_system};

/// Room below which a file system is nearly full; many slow down or fail in surprising ways then.
const FREE_MIN: u64 = 1 << 30;
/// Size of the probe file: a multiple of every alignment in use.
const PROBE_BYTES: usize = 64 * 1024;

/// What Rio's choice of paths depends on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Whether reads of resident data can be asked for without waiting, as far as known.
    pub(super) reads_at_once: Option<bool>,
    /// Whether buffered writes can.
    pub(super) writes_at_once: Option<bool>,
    /// Alignment of direct transfers.
    pub(super) alignment: Option<usize>,
    /// Whether files are memory, so that nothing waits.
    pub(super) is_memory: bool,
}

/// Everything about a directory, and what of it matters for Rio if it is usable.
pub(super) async fn look(path: &Path, handle: &RuntimeHandle) -> (Option<Place>, Vec<Finding>) {
    let mut place = Place::default();
    let directory = match path.canonicalize().and_then(|path| Ok((path.metadata()?, path))) {
        Ok((metadata, directory)) if metadata.is_dir() => directory,
        Ok((_, directory)) => {
            let text = format!("{} is not a directory", directory.display());
            return (None, vec![Finding::problem("path", text, "name a directory with --dir").stopping()]);
        }
        Err(error) => {
            let text = format!("{}: {error}", path.display());
            let remedy = "create it, or name another one with --dir";
            return (None, vec![Finding::problem("path", text, remedy).stopping()]);
        }
    };
    let mut findings = vec![Finding::ok("path", directory.display().to_string())];
    let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mounted = file_system(&mounts, &directory);
    match &mounted {
        Some(mounted) => {
            place.is_memory = matches!(mounted.kind.as_str(), "tmpfs" | "ramfs");
            let text = format!("{} on {}", mounted.kind, mounted.source);
            findings.push(Finding::ok("file system", text).with(mounted.kind.as_str()));
        }
        None => findings.push(Finding::unknown("file system", "the list of mounts does not show it")),
    }
    findings.push(free_space(&directory));
    findings.extend(probe(&directory, handle, &mut place).await);
    if !place.is_memory {
        findings.push(device(&directory, mounted.as_ref().map(|mounted| Path::new(&mounted.source))));
    }
    let is_usable = findings.iter().all(|finding| !finding.stops);
    (is_usable.then_some(place), findings)
}

fn free_space(directory: &Path) -> Finding {
    const NAME: &str = "free space";
    let Ok(space) = rustix::fs::statvfs(directory) else {
        return Finding::unknown(NAME, "the file system does not tell");
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let total = space.f_blocks.saturating_mul(space.f_frsize);
    if total == 0 {
        return Finding::unknown(NAME, "the file system does not tell");
    }
    let text = format!("{} of {}", bytes(free), bytes(total));
    let data = json!({ "free_bytes": free, "total_bytes": total });
    // Some file systems have no table of inodes and report none at all.
    if space.f_files > 0 && space.f_favail == 0 {
        let why = "remove files: no inode is free, so that no file can be created";
        return Finding::problem(NAME, format!("{text}, no inodes"), why).with(data);
    }
    if free < FREE_MIN {
        return Finding::note(NAME, text, "make room: the file system is nearly full").with(data);
    }
    Finding::ok(NAME, text).with(data)
}

/// A file that is removed again whatever happens.
struct Probe(PathBuf);

impl Drop for Probe {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

/// Writes and reads a small file in every way that Rio has.
async fn probe(directory: &Path, handle: &RuntimeHandle, place: &mut Place) -> Vec<Finding> {
    let path = directory.join(format!(".rio-doctor-{}", std::process::id()));
    let options = OpenOptions::new().read(true).write(true).create_new(true);
    let file = match DiskFile::open_with(&path, &options, handle).await {
        Ok(file) => file,
        Err(error) => return vec![cannot_write(&error.into())],
    };
    let _remove = Probe(path.clone());
    if let Err(error) = round_trip(&file).await {
        return vec![cannot_write(&error)];
    }
    let written = Finding::ok("files", "can be created, written, synced and read back");
    let direct = direct(&path, handle, place).await;
    let at_once = at_once(&file, place);
    [written, direct].into_iter().chain(at_once).collect()
}

fn cannot_write(error: &io::Error) -> Finding {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "give this user write access to the directory, or name another one"
        }
        io::ErrorKind::ReadOnlyFilesystem => "mount the file system writable, or name another directory",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room, or name another directory",
        _ => "see to the cause that the text names, or name another directory with --dir",
    };
    Finding::problem("files", error.to_string(), remedy).stopping()
}

/// Writes, syncs, reads and compares.
async fn round_trip(file: &DiskFile) -> io::Result<()> {
    // Bytes of which no two blocks are alike.
    let pattern = |index: usize| (index ^ (index >> 8)) as u8;
    let mut data = AlignedBuf::with_alignment(PROBE_BYTES, PROBE_BYTES)?;
    data.extend_from_slice(&(0..PROBE_BYTES).map(pattern).collect::<Vec<_>>());
    let (written, data) = file.write_from(data, 0).await;
    written?;
    file.engine_file().sync_data().await?;
    let read = file.read_range(0, PROBE_BYTES as u64).await?;
    if read[..] == data[..] {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "what was read differs from what was written"))
}

async fn direct(path: &Path, handle: &RuntimeHandle, place: &mut Place) -> Finding {
    const NAME: &str = "direct I/O";
    let options = OpenOptions::new().read(true).write(true).direct(DirectMode::On);
    let opened = DiskFile::open_with(path, &options, handle).await;
    let file = match opened.map_err(|error: RuntimeError| io::Error::from(error)) {
        Ok(file) => file,
        Err(error) => return no_direct(NAME, &error),
    };
    if let Err(error) = round_trip(&file).await {
        return Finding::problem(NAME, error.to_string(), "use DirectMode::Off here");
    }
    place.alignment = file.direct_alignment();
    match place.alignment {
        Some(alignment) => {
            let memory = if place.is_memory { "; means nothing here, files are memory" } else { "" };
            let text = format!("works, aligned to {alignment} bytes{memory}");
            Finding::ok(NAME, text).with(json!({ "alignment": alignment }))
        }
        None => Finding::unknown(NAME, "the file was opened, but not for direct I/O"),
    }
}

fn no_direct(name: &'static str, error: &io::Error) -> Finding {
    let is_unsupported = error.kind() == io::ErrorKind::Unsupported
        || error.get_ref().is_some_and(|inner| inner.to_string().contains(&Refusal::NoDirectIo.to_string()));
    if is_unsupported {
        let why = "use DirectMode::Off or Auto here, or a file system with direct I/O (ext4, xfs, btrfs)";
        return Finding::note(name, "the file system has none", why);
    }
    Finding::problem(name, error.to_string(), "use DirectMode::Off here")
}

/// Whether the file system answers reads and writes at once instead of waiting, when it is asked to.
fn at_once(file: &DiskFile, place: &mut Place) -> [Finding; 2] {
    const READS: &str = "resident reads";
    const WRITES: &str = "buffered writes";
    let plain = match file.engine_file().try_clone_to_std() {
        Ok(plain) => plain,
        Err(error) => {
            let unknown = |name| Finding::unknown(name, &error.to_string());
            return [unknown(READS), unknown(WRITES)];
        }
    };
    let mut block = [0u8; 4096];
    let read = rustix::io::preadv2(&plain, &mut [IoSliceMut::new(&mut block)], 0, ReadWriteFlags::NOWAIT);
    let write = rustix::io::pwritev2(&plain, &[IoSlice::new(&block)], 0, ReadWriteFlags::NOWAIT);
    place.reads_at_once = answers(read);
    place.writes_at_once = answers(write);
    let memory = place.is_memory;
    let rate = |name, answer, otherwise: &str| match answer {
        Some(true) => Finding::ok(name, "can be tried without waiting (RWF_NOWAIT)").with(true),
        Some(false) if memory => Finding::ok(name, "need not wait: files are memory").with(false),
        Some(false) => Finding::ok(name, otherwise).with(false),
        None => Finding::unknown(name, "the file system failed to answer"),
    };
    [
        rate(
            READS,
            place.reads_at_once,
            "cannot be tried without waiting, so they go through a ring or a thread",
        ),
        rate(WRITES, place.writes_at_once, "cannot be tried without waiting, so they go to threads"),
    ]
}

fn answers(result: Result<usize, Errno>) -> Option<bool> {
    match result {
        // `AGAIN` is an answer: it would have to wait.
        Ok(_) | Err(Errno::AGAIN) => Some(true),
        Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => Some(false),
        Err(_) => None,
    }
}

/// The disk below a directory, as far as sysfs shows one.
fn device(directory: &Path, source: Option<&Path>) -> Finding {
    const NAME: &str = "block device";
    let own = directory.metadata().ok().map(|metadata| metadata.dev());
    // btrfs and the like have numbers of their own; their mounts name the device.
    let named = source.filter(|source| source.starts_with("/dev")).and_then(|source| source.metadata().ok());
    let numbers = own.into_iter().chain(named.map(|metadata| metadata.rdev()));
    let Some(disk) = numbers.filter_map(disk).next() else {
        return Finding::ok(NAME, "none of its own (network, memory, or a layer above another file system)");
    };
    let name = disk.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let queue = disk.join("queue");
    let setting = |file: &str| read(queue.join(file));
    let scheduler = setting("scheduler").map(|text| chosen(&text).unwrap_or(&text).to_owned());
    let spins = setting("rotational").is_some_and(|text| text == "1");
    let parts = [
        Some(name.clone()),
        scheduler.as_ref().map(|value| format!("scheduler {value}")),
        setting("nr_requests").map(|value| format!("queue of {value} requests")),
        setting("read_ahead_kb").map(|value| format!("read-ahead of {value} KiB")),
        setting("logical_block_size").map(|value| format!("blocks of {value} bytes")),
        setting("write_cache").map(|value| format!("cache: {value}")),
        spins.then(|| "reports that it rotates".to_owned()),
    ];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let number = |file: &str| setting(file).and_then(|text| text.parse::<u64>().ok());
    let data = json!({
        "name": name, "scheduler": scheduler, "rotational": spins, "queue_requests": number("nr_requests"),
        "read_ahead_kib": number("read_ahead_kb"), "logical_block_bytes": number("logical_block_size"),
        "write_cache": setting("write_cache"),
    });
    Finding::ok(NAME, text).with(data)
}

/// The whole disk behind a device number, in sysfs.
fn disk(number: u64) -> Option<PathBuf> {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let device = Path::new("/sys/dev/block").join(format!("{major}:{minor}")).canonicalize().ok()?;
    if device.join("partition").exists() { device.parent().map(Path::to_owned) } else { Some(device) }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Rating;
    use super::*;

    fn look_at(path: &Path) -> (Option<Place>, Vec<Finding>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let handle = RuntimeHandle::new_tokio();
            let found = look(path, &handle).await;
            assert!(handle.shutdown(super::super::SHUTDOWN).await.is_clean());
            found
        })
    }

    #[test]
    fn a_usable_directory_is_left_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let (place, findings) = look_at(directory.path());
        assert!(place.is_some());
        assert!(findings.iter().all(|finding| !finding.stops), "{findings:?}");
        assert!(findings.iter().any(|finding| finding.name == "files" && finding.rating == Rating::Ok));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_missing_or_no_directory_stops() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (path, text) in [(directory.path().join("missing"), "No such file"), (file, "not a directory")] {
            let (place, findings) = look_at(&path);
            assert_eq!(place, None);
            assert!(findings.len() == 1 && findings[0].stops, "{findings:?}");
            assert!(findings[0].value.contains(text), "{findings:?}");
        }
    }

    #[test]
    fn answers_are_told_from_refusals() {
        assert_eq!(answers(Ok(4096)), Some(true));
        assert_eq!(answers(Err(Errno::AGAIN)), Some(true));
        assert_eq!(answers(Err(Errno::OPNOTSUPP)), Some(false));
        assert_eq!(answers(Err(Errno::IO)), None);
    }

    #[test]
    fn failures_to_write_come_with_the_remedy_for_their_kind() {
        let remedy = |kind| cannot_write(&io::Error::from(kind)).remedy.unwrap();
        assert!(remedy(io::ErrorKind::PermissionDenied).contains("write access"));
        assert!(remedy(io::ErrorKind::ReadOnlyFilesystem).contains("writable"));
        assert!(remedy(io::ErrorKind::StorageFull).contains("room"));
    }
}
