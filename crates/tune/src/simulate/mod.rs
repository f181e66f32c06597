//! A cache in front of a device, deterministic: what predictors are worth on a trace.
//!
//! * `cache`: which blocks are held, by policy. `device`: when a read is complete.
//!
//! For offline use: the tables grow with the trace's blocks, up to the room of the cache.

mod cache;
mod device;

pub use cache::Policy;
pub use device::DeviceModel;

use crate::access::{Access, AccessKind};
use crate::predict::plan::{Feedback, Prefetch, PrefetchBounds, PrefetchOutcome, Pressure, Ticket};
use crate::predict::prefetcher::{Prefetcher, SourceStats};
use cache::{Block, Cache};
use device::{Device, Queued};

/// Bytes of a block.
pub const BLOCK_BYTES: u64 = 4096;
/// The part of a cache that may hold what was read ahead and not used yet.
const AHEAD_PART: u64 = 2;
/// Queued prefetches per server of the device from which the simulated executor reports pressure.
const QUEUED_SOME: usize = 2;
const QUEUED_FULL: usize = 8;

/// When requests come.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Pace {
    /// At their recorded times, divided by the factor (2 is twice as fast).
    Recorded(f64),
    /// Each when the one before is complete: for traces without times.
    #[default]
    OneByOne,
}

/// What is simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SimulationConfig {
    /// Bytes of the cache; 0 is no cache, and nothing is read ahead.
    pub cache_bytes: u64,
    /// What it evicts.
    pub policy: Policy,
    /// The device behind it.
    pub device: DeviceModel,
    /// When requests come.
    pub pace: Pace,
}

/// What a simulation counted, in blocks of 4 KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests.
    pub requests: u64,
    /// Blocks that read requests touched.
    pub reads: u64,
    /// Of these, found in the cache or on their way to it.
    pub hits: u64,
    /// Of the hits, those that were on their way: their requests had to wait, but less.
    pub late: u64,
    /// Blocks read ahead.
    pub prefetched: u64,
    /// Of these, read by a request before they were evicted or overwritten.
    pub used: u64,
    /// Blocks the device read, on demand and ahead.
    pub device_reads: u64,
    /// Blocks the device wrote.
    pub device_writes: u64,
    /// Time that read requests waited for the device, nanoseconds, summed.
    pub wait_ns: u64,
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

/// What is known about a block in the cache.
#[derive(Clone, Copy)]
struct Mark {
    /// The range it was read ahead for, while nobody has used it.
    unused: Option<Ticket>,
    ready_ns: u64,
}

/// A cache, a device, and a prefetcher between them; takes one request at a time.
pub struct Simulation {
    config: SimulationConfig,
    cache: Cache<Mark>,
    device: Device,
    prefetcher: Option<Prefetcher>,
    counts: Counts,
    now: u64,
    began_ns: Option<u64>,
}

impl Simulation {
    /// An empty cache. Without a prefetcher nothing is read ahead; with one, its total is kept within a quarter of the cache.
    #[must_use]
    pub fn new(config: SimulationConfig, prefetcher: Option<Prefetcher>) -> Self {
        let room = usize::try_from(config.cache_bytes / BLOCK_BYTES).unwrap_or(usize::MAX);
        let mut prefetcher = prefetcher.filter(|_| room > 0);
        if let Some(prefetcher) = &mut prefetcher {
            let bounds = prefetcher.bounds();
            let total_bytes = bounds.total_bytes.min(config.cache_bytes / AHEAD_PART);
            prefetcher.set_bounds(PrefetchBounds { total_bytes, ..bounds });
        }
        Self {
            config,
            cache: Cache::new(config.policy, room),
            device: Device::new(config.device),
            prefetcher,
            counts: Counts::default(),
            now: 0,
            began_ns: None,
        }
    }

    /// Carries out one request.
    pub fn step(&mut self, access: &Access) {
        self.now = self.arrival(access);
        self.counts.requests += 1;
        self.begin_queued();
        let done = match access.kind {
            AccessKind::Read => self.read(access),
            AccessKind::Write => self.write(access),
        };
        self.read_ahead(access);
        if self.config.pace == Pace::OneByOne {
            self.now = done.max(self.now);
        }
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// What each predictor did so far.
    pub fn sources(&self) -> impl Iterator<Item = SourceStats> + '_ {
        self.prefetcher.iter().flat_map(Prefetcher::stats)
    }

