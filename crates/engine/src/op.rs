//! Operations as data: what a backend has to do next, and what its answer means.
//!
//! An [`Op`] is a small state machine without I/O. A backend asks it for the next [`Step`], carries that out in its own
//! way, and reports the raw kernel result to [`Op::advance`], which decides whether the operation continues (a short
//! transfer, an interruption), moves to the blocking path, or is finished. All backends share it, so whole-range
//! semantics, bounded retries and end-of-file handling exist once.

use crate::errno::{Reaction, reaction_on_blocking, reaction_on_ring};
use crate::watch::Change;
use std::fmt;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OpKind {
    /// `pread(2)`, continued to the end of the range or of the file.
    Read,
    /// `pwrite(2)`, continued to the end of the range.
    Write,
    /// `preadv(2)`, continued likewise.
    ReadVectored,
    /// `pwritev(2)`, continued likewise.
    WriteVectored,
    /// `fsync(2)`.
    Fsync,
    /// `fdatasync(2)`.
    Fdatasync,
    /// `fallocate(2)`.
    Fallocate,
    /// `ftruncate(2)`.
    Ftruncate,
    /// `statx(2)` of an open file.
    Statx,
    /// `openat(2)`.
    Open,
    /// `close(2)`.
    Close,
    /// `posix_fadvise(2)`.
    Fadvise,
}

impl OpKind {
    /// Every kind, in declaration order; `kind as usize` is the index.
    pub const ALL: [OpKind; 12] = [
        OpKind::Read,
        OpKind::Write,
        OpKind::ReadVectored,
        OpKind::WriteVectored,
        OpKind::Fsync,
        OpKind::Fdatasync,
        OpKind::Fallocate,
        OpKind::Ftruncate,
        OpKind::Statx,
        OpKind::Open,
        OpKind::Close,
        OpKind::Fadvise,
    ];

    /// The name used in errors and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::ReadVectored => "vectored read",
            Self::WriteVectored => "vectored write",
            Self::Fsync => "fsync",
            Self::Fdatasync => "fdatasync",
            Self::Fallocate => "fallocate",
            Self::Ftruncate => "ftruncate",
            Self::Statx => "statx",
            Self::Open => "open",
            Self::Close => "close",
            Self::Fadvise => "fadvise",
        }
    }

    /// Whether the operation changes file content or size, so that a poisoned file refuses it.
    #[must_use]
    pub fn modifies(self) -> bool {
        matches!(
            self,
            Self::Write
                | Self::WriteVectored
                | Self::Fsync
                | Self::Fdatasync
                | Self::Fallocate
                | Self::Ftruncate
        )
    }

    /// Whether bytes move.
    pub(crate) fn is_transfer(self) -> bool {
        matches!(self, Self::Read | Self::Write | Self::ReadVectored | Self::WriteVectored)
    }

    fn is_read(self) -> bool {
        matches!(self, Self::Read | Self::ReadVectored)
    }
}

impl fmt::Display for OpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One kernel request. Pointers stay valid because the operation's payload lives in the in-flight table until the
/// operation is finished.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Read { fd: i32, ptr: *mut u8, len: u32, offset: u64 },
    Write { fd: i32, ptr: *const u8, len: u32, offset: u64 },
    ReadVectored { fd: i32, iov: *const libc::iovec, count: u32, offset: u64 },
    WriteVectored { fd: i32, iov: *const libc::iovec, count: u32, offset: u64 },
    Sync { fd: i32, data_only: bool },
    Allocate { fd: i32, mode: i32, offset: u64, len: u64 },
    Truncate { fd: i32, len: u64 },
    Statx { fd: i32, out: *mut libc::statx },
    Open { path: *const libc::c_char, flags: i32, mode: u32 },
    Close { fd: i32 },
    Advise { fd: i32, offset: u64, len: u64, advice: i32 },
}

// SAFETY: a step is a description; the pointers in it refer to memory that the in-flight table keeps alive and that no
// other thread touches while the step runs.
unsafe impl Send for Step {}

