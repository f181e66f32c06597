//! Environment variables, by the names of the contract. Values are parsed once, into types; a bad value is an error, never a
//! silent default.

use crate::config::AdvancedRioConfig;
use crate::runtime::RuntimeType;

pub(crate) const ENABLE_ADVANCED_BUFFERS: &str = "RUSTFS_ENABLE_ADVANCED_BUFFERS";
pub(crate) const ENABLE_ML_OPTIMIZATION: &str = "RUSTFS_ENABLE_ML_OPTIMIZATION";
pub(crate) const ENABLE_REALTIME_MONITORING: &str = "RUSTFS_ENABLE_REALTIME_MONITORING";
pub(crate) const AUTO_TUNE_PARAMETERS: &str = "RUSTFS_AUTO_TUNE_PARAMETERS";
pub(crate) const BUFFER_POOL_STRATEGY: &str = "RUSTFS_BUFFER_POOL_STRATEGY";
pub(crate) const MAX_BUFFER_POOL_SIZE: &str = "RUSTFS_MAX_BUFFER_POOL_SIZE";
pub(crate) const LEARNING_RATE: &str = "RUSTFS_LEARNING_RATE";
pub(crate) const PATTERN_ANALYSIS_INTERVAL: &str = "RUSTFS_PATTERN_ANALYSIS_INTERVAL";
pub(crate) const METRICS_COLLECTION_INTERVAL: &str = "RUSTFS_METRICS_COLLECTION_INTERVAL";
pub(crate) const PERFORMANCE_ALERT_THRESHOLD: &str = "RUSTFS_PERFORMANCE_ALERT_THRESHOLD";
pub(crate) const OPTIMIZATION_AGGRESSIVENESS: &str = "RUSTFS_OPTIMIZATION_AGGRESSIVENESS";
pub(crate) const TARGET_LATENCY_US: &str = "RUSTFS_TARGET_LATENCY_US";
pub(crate) const TARGET_THROUGHPUT_BPS: &str = "RUSTFS_TARGET_THROUGHPUT_BPS";
pub(crate) const TARGET_IOPS: &str = "RUSTFS_TARGET_IOPS";
pub(crate) const ENABLE_IO_URING: &str = "RUSTFS_ENABLE_IO_URING";
pub(crate) const FORCE_RUNTIME: &str = "RUSTFS_FORCE_RUNTIME";
pub(crate) const MAX_CONCURRENT_FILE_OPS: &str = "RUSTFS_MAX_CONCURRENT_FILE_OPS";
pub(crate) const IO_ENGINE_CONCURRENCY: &str = "RUSTFS_IO_ENGINE_CONCURRENCY";
/// Names the configuration file.
pub(crate) const CONFIG_FILE: &str = "RUSTFS_RIO_CONFIG";

/// An environment variable with a value that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} is {value:?}; allowed: {allowed}")]
pub struct EnvironmentError {
    /// Name of the variable.
    pub variable: &'static str,
    /// Its value.
    pub value: String,
    /// What it may be.
    pub allowed: &'static str,
}

/// A variable that sets something.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) allowed: &'static str,
    /// What it does; `None`: it sets the settings that name it, as they take it.
    pub(crate) set: Option<fn(&mut AdvancedRioConfig, &str) -> bool>,
}

const fn plain(name: &'static str, allowed: &'static str) -> Variable {
    Variable { name, allowed, set: None }
}

const SWITCH: &str = "true, false, 1, 0, on, off";
const COUNT: &str = "a whole number from 1 to 65536";
const SECONDS: &str = "a number of seconds above 0";
const TARGET: &str = "a number above 0";

/// All of them, the stronger of two that set the same later.
pub(crate) static VARIABLES: [Variable; 18] = [
    plain(ENABLE_ADVANCED_BUFFERS, SWITCH),
    plain(ENABLE_ML_OPTIMIZATION, SWITCH),
    plain(ENABLE_REALTIME_MONITORING, SWITCH),
    plain(AUTO_TUNE_PARAMETERS, SWITCH),
    plain(BUFFER_POOL_STRATEGY, "fixed, adaptive, adaptive_numa"),
    plain(MAX_BUFFER_POOL_SIZE, "a whole number of buffers from 512 to 8192"),
    plain(LEARNING_RATE, "a number above 0 and at most 1"),
    plain(PATTERN_ANALYSIS_INTERVAL, SECONDS),
    plain(METRICS_COLLECTION_INTERVAL, SECONDS),
    plain(PERFORMANCE_ALERT_THRESHOLD, "a number from 0 to 1"),
    plain(OPTIMIZATION_AGGRESSIVENESS, "low, medium, high"),
    plain(TARGET_LATENCY_US, TARGET),
    plain(TARGET_THROUGHPUT_BPS, TARGET),
    plain(TARGET_IOPS, TARGET),
    Variable { name: ENABLE_IO_URING, allowed: SWITCH, set: Some(enable_io_uring) },
    Variable { name: FORCE_RUNTIME, allowed: "tokio, monoio, io_uring", set: Some(force_runtime) },
    plain(MAX_CONCURRENT_FILE_OPS, COUNT),
    plain(IO_ENGINE_CONCURRENCY, COUNT),
];

