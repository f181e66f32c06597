//! The write-ahead log with the call shapes of the existing API.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::Bytes;
use rustfs_rio::{RuntimeError, Wal, WalConfig, WalEntry, init_runtime};
use std::io;
use std::time::{Duration, SystemTime};

fn config() -> WalConfig {
    WalConfig { batch_size: 10, sync_after_batch: true, segment_bytes: 1 << 20, ..Default::default() }
}

#[tokio::test]
async fn appends_are_numbered_from_one_and_are_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wal");
    let runtime = init_runtime().unwrap();
    let wal = Wal::new(&path, runtime.clone(), config()).await.unwrap();
    assert_eq!(wal.write_position().await, 0);
    assert_eq!(wal.append(Bytes::from("one")).await.unwrap(), 1);
    assert_eq!(wal.append_batch(vec!["two".into(), "three".into()]).await.unwrap(), [2, 3]);
    let entry = WalEntry::new(42, "four".into());
    assert_eq!(wal.append_batch_vectored(vec![entry]).await.unwrap(), [4]);
    wal.flush().await.unwrap();
    assert!(wal.write_position().await > 0);
    let Err(RuntimeError::IoError(failure)) = Wal::new(&path, runtime.clone(), config()).await else {
        panic!("made a log over another one")
    };
    assert_eq!(failure.kind(), io::ErrorKind::ResourceBusy);
    drop(wal);
    let Err(RuntimeError::IoError(failure)) = Wal::new(&path, runtime.clone(), config()).await else {
        panic!("made a log over another one")
    };
    assert_eq!(failure.kind(), io::ErrorKind::AlreadyExists);
    let wal = Wal::open(&path, runtime.clone(), config()).await.unwrap();
    let mut reader = wal.read_from(1).unwrap();
    for expected in ["one", "two", "three", "four"] {
        assert_eq!(reader.next().await.unwrap().unwrap().data, expected);
    }
    assert_eq!(wal.append("five".into()).await.unwrap(), 5);
    wal.close().await.unwrap();
    assert_eq!(wal.append("six".into()).await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert!(runtime.shutdown(Duration::from_secs(5)).await.is_clean());
}

#[tokio::test]
async fn what_is_not_synced_at_once_is_synced_by_flush() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = init_runtime().unwrap();
    let config = WalConfig { sync_after_batch: false, ..config() };
    let wal = Wal::new(dir.path().join("wal"), runtime, config).await.unwrap();
    for number in 1..=50 {
        assert_eq!(wal.append("data".into()).await.unwrap(), number);
    }
    wal.flush().await.unwrap();
    assert_eq!(wal.verify().await.unwrap(), 50);
}

#[tokio::test]
async fn opening_has_a_bound_and_bad_settings_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = init_runtime().unwrap();
    let none = dir.path().join("none");
    let result = Wal::open(&none, runtime.clone(), config()).await;
    assert!(
        matches!(result, Err(RuntimeError::IoError(failure)) if failure.kind() == io::ErrorKind::NotFound)
    );
    let config = WalConfig { batch_size: 0, ..config() };
    let Err(error) = Wal::new(&none, runtime, config).await else { panic!("0 is no batch size") };
    assert!(error.to_string().contains("gather_records is 0"), "{error}");
    assert!(!none.exists());
}

#[test]
fn entries_serialise() {
    let entry = WalEntry {
        sequence: 42,
        data: "test data".into(),
        timestamp: SystemTime::UNIX_EPOCH + Duration::new(5, 6),
        entry_type: 3,
    };
    let bytes = entry.serialize();
    let (back, used) = WalEntry::deserialize(&bytes).unwrap();
    assert_eq!((back, used), (entry, bytes.len()));
    for (bytes, text) in [(&bytes[..31], "too short"), (&bytes[..35], "truncated")] {
        let error = WalEntry::deserialize(bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains(text), "{error}");
    }
    let mut flipped = bytes.to_vec();
    flipped[33] ^= 1;
    assert!(WalEntry::deserialize(&flipped).is_err());
}
