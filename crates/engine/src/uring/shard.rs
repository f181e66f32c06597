//! One ring: when to submit, and what to do with completions.
//!
//! When to submit. A system call per operation keeps the device busiest but costs the most CPU; one for all tasks that
//! run after a batch of completions costs the least but lets the device fall idle in between. The rule used here takes
//! both: submit at once while the ring has little in the kernel, and gather up to a fraction ([`GATHER_DIVISOR`]) of
//! what is in the kernel otherwise, as long as tasks that were just woken are about to come with more. When the last of
//! them has come, everything goes. Two bounds hold whatever happens: how many go with one call, and how long one waits for
//! others. No timer is involved; the reaper task runs behind the tasks it woke and submits
//! whatever they left.
//!
//! Lock order: the ring lock, then slots of the table. Tasks are woken with no lock held.

use super::gather::Gather;
use super::{Abilities, RingConfig, entry};
use crate::op::Path;
use crate::shared::Core;
use crate::sync::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Mutex, Ordering};
use crate::table::{Next, Token};
use io_uring::{IoUring, squeue};
use rustix::event::{EventfdFlags, eventfd};
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// With `n` operations in the kernel, up to `n / GATHER_DIVISOR` gather before they are submitted.
const GATHER_DIVISOR: usize = 4;

/// Operations and entries that wait for the ring.
#[derive(Default)]
struct Waiting {
    entries: Vec<squeue::Entry>,
    /// Taken in turns with `entries`, so that neither is allocated in steady state.
    spare: Vec<squeue::Entry>,
}

struct Ring {
    ring: IoUring,
    /// Entries that found the submission queue or the depth bound full, oldest first from `cursor`.
    backlog: Vec<squeue::Entry>,
    cursor: usize,
    overflow_seen: u32,
}

/// A ring and its bookkeeping.
pub(crate) struct Shard {
    core: Arc<Core>,
    abilities: Abilities,
    priority: u16,
    waiting: Mutex<Waiting>,
    queued: AtomicUsize,
    ring: Gather<Ring>,
    /// Signalled by the kernel when completions arrive, unless notifications are off.
    event: OwnedFd,
    /// Notifications are off because tasks are known to look at the ring soon.
    quiet: AtomicBool,
    depth: AtomicU32,
    batch: AtomicUsize,
    batch_timeout_ms: AtomicU64,
    /// When the oldest of what gathers came, on the coarse clock.
    gathering_since_ms: AtomicU64,
    in_kernel: AtomicUsize,
    /// Tasks that were woken by completions and have not been polled since.
    awaited: AtomicI64,
    broken: AtomicBool,
    reroute: Box<dyn Fn(Token) + Send + Sync>,
    /// Tells the reaper that the ring failed.
    failed: Arc<Notify>,
}

/// What a round under the lock leaves to be done without it.
#[derive(Default)]
struct Aftermath {
    wakers: Vec<Waker>,
    settled: Vec<Next>,
    reroutes: Vec<Token>,
}

thread_local! {
    // Reused between rounds, so that completions allocate nothing in steady state.
    static AFTERMATH: RefCell<Aftermath> = RefCell::default();
}

