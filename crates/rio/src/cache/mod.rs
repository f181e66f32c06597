//! A block cache for direct files, and what fills it ahead of demand.
//!
//! A direct file bypasses the kernel's page cache; with [`RuntimeConfig::cache`](crate::RuntimeConfig::cache) its reads go through a cache of
//! this process. Nothing has to be called: [`DiskFile`](crate::DiskFile) asks it.
//!
//! Modules, in reading order:
//!
//! * `config`: [`CacheConfig`]. `page`, `store`, `tally`: blocks, which of them to give up, counters.
//! * `state`: what is true of one file; `landing`: where those wait who want what another is reading; `registry`: files by identity.
//! * `reading`, `sink`: a read of a cached file. `ahead`: what is read before anybody asks.
//!
//! What holds:
//!
//! * A read gives what a read of the device would have given at some moment between its begin and its end, block by block, as
//!   long as all changes go through files of the same runtime, whichever way they were opened. Other runtimes, other
//!   processes and memory mappings are not seen while a file is open; what changed while it was closed is noticed.
//! * The blocks held never exceed [`CacheConfig::bytes`]; memory that readers still hold after an eviction is bounded too.
//! * At most one read of a block is in flight for all who want it; if its reader goes away, another takes over.

mod ahead;
mod config;
mod landing;
mod page;
mod reading;
mod registry;
mod sink;
mod state;
mod store;
mod tally;

pub use ahead::PrefetchStats;
pub use config::CacheConfig;
pub(crate) use reading::CachedFile;

use crate::error::RuntimeError;
use crate::live::LiveParameters;
use ahead::{Carrier, Planner};
use reading::Target;
use registry::{Opened, Registry};
use rustfs_rio_engine::{Engine, File};
use rustfs_rio_monitor::{CacheCounters, Recorder};
use rustfs_rio_tune::SourceStats;
use std::io;
use std::sync::Arc;
use store::Store;
use tally::Count;

/// The block cache of a runtime. Clones are the same cache.
#[derive(Clone)]
pub struct BlockCache {
    store: Arc<Store>,
    registry: Arc<Registry>,
    recorder: Option<Arc<Recorder>>,
    carrier: Option<Arc<Carrier>>,
}

/// What a [`BlockCache`] did since it was made, in blocks, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Bytes of blocks that it holds at most.
    pub capacity_bytes: u64,
    /// Bytes of blocks that it holds.
    pub held_bytes: u64,
    /// Bytes of a block.
    pub block_size: usize,
    /// Blocks found in memory.
    pub hit_blocks: u64,
    /// Blocks read from the device on demand and kept.
    pub missed_blocks: u64,
    /// Blocks that somebody else was reading already, on demand or ahead.
    pub joined_blocks: u64,
    /// Blocks read from the device on demand and not kept, because they were being changed or memory was short.
    pub bypassed_blocks: u64,
    /// Blocks given up for others.
    pub evicted_blocks: u64,
    /// Blocks given up because the file changed there.
    pub invalidated_blocks: u64,
    /// Device reads on demand.
    pub demand_reads: u64,
}

impl CacheStats {
    /// Share of the blocks that were asked for and found in memory, 0 to 1; 0 before any was.
    #[must_use]
    pub fn hit_ratio(&self) -> f64 {
        let all = self.hit_blocks + self.missed_blocks + self.joined_blocks + self.bypassed_blocks;
        self.hit_blocks as f64 / all.max(1) as f64
    }
}

impl BlockCache {
    /// What the monitor exports.
    pub(crate) fn counters(&self) -> CacheCounters {
        let (stats, ahead) = (self.stats(), self.prefetch_stats().unwrap_or_default());
        CacheCounters {
            hits: stats.hit_blocks,
            misses: stats.missed_blocks + stats.joined_blocks + stats.bypassed_blocks,
            evictions: stats.evicted_blocks,
            bytes: stats.held_bytes,
            bytes_bound: stats.capacity_bytes,
            prefetched: ahead.issued_blocks,
            prefetched_used: ahead.used_blocks + ahead.late_blocks,
        }
    }

