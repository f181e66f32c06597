//! The switches, and what belongs to no part alone.

use super::super::choices::{AdaptationSpeed, BufferPoolStrategy, OptimizationLevel};
use super::super::setting::{Setting, bytes, number, optional, put, show_optional, switch, whole};
use super::SWITCH;
use crate::environment;

const ABOVE_ZERO: &str = "a number above 0, or none";
const SIZE: &str = "4096 to 16777216 bytes";

pub(super) static SETTINGS: [Setting; 20] = [
    Setting {
        name: "enable_buffer_pools",
        allowed: SWITCH,
        variables: &[environment::ENABLE_ADVANCED_BUFFERS],
        get: |config| config.enable_buffer_pools.to_string(),
        set: |config, text| put(&mut config.enable_buffer_pools, switch(text)),
    },
    Setting {
        name: "enable_predictive_prefetching",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.enable_predictive_prefetching.to_string(),
        set: |config, text| put(&mut config.enable_predictive_prefetching, switch(text)),
    },
    Setting {
        name: "enable_adaptive_batching",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.enable_adaptive_batching.to_string(),
        set: |config, text| put(&mut config.enable_adaptive_batching, switch(text)),
    },
    Setting {
        name: "numa_aware",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.numa_aware.to_string(),
        set: |config, text| put(&mut config.numa_aware, switch(text)),
    },
    Setting {
        name: "enable_performance_monitoring",
        allowed: SWITCH,
        variables: &[environment::ENABLE_REALTIME_MONITORING],
        get: |config| config.enable_performance_monitoring.to_string(),
        set: |config, text| put(&mut config.enable_performance_monitoring, switch(text)),
    },
    Setting {
        name: "enable_ml_optimizations",
        allowed: SWITCH,
        variables: &[environment::ENABLE_ML_OPTIMIZATION],
        get: |config| config.enable_ml_optimizations.to_string(),
        set: |config, text| put(&mut config.enable_ml_optimizations, switch(text)),
    },
    Setting {
        name: "enable_pattern_learning",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.enable_pattern_learning.to_string(),
        set: |config, text| put(&mut config.enable_pattern_learning, switch(text)),
    },
    Setting {
        name: "enable_auto_tuning",
        allowed: SWITCH,
        variables: &[environment::AUTO_TUNE_PARAMETERS],
        get: |config| config.enable_auto_tuning.to_string(),
        set: |config, text| put(&mut config.enable_auto_tuning, switch(text)),
    },
    Setting {
        name: "enable_self_healing",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.enable_self_healing.to_string(),
        set: |config, text| put(&mut config.enable_self_healing, switch(text)),
    },
    Setting {
        name: "buffer_pool_strategy",
        allowed: "fixed, adaptive, adaptive_numa, as_configured",
        variables: &[environment::BUFFER_POOL_STRATEGY],
        get: |config| config.buffer_pool_strategy.name().to_owned(),
        set: |config, text| put(&mut config.buffer_pool_strategy, BufferPoolStrategy::from_name(text)),
    },
    Setting {
        name: "max_buffer_pool_size",
        allowed: "512 to 8192 buffers, or none",
        variables: &[environment::MAX_BUFFER_POOL_SIZE],
        get: |config| show_optional(config.max_buffer_pool_size, "none"),
        set: |config, text| {
            put(&mut config.max_buffer_pool_size, optional(text, "none", |text| whole(text, 512, 8192)))
        },
    },
    Setting {
        name: "memory_strategy.min_size",
        allowed: SIZE,
        variables: &[],
        get: |config| config.memory_strategy.numbers().min_size.to_string(),
        set: |config, text| {
            let Some(size) = bytes(text, 4096, 16 << 20) else { return false };
            config.memory_strategy.change(|numbers| numbers.min_size = size as usize);
            true
        },
    },
    Setting {
        name: "memory_strategy.max_size",
        allowed: "4096 to 1073741824 bytes",
        variables: &[],
        get: |config| config.memory_strategy.numbers().max_size.to_string(),
        set: |config, text| {
            let Some(size) = bytes(text, 4096, 1 << 30) else { return false };
            config.memory_strategy.change(|numbers| numbers.max_size = size as usize);
            true
        },
    },
    Setting {
        name: "target_latency_us",
        allowed: ABOVE_ZERO,
        variables: &[environment::TARGET_LATENCY_US],
        get: |config| show_optional(config.target_latency_us, "none"),
        set: |config, text| put(&mut config.target_latency_us, target(text)),
    },
    Setting {
        name: "target_throughput_bps",
        allowed: ABOVE_ZERO,
        variables: &[environment::TARGET_THROUGHPUT_BPS],
        get: |config| show_optional(config.target_throughput_bps, "none"),
        set: |config, text| put(&mut config.target_throughput_bps, target(text)),
    },
    Setting {
        name: "target_iops",
        allowed: ABOVE_ZERO,
        variables: &[environment::TARGET_IOPS],
        get: |config| show_optional(config.target_iops, "none"),
        set: |config, text| put(&mut config.target_iops, target(text)),
    },
    Setting {
        name: "learning_rate",
        allowed: "a number above 0 and at most 1",
        variables: &[environment::LEARNING_RATE],
        get: |config| config.learning_rate.to_string(),
        set: |config, text| put(&mut config.learning_rate, number(text, |value| value > 0.0 && value <= 1.0)),
    },
    Setting {
        name: "adaptation_speed",
        allowed: "slow, medium, fast",
        variables: &[],
        get: |config| config.adaptation_speed.name().to_owned(),
        set: |config, text| put(&mut config.adaptation_speed, AdaptationSpeed::from_name(text)),
    },
    Setting {
        name: "optimization_aggressiveness",
        allowed: "low, medium, high",
        variables: &[environment::OPTIMIZATION_AGGRESSIVENESS],
        get: |config| config.optimization_aggressiveness.name().to_owned(),
        set: |config, text| put(&mut config.optimization_aggressiveness, OptimizationLevel::from_name(text)),
    },
    Setting {
        name: "memory_strategy.growth_factor",
        allowed: "a number above 1 and at most 16",
        variables: &[],
        get: |config| config.memory_strategy.numbers().growth_factor.to_string(),
        set: |config, text| {
            let Some(factor) = number(text, |value| value > 1.0 && value <= 16.0) else { return false };
            config.memory_strategy.change(|numbers| numbers.growth_factor = factor);
            true
        },
    },
];

fn target(text: &str) -> Option<Option<f64>> {
    optional(text, "none", |text| number(text, |value| value > 0.0))
}
