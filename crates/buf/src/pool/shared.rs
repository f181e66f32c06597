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
//! Lock order: queue, waiter, stripe, depot.

use super::block::Block;
use super::cache::Cache;
use super::classes;
use super::origins::Origins;
use super::wait::{Grant, Waiter};
use crate::BufferError;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

pub(crate) struct Shared {
    pub(crate) bound: AtomicU64,
    pub(crate) mapped: AtomicU64,
    pub(crate) blocks: AtomicUsize,
    pub(crate) blocks_peak: AtomicUsize,
    pub(crate) wipes: AtomicBool,
    pub(crate) cache: Cache,
    pub(crate) origins: Origins,
    /// Length of `queue`, readable without its lock.
    waiting: AtomicUsize,
    queue: Mutex<VecDeque<Arc<Waiter>>>,
    is_closed: AtomicBool,
}

/// Books without a pool.
static FREE: Mutex<Vec<&'static Shared>> = Mutex::new(Vec::new());

impl Shared {
    /// Books for a new pool.
    pub(crate) fn open(bound: u64, wipes: bool, keeps_origins: bool) -> &'static Self {
        let shared = FREE.lock().pop().unwrap_or_else(|| {
            Box::leak(Box::new(Self {
                bound: AtomicU64::new(0),
                mapped: AtomicU64::new(0),
                blocks: AtomicUsize::new(0),
                blocks_peak: AtomicUsize::new(0),
                wipes: AtomicBool::new(false),
                cache: Cache::new(),
                origins: Origins::default(),
                waiting: AtomicUsize::new(0),
                queue: Mutex::new(VecDeque::new()),
                is_closed: AtomicBool::new(true),
            }))
        });
        shared.bound.store(bound, Ordering::SeqCst);
        shared.blocks_peak.store(0, Ordering::SeqCst);
        shared.wipes.store(wipes, Ordering::SeqCst);
        shared.origins.reset(keeps_origins);
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
        let mut free = FREE.lock();
        let is_free = || free.iter().any(|other| std::ptr::eq(*other, self));
        if self.is_closed.load(Ordering::SeqCst) && self.mapped.load(Ordering::SeqCst) == 0 && !is_free() {
            free.push(self);
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// A block without waiting; `None` at the bound.
    pub(crate) fn try_take(&self, class: usize, len: usize) -> Result<Option<Block>, BufferError> {
        if let Some(block) = self.cache.take(class, len) {
            return Ok(Some(block));
        }
        if !self.reserve(classes::bytes(class)) {
            return Ok(None);
        }
        self.map(class, len).map(Some)
    }

    /// Maps a block whose bytes are reserved.
    pub(crate) fn map(&self, class: usize, len: usize) -> Result<Block, BufferError> {
        let block = Block::map(class).inspect_err(|_| {
            self.unreserve(classes::bytes(class));
            self.serve(None);
        })?;
        let blocks = self.blocks.fetch_add(1, Ordering::Relaxed) + 1;
        self.blocks_peak.fetch_max(blocks, Ordering::Relaxed);
        self.cache.count_miss(class, len);
        Ok(block)
    }

    /// Takes back a block that was in use.
    pub(crate) fn give(&'static self, mut block: Block) {
        if self.origins.are_kept() {
            self.origins.forget(&block);
        }
        if self.wipes.load(Ordering::Relaxed) {
            block.wipe();
        }
        if self.is_closed.load(Ordering::SeqCst) {
            self.cache.count_return(block.class());
            self.unmap(block);
            return self.retire();
        }
        if self.waiting() > 0 {
            self.cache.count_return(block.class());
            return self.serve(Some(block));
        }
        self.cache.give(block);
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
        let excess = usize::try_from(self.cache.idle_bytes().saturating_sub(keep)).unwrap_or(usize::MAX);
        let blocks = if excess == 0 { Vec::new() } else { self.cache.reclaim(excess) };
        blocks.into_iter().map(|block| self.unmap(block)).sum()
    }

    fn unmap(&self, block: Block) -> u64 {
        let bytes = block.bytes();
        // The memory is gone before its bytes are free for others.
        drop(block);
        self.blocks.fetch_sub(1, Ordering::Relaxed);
        self.unreserve(bytes);
        bytes as u64
    }

    /// Counts bytes as mapped if they fit below the bound, if need be in the place of idle ones.
    fn reserve(&self, bytes: usize) -> bool {
        loop {
            let bound = self.bound.load(Ordering::SeqCst);
            let fits = |mapped: u64| mapped.checked_add(bytes as u64).filter(|sum| *sum <= bound);
            match self.mapped.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits) {
                Ok(_) => return true,
                Err(mapped) => {
                    let excess = (mapped + bytes as u64).saturating_sub(bound);
                    let idle = self.cache.reclaim(usize::try_from(excess).unwrap_or(usize::MAX));
                    if idle.is_empty() {
                        return false;
                    }
                    for block in idle {
                        self.unmap(block);
                    }
                }
            }
        }
    }

    pub(crate) fn unreserve(&self, bytes: usize) {
        self.mapped.fetch_sub(bytes as u64, Ordering::SeqCst);
    }

    pub(crate) fn enqueue(&self, waiter: Arc<Waiter>) {
        {
            let mut queue = self.queue.lock();
            queue.push_back(waiter);
            self.waiting.store(queue.len(), Ordering::SeqCst);
        }
        self.serve(None);
    }

    /// Takes a waiter that gave up out of the queue.
    pub(crate) fn leave(&self, waiter: &Arc<Waiter>) {
        {
            let mut queue = self.queue.lock();
            queue.retain(|other| !Arc::ptr_eq(other, waiter));
            self.waiting.store(queue.len(), Ordering::SeqCst);
        }
        // The one behind it may ask for less.
        self.serve(None);
    }

    /// Serves waiters in order, as far as memory goes; `block` is one that came back, and becomes idle if nobody takes it.
    pub(crate) fn serve(&self, mut block: Option<Block>) {
        let mut wakers: Vec<Waker> = Vec::new();
        {
            let mut queue = self.queue.lock();
            while let Some(waiter) = queue.front() {
                let class = waiter.class();
                let grant = match block.take() {
                    Some(same) if same.class() == class => Grant::Block(same),
                    other => {
                        if let Some(other) = other {
                            self.unmap(other);
                        }
                        if !self.reserve(classes::bytes(class)) {
                            break;
                        }
                        Grant::Reserved
                    }
                };
                match waiter.grant(grant) {
                    Ok(waker) => wakers.extend(waker),
                    Err(Grant::Block(refused)) => block = Some(refused),
                    Err(Grant::Reserved) => self.unreserve(classes::bytes(class)),
                }
                queue.pop_front();
            }
            self.waiting.store(queue.len(), Ordering::SeqCst);
            if let Some(block) = block {
                self.cache.keep(block);
            }
        }
        for waker in wakers {
            waker.wake();
        }
    }
}
