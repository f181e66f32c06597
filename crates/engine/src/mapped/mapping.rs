//! One window of a file in memory.

use super::error::MappedError;
use super::fault::Region;
use super::stamp::Stamp;
use crate::inline::CHUNK_BYTES;
use crate::sync::{Ordering, compiler_fence, fence};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Pages of the longest copy: it may start and end inside a page. Pages are at least this large.
const PAGES_MAX: usize = CHUNK_BYTES / 4096 + 1;

/// A place in the handler's table, and the window that it watches over.
#[derive(Debug)]
pub(super) struct Mapping {
    region: Region,
    window: Option<Window>,
}

#[derive(Debug)]
struct Window {
    base: NonNull<u8>,
    len: usize,
    /// Offset of the first byte in the file.
    start: u64,
    stamp: Stamp,
}

// SAFETY: the memory belongs to this value alone and is only read, by whoever owns the value.
unsafe impl Send for Mapping {}
// SAFETY: shared references give out lengths and stamps, never the memory.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Takes a place in the table.
    pub(super) fn reserve() -> Result<Self, MappedError> {
        let region = Region::reserve().ok_or(MappedError::TooManyFiles)?;
        Ok(Self { region, window: None })
    }

    /// Bytes mapped now.
    pub(super) fn len(&self) -> usize {
        self.window.as_ref().map_or(0, |window| window.len)
    }

    /// What the file was like when the window was mapped.
    pub(super) fn stamp(&self) -> Option<&Stamp> {
        self.window.as_ref().map(|window| &window.stamp)
    }

    /// Whether the window holds the byte at `offset` of the file.
    pub(super) fn covers(&self, offset: u64) -> bool {
        self.window.as_ref().is_some_and(|window| window.available(offset) > 0)
    }

    /// Maps a window that begins with the page around `offset`. `false` if there is nothing to map, or the kernel refuses.
    pub(super) fn map(&mut self, fd: i32, offset: u64, bytes: usize, stamp: Stamp) -> bool {
        self.unmap();
        if offset >= stamp.size() {
            return false;
        }
        let page = rustix::param::page_size();
        let start = offset - offset % page as u64;
        let left = usize::try_from(stamp.size() - start).unwrap_or(usize::MAX);
        let len = left.min(bytes).next_multiple_of(page);
        // SAFETY: a new mapping at an address that the kernel chooses. The file's owner keeps the descriptor open during the
        // call; afterwards the mapping stands for itself.
        let base = unsafe {
            libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ, libc::MAP_SHARED, fd, start as i64)
        };
        let Some(base) = NonNull::new(base.cast::<u8>()).filter(|_| base != libc::MAP_FAILED) else {
            return false;
        };
        // A stream passes by once: its pages must not count as used again when they are unmapped. Only advice.
        // SAFETY: the range was just mapped.
        unsafe { libc::madvise(base.as_ptr().cast(), len, libc::MADV_SEQUENTIAL) };
        self.region.enter(base.as_ptr() as usize, len);
        self.window = Some(Window { base, len, start, stamp });
        true
    }

    /// Copies what the window holds from `offset` on to the front of `out`, and returns how much that was: 0 if not all of
    /// it is resident. `None` if a page was missing; what was copied is then not the file's content.
    ///
    /// The handler must be in place, see [`is_handled`](super::fault::is_handled).
    pub(super) fn copy_resident(&mut self, out: &mut [MaybeUninit<u8>], offset: u64) -> Option<usize> {
        let Some(window) = &self.window else { return Some(0) };
        let count = out.len().min(CHUNK_BYTES).min(window.available(offset));
        let skip = offset.saturating_sub(window.start) as usize;
        if count == 0 || !window.is_resident(skip, count) {
            return Some(0);
        }
        // SAFETY: `available` says that the window holds the bytes, and `out` is at least `count` long.
        unsafe { window.copy_out(skip, count, out.as_mut_ptr().cast::<u8>()) };
        (!self.region.is_poisoned()).then_some(count)
    }

    /// Gives the window back.
    pub(super) fn unmap(&mut self) {
        let Some(window) = self.window.take() else { return };
        self.region.leave();
        // SAFETY: the range that `map` got, or the zeros that the handler put in its place; nobody else has its address.
        unsafe { libc::munmap(window.base.as_ptr().cast(), window.len) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.unmap();
    }
}

impl Window {
    /// Bytes of the file from `offset` on that are in the window.
    fn available(&self, offset: u64) -> usize {
        let end = (self.start + self.len as u64).min(self.stamp.size());
        if offset < self.start { 0 } else { end.saturating_sub(offset) as usize }
    }

