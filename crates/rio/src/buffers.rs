//! Pools of buffers: the strategy, the pool of the existing API over [`BufferPool`], and who looks after a pool.

use crate::OptimizedBuffer;
use rustfs_rio_buf::{BufferPool, PoolConfig, PoolError, Pressure, PressureGauge, memory_limit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Times of the demand that a pool holds unless told otherwise.
pub(crate) const HEADROOM: f64 = 1.2;
/// Time between two looks at a pool.
const PERIOD: Duration = Duration::from_millis(500);
/// In one of so many looks the system is asked whether memory is short; it averages over ten seconds.
const LOOKS: u64 = 4;
/// Granularity of the memory of buffers.
const PAGE: usize = 4096;

/// How a pool chooses sizes and bounds memory.
///
/// The bound in bytes is the largest size times the number of buffers, and never more than the memory of the machine or of the
/// control group. It counts buffers in use and idle ones.
#[derive(Debug, Clone, PartialEq)]
pub enum MemoryStrategy {
    /// All buffers are alike, whatever is asked for, and stay once they exist.
    Fixed {
        /// Capacity of every buffer in bytes.
        buffer_size: usize,
        /// Buffers in use and idle at most.
        max_buffers: usize,
    },
    /// Buffers fit what is asked for; what is held follows the demand.
    Adaptive {
        /// Smallest capacity in bytes.
        min_size: usize,
        /// Largest capacity in bytes; who asks for more gets this.
        max_size: usize,
        /// Buffers in use and idle at most.
        max_buffers: usize,
        /// Times of the demand to hold, above 1 and at most 16.
        growth_factor: f64,
    },
    /// As `Adaptive` with a factor of 1.2, with memory near a NUMA node.
    AdaptiveNuma {
        /// Smallest capacity in bytes. Larger buffers may be asked for; the bound in bytes is this times `max_buffers`.
        initial_size: usize,
        /// Buffers in use and idle at most.
        max_buffers: usize,
        /// The system's number of the node; `None`: the one of each thread that asks.
        numa_node: Option<u32>,
    },
}

impl Default for MemoryStrategy {
    fn default() -> Self {
        Self::Adaptive { min_size: 64 << 10, max_size: 1 << 20, max_buffers: 1024, growth_factor: HEADROOM }
    }
}

impl MemoryStrategy {
    fn config(&self) -> Result<PoolConfig, PoolError> {
        let (least, most, buffers) = match *self {
            Self::Fixed { buffer_size, max_buffers } => (buffer_size, buffer_size, max_buffers),
            Self::Adaptive { min_size, max_size, max_buffers, .. } => (min_size, max_size, max_buffers),
            Self::AdaptiveNuma { initial_size, max_buffers, .. } => (initial_size, initial_size, max_buffers),
        };
        if least == 0 {
            return Err(PoolError::Zero);
        }
        // What a buffer takes of the bound is its capacity.
        let largest = match self {
            Self::Fixed { .. } => most.checked_next_multiple_of(PAGE),
            Self::Adaptive { .. } | Self::AdaptiveNuma { .. } => PoolConfig::capacity_for(most),
        };
        let largest = largest.map_or(u64::MAX, |bytes| bytes as u64);
        let bound = largest.saturating_mul(buffers as u64).min(memory_limit().unwrap_or(u64::MAX));
        let config = PoolConfig::new(bound).buffers_max(buffers);
        Ok(match *self {
            Self::Fixed { buffer_size, .. } => config.fixed_size(buffer_size),
            Self::Adaptive { min_size, max_size, growth_factor, .. } => {
                config.sizes(min_size, max_size).adaptive(growth_factor)
            }
            Self::AdaptiveNuma { initial_size, numa_node, .. } => {
                config.size_min(initial_size).adaptive(HEADROOM).numa_node(numa_node)
            }
        })
    }
}

/// What an [`AdvancedBufferPool`] did and has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BufferPoolStats {
    /// Buffers that were handed out.
    pub total_allocations: u64,
    /// Of those, buffers whose memory was there.
    pub cache_hits: u64,
    /// Of those, buffers whose memory had to be taken from the system.
    pub cache_misses: u64,
    /// Mean of what was asked for, in bytes.
    pub average_buffer_size: usize,
    /// The most buffers that existed at one time.
    pub peak_buffer_count: usize,
    /// Buffers that exist, in use and idle.
    pub current_buffer_count: usize,
    /// Their bytes.
    pub memory_usage_bytes: usize,
    /// Mean time to take memory from the system, in microseconds; 0 if that never happened.
    pub allocation_latency_us: f64,
    /// Buffers in use.
    pub buffers_in_use: u64,
    /// Requests that wait for memory.
    pub waiting_requests: usize,
    /// Bytes that are never exceeded.
    pub bound_bytes: u64,
}

