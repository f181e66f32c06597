//! A writer process is killed at random moments; what it acknowledged is there, in order, once.
//!
//! The test program starts itself again as the writer. Acknowledgements come through a pipe, which outlives the writer.
//! `RIO_WAL_KILLS` sets the number of kills.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use rustfs_rio_engine::sim::Rng;
use rustfs_rio_engine::{Engine, EngineConfig};
use rustfs_rio_wal::{Wal, WalConfig, WalError};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const WRITER: &str = "RIO_WAL_WRITER";
const KILLS_QUICK: u64 = 20;
const APPENDERS: u64 = 4;
/// The kernel may take a moment to let go of what a killed process had open.
const PATIENCE: Duration = Duration::from_secs(20);

fn config() -> WalConfig {
    WalConfig { segment_bytes: 256 << 10, spare_segments_max: 2, ..WalConfig::default() }
}

/// The bytes of a record: who wrote it, in which life, as how many-eth, and filling that depends on these.
fn record(life: u64, task: u64, number: u64) -> Vec<u8> {
    let mut rng = Rng::new(life << 40 | task << 32 | number);
    let mut data = [life, task, number].map(u64::to_le_bytes).concat();
    let len = 24 + rng.below(3000) as usize;
    data.resize_with(len, || rng.next_u64() as u8);
    data
}

fn parts(data: &[u8]) -> (u64, u64, u64) {
    let at = |index: usize| u64::from_le_bytes(data[index * 8..][..8].try_into().unwrap());
    (at(0), at(1), at(2))
}

async fn open(engine: &Engine, path: &Path) -> Wal {
    let until = Instant::now() + PATIENCE;
    loop {
        match Wal::open(engine, path, config()).await {
            Err(WalError::Locked { .. }) if Instant::now() < until => {
                // why: a killed process is gone when its last I/O is, and nothing announces that
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            result => return result.unwrap(),
        }
    }
}

/// The writer: appends until it is killed, and says on standard output what was acknowledged.
async fn write(path: PathBuf, life: u64) {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let wal = Arc::new(open(&engine, &path).await);
    say("ready");
    let tasks = (0..APPENDERS).map(|task| {
        let wal = Arc::clone(&wal);
        tokio::spawn(async move {
            for number in 0.. {
                let sequence = wal.append(&record(life, task, number)).await.unwrap();
                say(&format!("{sequence} {task} {number}"));
                if sequence.is_multiple_of(100) {
                    let before = sequence.saturating_sub(400);
                    wal.truncate_before(before).await.unwrap();
                    say(&format!("truncated {before}"));
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // One write, so that a line is there as a whole.
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// What a writer said before it was killed.
#[derive(Default)]
struct Said {
    acknowledged: Vec<(u64, u64, u64)>,
    truncated: u64,
}

fn run_writer(path: &Path, life: u64, lines: u64) -> Said {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writers_may_be_killed", "--nocapture", "--test-threads=1"])
        .env(WRITER, format!("{life} {}", path.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut said = Said::default();
    let mut seen = 0;
    let mut ready = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The test harness says something of its own.
        if !ready {
            ready = line.ends_with("ready");
        } else if let Some(before) = line.strip_prefix("truncated ") {
            said.truncated = said.truncated.max(before.parse().unwrap());
        } else {
            let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            said.acknowledged.push((numbers[0], numbers[1], numbers[2]));
        }
        // Lines that come after the kill were acknowledged before it.
        seen += u64::from(ready);
        if seen == lines {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success(), "the writer ended by itself");
    assert!(ready && seen >= lines, "the writer died early: {seen} lines");
    said
}

async fn check(path: &Path, life: u64, said: &Said) -> u64 {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let wal = open(&engine, path).await;
    let first = wal.first_sequence();
    assert!(first >= said.truncated, "given up records are back");
    let mut reader = wal.read_from(first).unwrap();
    let mut seen = HashSet::new();
    let mut expected = first;
    let mut all = std::collections::HashMap::new();
    while let Some(entry) = reader.next().await.unwrap() {
        let (life, task, number) = parts(&entry.data);
        assert_eq!(entry.sequence, expected, "sequences have gaps");
        assert_eq!(entry.data, record(life, task, number), "record {expected} is not what was written");
        assert!(seen.insert((life, task, number)), "record {expected} is there twice");
        all.insert(entry.sequence, (life, task, number));
        expected += 1;
    }
    for (sequence, task, number) in &said.acknowledged {
        if *sequence >= first {
            assert_eq!(all.get(sequence), Some(&(life, *task, *number)), "acknowledged record {sequence}");
        }
    }
    wal.close().await.unwrap();
    assert!(engine.shutdown(Duration::from_secs(5)).await.is_clean());
    expected
}

#[test]
fn writers_may_be_killed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Ok(order) = std::env::var(WRITER) {
        let (life, path) = order.split_once(' ').unwrap();
        runtime.block_on(write(PathBuf::from(path), life.parse().unwrap()));
        return;
    }
    let kills = std::env::var("RIO_WAL_KILLS").map_or(KILLS_QUICK, |count| count.parse().unwrap());
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("log");
    runtime.block_on(async {
        let engine = Engine::new(EngineConfig::default()).unwrap();
        Wal::create(&engine, &path, config()).await.unwrap().close().await.unwrap();
        assert!(engine.shutdown(Duration::from_secs(5)).await.is_clean());
    });
    let mut rng = Rng::new(kills);
    let mut end = 0;
    for life in 0..kills {
        let said = run_writer(&path, life, 1 + rng.below(500));
        let next = runtime.block_on(check(&path, life, &said));
        assert!(next > end, "the log did not grow");
        end = next;
    }
}
