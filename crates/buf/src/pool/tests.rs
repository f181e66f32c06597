//! The pool as a whole. Futures are polled by hand, so that what waits is known.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use super::*;
use crate::{IoBuf, IoBufMut};
use proptest::prelude::*;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

const PAGE: usize = classes::PAGE;

fn pool(pages: usize) -> BufferPool {
    BufferPool::new(PoolConfig::new((pages * PAGE) as u64)).unwrap()
}

fn poll(future: &mut Acquire) -> Poll<Result<PooledBuf, PoolError>> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn ready(future: &mut Acquire) -> PooledBuf {
    match poll(future) {
        Poll::Ready(result) => result.unwrap(),
        Poll::Pending => panic!("memory is there"),
    }
}

#[track_caller]
fn check_books(pool: &BufferPool) {
    let stats = pool.stats();
    assert_eq!(stats.outstanding_bytes + stats.idle_bytes, stats.mapped_bytes, "{stats:?}");
    assert!(stats.mapped_bytes <= stats.bound_bytes, "{stats:?}");
}

#[test]
fn memory_is_used_again() {
    let pool = pool(100);
    let first = pool.try_get(10_000).unwrap();
    let address = first.stable_ptr();
    assert_eq!((first.capacity(), first.len(), address as usize % PAGE), (3 * PAGE, 0, 0));
    drop(first);
    let second = pool.try_get(9000).unwrap();
    assert_eq!(second.stable_ptr(), address);
    let stats = pool.stats();
    assert_eq!((stats.hits, stats.misses, stats.outstanding, stats.buffers), (1, 1, 1, 1));
    assert_eq!(stats.requested_bytes, 19_000);
    check_books(&pool);
}

#[test]
fn what_an_earlier_user_wrote_cannot_be_read() {
    let pool = pool(10);
    let mut secret = pool.try_get(PAGE).unwrap();
    secret.resize(PAGE, 0x5e).unwrap();
    secret.truncate(3);
    assert_eq!(&secret[..], [0x5e; 3]);
    secret.resize(5, 1).unwrap();
    assert_eq!(&secret[..], [0x5e, 0x5e, 0x5e, 1, 1]);
    drop(secret);
    let mut next = pool.try_get(PAGE).unwrap();
    assert!(next.is_empty());
    assert_eq!(next.extend_from_slice(&[0; PAGE + 1]), Err(NoRoom { len: PAGE + 1, room: PAGE }));
    next.extend_from_slice(b"mine").unwrap();
    assert_eq!(next.as_slice(), b"mine");
    assert!(!format!("{next:?}").contains("109"), "content is not shown");
}

#[test]
fn wiping_leaves_zeros() {
    let pool = BufferPool::new(PoolConfig::new(1 << 20).wipe_on_return(true)).unwrap();
    let mut buffer = pool.try_get(PAGE).unwrap();
    buffer.resize(PAGE, 0x5e).unwrap();
    buffer.clear();
    drop(buffer);
    let mut again = pool.try_get(PAGE).unwrap();
    assert_eq!(pool.stats().hits, 1);
    // SAFETY: the whole mapping was written, by the wipe at the latest.
    unsafe { again.set_init(PAGE) };
    assert!(again.iter().all(|byte| *byte == 0));
}

#[test]
fn the_bound_holds_and_idle_memory_makes_room() {
    let pool = pool(8);
    let small: Vec<_> = (0..8).map(|_| pool.try_get(1).unwrap()).collect();
    let full = PoolError::Exhausted { requested: 1, bound_bytes: 8 * PAGE as u64 };
    assert_eq!(pool.try_get(1).unwrap_err(), full);
    drop(small);
    assert_eq!(pool.stats().idle_bytes, 8 * PAGE as u64);
    let large = pool.try_get(8 * PAGE).unwrap();
    assert_eq!((pool.stats().idle_bytes, pool.stats().buffers, pool.stats().buffers_peak), (0, 1, 8));
    check_books(&pool);
    drop(large);
    assert!(matches!(pool.try_get(8 * PAGE + 1), Err(PoolError::TooLarge { .. })));
    assert!(matches!(pool.get(usize::MAX).map(drop), Err(PoolError::TooLarge { .. })));
    let nothing = BufferPool::new(PoolConfig::new(4095)).unwrap_err();
    assert!(nothing.to_string().contains("4096"), "{nothing}");
}

