//! Reads a resident file from front to back, through `File::read_at` and through a `MappedFile`, and prints the rates.
//!
//! `cargo run --release -p rustfs-rio-engine --example mapped_reading [FILE]`; without a file, one of 256 MiB is made in the
//! current directory and removed at the end. Each row is the median of several passes, taken in turns.

#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use rustfs_rio_engine::mapped::MappedFile;
use rustfs_rio_engine::{Engine, EngineConfig, File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SIZE: usize = 256 << 20;
const PASSES: usize = 9;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let (_directory, path) = match std::env::args_os().nth(1) {
        Some(path) => (None, PathBuf::from(path)),
        None => {
            let directory = tempfile::tempdir_in(".")?;
            let path = directory.path().join("stream");
            std::fs::write(&path, vec![7; SIZE])?;
            (Some(directory), path)
        }
    };
    let engine = Engine::new(EngineConfig::default()).map_err(io::Error::other)?;
    let file = engine.open(&path, &OpenOptions::new().read(true)).await?;
    // Fills the page cache, and lets the file's time stamp become old enough for a mapping to be trusted.
    with_reads(&file, 1 << 20).await?;
    println!("{:>8}  {:>12}  {:>12}  {:>6}", "KiB", "read_at GB/s", "mapped GB/s", "ratio");
    for kib in [16, 64, 256, 1024] {
        let (mut reads, mut mapped) = (Vec::new(), Vec::new());
        for _ in 0..PASSES {
            reads.push(with_reads(&file, kib << 10).await?);
            mapped.push(with_mapping(&file, kib << 10).await?);
        }
        let (reads, mapped) = (median(reads), median(mapped));
        println!("{kib:>8}  {reads:>12.2}  {mapped:>12.2}  {:>6.2}", mapped / reads);
    }
    engine.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

/// Bytes per nanosecond, which is GB/s.
async fn with_reads(file: &File, block: usize) -> io::Result<f64> {
    let (start, mut offset, mut buf) = (Instant::now(), 0, Vec::with_capacity(block));
    loop {
        let (result, back) = file.read_at(buf, offset).await;
        let count = result?;
        if count == 0 {
            return Ok(offset as f64 / start.elapsed().as_nanos() as f64);
        }
        offset += count as u64;
        buf = back;
    }
}

async fn with_mapping(file: &File, block: usize) -> io::Result<f64> {
    let (start, mut buf) = (Instant::now(), Vec::with_capacity(block));
    let mut mapped = MappedFile::open(file)?;
    loop {
        let (result, back) = mapped.read_next(buf).await;
        if result? == 0 {
            return Ok(mapped.position() as f64 / start.elapsed().as_nanos() as f64);
        }
        buf = back;
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
