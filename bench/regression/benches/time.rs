//! The same hot paths in time.

#![allow(missing_docs, reason = "the macros of criterion make public items")]

use criterion::{Criterion, criterion_group, criterion_main};
use rustfs_rio_bench_regression::{Kernel, cached_read, checksum, pool, recognise, record, seal};

fn all(criterion: &mut Criterion) {
    let kernels: [(&str, fn() -> Kernel); 6] = [
        ("pool, 1000 x 64 KiB", pool),
        ("record, 1000", record),
        ("recognise, 1000", recognise),
        ("seal, 64 KiB", seal),
        ("crc64-nvme, 64 KiB", checksum),
        ("cached read, 100 x 4 KiB", cached_read),
    ];
    for (name, make) in kernels {
        let mut kernel = make();
        criterion.bench_function(name, |bencher| bencher.iter(&mut kernel));
    }
}

criterion_group!(hot, all);
criterion_main!(hot);
