//! What all parts of one engine share: the table of operations, admission, counters.

use crate::admission::Admission;
use crate::op::OpKind;
use crate::recording::Recording;
use crate::sync::{AtomicU64, Ordering};
use crate::table::{Next, Table};
use rustfs_rio_monitor::ThreadStripe;
use std::sync::Arc;

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
    routes: [AtomicU64; 4],
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
}

/// The model checker runs its threads on one, with small stacks, so that they share one stripe.
const STRIPES: usize = if cfg!(rio_loom) { 1 } else { ThreadStripe::COUNT };

/// Operation counts by route, and what the ring did.
#[derive(Debug)]
pub(crate) struct Counters {
    stripes: [Stripe; STRIPES],
    pub(crate) failed: AtomicU64,
    pub(crate) rerouted: AtomicU64,
    pub(crate) enters: AtomicU64,
    pub(crate) completions: AtomicU64,
    pub(crate) cq_overflows: AtomicU64,
    /// Shared with files, which outlive whoever waits for a sync.
    pub(crate) poisoned: Arc<AtomicU64>,
}

impl Default for Counters {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self {
            stripes: std::array::from_fn(|_| Stripe::default()),
            failed: zero(),
            rerouted: zero(),
            enters: zero(),
            completions: zero(),
            cq_overflows: zero(),
            poisoned: Arc::default(),
        }
    }
}

/// A stripe and how the calling thread may write to it.
struct Writer<'a> {
    stripe: &'a Stripe,
    alone: bool,
}

impl Writer<'_> {
    #[inline]
    fn add(&self, counter: impl Fn(&Stripe) -> &AtomicU64, amount: u64) {
        let counter = counter(self.stripe);
        if self.alone {
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
        } else {
            counter.fetch_add(amount, Ordering::Relaxed);
        }
    }

    #[inline]
    fn moved(&self, kind: OpKind, bytes: usize) {
        if bytes == 0 {
            return;
        }
        match kind {
            OpKind::Read | OpKind::ReadVectored => self.add(|stripe| &stripe.bytes_read, bytes as u64),
            OpKind::Write | OpKind::WriteVectored => self.add(|stripe| &stripe.bytes_written, bytes as u64),
            _ => {}
        }
    }
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
        let writer = self.writer();
        writer.add(|stripe| &stripe.routes[route as usize], 1);
        writer.moved(kind, bytes);
    }

    #[inline]
    fn writer(&self) -> Writer<'_> {
        let stripe = ThreadStripe::current();
        let alone = stripe.is_owned() && !cfg!(rio_loom);
        Writer { stripe: &self.stripes[stripe.index() % STRIPES], alone }
    }

    /// Counts bytes of an operation that was counted before.
    pub(crate) fn add_bytes(&self, kind: OpKind, bytes: usize) {
        self.writer().moved(kind, bytes);
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for stripe in &self.stripes {
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
