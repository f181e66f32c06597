//! A bare io_uring loop for benchmarks: what kernel and disk allow on one thread, without a runtime, wakers or futures.
//!
//! * [`run`]: the loop. It keeps one operation in flight per slot, each slot with a file and a buffer.
//! * [`Ring`]: what the loop is made of, for drivers with an order of their own.
//!
//! What holds: a buffer belongs to its slot from [`Ring::start`] to the completion, and no slot is used twice. A ring that
//! is dropped, on whichever way out, first waits for what the kernel still has.

use crate::buf::AlignedBuf;
use crate::errno::RingRefusal;
use crate::uring::explain;
use io_uring::{IoUring, opcode, squeue, types};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// The smallest submission queue that is asked for: above the depth of ordinary comparisons, and below what an ordinary
/// user's limit on locked memory allows on old kernels.
const ENTRIES_MIN: u32 = 256;
/// Completions with this user data are of a poll.
const POLLED: u64 = u64::MAX;
/// Submissions that the kernel may refuse in a row, while a dropped ring waits, before its buffers are given up.
const REFUSALS_MAX: u32 = 1000;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Reads into the buffer.
    Read,
    /// Writes the buffer.
    Write,
    /// `fdatasync(2)`; the buffer is only kept.
    Sync,
}

/// An operation with all that must live until its completion.
#[derive(Debug)]
pub struct Transfer<T> {
    /// What to do.
    pub action: Action,
    /// Where in the file.
    pub offset: u64,
    /// Read into or written from, over its whole length.
    pub buf: AlignedBuf,
    /// The file; kept until the completion.
    pub file: T,
}

/// What a ring reports.
#[derive(Debug)]
pub enum Completion<T> {
    /// An operation ended.
    Done {
        /// The slot, which is free again.
        slot: usize,
        /// What was started in it.
        transfer: Transfer<T>,
        /// Bytes moved, or the error.
        result: io::Result<usize>,
    },
    /// A descriptor of [`Ring::poll_readable`] is readable, or its poll failed.
    Readable(io::Result<()>),
}

/// A ring for one thread, and its operations under way, each in a numbered slot.
pub struct Ring<T> {
    ring: IoUring,
    slots: Vec<Option<Transfer<T>>>,
    under_way: usize,
    polls: usize,
    enters: u64,
    /// The kernel takes submissions of such a ring from the thread that made it only.
    _stays_on_its_thread: PhantomData<*const ()>,
}

/// Whether this machine lets an ordinary program use io_uring.
///
/// # Errors
///
/// Why not, and what would cure it.
pub fn available() -> Result<(), RingRefusal> {
    let mut ring = make(1).map_err(|error| explain("io_uring_setup", &error))?;
    // SAFETY: a no-op points at nothing.
    let pushed = unsafe { ring.submission().push(&opcode::Nop::new().build()) };
    debug_assert!(pushed.is_ok(), "an empty queue has room");
    loop {
        match ring.submit_and_wait(1) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(explain("io_uring_enter", &error)),
        }
    }
}

/// The set-up flags let the kernel run completions on this thread only when it asks for them (Linux 6.1); older kernels
/// get a plain ring.
fn make(entries: u32) -> io::Result<IoUring> {
    let deferred = IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(entries);
    deferred.or_else(|_| IoUring::new(entries))
}

impl<T: AsFd> Ring<T> {
    /// A ring with `depth` slots.
    ///
    /// # Errors
    ///
    /// That of `io_uring_setup(2)`.
    pub fn new(depth: usize) -> io::Result<Self> {
        let needed =
            u32::try_from(depth).ok().and_then(|depth| depth.checked_add(1)?.checked_next_power_of_two());
        let entries = needed.ok_or_else(|| invalid("the depth is beyond what a ring can have"))?;
        Ok(Self {
            ring: make(entries.max(ENTRIES_MIN))?,
            slots: (0..depth).map(|_| None).collect(),
            under_way: 0,
            polls: 0,
            enters: 0,
            _stays_on_its_thread: PhantomData,
        })
    }

    /// Operations that were started and have not been reaped.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Calls of `io_uring_enter(2)` so far.
    #[must_use]
    pub fn enters(&self) -> u64 {
        self.enters
    }

    /// Queues an operation in a free slot; the kernel sees it with the next [`submit_and_wait`](Self::submit_and_wait).
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a slot that is taken or does not exist; the transfer is dropped then.
    pub fn start(&mut self, slot: usize, mut transfer: Transfer<T>) -> io::Result<()> {
        let place = self.slots.get_mut(slot).filter(|place| place.is_none());
        let place = place.ok_or_else(|| invalid("the slot is taken or does not exist"))?;
        let entry = entry(&mut transfer).user_data(slot as u64);
        // SAFETY: the buffer is heap memory at a fixed address that is put into the slot right below and stays there until
        // its completion was seen: only `reap` and `Drop` take it out, both then; a leaked ring leaks it too.
        unsafe { self.ring.submission().push(&entry) }.map_err(|_| full())?;
        *place = Some(transfer);
        self.under_way += 1;
        Ok(())
    }

