//! `DiskFile` as a program meets it: positional operations, the cursor of the tokio traits, errors.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use rustfs_rio::{
    AlignedBuf, AsyncFile, DirectMode, DiskFile, FileError, OpKind, OpenOptions, Refusal, RuntimeConfig,
    RuntimeError, RuntimeHandle, RuntimeType, init_runtime, init_runtime_with_config,
};
use std::io::{ErrorKind, IoSlice, IoSliceMut, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

struct Place {
    dir: TempDir,
    runtime: RuntimeHandle,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), runtime: init_runtime().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn read_write(&self, name: &str) -> DiskFile {
        let options = OpenOptions::new().read(true).write(true).create(true);
        DiskFile::open_with(self.path(name), &options, &self.runtime).await.unwrap()
    }

    async fn close(self) {
        let report = self.runtime.shutdown(Duration::from_secs(30)).await;
        assert!(report.is_clean(), "{report:?}");
        let stats = self.runtime.stats();
        assert_eq!(stats.submitted, stats.delivered + stats.reclaimed, "{stats:?}");
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn the_existing_call_shapes_work() {
    let place = Place::new();
    let data = pattern(5 << 20);
    let mut file = DiskFile::create(place.path("object"), place.runtime.clone()).await.unwrap();
    assert_eq!(file.write_object(&data, 0).await.unwrap(), data.len());
    assert_eq!(file.bounded_write(&data[..14], 0).await.unwrap(), 14);
    file.sync_all().await.unwrap();
    AsyncWriteExt::write_all(&mut file, &data[..3]).await.unwrap();
    AsyncWriteExt::flush(&mut file).await.unwrap();
    drop(file);

    let file = DiskFile::open(place.path("object"), place.runtime.clone()).await.unwrap();
    let mut back = vec![0; data.len() + 10];
    assert_eq!(file.read_object(&mut back, 0).await.unwrap(), data.len());
    assert!(back[..data.len()] == data);
    assert_eq!(file.metadata().await.unwrap().len(), data.len() as u64);
    drop(file);
    place.close().await;
}

#[tokio::test]
async fn read_range_is_short_only_at_the_end_and_never_allocates_for_a_wrong_length() {
    let place = Place::new();
    let file = place.read_write("ranges").await;
    let data = pattern(100_000);
    file.write_object(&data, 0).await.unwrap();
    assert_eq!(&*file.read_range(10, 50).await.unwrap(), &data[10..60]);
    assert_eq!(&*file.read_range(99_990, 4096).await.unwrap(), &data[99_990..]);
    assert!(file.read_range(100_000, 1).await.unwrap().is_empty());
    assert!(file.read_range(7, 0).await.unwrap().is_empty());
    let all = file.read_range(0, i64::MAX as u64).await.unwrap();
    assert_eq!(&*all, &data[..]);
    assert!(all.capacity() <= 128 * 1024, "memory follows the file, not the request");
    let error = file.read_range(u64::MAX, 10).await.unwrap_err();
    assert!(matches!(Refusal::of(&error), Some(Refusal::OffsetOverflow { .. })), "{error}");
    drop(file);
    place.close().await;
}

#[tokio::test]
async fn direct_ranges_need_no_alignment_for_reading() {
    let place = Place::new();
    let path = place.path("direct");
    let data = pattern(300_000);
    std::fs::write(&path, &data).unwrap();
    let options = OpenOptions::new().read(true).direct(DirectMode::Auto);
    let file = DiskFile::open_with(&path, &options, &place.runtime).await.unwrap();
    for (offset, len) in [(0, 4096), (1, 1), (4095, 2), (1000, 250_000), (299_999, 100), (123_456, 65_536)] {
        let end = data.len().min(offset + len);
        let read = file.read_range(offset as u64, len as u64).await.unwrap();
        assert!(*read == data[offset..end], "offset {offset}, length {len}");
    }
    drop(file);
    place.close().await;
}

#[tokio::test]
async fn buffers_come_back_with_the_result() {
    let place = Place::new();
    let file = place.read_write("owned").await;
    let (result, buffer) = file.write_from(pattern(1000), 0).await;
    assert_eq!((result.unwrap(), buffer.len()), (1000, 1000));
    let (result, buffer) = file.read_into(AlignedBuf::with_capacity(4096).unwrap(), 500).await;
    assert_eq!(result.unwrap(), 500);
    assert_eq!(&*buffer, &pattern(1000)[500..]);
    let (result, buffers) = file.read_vectored_into(vec![vec![0u8; 10], vec![0u8; 20]], 0).await;
    assert_eq!(result.unwrap(), 30);
    assert_eq!(buffers.concat(), &pattern(1000)[..30]);
    let reader = DiskFile::open(place.path("owned"), place.runtime.clone()).await.unwrap();
    let (result, buffer) = reader.write_from(vec![1, 2, 3], 0).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(buffer, [1, 2, 3], "also after an error");
    drop((file, reader));
    place.close().await;
}

#[tokio::test]
async fn borrowed_vectors_keep_the_existing_shape() {
    let place = Place::new();
    let file = place.read_write("vectors").await;
    let parts = [IoSlice::new(b"one "), IoSlice::new(b"two")];
    assert_eq!(file.write_vectored_at(&parts, 0).await.unwrap(), 7);
    let (mut head, mut tail) = ([0u8; 2], [0u8; 20]);
    let mut bufs = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
    assert_eq!(file.read_vectored_at(&mut bufs, 0).await.unwrap(), 7);
    assert_eq!((&head, &tail[..5]), (b"on", &b"e two"[..]));
    drop(file);
    place.close().await;
}

#[tokio::test]
async fn the_cursor_reads_writes_and_seeks() {
    let place = Place::new();
    let mut file = place.read_write("cursor").await;
    let data = pattern(200_000);
    assert_eq!(file.write_all(&data).await.unwrap(), data.len());
    AsyncWriteExt::write_all(&mut file, b"tail").await.unwrap();
    assert_eq!(
        file.seek(SeekFrom::End(-4)).await.unwrap(),
        200_000,
        "the end includes what was just written"
    );
    let mut tail = String::new();
    file.read_to_string(&mut tail).await.unwrap();
    assert_eq!(tail, "tail");
    file.seek(SeekFrom::Start(0)).await.unwrap();
    let mut back = vec![0; data.len()];
    file.read_exact(&mut back).await.unwrap();
    assert!(back == data);
    assert_eq!(file.seek(SeekFrom::Current(-10)).await.unwrap(), 199_990);
    assert_eq!(file.read_u8().await.unwrap(), data[199_990]);
    let error = file.seek(SeekFrom::Current(-1_000_000)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(file.stream_position().await.unwrap(), 199_991, "a refused seek does not move");
    drop(file);
    place.close().await;
}

#[tokio::test]
async fn a_dropped_read_does_not_lose_bytes_of_the_stream() {
    let place = Place::new();
    let mut file = place.read_write("dropped").await;
    file.write_all(&pattern(1 << 20)).await.unwrap();
    file.rewind().await.unwrap();
    let mut collected = Vec::new();
    let mut chunk = vec![0; 1000];
    while collected.len() < 1 << 20 {
        // Every other read is given up after one poll, wherever it got to.
        let mut read = std::pin::pin!(file.read(&mut chunk));
        let once = std::future::poll_fn(|cx| std::task::Poll::Ready(read.as_mut().poll(cx))).await;
        if let std::task::Poll::Ready(count) = once {
            collected.extend_from_slice(&chunk[..count.unwrap()]);
        } else {
            tokio::task::yield_now().await;
        }
    }
    assert!(collected == pattern(1 << 20));
    drop(file);
    place.close().await;
}

#[tokio::test]
async fn a_failed_cursor_write_is_reported_by_the_next_sync() {
    let place = Place::new();
    // Every write to this device fails with ENOSPC.
    let options = OpenOptions::new().write(true);
    let mut file = DiskFile::open_with("/dev/full", &options, &place.runtime).await.unwrap();
    let accepted = file.write(b"lost?").await;
    let error = match accepted {
        Ok(_) => file.flush_and_sync().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    drop(file);
    place.close().await;
}

#[tokio::test]
async fn errors_name_path_and_operation_and_keep_their_kind() {
    let place = Place::new();
    let missing = place.path("missing");
    let error = DiskFile::open(&missing, place.runtime.clone()).await.unwrap_err();
    let RuntimeError::IoError(failure) = &error else { panic!("{error:?}") };
    assert_eq!(failure.kind(), ErrorKind::NotFound);
    let context = FileError::of(failure.get_ref()).unwrap();
    assert_eq!((context.operation, &context.path), (OpKind::Open, &missing));
    assert!(error.to_string().contains("missing"), "{error}");
    assert_eq!(std::io::Error::from(error).kind(), ErrorKind::NotFound);

    let error = DiskFile::open(place.dir.path(), place.runtime.clone()).await.unwrap_err();
    assert!(matches!(&error, RuntimeError::IoError(f) if f.kind() == ErrorKind::IsADirectory), "{error}");

    let mut written = DiskFile::create(place.path("new"), place.runtime.clone()).await.unwrap();
    let error = written.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    drop(written);
    place.close().await;
}

#[tokio::test]
async fn settings_out_of_range_are_named() {
    let text = |config: RuntimeConfig| init_runtime_with_config(config).unwrap_err().to_string();
    let config = RuntimeConfig { buffer_size: 1, ..Default::default() };
    assert!(text(config).contains("buffer_size is 1"));
    let config = RuntimeConfig { max_concurrent_file_ops: 0, ..Default::default() };
    assert!(text(config).contains("max_concurrent_ops is 0"));
    let config = RuntimeConfig { worker_threads: Some(0), ..Default::default() };
    assert!(text(config).contains("worker_threads is 0"));
    let config = RuntimeConfig { max_blocking_threads: Some(0), ..Default::default() };
    assert!(text(config).contains("blocking_threads_max is 0"));
}

#[test]
fn outside_a_tokio_runtime_there_is_a_typed_error() {
    assert!(matches!(init_runtime(), Err(RuntimeError::RuntimeUnavailable)));
    let handle = RuntimeHandle::new_tokio();
    assert!(!handle.is_healthy());
    assert!(matches!(handle.spawn(async {}), Err(RuntimeError::RuntimeUnavailable)));
}

#[tokio::test]
async fn handles_spawn_and_limit_time() {
    let config = RuntimeConfig {
        runtime_type: RuntimeType::Tokio,
        max_blocking_threads: Some(4),
        ..Default::default()
    };
    let runtime = init_runtime_with_config(config).unwrap();
    assert_eq!(runtime.runtime_type(), RuntimeType::Tokio);
    assert!(!runtime.supports_zero_copy() && runtime.is_healthy());
    assert_eq!(runtime.spawn(async { 42 }).unwrap().await.unwrap(), 42);
    let never = std::future::pending::<()>();
    let result = runtime.execute_with_timeout(never, Duration::from_millis(1)).await;
    assert!(matches!(result, Err(RuntimeError::OperationTimeout)));
    assert!(runtime.shutdown(Duration::from_secs(5)).await.is_clean());
    assert!(!runtime.is_healthy());
    assert!(runtime.shutdown(Duration::from_secs(5)).await.already_down);
    let error = DiskFile::open("/dev/null", runtime.clone()).await.unwrap_err();
    assert!(error.to_string().contains("shut down"), "{error}");
}