    /// The cache that a configuration asks for; `None` for one of no bytes.
    pub(crate) fn new(
        config: Option<&CacheConfig>,
        recorder: Option<Arc<Recorder>>,
        live: &Arc<LiveParameters>,
        engine: &Engine,
    ) -> Result<Option<Self>, RuntimeError> {
        let Some(config) = config else { return Ok(None) };
        config.check().map_err(RuntimeError::InitializationFailed)?;
        if config.bytes == 0 {
            return Ok(None);
        }
        live.set_prefetch_distance(config.prefetch_distance);
        live.set_prefetch_size(config.prefetch_size);
        let store = Arc::new(Store::new(config).map_err(io::Error::from)?);
        let registry = Arc::new(Registry::new(Arc::clone(&store)));
        let carrier = config.prefetch.then(|| {
            let planner = Planner::new(config, Arc::clone(&store), Arc::clone(live), engine.clone());
            Arc::new(Carrier::new(Arc::new(planner)))
        });
        Ok(Some(Self { store, registry, recorder, carrier }))
    }

    /// What is read ahead and what becomes of it; `None` if [`CacheConfig::prefetch`] is off.
    #[must_use]
    pub fn prefetch_stats(&self) -> Option<PrefetchStats> {
        self.carrier.as_ref().map(|carrier| carrier.planner().stats())
    }

    /// What each predictor asked for and what became of it.
    #[must_use]
    pub fn prefetch_sources(&self) -> Vec<SourceStats> {
        self.carrier.as_ref().map_or_else(Vec::new, |carrier| carrier.planner().sources())
    }

    /// What it did and holds. Adds up some hundred counters.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let sum = |count| self.store.ledger.tally.sum(count);
        CacheStats {
            capacity_bytes: self.store.capacity(),
            held_bytes: self.store.held(),
            block_size: self.store.block_size(),
            hit_blocks: sum(Count::Hit),
            missed_blocks: sum(Count::Missed),
            joined_blocks: sum(Count::Joined),
            bypassed_blocks: sum(Count::Around),
            evicted_blocks: sum(Count::Evicted),
            invalidated_blocks: sum(Count::Invalidated),
            demand_reads: sum(Count::DemandReads),
        }
    }

    /// Gives up all blocks.
    pub fn clear(&self) {
        self.store.clear();
    }

    /// Reads nothing ahead any more. The engine still has what is under way.
    pub(crate) async fn stop(&self) {
        if let Some(carrier) = &self.carrier {
            carrier.dismiss().await;
        }
    }

    /// Takes in a file that was just opened, emptied by that or not.
    pub(crate) fn open(&self, file: &File, was_emptied: bool) -> FileCache {
        let Some(opened) = self.registry.open(file) else { return FileCache::Off };
        if was_emptied {
            opened.state().reset();
        }
        let fits = |alignment: usize| self.store.block_size().is_multiple_of(alignment);
        if file.direct_alignment().is_some_and(fits) && file.is_readable() {
            let (store, recorder) = (Arc::clone(&self.store), self.recorder.clone());
            let planner = self.carrier.as_ref().map(|carrier| {
                carrier.ensure();
                Arc::clone(carrier.planner())
            });
            let number = file.opened().map_or((0, 0), |stat| stat.device);
            let device = planner.as_ref().map(|planner| planner.device(number));
            let target = Arc::new(Target::new(file.clone(), opened, device));
            if let Some(planner) = &planner {
                planner.introduce(&target);
            }
            FileCache::On(Box::new(CachedFile::new(target, store, recorder, planner)))
        } else {
            FileCache::Announced(opened)
        }
    }
}

impl std::fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockCache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// How a file stands to the cache.
pub(crate) enum FileCache {
    /// Not at all.
    Off,
    /// Its changes are announced to those who have the same file open.
    Announced(#[allow(dead_code, reason = "held for its end")] Opened),
    /// Its reads go through it.
    On(Box<CachedFile>),
}
