//! Bounds that change while the engine works. Each takes effect with the next operation that meets it.

use crate::Engine;
use crate::sync::Ordering;
use std::time::Duration;

/// The bounds in force, as the parts that keep them have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Operations in flight at most.
    pub max_concurrent_ops: usize,
    /// Operations in the kernel per ring at most; what the engine was made with where there is no ring.
    pub queue_depth: u32,
    /// Whether submissions to rings gather.
    pub gather: bool,
    /// Operations that one `io_uring_enter(2)` submits at most.
    pub batch_size: usize,
    /// How long an operation may gather with others at most.
    pub batch_timeout: Duration,
}

/// Largest bound on operations in flight, as for [`EngineConfig`](crate::EngineConfig).
const OPS_MAX: usize = 65536;
/// Largest batch, likewise.
const BATCH_MAX: usize = 4096;

impl Engine {
    /// The bounds in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let ring = self.inner.rings.first();
        let config = self.config();
        let (batch_size, batch_timeout) =
            ring.map_or((config.batch_size, config.batch_timeout), |ring| ring.batch());
        Limits {
            max_concurrent_ops: self.inner.core.admission.limit(),
            queue_depth: ring.map_or(config.queue_depth, |ring| ring.depth()),
            gather: self.inner.gathers.load(Ordering::Relaxed),
            batch_size,
            batch_timeout,
        }
    }

    /// Changes the bound on operations in flight, 1 to 65536. Operations above a lowered bound finish; new ones wait.
    pub fn set_max_concurrent_ops(&self, limit: usize) {
        self.inner.core.admission.set_limit(limit.clamp(1, OPS_MAX));
    }

    /// Changes the bound on operations in the kernel per ring, from 1 up to the value the engine was made with, which is the size of
    /// the rings.
    pub fn set_queue_depth(&self, depth: u32) {
        for ring in &self.inner.rings {
            ring.set_depth(depth.clamp(1, self.config().queue_depth));
        }
    }

    /// Switches the gathering of submissions to rings on or off.
    pub fn set_gather(&self, gather: bool) {
        self.inner.gathers.store(gather, Ordering::Relaxed);
    }

    /// Changes how many operations one `io_uring_enter(2)` submits at most, 1 to 4096, and how long one gathers at most, 1 ms to 1 s.
    pub fn set_batch(&self, size: usize, timeout: Duration) {
        let timeout = timeout.clamp(Duration::from_millis(1), Duration::from_secs(1));
        for ring in &self.inner.rings {
            ring.set_batch(size.clamp(1, BATCH_MAX), timeout);
        }
    }
}
