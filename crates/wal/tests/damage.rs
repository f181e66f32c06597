//! What is wrong with a log is named, nothing is skipped, and opening a damaged log changes nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use rustfs_rio_engine::{Engine, EngineConfig};
use rustfs_rio_wal::format::scan::DamageKind;
use rustfs_rio_wal::{Damage, SegmentInfo, Tail, Wal, WalConfig, WalError, inspect};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

fn config() -> WalConfig {
    WalConfig { segment_bytes: 32 << 10, spare_segments_max: 2, ..WalConfig::default() }
}

type Change = fn(&mut Vec<u8>);

/// A log of which every record takes a block, seven to a segment.
struct Log {
    _dir: TempDir,
    path: PathBuf,
    engine: Engine,
    segments: Vec<SegmentInfo>,
}

impl Log {
    async fn with(records: u64, truncated: u64, closed: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let engine = Engine::new(EngineConfig::default()).unwrap();
        let wal = Wal::create(&engine, &path, config()).await.unwrap();
        for number in 1..=records {
            wal.append(&[number as u8; 1000]).await.unwrap();
            if number == truncated + 10 {
                wal.truncate_before(truncated).await.unwrap();
            }
        }
        let segments = wal.segments();
        if closed {
            wal.close().await.unwrap();
        }
        drop(wal);
        Self { _dir: dir, path, engine, segments }
    }

    fn file(&self, index: usize) -> PathBuf {
        self.path.join(&self.segments[index].file)
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.file(index)).unwrap();
        change(&mut bytes);
        fs::write(self.file(index), bytes).unwrap();
    }

    fn content(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let paths = fs::read_dir(&self.path).unwrap().map(|entry| entry.unwrap().path());
        paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    /// What opening says, having changed nothing.
    async fn damage(&self) -> Damage {
        let before = self.content();
        let Err(WalError::Damaged { damage, .. }) = Wal::open(&self.engine, &self.path, config()).await
        else {
            panic!("the log opens");
        };
        assert!(self.content() == before, "opening a damaged log changed it");
        let report = inspect(&self.engine, &self.path).await.unwrap();
        assert!(!report.is_sound());
        assert_eq!(report.damage[0], damage);
        damage
    }

    async fn open(&self) -> Wal {
        Wal::open(&self.engine, &self.path, config()).await.unwrap()
    }
}

#[tokio::test]
async fn damaged_records_in_the_middle() {
    let cases: [(usize, DamageKind, Change); 3] = [
        (4096 * 3, DamageKind::Header, |bytes| bytes[4096 * 3 + 9] ^= 1),
        (4096 * 3, DamageKind::Body, |bytes| bytes[4096 * 3 + 200] ^= 1),
        (4096 * 3, DamageKind::Hole, |bytes| bytes[4096 * 3..4096 * 4].fill(0)),
    ];
    for (at, wanted, change) in cases {
        // In a full segment, and in the last one, where only a later commit proves it.
        for index in [1, 3] {
            let log = Log::with(28, 0, false).await;
            log.change(index, change);
            let Damage::Records { segment, offset, sequence, kind, .. } = log.damage().await else {
                panic!("another damage");
            };
            assert_eq!((segment, offset, kind), (index as u64 + 1, at as u64, wanted));
            assert_eq!(sequence, index as u64 * 7 + 3);
        }
    }
}

#[tokio::test]
async fn the_last_commit_may_be_torn_but_not_after_an_orderly_end() {
    let last = |bytes: &mut Vec<u8>| bytes[4096 * 2 + 300] ^= 1;
    let log = Log::with(9, 0, false).await;
    log.change(1, last);
    let wal = log.open().await;
    assert_eq!((wal.recovery().tail, wal.recovery().next_sequence), (Tail::Torn, 9));
    assert_eq!(wal.append(b"again").await.unwrap(), 9);
    drop(wal);
    assert_eq!(log.open().await.verify().await.unwrap(), 9);
    let log = Log::with(9, 0, true).await;
    log.change(1, last);
    assert_eq!(log.damage().await, Damage::LostEnd { found: 8, expected: 9 });
}

