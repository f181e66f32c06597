//! The values in force of everything that changes while a runtime works.
//!
//! Bounds of the engine and the pool are kept by those ([`Engine::limits`](rustfs_rio_engine::Engine::limits)), and stand here as
//! well, for whoever wants to see all at once. Who uses a value loads it when it needs it; who tunes stores a new one. Values are independent of each other, so the
//! order in which two of them become visible does not matter.

use rustfs_rio_engine::Limits;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The code of Zstandard, see [`LiveParameters::compression`].
const ZSTD: u8 = 4;

/// Parameters that are read where they are used, without a lock. One per runtime.
#[derive(Debug)]
pub struct LiveParameters {
    prefetch_distance: AtomicU64,
    prefetch_size: AtomicU64,
    batch_size: AtomicU64,
    batch_timeout_us: AtomicU64,
    compression_algorithm: AtomicU8,
    compression_level: AtomicU8,
    buffer_pool_size: AtomicU64,
    buffer_size: AtomicU64,
    max_concurrent_ops: AtomicU64,
    queue_depth: AtomicU64,
}

macro_rules! parameter {
    ($($(#[$doc:meta])* $name:ident, $set:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> u64 {
            self.$name.load(Ordering::Relaxed)
        }

        #[doc = concat!("Changes [`", stringify!($name), "`](Self::", stringify!($name), ").")]
        #[cfg_attr(not(feature = "tune"), allow(dead_code, reason = "nothing tunes"))]
        pub(crate) fn $set(&self, value: u64) {
            self.$name.store(value, Ordering::Relaxed);
        }
    )*};
}

impl LiveParameters {
    /// The defaults of the existing API.
    pub(crate) fn new(buffer_size: u64, limits: Limits) -> Self {
        Self {
            prefetch_distance: AtomicU64::new(4),
            prefetch_size: AtomicU64::new(64 << 10),
            batch_size: AtomicU64::new(limits.batch_size as u64),
            batch_timeout_us: AtomicU64::new(limits.batch_timeout.as_micros() as u64),
            compression_algorithm: AtomicU8::new(ZSTD),
            compression_level: AtomicU8::new(3),
            buffer_pool_size: AtomicU64::new(1024),
            buffer_size: AtomicU64::new(buffer_size),
            max_concurrent_ops: AtomicU64::new(limits.max_concurrent_ops as u64),
            queue_depth: AtomicU64::new(u64::from(limits.queue_depth)),
        }
    }

    parameter! {
        /// How far ahead of a stream's reader data is asked for, in units of 64 KiB.
        prefetch_distance, set_prefetch_distance;
        /// Bytes of one request ahead.
        prefetch_size, set_prefetch_size;
        /// Operations that gather for one system call at most.
        batch_size, set_batch_size;
        /// How long an operation may wait for others to gather at most, in microseconds.
        batch_timeout_us, set_batch_timeout_us;
        /// Buffers of the pool at most.
        buffer_pool_size, set_buffer_pool_size;
        /// Bytes of the smallest buffer of the pool, and of the buffers behind `AsyncRead` and `AsyncWrite`.
        buffer_size, set_buffer_size;
        /// Operations in flight at most.
        max_concurrent_ops, set_max_concurrent_ops;
        /// Operations in the kernel per ring at most.
        queue_depth, set_queue_depth;
    }

    /// The codec for new objects, as its number (none 0, lz4 1, s2 2, snappy 3, zstd 4, deflate 5, gzip 6, brotli 7), and its level.
    #[must_use]
    pub fn compression(&self) -> (u8, u8) {
        (self.compression_algorithm.load(Ordering::Relaxed), self.compression_level.load(Ordering::Relaxed))
    }

    /// Changes [`compression`](Self::compression).
    #[cfg_attr(not(feature = "tune"), allow(dead_code, reason = "nothing tunes"))]
    pub(crate) fn set_compression(&self, algorithm: u8, level: u8) {
        self.compression_algorithm.store(algorithm, Ordering::Relaxed);
        self.compression_level.store(level, Ordering::Relaxed);
    }
}
