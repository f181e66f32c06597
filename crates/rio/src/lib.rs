//! Asynchronous file I/O for storage services that run on plain multi-threaded tokio.
//!
//! Open files through a [`DiskFile`]; each operation takes the cheapest path: a copy on the calling task for resident data,
//! io_uring for direct and cold transfers, a bounded pool of threads for the rest and wherever io_uring is refused.
//!
//! Modules, in reading order:
//!
//! * [`init_runtime_with_advanced_config`], [`EnhancedRioRuntime`], [`AdvancedRioConfig`]: everything together, each part with its
//!   switch.
//! * [`runtime`]: [`init_runtime`], [`RuntimeHandle`], configuration from code and environment; [`ConfigValue`] says where
//!   each value came from.
//! * [`disk`]: [`DiskFile`] and [`AsyncFile`].
//! * [`AccessRing`]: where reads and writes go, for pictures.
//! * [`BlockCache`]: reads of direct files through a cache of this process.
//! * [`AdvancedBufferPool`], [`MemoryStrategy`]: pools of buffers.
//! * [`monitor`]: [`AdvancedPerformanceMonitor`], live numbers, history, trends and alerts.
//! * [`io_engine`]: [`IoEngine`], batches of operations and copies between readers and memory.
//! * [`wal`]: [`Wal`], a write-ahead log.
//! * With the feature `stream`: readers and writers of stored objects, with the names and call shapes of RustFS 1.0.0-beta.6: `HashReader`,
//!   `CompressReader`, `EncryptReader`, `Checksum`, `Index`, (feature `http`) `HttpReader` and the others; those of `rustfs-rio-v2` in `rio_v2`.
//!
//! ```
//! use rustfs_rio::{DiskFile, init_runtime};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?; let path = dir.path().join("data.bin");
//! let runtime = init_runtime()?;
//! let mut file = DiskFile::create_with_runtime(&path, &runtime).await?;
//! let written = file.write_all(b"forty-two bytes of an object, more or less").await?;
//! file.flush_and_sync().await?;
//!
//! let file = DiskFile::open(&path, runtime.clone()).await?;
//! let object = file.read_range(0, written as u64).await?;
//! assert_eq!(&object[..9], b"forty-two");
//! assert!(runtime.shutdown(std::time::Duration::from_secs(5)).await.is_clean());
//! # Ok(()) }
//! ```
//!
//! Features, all on by default: `stream`, readers and writers of stored objects (and, off by default, `http`); `tune`, the optimizer. Without them files are read
//! and written, monitored and logged.
#![forbid(unsafe_code)]

mod access_ring;
mod buffers;
#[cfg(feature = "tune")]
mod cache;
#[cfg(not(feature = "tune"))]
#[path = "cache_absent.rs"]
mod cache;
mod config;
mod cursor;
pub mod disk;
mod enhanced;
mod environment;
mod error;
mod heal;
pub mod io_engine;
mod live;
pub mod monitor;
#[cfg(feature = "tune")]
pub mod optimizer;
mod origin;
mod owned_task;
#[cfg(feature = "stream")]
mod packing;
pub mod runtime;
#[cfg(feature = "tune")]
mod tuning;
#[cfg(not(feature = "tune"))]
#[path = "tuning_absent.rs"]
mod tuning;
pub mod wal;

