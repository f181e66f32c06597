//! A thousand concurrent reads of objects of 1 MiB: peak memory and time, with pooled buffers and with a fresh `Vec` each.
//!
//! `cargo run --release -p rustfs-rio --example object_memory` runs itself once per way, because peak memory belongs to a
//! process, and prints both. Each read keeps its object until it has looked at every page of it.

#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use rustfs_rio::{AlignedBuf, DirectMode, DiskFile, OpenOptions, RuntimeConfig, RuntimeHandle};
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

const OBJECT: usize = 1 << 20;
const OBJECTS: u64 = 64;
const READS: u64 = 1000;
const ROUNDS: u64 = 10;

/// How objects are read: into fresh vectors or pooled buffers, through the page cache or past it. The bound of the pool is 64 MiB
/// in "pooled" and the default one otherwise.
const WAYS: [&str; 5] = ["fresh", "pooled", "pooled-default", "fresh-direct", "pooled-direct"];

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some(way) => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?
            .block_on(measure(way)),
        None => {
            for way in WAYS {
                let output = std::process::Command::new(std::env::current_exe()?).arg(way).output()?;
                print!("{way:>14}: {}", String::from_utf8_lossy(&output.stdout));
            }
            Ok(())
        }
    }
}

async fn measure(way: &str) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir_in(".")?;
    let path = directory.path().join("objects");
    // In small pieces, because what this process ever held counts as its peak.
    let mut content = std::fs::File::create(&path)?;
    for _ in 0..OBJECTS * 16 {
        content.write_all(&[7; OBJECT / 16])?;
    }
    content.sync_all()?;
    let (pooled, direct) = (way.starts_with("pooled"), way.ends_with("direct"));
    let mut config = RuntimeConfig::default();
    if way == "pooled" {
        // Below it the pool bounds how many objects are in memory at one time.
        config.buffer_memory = 64 << 20;
    }
    let runtime = RuntimeHandle::new(config)?;
    let mode = if direct { DirectMode::On } else { DirectMode::Off };
    let options = OpenOptions::new().read(true).direct(mode);
    let file = Arc::new(DiskFile::open_with(&path, &options, &runtime).await?);
    let before = peak_kib()?;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        let tasks: Vec<_> =
            (0..READS).map(|read| tokio::spawn(one(Arc::clone(&file), read, pooled))).collect();
        for task in tasks {
            task.await??;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = (READS * ROUNDS) as f64 / seconds;
    println!("{:>8.1} MiB peak, {rate:>8.0} objects/s", (peak_kib()? - before) as f64 / 1024.0);
    Ok(())
}

async fn one(file: Arc<DiskFile>, read: u64, pooled: bool) -> std::io::Result<usize> {
    let offset = read % OBJECTS * OBJECT as u64;
    if pooled {
        let object = file.read_range(offset, OBJECT as u64).await?;
        Ok(consume(&object).await)
    } else {
        // Aligned as direct I/O asks for; fresh from the allocator in any case.
        let (result, object) = file.read_into(AlignedBuf::with_capacity(OBJECT)?, offset).await;
        result?;
        Ok(consume(&object).await)
    }
}

/// Looks at each page, then lets others run, as a server does while its client takes the bytes.
async fn consume(object: &[u8]) -> usize {
    let sum = object.iter().step_by(4096).map(|byte| usize::from(*byte)).sum();
    tokio::task::yield_now().await;
    sum
}

/// `VmHWM` of proc_pid_status(5).
fn peak_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
