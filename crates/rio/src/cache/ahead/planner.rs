//! Shows reads to the predictors and queues what they want.

use super::DISTANCE_BLOCK;
use super::device::{Device, Pending};
use super::strain::Strain;
use crate::cache::config::CacheConfig;
use crate::cache::page::Share;
use crate::cache::reading::Target;
use crate::cache::store::Store;
use crate::live::LiveParameters;
use crossbeam_queue::ArrayQueue;
use parking_lot::Mutex;
use rustfs_rio_engine::Engine;
use rustfs_rio_tune::{Access, AccessKind, Prefetch, PrefetchBounds, PrefetchOutcome, Prefetcher, Pressure};
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::sync::Notify;

/// Reads that wait for the predictors because another task is showing one; beyond that the oldest are not shown.
const WAITING_MAX: usize = 64;
/// Of the cache, so much may hold what is read ahead and not used.
const OPEN_PART: u64 = 4;
/// A stream reads ahead this part of what may be open at most, and less if more streams need it; looked at once in so many reads.
const STREAMS_MIN: u64 = 4;
const REVIEW_READS: u32 = 32;
/// Reports handed to the predictors per read at most.
const REPORTS_AT_ONCE: usize = 256;

/// Between reads and predictors. One per runtime.
pub(crate) struct Planner {
    brain: Mutex<Brain>,
    waiting: ArrayQueue<Access>,
    places: Mutex<Places>,
    pub(super) wake: Notify,
    pub(super) strain: Strain,
    store: Arc<Store>,
    live: Arc<LiveParameters>,
    engine: Engine,
    use_min: f32,
    started: Instant,
}

struct Brain {
    prefetcher: Prefetcher,
    /// Distance and size that were applied, in bytes.
    applied: (u64, u64),
    /// Distance at present: below the parameter while many streams share what may be open.
    distance: u64,
    reads: u32,
}

#[derive(Default)]
struct Places {
    devices: HashMap<(u32, u32), Arc<Device>>,
    targets: HashMap<u32, Weak<Target>>,
}