/// Arguments of an operation that is not finished.
#[derive(Debug)]
enum Args {
    Bytes { ptr: *mut u8, len: usize, offset: u64 },
    Vectors { iov: *mut libc::iovec, count: usize, offset: u64 },
    Sync,
    Allocate { mode: i32, offset: u64, len: u64 },
    Truncate { len: u64 },
    Statx { out: *mut libc::statx },
    Open { path: *const libc::c_char, flags: i32, mode: u32 },
    Close,
    Advise { offset: u64, len: u64, advice: i32 },
}

/// Which path carried out a step: decides how its errors are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    Ring,
    Blocking,
}

/// What follows a step's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advance {
    /// Carry out [`Op::step`] again on the same path.
    Again,
    /// Carry out [`Op::step`] on the blocking path.
    Reroute,
    /// Finished: bytes, a descriptor or 0; or an error number.
    Done(Result<usize, i32>),
}

/// Longest single kernel transfer: `MAX_RW_COUNT` rounded down to a size that keeps direct I/O aligned.
const STEP_BYTES_MAX: usize = 1 << 30;
/// `IOV_MAX` on Linux.
const STEP_VECTORS_MAX: usize = 1024;
/// Interruptions in a row that are retried on the same path before the blocking path has to answer.
const RETRIES_MAX: u8 = 16;

/// A kernel operation in progress.
#[derive(Debug)]
pub(crate) struct Op {
    kind: OpKind,
    fd: i32,
    args: Args,
    done: usize,
    /// Reads move multiples of this, except at the end of the file.
    unit: usize,
    /// After the last byte of a write comes an `fdatasync(2)`, and the kind changes to that.
    then_sync: bool,
    retries: u8,
}

// SAFETY: as for `Step`.
unsafe impl Send for Op {}

impl Op {
    /// A read into or write from `len` bytes at `ptr`. The memory must belong to the operation's payload.
    pub(crate) fn bytes(kind: OpKind, fd: i32, ptr: *mut u8, len: usize, offset: u64) -> Self {
        debug_assert!(matches!(kind, OpKind::Read | OpKind::Write));
        Self::new(kind, fd, Args::Bytes { ptr, len, offset })
    }

    /// A vectored read or write over `count` entries at `iov`, which `advance` may modify. Both the array and the memory
    /// it points to must belong to the operation's payload.
    pub(crate) fn vectors(kind: OpKind, fd: i32, iov: *mut libc::iovec, count: usize, offset: u64) -> Self {
        debug_assert!(matches!(kind, OpKind::ReadVectored | OpKind::WriteVectored));
        Self::new(kind, fd, Args::Vectors { iov, count, offset })
    }

    pub(crate) fn sync(fd: i32, data_only: bool) -> Self {
        Self::new(if data_only { OpKind::Fdatasync } else { OpKind::Fsync }, fd, Args::Sync)
    }

    pub(crate) fn allocate(fd: i32, mode: i32, offset: u64, len: u64) -> Self {
        Self::new(OpKind::Fallocate, fd, Args::Allocate { mode, offset, len })
    }

    pub(crate) fn truncate(fd: i32, len: u64) -> Self {
        Self::new(OpKind::Ftruncate, fd, Args::Truncate { len })
    }

    /// `out` must belong to the operation's payload.
    pub(crate) fn statx(fd: i32, out: *mut libc::statx) -> Self {
        Self::new(OpKind::Statx, fd, Args::Statx { out })
    }

    /// `path` must belong to the operation's payload.
    pub(crate) fn open(path: *const libc::c_char, flags: i32, mode: u32) -> Self {
        Self::new(OpKind::Open, libc::AT_FDCWD, Args::Open { path, flags, mode })
    }

    pub(crate) fn close(fd: i32) -> Self {
        Self::new(OpKind::Close, fd, Args::Close)
    }

    pub(crate) fn advise(fd: i32, offset: u64, len: u64, advice: i32) -> Self {
        Self::new(OpKind::Fadvise, fd, Args::Advise { offset, len, advice })
    }

