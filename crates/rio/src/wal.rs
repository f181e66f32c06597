//! A write-ahead log on the runtime's engine, with the call shapes of the existing API.
//!
//! [`Wal`] derefs to the log itself, which has the rest: reading, truncation, checkpoints, segments, verification.

use crate::error::RuntimeError;
use crate::runtime::RuntimeHandle;
use bytes::Bytes;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

pub use rustfs_rio_wal::{
    Damage, Durability, Imported, Reader as WalReader, Report as WalReport, Salvaged, SegmentInfo,
    SegmentState, Tail, WalEntry, WalError, import_draft, inspect, salvage,
};

/// Settings of a [`Wal`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalConfig {
    /// A commit that waits for more records waits no longer when it has this many, at least 1. Default 100.
    pub batch_size: usize,
    /// Bound on what is acknowledged and not synced, if `sync_after_batch` is off: it is synced this long after at the latest.
    /// 1 us to 60 s. Default 10 ms.
    pub flush_timeout: Duration,
    /// Whether an append is acknowledged when it is on stable storage (default), or when it is in the page cache.
    pub sync_after_batch: bool,
    /// Memory that a batch starts with, in bytes. Default 64 KiB.
    pub buffer_size: usize,
    /// Bound on the time that opening and recovery may take. Default 30 s; `None` is no bound.
    pub scan_timeout: Option<Duration>,
    /// When an append is acknowledged, instead of what `sync_after_batch` and `flush_timeout` say. Default `None`.
    pub durability: Option<Durability>,
    /// Size of a segment file in bytes. Default 64 MiB.
    pub segment_bytes: u64,
    /// Bytes of appends that wait or are being written; further ones wait in order. Default 8 MiB.
    pub pending_bytes_max: usize,
    /// Largest record in bytes. Default 4 MiB.
    pub record_bytes_max: usize,
}

impl Default for WalConfig {
    fn default() -> Self {
        let log = rustfs_rio_wal::WalConfig::default();
        Self {
            batch_size: 100,
            flush_timeout: Duration::from_millis(10),
            sync_after_batch: true,
            buffer_size: log.buffer_bytes,
            scan_timeout: Some(Duration::from_secs(30)),
            durability: None,
            segment_bytes: log.segment_bytes,
            pending_bytes_max: log.pending_bytes_max,
            record_bytes_max: log.record_bytes_max,
        }
    }
}

impl WalConfig {
    fn log(&self) -> rustfs_rio_wal::WalConfig {
        let derived = match self.sync_after_batch {
            true => Durability::Strict,
            false => Durability::Relaxed(self.flush_timeout),
        };
        rustfs_rio_wal::WalConfig {
            durability: self.durability.unwrap_or(derived),
            segment_bytes: self.segment_bytes,
            pending_bytes_max: self.pending_bytes_max,
            record_bytes_max: self.record_bytes_max,
            gather_records: u32::try_from(self.batch_size).unwrap_or(u32::MAX),
            buffer_bytes: self.buffer_size,
            ..rustfs_rio_wal::WalConfig::default()
        }
    }
}

/// A write-ahead log: what an append acknowledged is there after a crash.
///
/// ```
/// use rustfs_rio::{Wal, WalConfig, init_runtime};
///
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?; let path = dir.path().join("log");
/// let runtime = init_runtime()?;
/// let config = WalConfig { segment_bytes: 1 << 20, ..WalConfig::default() };
/// let wal = Wal::new(&path, runtime.clone(), config.clone()).await?;
/// assert_eq!(wal.append("first".into()).await?, 1);
/// assert_eq!(wal.append_batch(vec!["second".into(), "third".into()]).await?, [2, 3]);
/// wal.flush().await?;
/// drop(wal);
///
/// let wal = Wal::open(&path, runtime, config).await?;
/// let mut reader = wal.read_from(3)?;
/// assert_eq!(reader.next().await?.map(|entry| entry.data), Some("third".into()));
/// # Ok(()) }
/// ```
pub struct Wal {
    log: rustfs_rio_wal::Wal,
    /// Keeps the engine for as long as the log.
    _runtime: RuntimeHandle,
}

impl Wal {
    /// Makes an empty log in a directory, which is made if it does not exist.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::IoError`] with a [`WalError`] inside: `AlreadyExists` if there is a log, which stays as it is.
    pub async fn new<P: AsRef<Path>>(
        path: P,
        runtime: RuntimeHandle,
        config: WalConfig,
    ) -> Result<Self, RuntimeError> {
        let work = rustfs_rio_wal::Wal::create(runtime.engine(), path, config.log());
        let log = within(config.scan_timeout, work).await?;
        Ok(Self { log, _runtime: runtime })
    }

    /// Opens a log for reading and appending, and recovers what is durable in it.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::IoError`] with a [`WalError`] inside: `NotFound` without a log, `InvalidData` if something durable is
    /// damaged. [`RuntimeError::OperationTimeout`] after [`scan_timeout`](WalConfig::scan_timeout).
    pub async fn open<P: AsRef<Path>>(
        path: P,
        runtime: RuntimeHandle,
        config: WalConfig,
    ) -> Result<Self, RuntimeError> {
        let work = rustfs_rio_wal::Wal::open(runtime.engine(), path, config.log());
        let log = within(config.scan_timeout, work).await?;
        Ok(Self { log, _runtime: runtime })
    }

    /// Appends a record and returns its sequence when it is durable in the sense of the settings.
    ///
    /// # Errors
    ///
    /// A [`WalError`] inside an `io::Error` of its kind.
    pub async fn append(&self, data: Bytes) -> io::Result<u64> {
        Ok(self.log.append(&data).await?)
    }

    /// Appends records together: after a crash all of them are there, or none.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub async fn append_batch(&self, entries: Vec<Bytes>) -> io::Result<Vec<u64>> {
        Ok(self.log.append_batch(&entries).await?)
    }

    /// Appends entries together, with their times and types. Their sequences are assigned by the log.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::IoError`] with a [`WalError`] inside.
    pub async fn append_batch_vectored(&self, entries: Vec<WalEntry>) -> Result<Vec<u64>, RuntimeError> {
        let appended = self.log.append_entries(&entries).await;
        appended.map_err(|error| io::Error::from(error).into())
    }

    /// Waits until everything that was appended before is on stable storage.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub async fn flush(&self) -> io::Result<()> {
        Ok(self.log.flush().await?)
    }

    /// Bytes of all commits since the log was made; 0 for an empty one.
    #[allow(clippy::unused_async, reason = "the existing API awaits it")]
    pub async fn write_position(&self) -> u64 {
        self.log.write_position()
    }
}

impl Deref for Wal {
    type Target = rustfs_rio_wal::Wal;
    fn deref(&self) -> &Self::Target {
        &self.log
    }
}

async fn within<T>(
    bound: Option<Duration>,
    work: impl Future<Output = Result<T, WalError>>,
) -> Result<T, RuntimeError> {
    let result = match bound {
        Some(bound) => tokio::time::timeout(bound, work).await.map_err(|_| RuntimeError::OperationTimeout)?,
        None => work.await,
    };
    result.map_err(|error| io::Error::from(error).into())
}
