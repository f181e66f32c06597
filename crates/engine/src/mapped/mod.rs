//! Memory-mapped reading of large files from front to back.
//!
//! A [`MappedFile`] maps one window of a file at a time and copies out of it, on the calling task, what is resident. What
//! is not resident, and whatever the mapping cannot be trusted with, is read through [`File::read_at`]; so the mapping is
//! a shortcut that may be refused at any moment, never the only way.
//!
//! A mapping has three hazards that `read(2)` does not have. Each is ruled out here:
//!
//! * Another process truncates the file: touching a page beyond the end raises `SIGBUS`. A process-wide handler
//!   (`fault`) puts zeros in the place of the window, marks it, and the bytes are read again through the file.
//! * The end of the file moves into a page: the rest of that page reads as zeros, without a signal. After each copy the
//!   file's size and change time are compared with those at mapping time (`stamp`), and the copy counts only if nothing
//!   changed; a file that changed a moment ago is not mapped, because its time stamp could not show another change.
//! * Other processes change the bytes while they are looked at: no reference to the mapping exists, bytes are only copied.
//!
//! Parts: `fault`: the handler and its table of regions. `mapping`: one window. `stamp`: whether a file changed.
//! `error`: what cannot be done.
//!
//! Bounds: one window per file, [`WINDOW_MAX`] bytes at most, [`MAPPED_FILES_MAX`] files in the process.

mod error;
mod fault;
mod mapping;
mod stamp;

pub use error::MappedError;

use crate::engine::fail;
use crate::file::File;
use crate::inline::{self, Readiness};
use crate::op::OpKind;
use crate::open::Access;
use crate::shared::Route;
use crate::sync::Ordering;
use mapping::Mapping;
use rustfs_rio_buf::{IoBufMut, Slice};
use stamp::Stamp;
use std::io;
use std::mem::MaybeUninit;

/// Default size of the window: large enough that mapping costs nothing per byte, small enough that unmapping, which
/// happens on the calling task, takes some 100 us (12 us per MiB were measured).
pub const WINDOW_DEFAULT: usize = 8 << 20;
/// Smallest window: what is copied in one go.
pub const WINDOW_MIN: usize = inline::CHUNK_BYTES;
/// Largest window; unmapping it holds the calling task for about 1 ms.
pub const WINDOW_MAX: usize = 64 << 20;
/// Shorter reads go through the file where that is possible without waiting: the questions around a copy from the mapping
/// cost 2 us, a read of 4 KiB from the page cache less than 1 us.
const COPY_MIN: usize = 64 * 1024;
/// Mapped files that may exist in the process at the same time; the handler has room for no more.
pub const MAPPED_FILES_MAX: usize = fault::REGIONS_MAX;

/// A file that is read from front to back through a memory-mapped window.
///
/// For one reader: further readers open further ones. The window follows the reads; any offset may be read, but a window
/// that has to move at each read is a loss.
///
/// On file systems that answer reads without waiting (ext4, xfs, btrfs) it is slower than [`File::read_at`], 0.66 to 0.98 of
/// its rate (decision 0005 and the example `mapped_reading`); take it where the file system cannot, and a read would be
/// handed to another thread.
#[derive(Debug)]
pub struct MappedFile {
    file: File,
    mapping: Result<Mapping, &'static str>,
    window_bytes: usize,
    size: u64,
    position: u64,
    stats: MappedStats,
}

/// What a [`MappedFile`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MappedStats {
    /// Bytes copied out of the mapping.
    pub copied_bytes: u64,
    /// Bytes read through the file instead.
    pub read_bytes: u64,
    /// Windows that were mapped.
    pub windows: u64,
    /// Copies that were given up because the file changed.
    pub changes: u64,
    /// Copies that hit a page which the file system could not provide.
    pub faults: u64,
}

impl MappedFile {
    /// Prepares reading with windows of [`WINDOW_DEFAULT`] bytes.
    ///
    /// The first call in a process installs a handler for `SIGBUS`, which passes on what is not its own.
    ///
    /// # Errors
    ///
    /// [`MappedError`] for something that is not a regular file or is open for direct I/O, and beyond
    /// [`MAPPED_FILES_MAX`]; a refusal for a handle without read access. Where the machine or the file system does not
    /// allow a mapping that is safe, this is no error: see [`unmapped_because`](Self::unmapped_because).
    pub fn open(file: &File) -> io::Result<Self> {
        Self::with_window(file, WINDOW_DEFAULT)
    }

