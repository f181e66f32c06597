//! Very many reads and writes, of which futures are dropped at random moments.
//!
//! `RIO_SOAK_OPS` is their number over all backends. Meant to run under AddressSanitizer with a million of them; without it,
//! the buffers still show late writes by themselves.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed step ends the test, and skips are printed"
)]

#[path = "lab/mod.rs"]
mod lab;

#[path = "soak/page.rs"]
mod page;

use lab::data::{assert_same, bytes};
use lab::{Kind, Place, balance, number, runtime, settle};
use page::Page;
use rustfs_rio_engine::buf::{AlignedBuf, IoBuf};
use rustfs_rio_engine::sim::{Faults, Rng, SimDisk};
use rustfs_rio_engine::{DirectMode, Engine, EngineConfig, File, OpenOptions};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const FILE_BYTES: usize = 2 << 20;
const TASKS: u64 = 48;
const SECTOR: usize = 512;

#[test]
fn dropped_futures_leave_memory_and_books_in_order() {
    let ops = number("RIO_SOAK_OPS", 20_000);
    let seed = number("RIO_SOAK_SEED", 1);
    println!("seed {seed}");
    for kind in Kind::ALL {
        // One worker and the test's thread share a queue; two workers steal from each other.
        for workers in [0, 2] {
            soak(kind, workers, ops / 8, seed);
        }
    }
    println!("{} buffers were dropped and watched", page::check_all());
}

/// What the tasks of one run share.
struct Shared {
    content: Vec<u8>,
    buffered: File,
    direct: File,
    left: AtomicU64,
    dropped: AtomicU64,
}

fn soak(kind: Kind, workers: usize, ops: u64, seed: u64) {
    let faults = Faults { latency_max: 40, short: 0.05, interrupted: 0.02, ..Faults::default() };
    let disk = SimDisk::with_faults(seed, faults);
    let place = (kind != Kind::Sim).then(|| Place::all().swap_remove(0));
    let path = place.as_ref().map_or(PathBuf::from("/file"), |place| place.path().join("file"));
    // Every write of a byte writes the same value, so that reads know what to expect, whatever was abandoned.
    let content = bytes(seed, 0, FILE_BYTES);
    match &place {
        None => disk.install(&path, &content),
        Some(_) => std::fs::write(&path, &content).unwrap(),
    }
    runtime(workers).block_on(async {
        // Few enough that tasks also wait to be let in.
        let config = EngineConfig { max_concurrent_ops: 32, queue_depth: 16, ..EngineConfig::default() };
        let Some(engine) = kind.engine(config, &disk) else { return };
        let dropped = work(&engine, &path, &content, ops, seed).await;
        settle(&engine).await;
        let stats = engine.stats();
        println!(
            "{kind:?}, {workers} extra workers: {ops} operations, {dropped} dropped; submitted {}, delivered {}, reclaimed {}, \
             inline {}, ring {}, blocking {}, simulated {}",
            stats.submitted,
            stats.delivered,
            stats.reclaimed,
            stats.inline_ops,
            stats.ring_ops,
            stats.blocking_ops,
            stats.simulated_ops,
        );
        balance(&engine).await;
        assert_eq!(disk.open_handles(), 0);
    });
    let after = disk.read_live(&path).unwrap_or_else(|| std::fs::read(&path).unwrap());
    assert_same(&after, &content, "the file after all that");
}

async fn work(engine: &Engine, path: &PathBuf, content: &[u8], ops: u64, seed: u64) -> u64 {
    let options = OpenOptions::new().read(true).write(true);
    let shared = Arc::new(Shared {
        content: content.to_vec(),
        buffered: engine.open(path, &options).await.unwrap(),
        direct: engine.open(path, &options.clone().direct(DirectMode::Auto)).await.unwrap(),
        left: AtomicU64::new(ops),
        dropped: AtomicU64::new(0),
    });
    let mut rng = Rng::new(seed);
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let task = Task { shared: Arc::clone(&shared), rng: rng.fork() };
            tokio::spawn(task.run())
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    shared.dropped.load(Ordering::Relaxed)
}

struct Task {
    shared: Arc<Shared>,
    rng: Rng,
}

