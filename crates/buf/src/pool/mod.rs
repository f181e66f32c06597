//! Memory that is used again, below a hard bound.
//!
//! A [`BufferPool`] hands out [`PooledBuf`]s of the smallest size class that holds what was asked for. A buffer that is
//! dropped becomes idle memory of the thread that dropped it and serves the next request of its class. Memory in use and
//! idle memory together never exceed the bound; at the bound, idle memory of other classes and threads is given up first,
//! then requests wait in order.
//!
//! Modules, in reading order:
//!
//! * `classes`, `sizes`: which size serves a request, and what that wastes. `node`: NUMA. `arena`, `block`: memory from the kernel.
//! * `cache`: idle memory. `wait`: waiting in order. `shared`: the books that tie them together.
//! * `buffer`: [`PooledBuf`]. `origins`: where buffers in use were taken. `stats`: what the pool tells.
//! * `demand`, `upkeep`: fitting what is held to what is asked for.
//!
//! Invariants: bytes in use + bytes idle = bytes mapped <= bound; a buffer is in one place at a time; bytes beyond a
//! buffer's length are never readable.
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

mod arena;
mod block;
mod buffer;
mod cache;
mod classes;
mod demand;
#[cfg(all(test, rio_loom))]
mod loom_tests;
mod node;
mod origins;
mod shared;
mod sizes;
mod stats;
#[cfg(all(test, not(rio_loom)))]
mod tests;
mod upkeep;
mod wait;

pub use buffer::{NoRoom, PooledBuf};
pub use stats::{ClassStats, Leak, NodeStats, PoolStats};
pub use upkeep::Upkeep;
pub use wait::Acquire;

use crate::{BufferError, Pressure};
use shared::Shared;
use sizes::Fit;
use std::fmt;
use std::sync::Arc;

/// How a pool behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolConfig {
    bound_bytes: u64,
    buffers_max: Option<usize>,
    size_min: usize,
    size_max: Option<usize>,
    is_fixed: bool,
    headroom: Option<f64>,
    numa_node: Option<u32>,
    wipes: bool,
    keeps_origins: bool,
    keeps: bool,
}

/// Least and most that [`PoolConfig::adaptive`] takes.
const HEADROOM_MAX: f64 = 16.0;

impl PoolConfig {
    /// A pool that never has more than `bound_bytes` of memory, in use and idle together.
    #[must_use]
    pub fn new(bound_bytes: u64) -> Self {
        Self {
            bound_bytes,
            buffers_max: None,
            size_min: 0,
            size_max: None,
            is_fixed: false,
            headroom: None,
            numa_node: None,
            wipes: false,
            keeps_origins: false,
            keeps: true,
        }
    }

    /// Never more than so many buffers, in use and idle together.
    #[must_use]
    pub fn buffers_max(self, buffers: usize) -> Self {
        Self { buffers_max: Some(buffers), ..self }
    }

    /// Buffers have at least `min` bytes and show at most `max` of them, whatever is asked for.
    #[must_use]
    pub fn sizes(self, min: usize, max: usize) -> Self {
        Self { size_min: min, size_max: Some(max), ..self }
    }

    /// Buffers have at least `min` bytes.
    #[must_use]
    pub fn size_min(self, min: usize) -> Self {
        Self { size_min: min, ..self }
    }

    /// All buffers have `size` bytes, whatever is asked for.
    #[must_use]
    pub fn fixed_size(self, size: usize) -> Self {
        Self { size_min: size, size_max: Some(size), is_fixed: true, ..self }
    }

    /// Whether [`BufferPool::upkeep`] fits what is held to the demand, and holds so many times of it: 1.2 for a fifth more. Above 1,
    /// at most 16.
    #[must_use]
    pub fn adaptive(self, headroom: f64) -> Self {
        Self { headroom: Some(headroom), ..self }
    }

