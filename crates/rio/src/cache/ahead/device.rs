//! One device: what waits to be read ahead there, what is under way, and how demand reads are kept in front.

use super::PrefetchStats;
use crate::cache::reading::Target;
use parking_lot::Mutex;
use rustfs_rio_tune::{Range as Bytes, Ticket};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Weak;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Adjoining ranges are read together up to so many bytes: of this machine's disk, four such reads at a time get 1.03 of what
/// 32 reads of 64 KiB get, and one of 1 MiB 0.95.
const READ_BYTES: u64 = 256 << 10;
/// Ranges that wait at most; beyond that the oldest are given up.
const QUEUE_MAX: usize = 256;
/// After so many requests that found what was read ahead, and none that had to go to the device, more than one read may be
/// under way.
const QUIET: u32 = 4;

/// A range that waits for its turn.
pub(crate) struct Pending {
    pub(crate) target: Weak<Target>,
    pub(crate) range: Bytes,
    pub(crate) ticket: Ticket,
    /// The blocks that it covers; one that it begins in the middle of was read with what comes before it.
    pub(crate) blocks: Range<u64>,
}

/// Adjoining ranges, to be read as one.
pub(crate) struct Job {
    pub(crate) parts: Vec<Pending>,
    pub(crate) bytes: u64,
}

/// What is known of one device.
#[derive(Default)]
pub(crate) struct Device {
    /// Demand reads on the device now.
    demand: AtomicUsize,
    /// Requests in a row that needed no demand read.
    quiet: AtomicU32,
    flying_reads: AtomicUsize,
    flying_bytes: AtomicU64,
    queue: Mutex<VecDeque<Pending>>,
    before_demand_reads_max: AtomicUsize,
    before_demand_bytes_max: AtomicU64,
}

/// A demand read is on the device.
pub(crate) struct Demand<'a>(&'a Device);

impl Drop for Demand<'_> {
    fn drop(&mut self) {
        self.0.demand.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Device {
    /// A demand read goes to the device.
    pub(crate) fn demand(&self) -> Demand<'_> {
        self.quiet.store(0, Ordering::Relaxed);
        self.demand.fetch_add(1, Ordering::SeqCst);
        self.before_demand_reads_max.fetch_max(self.flying_reads.load(Ordering::SeqCst), Ordering::Relaxed);
        self.before_demand_bytes_max.fetch_max(self.flying_bytes.load(Ordering::Relaxed), Ordering::Relaxed);
        Demand(self)
    }

    /// A request found what was read ahead for it.
    pub(crate) fn served_ahead(&self) {
        let quiet = self.quiet.load(Ordering::Relaxed);
        if quiet < QUIET {
            self.quiet.store(quiet + 1, Ordering::Relaxed);
        }
    }

    /// Queues a range, and returns the one that has to go for it. `true` if the next read may start.
    pub(crate) fn enqueue(&self, pending: Pending, size: u64) -> (Option<Pending>, bool) {
        let mut queue = self.queue.lock();
        let displaced = if queue.len() >= QUEUE_MAX { queue.pop_front() } else { None };
        queue.push_back(pending);
        (displaced, self.may_start(&queue, size))
    }

    /// Takes ranges out that are not wanted any more.
    pub(crate) fn cancel(&self, is_unwanted: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let mut queue = self.queue.lock();
        let (gone, kept) = queue.drain(..).partition(|pending| is_unwanted(pending));
        *queue = kept;
        gone.into()
    }

    /// The next read, if it may start now: the caller has to [`land`](Self::land) it.
    pub(crate) fn next(&self, size: u64) -> Option<Job> {
        let mut queue = self.queue.lock();
        if !self.may_start(&queue, size) {
            return None;
        }
        let first = queue.pop_front()?;
        let mut job = Job { bytes: u64::from(first.range.len), parts: vec![first] };
        let bound = READ_BYTES.min(size);
        while let Some(place) = Self::continuation(&queue, &job, bound) {
            let Some(next) = queue.remove(place) else { break };
            job.bytes += u64::from(next.range.len);
            job.parts.push(next);
        }
        self.flying_reads.fetch_add(1, Ordering::SeqCst);
        self.flying_bytes.fetch_add(job.bytes, Ordering::Relaxed);
        Some(job)
    }

    /// A read that was started has ended.
    pub(crate) fn land(&self, bytes: u64) {
        self.flying_reads.fetch_sub(1, Ordering::SeqCst);
        self.flying_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn may_start(&self, queue: &VecDeque<Pending>, size: u64) -> bool {
        if queue.is_empty() {
            return false;
        }
        if self.flying_reads.load(Ordering::SeqCst) == 0 {
            return true;
        }
        if self.demand.load(Ordering::SeqCst) > 0 || self.quiet.load(Ordering::Relaxed) < QUIET {
            return false;
        }
        // Beside others, only whole ones: small reads cost as much as large ones, and what is under way gives time to gather.
        let whole = READ_BYTES.min(size);
        let queued: u64 = queue.iter().map(|pending| u64::from(pending.range.len)).sum();
        queued >= whole && self.flying_bytes.load(Ordering::Relaxed) + whole <= size
    }

    /// The place of a range that goes on where the job ends and still fits.
    fn continuation(queue: &VecDeque<Pending>, job: &Job, bound: u64) -> Option<usize> {
        let last = job.parts.last()?;
        queue.iter().position(|pending| {
            pending.range.space == last.range.space
                && pending.blocks.start == last.blocks.end
                && job.bytes + u64::from(pending.range.len) <= bound
        })
    }

    pub(crate) fn add_to(&self, stats: &mut PrefetchStats) {
        stats.in_flight_bytes += self.flying_bytes.load(Ordering::Relaxed);
        stats.queued_ranges += self.queue.lock().len() as u64;
        let reads = self.before_demand_reads_max.load(Ordering::Relaxed) as u64;
        stats.before_demand_reads_max = stats.before_demand_reads_max.max(reads);
        let bytes = self.before_demand_bytes_max.load(Ordering::Relaxed);
        stats.before_demand_bytes_max = stats.before_demand_bytes_max.max(bytes);
    }
}
