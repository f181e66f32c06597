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
fn many_that_give_up_cost_little_and_leave_nothing() {
    let pool = pool(1);
    let held = pool.try_get(1).unwrap();
    let mut waiting: Vec<_> = (0..20_000).map(|_| pool.get(1).unwrap()).collect();
    for future in &mut waiting {
        assert!(poll(future).is_pending());
    }
    // In no order; one in the middle stays.
    let kept = waiting.swap_remove(7777);
    while let Some(future) = (!waiting.is_empty()).then(|| waiting.swap_remove(waiting.len() * 3 / 7)) {
        drop(future);
    }
    assert_eq!(pool.stats().waiting, 1);
    drop(held);
    let mut kept = kept;
    drop(ready(&mut kept));
    assert_eq!((pool.stats().waiting, pool.stats().outstanding), (0, 0));
    check_books(&pool);
}

#[test]
fn a_hint_beyond_all_bounds_counts_as_what_it_got() {
    let pool = BufferPool::new(PoolConfig::new(1 << 20).fixed_size(65536)).unwrap();
    for _ in 0..3 {
        drop(pool.try_get(usize::MAX).unwrap());
    }
    let stats = pool.stats();
    assert_eq!((stats.requested_bytes, stats.capacity_bytes), (3 << 16, 3 << 16));
}

