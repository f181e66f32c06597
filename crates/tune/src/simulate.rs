//! A cache with least-recently-used eviction in front of a device, deterministic: what a predictor is worth on a trace.

use crate::access::{Access, AccessKind};
use crate::prefetch::Predictor;
use std::collections::{BTreeMap, HashMap};

const BLOCK: u64 = 4096;

/// What a simulation counted, in blocks of 4 KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Blocks that read requests touched.
    pub reads: u64,
    /// Of these, found in the cache.
    pub hits: u64,
    /// Blocks read ahead.
    pub prefetched: u64,
    /// Of these, read by a request before they were evicted or overwritten.
    pub used: u64,
    /// Blocks the device read, on demand and ahead.
    pub device_reads: u64,
}

impl Counts {
    /// Share of read blocks that were in the cache, 0 to 1.
    #[must_use]
    pub fn hit_ratio(&self) -> f64 {
        self.hits as f64 / self.reads.max(1) as f64
    }

    /// Share of blocks read ahead that were used, 0 to 1; 1 if none was read ahead.
    #[must_use]
    pub fn used_share(&self) -> f64 {
        if self.prefetched == 0 { 1.0 } else { self.used as f64 / self.prefetched as f64 }
    }
}

type Block = (u32, u64);

/// Blocks by last use.
#[derive(Default)]
struct Cache {
    room: usize,
    /// When used last, and whether read ahead and not used since.
    blocks: HashMap<Block, (u64, bool)>,
    order: BTreeMap<u64, Block>,
    clock: u64,
}

impl Cache {
    /// Makes a block the last used; returns its mark if it was there.
    fn touch(&mut self, block: Block, mark: bool) -> Option<bool> {
        if self.room == 0 {
            return None;
        }
        self.clock += 1;
        let before = self.blocks.insert(block, (self.clock, mark));
        if let Some((used, _)) = before {
            self.order.remove(&used);
        }
        self.order.insert(self.clock, block);
        if self.blocks.len() > self.room
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.blocks.remove(&oldest);
        }
        before.map(|(_, mark)| mark)
    }
}

fn blocks(space: u32, offset: u64, len: u32) -> impl Iterator<Item = Block> {
    let last = offset.saturating_add(u64::from(len.max(1)) - 1) / BLOCK;
    (offset / BLOCK..=last).map(move |block| (space, block))
}

/// Runs `accesses` through a cache of `cache_bytes`, with or without a predictor. Hits count on reads; writes fill the cache. A
/// block read ahead is there for the next request: the device's time is not modelled.
pub fn simulate(accesses: &[Access], cache_bytes: u64, mut predictor: Option<&mut dyn Predictor>) -> Counts {
    let room = usize::try_from(cache_bytes / BLOCK).unwrap_or(usize::MAX);
    let mut cache = Cache { room, ..Cache::default() };
    let mut counts = Counts::default();
    for access in accesses {
        let read = access.kind == AccessKind::Read;
        for block in blocks(access.space, access.offset, access.len) {
            let found = cache.touch(block, false);
            if read {
                counts.reads += 1;
                counts.hits += u64::from(found.is_some());
                counts.used += u64::from(found == Some(true));
                counts.device_reads += u64::from(found.is_none());
            }
        }
        let Some(range) = predictor.as_mut().and_then(|predictor| predictor.observe(access)) else {
            continue;
        };
        for block in blocks(range.space, range.offset, range.len) {
            if !cache.blocks.contains_key(&block) {
                cache.touch(block, true);
                counts.prefetched += 1;
                counts.device_reads += 1;
            }
        }
    }
    counts
}
