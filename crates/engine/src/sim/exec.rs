//! Carries out one step against the memory of the simulated device: what the kernel would do.

use super::disk::{Inode, Node, OpenFile, State};
use super::faults::Fault;
use super::image::{PAGE, SECTOR};
use crate::op::Step;
use crate::shared::SIMULATED_FD_BASE;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// `NAME_MAX` of Linux file systems.
const NAME_BYTES_MAX: usize = 255;
/// `FALLOC_FL_*`; libc has them for some targets only.
const KEEP_SIZE: i32 = 0x01;
const PUNCH_HOLE: i32 = 0x02;
const ZERO_RANGE: i32 = 0x10;
/// Start of the device's clock; one step later is one second later.
const CLOCK_EPOCH: u64 = 1_700_000_000;
const DEVICE_MAJOR: u32 = 0x51;

/// A piece of memory of a transfer.
type Piece = (*mut u8, usize);

impl State {
    /// The raw answer to a step: a count, a handle or 0, or a negated error number.
    pub(super) fn carry_out(&mut self, step: Step, fault: Option<Fault>) -> i64 {
        let result = match step {
            Step::Read { fd, ptr, len, offset } => self.read(fd, &[(ptr, len as usize)], offset, fault),
            Step::ReadVectored { fd, iov, count, offset } => {
                self.read(fd, &pieces(iov, count), offset, fault)
            }
            Step::Write { fd, ptr, len, offset } => {
                self.write(fd, &[(ptr.cast_mut(), len as usize)], offset, fault)
            }
            Step::WriteVectored { fd, iov, count, offset } => {
                self.write(fd, &pieces(iov, count), offset, fault)
            }
            Step::Sync { fd, .. } => self.sync(fd, fault),
            Step::Allocate { fd, mode, offset, len } => self.allocate(fd, mode, offset, len),
            Step::Truncate { fd, len } => self.truncate(fd, len),
            Step::Statx { fd, out } => {
                // SAFETY: `out` points to a `statx` in the operation's payload, which the table keeps until the answer.
                return self.fill_statx(fd, unsafe { &mut *out });
            }
            Step::Open { path, flags, mode } => {
                // SAFETY: `path` is a NUL-terminated string in the operation's payload.
                let path = PathBuf::from(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
                self.open(path, flags, mode)
            }
            Step::Close { fd } => return self.close(fd),
            Step::Advise { fd, advice, .. } => self.handle(fd).and(match advice {
                libc::POSIX_FADV_NORMAL..=libc::POSIX_FADV_NOREUSE => Ok(0),
                _ => Err(libc::EINVAL),
            }),
        };
        result.map_or_else(|errno| -i64::from(errno), |count| count as i64)
    }

    fn file(&self, fd: i32) -> Result<(&OpenFile, u64), i32> {
        let handle = self.handle(fd)?;
        handle.inode.map(|number| (handle, number)).ok_or(libc::EISDIR)
    }

    fn inode(&mut self, number: u64) -> Result<&mut Inode, i32> {
        self.inodes.get_mut(&number).ok_or(libc::EIO)
    }

    fn read(&mut self, fd: i32, into: &[Piece], offset: u64, fault: Option<Fault>) -> Result<u64, i32> {
        let (handle, number) = self.file(fd)?;
        if !handle.reads() {
            return Err(libc::EBADF);
        }
        let direct = handle.has(libc::O_DIRECT);
        let live = self.inode(number)?.content.live();
        // Linux looks at the end of the file before it looks at the alignment.
        if offset >= live.len() {
            return Ok(0);
        }
        if direct && misaligned(into, offset) {
            return Err(libc::EINVAL);
        }
        let bound = length_bound(fault, direct, into);
        let mut done = 0;
        for (ptr, len) in into {
            let want = (*len as u64).min(bound - done);
            let got = live.read(offset + done, want, |at, bytes| {
                // SAFETY: the step's memory is `len` writable bytes at `ptr` that the table keeps until the answer and that
                // nobody else touches; `at + bytes.len() <= want <= len`.
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), ptr.add(at), bytes.len()) }
            });
            done += got;
            if got < *len as u64 {
                break;
            }
        }
        Ok(done)
    }

    fn write(&mut self, fd: i32, from: &[Piece], offset: u64, fault: Option<Fault>) -> Result<u64, i32> {
        let (handle, number) = self.file(fd)?;
        if !handle.writes() {
            return Err(libc::EBADF);
        }
        let (direct, appends) = (handle.has(libc::O_DIRECT), handle.has(libc::O_APPEND));
        let offset = if appends { self.inode(number)?.content.live().len() } else { offset };
        if direct && misaligned(from, offset) {
            return Err(libc::EINVAL);
        }
        let mut data = Vec::new();
        let bound = length_bound(fault, direct, from) as usize;
        for (ptr, len) in from {
            // SAFETY: the step's memory is `len` initialised bytes at `ptr` that the table keeps until the answer and that
            // nobody writes meanwhile.
            data.extend_from_slice(unsafe { std::slice::from_raw_parts(*ptr, *len) });
            if data.len() >= bound {
                data.truncate(bound);
                break;
            }
        }
        let room = self.room();
        let now = self.steps;
        let inode = self.inode(number)?;
        if data.is_empty() {
            return Ok(0);
        }
        let fits = fitting(inode, offset, data.len(), room);
        if fits == 0 {
            return Err(libc::ENOSPC);
        }
        data.truncate(fits);
        inode.modified = now;
        if fault == Some(Fault::Torn) {
            return Err(self.tear(number, offset, &data));
        }
        inode.content.write(offset, &data);
        Ok(data.len() as u64)
    }

    /// Writes some sectors of a range; the answer is an error all the same.
    fn tear(&mut self, number: u64, offset: u64, data: &[u8]) -> i32 {
        let mut rng = self.rng.fork();
        let Ok(inode) = self.inode(number) else { return libc::EIO };
        let mut position = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let take = (SECTOR - position % SECTOR).min(rest.len() as u64) as usize;
            if rng.chance(0.5) {
                inode.content.write(position, &rest[..take]);
            }
            position += take as u64;
            rest = &rest[take..];
        }
        libc::EIO
    }

    fn sync(&mut self, fd: i32, fault: Option<Fault>) -> Result<u64, i32> {
        let (_, number) = self.file(fd)?;
        match fault {
            Some(Fault::SyncLies) => return Ok(0),
            Some(Fault::SyncFails) => {
                let mut rng = self.rng.fork();
                let evict = rng.chance(0.5);
                let faults = self.faults.clone();
                let inode = self.inode(number)?;
                inode.content.fail_sync(&faults, &mut rng, evict);
                inode.sync_errors += 1;
            }
            _ => self.inode(number)?.content.sync(),
        }
        // Each handle hears of a failure once, and of those only that happened while it was open.
        let errors = self.inode(number)?.sync_errors;
        let index = (fd - SIMULATED_FD_BASE) as usize;
        let handle = self.handles[index].as_mut().ok_or(libc::EBADF)?;
        if handle.sync_errors_seen < errors {
            handle.sync_errors_seen = errors;
            return Err(libc::EIO);
        }
        Ok(0)
    }

    fn allocate(&mut self, fd: i32, mode: i32, offset: u64, len: u64) -> Result<u64, i32> {
        let (handle, number) = self.file(fd)?;
        if !handle.writes() {
            return Err(libc::EBADF);
        }
        if len == 0 {
            return Err(libc::EINVAL);
        }
        let known = [0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE];
        if self.faults.no_fallocate || !known.contains(&mode) {
            return Err(libc::EOPNOTSUPP);
        }
        let room = self.room();
        let content = &mut self.inode(number)?.content;
        if mode & PUNCH_HOLE == 0 {
            // Reserved pages are not modelled, so that only what would not fit at all is refused.
            let pages = (offset + len).div_ceil(PAGE) - offset / PAGE;
            if pages.saturating_sub(content.live().pages()) > room {
                return Err(libc::ENOSPC);
            }
        }
        if mode & (PUNCH_HOLE | ZERO_RANGE) != 0 {
            content.zero(offset, len);
        }
        if mode & KEEP_SIZE == 0 && content.live().len() < offset + len {
            content.set_len(offset + len);
        }
        Ok(0)
    }

    fn truncate(&mut self, fd: i32, len: u64) -> Result<u64, i32> {
        let (handle, number) = self.file(fd)?;
        if !handle.writes() {
            return Err(libc::EINVAL);
        }
        let now = self.steps;
        let inode = self.inode(number)?;
        inode.modified = now;
        if inode.content.live().len() != len {
            inode.content.set_len(len);
        }
        Ok(0)
    }

    fn open(&mut self, path: PathBuf, flags: i32, mode: u32) -> Result<u64, i32> {
        if path.iter().any(|name| name.len() > NAME_BYTES_MAX) {
            return Err(libc::ENAMETOOLONG);
        }
        let inode = match self.names.get(&path) {
            _ if path.as_os_str().is_empty() => return Err(libc::ENOENT),
            Some(_) if flags & libc::O_EXCL != 0 && flags & libc::O_CREAT != 0 => return Err(libc::EEXIST),
            Some(Node::Directory) if flags & (libc::O_ACCMODE | libc::O_CREAT) != 0 => {
                return Err(libc::EISDIR);
            }
            Some(Node::Directory) if flags & libc::O_DIRECT != 0 => return Err(libc::EINVAL),
            Some(Node::Directory) => None,
            Some(Node::File(number)) => Some(*number),
            None => {
                self.check_parent(&path)?;
                if flags & libc::O_CREAT == 0 {
                    return Err(libc::ENOENT);
                }
                Some(0)
            }
        };
        let open = self.handles.iter().flatten().count();
        if self.faults.open_files_max.is_some_and(|max| open >= max) {
            return Err(libc::EMFILE);
        }
        let inode = match inode {
            Some(0) => {
                let number = self.add_inode(Inode { mode, ..Inode::default() });
                self.names.insert(path, Node::File(number));
                Some(number)
            }
            other => other,
        };
        let mut sync_errors_seen = 0;
        if let Some(number) = inode {
            let inode = self.inode(number)?;
            sync_errors_seen = inode.sync_errors;
            if flags & libc::O_TRUNC != 0 && inode.content.live().len() > 0 {
                inode.content.set_len(0);
            }
        }
        let handle = Some(OpenFile { inode, flags, sync_errors_seen });
        // The lowest free number, as the kernel does it: a handle that is used after its end soon belongs to another file.
        let index = match self.handles.iter().position(Option::is_none) {
            Some(index) => {
                self.handles[index] = handle;
                index
            }
            None => {
                self.handles.push(handle);
                self.handles.len() - 1
            }
        };
        Ok(SIMULATED_FD_BASE as u64 + index as u64)
    }

    pub(super) fn fill_statx(&mut self, fd: i32, out: &mut libc::statx) -> i64 {
        let Ok(handle) = self.handle(fd) else { return -i64::from(libc::EBADF) };
        out.stx_mask = crate::stat::STATX_MASK;
        out.stx_blksize = PAGE as u32;
        out.stx_nlink = 1;
        out.stx_dev_major = DEVICE_MAJOR;
        let Some(number) = handle.inode else {
            out.stx_mode = (libc::S_IFDIR | 0o755) as u16;
            return 0;
        };
        let named = self.names.values().any(|node| *node == Node::File(number));
        let Ok(inode) = self.inode(number) else { return -i64::from(libc::EIO) };
        out.stx_mode = (libc::S_IFREG | inode.mode) as u16;
        out.stx_ino = number;
        out.stx_nlink = u32::from(named);
        out.stx_size = inode.content.live().len();
        out.stx_blocks = inode.content.live().pages() * (PAGE / SECTOR);
        out.stx_mtime.tv_sec = (CLOCK_EPOCH + inode.modified) as i64;
        out.stx_ctime.tv_sec = out.stx_mtime.tv_sec;
        out.stx_dio_mem_align = SECTOR as u32;
        out.stx_dio_offset_align = SECTOR as u32;
        0
    }
}

