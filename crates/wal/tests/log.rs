//! A log from outside, on real files.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use rustfs_rio_engine::{Engine, EngineConfig};
use rustfs_rio_wal::{Durability, SegmentState, Tail, Wal, WalConfig, WalEntry, WalError, inspect};
use std::path::{Path, PathBuf};
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

fn engine() -> Engine {
    Engine::new(EngineConfig::default()).unwrap()
}

fn small() -> WalConfig {
    WalConfig { segment_bytes: 64 << 10, record_bytes_max: 16 << 10, ..WalConfig::default() }
}

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    (dir, path)
}

async fn read_all(wal: &Wal, from: u64) -> Vec<WalEntry> {
    let mut reader = wal.read_from(from).unwrap();
    let mut all = Vec::new();
    while let Some(entry) = reader.next().await.unwrap() {
        all.push(entry);
    }
    all
}

fn record(number: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (number * 31 + at) as u8).collect()
}

#[tokio::test]
async fn what_was_appended_is_there_after_reopening() {
    let (_dir, path) = place();
    let engine = engine();
    let wal = Wal::create(&engine, &path, small()).await.unwrap();
    assert_eq!((wal.write_position(), wal.next_sequence(), wal.first_sequence()), (0, 1, 1));
    for number in 1..=100 {
        assert_eq!(wal.append(&record(number, 3000)).await.unwrap(), number);
    }
    assert!(wal.segments().len() > 5, "several segments: {}", wal.segments().len());
    let position = wal.write_position();
    assert!(position > 300_000);
    assert_eq!(wal.verify().await.unwrap(), 100);
    drop(wal);
    let wal = Wal::open(&engine, &path, small()).await.unwrap();
    let found = wal.recovery();
    assert_eq!((found.records, found.next_sequence, found.tail), (100, 101, Tail::Clean));
    assert!(!found.closed);
    assert_eq!(wal.write_position(), position);
    let all = read_all(&wal, 1).await;
    assert_eq!(all.len(), 100);
    for (entry, number) in all.iter().zip(1..) {
        assert_eq!(entry.sequence, number);
        assert_eq!(entry.data, record(number, 3000));
    }
    assert_eq!(read_all(&wal, 57).await, all[56..]);
    wal.close().await.unwrap();
    assert!(matches!(wal.append(b"late").await, Err(WalError::Closed)));
    let wal = Wal::open(&engine, &path, small()).await.unwrap();
    assert!(wal.recovery().closed);
    assert_eq!(wal.append(b"more").await.unwrap(), 101);
}

