//! C6: what memory for an operation costs.

use std::hint::black_box;
use std::time::Instant;

use rustfs_rio::{DiskFile, RuntimeConfig, init_runtime_with_config};
use rustfs_rio_buf::{BufferPool, PoolConfig};
use rustfs_rio_load::{KIB, MIB};
use serde_json::json;

use crate::{Bar, Cell, ClaimError, Raw, Setting};

/// Gets or allocations timed together; one of them is too short for a clock.
const ROUNDS: u32 = 2000;
/// Granularity of first touches.
const PAGE: usize = 4096;
/// Reads before and while allocations are counted.
const READS: u64 = 2000;

/// C6.
pub(crate) fn measure(setting: &Setting, raw: &mut Raw) -> Result<Vec<Cell>, ClaimError> {
    let mut cells = Vec::new();
    for (len, name) in [(64 * KIB, "64 KiB"), (MIB, "1 MiB")] {
        let pool = BufferPool::new(PoolConfig::new(64 << 20)).map_err(ClaimError::setup("a buffer pool"))?;
        let (mut again, mut fresh) = (Vec::new(), Vec::new());
        for _ in 0..setting.repeats.max(3) {
            setting.check()?;
            let pooled = time(|| drop(black_box(pool.try_get(len))));
            let allocated = time(|| drop(black_box(touched(len))));
            // Held a while, so that the allocator has nothing at hand and the kernel has to provide the pages.
            let provided = time_fresh(len);
            raw.add(json!({ "claim": "C6", "bytes": len, "pool_ns": pooled, "allocate_ns": allocated, "fresh_ns": provided }));
            again.push((1.0 - pooled / allocated) * 100.0);
            fresh.push((1.0 - pooled / provided) * 100.0);
        }
        cells.push(
            Cell::new(
                format!("{name}, get and put below allocate, touch, free"),
                "%",
                Bar::AtLeast(90.0),
                fresh,
            )
            .note("first touch of memory that the kernel provides"),
        );
        cells.push(
            Cell::new(format!("{name}, the same in a loop"), "%", Bar::AtLeast(90.0), again)
                .note("the allocator hands back the block just freed, so that nothing is touched first"),
        );
    }
    cells.push(allocations(setting, raw)?);
    Ok(cells)
}

/// Nanoseconds of one call.
fn time(mut call: impl FnMut()) -> f64 {
    (0..ROUNDS / 10).for_each(|_| call());
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| call());
    start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
}

/// A vector of which each page was written to once.
fn touched(len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::with_capacity(len);
    for page in bytes.spare_capacity_mut().chunks_mut(PAGE) {
        page[0].write(1);
    }
    bytes
}

/// Nanoseconds of allocating, touching and freeing one block of `len` bytes, for blocks that are in use together.
fn time_fresh(len: usize) -> f64 {
    let blocks = (256 * MIB / len).min(1024);
    let start = Instant::now();
    let held: Vec<Vec<u8>> = (0..blocks).map(|_| black_box(touched(len))).collect();
    drop(black_box(held));
    start.elapsed().as_secs_f64() * 1e9 / blocks as f64
}

/// Bytes that the reading thread allocates per cached read in steady state.
fn allocations(setting: &Setting, raw: &mut Raw) -> Result<Cell, ClaimError> {
    const NAME: &str = "bytes allocated per read_range of 64 KiB, steady state";
    let bar = Bar::AtMost(0.0);
    let Some(count) = setting.allocated.filter(|count| count().is_some()) else {
        let cell = Cell::new(NAME, "bytes", bar, Vec::new());
        return Ok(cell.note("this program's allocator does not count"));
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ClaimError::system("start a tokio runtime"))?;
    let allocated = runtime.block_on(async {
        let config = RuntimeConfig::from_env().map_err(ClaimError::setup("the runtime"))?;
        let rio = init_runtime_with_config(config).map_err(ClaimError::setup("the runtime"))?;
        let file = DiskFile::open(&setting.dataset.file().path, rio.clone()).await;
        let file = file.map_err(ClaimError::setup("the test file"))?;
        let mut before = 0;
        for round in 0..2 * READS {
            if round == READS {
                before = count().unwrap_or(0);
            }
            let read = file.read_range((round % 16) * 64 * KIB as u64, 64 * KIB as u64).await;
            black_box(read.map_err(ClaimError::system("read the test file"))?);
        }
        let allocated = count().unwrap_or(0) - before;
        drop(file);
        rio.shutdown(std::time::Duration::from_secs(10)).await;
        Ok::<_, ClaimError>(allocated)
    })?;
    raw.add(json!({ "claim": "C6", "reads": READS, "allocated_bytes": allocated }));
    Ok(Cell::new(NAME, "bytes", bar, vec![allocated as f64 / READS as f64]))
}
