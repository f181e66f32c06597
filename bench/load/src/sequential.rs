//! What reading ahead is worth to readers that go through a file from front to back.

use std::time::Duration;

use crate::target::{Fio, Rio};
use crate::{Cancel, Dataset, KIB, LoadError, Plan, Progress, Report, Target, Workload, compare};

/// Readers that share the file in the last measurement.
pub const INTERLEAVED_READERS: usize = 256;
/// Operations in flight of the yardstick.
const YARDSTICK_DEPTH: usize = 32;
/// Bytes of the cache that is read ahead into.
const CACHE_BYTES: u64 = 64 << 20;

/// Throughput of direct reads of 64 KiB, in MB/s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SequentialFigures {
    /// One reader, nothing read ahead.
    pub plain: f64,
    /// One reader, read ahead.
    pub ahead: f64,
    /// fio with 32 reads in flight; `None` where it is not installed.
    pub fio: Option<f64>,
    /// All of 256 readers, each in a part of its own, read ahead.
    pub interleaved: f64,
    /// Whether every byte that was checked was right.
    pub verified: bool,
}

/// Measures one reader with and without reading ahead, the yardstick, and many readers, all interleaved and repeated on the
/// same file, and returns the medians.
pub fn sequential_prefetch(
    dataset: &Dataset,
    repeats: usize,
    duration: Duration,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<SequentialFigures, LoadError> {
    let [one, deep, many] = [1, YARDSTICK_DEPTH, INTERLEAVED_READERS]
        .map(|readers| Workload::sequential(64 * KIB, readers).direct());
    let mut measure = |workload: Workload, targets: &[Box<dyn Target>]| -> Result<Report, LoadError> {
        let plan = Plan {
            workloads: vec![workload],
            repeats,
            budget: None,
            warmup: duration / 4,
            duration,
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            seed: 1,
        };
        compare(&plan, dataset, targets, cancel, progress)
    };
    let single = measure(one, &[Box::new(Rio::auto()), Box::new(Rio::cached(CACHE_BYTES, true))])?;
    let fio: &[Box<dyn Target>] = &[Box::new(Fio)];
    let yardstick = if Fio.unavailable(&deep).is_none() { Some(measure(deep, fio)?) } else { None };
    let interleaved = measure(many, &[Box::new(Rio::cached(CACHE_BYTES, true))])?;
    let mbps = |report: &Report, engine: &str| {
        let row = report.rows().into_iter().find(|row| row.engine == engine);
        row.map_or(0.0, |row| row.mbps)
    };
    let mut rows = single.rows().into_iter().chain(interleaved.rows());
    Ok(SequentialFigures {
        plain: mbps(&single, "rio-auto"),
        ahead: mbps(&single, "rio-prefetching"),
        fio: yardstick.as_ref().map(|report| mbps(report, "fio")),
        interleaved: mbps(&interleaved, "rio-prefetching"),
        verified: rows.all(|row| row.verified),
    })
}