#[test]
fn every_buffer_that_a_bound_promises_is_there() {
    let largest = PoolConfig::capacity_for(1_052_672).unwrap();
    assert_eq!(largest, 1_310_720);
    for count in 1..5 {
        let config = PoolConfig::new((largest * count) as u64).sizes(135_168, 1_052_672).buffers_max(count);
        let pool = BufferPool::new(config).unwrap();
        let held: Vec<_> = (0..count).map(|_| pool.try_get(usize::MAX).unwrap()).collect();
        assert!(held.len() == count && pool.try_get(0).is_err());
    }
    let short = PoolConfig::new(largest as u64 - 4096).sizes(135_168, 1_052_672);
    assert!(matches!(BufferPool::new(short), Err(PoolError::Bound { min, .. }) if min == largest));
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
    assert_eq!(shared.ledger.lock().mapped, PAGE as u64, "idle memory went back at once");
    buffer.extend_from_slice(b"still here").unwrap();
    drop(buffer);
    assert_eq!(shared.ledger.lock().mapped, 0);
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
                    assert!(pool.shared().ledger.lock().mapped <= 16 * PAGE as u64);
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

#[test]
fn what_cannot_be_is_refused_when_the_pool_is_made() {
    let config = || PoolConfig::new(1 << 20);
    let refused = |config: PoolConfig| BufferPool::new(config).unwrap_err();
    assert_eq!(refused(config().fixed_size(0)), PoolError::Zero);
    assert_eq!(refused(config().buffers_max(0)), PoolError::Zero);
    assert_eq!(refused(config().sizes(0, 0)), PoolError::Zero);
    assert_eq!(refused(config().sizes(8193, 8192)), PoolError::Sizes { min: 8193, max: 8192 });
    assert!(matches!(refused(config().fixed_size((1 << 20) + 1)), PoolError::Bound { .. }));
    assert!(matches!(refused(config().sizes(1, 2 << 20)), PoolError::Bound { min: 2_097_152, .. }));
    assert!(matches!(refused(config().size_min(usize::MAX)), PoolError::Bound { .. }));
    for headroom in [1.0, 0.5, -2.0, f64::NAN, f64::INFINITY, 17.0] {
        assert!(matches!(refused(config().adaptive(headroom)), PoolError::Headroom { .. }), "{headroom}");
    }
    let nowhere = refused(config().numa_node(Some(4096)));
    assert!(nowhere.to_string().contains("no NUMA node 4096; it has 0"), "{nowhere}");
    assert_eq!(std::io::Error::from(nowhere).kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn sizes_have_a_floor_and_a_ceiling() {
    let pool = BufferPool::new(PoolConfig::new(1 << 20).sizes(5000, 20_000)).unwrap();
    let capacity = |len| pool.try_get(len).unwrap().capacity();
    assert_eq!(
        (capacity(0), capacity(12_288), capacity(16_385), capacity(1 << 30)),
        (8192, 12_288, 20_000, 20_000)
    );
    let fixed = BufferPool::new(PoolConfig::new(1 << 20).fixed_size(1000)).unwrap();
    let mut buffer = fixed.try_get(9000).unwrap();
    assert_eq!((buffer.capacity(), buffer.resize(1001, 0).is_err()), (1000, true));
    buffer.resize(1000, 0).unwrap();
    let large = BufferPool::new(PoolConfig::new(1 << 30).fixed_size(3 << 20)).unwrap();
    assert_eq!((large.try_get(1).unwrap().capacity(), large.stats().mapped_bytes), (3 << 20, 3 << 20));
}

#[test]
fn buffers_are_counted_too() {
    let pool = BufferPool::new(PoolConfig::new(1 << 20).buffers_max(3)).unwrap();
    let mut held: Vec<_> = (0..3).map(|_| pool.try_get(1).unwrap()).collect();
    assert!(matches!(pool.try_get(1), Err(PoolError::Exhausted { .. })));
    held.pop();
    let mut large = pool.get(9000).unwrap();
    drop(ready(&mut large));
    assert_eq!((pool.stats().buffers, pool.stats().buffers_peak), (3, 3));
    check_books(&pool);
}

#[test]
fn classes_tell_what_happened_to_them() {
    let pool = pool(1000);
    for _ in 0..10 {
        drop(pool.try_get(5000).unwrap());
    }
    let held = pool.try_get(100_000).unwrap();
    let classes = pool.class_stats();
    assert_eq!(classes.iter().map(|class| class.capacity).collect::<Vec<_>>(), [2 * PAGE, 28 * PAGE]);
    let small = classes[0];
    assert_eq!((small.hits, small.misses, small.idle, small.outstanding), (9, 1, 1, 0));
    assert_eq!((small.reuses_max, small.requested_bytes, small.age_max.as_secs()), (9, 50_000, 0));
    assert_eq!((classes[1].outstanding, classes[1].idle), (1, 0));
    drop(held);
    let nodes = pool.node_stats();
    assert_eq!(nodes.iter().map(|node| node.mapped_bytes).sum::<u64>(), pool.stats().mapped_bytes);
    assert_eq!(nodes.iter().map(|node| node.idle_bytes).sum::<u64>(), pool.stats().idle_bytes);
}

#[test]
fn a_panic_returns_what_it_held() {
    let pool = pool(10);
    let inside = pool.clone();
    let panicked = std::thread::spawn(move || {
        let _held = inside.try_get(1).unwrap();
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    assert_eq!(pool.leak(), Leak::default());
    check_books(&pool);
}

#[test]
fn a_leak_is_counted_and_traced() {
    let pool = BufferPool::new(PoolConfig::new(1 << 20).keep_origins(true)).unwrap();
    let forgotten = pool.try_get(5000).unwrap();
    let leak = pool.leak();
    assert_eq!((leak.buffers, leak.bytes, leak.origins.len()), (1, 2 * PAGE as u64, 1));
    assert!(leak.origins[0].contains("a_leak_is_counted_and_traced"), "{leak:?}");
    drop(forgotten);
}

#[test]
fn large_blocks_are_aligned_for_huge_pages_and_small_ones_cut_from_one_mapping() {
    let pool = BufferPool::new(PoolConfig::new(1 << 30)).unwrap();
    let mut large = pool.try_get(5 << 20).unwrap();
    assert_eq!(large.stable_ptr() as usize % (2 << 20), 0);
    large.resize(5 << 20, 1).unwrap();
    let small: Vec<_> = (0..100).map(|_| pool.try_get(1).unwrap()).collect();
    let mut places: Vec<_> = small.iter().map(|buffer| buffer.stable_ptr() as usize).collect();
    places.sort_unstable();
    places.dedup();
    assert!(places.len() == 100 && places[99] - places[0] < 32 << 20, "{places:?}");
}

#[test]
fn a_size_that_changed_lets_old_blocks_go() {
    let pool = BufferPool::new(PoolConfig::new(64 << 20).adaptive(1.2)).unwrap();
    let start = std::time::Instant::now();
    let mut held = Vec::new();
    for second in 0..20 {
        held = (0..50).map(|_| pool.try_get(17 * PAGE).unwrap()).collect();
        pool.upkeep(start + std::time::Duration::from_secs(second), Pressure::None);
    }
    let cut = pool.class_stats().into_iter().find(|class| class.is_tailored).unwrap();
    assert_eq!((cut.capacity, cut.outstanding), (17 * PAGE, 50));
    // Nobody asks for it any more, and its slot goes to another size while its blocks are in use.
    for second in 20..4000 {
        (0..32).for_each(|_| drop(pool.try_get(33 * PAGE).unwrap()));
        pool.upkeep(start + std::time::Duration::from_secs(second), Pressure::None);
    }
    assert!(pool.class_stats().iter().any(|class| class.is_tailored && class.capacity == 33 * PAGE));
    held.iter_mut().for_each(|buffer| buffer.resize(17 * PAGE, 1).unwrap());
    drop(held);
    check_books(&pool);
    let sizes: Vec<_> = (0..60).map(|_| pool.try_get(33 * PAGE).unwrap().capacity()).collect();
    assert!(sizes.iter().all(|size| *size == 33 * PAGE), "{sizes:?}");
    check_books(&pool);
    pool.trim(0);
    assert_eq!((pool.stats().mapped_bytes, pool.stats().buffers), (0, 0));
}

#[test]
fn pressure_takes_the_headroom_and_then_everything_idle() {
    let pool = BufferPool::new(PoolConfig::new(64 << 20).adaptive(2.0)).unwrap();
    let start = std::time::Instant::now();
    let after = |periods: u32| start + demand::PERIOD * periods;
    let use_some = |count: usize| drop((0..count).map(|_| pool.try_get(PAGE).unwrap()).collect::<Vec<_>>());
    use_some(100);
    for period in 0..20 {
        use_some(50);
        pool.upkeep(after(period), Pressure::None);
    }
    assert_eq!(pool.stats().buffers, 100, "twice what is needed");
    use_some(50);
    pool.upkeep(after(20), Pressure::Some);
    // What travels between stripe and depot may count twice.
    let buffers = pool.stats().buffers;
    assert!((50..=55).contains(&buffers), "{buffers}");
    let held = pool.try_get(PAGE).unwrap();
    pool.upkeep(after(21), Pressure::Full);
    assert_eq!((pool.stats().buffers, pool.stats().idle_bytes), (1, 0));
    drop(held);
    let nothing = pool.upkeep(after(21), Pressure::Full);
    assert_eq!((nothing.released_bytes, pool.stats().buffers), (0, 1), "not before half a second has passed");
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
    Upkeep(u8),
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
        1 => any::<u8>().prop_map(Step::Upkeep),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn the_books_balance_after_every_step(steps in steps(), pages in 8usize..40, buffers in 3usize..50) {
        let config = PoolConfig::new((pages * PAGE) as u64).buffers_max(buffers).adaptive(1.2);
        let pool = BufferPool::new(config).unwrap();
        let mut now = std::time::Instant::now();
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
                Step::Upkeep(choice) => {
                    now += demand::PERIOD * u32::from(choice / 16);
                    let pressure = [Pressure::None, Pressure::None, Pressure::Some, Pressure::Full][usize::from(choice % 4)];
                    pool.upkeep(now, pressure);
                }
                _ => {}
            }
            let stats = pool.stats();
            prop_assert!(stats.mapped_bytes <= stats.bound_bytes && stats.buffers <= buffers);
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

#[test]
fn a_pool_that_keeps_nothing_has_nothing_idle() {
    let pool = BufferPool::new(PoolConfig::new(1 << 20).keep(false)).unwrap();
    for _ in 0..3 {
        drop(pool.try_get(8192).unwrap());
        assert_eq!(pool.mapped_bytes(), 0);
    }
    let stats = pool.stats();
    assert_eq!((stats.hits, stats.misses, stats.outstanding), (0, 3, 0));
}

#[test]
fn number_and_least_size_change_while_it_works() {
    let pool = BufferPool::new(PoolConfig::new(1 << 20).buffers_max(4).sizes(4096, 65536)).unwrap();
    let held: Vec<_> = (0..4).map(|_| pool.try_get(1).unwrap()).collect();
    assert!(matches!(pool.try_get(1), Err(PoolError::Exhausted { .. })));
    pool.set_buffers_max(5);
    assert_eq!(pool.buffers_max(), Some(5));
    drop(pool.try_get(1).unwrap());
    drop(held);
    pool.set_buffers_max(2);
    assert!(pool.stats().buffers <= 2, "idle ones above the bound are gone");
    assert_eq!(pool.set_size_min(32768), 32768);
    assert_eq!(pool.try_get(1).unwrap().capacity(), 32768);
    assert_eq!(pool.set_size_min(1 << 20), 65536, "no more than the largest");
}
