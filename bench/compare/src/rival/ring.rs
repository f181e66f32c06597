//! A ring whose operations own their buffers, for the two engines here that are no library.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, opcode, squeue, types};
use rustfs_rio_load::{OpKind, PageBuffer};

/// A file operation with all that must live until its completion.
pub(super) struct Transfer<T> {
    pub(super) kind: OpKind,
    pub(super) offset: u64,
    pub(super) buf: PageBuffer,
    /// Kept open until the completion.
    pub(super) file: T,
}

/// A ring and its operations under way, each in a numbered slot.
pub(super) struct Ring<T> {
    ring: IoUring,
    slots: Vec<Option<Transfer<T>>>,
    under_way: usize,
    enters: u64,
}

/// What a completion brings: the slot or [`OUTSIDE`], the slot's transfer, and the result.
pub(super) type Completion<T> = (u64, Option<Transfer<T>>, io::Result<usize>);

/// Completions with this user data are not of a slot.
pub(super) const OUTSIDE: u64 = u64::MAX;

impl<T: AsRef<File>> Ring<T> {
    /// A ring for one thread with room for `depth` transfers at once. The set-up flags let the kernel run completions
    /// on this thread only when it asks for them (Linux 6.1); older kernels get a plain ring.
    pub(super) fn new(depth: usize) -> io::Result<Self> {
        let entries = super::RING_ENTRIES.max(depth as u32 + 1).next_power_of_two();
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(entries)
            .or_else(|_| IoUring::new(entries))?;
        Ok(Self { ring, slots: (0..depth).map(|_| None).collect(), under_way: 0, enters: 0 })
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Calls of `io_uring_enter` so far.
    pub(super) fn enters(&self) -> u64 {
        self.enters
    }

    /// Queues a transfer in a free slot; it starts with the next [`submit_and_wait`](Self::submit_and_wait).
    pub(super) fn start(&mut self, slot: usize, mut transfer: Transfer<T>) -> io::Result<()> {
        debug_assert!(self.slots[slot].is_none(), "slot {slot} is taken");
        let fd = types::Fd(transfer.file.as_ref().as_raw_fd());
        let len = transfer.buf.len() as u32;
        let entry = match transfer.kind {
            OpKind::Read => {
                opcode::Read::new(fd, transfer.buf.as_mut_ptr(), len).offset(transfer.offset).build()
            }
            OpKind::Write => {
                opcode::Write::new(fd, transfer.buf.as_ptr(), len).offset(transfer.offset).build()
            }
        };
        self.push(&entry.user_data(slot as u64))?;
        self.slots[slot] = Some(transfer);
        self.under_way += 1;
        Ok(())
    }

    /// Queues an fdatasync for a slot whose transfer was taken out; the transfer goes back in for its duration.
    pub(super) fn sync(&mut self, slot: usize, transfer: Transfer<T>) -> io::Result<()> {
        let fd = types::Fd(transfer.file.as_ref().as_raw_fd());
        let entry = opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC).build();
        self.push(&entry.user_data(slot as u64))?;
        self.slots[slot] = Some(transfer);
        self.under_way += 1;
        Ok(())
    }

    /// Queues a poll for readability of `fd`, which completes as [`OUTSIDE`].
    pub(super) fn poll_readable(&mut self, fd: &impl AsRawFd) -> io::Result<()> {
        let entry = opcode::PollAdd::new(types::Fd(fd.as_raw_fd()), libc::POLLIN as u32).build();
        self.push(&entry.user_data(OUTSIDE))
    }

    /// Submits what is queued and waits for `wanted` completions.
    pub(super) fn submit_and_wait(&mut self, wanted: usize) -> io::Result<()> {
        self.enters += 1;
        match self.ring.submit_and_wait(wanted) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Moves the completions that are there into `done`.
    pub(super) fn reap(&mut self, done: &mut Vec<Completion<T>>) {
        for entry in self.ring.completion() {
            let transfer = match entry.user_data() {
                OUTSIDE => None,
                slot => self.slots[slot as usize].take(),
            };
            self.under_way -= usize::from(transfer.is_some());
            let result = match entry.result() {
                len if len >= 0 => Ok(len as usize),
                errno => Err(io::Error::from_raw_os_error(-errno)),
            };
            done.push((entry.user_data(), transfer, result));
        }
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: the entry points into a heap buffer of a transfer that is put into a slot right after this and stays
        // there until its completion was seen (`Drop` waits for that), or, for a poll, into nothing.
        let pushed = unsafe { self.ring.submission().push(entry) };
        pushed.map_err(|_| io::Error::other("the submission queue is full"))
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // The kernel may still write into the buffers of operations under way.
        while self.under_way > 0 {
            if self.ring.submit_and_wait(1).is_err() {
                // Nothing more will be heard of them: their memory is given up rather than reused.
                std::mem::forget(std::mem::take(&mut self.slots));
                return;
            }
            for entry in self.ring.completion() {
                if let Some(slot) = self.slots.get_mut(entry.user_data() as usize) {
                    self.under_way -= usize::from(slot.take().is_some());
                }
            }
        }
    }
}
