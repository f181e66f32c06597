//! The blocks in memory, which of them to give up, and the memory they lie in.
//!
//! Eviction is that of `quick_cache`, an S3-FIFO: blocks that are read once leave through a small queue and do not displace those that
//! are read again (Yang et al., SOSP 2023).

use super::config::CacheConfig;
use super::page::{Key, Page, Share};
use super::tally::{Count, Tally};
use crossbeam_queue::SegQueue;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use rustfs_rio_buf::{BufferPool, PoolConfig, PoolError, PooledBuf};
use rustfs_rio_tune::{Feedback, PrefetchOutcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Memory for blocks that are on their way, or that somebody still reads after their eviction: this part of the cache, and at
/// least so many bytes.
const SLACK_PART: u64 = 16;
const SLACK_MIN: u64 = 4 << 20;
/// Share of the cache for blocks that were read again. The rest is the queue of those that were not: a tenth as in S3-FIFO, and
/// with reading ahead, of which a quarter of the cache may wait there unread, 0.4 (decision 0050).
const HOT: f64 = 0.9;
const HOT_BESIDE_AHEAD: f64 = 0.6;
/// Locks of the cache: for 2 to 64 cores.
const SHARDS: u64 = 16;

/// What is counted, and what the predictors have yet to be told.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) tally: Tally,
    /// One for each block that is read ahead, so never more than the prefetcher lets be open.
    reports: SegQueue<Feedback>,
    /// Blocks that were read ahead and not used.
    unread: AtomicUsize,
}

impl Ledger {
    /// Notes what became of blocks that were read ahead; `bytes` of them belong to the range.
    #[cold]
    pub(crate) fn report(&self, share: Share, outcome: PrefetchOutcome, blocks: u64) {
        let count = match outcome {
            PrefetchOutcome::Used => Count::Used,
            PrefetchOutcome::Late => Count::Late,
            PrefetchOutcome::Wasted => Count::Wasted,
            PrefetchOutcome::Dropped => Count::Dropped,
        };
        self.tally.add(count, blocks);
        if share.bytes > 0 {
            self.reports.push(Feedback { ticket: share.ticket, outcome, bytes: share.bytes });
        }
    }

    /// A block was made; it counts as unread if it was read ahead.
    pub(crate) fn made(&self, share: Option<Share>) -> Option<Share> {
        share.inspect(|_| _ = self.unread.fetch_add(1, Ordering::Relaxed))
    }

    /// What a block was read ahead for, if this is its first use or its end.
    #[inline]
    pub(crate) fn first_use(&self, page: &Page) -> Option<Share> {
        page.first_use().inspect(|_| _ = self.unread.fetch_sub(1, Ordering::Relaxed))
    }

    /// The oldest report that was not taken.
    pub(crate) fn next_report(&self) -> Option<Feedback> {
        self.reports.pop()
    }

    /// A block leaves the cache.
    fn leaves(&self, page: &Page) {
        if let Some(share) = self.first_use(page) {
            self.report(share, PrefetchOutcome::Wasted, 1);
        }
    }
}

#[derive(Clone)]
struct BlockWeight(u64);

impl Weighter<Key, Arc<Page>> for BlockWeight {
    fn weight(&self, _key: &Key, _page: &Arc<Page>) -> u64 {
        self.0
    }
}

#[derive(Clone)]
struct Leaving(Arc<Ledger>);

impl Lifecycle<Key, Arc<Page>> for Leaving {
    type RequestState = ();

    fn on_evict(&self, _state: &mut (), _key: Key, page: Arc<Page>) {
        self.0.tally.add(Count::Evicted, 1);
        self.0.leaves(&page);
    }
}

/// Blocks of all files of a runtime.
pub(crate) struct Store {
    cache: Cache<Key, Arc<Page>, BlockWeight, DefaultHashBuilder, Leaving>,
    pool: BufferPool,
    shift: u32,
    capacity: u64,
    pub(crate) ledger: Arc<Ledger>,
}

impl Store {
    pub(crate) fn new(config: &CacheConfig) -> Result<Self, PoolError> {
        let block = config.block_size as u64;
        // Whole blocks in every part, so that the sum of the parts is not above the bound.
        let shards = SHARDS.min(config.bytes / block / 64).max(1);
        let shards = if shards.is_power_of_two() { shards } else { shards.next_power_of_two() / 2 };
        let capacity = config.bytes / (shards * block) * (shards * block);
        let ledger = Arc::new(Ledger::default());
        let mut options = OptionsBuilder::new();
        options.shards(shards as usize).weight_capacity(capacity);
        options.hot_allocation(if config.prefetch { HOT_BESIDE_AHEAD } else { HOT });
        options.estimated_items_capacity((capacity / block) as usize);
        // Only a number that was not given can be missed.
        let options = options.build().unwrap_or_else(|error| unreachable!("cache options: {error}"));
        let leaving = Leaving(Arc::clone(&ledger));
        let cache = Cache::with_options(options, BlockWeight(block), DefaultHashBuilder::default(), leaving);
        let slack = (capacity / SLACK_PART).max(SLACK_MIN);
        let pool = BufferPool::new(PoolConfig::new(capacity + slack).fixed_size(config.block_size))?;
        Ok(Self { cache, pool, shift: block.trailing_zeros(), capacity, ledger })
    }

    /// Log2 of the bytes of a block.
    pub(crate) fn shift(&self) -> u32 {
        self.shift
    }

    pub(crate) fn block_size(&self) -> usize {
        1 << self.shift
    }

    /// Bytes at most.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Bytes now.
    pub(crate) fn held(&self) -> u64 {
        self.cache.weight()
    }

    /// A block, which counts as a use of it; the first use of one that was read ahead does not, so that what a stream reads once
    /// leaves as if it had been read on demand.
    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<Arc<Page>> {
        if self.ledger.unread.load(Ordering::Relaxed) > 0 {
            match self.cache.peek(&key) {
                Some(page) if page.is_unread() => return Some(page),
                None => return None,
                Some(_) => {}
            }
        }
        self.cache.get(&key)
    }

    /// Whether a block is there, which does not count as a use.
    pub(crate) fn has(&self, key: Key) -> bool {
        self.cache.contains_key(&key)
    }

    pub(crate) fn put(&self, key: Key, page: Arc<Page>) {
        self.cache.insert(key, page);
    }

    /// Drops a block because the file changes there.
    pub(crate) fn remove(&self, key: Key) {
        if let Some((_, page)) = self.cache.remove(&key) {
            self.ledger.tally.add(Count::Invalidated, 1);
            self.ledger.leaves(&page);
        }
    }

    /// Drops all blocks.
    pub(crate) fn clear(&self) {
        self.cache.retain(|_, page| {
            self.ledger.leaves(page);
            false
        });
    }

    /// Memory for so many blocks, or none if there is too little.
    pub(crate) fn memory(&self, blocks: usize) -> Option<Vec<PooledBuf>> {
        let taken: Result<Vec<_>, _> = (0..blocks).map(|_| self.pool.try_get(1 << self.shift)).collect();
        taken.ok()
    }
}
