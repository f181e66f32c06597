//! Where buffers were taken, for those who look for a leak.

use super::block::Block;
use crate::sync::{AtomicBool, Mutex, Ordering};
use std::backtrace::Backtrace;
use std::collections::HashMap;

/// Off unless asked for: a backtrace costs tens of microseconds.
pub(crate) struct Origins {
    are_kept: AtomicBool,
    /// By address of the block.
    taken: Mutex<HashMap<usize, Backtrace>>,
}

impl Origins {
    pub(crate) fn new() -> Self {
        Self { are_kept: AtomicBool::new(false), taken: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn reset(&self, are_kept: bool) {
        self.are_kept.store(are_kept, Ordering::SeqCst);
        self.taken.lock().clear();
    }

    pub(crate) fn are_kept(&self) -> bool {
        self.are_kept.load(Ordering::Relaxed)
    }

    pub(crate) fn note(&self, block: &Block) {
        self.taken.lock().insert(block.as_ptr() as usize, Backtrace::force_capture());
    }

    pub(crate) fn forget(&self, block: &Block) {
        self.taken.lock().remove(&(block.as_ptr() as usize));
    }

    /// The backtraces of buffers in use.
    pub(crate) fn list(&self) -> Vec<String> {
        self.taken.lock().values().map(ToString::to_string).collect()
    }
}