    /// The node to take memory on; by default that of the thread that asks. Taken as a preference: if the node is full, the
    /// kernel takes memory elsewhere.
    #[must_use]
    pub fn numa_node(self, node: Option<u32>) -> Self {
        Self { numa_node: node, ..self }
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

    /// Whether a buffer that comes back waits for the next request. Otherwise each is taken from the system and goes back to it, and
    /// only the bound is left of the pool. Default `true`.
    #[must_use]
    pub fn keep(self, keeps: bool) -> Self {
        Self { keeps, ..self }
    }

    /// Capacity of the buffer that serves a request of `len` bytes in a pool without a fixed size, in bytes; `None` above 128 GiB.
    /// Less for sizes that a pool has cut to what is asked for.
    #[must_use]
    pub fn capacity_for(len: usize) -> Option<usize> {
        classes::class_of(len).map(classes::bytes)
    }

    /// Pages of all blocks, if they are equal.
    fn only_pages(&self) -> Option<u32> {
        self.size_max
            .filter(|_| self.is_fixed)
            .and_then(|size| u32::try_from(size.div_ceil(classes::PAGE)).ok())
    }

    /// Checks everything that can be wrong; returns the index of the node.
    fn check(&self) -> Result<Option<usize>, PoolError> {
        let smallest = if self.is_fixed {
            self.size_min.checked_next_multiple_of(classes::PAGE)
        } else {
            Self::capacity_for(self.size_min)
        };
        let size_max = self.size_max.unwrap_or(usize::MAX);
        if size_max == 0 || (self.is_fixed && self.size_min == 0) || self.buffers_max == Some(0) {
            return Err(PoolError::Zero);
        }
        if self.size_min > size_max {
            return Err(PoolError::Sizes { min: self.size_min, max: size_max });
        }
        match smallest {
            Some(smallest) if smallest as u64 <= self.bound_bytes && smallest <= classes::BYTES_MAX => {}
            _ => {
                let min = smallest.unwrap_or(usize::MAX);
                return Err(PoolError::Bound { bound_bytes: self.bound_bytes, min });
            }
        }
        let largest = self.size_max.filter(|_| !self.is_fixed).map_or(Some(0), Self::capacity_for);
        if largest.is_none_or(|largest| largest as u64 > self.bound_bytes) {
            let min = largest.unwrap_or(size_max);
            return Err(PoolError::Bound { bound_bytes: self.bound_bytes, min });
        }
        if self.headroom.is_some_and(|headroom| !(headroom > 1.0 && headroom <= HEADROOM_MAX)) {
            return Err(PoolError::Headroom { headroom: self.headroom.unwrap_or_default() });
        }
        match self.numa_node {
            None => Ok(None),
            Some(asked) => {
                let known = || node::numbers().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                node::index_of(asked)
                    .map(Some)
                    .ok_or_else(|| PoolError::NoSuchNode { node: asked, nodes: known() })
            }
        }
    }
}

/// Why a pool could not be made, or has no buffer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// A size or a number of buffers is zero.
    #[error(
        "a pool of no buffers, or of buffers of zero bytes, was asked for; both numbers must be at least 1"
    )]
    Zero,
    /// The smallest size is above the largest.
    #[error(
        "buffers of at least {min} and at most {max} bytes cannot exist; the first number must not exceed the second"
    )]
    Sizes {
        /// The smallest size.
        min: usize,
        /// The largest size.
        max: usize,
    },
    /// The headroom is no factor above one.
    #[error("a growth factor of {headroom} was asked for; it must be above 1 and at most 16, such as 1.2")]
    Headroom {
        /// The factor that was asked for.
        headroom: f64,
    },
    /// The machine has no such NUMA node.
    #[error(
        "this machine has no NUMA node {node}; it has {nodes}. Name one of them, or none to use that of each thread"
    )]
    NoSuchNode {
        /// The node that was asked for.
        node: u32,
        /// The nodes there are.
        nodes: String,
    },
    /// The bound is below a buffer that the pool must be able to hand out.
    #[error(
        "a pool of {bound_bytes} bytes has no room for a single buffer of {min}; give it at least as many bytes"
    )]
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
            PoolError::Exhausted { .. } => std::io::ErrorKind::WouldBlock,
            PoolError::Memory(_) => std::io::ErrorKind::OutOfMemory,
            _ => std::io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// A pool of buffers. Clones are the same pool; when the last is dropped, idle memory goes back to the system at once and
