//! The submission lock: many tasks add work, one of them carries it all out.
//!
//! A task that finds the lock taken leaves its work to the holder and goes on. The holder must not go away while work
//! remains that somebody added in the belief that it would be seen. A counter ensures this: everyone who wants something
//! done raises it before trying the lock, and the holder, after releasing the lock, looks whether it was raised since the
//! holder last started a round.

use crate::sync::{AtomicUsize, Mutex, Ordering, fence_after_rmw};

/// A lock over `T` whose holder works for everyone who asked meanwhile.
pub(crate) struct Gather<T> {
    requests: AtomicUsize,
    inner: Mutex<T>,
}

impl<T> Gather<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { requests: AtomicUsize::new(0), inner: Mutex::new(inner) }
    }

    /// Has `round` run at least once, by this caller or by another, after everything that happened before this call.
    /// `round` runs under the lock; `between` runs after each round without it.
    pub(crate) fn request(&self, mut round: impl FnMut(&mut T), mut between: impl FnMut()) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        // Before the look at the lock: who finds it taken must have been seen by its holder, or be seen.
        fence_after_rmw();
        loop {
            let seen = {
                let Some(mut inner) = self.inner.try_lock() else { return };
                let seen = self.requests.load(Ordering::SeqCst);
                round(&mut inner);
                seen
            };
            between();
            // After the release of the lock.
            fence_after_rmw();
            if self.requests.load(Ordering::SeqCst) == seen {
                return;
            }
        }
    }

    /// Waits for the lock and works under it.
    pub(crate) fn lock(&self) -> crate::sync::MutexGuard<'_, T> {
        self.inner.lock()
    }
}
