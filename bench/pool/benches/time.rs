//! Time per buffer taken and given back: alone, with a window of buffers in use, by two threads at once, and from one thread to
//! another.

#![allow(missing_docs, reason = "the macros of criterion make public items")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use crossbeam_queue::ArrayQueue;
use rustfs_rio_bench_pool::{Fresh, Linear, Locked, Malloc, Opool, Queue, Rio, Shelf, Zero, alone, window};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

const SIZES: [(&str, usize); 2] = [("64k", 64 << 10), ("1m", 1 << 20)];
/// Operations that a storage node of two CPUs has in flight.
const IN_FLIGHT: usize = 32;

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The time of the slower of two threads that do the same at once.
fn contended<S: Shelf>(shelf: &S, rounds: u64) -> Duration {
    let barrier = Barrier::new(2);
    let run = || {
        alone(shelf, 10);
        barrier.wait();
        timed(|| alone(shelf, rounds))
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(run);
        let own = run();
        other.join().map_or(own, |other| own.max(other))
    })
}

/// One thread takes, another gives back.
fn handed_over<S: Shelf>(shelf: &S, rounds: u64) -> Duration {
    let queue = ArrayQueue::new(64);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut left = rounds;
            while left > 0 {
                match queue.pop() {
                    Some(buffer) => {
                        drop::<S::Buffer<'_>>(black_box(buffer));
                        left -= 1;
                    }
                    None => std::hint::spin_loop(),
                }
            }
        });
        timed(|| {
            for _ in 0..rounds {
                let mut buffer = shelf.get();
                while let Err(back) = queue.push(buffer) {
                    buffer = back;
                    std::hint::spin_loop();
                }
            }
        })
    })
}

fn bench<S: Shelf>(criterion: &mut Criterion) {
    for (name, len) in SIZES {
        let mut group = |work: &str, run: &dyn Fn(&S, u64) -> Duration| {
            let mut group = criterion.benchmark_group(format!("{work}-{name}"));
            group
                .sample_size(20)
                .warm_up_time(Duration::from_millis(200))
                .measurement_time(Duration::from_secs(1));
            let shelf = S::new(len);
            group.bench_function(BenchmarkId::from_parameter(S::NAME), |bencher| {
                bencher.iter_custom(|rounds| run(&shelf, rounds));
            });
            group.finish();
        };
        group("alone", &|shelf, rounds| timed(|| alone(shelf, rounds)));
        group("window", &|shelf, rounds| timed(|| window(shelf, IN_FLIGHT, rounds)));
        group("two", &contended);
        group("handed-over", &handed_over);
    }
}

fn all(criterion: &mut Criterion) {
    bench::<Rio>(criterion);
    bench::<Malloc>(criterion);
    bench::<Fresh>(criterion);
    bench::<Locked>(criterion);
    bench::<Queue>(criterion);
    bench::<Zero>(criterion);
    bench::<Opool>(criterion);
    bench::<Linear>(criterion);
}

criterion_group!(benches, all);
criterion_main!(benches);
