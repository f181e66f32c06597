//! What a long history costs: memory, time per interval, and time for a day's query, for so many seconds (default a million).
//!
//! `cargo run --release -p rustfs-rio-monitor --example history_cost -- 10000000`

#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use rustfs_rio_monitor::{Ended, FileClass, History, Key, Operation, Path, RealTimeStats, Recorder, Sample};
use std::time::{Duration, Instant};

fn main() {
    let seconds: u64 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let key = Key::new(Operation::Read, Path::Ring, FileClass::Data);
    // A hundred different seconds with latencies over two orders of magnitude: some 190 filled buckets each.
    let kinds: Vec<_> = (0..100u64)
        .map(|kind| {
            let recorder = Recorder::new();
            let mut random = kind * 7919 + 1;
            for _ in 0..5000 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let factor = 1.0 + (random % 1000) as f64 / 10.0;
                recorder.record(key, Ended::well(4096), Duration::from_secs_f64(20e-6 * factor));
            }
            recorder.snapshot()
        })
        .collect();
    let mut history = History::new();
    let start = Instant::now();
    let mut largest = 0;
    for (second, counted) in (1..=seconds).zip(kinds.iter().cycle()) {
        let stats = RealTimeStats { timestamp: second, ..RealTimeStats::default() };
        history.push(&Sample::new(Duration::from_secs(1), counted, &stats));
        if second.is_multiple_of(10_000) {
            largest = largest.max(history.bytes());
        }
    }
    println!("{seconds} intervals: {:.1} us each", start.elapsed().as_secs_f64() * 1e6 / seconds as f64);
    println!("{} samples, {} bytes, at most {largest} bytes", history.len(), history.bytes());
    for (name, span) in [("an hour", 3600), ("a day", 86_400), ("ninety days", 90 * 86_400)] {
        let start = Instant::now();
        let samples = history.range(seconds.saturating_sub(span) + 1, seconds);
        let read = start.elapsed();
        let stats: Vec<RealTimeStats> = samples.iter().map(Sample::stats).collect();
        println!(
            "query of {name}: {} samples in {read:.1?}, with percentiles {:.1?}",
            stats.len(),
            start.elapsed()
        );
    }
}
