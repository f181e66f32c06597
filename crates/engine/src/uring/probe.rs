//! Finds out at start-up whether io_uring works here, by doing real work with it.
//!
//! A successful `io_uring_setup(2)` proves little: sandboxes may allow it and refuse `io_uring_enter(2)`, and a kernel may
//! lack an opcode. So the probe makes a ring with the very flags that will be used, asks which opcodes exist, and runs an
//! operation through it.

use super::RingConfig;
use crate::errno::{RingRefusal, refusal};
use io_uring::{IoUring, Probe, opcode, types};
use std::io;
use std::os::fd::AsRawFd;

/// The oldest kernel with every opcode and flag that the engine relies on (READ, WRITE, FSYNC, OPENAT, CLOSE, STATX,
/// FALLOCATE, FADVISE are of 5.6).
const OPCODES: [(u8, &str); 10] = [
    (opcode::Read::CODE, "READ"),
    (opcode::Write::CODE, "WRITE"),
    (opcode::Readv::CODE, "READV"),
    (opcode::Writev::CODE, "WRITEV"),
    (opcode::Fsync::CODE, "FSYNC"),
    (opcode::Fallocate::CODE, "FALLOCATE"),
    (opcode::OpenAt::CODE, "OPENAT"),
    (opcode::Close::CODE, "CLOSE"),
    (opcode::Statx::CODE, "STATX"),
    (opcode::Fadvise::CODE, "FADVISE"),
];

/// What the running kernel's ring can do beyond the required opcodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// `IORING_OP_FTRUNCATE`, Linux 6.9.
    pub(crate) ftruncate: bool,
}

/// Makes a ring as configured and proves that it works.
pub(crate) fn probe(config: &RingConfig) -> Result<(IoUring, Abilities), RingRefusal> {
    let mut ring = super::build(config).map_err(|error| explain("io_uring_setup", &error))?;
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(|error| explain("io_uring_register", &error))?;
    for (code, name) in OPCODES {
        if !probe.is_supported(code) {
            return Err(RingRefusal {
                step: "opcode probe",
                errno: None,
                reason: format!("the kernel's io_uring lacks the {name} operation"),
                remedy: "run on Linux 5.15 or later".to_owned(),
            });
        }
    }
    real_operation(&mut ring)?;
    let abilities = Abilities { ftruncate: probe.is_supported(opcode::Ftruncate::CODE) };
    Ok((ring, abilities))
}

/// Reads one byte of `/dev/zero` through the ring. With IOPOLL only polled files are allowed, so a no-op has to do.
fn real_operation(ring: &mut IoUring) -> Result<(), RingRefusal> {
    let polled = ring.params().is_setup_iopoll();
    let zero = std::fs::File::open("/dev/zero").map_err(|error| explain("open /dev/zero", &error))?;
    let mut byte = [1u8; 1];
    let entry = if polled {
        opcode::Nop::new().build()
    } else {
        opcode::Read::new(types::Fd(zero.as_raw_fd()), byte.as_mut_ptr(), 1).build()
    };
    // SAFETY: `zero` and `byte` outlive the request: the loop below leaves only once it has completed or the ring itself
    // was refused before taking it.
    unsafe { ring.submission().push(&entry) }.map_err(|_| explain_text("submission queue has no room"))?;
    loop {
        match ring.submit_and_wait(1) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(explain("io_uring_enter", &error)),
        }
        if let Some(completion) = ring.completion().next() {
            let expected = if polled { 0 } else { 1 };
            return match completion.result() {
                result if result == expected => Ok(()),
                result => Err(explain("first read", &io::Error::from_raw_os_error(-result))),
            };
        }
    }
}

pub(crate) fn explain(step: &'static str, error: &io::Error) -> RingRefusal {
    refusal(step, error.raw_os_error().unwrap_or(libc::EIO), disabled_setting())
}

fn explain_text(reason: &str) -> RingRefusal {
    RingRefusal {
        step: "probe",
        errno: None,
        reason: reason.to_owned(),
        remedy: "report it with the output of `rio doctor`".to_owned(),
    }
}

/// `kernel.io_uring_disabled` (Linux 6.6): 0 allowed, 1 restricted to a group, 2 off.
fn disabled_setting() -> Option<u8> {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}
