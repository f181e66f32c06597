//! What a buffer costs: from a pool, and from the allocator with the first touch of its pages.
//!
//! `cargo run --release -p rustfs-rio-buf --example pool_cost` prints nanoseconds per get and put, medians of several runs.

#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use rustfs_rio_buf::{BufferPool, PoolConfig, PoolError};
use std::hint::black_box;
use std::sync::{Barrier, Mutex};
use std::time::Instant;

const RUNS: usize = 9;
const ROUNDS: u32 = 200_000;

fn main() -> Result<(), PoolError> {
    for (name, len) in [("64 KiB", 64 << 10), ("1 MiB", 1 << 20)] {
        let pool = BufferPool::new(PoolConfig::new(1 << 30))?;
        let rounds = ROUNDS / (len >> 16) as u32;
        let alone = median(|| timed(ROUNDS, || drop(black_box(pool.try_get(len)))));
        let two = median(|| contended(|| drop(black_box(pool.try_get(len)))));
        let shelf = Mutex::new(vec![vec![0u8; len]; 4]);
        let locked = || {
            let taken = shelf.lock().ok().and_then(|mut shelf| shelf.pop());
            if let (Some(taken), Ok(mut shelf)) = (taken, shelf.lock()) {
                shelf.push(black_box(taken));
            }
        };
        let shelf_alone = median(|| timed(ROUNDS, locked));
        let shelf_two = median(|| contended(locked));
        let fresh = median(|| {
            timed(rounds.min(20_000), || {
                let mut buffer: Vec<u8> = Vec::with_capacity(len);
                // One byte per page is what makes the kernel provide it.
                for page in buffer.spare_capacity_mut().chunks_mut(4096) {
                    page[0].write(1);
                }
                drop(black_box(buffer));
            })
        });
        println!("{name}: get and put, nanoseconds");
        println!("  pool, one thread              {alone:>10.1}");
        println!("  pool, two threads             {two:>10.1}");
        println!("  Mutex<Vec>, one thread        {shelf_alone:>10.1}");
        println!("  Mutex<Vec>, two threads       {shelf_two:>10.1}");
        println!("  allocate, touch, free         {fresh:>10.1}   {:.0} x the pool", fresh / alone);
    }
    Ok(())
}

fn timed(rounds: u32, mut work: impl FnMut()) -> f64 {
    work();
    let start = Instant::now();
    for _ in 0..rounds {
        work();
    }
    start.elapsed().as_nanos() as f64 / f64::from(rounds)
}

/// The mean of two threads that do the same at the same time.
fn contended(work: impl Fn() + Sync) -> f64 {
    let barrier = Barrier::new(2);
    let run = || {
        barrier.wait();
        timed(ROUNDS, &work)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(run);
        let own = run();
        (own + other.join().unwrap_or(f64::NAN)) / 2.0
    })
}

fn median(run: impl FnMut() -> f64) -> f64 {
    let mut values: Vec<f64> = std::iter::repeat_with(run).take(RUNS).collect();
    values.sort_by(f64::total_cmp);
    values[RUNS / 2]
}