    fn new(kind: OpKind, fd: i32, args: Args) -> Self {
        Self { kind, fd, args, done: 0, unit: 1, then_sync: false, retries: 0 }
    }

    /// For a direct file: what offsets and lengths have to be multiples of.
    pub(crate) fn in_units_of(mut self, unit: usize) -> Self {
        self.unit = unit.max(1);
        self
    }

    /// For a write: an `fdatasync(2)` follows when all bytes are written, as part of the operation.
    pub(crate) fn then_sync(mut self) -> Self {
        debug_assert!(self.kind == OpKind::Write);
        self.then_sync = true;
        self
    }

    /// The part of the file that the operation changes, if it changes content or size.
    pub(crate) fn change(&self) -> Option<Change> {
        const KEEP_SIZE: i32 = 1;
        match self.args {
            Args::Bytes { len, offset, .. } if !self.kind.is_read() => {
                Some(Change { offset, end: offset.saturating_add(len as u64) })
            }
            Args::Vectors { iov, count, offset } if !self.kind.is_read() => {
                Some(Change { offset, end: offset.saturating_add(vectors_len(iov, count)) })
            }
            Args::Truncate { len } => Some(Change { offset: len, end: u64::MAX }),
            Args::Allocate { mode, .. } if mode & !KEEP_SIZE == 0 => Some(Change::BEYOND_THE_END),
            // Some modes move everything behind the range.
            Args::Allocate { offset, .. } => Some(Change { offset, end: u64::MAX }),
            _ => None,
        }
    }

    /// What the operation is about now: a write that is followed by a sync is a sync in the end.
    pub(crate) fn kind(&self) -> OpKind {
        self.kind
    }

    /// The kernel request that comes next.
    pub(crate) fn step(&self) -> Step {
        let fd = self.fd;
        match self.args {
            Args::Bytes { .. } if self.kind == OpKind::Fdatasync => Step::Sync { fd, data_only: true },
            Args::Bytes { ptr, len, offset } => {
                let ptr = ptr.wrapping_add(self.done);
                // `min` keeps it below 2^30, so the cast is exact.
                let len = (len - self.done).min(STEP_BYTES_MAX) as u32;
                let offset = offset + self.done as u64;
                if self.kind.is_read() {
                    Step::Read { fd, ptr, len, offset }
                } else {
                    Step::Write { fd, ptr, len, offset }
                }
            }
            Args::Vectors { iov, count, offset } => {
                let count = count.min(STEP_VECTORS_MAX) as u32;
                let offset = offset + self.done as u64;
                if self.kind.is_read() {
                    Step::ReadVectored { fd, iov, count, offset }
                } else {
                    Step::WriteVectored { fd, iov, count, offset }
                }
            }
            Args::Sync => Step::Sync { fd, data_only: self.kind == OpKind::Fdatasync },
            Args::Allocate { mode, offset, len } => Step::Allocate { fd, mode, offset, len },
            Args::Truncate { len } => Step::Truncate { fd, len },
            Args::Statx { out } => Step::Statx { fd, out },
            Args::Open { path, flags, mode } => Step::Open { path, flags, mode },
            Args::Close => Step::Close { fd },
            Args::Advise { offset, len, advice } => Step::Advise { fd, offset, len, advice },
        }
    }

    /// Takes the raw result of the last step: a count or descriptor, or a negated error number.
    pub(crate) fn advance(&mut self, raw: i64, path: Path) -> Advance {
        if raw < 0 {
            return self.advance_error(-raw as i32, path);
        }
        self.retries = 0;
        if !self.kind.is_transfer() {
            return Advance::Done(Ok(raw as usize));
        }
        let count = raw as usize;
        self.done += count;
        if self.consume(count) == 0 {
            if self.then_sync {
                self.kind = OpKind::Fdatasync;
                return Advance::Again;
            }
            return Advance::Done(Ok(self.done));
        }
        match (count, self.kind.is_read()) {
            // End of file. A direct read that stopped inside a block has met it too; to go on from there would be misaligned,
            // and an error if the file has grown meanwhile.
            (count, true) if count == 0 || !count.is_multiple_of(self.unit) => Advance::Done(Ok(self.done)),
            // A write that makes no progress without an error would loop for ever; POSIX leaves it unspecified.
            (0, false) => Advance::Done(Err(libc::EIO)),
            _ => Advance::Again,
        }
    }

