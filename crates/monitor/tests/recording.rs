//! Recording from several threads loses nothing, and percentiles keep their error after merging.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use rustfs_rio_monitor::{Ended, ErrorClass, FileClass, Histogram, Key, Operation, Path, Recorder, Snapshot};
use std::time::Duration;

const READ: Key = Key::new(Operation::Read, Path::Inline, FileClass::Data);

/// A latency like those of a disk: log-normal around 80 us, with one in five hundred a hundred times as long.
fn latency(random: &mut u64) -> u64 {
    let mut next = || {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        (*random >> 11) as f64 / (1u64 << 53) as f64
    };
    let normal: f64 = (0..12).map(|_| next()).sum::<f64>() - 6.0;
    let tail = if next() < 0.002 { 100.0 } else { 1.0 };
    (80_000.0 * (0.5 * normal).exp() * tail) as u64
}

/// A million latencies, in slices of which each thread records one.
fn million() -> Vec<u64> {
    let mut random = 0x2545_f491_4f6c_dd1d;
    (0..1_000_000).map(|_| latency(&mut random)).collect()
}

fn assert_near(histogram: &Histogram, sorted: &[u64]) {
    for quantile in [0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0] {
        let rank = ((sorted.len() as f64 * quantile).ceil() as usize).clamp(1, sorted.len());
        let exact = sorted[rank - 1];
        let reported = histogram.quantile(quantile).as_nanos() as u64;
        let error = reported.abs_diff(exact) as f64 / exact as f64;
        assert!(error <= 1.0 / 64.0, "p{}: {reported} ns for {exact} ns", quantile * 100.0);
    }
}

#[test]
fn percentiles_of_a_million_hold_across_threads_and_downsampling() {
    let mut values = million();
    let recorder = Recorder::new();
    let mut intervals: Vec<Snapshot> = Vec::new();
    let mut before = recorder.snapshot();
    // Ten intervals, four threads in each: the snapshots of the intervals are merged in two steps, as history does it.
    for interval in values.chunks(100_000) {
        std::thread::scope(|scope| {
            for part in interval.chunks(25_000) {
                let recorder = &recorder;
                scope.spawn(move || {
                    part.iter().for_each(|nanos| {
                        recorder.record(READ, Ended::well(1), Duration::from_nanos(*nanos));
                    });
                });
            }
        });
        let now = recorder.snapshot();
        intervals.push(now.since(&before));
        before = now;
    }
    let merge = |parts: &[Snapshot]| {
        let mut sum = Snapshot::default();
        parts.iter().for_each(|part| sum.merge(part));
        sum
    };
    let coarse: Vec<Snapshot> = intervals.chunks(5).map(merge).collect();
    let whole = merge(&coarse).operation(Operation::Read);
    assert_eq!((whole.operations, whole.bytes, whole.latency.count()), (1_000_000, 1_000_000, 1_000_000));
    values.sort_unstable();
    assert_near(&whole.latency, &values);
}

#[test]
fn more_threads_than_stripes_lose_no_count() {
    let recorder = Recorder::new();
    let (threads, each) = (100, 2_000);
    let barrier = std::sync::Barrier::new(threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // All of them have a stripe, or share one, before any ends.
                recorder.record(READ, Ended::well(3), Duration::from_micros(5));
                barrier.wait();
                for _ in 1..each {
                    recorder.record(READ, Ended::well(3), Duration::from_micros(5));
                }
            });
        }
    });
    let total = (threads * each) as u64;
    let reads = recorder.snapshot().operation(Operation::Read);
    assert_eq!((reads.operations, reads.bytes, reads.latency.count()), (total, 3 * total, total));
}

#[test]
fn stripes_that_change_hands_keep_their_counts() {
    let recorder = Recorder::new();
    for _ in 0..500 {
        std::thread::scope(|scope| {
            scope.spawn(|| recorder.count(READ, Ended::well(1)));
        });
    }
    assert_eq!(recorder.snapshot().operation(Operation::Read).operations, 500);
}

#[test]
fn errors_are_counted_by_class_and_with_their_key() {
    let recorder = Recorder::new();
    let write = Key::new(Operation::Write, Path::Blocking, FileClass::Log);
    recorder.record(write, Ended::badly(512, ErrorClass::Device), Duration::from_millis(2));
    recorder.record(write, Ended::badly(0, ErrorClass::Exhausted), Duration::from_millis(2));
    recorder.record(READ, Ended::badly(0, ErrorClass::Device), Duration::from_millis(2));
    let snapshot = recorder.snapshot();
    assert_eq!(snapshot.errors_of(ErrorClass::Device), 2);
    assert_eq!(snapshot.errors_of(ErrorClass::Exhausted), 1);
    let writes = snapshot.class(FileClass::Log);
    assert_eq!((writes.operations, writes.bytes, writes.errors), (2, 512, 2));
    assert!(recorder.snapshot().since(&snapshot).iter().next().is_none());
}

#[test]
fn absurd_durations_are_kept_within_the_range() {
    let recorder = Recorder::new();
    recorder.record(READ, Ended::well(0), Duration::MAX);
    recorder.record(READ, Ended::well(0), Duration::ZERO);
    let latency = recorder.snapshot().operation(Operation::Read).latency;
    assert_eq!(latency.min(), Duration::ZERO);
    assert!(latency.max() > Duration::from_secs(17 * 60) && latency.max() < Duration::from_secs(19 * 60));
}

#[test]
fn sampled_latencies_stand_for_all_operations() {
    let recorder = Recorder::new();
    let operations = 200_000u64;
    for _ in 0..operations {
        let timer = recorder.start_short();
        recorder.finish(timer, READ, Ended::well(1));
    }
    let reads = recorder.snapshot().operation(Operation::Read);
    assert_eq!((reads.operations, reads.bytes), (operations, operations));
    // What followed the last timed operation has nothing standing for it yet.
    let stood_for = reads.latency.count();
    assert!(stood_for <= operations && stood_for > operations - 64, "{stood_for} of {operations}");
}