#[test]
fn idle_memory_of_another_thread_is_within_reach() {
    let pool = pool(4);
    let taken = std::thread::spawn({
        let pool = pool.clone();
        move || drop(pool.try_get(4 * PAGE).unwrap())
    });
    taken.join().unwrap();
    let here = pool.try_get(PAGE).unwrap();
    check_books(&pool);
    drop(here);
}

#[test]
fn waiters_are_served_in_order() {
    let pool = pool(4);
    let held: Vec<_> = (0..4).map(|_| pool.try_get(1).unwrap()).collect();
    let (mut large, mut small) = (pool.get(2 * PAGE).unwrap(), pool.get(1).unwrap());
    assert!(poll(&mut large).is_pending() && poll(&mut small).is_pending());
    assert_eq!(pool.stats().waiting, 2);
    let mut held = held.into_iter();
    held.next();
    // A page is free, but the first in the queue needs two.
    assert!(poll(&mut large).is_pending() && poll(&mut small).is_pending());
    assert!(matches!(pool.try_get(1), Err(PoolError::Exhausted { .. })), "nobody overtakes");
    held.next();
    let large = ready(&mut large);
    assert!(poll(&mut small).is_pending());
    check_books(&pool);
    drop(large);
    drop(ready(&mut small));
    drop(held);
    assert_eq!((pool.stats().waiting, pool.stats().outstanding), (0, 0));
    check_books(&pool);
}

#[test]
fn a_cancelled_waiter_keeps_nothing_from_the_next() {
    let pool = pool(1);
    let held = pool.try_get(1).unwrap();
    let mut waiting: Vec<_> = (0..3).map(|_| pool.get(1).unwrap()).collect();
    for future in &mut waiting {
        assert!(poll(future).is_pending());
    }
    // The second gives up while it waits, the first after it was served.
    drop(waiting.remove(1));
    drop(held);
    drop(waiting.remove(0));
    let last = ready(&mut waiting[0]);
    assert_eq!(pool.stats().outstanding, 1);
    drop(last);
    check_books(&pool);
    assert_eq!(pool.stats().waiting, 0);
}

#[test]
fn a_waiter_that_gives_up_lets_a_smaller_one_pass() {
    let pool = pool(2);
    let held = pool.try_get(1).unwrap();
    let (mut large, mut small) = (pool.get(2 * PAGE).unwrap(), pool.get(1).unwrap());
    assert!(poll(&mut large).is_pending() && poll(&mut small).is_pending());
    drop(large);
    drop(ready(&mut small));
    drop(held);
    check_books(&pool);
}

#[test]
fn buffers_outlive_their_pool() {
    let pool = pool(2);
    let mut buffer = pool.try_get(1).unwrap();
    let idle = pool.try_get(1).unwrap();
    drop(idle);
    let shared = pool.shared();
    drop(pool);
    assert_eq!(shared.mapped.load(Ordering::SeqCst), PAGE as u64, "idle memory went back at once");
    buffer.extend_from_slice(b"still here").unwrap();
    drop(buffer);
    assert_eq!(shared.mapped.load(Ordering::SeqCst), 0);
}

#[test]
fn trimming_gives_idle_memory_back() {
    let pool = pool(100);
    drop((0..50).map(|_| pool.try_get(PAGE).unwrap()).collect::<Vec<_>>());
    assert_eq!(pool.stats().idle_bytes, 50 * PAGE as u64);
    assert_eq!(pool.trim(10 * PAGE as u64), 40 * PAGE as u64);
    assert_eq!((pool.stats().idle_bytes, pool.stats().buffers), (10 * PAGE as u64, 10));
    check_books(&pool);
}

