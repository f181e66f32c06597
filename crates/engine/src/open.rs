//! Opening files: options, access checks, and what is found out about a file at that moment.

use crate::blocking::Weight;
use crate::direct;
use crate::engine::{Hint, Inner, Request, fail};
use crate::error::Refusal;
use crate::file::{File, FileCore, Handle};
use crate::inline::Readiness;
use crate::op::{Op, OpKind};
use crate::stat::{STATX_MASK, Stat};
use crate::sync::{AtomicU8, AtomicU32};
use crate::syncs::Syncs;
use rustfs_rio_monitor::FileClass;
use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Whether a file bypasses the page cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DirectMode {
    /// Through the page cache.
    #[default]
    Off,
    /// `O_DIRECT`; opening fails where the file system has none.
    On,
    /// `O_DIRECT` where the file system has it, the page cache elsewhere.
    Auto,
}

/// What happens to a direct write whose offset or length is not aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnalignedWrites {
    /// It is refused with [`Refusal::Misaligned`].
    #[default]
    Reject,
    /// The blocks at its ends are read, modified and written back, while other writes through this file handle and its
    /// clones wait. Writers that use other handles are not excluded.
    ReadModifyWrite,
}

/// How to open a file; the fields of `std::fs::OpenOptions` and direct I/O.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
    direct: DirectMode,
    unaligned: UnalignedWrites,
    class: FileClass,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! switch {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, yes: bool) -> Self {
            self.$name = yes;
            self
        }
    };
}

impl OpenOptions {
    /// Nothing set: add at least one kind of access.
    #[must_use]
    pub fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            mode: 0o666,
            direct: DirectMode::Off,
            unaligned: UnalignedWrites::Reject,
            class: FileClass::Data,
        }
    }

    switch!(
        /// Read access.
        read
    );
    switch!(
        /// Write access.
        write
    );
    switch!(
        /// Write access that always appends: the kernel ignores offsets.
        append
    );
    switch!(
        /// Empty the file if it exists; needs write access.
        truncate
    );
    switch!(
        /// Make the file if it does not exist; needs write access.
        create
    );
    switch!(
        /// Make the file, and fail if it exists.
        create_new
    );

    /// Permission bits of a new file before the umask; default `0o666`.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode & 0o7777;
        self
    }

    /// Direct I/O; default [`DirectMode::Off`].
    #[must_use]
    pub fn direct(mut self, mode: DirectMode) -> Self {
        self.direct = mode;
        self
    }

    /// Unaligned direct writes; default [`UnalignedWrites::Reject`].
    #[must_use]
    pub fn unaligned_writes(mut self, policy: UnalignedWrites) -> Self {
        self.unaligned = policy;
        self
    }

    /// What the file holds, for the monitor; default [`FileClass::Data`].
    #[must_use]
    pub fn class(mut self, class: FileClass) -> Self {
        self.class = class;
        self
    }

    /// Whether opening empties a file that exists.
    #[must_use]
    pub fn empties(&self) -> bool {
        self.truncate
    }

    /// Whether a file is created where there is none.
    #[must_use]
    pub fn creates(&self) -> bool {
        self.create || self.create_new
    }

    pub(crate) fn direct_mode(&self) -> DirectMode {
        self.direct
    }

    pub(crate) fn unaligned_policy(&self) -> UnalignedWrites {
        self.unaligned
    }

    pub(crate) fn access(&self) -> Access {
        match (self.read, self.write || self.append) {
            (true, true) => Access::ReadWrite,
            (false, true) => Access::WriteOnly,
            _ => Access::ReadOnly,
        }
    }

    /// `open(2)` flags. The combinations that `std::fs` refuses are refused here.
    fn flags(&self) -> io::Result<i32> {
        let invalid = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, why.to_owned()));
        let writes = self.write || self.append;
        if !self.read && !writes {
            return invalid("no access requested; set read, write or append");
        }
        if (self.truncate || self.create || self.create_new) && !writes {
            return invalid("creating or truncating needs write or append access");
        }
        if self.truncate && self.append && !self.create_new {
            return invalid("truncate and append exclude each other");
        }
        if self.append && self.direct != DirectMode::Off && self.unaligned == UnalignedWrites::ReadModifyWrite
        {
            // The blocks that were read would be appended.
            return invalid("read-modify-write and append exclude each other");
        }
        let mut flags = libc::O_CLOEXEC
            | match self.access() {
                Access::ReadOnly => libc::O_RDONLY,
                Access::WriteOnly => libc::O_WRONLY,
                Access::ReadWrite => libc::O_RDWR,
            };
        let switches = [
            (self.append, libc::O_APPEND),
            (self.truncate, libc::O_TRUNC),
            (self.create, libc::O_CREAT),
            (self.create_new, libc::O_CREAT | libc::O_EXCL),
        ];
        flags |= switches.iter().filter(|(on, _)| *on).fold(0, |all, (_, flag)| all | flag);
        Ok(flags)
    }
}