/// A pool of buffers with the existing API's names. Clones are the same pool. For everything else: [`pool`](Self::pool).
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use rustfs_rio::{AdvancedBufferPool, MemoryStrategy};
///
/// let pool = AdvancedBufferPool::try_new(MemoryStrategy::AdaptiveNuma {
///     initial_size: 64 * 1024, max_buffers: 1024, numa_node: None,
/// })?;
/// let mut buffer = pool.get_optimized_buffer(100_000).await?;
/// buffer.extend_from_slice(b"an object")?;
/// drop(buffer);
/// assert_eq!(pool.get_stats().await.current_buffer_count, 1);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct AdvancedBufferPool {
    inner: Result<Arc<Kept>, PoolError>,
}

#[derive(Debug)]
struct Kept {
    pool: BufferPool,
    caretaker: Caretaker,
}

impl AdvancedBufferPool {
    /// Makes a pool. A strategy that cannot be followed makes one that answers every request with the error; use
    /// [`try_new`](Self::try_new) to have it at once.
    #[must_use]
    pub fn new(strategy: MemoryStrategy) -> Self {
        Self { inner: Self::make(&strategy) }
    }

    /// Makes a pool. Inside a tokio runtime, a task of it looks after the pool twice a second until the last clone is dropped,
    /// and is started anew by the next request if its runtime is gone; elsewhere somebody has to call [`BufferPool::upkeep`] if memory is to follow the demand.
    ///
    /// # Errors
    ///
    /// Any of [`PoolError`] that a setting can cause: sizes or numbers of zero, a smallest size above the largest, a growth factor
    /// that is not above 1, a NUMA node that does not exist.
    pub fn try_new(strategy: MemoryStrategy) -> Result<Self, PoolError> {
        Self::make(&strategy).map(|kept| Self { inner: Ok(kept) })
    }

    fn make(strategy: &MemoryStrategy) -> Result<Arc<Kept>, PoolError> {
        let pool = BufferPool::new(strategy.config()?)?;
        let caretaker = Caretaker::employ(&pool);
        Ok(Arc::new(Kept { pool, caretaker }))
    }

    /// The pool behind the names.
    ///
    /// # Errors
    ///
    /// The error of a strategy that [`new`](Self::new) could not follow, as in all other methods.
    pub fn pool(&self) -> Result<&BufferPool, PoolError> {
        self.inner.as_ref().map(|kept| &kept.pool).map_err(Clone::clone)
    }

    /// An empty buffer with room for `size_hint` bytes, within the bounds of the strategy. At the bound it waits, in order with
    /// others.
    ///
    /// # Errors
    ///
    /// [`PoolError::TooLarge`] if the buffer would exceed the bound by itself; [`PoolError::Memory`] if the system has none.
    pub async fn get_optimized_buffer(&self, size_hint: usize) -> Result<OptimizedBuffer, PoolError> {
        let pool = self.pool()?;
        if let Ok(kept) = &self.inner {
            kept.caretaker.ensure(pool);
        }
        match pool.try_get(size_hint) {
            Err(PoolError::Exhausted { .. }) => pool.get(size_hint)?.await,
            result => result,
        }
    }

