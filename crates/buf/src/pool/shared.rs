//! The books of a pool: how much is mapped, who waits, what is idle.
//!
//! The bound is on mapped bytes, in use and idle together. A block carries its share of them from the call that maps it to
//! the call that unmaps it, so that taking and giving an idle block touches nothing that all threads share. Who finds the
//! bound reached takes idle blocks away from everybody, and waits if that is not enough.
//!
//! Nobody is missed: a waiter announces itself before it looks for idle blocks, and who gives a block looks for waiters
//! after it put the block where the waiter would have looked. Both go through the same stripe lock, so one of them sees the
//! other.
//!
//! Books are never freed: a pool that is gone leaves them to the next one, so a buffer may refer to them without counting
//! references. Their number is that of the pools that existed at one time.
//!
//! Lock order: keeper, queue, waiter, stripe, depot; the ledger comes last.

use super::block::Block;
use super::cache::{Cache, Look, Taken, own_place};
use super::origins::Origins;
use super::sizes::{Fit, SAMPLED, Sizes};
use super::upkeep::Keeper;
use super::wait::{Grant, Waiter};
use super::{PoolConfig, node};
use crate::BufferError;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// Stands for the node of the thread that asks.
const ANY_NODE: usize = usize::MAX;

pub(crate) struct Shared {
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) cache: Cache,
    pub(crate) sizes: Sizes,
    pub(crate) origins: Origins,
    pub(crate) keeper: Mutex<Keeper>,
    /// Copies of settings that are looked at without a lock.
    wipes: AtomicBool,
    has_extras: AtomicBool,
    /// Whether a block that comes back waits for the next request.
    keeps: AtomicBool,
    /// What a request counts as at least, in bytes.
    size_min: AtomicUsize,
    capacity_max: AtomicUsize,
    bound: AtomicU64,
    /// The only node to take memory on, or [`ANY_NODE`].
    node: AtomicUsize,
    /// Length of `queue`, readable without its lock.
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
    is_closed: AtomicBool,
}

/// Who waits, in order. Those who gave up stay until their turn comes or they are the greater part: to look each one up would
/// make giving up cost more the more wait.
#[derive(Default)]
struct Queue {
    waiters: VecDeque<Arc<Waiter>>,
    /// Of those, how many said that they gave up.
    gone: usize,
}

impl Queue {
    fn waiting(&self) -> usize {
        self.waiters.len() - self.gone
    }

    fn push(&mut self, waiter: Arc<Waiter>) {
        waiter.place.is_queued.store(true, Ordering::Relaxed);
        self.waiters.push_back(waiter);
    }

    fn pop(&mut self) {
        let Some(waiter) = self.waiters.pop_front() else { return };
        waiter.place.is_queued.store(false, Ordering::Relaxed);
        self.gone -= usize::from(waiter.place.is_counted_gone.load(Ordering::Relaxed));
    }

    fn note_gone(&mut self, waiter: &Waiter) {
        // It may have had its turn meanwhile.
        if !waiter.place.is_queued.load(Ordering::Relaxed) {
            return;
        }
        waiter.place.is_counted_gone.store(true, Ordering::Relaxed);
        self.gone += 1;
        if self.gone > self.waiters.len() / 2 {
            self.waiters.retain(|waiter| !waiter.place.is_counted_gone.load(Ordering::Relaxed));
            self.gone = 0;
        }
    }
}

/// What is mapped, and how much may be.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) bound: u64,
    pub(crate) mapped: u64,
    blocks_max: usize,
    pub(crate) blocks: usize,
    pub(crate) blocks_peak: usize,
    pub(crate) mapped_by_node: Vec<u64>,
    /// Time spent in the kernel for memory.
    pub(crate) map_nanos: u64,
    /// What upkeep may do; `None`: what is there stays.
    headroom: Option<f64>,
    epoch: Instant,
}

impl Shared {
    fn new() -> Self {
        let ledger = Ledger {
            bound: 0,
            mapped: 0,
            blocks_max: usize::MAX,
            blocks: 0,
            blocks_peak: 0,
            mapped_by_node: vec![0; node::count()],
            map_nanos: 0,
            headroom: None,
            epoch: Instant::now(),
        };
        Self {
            ledger: Mutex::new(ledger),
            cache: Cache::new(),
            sizes: Sizes::new(),
            origins: Origins::new(),
            keeper: Mutex::new(Keeper::default()),
            wipes: AtomicBool::new(false),
            has_extras: AtomicBool::new(false),
            keeps: AtomicBool::new(true),
            size_min: AtomicUsize::new(0),
            capacity_max: AtomicUsize::new(usize::MAX),
            bound: AtomicU64::new(0),
            node: AtomicUsize::new(ANY_NODE),
            waiting: AtomicUsize::new(0),
            queue: Mutex::new(Queue::default()),
            is_closed: AtomicBool::new(true),
        }
    }

