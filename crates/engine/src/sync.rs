//! The synchronisation primitives of this crate: the real ones, or loom's when a model is checked.
//!
//! `Mutex` has the same small surface in both cases: `lock` and `try_lock` return guards, and poisoning does not
//! exist (a panic under one of these locks would be a bug in this crate, and none of them is held across foreign code).

#[cfg(not(loom))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
// Signal handlers are not modelled.
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{compiler_fence, fence};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
#[cfg(loom)]
pub(crate) use loom_shim::{Mutex, MutexGuard};

#[cfg(loom)]
mod loom_shim {
    pub(crate) use loom::sync::MutexGuard;

    /// loom's mutex with the interface of parking_lot's.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("models do not panic under a lock")
        }
        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }
}
