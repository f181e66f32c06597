//! Builds submission entries. Every request that reaches the kernel, first or continued, is made here.

use super::Abilities;
use crate::op::Step;
use io_uring::{opcode, squeue, types};

/// The entry for a step, or `None` if the ring has no operation for it.
pub(crate) fn build(
    step: Step,
    user_data: u64,
    abilities: Abilities,
    priority: u16,
) -> Option<squeue::Entry> {
    let entry = match step {
        Step::Read { fd, ptr, len, offset } => {
            opcode::Read::new(types::Fd(fd), ptr, len).offset(offset).ioprio(priority).build()
        }
        Step::Write { fd, ptr, len, offset } => {
            opcode::Write::new(types::Fd(fd), ptr, len).offset(offset).ioprio(priority).build()
        }
        Step::ReadVectored { fd, iov, count, offset } => {
            opcode::Readv::new(types::Fd(fd), iov, count).offset(offset).ioprio(priority).build()
        }
        Step::WriteVectored { fd, iov, count, offset } => {
            opcode::Writev::new(types::Fd(fd), iov, count).offset(offset).ioprio(priority).build()
        }
        Step::Sync { fd, data_only } => {
            let flags = if data_only { types::FsyncFlags::DATASYNC } else { types::FsyncFlags::empty() };
            opcode::Fsync::new(types::Fd(fd)).flags(flags).build()
        }
        Step::Allocate { fd, mode, offset, len } => {
            opcode::Fallocate::new(types::Fd(fd), len).offset(offset).mode(mode).build()
        }
        Step::Truncate { fd, len } if abilities.ftruncate => {
            opcode::Ftruncate::new(types::Fd(fd), len).build()
        }
        Step::Truncate { .. } => return None,
        Step::Statx { fd, out } => opcode::Statx::new(types::Fd(fd), c"".as_ptr(), out.cast())
            .flags(libc::AT_EMPTY_PATH)
            .mask(crate::file::STATX_MASK)
            .build(),
        Step::Open { path, flags, mode } => {
            opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), path).flags(flags).mode(mode).build()
        }
        Step::Close { fd } => opcode::Close::new(types::Fd(fd)).build(),
        Step::Advise { fd, offset, len, advice } => {
            // The opcode's length field has 32 bits; longer advice goes to the blocking path.
            let len = i64::try_from(len).ok().filter(|len| *len <= i64::from(u32::MAX))?;
            opcode::Fadvise::new(types::Fd(fd), len, advice).offset(offset).build()
        }
    };
    Some(entry.user_data(user_data))
}
