//! `rio-compare-wal [DIRECTORY] [SECONDS]`: records of 256 bytes, each durable before the next of the same appender, through Rio's
//! log and through others, on the disk of a directory. The logs take turns; medians of the rounds are printed.
//!
//! Rio has 2 workers of tokio and a task per appender; the others, whose calls block, have a thread per appender, which is
//! how they are used. All of them share a sync among those that wait for one. What is written is not read back here: their own
//! tests do that.
#![forbid(unsafe_code)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use okaywal::{Entry, EntryId, LogManager, SegmentReader, WriteAheadLog};
use rustfs_rio_engine::{Engine, EngineConfig};
use rustfs_rio_wal::{Wal, WalConfig};

const RECORD: [u8; 256] = [7; 256];
const APPENDERS: [usize; 2] = [1, 64];
const ROUNDS: usize = 5;

type Run = fn(&Path, usize, Duration) -> Result<f64>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let base = PathBuf::from(arguments.next().unwrap_or_else(|| ".".to_owned()));
    let seconds: f64 = arguments.next().map_or(Ok(1.0), |seconds| seconds.parse())?;
    let logs: [(&str, Run); 3] = [("rio", rio), ("raft-engine", raft_engine), ("okaywal", okay)];
    for appenders in APPENDERS {
        let mut rates = vec![Vec::new(); logs.len()];
        for round in 0..ROUNDS {
            for turn in 0..logs.len() {
                let index = (round + turn) % logs.len();
                let directory = base.join(format!("compare-wal-{}", std::process::id()));
                std::fs::create_dir(&directory).context("cannot make a directory")?;
                let rate = logs[index].1(&directory, appenders, Duration::from_secs_f64(seconds));
                std::fs::remove_dir_all(&directory).context("cannot remove the directory")?;
                rates[index].push(rate?);
            }
        }
        for ((name, _), rates) in logs.iter().zip(&mut rates) {
            rates.sort_unstable_by(f64::total_cmp);
            let (low, high) = (rates[0], rates[ROUNDS - 1]);
            writeln!(
                std::io::stdout(),
                "{appenders:>3} appenders  {name:12} {:>9.0} records/s  ({low:.0} to {high:.0})",
                rates[ROUNDS / 2]
            )?;
        }
    }
    Ok(())
}

fn rio(directory: &Path, appenders: usize, time: Duration) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let engine = Engine::new(EngineConfig::default())?;
        let wal = Arc::new(Wal::create(&engine, directory.join("log"), WalConfig::default()).await?);
        let stop = Arc::new(AtomicBool::new(false));
        let start = Instant::now();
        let tasks = (0..appenders).map(|_| {
            let (wal, stop) = (Arc::clone(&wal), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    wal.append(&RECORD).await?;
                    count += 1;
                }
                anyhow::Ok(count)
            })
        });
        let tasks: Vec<_> = tasks.collect();
        tokio::time::sleep(time).await;
        stop.store(true, Ordering::Relaxed);
        let mut count = 0u64;
        for task in tasks {
            count += task.await??;
        }
        let rate = count as f64 / start.elapsed().as_secs_f64();
        wal.close().await?;
        engine.shutdown(Duration::from_secs(5)).await;
        Ok(rate)
    })
}

/// Appends from threads until the time is over. `append` is given the appender and the number of its record.
fn threads(
    appenders: usize,
    time: Duration,
    append: impl Fn(usize, u64) -> Result<()> + Sync,
) -> Result<f64> {
    let (stop, total) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        let work = |appender| {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                append(appender, count)?;
                count += 1;
            }
            total.fetch_add(count, Ordering::Relaxed);
            anyhow::Ok(())
        };
        let handles: Vec<_> = (0..appenders).map(|appender| scope.spawn(move || work(appender))).collect();
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        handles
            .into_iter()
            .try_for_each(|handle| handle.join().map_err(|_| anyhow!("an appender panicked"))?)
    })?;
    Ok(total.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64())
}

fn raft_engine(directory: &Path, appenders: usize, time: Duration) -> Result<f64> {
    let dir = directory.to_str().context("the path is not UTF-8")?.to_owned();
    let engine = raft_engine::Engine::open(raft_engine::Config { dir, ..Default::default() })?;
    threads(appenders, time, |appender, number| {
        let mut batch = raft_engine::LogBatch::default();
        // Keys are overwritten in turns, so that its index stays small.
        batch.put(appender as u64 + 1, (number % 256).to_le_bytes().to_vec(), RECORD.to_vec())?;
        engine.write(&mut batch, true)?;
        Ok(())
    })
}

/// Forgets what is checkpointed: this measures writing.
#[derive(Debug)]
struct Forget;

impl LogManager for Forget {
    fn recover(&mut self, _: &mut Entry<'_>) -> std::io::Result<()> {
        Ok(())
    }

    fn checkpoint_to(&mut self, _: EntryId, _: &mut SegmentReader, _: &WriteAheadLog) -> std::io::Result<()> {
        Ok(())
    }
}

fn okay(directory: &Path, appenders: usize, time: Duration) -> Result<f64> {
    let log = WriteAheadLog::recover(directory.join("log"), Forget)?;
    let rate = threads(appenders, time, |_, _| {
        let mut writer = log.begin_entry()?;
        writer.write_chunk(&RECORD)?;
        writer.commit()?;
        Ok(())
    })?;
    log.shutdown()?;
    Ok(rate)
}