/// memory in use when it is returned.
#[derive(Clone)]
pub struct BufferPool {
    owner: Arc<Owner>,
    /// What a request counts as at most, and whether all are alike.
    size_max: usize,
    is_fixed: bool,
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
    /// [`PoolError::Zero`], [`PoolError::Sizes`], [`PoolError::Bound`], [`PoolError::Headroom`] or [`PoolError::NoSuchNode`] for
    /// settings that contradict each other or the machine.
    pub fn new(config: PoolConfig) -> Result<Self, PoolError> {
        let node = config.check()?;
        let (size_max, is_fixed) = (config.size_max.unwrap_or(usize::MAX), config.is_fixed);
        Ok(Self { owner: Arc::new(Owner(Shared::open(&config, node))), size_max, is_fixed })
    }

    /// An empty buffer with room for at least `len` bytes. At the bound it waits, in order with others.
    ///
    /// If the pool has a largest size, the buffer has no more room than that.
    ///
    /// # Errors
    ///
    /// [`PoolError::TooLarge`] at once, [`PoolError::Memory`] from the future.
    pub fn get(&self, len: usize) -> Result<Acquire, PoolError> {
        let fit = self.fit(len)?;
        Ok(Acquire::new(self.clone(), len.min(fit.bytes()), fit))
    }

    /// As [`get`](Self::get), if there is memory below the bound and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`PoolError::Exhausted`] if there is none; otherwise as [`get`](Self::get).
    #[inline]
    pub fn try_get(&self, len: usize) -> Result<PooledBuf, PoolError> {
        let (fit, shared) = (self.fit(len)?, self.shared());
        // What exceeds the largest size was not asked for in earnest.
        let asked = len.min(fit.bytes());
        let block = if shared.waiting() == 0 { shared.try_take(fit, asked)? } else { None };
        match block {
            Some(block) => Ok(PooledBuf::new(shared, block)),
            None => Err(PoolError::Exhausted { requested: len, bound_bytes: shared.bound() }),
        }
    }

    /// Gives idle memory back to the system until at most `keep_bytes` of it are left, and returns how much that was.
    pub fn trim(&self, keep_bytes: u64) -> u64 {
        self.shared().trim(keep_bytes)
    }

    /// Changes how many buffers there may be, in use and idle together; idle ones above that go back to the system at once, those in
    /// use when they come back. The bound in bytes stays.
    pub fn set_buffers_max(&self, buffers: usize) {
        self.shared().set_blocks_max(buffers.max(1));
    }

    /// How many buffers there may be; `None` without a bound on their number.
    #[must_use]
    pub fn buffers_max(&self) -> Option<usize> {
        Some(self.shared().blocks_max()).filter(|most| *most != usize::MAX)
    }

    /// Changes what a request counts as at least, in bytes, for requests from now on. No more than the largest size and than the bound in
    /// bytes; without effect on a pool of buffers that are all alike. Returns the size in force.
    pub fn set_size_min(&self, bytes: usize) -> usize {
        let fits = |bytes: usize| {
            PoolConfig::capacity_for(bytes).is_some_and(|whole| whole as u64 <= self.shared().bound())
        };
        let bytes = bytes.min(self.size_max);
        if !self.is_fixed && fits(bytes) {
            self.shared().set_size_min(bytes);
        }
        self.size_min()
    }

    /// What a request counts as at least, in bytes.
    #[must_use]
    pub fn size_min(&self) -> usize {
        self.shared().size_min()
    }

    pub(crate) fn shared(&self) -> &'static Shared {
        self.owner.0
    }

    #[inline]
    fn fit(&self, len: usize) -> Result<Fit, PoolError> {
        let shared = self.shared();
        // The least may just be changing, and is never above the most.
        let fit = shared.sizes.fit(len.max(shared.size_min()).min(self.size_max));
        match fit {
            Some(fit) if fit.bytes() as u64 <= shared.bound() => Ok(fit),
            _ => Err(PoolError::TooLarge { requested: len, bound_bytes: shared.bound() }),
        }
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool").field("stats", &self.stats()).finish()
    }
}
