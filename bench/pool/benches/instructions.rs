//! Instructions per thousand buffers of 64 KiB taken and given back, counted by valgrind, so that a change shows where a clock is too
//! noisy. Needs valgrind and `cargo install gungraun-runner` of the version in Cargo.lock.

#![allow(missing_docs, reason = "the macros of gungraun make public items")]

use gungraun::{library_benchmark, library_benchmark_group, main};
use rustfs_rio_bench_pool::{Fresh, Linear, Locked, Malloc, Opool, Queue, Rio, Shelf, Zero, alone};

const ROUNDS: u64 = 1000;

fn warm<S: Shelf>() -> S {
    let shelf = S::new(64 << 10);
    alone(&shelf, 10);
    shelf
}

macro_rules! counted {
    ($($name:ident: $shelf:ty),*) => {
        $(
            #[library_benchmark]
            #[bench::warm(warm::<$shelf>())]
            fn $name(shelf: $shelf) -> $shelf {
                alone(&shelf, ROUNDS);
                shelf
            }
        )*
        library_benchmark_group!(name = thousand, benchmarks = [$($name),*]);
    };
}

counted!(rio: Rio, malloc: Malloc, fresh: Fresh, mutex_vec: Locked, array_queue: Queue, zeropool: Zero, opool: Opool, lockfree_object_pool: Linear);

main!(library_benchmark_groups = thousand);