/// What a handle allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    WriteOnly,
    ReadWrite,
}

impl Access {
    /// Why an operation of this kind cannot work with such a handle. The kernel would answer `EBADF` or `EINVAL`, which
    /// does not tell what to do.
    pub(crate) fn refuses(self, kind: OpKind) -> Option<Refusal> {
        match (self, kind) {
            (Self::WriteOnly, OpKind::Read | OpKind::ReadVectored) => {
                Some(Refusal::Access { have: "write-only", need: "read" })
            }
            (
                Self::ReadOnly,
                OpKind::Write | OpKind::WriteVectored | OpKind::Fallocate | OpKind::Ftruncate,
            ) => Some(Refusal::Access { have: "read-only", need: "write" }),
            _ => None,
        }
    }
}

/// Opens a file: direct first where that is wanted.
pub(crate) async fn open(engine: &Arc<Inner>, path: &Path, options: &OpenOptions) -> io::Result<File> {
    let context = |error| fail(error, OpKind::Open, path, None, 0);
    let flags = options.flags().map_err(context)?;
    let handle = match options.direct_mode() {
        DirectMode::Off => (open_handle(engine, path, flags, options).await, false),
        DirectMode::On => (open_handle(engine, path, flags | libc::O_DIRECT, options).await, true),
        DirectMode::Auto => {
            // A file system without direct I/O answers EINVAL, some only after creating the file: then O_EXCL has to go.
            let first = open_handle(engine, path, flags | libc::O_DIRECT, options).await;
            match &first {
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                    (open_handle(engine, path, flags & !libc::O_EXCL, options).await, false)
                }
                _ => (first, true),
            }
        }
    };
    let (result, is_direct) = handle;
    let handle = match result {
        Ok(handle) => handle,
        Err(error) if (error.raw_os_error(), is_direct) == (Some(libc::EINVAL), true) => {
            return Err(context(no_direct_io(engine, path).await));
        }
        Err(error) => return Err(context(error)),
    };
    inspect(engine, path, options, handle, is_direct).await.map_err(|error| match error.get_ref() {
        Some(inner) if inner.is::<crate::error::FileError>() => error,
        _ => context(error),
    })
}

/// Why the kernel refuses `O_DIRECT`: a directory gets the same answer as a file system without direct I/O.
async fn no_direct_io(engine: &Arc<Inner>, path: &Path) -> io::Error {
    let plain =
        open_handle(engine, path, libc::O_RDONLY | libc::O_CLOEXEC, &OpenOptions::new().mode(0)).await;
    match plain.and_then(|handle| stat_now(&handle)) {
        Ok(Some(stat)) if stat.is_dir() => io::Error::from_raw_os_error(libc::EISDIR),
        _ => Refusal::NoDirectIo.into(),
    }
}