fn pieces(iov: *const libc::iovec, count: u32) -> Vec<Piece> {
    // SAFETY: the payload owns an array of that many entries at `iov`, which the table keeps until the answer.
    let all = unsafe { std::slice::from_raw_parts(iov, count as usize) };
    all.iter().map(|entry| (entry.iov_base.cast(), entry.iov_len)).collect()
}

fn misaligned(pieces: &[Piece], offset: u64) -> bool {
    !offset.is_multiple_of(SECTOR)
        || pieces.iter().any(|(ptr, len)| {
            !(*len as u64).is_multiple_of(SECTOR) || !(*ptr as usize).is_multiple_of(SECTOR as usize)
        })
}

/// Bytes that a transfer may move, less than it asks for when the plan shortens it.
fn length_bound(fault: Option<Fault>, direct: bool, pieces: &[Piece]) -> u64 {
    let all: u64 = pieces.iter().map(|(_, len)| *len as u64).sum();
    match fault {
        Some(Fault::Short(bound)) if direct => (bound as u64).next_multiple_of(SECTOR).max(SECTOR).min(all),
        Some(Fault::Short(bound)) => (bound as u64).max(1).min(all),
        _ => all,
    }
}

/// How much of a write fits if that many pages are free.
fn fitting(inode: &Inode, offset: u64, len: usize, room: u64) -> usize {
    if room == u64::MAX {
        return len;
    }
    let live = inode.content.live();
    let end = offset + len as u64;
    let mut left = room;
    for number in offset / PAGE..end.div_ceil(PAGE) {
        if !live.has_page(number) {
            if left == 0 {
                return (number * PAGE).saturating_sub(offset) as usize;
            }
            left -= 1;
        }
    }
    len
}