impl Task {
    async fn run(mut self) {
        let take = |left: u64| left.checked_sub(1);
        while self.shared.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            let file =
                if self.rng.chance(0.5) { self.shared.buffered.clone() } else { self.shared.direct.clone() };
            let sectors = self.rng.range(1, 17);
            let start = self.rng.range(0, FILE_BYTES / SECTOR - sectors) * SECTOR;
            let len = sectors * SECTOR;
            match self.rng.below(10) {
                0..4 => self.read(&file, start, len).await,
                4..8 => self.write(&file, start, len).await,
                8 => self.read_vectored(&file, start, len).await,
                _ => self.write_vectored(&file, start, len).await,
            }
        }
    }

    /// Awaits an operation, or drops its future after some turns: `None`.
    async fn attempt<F: Future>(&mut self, operation: F) -> Option<F::Output> {
        let operation = std::pin::pin!(operation);
        if !self.rng.chance(0.4) {
            return Some(operation.await);
        }
        let turns = self.rng.below(4);
        let patience = async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            output = operation => Some(output),
            () = patience => {
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    async fn read(&mut self, file: &File, start: usize, len: usize) {
        // Sometimes a range that a direct file has to serve through an aligned one.
        let (start, len) = if self.rng.chance(0.1) { (start + 1, len - 7) } else { (start, len) };
        let Some((result, page)) = self.attempt(file.read_at(Page::room(len), start as u64)).await else {
            return;
        };
        assert_eq!(result.unwrap(), len);
        assert_same(page.as_slice(), &self.shared.content[start..start + len], "a read");
    }

    async fn write(&mut self, file: &File, start: usize, len: usize) {
        let page = Page::copy_of(&self.shared.content[start..start + len]);
        let Some((result, page)) = self.attempt(file.write_at(page, start as u64)).await else { return };
        assert_eq!(result.unwrap(), len);
        assert_same(page.as_slice(), &self.shared.content[start..start + len], "a buffer that was written");
    }

    async fn read_vectored(&mut self, file: &File, start: usize, len: usize) {
        let pages = (0..len / SECTOR).map(|_| Page::room(SECTOR)).collect();
        let Some((result, pages)) = self.attempt(file.read_vectored_at(pages, start as u64)).await else {
            return;
        };
        assert_eq!(result.unwrap(), len);
        for (page, expected) in pages.iter().zip(self.shared.content[start..start + len].chunks(SECTOR)) {
            assert_same(page.as_slice(), expected, "a part of a vectored read");
        }
    }

    async fn write_vectored(&mut self, file: &File, start: usize, len: usize) {
        let pages = self.shared.content[start..start + len].chunks(SECTOR).map(Page::copy_of).collect();
        let Some((result, _)) = self.attempt(file.write_vectored_at(pages, start as u64)).await else {
            return;
        };
        assert_eq!(result.unwrap(), len);
    }
}

#[test]
fn engines_that_die_with_operations_in_flight() {
    for round in 0..number("RIO_SOAK_OPS", 20_000) / 1000 {
        let disk = SimDisk::with_faults(round, Faults { latency_max: 20, hang: 0.1, ..Faults::default() });
        disk.install("/file", &[7; 8192]);
        runtime((round % 3) as usize).block_on(async {
            let engine = rustfs_rio_engine::sim::engine(EngineConfig::default(), &disk).unwrap();
            let options = OpenOptions::new().read(true).write(true);
            let open = engine.open("/file", &options);
            let Ok(Ok(file)) = tokio::time::timeout(std::time::Duration::from_millis(20), open).await else {
                return;
            };
            for index in 0..16u64 {
                lab::poll_and_drop(file.read_at(Page::room(512), index * 512));
                lab::poll_and_drop(file.write_at(Page::copy_of(&[7; 512]), index * 512));
                lab::poll_and_drop(file.write_at(AlignedBuf::zeroed(0).unwrap(), 0));
            }
            engine.shutdown(std::time::Duration::ZERO).await;
        });
        // The device answers late, after engine and runtime are gone.
        disk.release_hung();
        assert_eq!(disk.read_live("/file").unwrap(), [7; 8192]);
    }
    page::check_all();
}
