//! Carries out one step with plain system calls. Complete on Linux; the fallback for everything that a ring refuses.

use crate::op::Step;

/// Runs the step on this thread and returns the kernel's answer: a count or descriptor, or a negated error number.
pub(crate) fn execute(step: Step) -> i64 {
    match step {
        Step::Read { .. } | Step::Write { .. } | Step::ReadVectored { .. } | Step::WriteVectored { .. } => {
            transfer(step)
        }
        // SAFETY: plain call on a descriptor that the operation's file keeps open.
        Step::Sync { fd, data_only: true } => answer(i64::from(unsafe { libc::fdatasync(fd) })),
        // SAFETY: as above.
        Step::Sync { fd, data_only: false } => answer(i64::from(unsafe { libc::fsync(fd) })),
        Step::Allocate { fd, mode, offset, len } => {
            // SAFETY: as above.
            answer(i64::from(unsafe { libc::fallocate(fd, mode, signed(offset), signed(len)) }))
        }
        // SAFETY: as above.
        Step::Truncate { fd, len } => answer(i64::from(unsafe { libc::ftruncate(fd, signed(len)) })),
        Step::Statx { fd, out } => {
            // SAFETY: `out` points to a `statx` buffer in the operation's payload.
            let result =
                unsafe { libc::statx(fd, c"".as_ptr(), libc::AT_EMPTY_PATH, crate::file::STATX_MASK, out) };
            answer(i64::from(result))
        }
        Step::Open { path, flags, mode } => {
            // SAFETY: `path` is a NUL-terminated string in the operation's payload.
            answer(i64::from(unsafe { libc::open(path, flags, mode) }))
        }
        // SAFETY: the operation owns the descriptor and nobody uses it afterwards.
        Step::Close { fd } => answer(i64::from(unsafe { libc::close(fd) })),
        Step::Advise { fd, offset, len, advice } => {
            // posix_fadvise(2) returns the error number instead of setting errno.
            // SAFETY: plain call on a descriptor that the operation's file keeps open.
            -i64::from(unsafe { libc::posix_fadvise(fd, signed(offset), signed(len), advice) })
        }
    }
}

fn transfer(step: Step) -> i64 {
    let count = match step {
        Step::Read { fd, ptr, len, offset } => {
            // SAFETY: the payload owns `len` writable bytes at `ptr` that nobody else touches while the step runs.
            unsafe { libc::pread(fd, ptr.cast(), len as usize, signed(offset)) }
        }
        Step::Write { fd, ptr, len, offset } => {
            // SAFETY: the payload owns `len` initialised bytes at `ptr`.
            unsafe { libc::pwrite(fd, ptr.cast(), len as usize, signed(offset)) }
        }
        Step::ReadVectored { fd, iov, count, offset } => {
            // SAFETY: the payload owns the array and the memory that it describes; `count` is at most IOV_MAX.
            unsafe { libc::preadv(fd, iov, count as i32, signed(offset)) }
        }
        Step::WriteVectored { fd, iov, count, offset } => {
            // SAFETY: as above.
            unsafe { libc::pwritev(fd, iov, count as i32, signed(offset)) }
        }
        _ => return -i64::from(libc::EINVAL),
    };
    answer(count as i64)
}

/// File offsets were checked against `i64::MAX` when the operation was made.
fn signed(value: u64) -> i64 {
    value as i64
}

fn answer(result: i64) -> i64 {
    if result >= 0 {
        return result;
    }
    -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}