    /// Copies a range of the window. What arrives is the file's content only if the window is not poisoned afterwards and
    /// the file did not change.
    ///
    /// # Safety
    ///
    /// `skip + count` is at most the window's length, and `to` is valid for writes of `count` bytes.
    unsafe fn copy_out(&self, skip: usize, count: usize, to: *mut u8) {
        // SAFETY: the ranges are the caller's promise; they do not overlap, since the mapping is reachable through this value
        // only. Other processes may change the bytes meanwhile: no reference is made and every value is a valid `u8`, so the
        // copy gets some mixture. If a page is missing, the handler puts another one there and the copy goes on.
        unsafe { std::ptr::copy_nonoverlapping(self.base.as_ptr().add(skip), to, count) };
        // The mark, set by the handler on this thread, and the stamp, set elsewhere, are looked at after the bytes.
        compiler_fence(Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Whether touching the range would not wait for a device.
    fn is_resident(&self, skip: usize, count: usize) -> bool {
        let page = rustix::param::page_size();
        let first = skip - skip % page;
        let len = skip + count - first;
        let pages = len.div_ceil(page);
        let mut resident = [0u8; PAGES_MAX];
        if pages > PAGES_MAX {
            return false;
        }
        // SAFETY: the range lies in the mapping, and the array has a byte for each of its pages.
        let result =
            unsafe { libc::mincore(self.base.as_ptr().add(first).cast(), len, resident.as_mut_ptr().cast()) };
        // The other bits are reserved.
        result == 0 && resident[..pages].iter().all(|page| page & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault;
    use super::*;
    use crate::{Engine, EngineConfig, File, OpenOptions};
    use std::time::Duration;

    const LEN: usize = 64 * 1024;

    /// A file of ones, old enough to be mapped, with its mapping.
    async fn mapped(path: &std::path::Path) -> (File, Mapping) {
        std::fs::write(path, vec![1; LEN]).unwrap();
        let engine = Engine::new(EngineConfig::default()).unwrap();
        let file = engine.open(path, &OpenOptions::new().read(true)).await.unwrap();
        assert!(fault::install());
        let (stamp, _) = Stamp::of(&file).unwrap();
        let mut mapping = Mapping::reserve().unwrap();
        assert!(mapping.map(file.fd(), 0, 1 << 20, stamp));
        (file, mapping)
    }

    fn copy(mapping: &mut Mapping, offset: u64) -> (Option<usize>, Vec<u8>) {
        let mut out: Vec<u8> = Vec::with_capacity(4096);
        let count = mapping.copy_resident(&mut out.spare_capacity_mut()[..4096], offset);
        // SAFETY: so many bytes were copied.
        unsafe { out.set_len(count.unwrap_or(0)) };
        (count, out)
    }

    #[tokio::test]
    async fn a_missing_page_is_reported_and_not_a_signal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let (_file, mut mapping) = mapped(&path).await;
        assert_eq!(mapping.len(), LEN);
        assert_eq!(copy(&mut mapping, 4096), (Some(4096), vec![1; 4096]));
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(4096).unwrap();
        let window = mapping.window.as_ref().unwrap();
        // Without asking for residency, as if the file had been truncated between question and copy.
        let mut bytes = [1u8; 8192];
        // SAFETY: inside the window, and as long as the array.
        unsafe { window.copy_out(8192, 8192, bytes.as_mut_ptr()) };
        assert_eq!(bytes, [0; 8192]);
        assert!(mapping.region.is_poisoned());
        mapping.unmap();
        assert_eq!(mapping.len(), 0);
        assert!(fault::is_handled());
    }

    #[tokio::test]
    async fn a_new_window_starts_unmarked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let (file, mut mapping) = mapped(&path).await;
        let handle = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        handle.set_len(0).unwrap();
        let mut byte = 1u8;
        // SAFETY: inside the window.
        unsafe { mapping.window.as_ref().unwrap().copy_out(0, 1, &raw mut byte) };
        assert!(mapping.region.is_poisoned());
        std::fs::write(&path, vec![2; LEN]).unwrap();
        let (stamp, _) = Stamp::of(&file).unwrap();
        assert!(mapping.map(file.fd(), 5000, 1 << 20, stamp));
        assert_eq!(mapping.window.as_ref().unwrap().start, 4096);
        assert_eq!(copy(&mut mapping, 5000), (Some(4096), vec![2; 4096]));
        assert!(!mapping.covers(4095) && mapping.covers(4096));
        assert!(mapping.covers(LEN as u64 - 1) && !mapping.covers(LEN as u64));
    }

    #[tokio::test]
    async fn threads_with_the_signal_blocked_are_recognised() {
        let directory = tempfile::tempdir().unwrap();
        let _mapped = mapped(&directory.path().join("file")).await;
        let is_handled = std::thread::spawn(|| {
            // SAFETY: all-zero bytes are a valid `sigset_t`; changes the mask of this thread only.
            unsafe {
                let mut mask: libc::sigset_t = std::mem::zeroed();
                libc::sigaddset(&raw mut mask, libc::SIGBUS);
                libc::pthread_sigmask(libc::SIG_BLOCK, &raw const mask, std::ptr::null_mut());
            }
            fault::is_handled()
        });
        assert!(!is_handled.join().unwrap());
        assert!(fault::is_handled());
    }

    /// The clock of time stamps advances, so that a change after a pause shows.
    #[tokio::test]
    async fn stamps_tell_a_file_that_shrank_and_grew_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let (file, _mapping) = mapped(&path).await;
        let settled = loop {
            let (stamp, _) = Stamp::of(&file).unwrap();
            if stamp.shows_changes() {
                break stamp;
            }
            // why: only time makes a time stamp old
            std::thread::sleep(Duration::from_millis(1));
        };
        let handle = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        handle.set_len(10).unwrap();
        handle.set_len(LEN as u64).unwrap();
        let (now, _) = Stamp::of(&file).unwrap();
        assert_eq!(now.size(), settled.size());
        assert_ne!(now, settled);
        assert!(!now.shows_changes());
    }
}
