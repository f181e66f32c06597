//! What a pool tells about itself.

use super::BufferPool;
use super::cache::{Holding, Look, Tally};
use super::node;
use std::time::{Duration, Instant};

/// What a pool did and has. Counters are since the pool was made. Taken while buffers move, sums may be off by those.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Requests served with memory that was there.
    pub hits: u64,
    /// Requests for which memory had to be taken from the system.
    pub misses: u64,
    /// Sum of what was asked for, in bytes.
    pub requested_bytes: u64,
    /// Sum of the capacities that were handed out for it.
    pub capacity_bytes: u64,
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
    /// Time spent taking memory from the system.
    pub map_time: Duration,
}

/// What a pool has of one size. See [`PoolStats`] for what is meant by each word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStats {
    /// Size of a buffer in bytes.
    pub capacity: usize,
    /// Whether the size was cut to what is asked for.
    pub is_tailored: bool,
    /// Requests served with memory that was there.
    pub hits: u64,
    /// Requests for which memory had to be taken from the system.
    pub misses: u64,
    /// Sum of what was asked for, in bytes.
    pub requested_bytes: u64,
    /// Buffers in use.
    pub outstanding: u64,
    /// Buffers that wait for the next request.
    pub idle: usize,
    /// How often the idle buffer that was used most was used again; 4095 stands for that and more.
    pub reuses_max: u32,
    /// Time since the oldest idle buffer was taken from the system, to the minute; of buffers taken later than 68 hours after the
    /// pool was made, since then.
    pub age_max: Duration,
}

/// What a pool has on one NUMA node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStats {
    /// The system's number of the node.
    pub node: u32,
    /// Bytes taken for it, in use and idle.
    pub mapped_bytes: u64,
    /// Of those, bytes that wait for the next request.
    pub idle_bytes: u64,
    /// Buffers of this node that threads of others took, because there was no other way.
    pub stolen: u64,
}

/// Buffers that are in use, when none should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leak {
    /// How many.
    pub buffers: u64,
    /// Their capacity in bytes.
    pub bytes: u64,
    /// Backtraces of where each was taken, if the pool [keeps them](super::PoolConfig::keep_origins).
    pub origins: Vec<String>,
}

impl BufferPool {
    /// What the pool did and has. Looks at every stripe and idle buffer; not for hot paths.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let shared = self.shared();
        let holdings = shared.cache.holdings(Look::Blocks);
        let mut tally = Tally::default();
        holdings.iter().for_each(|holding| tally.add(&holding.tally));
        let ledger = shared.ledger.lock();
        PoolStats {
            hits: tally.hits,
            misses: tally.misses,
            requested_bytes: tally.asked_bytes,
            capacity_bytes: tally.given_bytes,
            outstanding: tally.outstanding(),
            outstanding_bytes: tally.outstanding_bytes(),
            idle_bytes: holdings.iter().map(|holding| holding.idle_bytes).sum(),
            mapped_bytes: ledger.mapped,
            buffers: ledger.blocks,
            buffers_peak: ledger.blocks_peak,
            waiting: shared.waiting(),
            bound_bytes: ledger.bound,
            map_time: Duration::from_nanos(ledger.map_nanos),
        }
    }

    /// Bytes that the pool has of the system, without looking at anything else.
    #[must_use]
    pub fn mapped_bytes(&self) -> u64 {
        self.shared().ledger.lock().mapped
    }

    /// What the pool has of each size that was asked for or is there, by ascending size.
    #[must_use]
    pub fn class_stats(&self) -> Vec<ClassStats> {
        let shared = self.shared();
        let age = Instant::now().saturating_duration_since(shared.epoch()).as_secs() / 60;
        let describe = |(slot, holding): (usize, Holding)| {
            let (tally, pages) = (holding.tally, shared.sizes.pages_of(slot));
            let is_used = tally.hits + tally.misses > 0 || holding.idle > 0;
            is_used.then(|| ClassStats {
                capacity: pages * super::classes::PAGE,
                is_tailored: slot >= super::classes::CLASSES,
                hits: tally.hits,
                misses: tally.misses,
                requested_bytes: tally.asked_bytes,
                outstanding: tally.outstanding(),
                idle: holding.idle,
                reuses_max: holding.reuses_max,
                age_max: Duration::from_secs(
                    60 * holding.born_min.map_or(0, |born| age.saturating_sub(u64::from(born))),
                ),
            })
        };
        let holdings = shared.cache.holdings(Look::Blocks).into_iter().enumerate();
        let mut all: Vec<ClassStats> = holdings.filter_map(describe).collect();
        all.sort_by_key(|class| class.capacity);
        all
    }

    /// What the pool has on each NUMA node.
    #[must_use]
    pub fn node_stats(&self) -> Vec<NodeStats> {
        let shared = self.shared();
        let idle = shared.cache.nodes();
        let ledger = shared.ledger.lock();
        let nodes = node::numbers().iter().zip(idle).zip(&ledger.mapped_by_node);
        let describe = |((node, (idle_bytes, stolen)), mapped_bytes): ((&u32, (u64, u64)), &u64)| NodeStats {
            node: *node,
            mapped_bytes: *mapped_bytes,
            idle_bytes,
            stolen,
        };
        nodes.map(describe).collect()
    }

    /// Buffers that are in use, to be asked for when none should be: before a shutdown, at the end of a test.
    #[must_use]
    pub fn leak(&self) -> Leak {
        let stats = self.stats();
        Leak { buffers: stats.outstanding, bytes: stats.outstanding_bytes, origins: self.origins() }
    }

    /// Backtraces of the buffers in use, if the pool was told to keep them.
    #[must_use]
    pub fn origins(&self) -> Vec<String> {
        self.shared().origins.list()
    }
}
