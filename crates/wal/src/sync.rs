//! The lock of this crate: the real one, or loom's when a model is checked.

#[cfg(not(rio_loom))]
pub(crate) use parking_lot::Mutex;

#[cfg(rio_loom)]
pub(crate) use loom_shim::Mutex;

#[cfg(rio_loom)]
mod loom_shim {
    /// loom's mutex with the interface of parking_lot's.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }
        #[allow(clippy::expect_used, reason = "a model that panics under a lock has failed already")]
        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("models do not panic under a lock")
        }
    }
}
