//! Instructions of the hot paths, counted by valgrind. `cargo xtask check --only instructions` runs this and compares with
//! `baseline.txt`. Ciphers and checksums are not here: which instructions they use depends on the processor.

#![allow(missing_docs, reason = "the macros of gungraun make public items")]

use gungraun::{library_benchmark, library_benchmark_group, main};
use rustfs_rio_bench_regression::{Kernel, cached_read, pool, recognise, record};

/// A kernel whose tables and caches are filled.
fn warm(make: fn() -> Kernel) -> Kernel {
    let mut kernel = make();
    kernel();
    kernel
}

macro_rules! counted {
    ($($name:ident: $make:path),*) => {
        $(
            #[library_benchmark]
            #[bench::warm(warm($make))]
            fn $name(mut kernel: Kernel) -> Kernel {
                kernel();
                kernel
            }
        )*
        library_benchmark_group!(name = hot, benchmarks = [$($name),*]);
    };
}

counted!(pool_thousand: pool, record_thousand: record, recognise_thousand: recognise, cached_read_hundred: cached_read);

main!(library_benchmark_groups = hot);