#[tokio::test]
async fn entries_keep_time_and_type() {
    let (_dir, path) = place();
    let engine = engine();
    let wal = Wal::create(&engine, &path, small()).await.unwrap();
    let timestamp = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    let entry = WalEntry { sequence: 99, data: "data".into(), timestamp, entry_type: 7 };
    let zero = WalEntry { timestamp: SystemTime::UNIX_EPOCH, ..entry.clone() };
    assert_eq!(wal.append_entries(&[entry.clone(), zero.clone()]).await.unwrap(), [1, 2]);
    let all = read_all(&wal, 1).await;
    assert_eq!(all, [WalEntry { sequence: 1, ..entry }, WalEntry { sequence: 2, ..zero }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_appenders_share_commits_and_keep_their_order() {
    let (_dir, path) = place();
    let engine = engine();
    let wal = std::sync::Arc::new(Wal::create(&engine, &path, small()).await.unwrap());
    let tasks: Vec<_> = (0..32u64)
        .map(|task| {
            let wal = std::sync::Arc::clone(&wal);
            tokio::spawn(async move {
                let mut mine = Vec::new();
                for number in 0..50u64 {
                    let data = [task.to_le_bytes(), number.to_le_bytes()].concat();
                    mine.push((wal.append(&data).await.unwrap(), data));
                }
                mine
            })
        })
        .collect();
    let mut expected = std::collections::BTreeMap::new();
    for task in tasks {
        let mine = task.await.unwrap();
        assert!(mine.is_sorted_by_key(|(sequence, _)| *sequence));
        expected.extend(mine);
    }
    assert_eq!(expected.len(), 1600);
    drop(wal);
    let wal = Wal::open(&engine, &path, small()).await.unwrap();
    let report = wal.recovery();
    assert!(report.commits < 1000, "commits are shared: {}", report.commits);
    for entry in read_all(&wal, 1).await {
        assert_eq!(expected.remove(&entry.sequence).unwrap(), entry.data);
    }
    assert!(expected.is_empty());
}

#[tokio::test]
async fn a_reader_follows_the_writer() {
    let (_dir, path) = place();
    let engine = engine();
    let wal = Wal::create(&engine, &path, small()).await.unwrap();
    let mut reader = wal.read_from(1).unwrap();
    assert_eq!(reader.next().await.unwrap(), None);
    for number in 1..=60 {
        wal.append(&record(number, 2500)).await.unwrap();
        let entry = reader.next().await.unwrap().unwrap();
        assert_eq!((entry.sequence, &entry.data[..]), (number, &record(number, 2500)[..]));
        assert_eq!(reader.next().await.unwrap(), None);
    }
    assert!(matches!(wal.read_from(62), Err(WalError::Beyond { sequence: 62, next: 61 })));
}

#[tokio::test]
async fn given_up_segments_are_reused_and_surplus_ones_removed() {
    let (_dir, path) = place();
    let engine = engine();
    let config = WalConfig { spare_segments_max: 2, ..small() };
    let wal = Wal::create(&engine, &path, config.clone()).await.unwrap();
    for number in 1..=100 {
        wal.append(&record(number, 3000)).await.unwrap();
    }
    let mut slow = wal.read_from(1).unwrap();
    slow.next().await.unwrap();
    wal.checkpoint(90).await.unwrap();
    wal.truncate_before(85).await.unwrap();
    assert_eq!((wal.first_sequence(), wal.last_checkpoint()), (85, 90));
    let live = wal.segments().len();
    assert_eq!(files(&path), live + 2);
    assert!(matches!(wal.read_from(84), Err(WalError::Truncated { first: 85, .. })));
    let error = loop {
        if let Err(error) = slow.next().await {
            break error;
        }
    };
    assert!(matches!(error, WalError::Truncated { first: 85, .. }), "{error}");
    for number in 101..=130 {
        wal.append(&record(number, 3000)).await.unwrap();
    }
    assert!(wal.segments().iter().any(|segment| segment.uses > 0), "reused");
    assert_eq!(wal.verify().await.unwrap(), 46);
    drop(wal);
    let wal = Wal::open(&engine, &path, config.clone()).await.unwrap();
    assert_eq!((wal.first_sequence(), wal.last_checkpoint(), wal.next_sequence()), (85, 90, 131));
    let all = read_all(&wal, 85).await;
    assert_eq!(all.len(), 46);
    assert!(all.iter().all(|entry| entry.data == record(entry.sequence, 3000)));
    wal.truncate_before(u64::MAX).await.unwrap();
    assert_eq!((wal.first_sequence(), wal.verify().await.unwrap()), (131, 0));
    drop(wal);
    let wal = Wal::open(&engine, &path, config).await.unwrap();
    assert_eq!(wal.append(b"x").await.unwrap(), 131);
    let report = inspect(&engine, &path).await.unwrap();
    assert!(report.is_sound());
    assert_eq!((report.records, report.checkpoint), (1, 90));
    assert!(report.segments.iter().any(|segment| segment.state == SegmentState::Spare));
}

fn files(path: &Path) -> usize {
    let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".wal")).count()
}

#[tokio::test]
async fn every_durability_survives_the_end_of_the_process() {
    let engine = engine();
    let wait = Duration::from_millis(1);
    for durability in
        [Durability::Strict, Durability::Group(wait), Durability::Relaxed(wait), Durability::Unsynced]
    {
        let (_dir, path) = place();
        let config = WalConfig { durability, ..small() };
        let wal = Wal::create(&engine, &path, config.clone()).await.unwrap();
        for number in 1..=40 {
            wal.append(&record(number, 3000)).await.unwrap();
        }
        wal.flush().await.unwrap();
        drop(wal);
        let wal = Wal::open(&engine, &path, config).await.unwrap();
        assert_eq!(wal.recovery().records, 40, "{durability:?}");
        wal.close().await.unwrap();
    }
}

#[tokio::test]
async fn bad_input_is_refused_and_changes_nothing() {
    let (dir, path) = place();
    let engine = engine();
    let config = WalConfig { batch_records_max: 10, ..small() };
    let wal = Wal::create(&engine, &path, config.clone()).await.unwrap();
    wal.append(b"first").await.unwrap();
    assert!(matches!(wal.append(b"").await, Err(WalError::EmptyRecord)));
    let large = vec![1; (16 << 10) + 1];
    assert!(matches!(wal.append(&large).await, Err(WalError::RecordTooLarge { max: 16384, .. })));
    let many = vec![b"x"; 11];
    assert!(matches!(wal.append_batch(&many).await, Err(WalError::BatchTooLarge { records: 11, .. })));
    let wide = vec![vec![1; 16 << 10]; 4];
    assert!(matches!(wal.append_batch(&wide).await, Err(WalError::BatchTooLarge { records: 4, .. })));
    assert!(matches!(wal.append_batch(&[&b"x"[..], b""]).await, Err(WalError::EmptyRecord)));
    assert_eq!(wal.append_batch::<Vec<u8>>(&[]).await.unwrap(), Vec::<u64>::new());
    assert_eq!(wal.append(b"second").await.unwrap(), 2);
    assert!(matches!(Wal::open(&engine, &path, config.clone()).await, Err(WalError::Locked { .. })));
    assert!(matches!(Wal::create(&engine, &path, config.clone()).await, Err(WalError::Locked { .. })));
    wal.close().await.unwrap();
    assert!(matches!(Wal::create(&engine, &path, config.clone()).await, Err(WalError::Exists { .. })));
    let none = dir.path().join("none");
    assert!(matches!(Wal::open(&engine, &none, config.clone()).await, Err(WalError::NotFound { .. })));
    let file = dir.path().join("file");
    std::fs::write(&file, b"something").unwrap();
    assert!(matches!(Wal::open(&engine, &file, config.clone()).await, Err(WalError::NotALog { .. })));
    assert!(matches!(Wal::create(&engine, &file, config.clone()).await, Err(WalError::NotALog { .. })));
    assert_eq!(std::fs::read(&file).unwrap(), b"something");
    for bad in [
        WalConfig { segment_bytes: 8192, ..small() },
        WalConfig { segment_bytes: (64 << 10) + 1, ..small() },
        WalConfig { block_bytes: 1000, ..small() },
        WalConfig { record_bytes_max: 0, ..small() },
        WalConfig { pending_bytes_max: 0, ..small() },
        WalConfig { batch_records_max: 0, ..small() },
        WalConfig { durability: Durability::Relaxed(Duration::ZERO), ..small() },
    ] {
        assert!(matches!(Wal::open(&engine, &path, bad).await, Err(WalError::Config { .. })));
    }
    let wal = Wal::open(&engine, &path, config).await.unwrap();
    assert_eq!(read_all(&wal, 1).await.len(), 2);
}

#[tokio::test]
async fn the_last_sequence_is_the_end() {
    let (_dir, path) = place();
    let engine = engine();
    let wal = Wal::create_from(&engine, &path, small(), u64::MAX - 2).await.unwrap();
    assert_eq!(wal.append(b"a").await.unwrap(), u64::MAX - 2);
    assert!(matches!(wal.append_batch(&["b", "c"]).await, Err(WalError::SequenceOverflow)));
    assert_eq!(wal.append(b"b").await.unwrap(), u64::MAX - 1);
    assert!(matches!(wal.append(b"c").await, Err(WalError::SequenceOverflow)));
    drop(wal);
    let wal = Wal::open(&engine, &path, small()).await.unwrap();
    assert_eq!(read_all(&wal, u64::MAX - 2).await.len(), 2);
    assert!(matches!(wal.append(b"c").await, Err(WalError::SequenceOverflow)));
}

#[tokio::test]
async fn an_append_that_is_kept_and_not_polled_keeps_nobody_waiting() {
    let (_dir, path) = place();
    let wal = Wal::create(&engine(), &path, small()).await.unwrap();
    let mut kept = Box::pin(wal.append(b"first"));
    assert!(kept.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    // Each of these waits for the commit that only the kept one has polled so far.
    assert_eq!(wal.append(b"second").await.unwrap(), 2);
    wal.flush().await.unwrap();
    assert_eq!(kept.await.unwrap(), 1);
    wal.close().await.unwrap();
}

#[tokio::test]
async fn a_queue_of_appends_that_nobody_polls_is_passed() {
    let (_dir, path) = place();
    let config = WalConfig { pending_bytes_max: 64 << 10, ..small() };
    let wal = Wal::create(&engine(), &path, config).await.unwrap();
    let large = record(1, 15_000);
    // More than fit beside each other: the last ones wait for room.
    let mut kept: Vec<_> = (0..12).map(|_| Box::pin(wal.append(&large))).collect();
    for append in &mut kept {
        assert!(append.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    wal.append(b"small").await.unwrap();
    wal.append(&large).await.unwrap();
    wal.flush().await.unwrap();
    for append in kept {
        append.await.unwrap();
    }
    assert_eq!(wal.verify().await.unwrap(), 14);
}

#[test]
fn a_log_outlives_the_runtime_it_was_opened_on() {
    let (_dir, path) = place();
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // The engine keeps its own.
    let (home, there, here) = (runtime(), runtime(), runtime());
    let engine = home.block_on(async { engine() });
    let wal = there.block_on(Wal::create(&engine, &path, small())).unwrap();
    let wal = std::sync::Arc::new(wal);
    there.block_on(wal.append(b"before")).unwrap();
    drop(there);
    here.block_on(async {
        let appends: Vec<_> = (0..20)
            .map(|number| {
                let wal = std::sync::Arc::clone(&wal);
                tokio::spawn(async move { wal.append(&record(number, 100)).await })
            })
            .collect();
        for append in appends {
            append.await.unwrap().unwrap();
        }
        wal.flush().await.unwrap();
        assert_eq!(wal.verify().await.unwrap(), 21);
        wal.close().await.unwrap();
    });
}
