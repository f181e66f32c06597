//! One configuration for everything: [`AdvancedRioConfig`].
//!
//! * this file: the fields and what they switch.
//! * `choices`: the closed sets that some fields choose from. `predictive`: the optimizer's part.
//! * `builder`: the same with one call per setting.
//! * `settings`: every setting by name; `setting`: how one is written. `layers`: file and environment below code.

mod builder;
mod choices;
mod layers;
mod predictive;
mod setting;
pub(crate) mod settings;

pub use builder::AdvancedRioConfigBuilder;
pub use choices::{AdaptationSpeed, BufferPoolStrategy, OptimizationLevel};
pub use layers::ConfigError;
pub use predictive::PredictiveOptimizerConfig;

pub(crate) use layers::Layers;
pub(crate) use setting::{Setting, switch};

use crate::buffers::MemoryStrategy;
#[cfg(feature = "tune")]
use crate::cache::CacheConfig;
use crate::error::RuntimeError;
use crate::monitor::{PerformanceMonitorConfig, Targets};
use crate::runtime::RuntimeConfig;
use std::path::{Path, PathBuf};

/// Settings of an [`EnhancedRioRuntime`](crate::EnhancedRioRuntime).
///
/// ```
/// use rustfs_rio::{AdvancedRioConfig, OptimizationLevel};
///
/// let config = AdvancedRioConfig {
///     enable_predictive_prefetching: false,
///     optimization_aggressiveness: OptimizationLevel::Low,
///     target_latency_us: Some(500.0),
///     ..Default::default()
/// };
/// assert!(config.enable_buffer_pools && config.check().is_ok());
/// ```
#[derive(Debug, Clone)]
pub struct AdvancedRioConfig {
    /// Memory for buffers is kept and used again. Off: each buffer is taken from the system and goes back to it. Default on.
    pub enable_buffer_pools: bool,
    /// Data that is about to be read is read ahead into the cache of blocks. Default on.
    pub enable_predictive_prefetching: bool,
    /// Submissions to io_uring gather while others are under way. Off: one system call per operation. Default on.
    pub enable_adaptive_batching: bool,
    /// Memory for buffers is taken near the processor that asks for it. Default off.
    pub numa_aware: bool,
    /// Operations are counted and timed; numbers, trends and alerts are there. Default on.
    pub enable_performance_monitoring: bool,
    /// The optimizer is there: patterns, recommendations, and what the two switches below add. Off: none of it. Default on.
    pub enable_ml_optimizations: bool,
    /// The optimizer sees accesses and learns patterns from them. Default on.
    pub enable_pattern_learning: bool,
    /// The optimizer changes parameters by itself, within their bounds, measures what came of it and takes back what did not help.
    /// Default on.
    pub enable_auto_tuning: bool,
    /// Somebody looks for trouble around the engine once a second and reacts to it, see [`Ailment`](crate::Ailment). Off: nobody
    /// looks, no file is refused on a disk that is nearly full, and only the engine's own reactions are left. Default on.
    pub enable_self_healing: bool,
    /// Sizes and bound of the pool behind [`EnhancedRioRuntime::buffer_pool`](crate::EnhancedRioRuntime::buffer_pool).
    pub memory_strategy: MemoryStrategy,
    /// Overrides the form of `memory_strategy`. Default: as that says.
    pub buffer_pool_strategy: BufferPoolStrategy,
    /// Overrides the number of buffers of `memory_strategy`, 512 to 8192. Default: as that says.
    pub max_buffer_pool_size: Option<usize>,
    /// 99th percentile of latency to keep below, in microseconds. Default none.
    pub target_latency_us: Option<f64>,
    /// Bytes per second to keep above. Default none.
    pub target_throughput_bps: Option<f64>,
    /// Operations per second to keep above. Default none.
    pub target_iops: Option<f64>,
    /// Weight of what was just measured against what was known, above 0 and at most 1. Default 0.1.
    pub learning_rate: f64,
    /// How long the optimizer looks before it decides. Default medium.
    pub adaptation_speed: AdaptationSpeed,
    /// How large a step the optimizer dares. Default medium.
    pub optimization_aggressiveness: OptimizationLevel,
    /// Settings of the monitor. Its targets are those above where they are set.
    pub performance_config: PerformanceMonitorConfig,
    /// Settings of the optimizer.
    pub predictive_config: PredictiveOptimizerConfig,
    /// Settings of the engine and of files.
    pub runtime_config: RuntimeConfig,
    /// The file that values were read from, to name it as their origin.
    pub config_file: Option<PathBuf>,
}

impl Default for AdvancedRioConfig {
    /// Built-in defaults, then the file that `RUSTFS_RIO_CONFIG` names, then the environment. What is wrong in either counts as not
    /// said here, and is reported when a runtime is made.
    fn default() -> Self {
        Layers::read(None).config
    }
}

