//! The configuration with one call per setting, and a check at the end.

use super::{
    AdaptationSpeed, AdvancedRioConfig, BufferPoolStrategy, ConfigError, OptimizationLevel, settings,
};
use crate::buffers::MemoryStrategy;
use crate::error::RuntimeError;
use crate::monitor::PerformanceMonitorConfig;
use crate::runtime::RuntimeConfig;
use crate::{Origin, PredictiveOptimizerConfig};

/// Makes an [`AdvancedRioConfig`].
///
/// ```
/// use rustfs_rio::AdvancedRioConfig;
///
/// let config = AdvancedRioConfig::builder().auto_tuning(false).target_latency_us(500.0).build()?;
/// assert!(!config.enable_auto_tuning);
/// let refused = AdvancedRioConfig::builder().set("runtime.queue_depth", "0").build();
/// assert!(refused.is_err_and(|error| error.to_string().contains("1 to 4096")));
/// # Ok::<(), rustfs_rio::RuntimeError>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct AdvancedRioConfigBuilder {
    config: AdvancedRioConfig,
    failed: Option<RuntimeError>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($field:ident: $type:ty);)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, value: $type) -> Self {
            self.config.$field = value.into();
            self
        }
    )*};
}

impl AdvancedRioConfigBuilder {
    pub(super) fn new(start: Result<AdvancedRioConfig, ConfigError>) -> Self {
        match start {
            Ok(config) => Self { config, failed: None },
            Err(error) => Self { config: AdvancedRioConfig::built_in(), failed: Some(error.into()) },
        }
    }

    setters! {
        /// [`AdvancedRioConfig::enable_buffer_pools`].
        buffer_pools(enable_buffer_pools: bool);
        /// [`AdvancedRioConfig::enable_predictive_prefetching`].
        predictive_prefetching(enable_predictive_prefetching: bool);
        /// [`AdvancedRioConfig::enable_adaptive_batching`].
        adaptive_batching(enable_adaptive_batching: bool);
        /// [`AdvancedRioConfig::numa_aware`].
        numa_aware(numa_aware: bool);
        /// [`AdvancedRioConfig::enable_performance_monitoring`].
        performance_monitoring(enable_performance_monitoring: bool);
        /// [`AdvancedRioConfig::enable_ml_optimizations`].
        ml_optimizations(enable_ml_optimizations: bool);
        /// [`AdvancedRioConfig::enable_pattern_learning`].
        pattern_learning(enable_pattern_learning: bool);
        /// [`AdvancedRioConfig::enable_auto_tuning`].
        auto_tuning(enable_auto_tuning: bool);
        /// [`AdvancedRioConfig::enable_self_healing`].
        self_healing(enable_self_healing: bool);
        /// [`AdvancedRioConfig::memory_strategy`].
        memory_strategy(memory_strategy: MemoryStrategy);
        /// [`AdvancedRioConfig::buffer_pool_strategy`].
        buffer_pool_strategy(buffer_pool_strategy: BufferPoolStrategy);
        /// [`AdvancedRioConfig::max_buffer_pool_size`], in buffers.
        max_buffer_pool_size(max_buffer_pool_size: usize);
        /// [`AdvancedRioConfig::target_latency_us`], in microseconds.
        target_latency_us(target_latency_us: f64);
        /// [`AdvancedRioConfig::target_throughput_bps`], in bytes per second.
        target_throughput_bps(target_throughput_bps: f64);
        /// [`AdvancedRioConfig::target_iops`], in operations per second.
        target_iops(target_iops: f64);
        /// [`AdvancedRioConfig::learning_rate`].
        learning_rate(learning_rate: f64);
        /// [`AdvancedRioConfig::adaptation_speed`].
        adaptation_speed(adaptation_speed: AdaptationSpeed);
        /// [`AdvancedRioConfig::optimization_aggressiveness`].
        optimization_aggressiveness(optimization_aggressiveness: OptimizationLevel);
        /// [`AdvancedRioConfig::performance_config`].
        performance_config(performance_config: PerformanceMonitorConfig);
        /// [`AdvancedRioConfig::predictive_config`].
        predictive_config(predictive_config: PredictiveOptimizerConfig);
        /// [`AdvancedRioConfig::runtime_config`].
        runtime_config(runtime_config: RuntimeConfig);
    }

    /// Sets any setting by its name and as text, as in the file. A mistake is reported by [`build`](Self::build).
    pub fn set(mut self, name: &str, value: &str) -> Self {
        let error = match settings::find(name) {
            Some(setting) if (setting.set)(&mut self.config, value) => return self,
            Some(setting) => {
                format!("{name} is {value:?}, set by {}; allowed: {}", Origin::Code, setting.allowed)
            }
            None => format!("there is no setting {name}; the nearest is {}", super::layers::nearest(name)),
        };
        self.failed.get_or_insert(RuntimeError::InitializationFailed(error));
        self
    }

    /// The configuration.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::InitializationFailed`] naming the first setting that is wrong, its value and what is allowed: of the file,
    /// of the environment, or set here.
    pub fn build(self) -> Result<AdvancedRioConfig, RuntimeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.config.check()?;
        Ok(self.config)
    }
}