    /// Blocks in the cache that were read ahead and that nobody has used.
    #[must_use]
    pub fn unused_blocks(&self) -> usize {
        self.cache.marks().filter(|mark| mark.unused.is_some()).count()
    }

    /// Blocks in the cache; never more than fit its bytes.
    #[must_use]
    pub fn held_blocks(&self) -> usize {
        self.cache.len()
    }

    fn arrival(&mut self, access: &Access) -> u64 {
        match self.config.pace {
            Pace::OneByOne => self.now,
            Pace::Recorded(speed) => {
                let since = access.at_ns.saturating_sub(*self.began_ns.get_or_insert(access.at_ns));
                let speed = if speed.is_finite() && speed > 0.0 { speed } else { 1.0 };
                // Recorded times may run backwards by a little; a device's time does not.
                ((since as f64 / speed) as u64).max(self.now)
            }
        }
    }

    fn read(&mut self, access: &Access) -> u64 {
        let mut done = self.now;
        let mut missing: Option<(Block, u64)> = None;
        for block in blocks(access.space, access.offset, access.len) {
            self.counts.reads += 1;
            let mark = self.cache.peek(block);
            let ahead = mark.and_then(|mark| mark.unused);
            if let Some(mark) = self.cache.touch(block, ahead.is_some()) {
                self.counts.hits += 1;
                let late = mark.ready_ns > self.now;
                self.counts.late += u64::from(late);
                done = done.max(mark.ready_ns);
                mark.unused = None;
                if let Some(ticket) = ahead {
                    self.counts.used += 1;
                    self.tell(ticket, if late { PrefetchOutcome::Late } else { PrefetchOutcome::Used }, 1);
                }
                continue;
            }
            missing = match missing {
                Some((first, count)) if first.1 + count == block.1 => Some((first, count + 1)),
                Some(run) => {
                    done = done.max(self.fetch(run));
                    Some((block, 1))
                }
                None => Some((block, 1)),
            };
        }
        if let Some(run) = missing {
            done = done.max(self.fetch(run));
        }
        self.counts.wait_ns = self.counts.wait_ns.saturating_add(done - self.now);
        done
    }

    /// Reads adjoining blocks on demand.
    fn fetch(&mut self, (first, count): (Block, u64)) -> u64 {
        self.withdraw(first.0, first.1, count);
        let ready_ns = self.device.demand(self.now, count * BLOCK_BYTES);
        self.counts.device_reads += count;
        for block in first.1..first.1 + count {
            self.put((first.0, block), Mark { unused: None, ready_ns });
        }
        ready_ns
    }

    fn write(&mut self, access: &Access) -> u64 {
        let mut count = 0;
        for block in blocks(access.space, access.offset, access.len) {
            count += 1;
            let ahead = self.cache.peek(block).and_then(|mark| mark.unused);
            if let Some(ticket) = ahead {
                self.tell(ticket, PrefetchOutcome::Wasted, 1);
            }
            let mark = Mark { unused: None, ready_ns: 0 };
            if let Some(old) = self.cache.touch(block, false) {
                *old = mark;
            } else {
                self.put(block, mark);
            }
        }
        self.withdraw(access.space, access.offset / BLOCK_BYTES, count);
        self.counts.device_writes += count;
        self.device.demand(self.now, count * BLOCK_BYTES)
    }

    /// Takes what a demand operation covers out of the queue of what is to be read ahead.
    fn withdraw(&mut self, space: u32, first: u64, count: u64) {
        if self.device.queued() == 0 {
            return;
        }
        let mut dropped = Vec::new();
        let last = first + count;
        self.device.drop_queued(|queued| {
            let (from, to) = (queued.first.1, queued.first.1 + u64::from(queued.blocks));
            if queued.first.0 != space || to <= first || from >= last {
                return false;
            }
            // What is left is the part behind; a part before was passed by.
            let rest = to.saturating_sub(last.max(from));
            dropped.push((queued.ticket, (to - from - rest) as u32));
            queued.first.1 = to - rest;
            queued.blocks = rest as u32;
            rest == 0
        });
        for (ticket, blocks) in dropped {
            self.tell(ticket, PrefetchOutcome::Dropped, blocks);
        }
    }

