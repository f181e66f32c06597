//! The promises of Rio, each turned into a measurement with a bar.
//!
//! Reading order:
//!
//! * [`PROMISES`]: the table; [`Setting`]: where and how long; [`measure`]: one promise.
//! * [`Claim`], [`Cell`], [`Bar`]: what came of it, as a table and as JSON.
//! * `engines` (C1 to C4), `memory` (C5), `allocation` (C6), `pool` (C7), `prefetch` (C8), `batching` (C9),
//!   `codec` (C10), `detection` (C11), `tuning` (C12): the measurements. Those that
//!   compare engines run them through `rustfs-rio-load`: the same operations, file, page cache and checks for all.
//!
//! What holds: both sides of a ratio come from one run, interleaved and repeated; a cell is the median of ratios within one
//! repeat, with the lowest and the highest beside it; a cell that could not be measured says why and counts as not met; bytes
//! are verified, and a side with wrong bytes has no figure. It never prints.
#![forbid(unsafe_code)]

mod allocation;
mod batching;
mod cell;
mod codec;
mod detection;
mod engines;
mod error;
mod memory;
mod pool;
mod prefetch;
mod setting;
mod tuning;

pub use cell::{Bar, Cell, Claim, Raw};
pub use error::ClaimError;
pub use memory::{Child, run_child};
pub use setting::{AllocationCount, Setting};

/// A promise: its name, what is promised, and how it is measured.
#[derive(Clone, Copy)]
pub struct Promise {
    /// C1 to C12.
    pub id: &'static str,
    /// In words.
    pub text: &'static str,
    /// What is measured, in words.
    pub how: &'static str,
    run: fn(&Setting, &mut Raw) -> Result<Vec<Cell>, ClaimError>,
}

impl std::fmt::Debug for Promise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Promise").field("id", &self.id).field("text", &self.text).finish_non_exhaustive()
    }
}

/// All promises, in their order.
pub const PROMISES: &[Promise] = &[
    Promise {
        id: "C1",
        text: "3-7x mixed throughput",
        how: "70/30 reads and writes, 32 tasks on 2 workers, through the page cache, beside tokio::fs and std threads",
        run: engines::throughput,
    },
    Promise {
        id: "C2",
        text: "50-70 % lower latency",
        how: "p50, p95, p99 of cached 4 KiB and 64 KiB reads, 1 and 32 tasks, beside tokio::fs",
        run: engines::latency,
    },
    Promise {
        id: "C3",
        text: "150k+ IOPS",
        how: "4 KiB random reads by 32 tasks: cached beside std threads, direct beside fio with io_uring",
        run: engines::iops,
    },
    Promise {
        id: "C4",
        text: "40-60 % less CPU",
        how: "CPU per operation, direct 4 KiB reads by 32 tasks, beside spawn_blocking with pread and a bare ring",
        run: engines::cpu,
    },
    Promise {
        id: "C5",
        text: "30-50 % less memory",
        how: "peak resident memory of 1,000 concurrent object reads, pooled buffers beside a fresh Vec per read, in processes of their own",
        run: memory::measure,
    },
    Promise {
        id: "C6",
        text: "30 % less allocation overhead",
        how: "get and put of the pool beside allocating, touching and freeing; allocations per read in steady state",
        run: allocation::measure,
    },
    Promise {
        id: "C7",
        text: "15-30 % better pool hit rate",
        how: "sizes of an object store with bursts and shifts, adaptive pool beside fixed classes of the same memory",
        run: pool::measure,
    },
    Promise {
        id: "C8",
        text: "60 % better cache hit rate, 45 % less I/O wait, 30 % more sequential throughput",
        how: "block traces through one cache with and without reading ahead, in simulation; direct sequential reads on the disk",
        run: prefetch::measure,
    },
    Promise {
        id: "C9",
        text: "50 % fewer system calls, 35 % more concurrent operations, 40 % better queue use",
        how: "direct 4 KiB reads by 32 and 256 tasks, submissions gathered and one by one",
        run: batching::measure,
    },
    Promise {
        id: "C10",
        text: "25 % less compression overhead, 30 % better selection, 20 % faster encryption",
        how: "the adaptive codec beside fixed ones on a mixed corpus, on one thread; AES-256-GCM beside RustCrypto",
        run: codec::measure,
    },
    Promise {
        id: "C11",
        text: "90 % faster detection",
        how: "time from an injected slowdown, error burst or leak to the alert, in intervals; cost of recording",
        run: detection::measure,
    },
    Promise {
        id: "C12",
        text: "80 % better tuning, no regression",
        how: "the controller on performance recorded from the engine over a grid of settings, beside the best setting of the grid",
        run: tuning::measure,
    },
];

/// The promise of that name.
#[must_use]
pub fn promise(id: &str) -> Option<&'static Promise> {
    PROMISES.iter().find(|promise| promise.id.eq_ignore_ascii_case(id))
}

/// Measures one promise. What the figures were made of is added to `raw`.
///
/// # Errors
///
/// [`ClaimError`] when the measurement as a whole could not be carried out. A part that could not be is a cell without a value.
pub fn measure(promise: &Promise, setting: &Setting, raw: &mut Raw) -> Result<Claim, ClaimError> {
    let cells = (promise.run)(setting, raw)?;
    Ok(Claim::new(promise, cells))
}