async fn open_handle(
    engine: &Arc<Inner>,
    path: &Path,
    flags: i32,
    options: &OpenOptions,
) -> io::Result<Handle> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| Refusal::PathWithNul)?;
    let op = Op::open(name.as_ptr(), flags, options.mode);
    let request = Request {
        op,
        payload: name,
        file: None,
        file_id: 0,
        health: None,
        class: options.class,
        hint: Hint { prefers_blocking: true, weight: Weight::Long, direct: false },
    };
    let (result, _) = engine.run(request).await;
    let fd = result?.result.map_err(io::Error::from_raw_os_error)?;
    let fd =
        i32::try_from(fd).map_err(|_| io::Error::other("the kernel returned an impossible descriptor"))?;
    #[cfg(any(test, feature = "testing"))]
    if let Some(sim) = &engine.sim {
        return Ok(Handle::Simulated(sim.handle(fd)));
    }
    // SAFETY: the kernel just returned this descriptor to us alone.
    Ok(Handle::Os(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// Finds out about an open file what the choice of paths needs.
async fn inspect(
    engine: &Arc<Inner>,
    path: &Path,
    options: &OpenOptions,
    handle: Handle,
    is_direct: bool,
) -> io::Result<File> {
    let stat = stat_now(&handle)?;
    if stat.as_ref().is_some_and(Stat::is_dir) {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    let device = stat.as_ref().map_or((0, 0), |stat| stat.device);
    let (readable, writable) = readiness(&handle, stat.as_ref());
    let mut core = FileCore {
        id: engine.next_file_id(),
        path: path.to_owned(),
        access: options.access(),
        direct: None,
        read_readiness: AtomicU8::new(readable as u8),
        write_readiness: AtomicU8::new(writable as u8),
        misses: AtomicU32::new(0),
        syncs: Syncs::default(),
        poisoned: Arc::clone(&engine.core.counters.poisoned),
        health: engine.device(device),
        class: options.class,
        appends: options.append,
        opened: stat.clone(),
        watcher: OnceLock::new(),
        handle,
    };
    if is_direct {
        core.direct = match direct::limits(&core, stat.as_ref(), options) {
            Ok(limits) => Some(limits),
            // The flag is accepted and has no effect: ext4 with journalled data, for instance.
            Err(_) if options.direct_mode() == DirectMode::Auto => {
                stop_direct(&core.handle)?;
                None
            }
            Err(error) => return Err(error),
        };
    }
    Ok(File { engine: Arc::clone(engine), core: Arc::new(core) })
}

/// Goes back to the page cache.
fn stop_direct(handle: &Handle) -> io::Result<()> {
    if let Some(fd) = handle.os() {
        let flags = rustix::fs::fcntl_getfl(fd)?;
        rustix::fs::fcntl_setfl(fd, flags - rustix::fs::OFlags::DIRECT)?;
    }
    Ok(())
}

/// Attributes right after opening: the inode is in memory, so this does not wait.
fn stat_now(handle: &Handle) -> io::Result<Option<Stat>> {
    let fd = match handle {
        Handle::Os(fd) => std::os::fd::AsRawFd::as_raw_fd(fd),
        #[cfg(any(test, feature = "testing"))]
        Handle::Simulated(handle) => return Ok(Some(Stat::from_raw(&handle.attributes()?))),
    };
    // SAFETY: all-zero bytes are a valid `statx`, a struct of integers.
    let mut raw: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: `raw` outlives the call and the descriptor is open.
    let result = unsafe { libc::statx(fd, c"".as_ptr(), libc::AT_EMPTY_PATH, STATX_MASK, &raw mut raw) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Some(Stat::from_raw(&raw)))
}

/// How reads and writes of the file can be tried without waiting.
fn readiness(handle: &Handle, stat: Option<&Stat>) -> (Readiness, Readiness) {
    const TMPFS_MAGIC: i64 = 0x0102_1994;
    const RAMFS_MAGIC: i64 = 0x8584_58f6;
    let Some(fd) = handle.os() else { return (Readiness::Never, Readiness::Never) };
    if !stat.is_some_and(Stat::is_file) {
        return (Readiness::Never, Readiness::Never);
    }
    match rustix::fs::fstatfs(fd).map(|fs| fs.f_type & 0xffff_ffff) {
        Ok(TMPFS_MAGIC | RAMFS_MAGIC) if !has_swap() => (Readiness::Memory, Readiness::Memory),
        Ok(TMPFS_MAGIC | RAMFS_MAGIC) => (Readiness::Never, Readiness::Never),
        _ => (Readiness::Flagged, Readiness::Flagged),
    }
}

/// Whether memory may be swapped out, so that touching it may wait for a device.
fn has_swap() -> bool {
    static HAS_SWAP: OnceLock<bool> = OnceLock::new();
    *HAS_SWAP.get_or_init(|| {
        // The first line is the header.
        std::fs::read_to_string("/proc/swaps").map_or(true, |text| text.lines().count() > 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictory_options_are_refused_with_advice() {
        let text = |options: OpenOptions| options.flags().unwrap_err().to_string();
        assert!(text(OpenOptions::new()).contains("set read, write or append"));
        assert!(text(OpenOptions::new().read(true).truncate(true)).contains("needs write"));
        assert!(text(OpenOptions::new().append(true).truncate(true)).contains("exclude"));
    }

    #[test]
    fn flags_are_those_of_open() {
        let flags = OpenOptions::new().read(true).write(true).create(true).flags().unwrap();
        assert_eq!(flags, libc::O_RDWR | libc::O_CREAT | libc::O_CLOEXEC);
        let flags = OpenOptions::new().append(true).create_new(true).flags().unwrap();
        assert_eq!(flags, libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC);
    }
}