    fn read_ahead(&mut self, access: &Access) {
        let pressure = self.pressure();
        let Some(prefetcher) = &mut self.prefetcher else { return };
        let plan = prefetcher.observe(access, pressure).clone();
        for &ticket in plan.cancel() {
            let mut dropped = 0;
            self.device.drop_queued(|queued| {
                let ours = queued.ticket == ticket;
                dropped += if ours { queued.blocks } else { 0 };
                ours
            });
            self.tell(ticket, PrefetchOutcome::Dropped, dropped);
        }
        for prefetch in plan.issue() {
            self.queue(prefetch);
        }
        self.begin_queued();
    }

    fn pressure(&self) -> Pressure {
        let depth = usize::from(self.config.device.depth.max(1));
        match self.device.queued() {
            queued if queued >= QUEUED_FULL * depth => Pressure::Full,
            queued if queued >= QUEUED_SOME * depth => Pressure::Some,
            _ => Pressure::None,
        }
    }

    /// Queues what of a range is not in the cache.
    fn queue(&mut self, prefetch: &Prefetch) {
        let range = prefetch.range;
        let (mut known, mut open): (u32, Option<Queued>) = (0, None);
        for block in blocks(range.space, range.offset, range.len) {
            if self.cache.peek(block).is_some() {
                known += 1;
                if let Some(queued) = open.take() {
                    self.device.queue(queued);
                }
                continue;
            }
            let fresh = Queued { first: block, blocks: 0, ticket: prefetch.ticket, at_ns: self.now };
            open.get_or_insert(fresh).blocks += 1;
        }
        if let Some(queued) = open {
            self.device.queue(queued);
        }
        self.tell(prefetch.ticket, PrefetchOutcome::Dropped, known);
    }

    /// Begins what the device could have begun by now.
    fn begin_queued(&mut self) {
        while let Some((queued, server, start)) = self.device.next_queued(self.now) {
            let fresh: Vec<_> = (queued.first.1..queued.first.1 + u64::from(queued.blocks))
                .map(|block| (queued.first.0, block))
                .filter(|&block| self.cache.peek(block).is_none())
                .collect();
            self.tell(queued.ticket, PrefetchOutcome::Dropped, queued.blocks - fresh.len() as u32);
            if fresh.is_empty() {
                continue;
            }
            let ready_ns = self.device.serve(server, start, fresh.len() as u64 * BLOCK_BYTES);
            self.counts.prefetched += fresh.len() as u64;
            self.counts.device_reads += fresh.len() as u64;
            for block in fresh {
                self.put(block, Mark { unused: Some(queued.ticket), ready_ns });
            }
        }
    }

    fn put(&mut self, block: Block, mark: Mark) {
        if let Some((_, Mark { unused: Some(ticket), .. })) = self.cache.insert(block, mark) {
            self.tell(ticket, PrefetchOutcome::Wasted, 1);
        }
    }

    fn tell(&mut self, ticket: Ticket, outcome: PrefetchOutcome, blocks: u32) {
        if let Some(prefetcher) = self.prefetcher.as_mut().filter(|_| blocks > 0) {
            prefetcher.feedback(&Feedback {
                ticket,
                outcome,
                bytes: blocks.saturating_mul(BLOCK_BYTES as u32),
            });
        }
    }
}

fn blocks(space: u32, offset: u64, len: u32) -> impl Iterator<Item = Block> {
    let last = offset.saturating_add(u64::from(len.max(1)) - 1) / BLOCK_BYTES;
    (offset / BLOCK_BYTES..=last).map(move |block| (space, block))
}

/// Runs all of `accesses` through a simulation.
pub fn simulate<'a>(
    accesses: impl IntoIterator<Item = &'a Access>,
    config: &SimulationConfig,
    prefetcher: Option<Prefetcher>,
) -> Counts {
    let mut simulation = Simulation::new(*config, prefetcher);
    for access in accesses {
        simulation.step(access);
    }
    simulation.counts()
}
