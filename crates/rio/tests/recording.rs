//! The log, the readers and the packs count what they do in the runtime's recorder, and in none if it has none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")]
#![cfg(feature = "stream")]

use rustfs_rio::dare::Cipher;
use rustfs_rio::keys::{KeyId, MemoryKeys};
use rustfs_rio::monitor::{ErrorClass, FileClass, Operation, Path, Snapshot, operation_stats};
use rustfs_rio::pack::{Decoder, Encoder};
use rustfs_rio::rustfs::{
    CompressReader, CompressionAlgorithm, DecompressReader, DecryptReader, EncryptReader,
};
use rustfs_rio::{
    AdvancedPerformanceMonitor, DataKey, HashReader, PerformanceMonitorConfig, RuntimeConfig, RuntimeHandle,
    Wal, WalConfig, init_runtime_with_config, wrap_reader,
};
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;

const KEY: [u8; 32] = [7; 32];
const NONCE: [u8; 12] = [3; 12];
const MIB: usize = 1 << 20;

/// A runtime whose monitor does not collect by itself.
fn watched() -> (AdvancedPerformanceMonitor, RuntimeHandle) {
    let config = PerformanceMonitorConfig { enable_real_time_dashboard: false, ..Default::default() };
    let monitor = AdvancedPerformanceMonitor::new(config);
    let config = RuntimeConfig { recorder: Some(monitor.recorder()), ..Default::default() };
    let runtime = init_runtime_with_config(config).unwrap();
    (monitor, runtime)
}

/// Operations, bytes and errors of a kind.
fn counts(snapshot: &Snapshot, operation: Operation) -> (u64, u64, u64) {
    let totals = snapshot.operation(operation);
    // Whatever is counted on blocks is timed, too.
    assert!(totals.operations == 0 || totals.latency.count() > 0, "{operation:?} has no times");
    (totals.operations, totals.bytes, totals.errors)
}

