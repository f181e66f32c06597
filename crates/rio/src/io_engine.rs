//! Batches of operations over several files, and copies between readers and memory.

use crate::disk::DiskFile;
use crate::error::RuntimeError;
use crate::runtime::{RuntimeHandle, RuntimeType};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rustfs_rio_engine::File;
use std::io::{self, IoSliceMut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::Semaphore;

/// What one [`zero_copy_read`](IoEngine::zero_copy_read) takes in without a hint.
const DEFAULT_READ: usize = 64 * 1024;

/// Runs operations with a bound of its own on how many are in flight.
pub struct IoEngine {
    runtime: RuntimeHandle,
    permits: Arc<Semaphore>,
    concurrency: usize,
    operations: AtomicU64,
    bytes: AtomicU64,
    queued: AtomicUsize,
}

/// One operation of a batch.
#[derive(Debug, Clone)]
pub enum BatchOperation {
    /// Read `len` bytes at `offset`; the bytes are returned.
    Read {
        /// The file.
        file: File,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len: usize,
    },
    /// Write `data` at `offset`.
    Write {
        /// The file.
        file: File,
        /// First byte.
        offset: u64,
        /// What to write.
        data: Bytes,
    },
    /// Make the file's data durable: `fdatasync(2)`. Operations of a batch run concurrently, so a sync covers only writes
    /// that completed before the batch was submitted.
    Sync {
        /// The file.
        file: File,
    },
}

/// An operation of a batch failed.
#[derive(Debug, thiserror::Error)]
#[error("operation {index} of the batch failed: {source}")]
pub struct BatchError {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// The cause.
    #[source]
    pub source: io::Error,
}

/// Counters of an [`IoEngine`].
#[derive(Debug, Clone)]
pub struct IoEngineStats {
    /// Operations completed.
    pub operations_total: u64,
    /// Bytes read and written by them.
    pub bytes_transferred: u64,
    /// Operations of batches that wait or run.
    pub batch_queue_depth: usize,
    /// How operations that have to wait are carried out.
    pub runtime_type: RuntimeType,
    /// Whether direct transfers avoid a copy by this process.
    pub zero_copy_enabled: bool,
}

impl IoEngine {
    /// An engine with the concurrency of the runtime's configuration.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::RuntimeUnavailable`] if the runtime is shut down.
    pub fn new(runtime: RuntimeHandle) -> Result<Self, RuntimeError> {
        if runtime.engine().is_shut_down() {
            return Err(RuntimeError::RuntimeUnavailable);
        }
        let concurrency = runtime.config().io_engine_concurrency;
        Ok(Self::with_concurrency(runtime, concurrency))
    }

    /// An engine on blocking threads, without io_uring, for 1024 operations at a time.
    #[must_use]
    pub fn basic() -> Self {
        Self::with_concurrency(RuntimeHandle::new_tokio(), 1024)
    }

    fn with_concurrency(runtime: RuntimeHandle, concurrency: usize) -> Self {
        Self {
            runtime,
            permits: Arc::new(Semaphore::new(concurrency)),
            concurrency,
            operations: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            queued: AtomicUsize::new(0),
        }
    }

    /// The runtime behind the engine.
    #[must_use]
    pub fn runtime(&self) -> &RuntimeHandle {
        &self.runtime
    }

    /// Appends up to `hint_size` bytes (64 KiB without a hint) from `reader` to `buf`, straight into its spare capacity, and
    /// returns how many; fewer only at the reader's end. What `buf` held stays in front.
    ///
    /// # Errors
    ///
    /// The reader's error; bytes that arrived before it are in `buf`.
    pub async fn zero_copy_read<R>(
        &self,
        mut reader: R,
        buf: &mut Vec<u8>,
        hint_size: Option<usize>,
    ) -> io::Result<usize>
    where
        R: AsyncRead + Unpin + Send,
    {
        let want = hint_size.unwrap_or(DEFAULT_READ);
        let before = buf.len();
        // A hint is a promise of the caller's, not of the data: memory follows what arrives.
        buf.reserve(want.min(DEFAULT_READ));
        let mut limited = (&mut reader).take(want as u64);
        let result = limited.read_to_end(buf).await;
        self.count(buf.len() - before);
        result
    }

    /// Fills the slices in order from `reader` and returns the bytes read, fewer only at the reader's end.
    ///
    /// # Errors
    ///
    /// The reader's error.
    pub async fn vectored_read<R>(&self, mut reader: R, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize>
    where
        R: AsyncRead + Unpin + Send,
    {
        let mut total = 0;
        for buffer in buffers {
            let mut filled = 0;
            while filled < buffer.len() {
                let count = reader.read(&mut buffer[filled..]).await?;
                if count == 0 {
                    self.count(total + filled);
                    return Ok(total + filled);
                }
                filled += count;
            }
            total += filled;
        }
        self.count(total);
        Ok(total)
    }

    /// Runs all operations concurrently within the engine's bound and returns the byte counts in the order of the
    /// operations. Reads only report how much they read; use [`run_batch`](Self::run_batch) for the bytes.
    ///
    /// # Errors
    ///
    /// The first failed operation in the order of the batch; all others were still carried out.
    pub async fn submit_batch(&self, operations: Vec<BatchOperation>) -> Result<Vec<usize>, BatchError> {
        let results = self.run_batch(operations).await;
        let count = |(index, result): (usize, io::Result<Bytes>)| match result {
            Ok(bytes) => Ok(bytes.len()),
            Err(source) => Err(BatchError { index, source }),
        };
        results.into_iter().enumerate().map(count).collect()
    }

    /// Runs all operations concurrently within the engine's bound and returns each one's result in their order: the bytes
    /// that a read read or a write wrote, nothing for a sync.
    pub async fn run_batch(&self, operations: Vec<BatchOperation>) -> Vec<io::Result<Bytes>> {
        self.queued.fetch_add(operations.len(), Ordering::Relaxed);
        let queued = QueueGuard { engine: self, left: operations.len() };
        let queued = parking_lot::Mutex::new(queued);
        let tasks = operations.into_iter().map(|operation| async {
            let result = self.run(operation).await;
            queued.lock().finish_one();
            result
        });
        stream::iter(tasks).buffered(self.concurrency).collect().await
    }

    async fn run(&self, operation: BatchOperation) -> io::Result<Bytes> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await.map_err(io::Error::other)?;
        let bytes = match operation {
            BatchOperation::Read { file, offset, len } => {
                let size = file.stat().await?.size.saturating_sub(offset);
                let len = len.min(usize::try_from(size).unwrap_or(usize::MAX));
                let (result, buffer) = file.read_at(Vec::with_capacity(len), offset).await;
                result?;
                let mut bytes = Bytes::from(buffer);
                bytes.truncate(len);
                bytes
            }
            BatchOperation::Write { file, offset, data } => {
                let (result, data) = file.write_at(data, offset).await;
                result?;
                data
            }
            BatchOperation::Sync { file } => {
                file.sync_data().await?;
                Bytes::new()
            }
        };
        self.count(bytes.len());
        Ok(bytes)
    }

    fn count(&self, bytes: usize) {
        self.operations.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Current counters.
    #[must_use]
    pub fn get_stats(&self) -> IoEngineStats {
        IoEngineStats {
            operations_total: self.operations.load(Ordering::Relaxed),
            bytes_transferred: self.bytes.load(Ordering::Relaxed),
            batch_queue_depth: self.queued.load(Ordering::Relaxed),
            runtime_type: self.runtime.runtime_type(),
            zero_copy_enabled: self.runtime.supports_zero_copy(),
        }
    }
}

/// Keeps the queue depth true when a batch is dropped half-way.
struct QueueGuard<'a> {
    engine: &'a IoEngine,
    left: usize,
}

impl QueueGuard<'_> {
    fn finish_one(&mut self) {
        self.left -= 1;
        self.engine.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for QueueGuard<'_> {
    fn drop(&mut self) {
        self.engine.queued.fetch_sub(self.left, Ordering::Relaxed);
    }
}

impl DiskFile {
    /// A read of this file as part of a batch.
    #[must_use]
    pub fn batch_read(&self, offset: u64, len: usize) -> BatchOperation {
        BatchOperation::Read { file: self.engine_file().clone(), offset, len }
    }

    /// A write to this file as part of a batch.
    #[must_use]
    pub fn batch_write(&self, offset: u64, data: Bytes) -> BatchOperation {
        BatchOperation::Write { file: self.engine_file().clone(), offset, data }
    }
}

static SHARED: OnceLock<Arc<IoEngine>> = OnceLock::new();

/// The process-wide engine. The first call makes it: with the environment's settings inside a tokio runtime, on blocking
/// threads outside of one or if those settings are refused.
pub fn get_io_engine() -> &'static Arc<IoEngine> {
    SHARED.get_or_init(|| {
        let engine = crate::runtime::init_runtime().and_then(IoEngine::new);
        Arc::new(engine.unwrap_or_else(|error| {
            tracing::warn!(%error, "the shared I/O engine uses blocking threads");
            IoEngine::basic()
        }))
    })
}

/// Makes the process-wide engine with this runtime, unless there is one already, and returns it.
pub fn init_io_engine(runtime: RuntimeHandle) -> &'static Arc<IoEngine> {
    SHARED.get_or_init(|| {
        let concurrency = runtime.config().io_engine_concurrency;
        Arc::new(IoEngine::with_concurrency(runtime, concurrency))
    })
}
