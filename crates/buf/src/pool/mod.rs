//! Memory that is used again, below a hard bound.
//!
//! A [`BufferPool`] hands out [`PooledBuf`]s of the smallest size class that holds what was asked for. A buffer that is
//! dropped becomes idle memory of the thread that dropped it and serves the next request of its class. Memory in use and
//! idle memory together never exceed the bound; at the bound, idle memory of other classes and threads is given up first,
//! then requests wait in order.
//!
//! Modules, in reading order:
//!
//! * `classes`: sizes and what they waste. `block`: memory from the kernel.
//! * `cache`: idle memory. `wait`: waiting in order. `shared`: the books that tie them together.
//! * `buffer`: [`PooledBuf`]. `origins`: where buffers in use were taken.
//!
//! Invariants: bytes in use + bytes idle = bytes mapped <= bound; a buffer is in one place at a time; bytes beyond a
//! buffer's length are never readable.
//!
//! Not here: how large a pool should be, placement on NUMA nodes, growing and trimming by demand.
//!
//! ```
//! use rustfs_rio_buf::{BufferPool, PoolConfig};
//!
//! let pool = BufferPool::new(PoolConfig::new(64 << 20)).expect("64 MiB is a valid bound");
//! let mut buffer = pool.try_get(100_000).expect("the pool is empty");
//! assert_eq!(buffer.capacity(), 28 * 4096);
//! buffer.extend_from_slice(b"an object").expect("it fits");
//! drop(buffer);
//! assert_eq!(pool.stats().idle_bytes, 28 * 4096);
//! ```

mod block;
mod buffer;
mod cache;
mod classes;
mod origins;
mod shared;
#[cfg(test)]
mod tests;
mod wait;

pub use buffer::{NoRoom, PooledBuf};
pub use wait::Acquire;

use crate::BufferError;
use crate::sync::Ordering;
use shared::Shared;
use std::fmt;
use std::sync::Arc;

/// How a pool behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    bound_bytes: u64,
    wipes: bool,
    keeps_origins: bool,
}

impl PoolConfig {
    /// A pool that never has more than `bound_bytes` of memory, in use and idle together.
    #[must_use]
    pub fn new(bound_bytes: u64) -> Self {
        Self { bound_bytes, wipes: false, keeps_origins: false }
    }

    /// Whether buffers are overwritten with zeros when they come back. Costs a write of the whole capacity.
    #[must_use]
    pub fn wipe_on_return(self, wipes: bool) -> Self {
        Self { wipes, ..self }
    }

    /// Whether to remember where each buffer was taken, for [`BufferPool::origins`]. Costs tens of microseconds per buffer.
    #[must_use]
    pub fn keep_origins(self, keeps_origins: bool) -> Self {
        Self { keeps_origins, ..self }
    }
}

/// Why a pool could not be made, or has no buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The bound is below the smallest buffer.
    #[error("a pool of {bound_bytes} bytes has no room for a single buffer; give it at least {min} bytes")]
    Bound {
        /// The bound that was asked for.
        bound_bytes: u64,
        /// The smallest possible.
        min: usize,
    },
    /// The buffer would exceed the bound by itself.
    #[error(
        "a buffer of {requested} bytes exceeds the pool's bound of {bound_bytes} bytes; work in smaller pieces or raise the bound"
    )]
    TooLarge {
        /// Bytes asked for.
        requested: usize,
        /// The pool's bound.
        bound_bytes: u64,
    },
    /// The bound is reached, and the caller did not want to wait.
    #[error(
        "no buffer of {requested} bytes is free below the pool's bound of {bound_bytes} bytes; wait for one, or return buffers"
    )]
    Exhausted {
        /// Bytes asked for.
        requested: usize,
        /// The pool's bound.
        bound_bytes: u64,
    },
    /// The system has no memory.
    #[error(transparent)]
    Memory(#[from] BufferError),
}

impl From<PoolError> for std::io::Error {
    fn from(error: PoolError) -> Self {
        let kind = match error {
            PoolError::Bound { .. } | PoolError::TooLarge { .. } => std::io::ErrorKind::InvalidInput,
            PoolError::Exhausted { .. } => std::io::ErrorKind::WouldBlock,
            PoolError::Memory(_) => std::io::ErrorKind::OutOfMemory,
        };
        Self::new(kind, error)
    }
}

