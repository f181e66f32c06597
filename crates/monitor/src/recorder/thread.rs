//! Which stripe a thread writes to.
//!
//! The first [`OWNED`] threads alive at a time own a stripe each, so that they write without atomic read-modify-write
//! instructions. Further threads share one more stripe. A stripe whose thread ended is given to the next new thread; the lock
//! around the list makes the former owner's writes visible to it.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Stripes with one owner at a time: above the worker count of any machine that this was written for.
pub(super) const OWNED: usize = 64;
/// The stripe that threads without one of their own share.
pub(super) const SHARED: usize = OWNED;

/// The part of a striped counter that the calling thread writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadStripe(usize);

impl ThreadStripe {
    /// How many stripes there are.
    pub const COUNT: usize = OWNED + 1;

    /// That of the calling thread, until it ends. The value is of no use to other threads.
    #[inline]
    #[must_use]
    pub fn current() -> Self {
        Self(stripe())
    }

    /// Its place, below [`COUNT`](Self::COUNT).
    #[inline]
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }

    /// Adds to a counter of this stripe. While no other living thread writes to it a load and a store do, at a fraction of the cost of an
    /// atomic addition.
    #[inline]
    pub fn add(self, counter: &AtomicU64, amount: u64) {
        if self.0 == SHARED {
            counter.fetch_add(amount, Ordering::Relaxed);
        } else {
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
        }
    }
}

const UNKNOWN: usize = usize::MAX;

thread_local! {
    static STRIPE: Cell<usize> = const { Cell::new(UNKNOWN) };
    static LEASE: Lease = Lease::take();
}

static FREE: Mutex<Free> = Mutex::new(Free { returned: Vec::new(), fresh: 0 });

struct Free {
    returned: Vec<usize>,
    fresh: usize,
}

/// Gives the stripe back when its thread ends.
struct Lease(usize);

impl Lease {
    fn take() -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stripe) = free.returned.pop() {
            return Self(stripe);
        }
        let stripe = free.fresh.min(SHARED);
        free.fresh = (free.fresh + 1).min(OWNED);
        Self(stripe)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What other destructors of this thread record from here on goes to the shared stripe.
        STRIPE.set(SHARED);
        if self.0 < OWNED {
            FREE.lock().unwrap_or_else(PoisonError::into_inner).returned.push(self.0);
        }
    }
}

/// The calling thread's stripe.
#[inline]
pub(super) fn stripe() -> usize {
    let stripe = STRIPE.get();
    if stripe == UNKNOWN { assign() } else { stripe }
}

#[cold]
fn assign() -> usize {
    // Fails only while the thread's variables are being destroyed.
    let stripe = LEASE.try_with(|lease| lease.0).unwrap_or(SHARED);
    STRIPE.set(stripe);
    stripe
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn no_two_living_threads_own_the_same_stripe() {
        let threads = OWNED + 20;
        let barrier = Barrier::new(threads);
        let mut stripes: Vec<usize> = std::thread::scope(|scope| {
            let run = || {
                let stripe = stripe();
                // Nobody ends, and so gives a stripe back, before all have taken theirs.
                barrier.wait();
                stripe
            };
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        stripes.sort_unstable();
        stripes.retain(|stripe| *stripe != SHARED);
        let count = stripes.len();
        stripes.dedup();
        assert_eq!(stripes.len(), count, "a stripe had two owners");
        assert!(stripes.iter().all(|stripe| *stripe < OWNED));
        // Other tests of this program may hold some.
        assert!(count > OWNED / 2);
    }

    #[test]
    fn an_ended_thread_gives_its_stripe_back() {
        let run = || std::thread::spawn(stripe).join().unwrap();
        let stripes: Vec<usize> = (0..3 * OWNED).map(|_| run()).collect();
        assert!(stripes.iter().filter(|stripe| **stripe != SHARED).count() > OWNED, "stripes leak");
    }
}
