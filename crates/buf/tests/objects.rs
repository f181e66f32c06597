//! An adaptive pool under the traffic of an object store: ten small objects for each large one, with bursts. Time is made up.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use rustfs_rio_buf::{BufferPool, PoolConfig, PooledBuf, Pressure};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A generator of numbers that is the same in every run (Marsaglia, "Xorshift RNGs", 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Ten small objects for each large one: headers and thumbnails, or parts of uploads.
    fn object(&mut self) -> usize {
        let size =
            if self.below(11) < 10 { 4096 + self.below(60_000) } else { (1 << 20) + self.below(3 << 20) };
        size as usize
    }
}

struct Store {
    pool: BufferPool,
    now: Instant,
    random: Random,
    in_flight: VecDeque<PooledBuf>,
}

impl Store {
    /// Serves for so long with so many objects in flight, and looks after the pool twice a second.
    fn serve(&mut self, time: Duration, in_flight: usize) {
        let end = self.now + time;
        while self.now < end {
            for _ in 0..4 * in_flight {
                let len = self.random.object();
                while self.in_flight.len() >= in_flight {
                    self.in_flight.pop_front();
                }
                self.in_flight.push_back(self.pool.try_get(len).unwrap());
            }
            self.in_flight.truncate(in_flight);
            self.now += Duration::from_millis(500);
            self.pool.upkeep(self.now, Pressure::None);
        }
    }

    fn hits(&self) -> (u64, u64) {
        let stats = self.pool.stats();
        (stats.hits, stats.misses)
    }
}

#[test]
fn demand_is_followed() {
    let pool = BufferPool::new(PoolConfig::new(4 << 30).adaptive(1.2)).unwrap();
    let mut store = Store { pool, now: Instant::now(), random: Random(42), in_flight: VecDeque::new() };
    let second = Duration::from_secs(1);
    store.serve(60 * second, 64);
    let usual = store.pool.stats().mapped_bytes;
    let warm = store.hits();
    // A burst of ten times as much, every minute.
    for _ in 0..10 {
        store.serve(57 * second, 64);
        store.serve(3 * second, 640);
    }
    let after = store.hits();
    let (hits, misses) = (after.0 - warm.0, after.1 - warm.1);
    assert!(hits * 100 >= (hits + misses) * 99, "{hits} hits, {misses} misses");
    let stats = store.pool.stats();
    let waste = 1.0 - stats.requested_bytes as f64 / stats.capacity_bytes as f64;
    assert!(waste <= 0.25, "{waste}");
    // Ten seconds after the last burst, nothing is left of it.
    store.serve(10 * second, 64);
    let done = store.pool.upkeep(store.now + second, Pressure::None);
    let (held, target) = (store.pool.stats().mapped_bytes, done.target_bytes);
    assert!(held as f64 <= target as f64 * 1.1, "{held} bytes held, {target} wanted");
    assert!(held < 2 * usual, "{held} bytes held, {usual} before the bursts");
    // Who asks for nothing keeps nothing.
    store.in_flight.clear();
    for _ in 0..400 {
        store.now += second;
        store.pool.upkeep(store.now, Pressure::None);
    }
    assert_eq!(store.pool.stats().mapped_bytes, 0);
}

#[test]
fn a_burst_that_is_expected_finds_its_memory() {
    let misses_of_a_burst = |adaptive: bool| {
        let config = PoolConfig::new(4 << 30);
        let pool = BufferPool::new(if adaptive { config.adaptive(1.2) } else { config }).unwrap();
        let mut store = Store { pool, now: Instant::now(), random: Random(7), in_flight: VecDeque::new() };
        for _ in 0..5 {
            store.serve(Duration::from_secs(57), 64);
            store.serve(Duration::from_secs(3), 640);
        }
        store.serve(Duration::from_secs(57), 64);
        if !adaptive {
            // What a pool does that gives memory back and expects nothing.
            store.pool.trim(0);
        }
        let before = store.hits().1;
        store.serve(Duration::from_secs(3), 640);
        store.hits().1 - before
    };
    let (expected, unexpected) = (misses_of_a_burst(true), misses_of_a_burst(false));
    assert!(expected * 4 <= unexpected, "{expected} misses, {unexpected} without a forecast");
}