/// What a pool did and has. Counters are since the pool was made. Taken while buffers move, sums may be off by those.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Requests served from memory that was used before.
    pub hits: u64,
    /// Requests served with fresh memory.
    pub misses: u64,
    /// Sum of what was asked for, in bytes.
    pub requested_bytes: u64,
    /// Buffers in use.
    pub outstanding: u64,
    /// Their capacity in bytes.
    pub outstanding_bytes: u64,
    /// Bytes that wait for the next request.
    pub idle_bytes: u64,
    /// Bytes that the pool has of the system.
    pub mapped_bytes: u64,
    /// Buffers that exist, in use or idle, now.
    pub buffers: usize,
    /// The most that existed at one time.
    pub buffers_peak: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// The bound in bytes.
    pub bound_bytes: u64,
}

/// A pool of buffers. Clones are the same pool; when the last is dropped, idle memory goes back to the system at once and
/// memory in use when it is returned.
#[derive(Clone)]
pub struct BufferPool {
    owner: Arc<Owner>,
}

struct Owner(&'static Shared);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl BufferPool {
    /// Makes a pool. Takes no memory before it is asked for buffers.
    ///
    /// # Errors
    ///
    /// [`PoolError::Bound`] if not even the smallest buffer fits.
    pub fn new(config: PoolConfig) -> Result<Self, PoolError> {
        if config.bound_bytes < classes::PAGE as u64 {
            return Err(PoolError::Bound { bound_bytes: config.bound_bytes, min: classes::PAGE });
        }
        let shared = Shared::open(config.bound_bytes, config.wipes, config.keeps_origins);
        Ok(Self { owner: Arc::new(Owner(shared)) })
    }

    /// An empty buffer with room for at least `len` bytes. At the bound it waits, in order with others.
    ///
    /// # Errors
    ///
    /// [`PoolError::TooLarge`] at once, [`PoolError::Memory`] from the future.
    pub fn get(&self, len: usize) -> Result<Acquire, PoolError> {
        let class = self.class_of(len)?;
        Ok(Acquire::new(self.clone(), len, class))
    }

    /// An empty buffer with room for at least `len` bytes, if there is one below the bound and nobody waits for one.
    ///
    /// # Errors
    ///
    /// [`PoolError::Exhausted`] if there is none; otherwise as [`get`](Self::get).
    pub fn try_get(&self, len: usize) -> Result<PooledBuf, PoolError> {
        let (class, shared) = (self.class_of(len)?, self.shared());
        let block = if shared.waiting() == 0 { shared.try_take(class, len)? } else { None };
        let bound_bytes = shared.bound.load(Ordering::Relaxed);
        block
            .map(|block| PooledBuf::new(shared, block))
            .ok_or(PoolError::Exhausted { requested: len, bound_bytes })
    }

    /// Gives idle memory back to the system until at most `keep_bytes` of it are left, and returns how much that was.
    pub fn trim(&self, keep_bytes: u64) -> u64 {
        self.shared().trim(keep_bytes)
    }

    /// What the pool did and has. Looks at every stripe; not for hot paths.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let shared = self.shared();
        let tally = shared.cache.tally();
        PoolStats {
            hits: tally.hits,
            misses: tally.misses,
            requested_bytes: tally.requested_bytes,
            outstanding: u64::try_from(tally.outstanding).unwrap_or(0),
            outstanding_bytes: u64::try_from(tally.outstanding_bytes).unwrap_or(0),
            idle_bytes: shared.cache.idle_bytes(),
            mapped_bytes: shared.mapped.load(Ordering::SeqCst),
            buffers: shared.blocks.load(Ordering::Relaxed),
            buffers_peak: shared.blocks_peak.load(Ordering::Relaxed),
            waiting: shared.waiting(),
            bound_bytes: shared.bound.load(Ordering::SeqCst),
        }
    }

    /// Backtraces of the buffers in use, if the pool was told to keep them.
    #[must_use]
    pub fn origins(&self) -> Vec<String> {
        self.shared().origins.list()
    }

    pub(crate) fn shared(&self) -> &'static Shared {
        self.owner.0
    }

    fn class_of(&self, len: usize) -> Result<usize, PoolError> {
        let bound_bytes = self.shared().bound.load(Ordering::Relaxed);
        classes::class_of(len)
            .filter(|class| classes::bytes(*class) as u64 <= bound_bytes)
            .ok_or(PoolError::TooLarge { requested: len, bound_bytes })
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool").field("stats", &self.stats()).finish()
    }
}
