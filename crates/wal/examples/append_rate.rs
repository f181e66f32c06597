//! How fast a log takes records, beside a thread that writes and syncs the same bytes, on the disk of a directory.
//!
//! `cargo run --release -p rustfs-rio-wal --example append_rate -- [DIRECTORY] [SECONDS]`. The legs take turns, and the medians
//! of the turns are printed. The bare legs call `pwrite(2)` and `fdatasync(2)` in a loop, as fio's psync engine with
//! `fdatasync=1` does: into a file that grows, and into one that was filled with zeros before, as the log's are.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for one purpose; it fails by panicking"
)]

use rustfs_rio_engine::{Engine, EngineConfig};
use rustfs_rio_wal::{Durability, Wal, WalConfig};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const SCAN_BYTES: usize = 512 << 20;

/// What one leg of a round measured.
#[derive(Debug, Clone, Copy)]
struct Measured {
    records_per_second: f64,
    p50: Duration,
    p99: Duration,
}

fn measured(mut latencies: Vec<Duration>, took: Duration, records: u64) -> Measured {
    latencies.sort_unstable();
    let at = |part: usize| latencies[(latencies.len() * part / 100).min(latencies.len() - 1)];
    Measured { records_per_second: records as f64 / took.as_secs_f64(), p50: at(50), p99: at(99) }
}

/// A thread that writes and syncs.
fn bare(directory: &Path, bytes: usize, filled: bool, time: Duration) -> Measured {
    let path = directory.join("bare");
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).open(&path).unwrap();
    let size = 64 << 20;
    if filled {
        for offset in (0..size).step_by(1 << 20) {
            file.write_all_at(&[0; 1 << 20], offset).unwrap();
        }
    }
    file.sync_all().unwrap();
    let data = vec![7; bytes];
    let mut latencies = Vec::new();
    let start = Instant::now();
    let mut offset = 0;
    while start.elapsed() < time {
        let begin = Instant::now();
        file.write_all_at(&data, offset).unwrap();
        file.sync_data().unwrap();
        latencies.push(begin.elapsed());
        offset += bytes as u64;
        if filled && offset + bytes as u64 > size {
            offset = 0;
        }
    }
    let took = start.elapsed();
    std::fs::remove_file(path).unwrap();
    let count = latencies.len() as u64;
    measured(latencies, took, count)
}

/// Tasks that append to a log, `batch` records at a time.
async fn log(
    engine: &Engine,
    directory: &Path,
    (tasks, batch, bytes): (usize, usize, usize),
    durability: Durability,
    time: Duration,
) -> Measured {
    let path = directory.join("log");
    let config = WalConfig { durability, ..WalConfig::default() };
    let wal = Arc::new(Wal::create(engine, &path, config).await.unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let handles: Vec<_> = (0..tasks)
        .map(|_| {
            let (wal, stop) = (Arc::clone(&wal), Arc::clone(&stop));
            tokio::spawn(async move {
                let records = vec![vec![7; bytes]; batch];
                let mut latencies = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let begin = Instant::now();
                    if batch == 1 {
                        wal.append(&records[0]).await.unwrap();
                    } else {
                        wal.append_batch(&records).await.unwrap();
                    }
                    latencies.push(begin.elapsed());
                }
                latencies
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for handle in handles {
        latencies.extend(handle.await.unwrap());
    }
    let took = start.elapsed();
    wal.close().await.unwrap();
    std::fs::remove_dir_all(path).unwrap();
    let records = (latencies.len() * batch) as u64;
    measured(latencies, took, records)
}

/// Bytes per second of opening a log whose files are in the page cache.
async fn scan(engine: &Engine, directory: &Path) -> (f64, f64) {
    let path = directory.join("log");
    let config = WalConfig { durability: Durability::Unsynced, ..WalConfig::default() };
    let wal = Wal::create(engine, &path, config.clone()).await.unwrap();
    let records = vec![vec![7; 4096]; 100];
    for _ in 0..SCAN_BYTES / (100 * 4128) {
        wal.append_batch(&records).await.unwrap();
    }
    let position = wal.write_position();
    wal.close().await.unwrap();
    drop(wal);
    let begin = Instant::now();
    let report = rustfs_rio_wal::inspect(engine, &path).await.unwrap();
    let inspected = position as f64 / begin.elapsed().as_secs_f64();
    assert!(report.is_sound());
    let begin = Instant::now();
    let wal = Wal::open(engine, &path, config).await.unwrap();
    let opened = position as f64 / begin.elapsed().as_secs_f64();
    drop(wal);
    std::fs::remove_dir_all(path).unwrap();
    (inspected, opened)
}

fn median(mut all: Vec<Measured>) -> Measured {
    all.sort_unstable_by(|one, two| one.records_per_second.total_cmp(&two.records_per_second));
    all[all.len() / 2]
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().unwrap_or_else(|| ".".into())).join("append_rate.tmp");
    let seconds: f64 = arguments.next().map_or(0.5, |seconds| seconds.parse().unwrap());
    let time = Duration::from_secs_f64(seconds);
    std::fs::create_dir(&directory).unwrap();
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let group = Durability::Group(Duration::from_micros(200));
    let legs: [(&str, (usize, usize, usize), Durability); 6] = [
        ("log, 1 task, 4 KiB", (1, 1, 4096), Durability::Strict),
        ("log, 1 task, 256 B", (1, 1, 256), Durability::Strict),
        ("log, 64 tasks, 256 B", (64, 1, 256), Durability::Strict),
        ("log, 64 tasks, 256 B, group 200 us", (64, 1, 256), group),
        ("log, batches of 100, 4 KiB", (1, 100, 4096), Durability::Strict),
        ("log, 1 task, 4 KiB, unsynced", (1, 1, 4096), Durability::Unsynced),
    ];
    let bare_legs: [(&str, usize, bool); 4] = [
        ("bare, 4 KiB, growing file", 4096, false),
        ("bare, 4 KiB, filled file", 4096, true),
        ("bare, 256 B, filled file", 256, true),
        ("bare, 412,864 B, filled file", 412_864, true),
    ];
    let mut results: Vec<Vec<Measured>> = vec![Vec::new(); legs.len() + bare_legs.len()];
    for _ in 0..ROUNDS {
        for (index, (_, bytes, filled)) in bare_legs.iter().enumerate() {
            results[index].push(bare(&directory, *bytes, *filled, time));
        }
        for (index, (_, work, durability)) in legs.iter().enumerate() {
            let result = log(&engine, &directory, *work, *durability, time).await;
            results[bare_legs.len() + index].push(result);
        }
    }
    let names = bare_legs.iter().map(|(name, ..)| *name).chain(legs.iter().map(|(name, ..)| *name));
    println!("{:36} {:>10} {:>8} {:>8}", "", "records/s", "p50 us", "p99 us");
    for (name, all) in names.zip(results) {
        let Measured { records_per_second, p50, p99 } = median(all);
        println!("{name:36} {records_per_second:>10.0} {:>8} {:>8}", p50.as_micros(), p99.as_micros());
    }
    let (inspected, opened) = scan(&engine, &directory).await;
    println!(
        "reading a log of 512 MiB, resident: {:.2} GB/s; opening it: {:.2} GB/s",
        inspected / 1e9,
        opened / 1e9
    );
    std::fs::remove_dir(directory).unwrap();
    assert!(engine.shutdown(Duration::from_secs(5)).await.is_clean());
}
