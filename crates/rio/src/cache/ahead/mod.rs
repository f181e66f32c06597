//! Reads ahead of demand what the predictors say.
//!
//! * `planner`: shows every read to the predictors, on the reading task, and queues what they want.
//! * `device`: what is queued and under way per device, and when the next may go.
//! * `carrier`: the task that carries it out.
//! * `strain`: whether memory or the engine's queue is too short for it.
//!
//! What holds: what is read ahead and not used stays below a quarter of the cache; what is under way on a device stays below
//! `prefetch_size` bytes, and is a single read while demand reads reach the device; what is queued is bounded and dropped first.
//! Every byte that a predictor asked for gets exactly one report of what became of it.

mod carrier;
mod device;
mod planner;
mod strain;

pub(crate) use carrier::Carrier;
pub(crate) use device::{Demand, Device};
pub(crate) use planner::Planner;

use super::tally::Count;
use rustfs_rio_tune::SourceStats;

/// `prefetch_distance` counts blocks of so many bytes: 4 to 64 of them are 256 KiB to 4 MiB.
pub(crate) const DISTANCE_BLOCK: u64 = 64 << 10;

/// What reading ahead did since the runtime was made, in blocks of the cache unless it says otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrefetchStats {
    /// Blocks read from the device ahead of demand.
    pub issued_blocks: u64,
    /// Of these, read by somebody after they had arrived.
    pub used_blocks: u64,
    /// Of these, awaited by somebody while they were on their way.
    pub late_blocks: u64,
    /// Of these, evicted, changed or given up unread.
    pub wasted_blocks: u64,
    /// Blocks that were asked for and not read: overtaken, in the cache already, beyond the end of the file, or given up under
    /// pressure.
    pub dropped_blocks: u64,
    /// Device reads ahead of demand.
    pub reads: u64,
    /// Bytes under way now, on all devices.
    pub in_flight_bytes: u64,
    /// Ranges that wait for their turn now.
    pub queued_ranges: u64,
    /// The most reads ahead of demand that were under way on a device when a demand read reached it.
    pub before_demand_reads_max: u64,
    /// The most bytes of them.
    pub before_demand_bytes_max: u64,
}

impl PrefetchStats {
    /// Share of the blocks with a known outcome that were used, late ones among them, 0 to 1; 1 before any is known.
    #[must_use]
    pub fn used_share(&self) -> f64 {
        let used = self.used_blocks + self.late_blocks;
        let known = used + self.wasted_blocks;
        if known == 0 { 1.0 } else { used as f64 / known as f64 }
    }
}

impl Planner {
    /// What was read ahead and what became of it.
    pub(crate) fn stats(&self) -> PrefetchStats {
        let sum = |count| self.store().ledger.tally.sum(count);
        let mut stats = PrefetchStats {
            issued_blocks: sum(Count::Ahead),
            used_blocks: sum(Count::Used),
            late_blocks: sum(Count::Late),
            wasted_blocks: sum(Count::Wasted),
            dropped_blocks: sum(Count::Dropped),
            reads: sum(Count::AheadReads),
            ..PrefetchStats::default()
        };
        for device in self.devices() {
            device.add_to(&mut stats);
        }
        stats
    }

    /// What each predictor did.
    pub(crate) fn sources(&self) -> Vec<SourceStats> {
        self.with_prefetcher(|prefetcher| prefetcher.stats().collect())
    }
}
