//! What recording costs: nanoseconds per operation, on one thread and on two at the same time, medians of nine passes.
//!
//! `cargo run --release -p rustfs-rio-monitor --example record_cost`

#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use rustfs_rio_monitor::{Ended, FileClass, Key, Operation, Path, Recorder};
use std::hint::black_box;
use std::time::{Duration, Instant};

const PASSES: usize = 9;
const OPERATIONS: u32 = 2_000_000;
const KEY: Key = Key::new(Operation::Read, Path::Inline, FileClass::Data);

/// What one way of recording does for operation number `i`.
type Way = fn(&Recorder, u32);

const WAYS: [(&str, Way); 5] = [
    ("count only", |recorder, i| recorder.count(KEY, Ended::well(u64::from(i)))),
    ("record a known latency", |recorder, i| {
        recorder.record(KEY, Ended::well(4096), Duration::from_nanos(u64::from(i & 0xffff)));
    }),
    ("short operation, sampled", |recorder, _| {
        let timer = recorder.start_short();
        recorder.finish(timer, KEY, Ended::well(4096));
    }),
    ("every operation timed", |recorder, _| {
        let timer = recorder.start();
        recorder.finish(timer, KEY, Ended::well(4096));
    }),
    ("one clock reading", |recorder, _| {
        black_box(recorder.clock().now());
    }),
];

fn pass(recorder: &Recorder, way: Way) -> f64 {
    let start = Instant::now();
    for i in 0..OPERATIONS {
        way(black_box(recorder), black_box(i));
    }
    start.elapsed().as_nanos() as f64 / f64::from(OPERATIONS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn main() {
    let recorder = Recorder::new();
    println!("{:<28}{:>12}{:>12}", "ns per operation", "1 thread", "2 threads");
    for (name, way) in WAYS {
        let alone = median((0..PASSES).map(|_| pass(&recorder, way)).collect());
        let both = std::thread::scope(|scope| {
            let run = || median((0..PASSES).map(|_| pass(&recorder, way)).collect());
            let threads = [scope.spawn(run), scope.spawn(run)];
            median(threads.into_iter().filter_map(|thread| thread.join().ok()).collect())
        });
        println!("{name:<28}{alone:>12.1}{both:>12.1}");
    }
}
