//! What a read from the block cache costs: `cargo run --release -p rustfs-rio --example cache_hit -- DIRECTORY`.
#![allow(clippy::print_stdout, reason = "an example prints what it measured")]

use rustfs_rio::{
    AlignedBuf, CacheConfig, DirectMode, DiskFile, OpenOptions, RuntimeConfig, init_runtime_with_config,
};
use std::time::{Duration, Instant};

const BLOCK: usize = 4096;
const BLOCKS: u64 = 4096;
const READS: u32 = 500_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let directory = tempfile::tempdir_in(directory)?;
    let path = directory.path().join("data");
    std::fs::write(&path, vec![7; BLOCK * BLOCKS as usize])?;
    for prefetch in [false, true] {
        let cache = Some(CacheConfig { prefetch, ..CacheConfig::default() });
        let runtime = init_runtime_with_config(RuntimeConfig { cache, ..RuntimeConfig::default() })?;
        let options = OpenOptions::new().read(true).direct(DirectMode::On);
        let file = DiskFile::open_with(&path, &options, &runtime).await?;
        for block in 0..BLOCKS {
            file.read_range(block * BLOCK as u64, BLOCK as u64).await?;
        }
        let mut state = 1_u64;
        let mut offset = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % BLOCKS * BLOCK as u64
        };
        let start = Instant::now();
        for _ in 0..READS {
            file.read_range(offset(), BLOCK as u64).await?;
        }
        let range = start.elapsed();
        let start = Instant::now();
        let mut buffer = AlignedBuf::with_capacity(BLOCK)?;
        for _ in 0..READS {
            let (result, back) = file.read_into(buffer, offset()).await;
            result?;
            buffer = back;
        }
        let into = start.elapsed();
        let start = Instant::now();
        for _ in 0..READS {
            file.read_shared(offset(), BLOCK as u64).await?;
        }
        let shared = start.elapsed();
        let each = |time: Duration| time.as_nanos() as f64 / f64::from(READS);
        println!(
            "reading ahead {prefetch}: read_range {:.0} ns, read_into {:.0} ns, read_shared {:.0} ns; {:?}",
            each(range),
            each(into),
            each(shared),
            runtime.block_cache().map(|cache| cache.stats().hit_ratio())
        );
        drop(file);
        runtime.shutdown(Duration::from_secs(5)).await;
    }
    Ok(())
}