    /// Books for a new pool, whose settings were checked.
    pub(crate) fn open(config: &PoolConfig, node: Option<usize>) -> &'static Self {
        #[cfg(not(rio_loom))]
        let free = free_books().lock().pop();
        #[cfg(rio_loom)]
        let free = None;
        let shared: &'static Self = free.unwrap_or_else(|| Box::leak(Box::new(Self::new())));
        {
            let mut ledger = shared.ledger.lock();
            ledger.bound = config.bound_bytes;
            ledger.blocks_max = config.buffers_max.unwrap_or(usize::MAX);
            ledger.blocks_peak = 0;
            ledger.map_nanos = 0;
            ledger.headroom = config.headroom;
            ledger.epoch = Instant::now();
        }
        shared.bound.store(config.bound_bytes, Ordering::SeqCst);
        shared.node.store(node.unwrap_or(ANY_NODE), Ordering::SeqCst);
        shared.wipes.store(config.wipes, Ordering::SeqCst);
        let has_extras = config.wipes || config.keeps_origins || !config.keeps;
        shared.has_extras.store(has_extras, Ordering::SeqCst);
        shared.keeps.store(config.keeps, Ordering::SeqCst);
        shared.size_min.store(config.size_min, Ordering::SeqCst);
        shared.capacity_max.store(config.size_max.unwrap_or(usize::MAX), Ordering::SeqCst);
        shared.sizes.reset(config.only_pages());
        shared.origins.reset(config.keeps_origins);
        shared.keeper.lock().reset();
        shared.cache.reset();
        shared.is_closed.store(false, Ordering::SeqCst);
        shared
    }

    /// Ends a pool. Idle memory goes back to the system now, memory in use when it is returned.
    pub(crate) fn close(&'static self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.trim(0);
        self.retire();
    }

    /// Leaves the books to the next pool if nothing refers to them any more.
    fn retire(&'static self) {
        #[cfg(not(rio_loom))]
        {
            let mut free = free_books().lock();
            let is_free = || free.iter().any(|other| std::ptr::eq(*other, self));
            let is_unused = self.is_closed.load(Ordering::SeqCst) && self.ledger.lock().mapped == 0;
            if is_unused && !is_free() {
                free.push(self);
            }
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(crate) fn bound(&self) -> u64 {
        self.bound.load(Ordering::Relaxed)
    }

    /// The most that a buffer shows of its block.
    #[inline]
    pub(crate) fn capacity_max(&self) -> usize {
        self.capacity_max.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn has_extras(&self) -> bool {
        self.has_extras.load(Ordering::Relaxed)
    }

    /// Remembers where a block was taken, if that is wanted.
    #[cold]
    pub(crate) fn note_origin(&self, block: &Block) {
        if self.origins.are_kept() {
            self.origins.note(block);
        }
    }

    pub(crate) fn epoch(&self) -> Instant {
        self.ledger.lock().epoch
    }

    pub(crate) fn headroom(&self) -> Option<f64> {
        self.ledger.lock().headroom
    }

    #[inline]
    fn node_to_use(&self) -> usize {
        // With one node there is nothing to choose.
        if node::count() == 1 {
            return 0;
        }
        match self.node.load(Ordering::Relaxed) {
            ANY_NODE => own_place().node,
            only => only,
        }
    }

    /// A block without waiting; `None` at the bound.
    #[inline]
    pub(crate) fn try_take(&self, fit: Fit, len: usize) -> Result<Option<Block>, BufferError> {
        let node = self.node_to_use();
        let (block, is_noted) = self.cache.take(fit, len, node);
        if is_noted {
            self.sizes.note(len, SAMPLED);
        }
        match block {
            Some(block) if block.fits(fit) => Ok(Some(block)),
            stale => self.try_take_new(fit, len, stale),
        }
    }

    /// As [`try_take`](Self::try_take), after the thread's own stock and its node's depot had nothing.
    #[cold]
    fn try_take_new(&self, fit: Fit, len: usize, stale: Option<Block>) -> Result<Option<Block>, BufferError> {
        if let Some(stale) = stale {
            self.unmap(stale);
        }
        self.sizes.note(len, 1);
        if self.reserve_free(fit) {
            return self.map(fit, len).map(Some);
        }
        loop {
            match self.cache.steal(fit, len) {
                Taken::Block(block) => return Ok(Some(block)),
                Taken::Stale(block) => self.unmap(block),
                Taken::Nothing => break,
            };
        }
        if self.reserve(fit) { self.map(fit, len).map(Some) } else { Ok(None) }
    }

    /// Maps a block whose bytes are reserved, for a request of `len` bytes.
    pub(crate) fn map(&self, fit: Fit, len: usize) -> Result<Block, BufferError> {
        let block = self.map_reserved(fit)?;
        self.cache.count_miss(fit, len);
        Ok(block)
    }

    fn map_reserved(&self, fit: Fit) -> Result<Block, BufferError> {
        let start = Instant::now();
        let (node, epoch) = (self.node_to_use(), self.epoch());
        let born = u32::try_from(start.saturating_duration_since(epoch).as_secs() / 60).unwrap_or(u32::MAX);
        let block = Block::map(fit, node, born).inspect_err(|_| {
            self.unreserve(fit);
            self.serve(None);
        })?;
        let mut ledger = self.ledger.lock();
        ledger.mapped_by_node[node] += block.bytes() as u64;
        ledger.map_nanos += u64::try_from(start.elapsed().as_nanos()).unwrap_or(0);
        Ok(block)
    }

    /// Takes back a block that was in use.
    #[inline]
    pub(crate) fn give(&'static self, mut block: Block) {
        if self.has_extras() {
            self.give_extras(&mut block);
            if !self.keeps.load(Ordering::Relaxed) && !self.is_closed.load(Ordering::SeqCst) {
                return self.give_back(block);
            }
        }
        if self.is_closed.load(Ordering::SeqCst) || self.waiting() > 0 {
            return self.give_on(block);
        }
        self.cache.give(block);
        if self.is_closed.load(Ordering::SeqCst) || self.waiting() > 0 {
            self.gave_late();
        }
    }

    /// What few pools want to be done with a block that comes back.
    #[cold]
    fn give_extras(&self, block: &mut Block) {
        if self.origins.are_kept() {
            self.origins.forget(block);
        }
        if self.wipes.load(Ordering::Relaxed) {
            block.wipe();
        }
    }

    /// Takes back a block of a pool that keeps none.
    #[cold]
    fn give_back(&'static self, block: Block) {
        self.cache.count_return(&block);
        self.unmap(block);
        if self.waiting() > 0 {
            self.serve(None);
        }
        if self.is_closed.load(Ordering::SeqCst) {
            self.retire();
        }
    }

    /// Changes the bound on the number of blocks; idle ones above it go back to the system.
    pub(crate) fn set_blocks_max(&self, most: usize) {
        let excess = {
            let mut ledger = self.ledger.lock();
            ledger.blocks_max = most;
            ledger.blocks.saturating_sub(most)
        };
        for _ in 0..excess {
            // Any one block will do.
            let idle = self.cache.reclaim(1);
            if idle.is_empty() {
                break;
            }
            for block in idle {
                self.unmap(block);
            }
        }
        self.serve(None);
    }

    pub(crate) fn blocks_max(&self) -> usize {
        self.ledger.lock().blocks_max
    }

    #[inline]
    pub(crate) fn size_min(&self) -> usize {
        self.size_min.load(Ordering::Relaxed)
    }

    pub(crate) fn set_size_min(&self, bytes: usize) {
        self.size_min.store(bytes, Ordering::Relaxed);
    }

    /// Takes back a block that somebody waits for, or that nobody will ask for again.
    #[cold]
    fn give_on(&'static self, block: Block) {
        self.cache.count_return(&block);
        if self.is_closed.load(Ordering::SeqCst) {
            self.unmap(block);
            return self.retire();
        }
        self.serve(Some(block));
    }

    /// Somebody began to wait, or the pool ended, while a block was given back.
    #[cold]
    fn gave_late(&'static self) {
        if self.waiting() > 0 {
            self.serve(None);
        }
        if self.is_closed.load(Ordering::SeqCst) {
            self.trim(0);
            self.retire();
        }
    }

    /// Gives idle memory back to the system until at most `keep` bytes are idle. Returns the bytes given back.
    pub(crate) fn trim(&self, keep: u64) -> u64 {
        let idle: u64 = self.cache.holdings(Look::Blocks).iter().map(|holding| holding.idle_bytes).sum();
        let excess = usize::try_from(idle.saturating_sub(keep)).unwrap_or(usize::MAX);
        let blocks = if excess == 0 { Vec::new() } else { self.cache.reclaim(excess) };
        blocks.into_iter().map(|block| self.unmap(block)).sum()
    }

    /// Gives up to `most` idle blocks of a slot back to the system. Returns their bytes.
    pub(crate) fn release(&self, slot: usize, most: usize) -> u64 {
        self.cache.reclaim_of(slot, most).into_iter().map(|block| self.unmap(block)).sum()
    }

    /// Brings in up to `count` blocks before they are asked for, as far as nobody has to give anything up for them. Returns their
    /// bytes.
    pub(crate) fn prepare(&self, fit: Fit, count: u64) -> u64 {
        let mut bytes = 0;
        for _ in 0..count {
            if self.waiting() > 0 || !self.reserve_free(fit) {
                break;
            }
            let Ok(mut block) = self.map_reserved(fit) else { break };
            block.populate();
            bytes += block.bytes() as u64;
            self.cache.stock_up([block]);
        }
        if self.waiting() > 0 {
            self.serve(None);
        }
        bytes
    }

    fn unmap(&self, block: Block) -> u64 {
        let (fit, node) = (Fit { slot: block.slot(), pages: block.pages() }, block.node());
        // The memory is gone before its bytes are free for others.
        drop(block);
        self.ledger.lock().mapped_by_node[node] -= fit.bytes() as u64;
        self.unreserve(fit);
        fit.bytes() as u64
    }

    /// Counts a block as mapped if it fits below the bound as things are.
    fn reserve_free(&self, fit: Fit) -> bool {
        self.ledger.lock().reserve(fit).is_ok()
    }

    /// Counts a block as mapped if it fits below the bound, if need be in the place of idle ones.
    fn reserve(&self, fit: Fit) -> bool {
        loop {
            let outcome = self.ledger.lock().reserve(fit);
            let Err(excess) = outcome else { return true };
            let idle = self.cache.reclaim(usize::try_from(excess).unwrap_or(usize::MAX));
            if idle.is_empty() {
                return false;
            }
            for block in idle {
                self.unmap(block);
            }
        }
    }

    pub(crate) fn unreserve(&self, fit: Fit) {
        let mut ledger = self.ledger.lock();
        ledger.mapped -= fit.bytes() as u64;
        ledger.blocks -= 1;
    }

    pub(crate) fn enqueue(&self, waiter: Arc<Waiter>) {
        {
            let mut queue = self.queue.lock();
            queue.push(waiter);
            self.waiting.store(queue.waiting(), Ordering::SeqCst);
        }
        self.serve(None);
    }

    /// A waiter gave up.
    pub(crate) fn leave(&self, waiter: &Waiter) {
        {
            let mut queue = self.queue.lock();
            queue.note_gone(waiter);
            self.waiting.store(queue.waiting(), Ordering::SeqCst);
        }
        // The one behind it may ask for less.
        self.serve(None);
    }

    /// Serves waiters in order, as far as memory goes; `block` is one that came back, and becomes idle if nobody takes it.
    pub(crate) fn serve(&self, mut block: Option<Block>) {
        let mut wakers: Vec<Waker> = Vec::new();
        {
            let mut queue = self.queue.lock();
            while let Some(waiter) = queue.waiters.front() {
                if waiter.is_gone() {
                    queue.pop();
                    continue;
                }
                let fit = waiter.fit();
                let grant = match block.take() {
                    Some(same) if same.slot() == fit.slot && same.fits(fit) => Grant::Block(same),
                    other => {
                        if let Some(other) = other {
                            self.unmap(other);
                        }
                        if !self.reserve(fit) {
                            break;
                        }
                        Grant::Reserved
                    }
                };
                match waiter.grant(grant) {
                    Ok(waker) => wakers.extend(waker),
                    Err(Grant::Block(refused)) => block = Some(refused),
                    Err(Grant::Reserved) => self.unreserve(fit),
                }
                queue.pop();
            }
            self.waiting.store(queue.waiting(), Ordering::SeqCst);
            if let Some(block) = block {
                self.cache.keep(block);
            }
        }
        for waker in wakers {
            waker.wake();
        }
    }
}

impl Ledger {
    /// Counts a block, or says how many bytes too many it would be.
    fn reserve(&mut self, fit: Fit) -> Result<(), u64> {
        let bytes = fit.bytes() as u64;
        let excess = self.mapped.saturating_add(bytes).saturating_sub(self.bound);
        if excess > 0 {
            return Err(excess);
        }
        if self.blocks >= self.blocks_max {
            // Any one block in its place will do.
            return Err(1);
        }
        self.mapped += bytes;
        self.blocks += 1;
        self.blocks_peak = self.blocks_peak.max(self.blocks);
        Ok(())
    }
}

/// Books without a pool.
#[cfg(not(rio_loom))]
fn free_books() -> &'static Mutex<Vec<&'static Shared>> {
    static FREE: Mutex<Vec<&'static Shared>> = Mutex::new(Vec::new());
    &FREE
}
