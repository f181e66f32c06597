//! What an error number means, depending on when it arrives.
//!
//! The same number asks for different reactions: `EPERM` from `io_uring_setup(2)` says that a sandbox refuses rings,
//! `EPERM` from a write says that the file may not be written. Taking one for the other disables a healthy device
//! or retries a hopeless operation. The tables here are the only place where numbers are interpreted.

use std::io;

/// Reaction to an error while an operation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Transient: run the same step again, a bounded number of times.
    Retry,
    /// The path may be unfit for the operation: run it once on the blocking path, whose answer is final.
    Reroute,
    /// The operation failed; the caller gets the error.
    Fail,
}

/// Interprets a run-time error number that the ring reported for an operation.
///
/// `EINVAL`, `EOPNOTSUPP` and `ENOSYS` can come from the operation (misaligned direct I/O, a file system without
/// `fallocate`) or from the ring (an opcode that this kernel lacks). The blocking path tells which: it gives the same
/// error in the first case and success in the second.
pub(crate) fn reaction_on_ring(errno: i32) -> Reaction {
    match errno {
        libc::EINTR | libc::EAGAIN => Reaction::Retry,
        // ECANCELED: the thread that submitted ended, and the kernel dropped its queued work.
        // ENOMEM: no memory for the request itself.
        libc::EINVAL | libc::EOPNOTSUPP | libc::ENOSYS | libc::ECANCELED | libc::ENOMEM => Reaction::Reroute,
        _ => Reaction::Fail,
    }
}

/// Interprets a run-time error number of a plain system call.
pub(crate) fn reaction_on_blocking(errno: i32) -> Reaction {
    match errno {
        libc::EINTR | libc::EAGAIN => Reaction::Retry,
        _ => Reaction::Fail,
    }
}

/// Why io_uring cannot be used, with what would cure it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RingRefusal {
    /// The step that failed.
    pub step: &'static str,
    /// The error number, if the kernel gave one.
    pub errno: Option<i32>,
    /// What it means.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl std::fmt::Display for RingRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.step, self.reason)?;
        if let Some(errno) = self.errno {
            write!(f, " ({})", io::Error::from_raw_os_error(errno))?;
        }
        write!(f, "; {}", self.remedy)
    }
}

/// Interprets an error number of the start-up probe. Every refusal leads to the blocking path; the text differs.
/// `disabled` is the content of `/proc/sys/kernel/io_uring_disabled` if the kernel has it.
pub(crate) fn refusal(step: &'static str, errno: i32, disabled: Option<u8>) -> RingRefusal {
    let (reason, remedy) = match (errno, disabled) {
        (libc::EPERM, Some(2)) => (
            "the kernel setting kernel.io_uring_disabled is 2: io_uring is off for everyone",
            "set kernel.io_uring_disabled to 0",
        ),
        (libc::EPERM, Some(1)) => (
            "the kernel setting kernel.io_uring_disabled is 1 and this process is neither privileged nor in \
             kernel.io_uring_group",
            "set kernel.io_uring_disabled to 0, or add the user to the group in kernel.io_uring_group",
        ),
        (libc::EPERM | libc::EACCES, _) => (
            "a sandbox (seccomp filter, LSM policy) refuses io_uring; container engines do so by default",
            "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile",
        ),
        (libc::ENOSYS, _) => (
            "the system call does not exist: a kernel before 5.1, one built without io_uring, or a sandbox that \
             hides it (gVisor)",
            "run on Linux 5.15 or later outside such a sandbox",
        ),
        (libc::ENOMEM, _) => (
            "not enough lockable memory for the ring; kernels before 5.12 charge it to RLIMIT_MEMLOCK",
            "raise the limit (ulimit -l, LimitMEMLOCK= of the service) to 8 MiB or more",
        ),
        (libc::EMFILE | libc::ENFILE, _) => (
            "no file descriptor is free for the ring",
            "raise the limit (ulimit -n, LimitNOFILE= of the service) or find the descriptor leak",
        ),
        (libc::EINVAL, _) => (
            "the kernel is too old for what was asked of it",
            "run on Linux 5.15 or later, or switch SQPOLL and IOPOLL off if they were switched on",
        ),
        _ => ("unexpected error", "report it with the output of `rio doctor`"),
    };
    RingRefusal { step, errno: Some(errno), reason: reason.to_owned(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_time_table_of_the_ring() {
        let rows = [
            (libc::EINTR, Reaction::Retry),
            (libc::EAGAIN, Reaction::Retry),
            (libc::EINVAL, Reaction::Reroute),
            (libc::EOPNOTSUPP, Reaction::Reroute),
            (libc::ENOSYS, Reaction::Reroute),
            (libc::ECANCELED, Reaction::Reroute),
            (libc::ENOMEM, Reaction::Reroute),
            // What the device or the caller did never reflects on the ring.
            (libc::EIO, Reaction::Fail),
            (libc::ENOENT, Reaction::Fail),
            (libc::ENOSPC, Reaction::Fail),
            (libc::EDQUOT, Reaction::Fail),
            (libc::EBADF, Reaction::Fail),
            (libc::EPERM, Reaction::Fail),
            (libc::EACCES, Reaction::Fail),
            (libc::EROFS, Reaction::Fail),
            (libc::EFBIG, Reaction::Fail),
            (libc::EISDIR, Reaction::Fail),
            (libc::EMFILE, Reaction::Fail),
            (libc::EFAULT, Reaction::Fail),
        ];
        for (errno, expected) in rows {
            assert_eq!(reaction_on_ring(errno), expected, "errno {errno}");
        }
    }

    #[test]
    fn run_time_table_of_plain_calls() {
        let rows = [
            (libc::EINTR, Reaction::Retry),
            (libc::EAGAIN, Reaction::Retry),
            (libc::EINVAL, Reaction::Fail),
            (libc::EOPNOTSUPP, Reaction::Fail),
            (libc::ENOMEM, Reaction::Fail),
            (libc::EIO, Reaction::Fail),
        ];
        for (errno, expected) in rows {
            assert_eq!(reaction_on_blocking(errno), expected, "errno {errno}");
        }
    }

    #[test]
    fn probe_table_names_cause_and_cure() {
        let rows = [
            (libc::EPERM, Some(2), "io_uring_disabled is 2"),
            (libc::EPERM, Some(1), "io_uring_group"),
            (libc::EPERM, Some(0), "seccomp"),
            (libc::EPERM, None, "seccomp"),
            (libc::EACCES, None, "seccomp"),
            (libc::ENOSYS, None, "gVisor"),
            (libc::ENOMEM, None, "ulimit -l"),
            (libc::EMFILE, None, "ulimit -n"),
            (libc::ENFILE, None, "ulimit -n"),
            (libc::EINVAL, None, "5.15"),
            (libc::EXDEV, None, "unexpected"),
        ];
        for (errno, disabled, expected) in rows {
            let text = refusal("io_uring_setup", errno, disabled).to_string();
            assert!(text.contains(expected), "errno {errno}: {text}");
        }
    }
}