    /// Queues one poll for readability of `fd`, which completes as [`Completion::Readable`].
    ///
    /// # Errors
    ///
    /// When the queue is full.
    pub fn poll_readable(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let entry = opcode::PollAdd::new(types::Fd(fd.as_raw_fd()), libc::POLLIN as u32).build();
        // SAFETY: a poll points at no memory, and the kernel keeps the file open.
        unsafe { self.ring.submission().push(&entry.user_data(POLLED)) }.map_err(|_| full())?;
        self.polls += 1;
        Ok(())
    }

    /// Submits what is queued and waits for `wanted` completions, or for fewer where fewer can come.
    ///
    /// # Errors
    ///
    /// That of `io_uring_enter(2)`, unless it was interrupted.
    pub fn submit_and_wait(&mut self, wanted: usize) -> io::Result<()> {
        self.enters += 1;
        match self.ring.submit_and_wait(wanted.min(self.under_way + self.polls)) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Moves the completions that are there into `done`.
    pub fn reap(&mut self, done: &mut Vec<Completion<T>>) {
        for entry in self.ring.completion() {
            let result = match entry.result() {
                len if len >= 0 => Ok(len as usize),
                errno => Err(io::Error::from_raw_os_error(-errno)),
            };
            if entry.user_data() == POLLED {
                self.polls -= 1;
                done.push(Completion::Readable(result.map(drop)));
                continue;
            }
            let slot = entry.user_data() as usize;
            if let Some(transfer) = self.slots.get_mut(slot).and_then(Option::take) {
                self.under_way -= 1;
                done.push(Completion::Done { slot, transfer, result });
            }
        }
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // The kernel may still write into the buffers of operations under way.
        let mut refusals = 0;
        while self.under_way > 0 {
            if self.ring.submit_and_wait(1).is_err() {
                refusals += 1;
            }
            for entry in self.ring.completion() {
                if let Some(slot) = self.slots.get_mut(entry.user_data() as usize) {
                    self.under_way -= usize::from(slot.take().is_some());
                }
            }
            if refusals > REFUSALS_MAX {
                // Nothing more will be heard of them: their memory is given up rather than reused.
                std::mem::forget(std::mem::take(&mut self.slots));
                return;
            }
        }
    }
}

impl<T> std::fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("slots", &self.slots.len())
            .field("under_way", &self.under_way)
            .field("enters", &self.enters)
            .finish_non_exhaustive()
    }
}

fn entry<T: AsFd>(transfer: &mut Transfer<T>) -> squeue::Entry {
    let fd = types::Fd(transfer.file.as_fd().as_raw_fd());
    let len = u32::try_from(transfer.buf.len()).unwrap_or(u32::MAX);
    match transfer.action {
        Action::Read => opcode::Read::new(fd, transfer.buf.as_mut_ptr(), len).offset(transfer.offset).build(),
        Action::Write => opcode::Write::new(fd, transfer.buf.as_ptr(), len).offset(transfer.offset).build(),
        Action::Sync => opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC).build(),
    }
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn full() -> io::Error {
    io::Error::other("the submission queue is full")
}

/// Where the operations of [`run`] come from and where their results go.
pub trait Work {
    /// The next operation of a slot and its offset, or `None` when the slot is to end. For a write, `buf` holds the bytes
    /// when this returns.
    fn next(&mut self, slot: usize, buf: &mut [u8]) -> Option<(Action, u64)>;

    /// Takes the result of the slot's operation: the bytes it moved (0 for a sync), or its error, and the buffer.
    fn done(&mut self, slot: usize, result: io::Result<usize>, buf: &[u8]);
}

/// Keeps one operation in flight per file, on this thread, until `work` has none left for any of them. Returns the number
/// of `io_uring_enter(2)` calls.
///
/// Each slot has the file of its number and a buffer of `block_size` bytes. While results are taken in, what was queued is
/// submitted after every `submit_every` operations: 1 sends each off at once, `usize::MAX` all of them in the call that also
/// waits.
///
/// # Errors
///
/// When the ring or a buffer cannot be made, or the ring fails; what is in flight then is waited for first.
pub fn run(
    files: &[BorrowedFd<'_>],
    block_size: usize,
    submit_every: usize,
    work: &mut impl Work,
) -> io::Result<u64> {
    let mut ring = Ring::new(files.len())?;
    for (slot, file) in files.iter().enumerate() {
        advance(&mut ring, work, slot, *file, AlignedBuf::zeroed(block_size)?)?;
    }
    let mut done = Vec::with_capacity(files.len());
    while ring.under_way() > 0 {
        ring.submit_and_wait(1)?;
        ring.reap(&mut done);
        let mut queued = 0;
        for completion in done.drain(..) {
            let Completion::Done { slot, transfer, result } = completion else { continue };
            work.done(slot, result, &transfer.buf);
            advance(&mut ring, work, slot, transfer.file, transfer.buf)?;
            queued += 1;
            if queued >= submit_every {
                queued = 0;
                ring.submit_and_wait(0)?;
            }
        }
    }
    Ok(ring.enters())
}

fn advance<'a>(
    ring: &mut Ring<BorrowedFd<'a>>,
    work: &mut impl Work,
    slot: usize,
    file: BorrowedFd<'a>,
    mut buf: AlignedBuf,
) -> io::Result<()> {
    match work.next(slot, &mut buf) {
        Some((action, offset)) => ring.start(slot, Transfer { action, offset, buf, file }),
        None => Ok(()),
    }
}