    /// As [`open`](Self::open), with windows of `bytes` bytes, rounded up to whole pages.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); [`MappedError::Window`] outside [`WINDOW_MIN`] to [`WINDOW_MAX`].
    pub fn with_window(file: &File, bytes: usize) -> io::Result<Self> {
        let context = |error: io::Error| fail(error, OpKind::Open, file.path(), None, 0);
        if !(WINDOW_MIN..=WINDOW_MAX).contains(&bytes) {
            return Err(context(MappedError::Window { bytes }.into()));
        }
        file.check(OpKind::Read, 0, 0)?;
        if file.direct_alignment().is_some() {
            return Err(context(MappedError::Direct.into()));
        }
        let (stamp, attributes) = Stamp::of(file).map_err(context)?;
        if attributes.st_mode & libc::S_IFMT != libc::S_IFREG {
            return Err(context(MappedError::NotAFile.into()));
        }
        let mapping = match obstacle(file, &attributes) {
            Some(reason) => Err(reason),
            None => Ok(Mapping::reserve().map_err(|error| context(error.into()))?),
        };
        let window_bytes = bytes.next_multiple_of(rustix::param::page_size());
        let stats = MappedStats::default();
        Ok(Self { file: file.clone(), mapping, window_bytes, size: stamp.size(), position: 0, stats })
    }

    /// The size that reads rely on: that at opening, or the end of what was read since, or the size at the last
    /// [`refresh`](Self::refresh).
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes note of the current size, and returns it. Ends the errors that follow a truncation.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub fn refresh(&mut self) -> io::Result<u64> {
        let stamp =
            Stamp::of(&self.file).map_err(|error| fail(error, OpKind::Statx, self.file.path(), None, 0))?.0;
        self.size = stamp.size();
        Ok(self.size)
    }

    /// Bytes mapped now: at most the window.
    #[must_use]
    pub fn mapped_bytes(&self) -> usize {
        self.mapping.as_ref().map_or(0, Mapping::len)
    }

    /// Why nothing is ever mapped and all reads go through the file; `None` if the file may be mapped.
    #[must_use]
    pub fn unmapped_because(&self) -> Option<&'static str> {
        self.mapping.as_ref().err().copied()
    }

    /// Counters since opening.
    #[must_use]
    pub fn stats(&self) -> MappedStats {
        self.stats
    }

    /// Where [`read_next`](Self::read_next) goes on.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Lets [`read_next`](Self::read_next) go on at `offset`.
    pub fn seek(&mut self, offset: u64) {
        self.position = offset;
    }

    /// Reads into `buf` from `offset` on, up to the buffer's capacity, and hands it back whatever happens. The count is
    /// below the capacity only at end of file.
    ///
    /// # Errors
    ///
    /// As [`File::read_at`]; [`MappedError::Truncated`] if the file ends before bytes that were there earlier.
    pub async fn read_at<B: IoBufMut>(&mut self, mut buf: B, offset: u64) -> (io::Result<usize>, B) {
        let len = buf.bytes_total();
        if let Err(error) = self.file.check(OpKind::Read, offset, len as u64) {
            return (Err(error), buf);
        }
        let mut done = self.copy_resident(writable(&mut buf), offset).await;
        // SAFETY: that many bytes were copied to the front of the buffer.
        unsafe { buf.set_init(done) };
        if done < len {
            let rest = Slice::of_capacity(buf, done, len);
            let (result, rest) = self.file.read_at(rest, offset + done as u64).await;
            buf = rest.into_inner();
            match result {
                Ok(count) => done = self.count_read(done, count),
                Err(error) => return (Err(self.file.after(error, done)), buf),
            }
        }
        (self.finish(offset, len, done), buf)
    }

    /// Fills `buf` from `offset` on. What cannot be copied from the mapping is copied once more than with
    /// [`read_at`](Self::read_at).
    ///
    /// # Errors
    ///
    /// As [`read_at`](Self::read_at).
    pub async fn read_slice_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = buf.len();
        self.file.check(OpKind::Read, offset, len as u64)?;
        let mut done = self.copy_resident(uninitialised(buf), offset).await;
        if done < len {
            let rest = self.file.read_slice_at(&mut buf[done..], offset + done as u64).await;
            let count = rest.map_err(|error| self.file.after(error, done))?;
            done = self.count_read(done, count);
        }
        self.finish(offset, len, done)
    }

    /// Reads the bytes after those of the previous call, and moves on. `Ok(0)` with a buffer that has room is the end of
    /// the file.
    ///
    /// # Errors
    ///
    /// As [`read_at`](Self::read_at); the position then stays.
    pub async fn read_next<B: IoBufMut>(&mut self, buf: B) -> (io::Result<usize>, B) {
        let (result, buf) = self.read_at(buf, self.position).await;
        if let Ok(count) = &result {
            self.position += *count as u64;
        }
        (result, buf)
    }

    /// Copies from the front what is resident, with yields as the task's budget demands, and returns how much that was.
    async fn copy_resident(&mut self, out: &mut [MaybeUninit<u8>], offset: u64) -> usize {
        let mut done = 0;
        let readable = self.file.core.read_readiness.load(Ordering::Relaxed) != Readiness::Never as u8;
        if out.len() < COPY_MIN && readable {
            return 0;
        }
        while done < out.len() {
            inline::budget().await;
            let want = (out.len() - done).min(inline::CHUNK_BYTES);
            let count = self.copy(&mut out[done..done + want], offset + done as u64);
            if count == 0 {
                break;
            }
            inline::charge(count);
            done += count;
        }
        if done > 0 {
            self.stats.copied_bytes += done as u64;
            let core = &self.file.engine.core;
            core.counters.count(OpKind::Read, Route::Inline, done);
            core.recording.copied(OpKind::Read, self.file.core.class, done);
        }
        done
    }

    /// Copies the front of `out` from the mapping, without waiting; 0 if that cannot be done or not be trusted.
    fn copy(&mut self, out: &mut [MaybeUninit<u8>], offset: u64) -> usize {
        let Ok(mapping) = &mut self.mapping else { return 0 };
        if !fault::is_handled() {
            return 0;
        }
        if !mapping.covers(offset) {
            mapping.unmap();
            let Ok((stamp, _)) = Stamp::of(&self.file) else { return 0 };
            if !stamp.shows_changes() || !mapping.map(self.file.fd(), offset, self.window_bytes, stamp) {
                return 0;
            }
            self.stats.windows += 1;
        }
        let count = mapping.copy_resident(out, offset);
        let stamp = Stamp::of(&self.file).ok().map(|(stamp, _)| stamp);
        if count == Some(0) || (count.is_some() && mapping.stamp() == stamp.as_ref()) {
            return count.unwrap_or(0);
        }
        if count.is_none() {
            self.stats.faults += 1;
        } else {
            self.stats.changes += 1;
        }
        mapping.unmap();
        0
    }

    fn count_read(&mut self, done: usize, count: usize) -> usize {
        self.stats.read_bytes += count as u64;
        done + count
    }

    /// Judges a read that moved `done` bytes: a short one must not end before the size that is known.
    fn finish(&mut self, offset: u64, len: usize, done: usize) -> io::Result<usize> {
        let end = offset + done as u64;
        if done < len && end < self.size && offset < self.size {
            let size = Stamp::of(&self.file).map_or(end, |(stamp, _)| stamp.size());
            let error = MappedError::Truncated { size, expected: self.size };
            return Err(fail(error.into(), OpKind::Read, self.file.path(), Some((offset, len)), done));
        }
        if done > 0 {
            self.size = self.size.max(end);
        }
        Ok(done)
    }
}

