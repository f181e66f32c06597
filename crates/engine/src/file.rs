//! Open files and the operations on them.
//!
//! Every operation is positional, takes `&self` and may run concurrently with others on the same file. Buffers are moved
//! in and come back with the result. Transfers cover the whole range: a read is short only at end of file, a write is
//! complete or an error that says how much was written.

use crate::blocking::Weight;
use crate::config::Backend;
use crate::engine::{Engine, Hint, Inner, Request, fail};
use crate::error::Refusal;
use crate::health::DeviceHealth;
use crate::inline::{self, Attempt, Readiness};
use crate::op::{Op, OpKind};
use crate::open::{Access, OpenOptions};
use crate::stat::Stat;
use crate::sync::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use crate::syncs::Syncs;
use crate::table::Opened;
use crate::watch::{Changing, ContentWatcher};
use rustfs_rio_buf::{IoBuf, IoBufMut};
use rustfs_rio_monitor::FileClass;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub(crate) use crate::stat::STATX_MASK;

/// Reads in a row that found nothing resident, after which asking first is mostly skipped.
const MISSES_TO_SKIP: u32 = 8;
/// Of the reads of such a file one in so many still asks, so that a file that became resident is noticed.
const PROBE_INTERVAL: u32 = 8;
/// Buffered writes up to this size are memory copies of some 20 us; longer ones meet write-back throttling.
const SHORT_WRITE_MAX: usize = 256 * 1024;

/// An open file. Clones share the same descriptor, which is closed when the last clone and the last operation are gone.
#[derive(Clone)]
pub struct File {
    pub(crate) engine: Arc<Inner>,
    pub(crate) core: Arc<FileCore>,
}

/// What all clones of a file share, and what operations in flight keep alive.
pub(crate) struct FileCore {
    pub(crate) handle: Handle,
    pub(crate) id: u64,
    pub(crate) path: PathBuf,
    pub(crate) access: Access,
    pub(crate) direct: Option<crate::direct::Limits>,
    pub(crate) read_readiness: AtomicU8,
    pub(crate) write_readiness: AtomicU8,
    pub(crate) misses: AtomicU32,
    pub(crate) syncs: Syncs,
    /// Where the engine counts files that a failed sync poisoned.
    pub(crate) poisoned: Arc<AtomicU64>,
    pub(crate) health: Arc<DeviceHealth>,
    pub(crate) class: FileClass,
    /// Writes go to the end, whatever their offset.
    pub(crate) appends: bool,
    /// As the file was when it was opened.
    pub(crate) opened: Option<Stat>,
    pub(crate) watcher: OnceLock<Arc<dyn ContentWatcher>>,
}

impl Opened for FileCore {
    fn sync_failed(&self, kind: OpKind, errno: i32) {
        if self.syncs.failed(kind, errno) {
            self.poisoned.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn change_begins(&self, op: &Op) -> Option<Changing> {
        self.watcher.get().and_then(|watcher| Changing::by(op, watcher, self.appends))
    }
}

/// The descriptor: the kernel's, or the simulated device's.
pub(crate) enum Handle {
    Os(std::os::fd::OwnedFd),
    #[cfg(any(test, feature = "testing"))]
    Simulated(crate::sim::SimHandle),
}

impl Handle {
    /// The kernel's descriptor, if it is one.
    pub(crate) fn os(&self) -> Option<&std::os::fd::OwnedFd> {
        match self {
            Self::Os(fd) => Some(fd),
            #[cfg(any(test, feature = "testing"))]
            Self::Simulated(_) => None,
        }
    }

    pub(crate) fn raw(&self) -> i32 {
        match self {
            Self::Os(fd) => std::os::fd::AsRawFd::as_raw_fd(fd),
            #[cfg(any(test, feature = "testing"))]
            Self::Simulated(handle) => handle.raw(),
        }
    }
}

impl Engine {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// The kernel's error with path and operation ([`FileError`](crate::FileError)), or a [`Refusal`].
    pub async fn open(&self, path: impl AsRef<Path>, options: &OpenOptions) -> io::Result<File> {
        crate::open::open(&self.inner, path.as_ref(), options).await
    }
}

impl File {
    /// The path the file was opened with.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.core.path
    }

    /// Alignment that transfers need if the file is open for direct I/O, `None` if it is buffered.
    #[must_use]
    pub fn direct_alignment(&self) -> Option<usize> {
        self.core.direct.as_ref().map(|limits| limits.offset)
    }

    /// What the program said that the file holds.
    #[must_use]
    pub fn class(&self) -> FileClass {
        self.core.class
    }

    /// Whether the file is open for reading.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.core.access.refuses(OpKind::Read).is_none()
    }

