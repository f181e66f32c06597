//! Models of the pool, checked in every interleaving up to a bound on preemptions: the lock of a stripe, the exchange between
//! stripes and depot, waiting at the bound.
//!
//! `RUSTFLAGS="--cfg rio_loom" cargo test -p rustfs-rio-buf --release --lib loom`.

#![allow(clippy::unwrap_used, reason = "a failed step ends the model")]

use super::block::Block;
use super::cache::{Cache, Look, set_stripe};
use super::classes::PAGE;
use super::sizes::Fit;
use super::{BufferPool, PoolConfig, PooledBuf};
use crate::sync::{AtomicUsize, Ordering, RawSpin};
use loom::cell::UnsafeCell;
use loom::future::block_on;
use loom::thread;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Interleavings with more preemptions than this are left out.
const PREEMPTIONS: usize = 2;
const FIT: Fit = Fit { slot: 0, pages: 1 };

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.max_branches = 100_000;
    builder.check(model);
}

#[test]
fn loom_the_lock_of_a_stripe_excludes() {
    check(|| {
        let shared = Arc::new((RawSpin::new(), UnsafeCell::new(0)));
        // loom cannot follow a lock that spins, so nobody does: who finds it held goes away.
        let add = |shared: &(RawSpin, UnsafeCell<i32>)| {
            let mut added = 0;
            for _ in 0..2 {
                if shared.0.try_lock() {
                    // SAFETY: the lock is held; loom reports an access that overlaps another.
                    shared.1.with_mut(|value| unsafe { *value += 1 });
                    shared.0.unlock();
                    added += 1;
                }
            }
            added
        };
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || add(&shared)
        });
        let added = add(&shared) + other.join().unwrap();
        assert!(added >= 1, "the first gets it");
        assert!(shared.0.try_lock(), "who is alone gets it");
        // SAFETY: as above.
        assert_eq!(shared.1.with(|value| unsafe { *value }), added);
    });
}

/// A cache whose stripe 0 is full and whose depot has a block.
fn stocked(blocks: usize) -> Arc<Cache> {
    let cache = Arc::new(Cache::new());
    for _ in 0..blocks {
        cache.keep(Block::map(FIT, 0, 0).unwrap());
    }
    cache
}

fn idle(cache: &Cache) -> usize {
    cache.holdings(Look::Blocks).iter().map(|holding| holding.idle).sum()
}

#[test]
fn loom_stripes_and_depot_exchange_blocks_without_losing_one() {
    check(|| {
        let cache = stocked(3);
        let thread = |cache: Arc<Cache>, stripe: usize| {
            move || {
                set_stripe(stripe);
                let taken: Vec<Block> = (0..2).filter_map(|_| cache.take(FIT, 1, 0).0).collect();
                let places: Vec<_> = taken.iter().map(|block| block.as_ptr() as usize).collect();
                taken.into_iter().for_each(|block| cache.give(block));
                places
            }
        };
        let other = thread::spawn(thread(Arc::clone(&cache), 1));
        thread(Arc::clone(&cache), 0)();
        other.join().unwrap();
        assert_eq!(idle(&cache), 3);
        let tally = cache.holdings(Look::Blocks)[0].tally;
        assert_eq!((tally.outstanding(), tally.outstanding_bytes()), (0, 0));
    });
}

#[test]
fn loom_what_is_reclaimed_is_in_one_place() {
    check(|| {
        let cache = stocked(3);
        let taker = thread::spawn({
            let cache = Arc::clone(&cache);
            move || {
                set_stripe(1);
                cache.take(FIT, 1, 0).0
            }
        });
        let reclaimed = cache.reclaim(2 * PAGE);
        let taken = taker.join().unwrap();
        assert_eq!(reclaimed.len() + usize::from(taken.is_some()) + idle(&cache), 3);
    });
}

fn small_pool() -> BufferPool {
    BufferPool::new(PoolConfig::new(PAGE as u64)).unwrap()
}

#[test]
fn loom_a_waiter_gets_the_buffer_that_comes_back() {
    check(|| {
        let pool = small_pool();
        let held = pool.try_get(1).unwrap();
        let giver = thread::spawn(move || {
            set_stripe(1);
            drop(held);
        });
        let buffer = block_on(pool.get(1).unwrap()).unwrap();
        giver.join().unwrap();
        assert_eq!((pool.stats().outstanding, pool.stats().mapped_bytes), (1, PAGE as u64));
        drop(buffer);
        assert_eq!((pool.stats().outstanding, pool.stats().waiting), (0, 0));
    });
}

#[test]
fn loom_a_waiter_that_gives_up_neither_loses_nor_keeps_a_buffer() {
    check(|| {
        let pool = small_pool();
        let held = pool.try_get(1).unwrap();
        let mut first = pool.get(1).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut first).poll(&mut context).is_pending());
        let mut second = pool.get(1).unwrap();
        assert!(Pin::new(&mut second).poll(&mut context).is_pending());
        let giver = thread::spawn(move || {
            set_stripe(1);
            drop(held);
        });
        drop(first);
        let buffer: PooledBuf = block_on(second).unwrap();
        giver.join().unwrap();
        drop(buffer);
        let stats = pool.stats();
        assert_eq!((stats.outstanding, stats.waiting, stats.idle_bytes), (0, 0, PAGE as u64));
    });
}

#[test]
fn loom_who_does_not_wait_and_who_waits_share_one_buffer() {
    check(|| {
        let pool = small_pool();
        let users = Arc::new(AtomicUsize::new(0));
        let use_it = |users: &AtomicUsize, buffer: PooledBuf| {
            assert_eq!(users.fetch_add(1, Ordering::SeqCst), 0, "one user at a time");
            users.fetch_sub(1, Ordering::SeqCst);
            drop(buffer);
        };
        let other = thread::spawn({
            let (pool, users) = (pool.clone(), Arc::clone(&users));
            move || {
                set_stripe(1);
                if let Ok(buffer) = pool.try_get(1) {
                    use_it(&users, buffer);
                }
            }
        });
        let mut waiting = pool.get(1).unwrap();
        let buffer = match Pin::new(&mut waiting).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(buffer) => buffer,
            Poll::Pending => block_on(waiting),
        };
        use_it(&users, buffer.unwrap());
        other.join().unwrap();
        let stats = pool.stats();
        assert_eq!((stats.outstanding, stats.waiting, stats.mapped_bytes), (0, 0, PAGE as u64));
    });
}
