//! Where the pages of buffers lie, asked of the kernel. On a machine with one node this shows that it works there too; `cargo xtask vm
//! numa` runs it on two.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a failed step ends the test; a skip is loud")]

use rustfs_rio_buf::{BufferPool, IoBuf, PoolConfig, PoolError, PooledBuf};
use rustix::thread::{CpuSet, sched_setaffinity};

const PAGE: usize = 4096;

/// The nodes with memory, each with one of its processors if it has any.
fn nodes() -> Vec<(u32, Option<usize>)> {
    let pool = BufferPool::new(PoolConfig::new(1 << 20)).unwrap();
    let processor = |node: u32| {
        let list = std::fs::read_to_string(format!("/sys/devices/system/node/node{node}/cpulist")).ok()?;
        list.trim().split([',', '-']).next()?.parse().ok()
    };
    pool.node_stats().iter().map(|stats| (stats.node, processor(stats.node))).collect()
}

/// Runs on a thread of its own, on the given processor.
fn on_processor<T: Send>(processor: Option<usize>, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if let Some(processor) = processor {
                let mut set = CpuSet::new();
                set.set(processor);
                sched_setaffinity(None, &set).unwrap();
            }
            work()
        });
        thread.join().unwrap()
    })
}

/// The node of each page, see move_pages(2) without targets.
fn placement(buffer: &PooledBuf) -> Vec<i32> {
    let first = buffer.stable_ptr();
    let pages: Vec<_> =
        (0..buffer.len().div_ceil(PAGE)).map(|page| first.wrapping_add(page * PAGE)).collect();
    let mut status = vec![-1; pages.len()];
    // SAFETY: both lists have as many entries as are announced; without targets nothing is moved.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            0,
            pages.len(),
            pages.as_ptr(),
            std::ptr::null::<i32>(),
            status.as_mut_ptr(),
            0,
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    status
}

fn filled(pool: &BufferPool, len: usize) -> PooledBuf {
    let mut buffer = pool.try_get(len).unwrap();
    buffer.resize(len, 1).unwrap();
    buffer
}

#[test]
fn buffers_lie_on_the_node_of_the_thread_that_asks() {
    let nodes = nodes();
    for (node, processor) in nodes.iter().filter(|(_, processor)| processor.is_some()) {
        let pool = BufferPool::new(PoolConfig::new(64 << 20)).unwrap();
        on_processor(*processor, || {
            for len in [100, 64 << 10, 1 << 20, 3 << 20] {
                let places = placement(&filled(&pool, len));
                assert!(
                    places.iter().all(|place| *place == *node as i32),
                    "node {node}, {len} bytes: {places:?}"
                );
            }
        });
        for stats in pool.node_stats() {
            assert_eq!(stats.mapped_bytes > 0, stats.node == *node, "{stats:?}");
        }
    }
    if nodes.len() == 1 {
        eprintln!("note: one NUMA node here; cargo xtask vm numa runs this on two");
    }
}

#[test]
fn a_pool_may_be_bound_to_a_node() {
    for (node, _) in nodes() {
        let pool = BufferPool::new(PoolConfig::new(64 << 20).numa_node(Some(node))).unwrap();
        for len in [100, 1 << 20, 3 << 20] {
            let places = placement(&filled(&pool, len));
            assert!(places.iter().all(|place| *place == node as i32), "node {node}: {places:?}");
        }
        drop(filled(&pool, 100));
        assert!(pool.stats().hits > 0, "memory is used again: {:?}", pool.stats());
    }
    let missing = BufferPool::new(PoolConfig::new(1 << 20).numa_node(Some(77)));
    assert!(matches!(missing, Err(PoolError::NoSuchNode { node: 77, .. })));
}

#[test]
fn what_comes_back_elsewhere_goes_home_and_is_taken_elsewhere_at_the_bound_only() {
    let nodes: Vec<_> = nodes().into_iter().filter(|(_, processor)| processor.is_some()).collect();
    let [(near, near_processor), .., (far, far_processor)] = nodes[..] else {
        eprintln!("SKIPPED: needs two NUMA nodes; cargo xtask vm numa has them");
        return;
    };
    let pool = BufferPool::new(PoolConfig::new(100 * PAGE as u64)).unwrap();
    let buffers: Vec<_> = on_processor(near_processor, || (0..100).map(|_| filled(&pool, 1)).collect());
    // Returned on the other node.
    on_processor(far_processor, || drop(buffers));
    let stats = |node: u32| pool.node_stats().into_iter().find(|stats| stats.node == node).unwrap();
    assert_eq!((stats(near).idle_bytes, stats(far).idle_bytes), (100 * PAGE as u64, 0));
    let hits = pool.stats().hits;
    let again = on_processor(near_processor, || filled(&pool, 1));
    assert_eq!((pool.stats().hits, stats(near).stolen), (hits + 1, 0));
    assert_eq!(placement(&again), [near as i32]);
    // The bound is reached: what the other node has is better than nothing.
    let stolen = on_processor(far_processor, || filled(&pool, 1));
    assert_eq!(placement(&stolen), [near as i32]);
    assert!(stats(near).stolen + u64::from(pool.stats().misses > 100) > 0, "{:?}", pool.node_stats());
    // Room was made: memory of its own comes first.
    drop((again, stolen));
    pool.trim(0);
    let own = on_processor(far_processor, || filled(&pool, 1));
    assert_eq!(placement(&own), [far as i32]);
}