#[tokio::test]
async fn missing_segments() {
    for (index, missing) in [(0, 1), (1, 2), (3, 4)] {
        let log = Log::with(25, 0, false).await;
        fs::remove_file(log.file(index)).unwrap();
        assert_eq!(log.damage().await, Damage::Missing { first: missing, last: missing });
    }
    let log = Log::with(5, 0, false).await;
    fs::remove_file(log.file(0)).unwrap();
    assert_eq!(log.damage().await, Damage::Missing { first: 1, last: 1 });
    // Of segments that were given up none has to be there.
    let log = Log::with(60, 40, false).await;
    for (path, bytes) in log.content() {
        let is_live = log.segments.iter().any(|segment| path.ends_with(&segment.file));
        if !is_live && bytes.len() == 32 << 10 {
            fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(log.open().await.verify().await.unwrap(), 21);
}

#[tokio::test]
async fn duplicated_foreign_and_short_segments() {
    let log = Log::with(25, 0, false).await;
    fs::copy(log.file(1), log.path.join("0000000099.wal")).unwrap();
    assert!(matches!(log.damage().await, Damage::Duplicate { segment: 2, .. }));
    let (log, other) = (Log::with(25, 0, false).await, Log::with(25, 0, false).await);
    fs::copy(other.file(1), log.path.join("0000000099.wal")).unwrap();
    assert!(matches!(log.damage().await, Damage::Foreign { file, .. } if file == "0000000099.wal"));
    let log = Log::with(25, 0, false).await;
    log.change(1, |bytes| bytes.truncate(30000));
    assert!(matches!(log.damage().await, Damage::Short { segment: 2, found: 30000, .. }));
    // A segment of an earlier state of the same log.
    let log = Log::with(25, 0, false).await;
    let old = fs::read(log.file(2)).unwrap();
    let wal = log.open().await;
    for _ in 0..10 {
        wal.append(&[9; 1000]).await.unwrap();
    }
    drop(wal);
    log.change(3, |bytes| bytes.copy_from_slice(&old));
    assert!(matches!(log.damage().await, Damage::Duplicate { segment: 3, .. }));
}

#[tokio::test]
async fn damaged_headers_and_control_file() {
    let log = Log::with(25, 0, false).await;
    log.change(1, |bytes| bytes[..4096].fill(7));
    // The gap is found first; inspection names the file as well.
    assert_eq!(log.damage().await, Damage::Missing { first: 2, last: 2 });
    let report = inspect(&log.engine, &log.path).await.unwrap();
    assert!(report.damage.contains(&Damage::Header { file: log.segments[1].file.clone() }));
    let log = Log::with(5, 0, false).await;
    log.change(0, |bytes| bytes[..4096].fill(0));
    log.damage().await;
    for change in [fs::remove_file, |path: PathBuf| fs::write(path, [1; 8192])] {
        let log = Log::with(25, 0, false).await;
        change(log.path.join("control")).unwrap();
        let before = log.content();
        let opened = Wal::open(&log.engine, &log.path, config()).await;
        assert!(matches!(opened, Err(WalError::Damaged { damage: Damage::Control, .. })));
        let created = Wal::create(&log.engine, &log.path, config()).await;
        assert!(matches!(created, Err(WalError::Damaged { damage: Damage::Control, .. })));
        assert!(log.content() == before);
    }
}

#[tokio::test]
async fn files_that_are_no_segments_are_left_alone_or_removed_if_empty() {
    let log = Log::with(5, 0, false).await;
    fs::write(log.path.join("0000000050.wal"), vec![0; 20000]).unwrap();
    fs::write(log.path.join("0000000051.wal"), b"somebody else's").unwrap();
    fs::write(log.path.join("notes.txt"), b"somebody else's").unwrap();
    let wal = log.open().await;
    assert_eq!(wal.recovery().unused_files, ["0000000050.wal", "0000000051.wal"]);
    assert!(!log.path.join("0000000050.wal").exists());
    for _ in 0..10 {
        wal.append(&[9; 1000]).await.unwrap();
    }
    assert_eq!(fs::read(log.path.join("0000000051.wal")).unwrap(), b"somebody else's");
    assert_eq!(fs::read(log.path.join("notes.txt")).unwrap(), b"somebody else's");
    assert!(log.path.join("0000000052.wal").exists());
}

#[tokio::test]
async fn creation_that_was_interrupted_is_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::new(EngineConfig::default()).unwrap();
    for content in [vec![], vec![0; 100], vec![0; 8192]] {
        fs::write(dir.path().join("control"), content).unwrap();
        let opened = Wal::open(&engine, dir.path(), config()).await;
        assert!(matches!(opened, Err(WalError::NotFound { .. })));
    }
    let wal = Wal::create(&engine, dir.path(), config()).await.unwrap();
    assert_eq!(wal.append(b"x").await.unwrap(), 1);
}
