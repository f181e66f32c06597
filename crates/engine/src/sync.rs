//! The synchronisation primitives of this crate: the real ones, or loom's when a model is checked.
//!
//! `Mutex` has the same small surface in both cases: `lock` and `try_lock` return guards, and poisoning does not
//! exist (a panic under one of these locks would be a bug in this crate, and none of them is held across foreign code).

#[cfg(not(rio_loom))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(rio_loom))]
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
// For the signal handler of mapped files, which is not modelled.
#[cfg(not(rio_loom))]
pub(crate) use std::sync::atomic::{compiler_fence, fence};

#[cfg(rio_loom)]
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
#[cfg(rio_loom)]
pub(crate) use loom_shim::{Condvar, Mutex, MutexGuard};

/// Orders what was written before against what is read after, where a locked read-modify-write stands directly before it:
/// two threads that each announce something and then look for the other's announcement cannot both miss it.
///
/// On x86 the read-modify-write does that by itself (Intel SDM volume 3, 11.2.2), so that only the compiler has to be
/// kept from moving the read.
#[inline(always)]
pub(crate) fn fence_after_rmw() {
    #[cfg(all(not(rio_loom), target_arch = "x86_64"))]
    compiler_fence(Ordering::SeqCst);
    #[cfg(all(not(rio_loom), not(target_arch = "x86_64")))]
    fence(Ordering::SeqCst);
    #[cfg(rio_loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

#[cfg(rio_loom)]
mod loom_shim {
    use super::{AtomicBool, Ordering};
    use std::ops::{Deref, DerefMut};
    use std::time::{Duration, Instant};

    /// loom's mutex with the interface of parking_lot's.
    ///
    /// loom does not take the end of a critical section for something that a failing `try_lock` depends on, and then
    /// leaves such interleavings out. The flag makes it visible, and may be read late, as parking_lot's state may.
    #[derive(Debug)]
    pub(crate) struct Mutex<T> {
        inner: loom::sync::Mutex<T>,
        is_held: AtomicBool,
    }

    /// The inner guard is absent only while a condition variable waits with it.
    pub(crate) struct MutexGuard<'a, T> {
        inner: Option<loom::sync::MutexGuard<'a, T>>,
        is_held: &'a AtomicBool,
    }

    const NO_PANIC: &str = "models do not panic under a lock";

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self { inner: loom::sync::Mutex::new(value), is_held: AtomicBool::new(false) }
        }
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.guard(self.inner.lock().expect(NO_PANIC))
        }
        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            if self.is_held.load(Ordering::Relaxed) {
                return None;
            }
            self.inner.try_lock().ok().map(|inner| self.guard(inner))
        }
        fn guard<'a>(&'a self, inner: loom::sync::MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.is_held.store(true, Ordering::Relaxed);
            MutexGuard { inner: Some(inner), is_held: &self.is_held }
        }
    }

    impl<T> Drop for MutexGuard<'_, T> {
        fn drop(&mut self) {
            self.is_held.store(false, Ordering::Release);
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            self.inner.as_ref().expect("the guard is held")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.inner.as_mut().expect("the guard is held")
        }
    }

    /// loom's condition variable with the interface of parking_lot's. Time does not pass in a model: waits with a timeout
    /// end when they are notified.
    #[derive(Debug)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    pub(crate) struct TimedOut(bool);

    impl TimedOut {
        pub(crate) fn timed_out(&self) -> bool {
            self.0
        }
    }

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(loom::sync::Condvar::new())
        }
        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let inner = guard.inner.take().expect("the guard is held");
            guard.is_held.store(false, Ordering::Release);
            guard.inner = Some(self.0.wait(inner).expect(NO_PANIC));
            guard.is_held.store(true, Ordering::Relaxed);
        }
        pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _timeout: Duration) -> TimedOut {
            self.wait(guard);
            TimedOut(false)
        }
        pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _deadline: Instant) -> TimedOut {
            self.wait(guard);
            TimedOut(false)
        }
        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }
        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}