/// Why this file is never mapped.
fn obstacle(file: &File, attributes: &libc::stat) -> Option<&'static str> {
    // SAFETY: takes no arguments and cannot fail.
    let user = unsafe { libc::geteuid() };
    if !file.engine.inline_allowed() {
        return Some("copies on the calling task are switched off");
    }
    if attributes.st_uid != user && file.core.access != Access::ReadWrite {
        // To others mincore(2) reports every page as resident, Linux 5.2.
        return Some(
            "only the owner of a file, or a handle with write access, may ask which pages are resident",
        );
    }
    if !has_reliable_time_stamps(file) {
        return Some("the file system is not one whose time stamps and mappings are known to be reliable");
    }
    if !fault::install() {
        return Some("the handler for SIGBUS could not be installed");
    }
    None
}

/// File systems whose sizes and change times are kept by this kernel under the inode's lock. Not here: network file
/// systems and FUSE, where a change elsewhere is seen late, and overlayfs, where a mapping may show the lower file after
/// the upper one took its place.
fn has_reliable_time_stamps(file: &File) -> bool {
    const EXT: i64 = 0xef53;
    const XFS: i64 = 0x5846_5342;
    const BTRFS: i64 = 0x9123_683e;
    const F2FS: i64 = 0xf2f5_2010;
    const TMPFS: i64 = 0x0102_1994;
    let Ok(std) = file.try_clone_to_std() else { return false };
    let magic = rustix::fs::fstatfs(&std).map(|fs| fs.f_type & 0xffff_ffff);
    matches!(magic, Ok(EXT | XFS | BTRFS | F2FS | TMPFS))
}

/// The memory of a buffer that may be written.
fn writable<B: IoBufMut>(buf: &mut B) -> &mut [MaybeUninit<u8>] {
    let (ptr, len) = (buf.stable_mut_ptr(), buf.bytes_total());
    if len == 0 {
        return &mut [];
    }
    // SAFETY: the trait promises so many bytes, valid for writes and used by nobody else while the buffer is borrowed.
    unsafe { std::slice::from_raw_parts_mut(ptr.cast(), len) }
}

/// Initialised memory as memory to be written.
fn uninitialised(buf: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: the same memory with the same lifetime. The receiver only ever puts initialised bytes there: it is private
    // to this module, and `Mapping::copy_resident` is the only code that writes.
    unsafe { std::slice::from_raw_parts_mut(buf.as_mut_ptr().cast(), buf.len()) }
}
