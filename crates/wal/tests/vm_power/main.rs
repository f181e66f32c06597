//! Power loss for real: a writer in the emulated machine, and the check of what its disk held at some moment.
//!
//! Without arguments, inside the machine: writes a log on each disk of `RIO_TEST_DIRS` and says on standard output what was
//! acknowledged, as `RIO-ACK label sequence task number` and `RIO-GAVE-UP label sequence`.
//! `check DIRECTORY PROMISES`, on the host: opens the log in the directory and compares it with a file of such lines, those that
//! had reached the host at that moment.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "its output is its result")]

use rustfs_rio_engine::sim::Rng;
use rustfs_rio_engine::{Engine, EngineConfig};
use rustfs_rio_wal::{Wal, WalConfig, WalError};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

const APPENDERS: u64 = 3;
const APPENDS: u64 = 120;
/// Records that stay, so that segments are given up and reused on the way.
const KEPT: u64 = 60;
const NAME: &str = "log";

fn config() -> WalConfig {
    WalConfig { segment_bytes: 128 << 10, spare_segments_max: 2, ..WalConfig::default() }
}

/// The bytes of a record: who wrote it, as how many-eth, and filling that depends on these.
fn record(task: u64, number: u64) -> Vec<u8> {
    let mut rng = Rng::new(task << 32 | number);
    let mut data = [task, number].map(u64::to_le_bytes).concat();
    let len = 16 + rng.below(6000) as usize;
    data.resize_with(len, || rng.next_u64() as u8);
    data
}

async fn write(label: String, directory: String) {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let wal = Wal::create(&engine, Path::new(&directory).join(NAME), config()).await.unwrap();
    let wal = Arc::new(wal);
    let tasks = (0..APPENDERS).map(|task| {
        let (wal, label) = (Arc::clone(&wal), label.clone());
        tokio::spawn(async move {
            for number in 0..APPENDS {
                let sequence = wal.append(&record(task, number)).await.unwrap();
                println!("RIO-ACK {label} {sequence} {task} {number}");
                if sequence.is_multiple_of(20) && sequence > KEPT {
                    wal.truncate_before(sequence - KEPT).await.unwrap();
                    println!("RIO-GAVE-UP {label} {}", sequence - KEPT);
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Lines of promises: what was acknowledged, and before which record all were given up.
fn promises(path: &str) -> (HashMap<u64, (u64, u64)>, u64) {
    let mut acknowledged = HashMap::new();
    let mut given_up = 0;
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| words[index].parse::<u64>().unwrap();
        match words[0] {
            "RIO-ACK" => assert_eq!(acknowledged.insert(number(2), (number(3), number(4))), None),
            "RIO-GAVE-UP" => given_up = given_up.max(number(2)),
            other => panic!("a line begins with {other}"),
        }
    }
    (acknowledged, given_up)
}

async fn check(directory: &str, path: &str) {
    let (acknowledged, given_up) = promises(path);
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let wal = match Wal::open(&engine, Path::new(directory).join(NAME), config()).await {
        Ok(wal) => wal,
        Err(WalError::NotFound { .. }) if acknowledged.is_empty() => return,
        Err(error) => panic!("{error}"),
    };
    let first = wal.first_sequence();
    assert!(first >= given_up, "records that were given up are back: {first} instead of {given_up}");
    let mut found = HashMap::new();
    let mut reader = wal.read_from(first).unwrap();
    while let Some(entry) = reader.next().await.unwrap() {
        let part = |index: usize| u64::from_le_bytes(entry.data[index * 8..][..8].try_into().unwrap());
        let who = (part(0), part(1));
        assert_eq!(entry.sequence, first + found.len() as u64, "sequences have gaps");
        assert_eq!(entry.data, record(who.0, who.1), "record {} is not what was written", entry.sequence);
        found.insert(entry.sequence, who);
    }
    for (sequence, who) in &acknowledged {
        if *sequence >= first {
            assert_eq!(found.get(sequence), Some(who), "record {sequence} was acknowledged");
        }
    }
    // It goes on from there.
    let sequence = wal.append(&record(0, 0)).await.unwrap();
    assert_eq!(sequence, first + found.len() as u64);
    println!("{} promised, {} found", acknowledged.len(), found.len());
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => runtime.block_on(async {
            let directories = std::env::var("RIO_TEST_DIRS").unwrap();
            let on_disks = directories.split(':').filter_map(|pair| pair.split_once('='));
            let writers = on_disks
                .filter(|(label, _)| *label != "tmpfs")
                .map(|(label, directory)| tokio::spawn(write(label.to_owned(), directory.to_owned())));
            for writer in writers.collect::<Vec<_>>() {
                writer.await.unwrap();
            }
        }),
        [command, directory, promises] if command == "check" => runtime.block_on(check(directory, promises)),
        _ => panic!("arguments: check DIRECTORY PROMISES, or none"),
    }
}
