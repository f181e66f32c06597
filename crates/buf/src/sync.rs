//! Locks and atomics: the real ones, or loom's when a model is checked.

#[cfg(not(rio_loom))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(rio_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

#[cfg(rio_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
#[cfg(rio_loom)]
pub(crate) use shim::Mutex;

#[cfg(rio_loom)]
mod shim {
    /// loom's mutex with the interface of parking_lot's.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }
        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("models do not panic under a lock")
        }
        pub(crate) fn try_lock(&self) -> Option<loom::sync::MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }
}

/// What is not modelled: values that are looked at without ordering, where any that was ever stored will do, and locks around
/// what statics hold.
pub(crate) mod unmodelled {
    pub(crate) use parking_lot::Mutex;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
}

#[cfg(not(rio_loom))]
use std::cell::UnsafeCell;
#[cfg(not(rio_loom))]
use std::ops::{Deref, DerefMut};

/// A lock for a few instructions that hardly anybody else wants.
///
/// Taking and releasing a lock that sleeps costs two locked instructions, this one a single one, which is a third of what a
/// warm buffer costs. Who finds it held looks again for a moment, then lets others run, then sleeps, so that a holder that
/// lost its processor gets it back, whatever the priorities are.
#[cfg(not(rio_loom))]
pub(crate) struct SpinLock<T> {
    raw: RawSpin,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands out one reference at a time.
#[cfg(not(rio_loom))]
unsafe impl<T: Send> Sync for SpinLock<T> {}

#[cfg(not(rio_loom))]
impl<T> SpinLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { raw: RawSpin(AtomicBool::new(false)), value: UnsafeCell::new(value) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> SpinGuard<'_, T> {
        self.raw.lock();
        SpinGuard(self)
    }
}

#[cfg(not(rio_loom))]
pub(crate) struct SpinGuard<'a, T>(&'a SpinLock<T>);

#[cfg(not(rio_loom))]
impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held, so nobody else has a reference.
        unsafe { &*self.0.value.get() }
    }
}

#[cfg(not(rio_loom))]
impl<T> DerefMut for SpinGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { &mut *self.0.value.get() }
    }
}

#[cfg(not(rio_loom))]
impl<T> Drop for SpinGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.raw.unlock();
    }
}

/// In models of the pool: loom does not get along with locks that spin, so [`RawSpin`] has a model of its own.
#[cfg(rio_loom)]
pub(crate) use shim::Mutex as SpinLock;

/// The lock without what it protects.
#[cfg_attr(rio_loom, allow(dead_code, reason = "models take parts of it"))]
pub(crate) struct RawSpin(AtomicBool);

#[cfg_attr(rio_loom, allow(dead_code, reason = "models take parts of it"))]
impl RawSpin {
    #[cfg(all(test, rio_loom))]
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    #[inline]
    pub(crate) fn lock(&self) {
        if !self.try_lock() {
            self.wait();
        }
    }

    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        self.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[inline]
    pub(crate) fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }

    #[cold]
    fn wait(&self) {
        for round in 0u32.. {
            if !self.0.load(Ordering::Relaxed) && self.try_lock() {
                return;
            }
            back_off(round);
        }
    }
}

#[cfg_attr(rio_loom, allow(dead_code, reason = "models take parts of it"))]
fn back_off(round: u32) {
    match round {
        0..100 => std::hint::spin_loop(),
        100..120 => std::thread::yield_now(),
        _ => std::thread::sleep(std::time::Duration::from_micros(50)),
    }
}