impl Planner {
    pub(crate) fn new(
        config: &CacheConfig,
        store: Arc<Store>,
        live: Arc<LiveParameters>,
        engine: Engine,
    ) -> Self {
        let prefetcher = Prefetcher::new(PrefetchBounds::default());
        Self {
            brain: Mutex::new(Brain { prefetcher, applied: (0, 0), distance: u64::MAX, reads: 0 }),
            waiting: ArrayQueue::new(WAITING_MAX),
            places: Mutex::default(),
            wake: Notify::new(),
            strain: Strain::new(),
            store,
            live,
            engine,
            use_min: config.prefetch_use_min,
            started: Instant::now(),
        }
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Bytes under way on one device at most.
    pub(super) fn size(&self) -> u64 {
        self.live.prefetch_size()
    }

    pub(super) fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The devices met so far.
    pub(crate) fn devices(&self) -> Vec<Arc<Device>> {
        self.places.lock().devices.values().cloned().collect()
    }

    /// The device of this number.
    pub(crate) fn device(&self, number: (u32, u32)) -> Arc<Device> {
        Arc::clone(self.places.lock().devices.entry(number).or_default())
    }

    /// A file can be read ahead from now on, until it is closed.
    pub(crate) fn introduce(&self, target: &Arc<Target>) {
        let mut places = self.places.lock();
        let targets = &mut places.targets;
        // Doubling keeps the cost per file constant.
        if targets.len().is_power_of_two() {
            targets.retain(|_, target| target.strong_count() > 0);
        }
        targets.insert(target.state().space, Arc::downgrade(target));
    }

    pub(crate) fn with_prefetcher<T>(&self, look: impl FnOnce(&Prefetcher) -> T) -> T {
        look(&self.brain.lock().prefetcher)
    }

    /// A read begins.
    pub(crate) fn observe(&self, target: &Target, offset: u64, len: usize) {
        let access = Access {
            at_ns: self.now_ns(),
            space: target.state().space,
            offset,
            len: u32::try_from(len).unwrap_or(u32::MAX),
            kind: AccessKind::Read,
        };
        let Some(mut brain) = self.brain.try_lock() else {
            self.waiting.force_push(access);
            return;
        };
        self.apply_parameters(&mut brain);
        self.take_reports(&mut brain, REPORTS_AT_ONCE);
        while let Some(earlier) = self.waiting.pop() {
            self.show(&mut brain, &earlier);
        }
        self.show(&mut brain, &access);
    }

    /// Hands what became of earlier reads to the predictors.
    fn take_reports(&self, brain: &mut Brain, most: usize) {
        for _ in 0..most {
            let Some(report) = self.store.ledger.next_report() else { break };
            brain.prefetcher.feedback(&report);
        }
    }

    /// The live parameters count from the next read on. Where many streams share what may be open, each goes less far: what does
    /// not fit would leave holes.
    fn apply_parameters(&self, brain: &mut Brain) {
        brain.reads = brain.reads.wrapping_add(1);
        let total = self.store.capacity() / OPEN_PART;
        let most = (self.live.prefetch_distance() * DISTANCE_BLOCK).min(total / STREAMS_MIN);
        if brain.reads.is_multiple_of(REVIEW_READS) {
            let open = brain.prefetcher.open_bytes();
            if open > total / 2 {
                brain.distance = (brain.distance / 2).max(DISTANCE_BLOCK);
            } else if open < total / 4 {
                brain.distance = brain.distance.saturating_mul(2);
            }
        }
        brain.distance = brain.distance.min(most);
        let wanted = (brain.distance, self.live.prefetch_size());
        if brain.applied != wanted {
            brain.applied = wanted;
            let in_u32 = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
            brain.prefetcher.set_bounds(PrefetchBounds {
                size_bytes: in_u32(wanted.1),
                distance_bytes: in_u32(wanted.0),
                total_bytes: total,
                use_min: self.use_min,
            });
        }
    }

    fn show(&self, brain: &mut Brain, access: &Access) {
        if self.strain.refresh(access.at_ns, &self.engine) {
            self.wake.notify_one();
        }
        let pressure = self.strain.now();
        let plan = brain.prefetcher.observe(access, pressure);
        if !plan.cancel().is_empty() {
            let cancelled = plan.cancel();
            for device in self.devices() {
                let gone = device.cancel(|pending| cancelled.contains(&pending.ticket));
                gone.iter().for_each(|pending| self.give_up(pending));
            }
        }
        for prefetch in plan.issue() {
            self.queue(prefetch);
        }
        if pressure == Pressure::Full {
            self.clear();
        }
    }

    fn queue(&self, prefetch: &Prefetch) {
        let shift = self.store.shift();
        let (range, ticket) = (prefetch.range, prefetch.ticket);
        let target = self.places.lock().targets.get(&range.space).cloned().unwrap_or_default();
        // The block in which the range begins was read with what comes before it.
        let blocks = range.offset.div_ceil(1 << shift)..range.end().div_ceil(1 << shift);
        let pending = Pending { target, range, ticket, blocks };
        let Some(device) = pending.target.upgrade().and_then(|target| target.device().cloned()) else {
            return self.give_up(&pending);
        };
        let unread = pending.bytes_before_blocks(shift);
        if unread > 0 {
            self.store.ledger.report(Share { ticket, bytes: unread }, PrefetchOutcome::Dropped, 0);
        }
        let (displaced, may_start) = device.enqueue(pending, self.size());
        if let Some(displaced) = displaced {
            self.give_up(&displaced);
        }
        if may_start {
            self.wake.notify_one();
        }
    }

    /// A range is not read.
    pub(super) fn give_up(&self, pending: &Pending) {
        let shift = self.store.shift();
        let bytes = pending.bytes_within(pending.blocks.clone(), shift);
        let blocks = pending.blocks.end.saturating_sub(pending.blocks.start);
        let share = Share { ticket: pending.ticket, bytes };
        self.store.ledger.report(share, PrefetchOutcome::Dropped, blocks);
    }

    /// Gives up all that waits.
    pub(super) fn clear(&self) {
        for device in self.devices() {
            device.cancel(|_| true).iter().for_each(|pending| self.give_up(pending));
        }
    }
}

impl Pending {
    /// Bytes of the range that lie in these blocks.
    pub(super) fn bytes_within(&self, blocks: std::ops::Range<u64>, shift: u32) -> u32 {
        let start = self.range.offset.max(blocks.start << shift);
        let end = self.range.end().min(blocks.end << shift);
        u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX)
    }

    fn bytes_before_blocks(&self, shift: u32) -> u32 {
        self.bytes_within(self.range.offset >> shift..self.blocks.start, shift)
    }
}
