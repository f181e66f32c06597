//! The assembly: an engine with its pool, its monitor and its optimizer, each with its switch.
//!
//! [`init_runtime_with_advanced_config`] makes an [`EnhancedRioRuntime`], which owns every task behind it.
//!
//! ```
//! use rustfs_rio::{AdvancedRioConfig, DiskFile, init_runtime_with_advanced_config};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?; let path = dir.path().join("data.bin");
//! let runtime = init_runtime_with_advanced_config(AdvancedRioConfig {
//!     enable_buffer_pools: true,
//!     enable_performance_monitoring: true,
//!     ..Default::default()
//! })
//! .await?;
//! let mut disk_file = DiskFile::create_with_runtime(&path, runtime.base_runtime()).await?;
//! let mut optimized_buffer = runtime.get_optimized_buffer(1024 * 1024).await?;
//! optimized_buffer.extend_from_slice(&[7; 4096])?;
//! let bytes_written = disk_file.write_all(&optimized_buffer).await?;
//! assert_eq!(bytes_written, 4096);
//! runtime.record_performance("write_operation", 120.0, 34e6).await;
//! runtime.record_access("write_operation", 0, bytes_written).await;
//! for recommendation in runtime.get_optimization_recommendations().await {
//!     println!("{recommendation}");
//! }
//! drop((disk_file, optimized_buffer));
//! assert!(runtime.shutdown(std::time::Duration::from_secs(5)).await.is_clean());
//! # Ok(()) }
//! ```

mod recommendation;
#[cfg(feature = "tune")]
mod tuned;

pub use recommendation::RioRecommendation;

use crate::buffers::AdvancedBufferPool;
#[cfg(feature = "tune")]
use crate::cache::{BlockCache, CacheStats, PrefetchStats};
use crate::config::{AdvancedRioConfig, Layers};
use crate::error::RuntimeError;
use crate::heal::{Healer, Trouble};
use crate::live::LiveParameters;
use crate::monitor::AdvancedPerformanceMonitor;
use crate::runtime::{RuntimeConfig, RuntimeHandle, ShutdownReport, init_runtime_with_config};
use crate::tuning::Tuning;
use crate::{ConfigValue, OptimizedBuffer};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// An engine with everything around it. Clones are the same runtime; when the last is dropped without
/// [`shutdown`](Self::shutdown), tasks end at their next await and the engine within a second.
#[derive(Clone)]
pub struct EnhancedRioRuntime {
    parts: Arc<Parts>,
}

struct Parts {
    config: AdvancedRioConfig,
    base: RuntimeHandle,
    pool: Option<AdvancedBufferPool>,
    monitor: Option<AdvancedPerformanceMonitor>,
    tuning: Tuning,
    healer: Option<Healer>,
}

/// Makes a runtime on the current tokio runtime, which must have been built with `enable_all()`.
///
/// # Errors
///
/// [`RuntimeError::InitializationFailed`] naming a setting, its value and what is allowed, or saying why io_uring, where it was
/// demanded, is refused; [`RuntimeError::RuntimeUnavailable`] outside a tokio runtime.
pub async fn init_runtime_with_advanced_config(
    config: AdvancedRioConfig,
) -> Result<EnhancedRioRuntime, RuntimeError> {
    Layers::read(config.config_file.as_deref()).into_result()?;
    config.check()?;
    tokio::runtime::Handle::try_current().map_err(|_| RuntimeError::RuntimeUnavailable)?;
    let pool = if config.enable_buffer_pools {
        let pool = AdvancedBufferPool::try_new(config.effective_strategy()).map_err(io::Error::from)?;
        Some(pool)
    } else {
        None
    };
    let monitor = config
        .enable_performance_monitoring
        .then(|| AdvancedPerformanceMonitor::try_new(config.effective_monitoring()))
        .transpose()
        .map_err(|error| RuntimeError::InitializationFailed(error.to_string()))?;
    let own = || config.runtime_config.recorder.clone().or_else(|| Tuning::recorder(&config));
    let base = init_runtime_with_config(RuntimeConfig {
        recorder: monitor.as_ref().map(AdvancedPerformanceMonitor::recorder).or_else(own),
        gather: config.enable_adaptive_batching && config.runtime_config.gather,
        keep_buffers: config.enable_buffer_pools && config.runtime_config.keep_buffers,
        #[cfg(feature = "tune")]
        cache: config.effective_cache(),
        ..config.runtime_config.clone()
    })?;
    let tuning = Tuning::start(&config, &base, pool.as_ref())?;
    if let Some(monitor) = &monitor {
        monitor.attach(&base);
    }
    let alerts = monitor.as_ref().map(AdvancedPerformanceMonitor::alert_sender);
    let healer = config.enable_self_healing.then(|| Healer::start(&base, pool.as_ref(), alerts, None));
    let healer = healer.transpose()?;
    Ok(EnhancedRioRuntime { parts: Arc::new(Parts { config, base, pool, monitor, tuning, healer }) })
}

impl EnhancedRioRuntime {
    /// The handle that files are opened with.
    #[must_use]
    pub fn base_runtime(&self) -> &RuntimeHandle {
        &self.parts.base
    }

