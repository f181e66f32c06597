//! Whoever keeps copies of a file's content hears of every change, before it begins and before anybody sees its result.
#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

mod lab;

use lab::Kind;
use parking_lot::Mutex;
use rustfs_rio_buf::AlignedBuf;
use rustfs_rio_engine::sim::SimDisk;
use rustfs_rio_engine::{Change, ContentWatcher, DirectMode, EngineConfig, OpenOptions, UnalignedWrites};
use std::sync::Arc;

#[derive(Default)]
struct Log(Mutex<Vec<(bool, u64, u64)>>);

impl ContentWatcher for Log {
    fn change_begins(&self, change: Change) {
        self.0.lock().push((true, change.offset, change.end));
    }
    fn change_ended(&self, change: Change) {
        self.0.lock().push((false, change.offset, change.end));
    }
}

impl Log {
    fn take(&self) -> Vec<(bool, u64, u64)> {
        std::mem::take(&mut *self.0.lock())
    }
}

/// Attempts on the calling task that come to nothing are told too.
fn told(log: &Log) -> Vec<(bool, u64, u64)> {
    let all = log.take();
    assert!(all.chunks(2).all(|told| told == &all[..2]), "{all:?}");
    all[..2.min(all.len())].to_vec()
}

fn pair(offset: u64, end: u64) -> Vec<(bool, u64, u64)> {
    vec![(true, offset, end), (false, offset, end)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_change_is_told_on_every_backend() {
    for kind in Kind::ALL {
        let disk = SimDisk::new(1);
        let Some(engine) = kind.engine(EngineConfig::default(), &disk) else { continue };
        let directory = tempfile::tempdir().unwrap();
        let path = if kind == Kind::Sim { "/file".into() } else { directory.path().join("file") };
        let options = OpenOptions::new().read(true).write(true).create(true);
        let file = engine.open(&path, &options).await.unwrap();
        let log = Arc::new(Log::default());
        assert!(file.watch_content(Arc::clone(&log) as _));
        assert!(!file.watch_content(Arc::clone(&log) as _), "one watcher per open file");

        file.write_at(vec![1; 100], 10).await.0.unwrap();
        assert_eq!(told(&log), pair(10, 110), "{kind:?}");
        file.write_slice_at(&[2; 50], 5).await.unwrap();
        assert_eq!(told(&log), pair(5, 55), "{kind:?}");
        file.write_vectored_at(vec![vec![3; 7], vec![4; 8]], 100).await.0.unwrap();
        assert_eq!(told(&log), pair(100, 115), "{kind:?}");
        file.write_durable_at(vec![5; 9], 0).await.0.unwrap();
        assert_eq!(told(&log), pair(0, 9), "{kind:?}");
        file.set_len(20).await.unwrap();
        assert_eq!(told(&log), pair(20, u64::MAX), "{kind:?}");
        file.allocate(0, 0, 8192).await.unwrap();
        assert_eq!(told(&log), pair(u64::MAX, u64::MAX), "{kind:?}");
        file.sync_all().await.unwrap();
        file.read_at(Vec::with_capacity(10), 0).await.0.unwrap();
        assert_eq!(log.take(), [], "{kind:?}");

        let appending = engine.open(&path, &OpenOptions::new().append(true)).await.unwrap();
        appending.watch_content(Arc::clone(&log) as _);
        appending.write_at(vec![6; 3], 0).await.0.unwrap();
        assert_eq!(told(&log), pair(u64::MAX, u64::MAX), "{kind:?}");
    }
}

#[tokio::test]
async fn blocks_that_are_read_modified_and_written_are_told_whole() {
    let disk = SimDisk::new(2);
    let engine = rustfs_rio_engine::sim::engine(EngineConfig::default(), &disk).unwrap();
    let options = OpenOptions::new().read(true).write(true).create(true).direct(DirectMode::On);
    let options = options.unaligned_writes(UnalignedWrites::ReadModifyWrite);
    let file = engine.open("/file", &options).await.unwrap();
    let log = Arc::new(Log::default());
    file.watch_content(Arc::clone(&log) as _);
    file.write_at(AlignedBuf::copy_from(&[1; 100]).unwrap(), 700).await.0.unwrap();
    let told = log.take();
    assert_eq!(&told[..2], &pair(512, 1024)[..]);
    // The size goes back to what was written.
    assert_eq!(&told[2..], &pair(800, u64::MAX)[..]);
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_ends_when_the_device_is_done_with_it() {
    let disk = SimDisk::new(3);
    let engine = rustfs_rio_engine::sim::engine(EngineConfig::default(), &disk).unwrap();
    let file = engine.open("/file", &OpenOptions::new().write(true).create(true)).await.unwrap();
    let log = Arc::new(Log::default());
    file.watch_content(Arc::clone(&log) as _);
    disk.hang();
    let mut write = Box::pin(file.write_at(vec![1; 10], 0));
    assert!(futures_poll(write.as_mut()).is_pending());
    drop(write);
    while disk.hung() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.take(), [(true, 0, 10)]);
    disk.release_hung();
    while log.0.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.take(), [(false, 0, 10)]);
}

fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}
