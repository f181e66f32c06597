//! `IoEngine`: batches and copies from readers.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use bytes::Bytes;
use rustfs_rio::{
    BatchOperation, DiskFile, IoEngine, OpenOptions, RuntimeHandle, get_io_engine, init_io_engine,
    init_runtime,
};
use std::io::IoSliceMut;

async fn file(runtime: &RuntimeHandle, dir: &tempfile::TempDir) -> DiskFile {
    let options = OpenOptions::new().read(true).write(true).create(true);
    DiskFile::open_with(dir.path().join("batch"), &options, runtime).await.unwrap()
}

#[tokio::test]
async fn a_batch_returns_results_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = init_runtime().unwrap();
    let file = file(&runtime, &dir).await;
    let engine = IoEngine::new(runtime.clone()).unwrap();
    let block = |index: usize| Bytes::from(vec![index as u8; 4096 + index]);
    let writes = (0..200).map(|index| file.batch_write(index as u64 * 8192, block(index))).collect();
    let written = engine.submit_batch(writes).await.unwrap();
    assert_eq!(written, (0..200).map(|index| 4096 + index).collect::<Vec<_>>());
    let sync = BatchOperation::Sync { file: file.engine_file().clone() };
    assert_eq!(engine.submit_batch(vec![sync]).await.unwrap(), [0]);

    let reads = (0..200).map(|index| file.batch_read(index as u64 * 8192, 4096 + index)).collect();
    for (index, bytes) in engine.run_batch(reads).await.into_iter().enumerate() {
        assert_eq!(bytes.unwrap(), block(index));
    }
    let stats = engine.get_stats();
    assert_eq!((stats.operations_total, stats.batch_queue_depth), (401, 0));
    assert!(stats.bytes_transferred > 2 * 200 * 4096);
}

#[tokio::test]
async fn a_failed_operation_is_named_and_the_others_are_carried_out() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = init_runtime().unwrap();
    let file = file(&runtime, &dir).await;
    let engine = IoEngine::new(runtime.clone()).unwrap();
    let read_only = DiskFile::open(dir.path().join("batch"), runtime.clone()).await.unwrap();
    let batch = vec![
        file.batch_write(0, Bytes::from_static(b"first")),
        read_only.batch_write(0, Bytes::from_static(b"refused")),
        file.batch_write(5, Bytes::from_static(b"third")),
    ];
    let error = engine.submit_batch(batch).await.unwrap_err();
    assert_eq!(error.index, 1);
    assert!(error.to_string().contains("operation 1"), "{error}");
    assert_eq!(&*file.read_range(0, 100).await.unwrap(), b"firstthird");
}

#[tokio::test]
async fn reads_append_up_to_the_hint() {
    let engine = IoEngine::basic();
    let source = vec![7u8; 200_000];
    let mut out = b"head".to_vec();
    assert_eq!(engine.zero_copy_read(&source[..], &mut out, Some(10)).await.unwrap(), 10);
    assert_eq!((&out[..4], out.len()), (&b"head"[..], 14));
    let mut out = Vec::new();
    assert_eq!(engine.zero_copy_read(&source[..], &mut out, Some(usize::MAX)).await.unwrap(), 200_000);
    assert_eq!(engine.zero_copy_read(&source[..5], &mut out, None).await.unwrap(), 5);
    let (mut first, mut second) = ([0u8; 4], [0u8; 8]);
    let mut slices = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(engine.vectored_read(&source[..6], &mut slices).await.unwrap(), 6);
    assert_eq!(second[..3], [7, 7, 0]);
}

#[tokio::test]
async fn there_is_one_shared_engine() {
    let first = std::sync::Arc::as_ptr(get_io_engine());
    let runtime = init_runtime().unwrap();
    assert_eq!(std::sync::Arc::as_ptr(init_io_engine(runtime)), first);
}
