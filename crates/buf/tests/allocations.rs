//! Taking and returning buffers allocates nothing once the pool is warm. A program of its own, because it counts what the
//! whole process allocates.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use rustfs_rio_buf::{BufferPool, PoolConfig};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_pool_allocates_nothing() {
    let pool = BufferPool::new(PoolConfig::new(256 << 20)).unwrap();
    let sizes = [1usize, 4096, 10_000, 65_536, 100_000, 1 << 20];
    let round = |pool: &BufferPool| {
        let mut held: [Option<_>; 6] = [const { None }; 6];
        for (place, len) in held.iter_mut().zip(sizes) {
            *place = Some(pool.try_get(len).unwrap());
        }
    };
    round(&pool);
    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..1000 {
        round(&pool);
    }
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0);
    drop(Box::new(1));
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 1, "the count works");
}