    /// As [`get_optimized_buffer`](Self::get_optimized_buffer), waiting no longer than `patience`.
    ///
    /// # Errors
    ///
    /// [`PoolError::Exhausted`] when the time is over.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with timers, as [`tokio::time::timeout`] does.
    pub async fn get_optimized_buffer_within(
        &self,
        size_hint: usize,
        patience: Duration,
    ) -> Result<OptimizedBuffer, PoolError> {
        let waiting = tokio::time::timeout(patience, self.get_optimized_buffer(size_hint)).await;
        let bound_bytes = self.pool()?.stats().bound_bytes;
        waiting.unwrap_or(Err(PoolError::Exhausted { requested: size_hint, bound_bytes }))
    }

    /// As [`get_optimized_buffer`](Self::get_optimized_buffer), without waiting.
    ///
    /// # Errors
    ///
    /// [`PoolError::Exhausted`] at the bound, or if others wait.
    pub fn try_get_optimized_buffer(&self, size_hint: usize) -> Result<OptimizedBuffer, PoolError> {
        self.pool()?.try_get(size_hint)
    }

    /// Ends the task that looks after the pool.
    pub(crate) async fn dismiss(&self) {
        if let Ok(kept) = &self.inner {
            kept.caretaker.dismiss().await;
        }
    }

    /// What the pool did and has; nothing if its strategy was refused. Takes some microseconds.
    pub async fn get_stats(&self) -> BufferPoolStats {
        let Ok(pool) = self.pool() else { return BufferPoolStats::default() };
        let stats = pool.stats();
        let requests = stats.hits + stats.misses;
        let mean = stats.requested_bytes.checked_div(requests).unwrap_or(0);
        BufferPoolStats {
            total_allocations: requests,
            cache_hits: stats.hits,
            cache_misses: stats.misses,
            average_buffer_size: usize::try_from(mean).unwrap_or(usize::MAX),
            peak_buffer_count: stats.buffers_peak,
            current_buffer_count: stats.buffers,
            memory_usage_bytes: usize::try_from(stats.mapped_bytes).unwrap_or(usize::MAX),
            allocation_latency_us: stats.map_time.as_secs_f64() * 1e6 / stats.misses.max(1) as f64,
            buffers_in_use: stats.outstanding,
            waiting_requests: stats.waiting,
            bound_bytes: stats.bound_bytes,
        }
    }
}

/// A task that looks after a pool, and ends with its owner or with its runtime.
#[derive(Debug)]
pub(crate) struct Caretaker {
    task: Mutex<Option<JoinHandle<()>>>,
    is_there: Arc<AtomicBool>,
}

/// Says that the task is gone, however it went.
struct Presence(Arc<AtomicBool>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Caretaker {
    /// Starts the task on the current tokio runtime; without one there is none.
    pub(crate) fn employ(pool: &BufferPool) -> Self {
        let caretaker = Self { task: Mutex::new(None), is_there: Arc::new(AtomicBool::new(false)) };
        caretaker.replace(pool);
        caretaker
    }

    /// Starts another task if the last one went with its runtime. Costs a look if it did not.
    #[inline]
    pub(crate) fn ensure(&self, pool: &BufferPool) {
        if !self.is_there.load(Ordering::Relaxed) {
            self.replace(pool);
        }
    }

    #[cold]
    fn replace(&self, pool: &BufferPool) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_there.swap(true, Ordering::Relaxed) {
            return;
        }
        let (pool, presence) = (pool.clone(), Presence(Arc::clone(&self.is_there)));
        *task = Some(runtime.spawn(async move {
            let _presence = presence;
            let gauge = PressureGauge::new();
            let mut pressure = Pressure::None;
            for turn in 0u64.. {
                tokio::time::sleep(PERIOD).await;
                // The files cost more than all the rest, and an empty pool has nothing to give.
                if pool.mapped_bytes() == 0 {
                    pressure = Pressure::None;
                } else if turn.is_multiple_of(LOOKS) {
                    pressure = gauge.read();
                }
                pool.upkeep(Instant::now().into_std(), pressure);
            }
        }));
    }

    /// Ends the task and waits until it is gone.
    pub(crate) async fn dismiss(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
            // Cancelled, which is what was asked for.
            let _ = task.await;
        }
    }
}

impl Drop for Caretaker {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}
