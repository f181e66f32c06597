//! Puts the page cache into a known state before a run.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};

use crate::{CachePolicy, Cancel, DataFile, LoadError, MIB};

/// The unit of residency. Larger pages exist, and then this asks the same page more than once.
const PAGE: u64 = 4096;
/// Checked and read at once while the cache is filled; every test file is a multiple of it.
const CHUNK: u64 = MIB as u64;
/// A file counts as cached when this share of its pages is resident: the kernel may take back a few at any time, and
/// reading a thousandth from the device would show in `device_read_bytes`.
const RESIDENT_PARTS: u64 = 999;
const RESIDENT_PARTS_OF: u64 = 1000;
/// The first pass fills a dropped cache and the second finds it full; more are for gaps behind a pass.
const WARM_PASSES_MAX: usize = 6;

/// Brings the file's pages into the state that `policy` asks for. Dirty pages are written back first in both cases, so
/// that no run pays for the writes of the one before.
pub fn prepare(data: &DataFile, policy: CachePolicy, cancel: &Cancel) -> Result<(), LoadError> {
    let file = File::open(&data.path).map_err(LoadError::io("open", &data.path))?;
    file.sync_data().map_err(LoadError::io("sync", &data.path))?;
    match policy {
        CachePolicy::Warm => warm(&file, data, cancel),
        CachePolicy::Dropped => drop_pages(&file, &data.path),
    }
}

/// Reads what is missing until nearly all is resident. The kernel may take pages back at any moment, for reasons that
/// have nothing to do with this file, so one pass can find gaps behind it.
fn warm(file: &File, data: &DataFile, cancel: &Cancel) -> Result<(), LoadError> {
    let mut chunk = vec![0; CHUNK as usize];
    let mut resident = 0;
    for _ in 0..WARM_PASSES_MAX {
        resident = 0;
        for offset in (0..data.size).step_by(CHUNK as usize) {
            cancel.check()?;
            let there = resident_bytes(file, offset).map_err(LoadError::io("read", &data.path))?;
            if there < CHUNK {
                file.read_exact_at(&mut chunk, offset).map_err(LoadError::io("read", &data.path))?;
            }
            resident += there;
        }
        if resident >= data.size / RESIDENT_PARTS_OF * RESIDENT_PARTS {
            return Ok(());
        }
    }
    Err(LoadError::NotCached { path: data.path.clone(), resident, size: data.size })
}

/// Counts the resident bytes of a chunk by reading one byte of each page in a way that the kernel refuses where it
/// would have to wait (`RWF_NOWAIT`, Linux 4.14). Where the file system knows no such reads, the answer is that all is
/// resident: those (tmpfs among them, on old kernels) hold their files in memory.
fn resident_bytes(file: &File, start: u64) -> io::Result<u64> {
    let mut resident = 0;
    let mut byte = [0_u8; 1];
    for offset in (start..start + CHUNK).step_by(PAGE as usize) {
        let mut parts = [IoSliceMut::new(&mut byte)];
        match rustix::io::preadv2(file, &mut parts, offset, ReadWriteFlags::NOWAIT) {
            Ok(_) => resident += PAGE,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(Errno::OPNOTSUPP) => return Ok(CHUNK),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(resident)
}

fn drop_pages(file: &File, path: &Path) -> Result<(), LoadError> {
    rustix::fs::fadvise(file, 0, None, Advice::DontNeed)
        .map_err(|errno| LoadError::io("drop the cached pages of", path)(errno.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dataset;

    #[test]
    fn warm_is_resident_also_after_a_drop() {
        let parent = tempfile::tempdir().unwrap();
        let cancel = Cancel::new();
        let dataset = Dataset::create(parent.path(), 8 * CHUNK, 1, &cancel, &mut |_| {}).unwrap();
        let file = File::open(&dataset.file().path).unwrap();
        prepare(dataset.file(), CachePolicy::Warm, &cancel).unwrap();
        let resident: u64 = (0..8).map(|chunk| resident_bytes(&file, chunk * CHUNK).unwrap()).sum();
        assert!(resident >= 8 * CHUNK / RESIDENT_PARTS_OF * RESIDENT_PARTS, "{resident}");
        prepare(dataset.file(), CachePolicy::Dropped, &cancel).unwrap();
        prepare(dataset.file(), CachePolicy::Warm, &cancel).unwrap();
    }
}