fn content() -> Vec<u8> {
    (0..3 * MIB + 1000).map(|i| (i / 64) as u8).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_counts_appends_commits_and_its_recovery() {
    let (monitor, runtime) = watched();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let config = WalConfig { segment_bytes: MIB as u64, ..WalConfig::default() };
    let wal = Wal::new(&path, runtime.clone(), config.clone()).await.unwrap();
    wal.append("one".into()).await.unwrap();
    wal.append_batch(vec!["two".into(), "three".into()]).await.unwrap();
    assert!(wal.append(Vec::new().into()).await.is_err(), "a record without data");
    let before = monitor.recorder().snapshot();
    assert_eq!(counts(&before, Operation::Append), (2, 11, 0), "a refused record is no append");
    let (commits, bytes, errors) = counts(&before, Operation::Commit);
    assert!(commits == 2 && bytes > 11 && errors == 0, "{commits} commits of {bytes} bytes");
    assert_eq!(counts(&before, Operation::Recover), (0, 0, 0));
    assert!(before.class(FileClass::Log).operations >= 4);
    wal.close().await.unwrap();
    drop(wal);
    let wal = Wal::open(&path, runtime.clone(), config.clone()).await.unwrap();
    assert_eq!(counts(&monitor.recorder().snapshot(), Operation::Recover), (1, 11, 0));
    wal.close().await.unwrap();
    drop(wal);
    // A durable record that is not what was written.
    let segment = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.filter(|path| !path.ends_with("control")).min();
    if let Some(segment) = segment {
        let mut bytes = std::fs::read(&segment).unwrap();
        let at = bytes.windows(3).position(|three| three == b"one").unwrap();
        bytes[at] ^= 1;
        std::fs::write(&segment, bytes).unwrap();
        assert!(Wal::open(&path, runtime.clone(), config).await.is_err());
        let errors: Vec<_> = monitor.recorder().snapshot().errors().collect();
        assert!(errors.contains(&(Operation::Recover, ErrorClass::Damaged, 1)), "{errors:?}");
    }
    runtime.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_readers_counts_each_stage() {
    let (monitor, runtime) = watched();
    let content = content();
    let hashed = HashReader::new(
        wrap_reader(Cursor::new(content.clone())),
        content.len() as i64,
        content.len() as i64,
        None,
        None,
        false,
    )
    .unwrap();
    let compressed = CompressReader::new(hashed, CompressionAlgorithm::Zstd);
    let mut writer = EncryptReader::new(compressed, KEY, NONCE);
    runtime.record_reader(&mut writer);
    let mut stored = Vec::new();
    writer.read_to_end(&mut stored).await.unwrap();
    let written = monitor.recorder().snapshot();
    // The MD5 of an object is computed below the reader.
    let (_, hashed, _) = counts(&written, Operation::Checksum);
    assert_eq!(hashed, content.len() as u64);
    assert_eq!(counts(&written, Operation::Compress), (4, content.len() as u64, 0), "blocks of 1 MiB");
    let (sealed, bytes, _) = counts(&written, Operation::Encrypt);
    assert!(sealed > 0 && bytes > 0 && bytes < stored.len() as u64, "{bytes} of {}", stored.len());

    let recorder = monitor.recorder();
    let decrypted = DecryptReader::new(Cursor::new(stored.clone()), KEY, NONCE).recorded(&recorder);
    let mut reader = DecompressReader::new(decrypted, CompressionAlgorithm::Zstd).recorded(&recorder);
    let mut back = Vec::new();
    reader.read_to_end(&mut back).await.unwrap();
    assert!(back == content);
    let read = recorder.snapshot().since(&written);
    assert_eq!(counts(&read, Operation::Decrypt).1, stored.len() as u64);
    assert_eq!(counts(&read, Operation::Decompress).1, bytes);

    let middle = stored.len() / 2;
    stored[middle] ^= 1;
    let mut damaged = DecryptReader::new(Cursor::new(stored), KEY, NONCE).recorded(&recorder);
    for _ in 0..3 {
        assert!(damaged.read_to_end(&mut back).await.is_err());
    }
    let errors: Vec<_> = recorder.snapshot().errors().collect();
    assert_eq!(errors, [(Operation::Decrypt, ErrorClass::Damaged, 1)], "one damage is one error");
    // Stages touch no file and have no part in its rates.
    let operations = operation_stats(&recorder.snapshot(), Duration::from_secs(1));
    assert!(operations.iter().all(|stats| stats.operation.is_stage() && stats.path == Path::Inline));
    assert!(operations.iter().all(|stats| stats.operation.is_composite()));
    runtime.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_count_compression_encryption_and_checksums() {
    let (monitor, runtime) = watched();
    let content = content();
    let keys = Arc::new(MemoryKeys::new(KeyId::new("test").unwrap(), DataKey::from(KEY)));
    let options = runtime.pack_options().encrypt(Cipher::Aes256Gcm, Arc::<MemoryKeys>::clone(&keys));
    let mut pack = Vec::new();
    let mut encoder = Encoder::new(&options, &mut pack).unwrap();
    encoder.push(&content, &mut pack).unwrap();
    encoder.finish(&mut pack).unwrap();
    let written = monitor.recorder().snapshot();
    for operation in [Operation::Compress, Operation::Encrypt, Operation::Checksum] {
        assert_eq!(counts(&written, operation).0, 4, "{operation:?} per frame");
    }
    assert_eq!(counts(&written, Operation::Compress).1, content.len() as u64);

    let decode = |pack: &[u8]| {
        let mut decoder = Decoder::new(runtime.read_options().keys(Arc::<MemoryKeys>::clone(&keys)));
        let (mut out, mut rest) = (Vec::new(), pack);
        while !rest.is_empty() {
            let used = decoder.push(rest, &mut out)?;
            rest = &rest[used..];
        }
        decoder.finish().map(|_| out)
    };
    assert!(decode(&pack).unwrap() == content);
    let read = monitor.recorder().snapshot().since(&written);
    assert_eq!(counts(&read, Operation::Decompress), (4, content.len() as u64, 0));
    assert!(counts(&read, Operation::Decrypt).0 >= 4, "frames and the end");
    let middle = pack.len() / 2;
    pack[middle] ^= 1;
    assert!(decode(&pack).is_err());
    assert_eq!(monitor.recorder().snapshot().errors_of(ErrorClass::Damaged), 1);

    // Without a monitor the options record nowhere.
    let plain = init_runtime_with_config(RuntimeConfig::default()).unwrap();
    assert!(plain.recorder().is_none());
    let before = monitor.recorder().snapshot();
    let mut pack = Vec::new();
    Encoder::new(&plain.pack_options(), &mut pack).unwrap().push(&content, &mut pack).unwrap();
    assert_eq!(monitor.recorder().snapshot(), before);
    runtime.shutdown(Duration::from_secs(10)).await;
    plain.shutdown(Duration::from_secs(10)).await;
}
