//! What parts of a service count themselves, read once per interval: nothing here is on the hot path.

use serde::{Deserialize, Serialize};

/// Counters and gauges of the parts that a service has. A part that it lacks is `None` and appears in no export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Components {
    /// The buffer pool.
    pub pool: Option<PoolCounters>,
    /// The block cache.
    pub cache: Option<CacheCounters>,
    /// The engine.
    pub engine: Option<EngineCounters>,
}

/// A buffer pool's counters. Those without "now" count since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolCounters {
    /// Requests served with memory that was there.
    pub hits: u64,
    /// Requests for which memory had to be taken from the system.
    pub misses: u64,
    /// Requests that wait now.
    pub waiting: u64,
    /// Buffers in use now.
    pub buffers_in_use: u64,
    /// Their capacity in bytes, now.
    pub bytes_in_use: u64,
    /// Bytes that wait for the next request, now.
    pub bytes_idle: u64,
    /// The bound on both together, in bytes, now.
    pub bytes_bound: u64,
}

/// A block cache's counters. Those without "now" count since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheCounters {
    /// Lookups that found their block.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Blocks that made room for others.
    pub evictions: u64,
    /// Bytes held now.
    pub bytes: u64,
    /// The bound on them, in bytes, now.
    pub bytes_bound: u64,
    /// Blocks read ahead.
    pub prefetched: u64,
    /// Those of them that somebody asked for.
    pub prefetched_used: u64,
}

/// An engine's counters since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineCounters {
    /// Calls of `io_uring_enter(2)`.
    pub ring_enters: u64,
    /// Completions taken from rings.
    pub ring_completions: u64,
    /// Operations that the ring failed and the pool of threads carried out.
    pub rerouted: u64,
    /// Threads of that pool, now.
    pub threads: u64,
}

/// What became of the alerts that a sink was given, since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliveries {
    /// The sink.
    pub sink: String,
    /// Delivered.
    pub delivered: u64,
    /// Given up.
    pub dropped: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
}