fn enable_io_uring(config: &mut AdvancedRioConfig, text: &str) -> bool {
    let Some(is_on) = crate::config::switch(text) else { return false };
    let wanted = if is_on { RuntimeType::default_of_platform() } else { RuntimeType::Tokio };
    config.runtime_config.runtime_type = wanted;
    true
}

fn force_runtime(config: &mut AdvancedRioConfig, text: &str) -> bool {
    let Some(forced) = RuntimeType::from_name(text) else { return false };
    config.runtime_config.runtime_type = forced;
    config.runtime_config.require_io_uring = forced == RuntimeType::IoUring;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigError, Layers};

    fn read(name: &'static str, value: &'static str) -> Result<AdvancedRioConfig, ConfigError> {
        Layers::from_lookup(None, |asked| (asked == name).then(|| value.to_owned())).into_result()
    }

    #[test]
    fn values_are_typed() {
        let runtime = |name, value| read(name, value).unwrap().runtime_config.runtime_type;
        assert_eq!(runtime("RUSTFS_ENABLE_IO_URING", "off"), RuntimeType::Tokio);
        assert_eq!(runtime("RUSTFS_FORCE_RUNTIME", "MONOIO"), RuntimeType::IoUring);
        assert_eq!(runtime("RUSTFS_FORCE_RUNTIME", "tokio"), RuntimeType::Tokio);
        let forced = read("RUSTFS_FORCE_RUNTIME", "io_uring").unwrap();
        assert!(forced.runtime_config.require_io_uring);
        let count = read("RUSTFS_MAX_CONCURRENT_FILE_OPS", "7").unwrap();
        assert_eq!(count.runtime_config.max_concurrent_file_ops, 7);
        assert!(!read("RUSTFS_AUTO_TUNE_PARAMETERS", "0").unwrap().enable_auto_tuning);
        assert_eq!(read("RUSTFS_MAX_BUFFER_POOL_SIZE", "8192").unwrap().max_buffer_pool_size, Some(8192));
    }

    #[test]
    fn a_bad_value_leaves_the_good_ones_in_force() {
        let layers = Layers::from_lookup(None, |name| match name {
            ENABLE_IO_URING => Some("perhaps".to_owned()),
            MAX_CONCURRENT_FILE_OPS => Some("7".to_owned()),
            _ => None,
        });
        assert_eq!(layers.config.runtime_config.max_concurrent_file_ops, 7);
        assert_eq!(layers.from_environment, [MAX_CONCURRENT_FILE_OPS]);
        let error = layers.into_result().unwrap_err();
        assert!(matches!(error, ConfigError::Environment(bad) if bad.variable == ENABLE_IO_URING));
    }

    #[test]
    fn bad_values_name_variable_value_and_choices() {
        let cases = [
            ("RUSTFS_ENABLE_IO_URING", "yes"),
            ("RUSTFS_FORCE_RUNTIME", "async-std"),
            ("RUSTFS_MAX_CONCURRENT_FILE_OPS", "0"),
            ("RUSTFS_MAX_CONCURRENT_FILE_OPS", "-1"),
            ("RUSTFS_IO_ENGINE_CONCURRENCY", "65537"),
            ("RUSTFS_IO_ENGINE_CONCURRENCY", ""),
            ("RUSTFS_ENABLE_ADVANCED_BUFFERS", "maybe"),
            ("RUSTFS_ENABLE_ML_OPTIMIZATION", ""),
            ("RUSTFS_ENABLE_REALTIME_MONITORING", "2"),
            ("RUSTFS_AUTO_TUNE_PARAMETERS", "no"),
            ("RUSTFS_BUFFER_POOL_STRATEGY", "best"),
            ("RUSTFS_MAX_BUFFER_POOL_SIZE", "511"),
            ("RUSTFS_LEARNING_RATE", "0"),
            ("RUSTFS_LEARNING_RATE", "NaN"),
            ("RUSTFS_PATTERN_ANALYSIS_INTERVAL", "-1"),
            ("RUSTFS_METRICS_COLLECTION_INTERVAL", "0"),
            ("RUSTFS_PERFORMANCE_ALERT_THRESHOLD", "1.01"),
            ("RUSTFS_OPTIMIZATION_AGGRESSIVENESS", "insane"),
            ("RUSTFS_TARGET_LATENCY_US", "0"),
            ("RUSTFS_TARGET_THROUGHPUT_BPS", "fast"),
            ("RUSTFS_TARGET_IOPS", "inf"),
        ];
        for (name, value) in cases {
            let message = read(name, value).unwrap_err().to_string();
            assert!(message.contains(name) && message.contains(&format!("{value:?}")), "{message}");
            assert!(message.contains("allowed"), "{message}");
        }
        let tested: std::collections::HashSet<_> = cases.iter().map(|(name, _)| *name).collect();
        assert_eq!(tested.len(), VARIABLES.len(), "every variable is tried");
    }
}