    /// The pool of buffers, if [`enable_buffer_pools`](AdvancedRioConfig::enable_buffer_pools) is on.
    #[must_use]
    pub fn buffer_pool(&self) -> Option<&AdvancedBufferPool> {
        self.parts.pool.as_ref()
    }

    /// The monitor, if [`enable_performance_monitoring`](AdvancedRioConfig::enable_performance_monitoring) is on.
    #[must_use]
    pub fn performance_monitor(&self) -> Option<&AdvancedPerformanceMonitor> {
        self.parts.monitor.as_ref()
    }

    /// The cache for reads of direct files, if there is one.
    #[cfg(feature = "tune")]
    #[must_use]
    pub fn block_cache(&self) -> Option<&BlockCache> {
        self.parts.base.block_cache()
    }

    /// What the cache did and holds, if there is one.
    #[cfg(feature = "tune")]
    #[must_use]
    pub fn cache_stats(&self) -> Option<CacheStats> {
        self.block_cache().map(BlockCache::stats)
    }

    /// What was read ahead and what became of it, if
    /// [`enable_predictive_prefetching`](AdvancedRioConfig::enable_predictive_prefetching) is on.
    #[cfg(feature = "tune")]
    #[must_use]
    pub fn prefetch_stats(&self) -> Option<PrefetchStats> {
        self.block_cache().and_then(BlockCache::prefetch_stats)
    }

    /// The settings the runtime was made with.
    #[must_use]
    pub fn config(&self) -> &AdvancedRioConfig {
        &self.parts.config
    }

    /// Trouble that is there now, with what was seen, and what is done about it. Looked for once a second; empty if
    /// [`enable_self_healing`](AdvancedRioConfig::enable_self_healing) is off.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        self.parts.healer.as_ref().map(Healer::troubles).unwrap_or_default()
    }

    /// Every setting with its value and where it came from.
    #[must_use]
    pub fn config_values(&self) -> Vec<ConfigValue> {
        self.parts.config.describe()
    }

    /// The tuned parameters, as they are in force now.
    #[must_use]
    pub fn live_parameters(&self) -> &LiveParameters {
        self.parts.base.live()
    }

    /// An empty buffer with room for `size_hint` bytes, of the pool or, without one, of the system.
    ///
    /// # Errors
    ///
    /// As [`RuntimeHandle::get_optimized_buffer`].
    pub async fn get_optimized_buffer(&self, size_hint: usize) -> Result<OptimizedBuffer, RuntimeError> {
        match &self.parts.pool {
            Some(pool) if !self.parts.base.engine().is_shut_down() => {
                let patience = self.parts.base.config().io_timeout;
                let buffer = pool.get_optimized_buffer_within(size_hint, patience).await;
                Ok(buffer.map_err(io::Error::from)?)
            }
            _ => Ok(self.parts.base.get_optimized_buffer(size_hint).await?),
        }
    }

    /// Takes a measurement that the program made itself: a latency in microseconds and bytes per second. Each operation becomes two
    /// metrics of the monitor, `{operation}.latency_us` and `{operation}.throughput_bps`.
    pub async fn record_performance(&self, operation: &str, latency_us: f64, throughput_bps: f64) {
        if let Some(monitor) = &self.parts.monitor {
            monitor.record_metric(&format!("{operation}.latency_us"), latency_us).await;
            monitor.record_metric(&format!("{operation}.throughput_bps"), throughput_bps).await;
        }
        self.parts.tuning.record_performance(operation, latency_us, throughput_bps).await;
    }

    /// Takes an access that the program made past this runtime's files, whose own accesses are seen anyway.
    pub async fn record_access(&self, operation: &str, offset: u64, size: usize) {
        self.parts.tuning.record_access(operation, offset, size).await;
    }

    /// What would help, most urgent first.
    pub async fn get_optimization_recommendations(&self) -> Vec<RioRecommendation> {
        let mut all = Vec::new();
        if let Some(monitor) = &self.parts.monitor {
            let found = monitor.get_optimization_recommendations().await;
            all.extend(found.into_iter().map(RioRecommendation::from));
        }
        all.extend(self.parts.tuning.recommendations().await);
        all.sort_by_key(|recommendation| std::cmp::Reverse(recommendation.priority));
        all
    }

    /// Refuses new operations, waits for those in flight, ends every task and thread, and reports what did not end within
    /// `deadline`. Safe to call more than once.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let until = Instant::now() + deadline;
        let mut tasks_left = usize::from(!self.parts.tuning.end(until).await);
        if let Some(healer) = &self.parts.healer {
            tasks_left += usize::from(!healer.end(until).await);
        }
        let mut report = self.parts.base.shutdown(until.saturating_duration_since(Instant::now())).await;
        if let Some(pool) = &self.parts.pool {
            pool.dismiss().await;
        }
        if let Some(monitor) = &self.parts.monitor {
            let ending = tokio::time::timeout_at(until, monitor.shutdown());
            tasks_left += usize::from(ending.await.is_err());
        }
        report.tasks_left += tasks_left;
        report
    }
}

impl std::fmt::Debug for EnhancedRioRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnhancedRioRuntime")
            .field("base", &self.parts.base)
            .field("has_pool", &self.parts.pool.is_some())
            .field("has_monitor", &self.parts.monitor.is_some())
            .field("heals", &self.parts.healer.is_some())
            .finish_non_exhaustive()
    }
}