impl Shard {
    /// Wraps a probed ring. `reroute` hands an operation to the blocking path.
    pub(crate) fn new(
        ring: IoUring,
        abilities: Abilities,
        config: &RingConfig,
        core: Arc<Core>,
        reroute: Box<dyn Fn(Token) + Send + Sync>,
        failed: Arc<Notify>,
    ) -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        ring.submitter().register_eventfd(event.as_raw_fd())?;
        let capacity = config.depth as usize;
        Ok(Self {
            core,
            abilities,
            priority: config.priority,
            waiting: Mutex::new(Waiting {
                entries: Vec::with_capacity(capacity),
                spare: Vec::with_capacity(capacity),
            }),
            queued: AtomicUsize::new(0),
            ring: Gather::new(Ring { ring, backlog: Vec::new(), cursor: 0, overflow_seen: 0 }),
            event,
            quiet: AtomicBool::new(false),
            depth: AtomicU32::new(config.depth),
            batch: AtomicUsize::new(config.batch_size),
            batch_timeout_ms: AtomicU64::new(config.batch_timeout.as_millis() as u64),
            gathering_since_ms: AtomicU64::new(0),
            in_kernel: AtomicUsize::new(0),
            awaited: AtomicI64::new(0),
            broken: AtomicBool::new(false),
            reroute,
            failed,
        })
    }

    /// The descriptor that becomes readable when completions arrive.
    pub(super) fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Whether tasks were woken that have not looked at their results yet.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::SeqCst) > 0
    }

    /// Switches notifications off or on, with the next round. While they are off somebody must call [`kick`](Self::kick)
    /// again before long.
    pub(super) fn set_quiet(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::SeqCst);
    }

    /// Closes the ring for new work. What the kernel has is still reaped; what only waited for it moves to the blocking
    /// path.
    pub(crate) fn condemn(&self) {
        self.broken.store(true, Ordering::SeqCst);
        let unsent = {
            let mut ring = self.ring.lock();
            let cursor = ring.cursor;
            let mut unsent = ring.backlog.split_off(cursor);
            unsent.append(&mut self.waiting.lock().entries);
            self.queued.fetch_sub(unsent.len(), Ordering::SeqCst);
            unsent
        };
        for entry in &unsent {
            (self.reroute)(Token::from_raw(entry.get_user_data()));
        }
        // Whoever found the lock taken relies on a round after its release.
        self.kick();
    }

    /// Puts a new ring in the place of one that failed and that the kernel has nothing of any more.
    pub(super) fn install(&self, ring: IoUring) -> io::Result<()> {
        debug_assert_eq!(self.in_kernel(), 0);
        ring.submitter().register_eventfd(self.event.as_raw_fd())?;
        {
            let mut current = self.ring.lock();
            current.ring = ring;
            current.overflow_seen = 0;
            self.broken.store(false, Ordering::SeqCst);
        }
        self.kick();
        Ok(())
    }

    /// Operations that the kernel has.
    pub(crate) fn in_kernel(&self) -> usize {
        self.in_kernel.load(Ordering::Relaxed)
    }

    /// Operations that wait to be submitted.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Whether the ring itself failed, so that nothing may be sent to it.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Changes how many operations may be in the kernel, up to the size the ring was made with.
    pub(crate) fn set_depth(&self, depth: u32) {
        self.depth.store(depth.max(1), Ordering::Relaxed);
    }

    /// The bound in force.
    pub(crate) fn depth(&self) -> u32 {
        self.depth.load(Ordering::Relaxed)
    }

    /// Changes how many operations gather for one entry into the kernel at most, and for how long.
    pub(crate) fn set_batch(&self, size: usize, timeout: Duration) {
        self.batch.store(size.max(1), Ordering::Relaxed);
        self.batch_timeout_ms.store((timeout.as_millis() as u64).max(1), Ordering::Relaxed);
    }

    /// The bounds in force.
    pub(crate) fn batch(&self) -> (usize, Duration) {
        let timeout = Duration::from_millis(self.batch_timeout_ms.load(Ordering::Relaxed));
        (self.batch.load(Ordering::Relaxed), timeout)
    }

    /// Takes over an operation of the table. `false` if the ring has no opcode for it or is broken; the operation is
    /// then untouched.
    pub(crate) fn submit(&self, token: Token, gather: bool) -> bool {
        let Some(step) = self.core.table.step(token) else { return true };
        let Some(entry) = entry::build(step, token.to_raw(), self.abilities, self.priority) else {
            return false;
        };
        let queued = {
            let mut waiting = self.waiting.lock();
            // Under the lock: whoever breaks the ring empties this queue under it afterwards.
            if self.is_broken() {
                return false;
            }
            waiting.entries.push(entry);
            self.queued.fetch_add(1, Ordering::SeqCst) + 1
        };
        if !gather || self.is_due(queued) {
            self.kick();
        }
        true
    }

    fn is_due(&self, queued: usize) -> bool {
        let share = (self.in_kernel.load(Ordering::Relaxed) / GATHER_DIVISOR).max(1);
        self.awaited.load(Ordering::SeqCst) <= 0
            || queued >= share.min(self.batch.load(Ordering::Relaxed))
            || self.gathers_too_long(queued)
    }

    /// Whether the oldest operation has waited for as long as it may. The first that gathers starts the time.
    fn gathers_too_long(&self, queued: usize) -> bool {
        let now = coarse_millis();
        if queued <= 1 {
            self.gathering_since_ms.store(now, Ordering::Relaxed);
            return false;
        }
        let since = self.gathering_since_ms.load(Ordering::Relaxed);
        now.saturating_sub(since) >= self.batch_timeout_ms.load(Ordering::Relaxed)
    }

    /// A task took the result of an operation that a completion woke it for.
    pub(crate) fn consumed(&self) {
        self.awaited.fetch_sub(1, Ordering::SeqCst);
    }

    /// Submits what waits and reaps what completed, or leaves both to whoever is doing so.
    pub(crate) fn kick(&self) {
        let mut after = AFTERMATH.with(RefCell::take);
        let cell = RefCell::new(&mut after);
        self.ring
            .request(|ring| self.round(ring, &mut cell.borrow_mut()), || self.act(&mut cell.borrow_mut()));
        AFTERMATH.with(|slot| *slot.borrow_mut() = after);
    }

    /// Submits what tasks left behind after they ran.
    pub(crate) fn sweep(&self) {
        if self.queued.load(Ordering::SeqCst) > 0 {
            self.kick();
        }
    }

    fn round(&self, ring: &mut Ring, after: &mut Aftermath) {
        loop {
            self.reap(ring, after);
            while self.fill(ring) > 0 {
                self.enter(ring, after);
                self.reap(ring, after);
            }
            // Completions that arrived before notifications were on will not be announced. What they leave to be
            // continued has to be submitted like the rest.
            if !self.set_notifications(ring) {
                break;
            }
        }
        self.note_overflow(ring);
    }

    /// Applies what [`set_quiet`](Self::set_quiet) asked for; returns whether notifications were just switched on.
    fn set_notifications(&self, ring: &mut Ring) -> bool {
        let quiet = self.quiet.load(Ordering::SeqCst);
        let queue = ring.ring.completion();
        match (quiet, queue.eventfd_disabled()) {
            (true, false) => queue.disable_eventfd(),
            (false, true) => queue.enable_eventfd(),
            _ => return false,
        }
        // The kernel posts a completion and then looks at the flag; here the flag is set and then the queue is read. Without
        // a full barrier both could miss the other's write.
        // tidy:allow(sync): a fence against the kernel, which no model contains
        std::sync::atomic::fence(Ordering::SeqCst);
        !quiet
    }

    /// Moves waiting entries into the submission queue, within the depth bound, and returns how many.
    fn fill(&self, ring: &mut Ring) -> usize {
        if self.is_broken() {
            return 0;
        }
        let depth = self.depth.load(Ordering::Relaxed) as usize;
        let room = depth.saturating_sub(self.in_kernel.load(Ordering::Relaxed));
        let room = room.min(self.batch.load(Ordering::Relaxed));
        let mut pushed = 0;
        while pushed < room {
            // One backlog per filling, so that `give_up` finds what the kernel has not read at its end.
            if ring.cursor == ring.backlog.len() && (pushed > 0 || !self.refill(ring)) {
                break;
            }
            // SAFETY: the entry's pointers refer to the payload of an operation in the table, which stays there until
            // `complete` is told of the completion.
            if unsafe { ring.ring.submission().push(&ring.backlog[ring.cursor]) }.is_err() {
                break;
            }
            ring.cursor += 1;
            pushed += 1;
        }
        self.queued.fetch_sub(pushed, Ordering::SeqCst);
        self.in_kernel.fetch_add(pushed, Ordering::Relaxed);
        pushed
    }

    /// Takes what tasks added into the empty backlog; `false` if there is nothing.
    fn refill(&self, ring: &mut Ring) -> bool {
        ring.backlog.clear();
        ring.cursor = 0;
        let mut waiting = self.waiting.lock();
        let spare = std::mem::take(&mut waiting.spare);
        let taken = std::mem::replace(&mut waiting.entries, spare);
        waiting.spare = std::mem::replace(&mut ring.backlog, taken);
        !ring.backlog.is_empty()
    }

    /// Enters the kernel until it has taken the whole submission queue.
    fn enter(&self, ring: &mut Ring, after: &mut Aftermath) {
        let mut refusals = 0;
        while !ring.ring.submission().is_empty() {
            self.core.counters.enters.fetch_add(1, Ordering::Relaxed);
            match ring.ring.submit() {
                Ok(_) => {
                    if ring.ring.params().is_setup_sqpoll() {
                        return;
                    }
                    refusals = 0;
                }
                Err(error) => {
                    refusals += 1;
                    if !self.may_retry(&error, refusals) {
                        self.give_up(ring, &error, after);
                        return;
                    }
                    // EBUSY asks for exactly this: completions have to be taken before more is accepted.
                    self.reap(ring, after);
                }
            }
        }
    }

    fn may_retry(&self, error: &io::Error, refusals: u32) -> bool {
        let transient =
            matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::EBUSY | libc::ENOMEM));
        transient && refusals < 1000
    }

    /// The kernel refuses the ring: what it has not taken goes to the blocking path, and the reaper makes a new ring when
    /// the kernel is done with this one.
    fn give_up(&self, ring: &mut Ring, error: &io::Error, after: &mut Aftermath) {
        tracing::error!(%error, "io_uring_enter failed; the work of this ring moves to blocking threads");
        self.broken.store(true, Ordering::SeqCst);
        self.failed.notify_one();
        // Without SQPOLL the kernel reads the submission queue only inside io_uring_enter(2), which is not called on this
        // ring any more, and takes entries in order: the last ones are those still in the queue.
        let unread = ring.ring.submission().len();
        let refused = ring.backlog.split_off(ring.cursor - unread);
        self.in_kernel.fetch_sub(unread, Ordering::Relaxed);
        ring.cursor = ring.backlog.len();
        let gathered = std::mem::take(&mut self.waiting.lock().entries);
        self.queued.store(0, Ordering::SeqCst);
        let tokens = refused.iter().chain(&gathered).map(|entry| Token::from_raw(entry.get_user_data()));
        after.reroutes.extend(tokens);
    }

    fn reap(&self, ring: &mut Ring, after: &mut Aftermath) {
        let mut count = 0;
        let queue = ring.ring.completion();
        for completion in queue {
            count += 1;
            let token = Token::from_raw(completion.user_data());
            self.core.counters.completions.fetch_add(1, Ordering::Relaxed);
            match self.core.table.complete(token, i64::from(completion.result()), Path::Ring) {
                Next::Step(step) => match entry::build(step, token.to_raw(), self.abilities, self.priority) {
                    // Nothing is sent to a ring that is given up: who gives it up collects the backlog once, before or after
                    // this.
                    Some(entry) if !self.is_broken() => {
                        ring.backlog.push(entry);
                        self.queued.fetch_add(1, Ordering::SeqCst);
                    }
                    _ => after.reroutes.push(token),
                },
                Next::Reroute => after.reroutes.push(token),
                Next::Wake(Some(waker)) => {
                    self.awaited.fetch_add(1, Ordering::SeqCst);
                    after.wakers.push(waker);
                }
                Next::Wake(None) | Next::Stale => {}
                reclaim @ Next::Reclaim { .. } => after.settled.push(reclaim),
            }
        }
        if count > 0 {
            self.in_kernel.fetch_sub(count, Ordering::Relaxed);
        }
    }

    /// The kernel's counter is cumulative: report increases only.
    fn note_overflow(&self, ring: &mut Ring) {
        let overflow = ring.ring.completion().overflow();
        let increase = overflow.wrapping_sub(ring.overflow_seen);
        if increase > 0 {
            ring.overflow_seen = overflow;
            self.core.counters.cq_overflows.fetch_add(u64::from(increase), Ordering::Relaxed);
            tracing::warn!(increase, "io_uring completion queue overflowed; the kernel kept the entries");
        }
    }

    fn act(&self, after: &mut Aftermath) {
        for token in after.reroutes.drain(..) {
            (self.reroute)(token);
        }
        for next in after.settled.drain(..) {
            self.core.settle(next);
        }
        for waker in after.wakers.drain(..) {
            waker.wake();
        }
    }

    /// Waits, on this thread, until the kernel has nothing of this ring or the deadline has passed. Returns how many
    /// operations it still has.
    pub(crate) fn drain(&self, deadline: Instant) -> usize {
        loop {
            self.kick();
            let left = self.in_kernel() + self.queued();
            let Some(remaining) = deadline.checked_duration_since(Instant::now()) else { return left };
            if left == 0 {
                return left;
            }
            wait_readable(self.event(), remaining.min(Duration::from_millis(50)));
        }
    }
}

/// Milliseconds on the clock that the kernel updates at each tick, which costs a tenth of the exact one.
fn coarse_millis() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Waits until the descriptor is readable or the time is over; either may also be spurious.
fn wait_readable(event: BorrowedFd<'_>, timeout: Duration) {
    let mut counter = [0u8; 8];
    // The counter keeps the descriptor readable for a level-triggered wait until it is read.
    let _ = rustix::io::read(event, &mut counter);
    let mut polled = [rustix::event::PollFd::new(&event, rustix::event::PollFlags::IN)];
    let timeout = rustix::event::Timespec {
        tv_sec: timeout.as_secs() as i64,
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    let _ = rustix::event::poll(&mut polled, Some(&timeout));
}