impl AdvancedRioConfig {
    /// Built-in defaults, then this file, then the environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: the file cannot be read, is not TOML, has a key that no setting has, or the file or a variable has a value
    /// that is not allowed.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Layers::read(Some(path.as_ref())).into_result()
    }

    /// Built-in defaults, then the file that `RUSTFS_RIO_CONFIG` names, then the environment.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_env() -> Result<Self, ConfigError> {
        Layers::read(None).into_result()
    }

    /// What is wrong with the file that `RUSTFS_RIO_CONFIG` names and with the environment. Nothing that is listed here counts, and
    /// no runtime is made while there is anything.
    #[must_use]
    pub fn problems() -> Vec<ConfigError> {
        Layers::read(None).problems
    }

    /// A builder that starts with [`from_env`](Self::from_env).
    pub fn builder() -> AdvancedRioConfigBuilder {
        AdvancedRioConfigBuilder::new(Layers::read(None).into_result())
    }

    /// What nobody changed.
    #[must_use]
    pub fn built_in() -> Self {
        Self {
            enable_buffer_pools: true,
            enable_predictive_prefetching: true,
            enable_adaptive_batching: true,
            numa_aware: false,
            enable_performance_monitoring: true,
            enable_ml_optimizations: true,
            enable_pattern_learning: true,
            enable_auto_tuning: true,
            enable_self_healing: true,
            memory_strategy: MemoryStrategy::default(),
            buffer_pool_strategy: BufferPoolStrategy::default(),
            max_buffer_pool_size: None,
            target_latency_us: None,
            target_throughput_bps: None,
            target_iops: None,
            learning_rate: 0.1,
            adaptation_speed: AdaptationSpeed::default(),
            optimization_aggressiveness: OptimizationLevel::default(),
            performance_config: PerformanceMonitorConfig::default(),
            predictive_config: PredictiveOptimizerConfig::default(),
            runtime_config: RuntimeConfig::built_in(),
            config_file: None,
        }
    }

    /// Checks what belongs to no part alone; parts check theirs when they are made.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::InitializationFailed`] naming the field, its value and what is allowed.
    pub fn check(&self) -> Result<(), RuntimeError> {
        let fail = |text: String| Err(RuntimeError::InitializationFailed(text));
        if !(self.learning_rate > 0.0 && self.learning_rate <= 1.0) {
            return fail(format!(
                "learning_rate is {}, expected a number above 0 and at most 1",
                self.learning_rate
            ));
        }
        if let Some(size) = self.max_buffer_pool_size
            && !(512..=8192).contains(&size)
        {
            return fail(format!("max_buffer_pool_size is {size}, expected 512 to 8192 buffers"));
        }
        let targets = [
            ("target_latency_us", self.target_latency_us),
            ("target_throughput_bps", self.target_throughput_bps),
            ("target_iops", self.target_iops),
        ];
        for (name, target) in targets {
            if let Some(value) = target.filter(|value| !(value.is_finite() && *value > 0.0)) {
                return fail(format!("{name} is {value}, expected a number above 0"));
            }
        }
        Ok(())
    }

    /// The cache that the switch for reading ahead asks for. Off: what the engine's settings say, and nothing is read ahead.
    #[cfg(feature = "tune")]
    pub(crate) fn effective_cache(&self) -> Option<CacheConfig> {
        let asked = self.runtime_config.cache.clone();
        if self.enable_predictive_prefetching {
            return Some(asked.unwrap_or_default());
        }
        asked.map(|cache| CacheConfig { prefetch: false, ..cache })
    }

    /// What the pool of buffers is made with.
    pub(crate) fn effective_strategy(&self) -> MemoryStrategy {
        self.buffer_pool_strategy.apply(&self.memory_strategy, self.numa_aware, self.max_buffer_pool_size)
    }

    /// What the monitor is made with.
    pub(crate) fn effective_monitoring(&self) -> PerformanceMonitorConfig {
        let own = self.performance_config.targets;
        let targets = Targets {
            latency_us: self.target_latency_us.or(own.latency_us),
            throughput_bps: self.target_throughput_bps.or(own.throughput_bps),
            iops: self.target_iops.or(own.iops),
            ..own
        };
        PerformanceMonitorConfig { targets, ..self.performance_config.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named() {
        let refused = |config: AdvancedRioConfig| config.check().unwrap_err().to_string();
        let text = refused(AdvancedRioConfig { learning_rate: 0.0, ..Default::default() });
        assert!(text.contains("learning_rate is 0, expected a number above 0 and at most 1"), "{text}");
        let text = refused(AdvancedRioConfig { target_iops: Some(f64::NAN), ..Default::default() });
        assert!(text.contains("target_iops is NaN"), "{text}");
        let text = refused(AdvancedRioConfig { max_buffer_pool_size: Some(511), ..Default::default() });
        assert!(text.contains("max_buffer_pool_size is 511, expected 512 to 8192"), "{text}");
    }

    #[test]
    fn targets_reach_the_monitor() {
        let config = AdvancedRioConfig { target_latency_us: Some(250.0), ..Default::default() };
        assert_eq!(config.effective_monitoring().targets.latency_us, Some(250.0));
    }
}
