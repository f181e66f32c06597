//! What all parts of one engine share: the table of operations, admission, counters.

use crate::admission::Admission;
use crate::op::OpKind;
use crate::recording::Recording;
use crate::sync::{AtomicU64, Ordering};
use crate::table::{Next, Table};
use rustfs_rio_monitor::ThreadStripe;
use std::sync::Arc;
// tidy:allow(sync): a thread writes to its own, and no model depends on the counts
use std::sync::atomic::AtomicU64 as Count;

/// How an operation was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// On the calling task, without waiting.
    Inline,
    /// Through io_uring.
    Ring,
    /// On a thread of the blocking pool.
    Blocking,
    /// By the simulated device.
    Simulated,
}

/// Counts that every operation changes, on cache lines of their own for each thread: at a million operations a second a shared
/// line would be the bottleneck, and two atomic additions are 2 % of a cached read.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe {
    routes: [Count; 4],
    bytes_read: Count,
    bytes_written: Count,
}

impl Stripe {
    #[inline]
    fn moved(&self, thread: ThreadStripe, kind: OpKind, bytes: usize) {
        if bytes == 0 {
            return;
        }
        match kind {
            OpKind::Read | OpKind::ReadVectored => thread.add(&self.bytes_read, bytes as u64),
            OpKind::Write | OpKind::WriteVectored => thread.add(&self.bytes_written, bytes as u64),
            _ => {}
        }
    }
}

#[derive(Debug)]
struct Stripes(Box<[Stripe]>);

impl Default for Stripes {
    fn default() -> Self {
        Self((0..ThreadStripe::COUNT).map(|_| Stripe::default()).collect())
    }
}

/// Operation counts by route, and what the ring did.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    stripes: Stripes,
    pub(crate) failed: AtomicU64,
    pub(crate) rerouted: AtomicU64,
    pub(crate) enters: AtomicU64,
    pub(crate) completions: AtomicU64,
    pub(crate) cq_overflows: AtomicU64,
    /// Shared with files, which outlive whoever waits for a sync.
    pub(crate) poisoned: Arc<AtomicU64>,
}

/// Sums over all stripes.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) routes: [u64; 4],
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
}

impl Counters {
    #[inline]
    pub(crate) fn count(&self, kind: OpKind, route: Route, bytes: usize) {
        let (thread, stripe) = self.own();
        thread.add(&stripe.routes[route as usize], 1);
        stripe.moved(thread, kind, bytes);
    }

    /// The calling thread's stripe.
    #[inline]
    fn own(&self) -> (ThreadStripe, &Stripe) {
        let thread = ThreadStripe::current();
        (thread, &self.stripes.0[thread.index()])
    }

    /// Counts bytes of an operation that was counted before.
    pub(crate) fn add_bytes(&self, kind: OpKind, bytes: usize) {
        let (thread, stripe) = self.own();
        stripe.moved(thread, kind, bytes);
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for stripe in &self.stripes.0 {
            for (sum, route) in totals.routes.iter_mut().zip(&stripe.routes) {
                *sum += route.load(Ordering::Relaxed);
            }
            totals.bytes_read += stripe.bytes_read.load(Ordering::Relaxed);
            totals.bytes_written += stripe.bytes_written.load(Ordering::Relaxed);
        }
        totals
    }
}

/// A small number for the calling thread, handed out in order of first use.
pub(crate) fn thread_number() -> usize {
    use std::cell::Cell;
    // tidy:allow(sync): a static needs a const constructor, which loom's atomics lack; no model depends on it
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    NUMBER.with(|number| {
        if number.get() == usize::MAX {
            // tidy:allow(sync): as above
            number.set(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
        number.get()
    })
}

/// The parts that backends and waiting futures use.
pub(crate) struct Core {
    pub(crate) table: Table,
    pub(crate) admission: Arc<Admission>,
    pub(crate) counters: Counters,
    pub(crate) recording: Recording,
    /// The device that descriptors from [`SIMULATED_FD_BASE`] on belong to.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) simulated: std::sync::OnceLock<crate::sim::SimDisk>,
}

impl Core {
    /// Acts on the end of an operation. No lock may be held.
    pub(crate) fn settle(&self, next: Next) {
        match next {
            Next::Wake(Some(waker)) => waker.wake(),
            Next::Reclaim { owned, orphan_fd, .. } => {
                if let Some(fd) = orphan_fd {
                    self.close_unused(fd);
                }
                drop(owned);
                self.table.reclaimed();
            }
            Next::Wake(None) | Next::Stale | Next::Step(_) | Next::Reroute => {}
        }
    }

    /// Closes a descriptor on this thread: of an `open` that nobody waited for, or of a `close` that no backend took. The
    /// caller gives up its ownership.
    pub(crate) fn close_unused(&self, fd: i32) {
        use std::os::fd::{FromRawFd, OwnedFd};
        #[cfg(any(test, feature = "testing"))]
        if let Some(disk) = self.simulated.get() {
            return disk.close(fd);
        }
        // SAFETY: the caller owned the descriptor and nobody else knows it.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
}

/// Descriptors from here on are handles of the simulated device, far above any limit on open files.
#[cfg(any(test, feature = "testing"))]
pub(crate) const SIMULATED_FD_BASE: i32 = 0x4000_0000;