pub use access_ring::{AccessRing, RecordedAccess, RecordedFile};
pub use buffers::{AdvancedBufferPool, BufferPoolStats, MemoryStrategy};
#[cfg(feature = "tune")]
pub use cache::{BlockCache, CacheConfig, CacheStats, PrefetchStats};
pub use config::{
    AdaptationSpeed, AdvancedRioConfig, AdvancedRioConfigBuilder, BufferPoolStrategy, ConfigError,
    OptimizationLevel, PredictiveOptimizerConfig,
};
pub use disk::{AsyncFile, DiskFile};
pub use enhanced::{EnhancedRioRuntime, RioRecommendation, init_runtime_with_advanced_config};
pub use environment::EnvironmentError;
pub use error::{IoFailure, RuntimeError};
pub use heal::{Ailment, Trouble};
pub use io_engine::{BatchError, BatchOperation, IoEngine, IoEngineStats, get_io_engine, init_io_engine};
pub use live::LiveParameters;
pub use monitor::{
    AdvancedPerformanceMonitor, AlertSeverity,
    OptimizationRecommendation as MonitorOptimizationRecommendation, PerformanceAlert,
    PerformanceMonitorConfig, PerformanceTrend, RealTimeStats, Recorder, TrendDirection,
};
#[cfg(feature = "tune")]
pub use optimizer::{
    AccessDirection, AccessPattern, AccessPatternType, OptimizationParameters, OptimizationRecommendation,
    OptimizationType, OptimizerError, PredictiveOptimizer,
};
pub use origin::{ConfigValue, Origin};
pub use runtime::{
    RuntimeConfig, RuntimeHandle, RuntimeJoinHandle, RuntimeType, ShutdownReport, init_runtime,
    init_runtime_with_config,
};
pub use rustfs_rio_buf::{
    AlignedBuf, BufferError, BufferPool, ClassStats, ControlGroup, IoBuf, IoBufMut, Leak, NoRoom, NodeStats,
    PoolConfig, PoolError, PoolStats, PooledBuf as OptimizedBuffer, Pressure, PressureGauge, Slice, Upkeep,
    memory_limit,
};
pub use rustfs_rio_engine::{
    Advice, Backend, Capabilities, DirectMode, EngineError, EngineStats, FileError, OpKind, OpenOptions,
    Refusal, RingRefusal, Stat, UnalignedWrites,
};
#[cfg(feature = "stream")]
pub use rustfs_rio_stream::checksum::{
    Algorithm, BASE_CHECKSUM_TYPES, Checksum, ChecksumHasher, ChecksumType, Crc32CastagnoliHasher,
    Crc32IeeeHasher, Crc64NvmeHasher, MultiHasher, RUSTFS_MULTIPART_CHECKSUM, RUSTFS_MULTIPART_CHECKSUM_TYPE,
    SHA256_SIZE, Sha1Hasher, Sha256Hasher, decode_varint, get_content_checksum, read_checksums,
    read_part_checksums,
};
#[cfg(feature = "stream")]
pub use rustfs_rio_stream::error::{
    BadDigest, ChecksumMismatch, IncompleteBody, InvalidChecksum, Sha256Mismatch, SizeMismatch, SizeTooLarge,
    SizeTooSmall, is_checksum_mismatch,
};
#[cfg(feature = "stream")]
pub use rustfs_rio_stream::hash::{HashReader, TrailingHeaders};
#[cfg(feature = "stream")]
pub use rustfs_rio_stream::reader::{
    DynReader, EtagReader, EtagResolvable, HardLimitReader, HashReaderDetector, HashReaderMut, LimitReader,
    ReadStream, Reader, ReaderCapabilities, TryGetIndex, WarpReader, boxed_reader, read_full,
    read_full_or_eof, resolve_etag_generic, wrap_reader, write_all,
};
#[cfg(feature = "stream")]
pub use rustfs_rio_stream::rustfs::{
    CompressReader, CompressionAlgorithm, DEFAULT_ENCRYPTION_BLOCK_SIZE, DecompressReader, DecryptReader,
    EncryptReader, Index, compress_block, decompress_block, multipart_part_nonce,
};
#[cfg(feature = "http")]
pub use rustfs_rio_stream::transport::{
    HttpReader, HttpWriter, InternodeHttpError, InternodeHttpErrorKind, InternodeHttpRequestContext,
};
#[cfg(feature = "stream")]
pub use rustfs_rio_stream::{
    DataKey, Writer, checksum, codec, dare, keys, pack, pipeline, reader, rio_v2, rustfs, s2,
};
#[cfg(feature = "tune")]
pub use rustfs_rio_tune::{
    Codec, Decision, DecisionId, DecisionState, Group, Parameter, Parameters, RequestError,
};
pub use wal::{Wal, WalConfig, WalEntry};