    /// Attributes at the moment of opening.
    #[must_use]
    pub fn opened(&self) -> Option<&Stat> {
        self.core.opened.as_ref()
    }

    /// Whether an earlier sync failed, so that writes and syncs are refused.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.core.syncs.failure().is_some()
    }

    /// Reads into `buf` from `offset`, up to the buffer's total capacity, and returns the bytes read, which are fewer only
    /// at end of file. The buffer's length becomes that number.
    ///
    /// On a direct file any range is served; ranges and buffers that are not aligned cost a copy.
    pub async fn read_at<B: IoBufMut>(&self, mut buf: B, offset: u64) -> (io::Result<usize>, B) {
        let len = buf.bytes_total();
        if let Err(error) = self.check(OpKind::Read, offset, len as u64) {
            return (Err(error), buf);
        }
        if len == 0 {
            return (Ok(0), buf);
        }
        let address = buf.stable_ptr() as usize;
        if self.core.direct.as_ref().is_some_and(|limits| !limits.accepts(offset, len, address)) {
            return crate::direct::read_unaligned(self, buf, offset).await;
        }
        let mut done = 0;
        if self.asks_first(&self.core.read_readiness) {
            match self.read_inline(&mut buf, len, offset).await {
                Inline::Done(result) => {
                    let result = self.finish_read(&mut buf, result, offset, len);
                    return (result, buf);
                }
                Inline::Rest(count) => done = self.moved_inline(OpKind::Read, count),
            }
        }
        self.read_submitted(buf, len, done, offset).await
    }

    /// Writes the initialised bytes of `buf` at `offset`. The whole buffer is written, or the error says how much was.
    ///
    /// On a direct file offset and length must be aligned unless the file was opened for read-modify-write. On a file
    /// opened for appending the kernel ignores `offset`.
    pub async fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> (io::Result<usize>, B) {
        let len = buf.bytes_init();
        if let Err(error) = self.check(OpKind::Write, offset, len as u64) {
            return (Err(error), buf);
        }
        if len == 0 {
            return (Ok(0), buf);
        }
        let address = buf.stable_ptr() as usize;
        let is_plain = |limits: &crate::direct::Limits| {
            limits.exclusion.is_none() && limits.accepts(offset, len, address)
        };
        if self.core.direct.as_ref().is_some_and(|limits| !is_plain(limits)) {
            return crate::direct::write_general(self, buf, offset).await;
        }
        self.write_plain(buf, offset).await
    }

    /// Writes as [`write_at`](Self::write_at) and then makes the file's data durable as [`sync_data`](Self::sync_data), in one
    /// operation: one hand-over to another thread instead of two. Syncs of a file take turns, so many of these at the same time
    /// are slower than many writes and one sync.
    ///
    /// An error after all bytes were written is that of the sync and poisons the file. Nothing is known to be durable then.
    pub async fn write_durable_at<B: IoBuf>(&self, buf: B, offset: u64) -> (io::Result<usize>, B) {
        let len = buf.bytes_init();
        let address = buf.stable_ptr() as usize;
        let is_plain = |limits: &crate::direct::Limits| {
            limits.exclusion.is_none() && limits.accepts(offset, len, address)
        };
        if len == 0 || self.core.direct.as_ref().is_some_and(|limits| !is_plain(limits)) {
            let (written, buf) = self.write_at(buf, offset).await;
            let synced = if written.is_ok() { self.sync_data().await } else { Ok(()) };
            return (synced.and(written), buf);
        }
        if let Err(error) = self.check(OpKind::Write, offset, len as u64) {
            return (Err(error), buf);
        }
        let turn = self.core.syncs.turn().await;
        // The sync before this one may have failed.
        if let Err(error) = self.check(OpKind::Write, offset, len as u64) {
            return (Err(error), buf);
        }
        // Counted as begun before it is, so that it serves nobody whose data it may not cover.
        let number = self.core.syncs.begin(&turn);
        let op = Op::bytes(OpKind::Write, self.fd(), buf.stable_ptr().cast_mut(), len, offset).then_sync();
        let (result, payload) = self.run(op, (buf, turn), Weight::Long, true).await;
        let Some((buf, mut turn)) = payload else { return lost() };
        let (result, transferred) = split(result);
        self.engine.core.counters.add_bytes(OpKind::Write, transferred);
        match result {
            Ok(()) => {
                turn.note(number, true);
                (Ok(len), buf)
            }
            Err(error) => {
                let kind = if transferred == len { OpKind::Fdatasync } else { OpKind::Write };
                (Err(fail(error, kind, &self.core.path, Some((offset, len)), transferred)), buf)
            }
        }
    }

    /// Makes data and metadata durable: `fsync(2)`. A failure poisons the file, see [`is_poisoned`](Self::is_poisoned).
    ///
    /// # Errors
    ///
    /// The kernel's error; afterwards every write and sync fails with [`Refusal::Poisoned`].
    pub async fn sync_all(&self) -> io::Result<()> {
        self.sync(false).await
    }

    /// Makes data durable, and metadata as far as reading it back needs: `fdatasync(2)`. A failure poisons the file.
    ///
    /// # Errors
    ///
    /// As [`sync_all`](Self::sync_all).
    pub async fn sync_data(&self) -> io::Result<()> {
        self.sync(true).await
    }

    /// Reserves space for a range: `fallocate(2)` with `mode` 0, which grows the file, or flags such as
    /// `FALLOC_FL_KEEP_SIZE`.
    ///
    /// # Errors
    ///
    /// The kernel's error; `Unsupported` where the file system cannot.
    pub async fn allocate(&self, mode: i32, offset: u64, len: u64) -> io::Result<()> {
        self.check(OpKind::Fallocate, offset, len)?;
        let op = Op::allocate(self.fd(), mode, offset, len);
        self.simple(op, Some((offset, usize::try_from(len).unwrap_or(usize::MAX)))).await
    }

    /// Sets the size: `ftruncate(2)`.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        self.check(OpKind::Ftruncate, len, 0)?;
        self.simple(Op::truncate(self.fd(), len), None).await
    }

    /// Tells the kernel how a range will be used: `posix_fadvise(2)`. A `len` of 0 means to the end of the file.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub async fn advise(&self, offset: u64, len: u64, advice: Advice) -> io::Result<()> {
        self.check(OpKind::Fadvise, offset, len)?;
        self.simple(Op::advise(self.fd(), offset, len, advice as i32), None).await
    }

    /// Attributes of the file: `statx(2)`.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub async fn stat(&self) -> io::Result<Stat> {
        // SAFETY: all-zero bytes are a valid `statx`, a struct of integers.
        let mut out: Box<libc::statx> = Box::new(unsafe { std::mem::zeroed() });
        let op = Op::statx(self.fd(), &raw mut *out);
        let (result, out) = self.run(op, out, Weight::Short, true).await;
        result.map_err(|error| fail(error, OpKind::Statx, &self.core.path, None, 0))?;
        let out = out.ok_or_else(|| io::Error::other("statx result lost by the engine"))?;
        Ok(Stat::from_raw(&out))
    }

    /// Closes the descriptor away from the calling task, and reports the kernel's error. While other clones or operations
    /// exist, this only gives up this clone. Merely dropping a file closes it on the dropping thread.
    ///
    /// # Errors
    ///
    /// The kernel's error.
    pub async fn close(self) -> io::Result<()> {
        let Some(core) = Arc::into_inner(self.core) else { return Ok(()) };
        let fd = match core.handle {
            Handle::Os(fd) => std::os::fd::IntoRawFd::into_raw_fd(fd),
            #[cfg(any(test, feature = "testing"))]
            Handle::Simulated(handle) => handle.into_raw(),
        };
        let request = Request {
            op: Op::close(fd),
            payload: (),
            file: None,
            file_id: core.id,
            health: None,
            class: core.class,
            hint: Hint { prefers_blocking: true, weight: Weight::Long, direct: false },
        };
        let (result, _) = self.engine.run(request).await;
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => {
                // The engine took nothing: close it here rather than leak it.
                self.engine.core.close_unused(fd);
                return Err(fail(error, OpKind::Close, &core.path, None, 0));
            }
        };
        match outcome.result {
            Ok(_) => Ok(()),
            Err(errno) => {
                let error = io::Error::from_raw_os_error(errno);
                Err(fail(error, OpKind::Close, &core.path, None, 0))
            }
        }
    }

    /// A second descriptor for the same open file, as the standard library's type. Offsets and locks are shared; syncs
    /// through it do not know of a poisoned handle.
    ///
    /// # Errors
    ///
    /// The kernel's error when no descriptor is free; `Unsupported` for a simulated file.
    pub fn try_clone_to_std(&self) -> io::Result<std::fs::File> {
        match &self.core.handle {
            Handle::Os(fd) => fd.try_clone().map(std::fs::File::from),
            #[cfg(any(test, feature = "testing"))]
            Handle::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn fd(&self) -> i32 {
        self.core.handle.raw()
    }

    /// Refuses what cannot or must not be attempted.
    pub(crate) fn check(&self, kind: OpKind, offset: u64, len: u64) -> io::Result<()> {
        let refusal = if let Err(refusal) = self.engine.check_open() {
            refusal
        } else if offset.checked_add(len).is_none_or(|end| end > i64::MAX as u64) {
            Refusal::OffsetOverflow { offset, len }
        } else if let Some(refusal) = self.core.access.refuses(kind) {
            refusal
        } else if let Some((operation, errno)) = self.core.syncs.failure().filter(|_| kind.modifies()) {
            Refusal::Poisoned { operation, errno }
        } else {
            return Ok(());
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        Err(fail(refusal.into(), kind, &self.core.path, Some((offset, len)), 0))
    }

    pub(crate) fn asks_first(&self, readiness: &AtomicU8) -> bool {
        if !self.engine.inline_allowed() || self.core.direct.is_some() {
            return false;
        }
        if readiness.load(Ordering::Relaxed) == Readiness::Never as u8 {
            return false;
        }
        let misses = self.core.misses.load(Ordering::Relaxed);
        if misses < MISSES_TO_SKIP {
            return true;
        }
        self.core.misses.fetch_add(1, Ordering::Relaxed);
        misses.is_multiple_of(PROBE_INTERVAL)
    }

    /// Copies what is resident, in chunks, with yields in between as the task's budget demands.
    async fn read_inline<B: IoBufMut>(&self, buf: &mut B, len: usize, offset: u64) -> Inline {
        let readiness = Readiness::from_u8(self.core.read_readiness.load(Ordering::Relaxed));
        let timer = self.engine.core.recording.start_short();
        let mut done = 0;
        while done < len {
            inline::budget().await;
            let want = (len - done).min(inline::CHUNK_BYTES);
            let base = buf.stable_mut_ptr().wrapping_add(done);
            let iov = [libc::iovec { iov_base: base.cast(), iov_len: want }];
            // SAFETY: `buf` is owned by this future and has `len` writable bytes.
            let attempt = unsafe { inline::read(self.fd(), &iov, offset + done as u64, readiness) };
            match attempt {
                Attempt::Moved(0) => break,
                Attempt::Moved(count) => {
                    done += count;
                    inline::charge(count);
                }
                Attempt::WouldWait => {
                    self.core.misses.fetch_add(1, Ordering::Relaxed);
                    return Inline::Rest(done);
                }
                Attempt::Unsupported => {
                    self.core.read_readiness.store(Readiness::Never as u8, Ordering::Relaxed);
                    return Inline::Rest(done);
                }
                Attempt::Failed(errno) => {
                    self.ended_inline(timer, OpKind::Read, done, Some(errno));
                    return Inline::Done((Err(errno), done));
                }
            }
        }
        if self.core.misses.load(Ordering::Relaxed) > 0 {
            self.core.misses.store(0, Ordering::Relaxed);
        }
        self.ended_inline(timer, OpKind::Read, done, None);
        Inline::Done((Ok(done), done))
    }

    fn finish_read<B: IoBufMut>(
        &self,
        buf: &mut B,
        (result, done): (Result<usize, i32>, usize),
        offset: u64,
        len: usize,
    ) -> io::Result<usize> {
        // SAFETY: the kernel wrote `done` bytes, all within the capacity.
        unsafe { buf.set_init(done) };
        result.map_err(|errno| {
            let error = io::Error::from_raw_os_error(errno);
            fail(error, OpKind::Read, &self.core.path, Some((offset, len)), done)
        })
    }

    /// Reads `done..len` of the buffer through the ring or the pool.
    async fn read_submitted<B: IoBufMut>(
        &self,
        mut buf: B,
        len: usize,
        done: usize,
        offset: u64,
    ) -> (io::Result<usize>, B) {
        let ptr = buf.stable_mut_ptr().wrapping_add(done);
        let op = Op::bytes(OpKind::Read, self.fd(), ptr, len - done, offset + done as u64);
        let op = op.in_units_of(self.direct_alignment().unwrap_or(1));
        let (result, buf) = self.run(op, buf, Weight::Long, false).await;
        let Some(mut buf) = buf else { return lost() };
        let (result, transferred) = split(result);
        self.engine.core.counters.add_bytes(OpKind::Read, transferred);
        // SAFETY: `done` bytes were read before and `transferred` now, contiguously.
        unsafe { buf.set_init(done + transferred) };
        let result = match result {
            Ok(()) => Ok(done + transferred),
            Err(error) => {
                Err(fail(error, OpKind::Read, &self.core.path, Some((offset, len)), done + transferred))
            }
        };
        (result, buf)
    }

    /// Writes without regard to direct-I/O alignment.
    pub(crate) async fn write_plain<B: IoBuf>(&self, buf: B, offset: u64) -> (io::Result<usize>, B) {
        let len = buf.bytes_init();
        let mut done = 0;
        if self.asks_first(&self.core.write_readiness) {
            match self.write_inline(&buf, len, offset).await {
                Inline::Done((Ok(_), _)) => return (Ok(len), buf),
                Inline::Done((Err(errno), done)) => {
                    let error = io::Error::from_raw_os_error(errno);
                    let range = Some((offset, len));
                    return (Err(fail(error, OpKind::Write, &self.core.path, range, done)), buf);
                }
                Inline::Rest(count) => done = self.moved_inline(OpKind::Write, count),
            }
        }
        let ptr = buf.stable_ptr().cast_mut().wrapping_add(done);
        let op = Op::bytes(OpKind::Write, self.fd(), ptr, len - done, offset + done as u64);
        let weight =
            if self.core.direct.is_none() && len <= SHORT_WRITE_MAX { Weight::Short } else { Weight::Long };
        let (result, buf) = self.run(op, buf, weight, self.write_prefers_blocking()).await;
        let Some(buf) = buf else { return lost() };
        let (result, transferred) = split(result);
        self.engine.core.counters.add_bytes(OpKind::Write, transferred);
        let done = done + transferred;
        match result {
            Ok(()) => (Ok(done), buf),
            Err(error) => (Err(fail(error, OpKind::Write, &self.core.path, Some((offset, len)), done)), buf),
        }
    }

    async fn write_inline<B: IoBuf>(&self, buf: &B, len: usize, offset: u64) -> Inline {
        let readiness = Readiness::from_u8(self.core.write_readiness.load(Ordering::Relaxed));
        let _change = self.changes(offset, len);
        let timer = self.engine.core.recording.start_short();
        let mut done = 0;
        while done < len {
            inline::budget().await;
            let want = (len - done).min(inline::CHUNK_BYTES);
            let base = buf.stable_ptr().cast_mut().wrapping_add(done);
            let iov = [libc::iovec { iov_base: base.cast(), iov_len: want }];
            // SAFETY: `buf` is borrowed from its owner and has `len` initialised bytes.
            match unsafe { inline::write(self.fd(), &iov, offset + done as u64, readiness) } {
                Attempt::Moved(0) | Attempt::WouldWait => return Inline::Rest(done),
                Attempt::Moved(count) => {
                    done += count;
                    inline::charge(count);
                }
                Attempt::Unsupported => {
                    self.core.write_readiness.store(Readiness::Never as u8, Ordering::Relaxed);
                    return Inline::Rest(done);
                }
                Attempt::Failed(errno) => {
                    self.ended_inline(timer, OpKind::Write, done, Some(errno));
                    return Inline::Done((Err(errno), done));
                }
            }
        }
        self.ended_inline(timer, OpKind::Write, done, None);
        Inline::Done((Ok(done), done))
    }

    /// On a file system without non-blocking buffered writes the ring hands each write to a kernel worker, which costs
    /// more than handing it to a thread here.
    fn write_prefers_blocking(&self) -> bool {
        self.core.direct.is_none()
            && self.core.write_readiness.load(Ordering::Relaxed) != Readiness::Flagged as u8
    }

    async fn sync(&self, data_only: bool) -> io::Result<()> {
        let op = Op::sync(self.fd(), data_only);
        let kind = op.kind();
        self.check(kind, 0, 0)?;
        let asked = self.core.syncs.ask();
        let turn = self.core.syncs.turn().await;
        // The sync before this one may have failed.
        self.check(kind, 0, 0)?;
        if turn.covers(asked, data_only) {
            return Ok(());
        }
        let number = self.core.syncs.begin(&turn);
        let (result, turn) = self.run(op, turn, Weight::Long, true).await;
        split(result).0.map_err(|error| fail(error, kind, &self.core.path, None, 0))?;
        if let Some(mut turn) = turn {
            turn.note(number, data_only);
        }
        Ok(())
    }

    /// An operation without a payload.
    async fn simple(&self, op: Op, range: Option<(u64, usize)>) -> io::Result<()> {
        let kind = op.kind();
        let (result, _) = self.run(op, (), Weight::Long, true).await;
        split(result).0.map_err(|error| fail(error, kind, &self.core.path, range, 0))
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        op: Op,
        payload: T,
        weight: Weight,
        prefers_blocking: bool,
    ) -> (io::Result<crate::table::Outcome>, Option<T>) {
        let request = Request {
            op,
            payload,
            file: Some(Arc::clone(&self.core) as _),
            file_id: self.core.id,
            health: Some(&self.core.health),
            class: self.core.class,
            hint: Hint {
                prefers_blocking: prefers_blocking && self.engine.config.backend == Backend::Auto,
                weight,
                direct: self.core.direct.is_some(),
            },
        };
        self.engine.run(request).await
    }
}

/// How an attempt on the calling task ended.
enum Inline {
    /// With a result and the bytes moved.
    Done((Result<usize, i32>, usize)),
    /// So many bytes moved; the rest would have to wait.
    Rest(usize),
}

/// Splits an outcome into success and bytes transferred.
pub(crate) fn split(result: io::Result<crate::table::Outcome>) -> (io::Result<()>, usize) {
    match result {
        Ok(outcome) => {
            (outcome.result.map(|_| ()).map_err(io::Error::from_raw_os_error), outcome.transferred)
        }
        Err(error) => (Err(error), 0),
    }
}

/// The engine lost a buffer, which only a bug in it can cause. The buffer cannot be made up, so this is the one place that
/// panics, and it is unreachable by any input.
fn lost<B>() -> (io::Result<usize>, B) {
    unreachable!("the in-flight table returned no payload for an operation that it completed")
}

/// How a range of a file will be used, for [`File::advise`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Advice {
    /// Nothing special: `POSIX_FADV_NORMAL`.
    Normal = libc::POSIX_FADV_NORMAL,
    /// In random order: no read-ahead.
    Random = libc::POSIX_FADV_RANDOM,
    /// From front to back: more read-ahead.
    Sequential = libc::POSIX_FADV_SEQUENTIAL,
    /// Soon: start reading it into the page cache.
    WillNeed = libc::POSIX_FADV_WILLNEED,
    /// Not any more: drop it from the page cache.
    DontNeed = libc::POSIX_FADV_DONTNEED,
    /// Once.
    NoReuse = libc::POSIX_FADV_NOREUSE,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("path", &self.core.path)
            .field("access", &self.core.access)
            .field("direct", &self.core.direct.is_some())
            .finish_non_exhaustive()
    }
}