#[test]
fn origins_of_buffers_in_use_are_listed() {
    let pool = BufferPool::new(PoolConfig::new(1 << 20).keep_origins(true)).unwrap();
    let buffer = pool.try_get(1).unwrap();
    let origins = pool.origins();
    assert!(origins.len() == 1 && origins[0].contains("origins_of_buffers_in_use"), "{origins:?}");
    drop(buffer);
    assert!(pool.origins().is_empty());
}

#[test]
fn many_threads_share_a_small_pool() {
    let pool = pool(16);
    let threads: Vec<_> = (0..8)
        .map(|seed: usize| {
            let pool = pool.clone();
            std::thread::spawn(move || {
                let mut kept = Vec::new();
                for round in 0..2000 {
                    let len = (seed * 31 + round * 17) % (4 * PAGE) + 1;
                    if let Ok(mut buffer) = pool.try_get(len) {
                        buffer.resize(len, seed as u8).unwrap();
                        kept.push((len, buffer));
                    }
                    if round % 3 == 0 {
                        for (len, buffer) in kept.drain(..) {
                            assert!(buffer.len() == len && buffer.iter().all(|byte| *byte == seed as u8));
                        }
                    }
                    assert!(pool.shared().mapped.load(Ordering::SeqCst) <= 16 * PAGE as u64);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(pool.stats().outstanding, 0);
    check_books(&pool);
}

#[derive(Debug, Clone)]
enum Step {
    TryGet(usize),
    Get(usize),
    Poll(usize),
    Cancel(usize),
    Return(usize),
    Trim(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = || 0..(12 * PAGE);
    let step = prop_oneof![
        4 => len().prop_map(Step::TryGet),
        3 => len().prop_map(Step::Get),
        2 => any::<usize>().prop_map(Step::Poll),
        1 => any::<usize>().prop_map(Step::Cancel),
        4 => any::<usize>().prop_map(Step::Return),
        1 => (0..40_000u64).prop_map(Step::Trim),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn the_books_balance_after_every_step(steps in steps(), pages in 8usize..40) {
        let pool = pool(pages);
        let (mut held, mut waiting) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::TryGet(len) => held.extend(pool.try_get(len).ok()),
                Step::Get(len) => waiting.extend(pool.get(len).ok()),
                Step::Poll(index) if !waiting.is_empty() => {
                    let index = index % waiting.len();
                    if let Poll::Ready(buffer) = poll(&mut waiting[index]) {
                        held.push(buffer.unwrap());
                        drop(waiting.swap_remove(index));
                    }
                }
                Step::Cancel(index) if !waiting.is_empty() => drop(waiting.swap_remove(index % waiting.len())),
                Step::Return(index) if !held.is_empty() => drop(held.swap_remove(index % held.len())),
                Step::Trim(keep) => {
                    pool.trim(keep);
                }
                _ => {}
            }
            let stats = pool.stats();
            prop_assert!(stats.mapped_bytes <= stats.bound_bytes);
            let capacity: usize = held.iter().map(PooledBuf::capacity).sum();
            prop_assert_eq!(stats.outstanding_bytes, capacity as u64);
            // What was granted and not yet taken is mapped or reserved, and neither in use nor idle.
            prop_assert!(stats.outstanding_bytes + stats.idle_bytes <= stats.mapped_bytes);
        }
        held.clear();
        // Whoever still waits gets its turn, as long as each takes no more than its own.
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain_mut(|future| poll(future).is_pending());
            prop_assert!(waiting.len() < before, "nobody is forgotten");
        }
        let stats = pool.stats();
        prop_assert_eq!(stats.outstanding_bytes + stats.idle_bytes, stats.mapped_bytes);
        prop_assert_eq!((stats.waiting, stats.outstanding), (0, 0));
    }
}
