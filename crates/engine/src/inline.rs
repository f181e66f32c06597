//! The path without a hand-over: transfers that complete at once, on the calling task.
//!
//! `preadv2(2)` with `RWF_NOWAIT` copies what the page cache holds and fails with `EAGAIN` instead of waiting. For
//! resident data that is a system call and a copy, nothing else; no other path comes near. The copy still takes time on a
//! tokio worker, so it is charged to the task's cooperative budget: see [`charge`].

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll, Waker};

/// How a file system answers without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Readiness {
    /// Nothing can be done without possibly waiting.
    Never = 0,
    /// `RWF_NOWAIT` tells.
    Flagged = 1,
    /// File content is memory, so plain calls do not wait (tmpfs and ramfs on a machine without swap).
    Memory = 2,
}

impl Readiness {
    pub(crate) fn from_u8(value: u8) -> Self {
        match value {
            1 => Self::Flagged,
            2 => Self::Memory,
            _ => Self::Never,
        }
    }
}

/// Largest single copy. At some 10 GB/s it holds a worker for about 25 us, a fraction of what a task may run between
/// yields.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes that count as one unit of tokio's cooperative budget. A task has 128 units per poll, so it copies at most 1 MiB
/// (about 100 us) before others get their turn.
const BYTES_PER_BUDGET_UNIT: usize = 8 * 1024;

/// What a system call costs, in bytes copied in that time.
const BYTES_PER_CALL: usize = 1024;

/// What an attempt gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// So many bytes; 0 is end of file for a read.
    Moved(usize),
    /// It would have had to wait.
    WouldWait,
    /// This file system cannot be asked.
    Unsupported,
    /// The operation failed for good.
    Failed(i32),
}

/// Reads into `iov` without waiting.
///
/// # Safety
///
/// Every entry of `iov` describes writable memory that nobody else uses during the call.
pub(crate) unsafe fn read(fd: i32, iov: &[libc::iovec], offset: u64, readiness: Readiness) -> Attempt {
    let flags = if readiness == Readiness::Memory { 0 } else { libc::RWF_NOWAIT };
    // SAFETY: the memory is the caller's promise; the array is a slice of at most IOV_MAX entries.
    attempt(unsafe { call(libc::SYS_preadv2, fd, iov, offset, flags) })
}

/// Writes from `iov` without waiting.
///
/// # Safety
///
/// Every entry of `iov` describes initialised memory that nobody writes during the call.
pub(crate) unsafe fn write(fd: i32, iov: &[libc::iovec], offset: u64, readiness: Readiness) -> Attempt {
    let flags = if readiness == Readiness::Memory { 0 } else { libc::RWF_NOWAIT };
    // SAFETY: as in `read`.
    attempt(unsafe { call(libc::SYS_pwritev2, fd, iov, offset, flags) })
}

/// The system call itself: the C library's functions of these names are cancellation points, which costs two atomic operations
/// per call once a process has threads (some 15 ns of a 4 KiB read's 400).
///
/// # Safety
///
/// `number` is that of `preadv2(2)` or `pwritev2(2)`, and `iov` fits it.
unsafe fn call(number: libc::c_long, fd: i32, iov: &[libc::iovec], offset: u64, flags: i32) -> isize {
    // The kernel takes the offset in two halves of its own word size each.
    let (low, high) =
        (offset as libc::c_ulong, (offset >> 16 >> (libc::c_ulong::BITS - 16)) as libc::c_ulong);
    // Every argument as wide as a register: what is above an `int` in one would be undefined.
    let (fd, flags) = (libc::c_long::from(fd), libc::c_long::from(flags));
    // SAFETY: the caller's promise.
    unsafe { libc::syscall(number, fd, iov.as_ptr(), iov.len(), low, high, flags) as isize }
}

fn attempt(result: isize) -> Attempt {
    if let Ok(count) = usize::try_from(result) {
        return Attempt::Moved(count);
    }
    match io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) {
        libc::EAGAIN | libc::EINTR => Attempt::WouldWait,
        // EINVAL: kernels that do not know the flag. A really invalid call gets the same answer on the next path.
        libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL => Attempt::Unsupported,
        errno => Attempt::Failed(errno),
    }
}

/// Waits until the task may go on under tokio's cooperative budget. Immediate while budget is left.
pub async fn budget() {
    std::future::poll_fn(|cx| {
        if tokio::task::coop::has_budget_remaining() {
            return Poll::Ready(());
        }
        // Without budget this registers the task to run again after the others.
        tokio::task::coop::poll_proceed(cx).map(drop)
    })
    .await;
}

/// Charges a copy of `bytes` to the running task's budget, so that a task that finds all its data in memory lets others run.
pub fn charge(bytes: usize) {
    thread_local! {
        // What is below one unit stays for the next copy on this thread.
        static UNCHARGED: Cell<usize> = const { Cell::new(0) };
    }
    UNCHARGED.with(|uncharged| {
        let total = uncharged.get() + bytes + BYTES_PER_CALL;
        uncharged.set(total % BYTES_PER_BUDGET_UNIT);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..total / BYTES_PER_BUDGET_UNIT {
            if !tokio::task::coop::has_budget_remaining() {
                return;
            }
            if let Poll::Ready(unit) = tokio::task::coop::poll_proceed(&mut cx) {
                unit.made_progress();
            }
        }
    });
}
