//! Each operation is recorded once, where it ended, with its bytes, its class and its error.

#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use rustfs_rio_engine::monitor::{ErrorClass, FileClass, Key, Operation, Path, Recorder, Snapshot};
use rustfs_rio_engine::sim::{self, SimDisk};
use rustfs_rio_engine::{Backend, Engine, EngineConfig, OpenOptions, RingUse};
use std::sync::Arc;
use std::time::Duration;

const BLOCK: usize = 4096;

fn options() -> OpenOptions {
    OpenOptions::new().read(true).write(true).create(true)
}

/// Opens, writes, syncs, reads, looks at and closes a file of logs.
async fn work(engine: &Engine, path: &std::path::Path) {
    let file = engine.open(path, &options().class(FileClass::Log)).await.unwrap();
    let (written, _) = file.write_at(vec![7; BLOCK], 0).await;
    assert_eq!(written.unwrap(), BLOCK);
    file.sync_data().await.unwrap();
    let (read, _) = file.read_at(Vec::with_capacity(BLOCK), 0).await;
    assert_eq!(read.unwrap(), BLOCK);
    assert_eq!(file.stat().await.unwrap().size, BLOCK as u64);
    file.close().await.unwrap();
    assert!(engine.shutdown(Duration::from_secs(10)).await.is_clean());
}

/// What `work` must leave behind, whichever path it took.
fn check(snapshot: &Snapshot) {
    let expected = [
        (Operation::Open, 1, 0),
        (Operation::Write, 1, BLOCK as u64),
        (Operation::Sync, 1, 0),
        (Operation::Read, 1, BLOCK as u64),
        (Operation::Close, 1, 0),
    ];
    for (operation, count, bytes) in expected {
        let totals = snapshot.operation(operation);
        assert_eq!((totals.operations, totals.bytes, totals.errors), (count, bytes, 0), "{operation:?}");
        assert_eq!(totals.latency.count(), count, "an idle thread times every {operation:?}");
    }
    // Opening looks at the file too.
    assert!(snapshot.operation(Operation::Metadata).operations >= 1);
    assert!(snapshot.iter().all(|(key, _)| key.class == FileClass::Log), "{snapshot:?}");
}

fn config(backend: Backend, ring: RingUse, inline: bool) -> (Arc<Recorder>, EngineConfig) {
    let recorder = Arc::new(Recorder::new());
    let config = EngineConfig {
        backend,
        ring,
        inline,
        recorder: Some(Arc::clone(&recorder)),
        ..EngineConfig::default()
    };
    (recorder, config)
}

#[tokio::test]
async fn every_backend_records_each_operation_once() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        (Backend::Auto, RingUse::IfAvailable, true),
        (Backend::Auto, RingUse::IfAvailable, false),
        (Backend::Blocking, RingUse::Off, false),
    ];
    for (backend, ring, inline) in cases {
        let (recorder, config) = config(backend, ring, inline);
        let engine = Engine::new(config).unwrap();
        let has_ring = engine.capabilities().rings > 0;
        work(&engine, &dir.path().join("file")).await;
        let snapshot = recorder.snapshot();
        check(&snapshot);
        let read =
            |path| snapshot.totals(|key| key == Key::new(Operation::Read, path, FileClass::Log)).operations;
        match (inline, has_ring) {
            // A file system without non-blocking reads sends them to the ring, or to the pool.
            (true, _) => assert_eq!(read(Path::Inline) + read(Path::Ring) + read(Path::Blocking), 1),
            (false, true) => assert_eq!(read(Path::Ring), 1),
            (false, false) => assert_eq!(read(Path::Blocking), 1),
        }
    }
}

#[tokio::test]
async fn the_simulated_device_records_too() {
    let (recorder, config) = config(Backend::Auto, RingUse::Off, false);
    let engine = sim::engine(config, &SimDisk::new(7)).unwrap();
    work(&engine, std::path::Path::new("file")).await;
    check(&recorder.snapshot());
    assert!(recorder.snapshot().iter().all(|(key, _)| key.path == Path::Other));
}

#[tokio::test]
async fn errors_are_recorded_by_class() {
    let (recorder, config) = config(Backend::Auto, RingUse::IfAvailable, true);
    let engine = Engine::new(config).unwrap();
    let dir = tempfile::tempdir().unwrap();
    engine.open(dir.path().join("absent"), &OpenOptions::new().read(true)).await.unwrap_err();
    let file = engine.open(dir.path().join("file"), &options()).await.unwrap();
    // No file system knows all of these flags.
    file.allocate(i32::MAX, 0, 4096).await.unwrap_err();
    let snapshot = recorder.snapshot();
    assert_eq!(snapshot.errors_of(ErrorClass::Access), 1);
    assert_eq!(snapshot.errors_of(ErrorClass::Invalid), 1);
    let opened = snapshot.operation(Operation::Open);
    assert_eq!((opened.operations, opened.errors), (2, 1));
}
