//! Buffers of the runtime, and reads into them.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use rustfs_rio::{DiskFile, PoolError, RuntimeConfig, RuntimeHandle};
use std::io::ErrorKind;
use std::time::Duration;

fn handle(buffer_memory: u64, io_timeout: Duration) -> RuntimeHandle {
    RuntimeHandle::new(RuntimeConfig { buffer_memory, io_timeout, ..RuntimeConfig::default() }).unwrap()
}

#[tokio::test]
async fn reads_use_the_same_memory_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object");
    std::fs::write(&path, vec![7; 300_000]).unwrap();
    let handle = handle(64 << 20, Duration::from_secs(30));
    let file = DiskFile::open(&path, handle.clone()).await.unwrap();
    for offset in 0..50 {
        let part = file.read_range(offset * 1000, 100_000).await.unwrap();
        assert!(part.len() == 100_000 && part.iter().all(|byte| *byte == 7));
    }
    let stats = handle.buffer_pool().stats();
    assert_eq!((stats.hits, stats.misses, stats.outstanding, stats.buffers), (49, 1, 0, 1));
    assert!(handle.shutdown(Duration::from_secs(5)).await.is_clean());
}

#[tokio::test]
async fn a_buffer_is_written_and_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object");
    let handle = handle(64 << 20, Duration::from_secs(30));
    let mut file = DiskFile::create_with_runtime(&path, &handle).await.unwrap();
    let mut buffer = handle.get_optimized_buffer(5000).await.unwrap();
    assert!(buffer.is_empty() && buffer.capacity() >= 5000);
    buffer.resize(5000, 3).unwrap();
    assert_eq!(file.write_all(&buffer).await.unwrap(), 5000);
    let (written, buffer) = file.write_from(buffer, 5000).await;
    assert_eq!((written.unwrap(), buffer.len()), (5000, 5000));
    assert_eq!(std::fs::read(&path).unwrap(), vec![3; 10_000]);
}

#[tokio::test]
async fn the_bound_is_an_error_that_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object");
    std::fs::write(&path, vec![7; 3 << 20]).unwrap();
    // The wait below is this long; opening, which it bounds too, has to fit on a busy machine.
    let handle = handle(1 << 20, Duration::from_secs(1));
    let file = DiskFile::open(&path, handle.clone()).await.unwrap();
    let error = file.read_range(0, 3 << 20).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let source = error.get_ref().and_then(|source| source.downcast_ref::<PoolError>());
    assert!(matches!(source, Some(PoolError::TooLarge { .. })), "{error:?}");
    // Who holds all memory and asks for more does not wait for ever.
    let held = handle.get_optimized_buffer(1 << 20).await.unwrap();
    let error = file.read_range(0, 1).await.unwrap_err();
    assert!(error.kind() == ErrorKind::TimedOut && error.to_string().contains("buffer_memory"), "{error}");
    drop(held);
    assert_eq!(file.read_range(0, 1).await.unwrap()[..], [7]);
}

#[tokio::test]
async fn waiting_reads_get_their_turn() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object");
    std::fs::write(&path, vec![7; 1 << 20]).unwrap();
    let handle = handle(2 << 20, Duration::from_secs(30));
    let file = std::sync::Arc::new(DiskFile::open(&path, handle.clone()).await.unwrap());
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let file = file.clone();
            tokio::spawn(async move {
                let part = file.read_range(0, 1 << 20).await.unwrap();
                tokio::task::yield_now().await;
                part.len()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 1 << 20);
    }
    let stats = handle.buffer_pool().stats();
    assert!(stats.buffers_peak <= 2 && stats.outstanding == 0, "{stats:?}");
}

#[test]
fn an_impossible_bound_is_refused() {
    let config = RuntimeConfig { buffer_memory: 4096, ..RuntimeConfig::default() };
    let error = RuntimeHandle::new(config).unwrap_err();
    assert!(error.to_string().contains("buffer_memory is 4096"), "{error}");
}