    fn advance_error(&mut self, errno: i32, path: Path) -> Advance {
        // close(2) releases the descriptor even when it is interrupted; calling it again could close a stranger's.
        if self.kind == OpKind::Close {
            return Advance::Done(if errno == libc::EINTR { Ok(0) } else { Err(errno) });
        }
        // Some file systems create the file and then refuse the flags; doing it again would find the file.
        if matches!(self.args, Args::Open { flags, .. } if flags & libc::O_EXCL != 0) && errno == libc::EINVAL
        {
            return Advance::Done(Err(errno));
        }
        let reaction = match path {
            Path::Ring => reaction_on_ring(errno),
            Path::Blocking => reaction_on_blocking(errno),
        };
        match reaction {
            Reaction::Retry if self.retries < RETRIES_MAX => {
                self.retries += 1;
                Advance::Again
            }
            Reaction::Retry | Reaction::Reroute if path == Path::Ring => {
                self.retries = 0;
                Advance::Reroute
            }
            _ => Advance::Done(Err(errno)),
        }
    }

    /// Records `count` transferred bytes in the arguments and returns how many are still to come.
    fn consume(&mut self, count: usize) -> usize {
        match &mut self.args {
            Args::Bytes { len, .. } => *len - self.done,
            Args::Vectors { iov, count: entries, .. } => consume_vectors(iov, entries, count),
            _ => 0,
        }
    }

    /// Bytes transferred so far: what an error report states.
    pub(crate) fn done(&self) -> usize {
        self.done
    }
}

/// Moves `*iov` forward over `count` bytes and returns the bytes left in it.
fn consume_vectors(iov: &mut *mut libc::iovec, entries: &mut usize, mut count: usize) -> usize {
    // SAFETY: `Op::vectors` was given an array of that many entries owned by the payload, and no kernel request is
    // running while a result is processed.
    let all = unsafe { std::slice::from_raw_parts_mut(*iov, *entries) };
    let mut skipped = 0;
    for entry in all.iter_mut() {
        if count < entry.iov_len {
            entry.iov_base = entry.iov_base.cast::<u8>().wrapping_add(count).cast();
            entry.iov_len -= count;
            break;
        }
        count -= entry.iov_len;
        skipped += 1;
    }
    let left = all[skipped..].iter().map(|entry| entry.iov_len).sum();
    *iov = iov.wrapping_add(skipped);
    *entries -= skipped;
    left
}

/// Bytes that an array of buffers describes.
fn vectors_len(iov: *const libc::iovec, count: usize) -> u64 {
    // SAFETY: the array belongs to the operation's payload and has that many entries.
    let all = unsafe { std::slice::from_raw_parts(iov, count) };
    all.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.iov_len as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(len: usize) -> Op {
        Op::bytes(OpKind::Read, 3, std::ptr::dangling_mut(), len, 100)
    }

    #[test]
    fn a_durable_write_ends_with_a_sync() {
        let write = || Op::bytes(OpKind::Write, 3, std::ptr::dangling_mut(), 10, 100).then_sync();
        let mut op = write();
        assert_eq!(op.advance(4, Path::Blocking), Advance::Again);
        assert!(matches!(op.step(), Step::Write { len: 6, offset: 104, .. }));
        assert_eq!(op.advance(6, Path::Blocking), Advance::Again);
        assert!(matches!(op.step(), Step::Sync { fd: 3, data_only: true }));
        assert_eq!((op.kind(), op.done()), (OpKind::Fdatasync, 10));
        assert_eq!(op.advance(-i64::from(libc::EINTR), Path::Blocking), Advance::Again);
        assert_eq!(op.advance(0, Path::Blocking), Advance::Done(Ok(0)));
        // A write that fails is not followed by a sync.
        let mut op = write();
        assert_eq!(op.advance(-i64::from(libc::ENOSPC), Path::Blocking), Advance::Done(Err(libc::ENOSPC)));
        assert_eq!(op.kind(), OpKind::Write);
    }

    #[test]
    fn short_reads_continue_where_they_stopped() {
        let mut op = read(10);
        assert_eq!(op.advance(4, Path::Ring), Advance::Again);
        let Step::Read { len, offset, .. } = op.step() else { panic!("a read stays a read") };
        assert_eq!((len, offset), (6, 104));
        assert_eq!(op.advance(6, Path::Ring), Advance::Done(Ok(10)));
    }

    #[test]
    fn end_of_file_is_the_only_short_read() {
        let mut op = read(10);
        assert_eq!(op.advance(4, Path::Blocking), Advance::Again);
        assert_eq!(op.advance(0, Path::Blocking), Advance::Done(Ok(4)));
    }

    #[test]
    fn a_direct_read_that_stops_inside_a_block_is_at_the_end() {
        let mut op = read(4096).in_units_of(512);
        assert_eq!(op.advance(1024, Path::Ring), Advance::Again);
        assert_eq!(op.advance(700, Path::Ring), Advance::Done(Ok(1724)));
    }

    #[test]
    fn a_write_without_progress_is_an_error() {
        let mut op = Op::bytes(OpKind::Write, 3, std::ptr::dangling_mut(), 10, 0);
        assert_eq!(op.advance(0, Path::Ring), Advance::Done(Err(libc::EIO)));
    }

    #[test]
    fn interruptions_are_retried_with_a_bound_and_then_rerouted() {
        let mut op = read(10);
        for _ in 0..RETRIES_MAX {
            assert_eq!(op.advance(-i64::from(libc::EINTR), Path::Ring), Advance::Again);
        }
        assert_eq!(op.advance(-i64::from(libc::EAGAIN), Path::Ring), Advance::Reroute);
        for _ in 0..RETRIES_MAX {
            assert_eq!(op.advance(-i64::from(libc::EINTR), Path::Blocking), Advance::Again);
        }
        assert_eq!(op.advance(-i64::from(libc::EINTR), Path::Blocking), Advance::Done(Err(libc::EINTR)));
    }

    #[test]
    fn progress_resets_the_retry_budget() {
        let mut op = read(10);
        for _ in 0..RETRIES_MAX {
            op.advance(-i64::from(libc::EINTR), Path::Blocking);
        }
        assert_eq!(op.advance(1, Path::Blocking), Advance::Again);
        assert_eq!(op.advance(-i64::from(libc::EINTR), Path::Blocking), Advance::Again);
    }

    #[test]
    fn an_interrupted_close_is_not_repeated() {
        let mut op = Op::close(3);
        assert_eq!(op.advance(-i64::from(libc::EINTR), Path::Blocking), Advance::Done(Ok(0)));
    }

    #[test]
    fn vectors_continue_in_the_middle_of_an_entry() {
        let mut data = [0u8; 12];
        let base = data.as_mut_ptr();
        let mut iov = [
            libc::iovec { iov_base: base.cast(), iov_len: 4 },
            libc::iovec { iov_base: base.wrapping_add(4).cast(), iov_len: 0 },
            libc::iovec { iov_base: base.wrapping_add(4).cast(), iov_len: 8 },
        ];
        let mut op = Op::vectors(OpKind::ReadVectored, 3, iov.as_mut_ptr(), 3, 50);
        assert_eq!(op.advance(6, Path::Ring), Advance::Again);
        let Step::ReadVectored { iov: rest, count, offset, .. } = op.step() else {
            panic!("a vectored read stays one")
        };
        assert_eq!((count, offset), (1, 56));
        // SAFETY: `rest` points into `iov` above.
        let entry = unsafe { *rest };
        assert_eq!(entry.iov_len, 6);
        assert_eq!(entry.iov_base.cast::<u8>(), base.wrapping_add(6));
        assert_eq!(op.advance(6, Path::Ring), Advance::Done(Ok(12)));
    }
}
