//! Settings of the optimizer.

use std::path::PathBuf;
use std::time::Duration;

/// How the optimizer learns and decides.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictiveOptimizerConfig {
    /// Recommends reading ahead. What is done about it is [`AdvancedRioConfig`](crate::AdvancedRioConfig)'s switch. Default on.
    pub enable_predictive_prefetching: bool,
    /// Tunes how submissions gather. Default on.
    pub enable_adaptive_batching: bool,
    /// Chooses the codec by what is measured. Default on.
    pub enable_dynamic_algorithm_selection: bool,
    /// As [`AdvancedRioConfig::learning_rate`](crate::AdvancedRioConfig), for an optimizer used alone. Default 0.1.
    pub learning_rate: f64,
    /// Accesses of an operation before its pattern is named. Default 20.
    pub min_samples_for_prediction: usize,
    /// How far ahead forecasts go, in seconds. Default 300.
    pub max_prediction_horizon_secs: u64,
    /// Confidence below which a pattern makes no recommendation, 0 to 1. Default 0.7.
    pub confidence_threshold: f64,
    /// Time between two decisions. Default 30 s.
    pub optimization_update_interval: Duration,
    /// Time between two looks at what was accessed. Default 1 s, `RUSTFS_PATTERN_ANALYSIS_INTERVAL`.
    pub pattern_analysis_interval: Duration,
    /// A file for what was learnt, so that it survives the process. Default none.
    pub state_file: Option<PathBuf>,
    /// Names of parameters that stay as they are. Default none.
    pub pinned: Vec<String>,
}

/// Names of the parameters that may change while a runtime works, as in the contract.
const PARAMETERS: [&str; 10] = [
    "prefetch_distance",
    "prefetch_size",
    "batch_size",
    "batch_timeout",
    "compression",
    "compression_level",
    "buffer_pool_size",
    "buffer_size",
    "max_concurrent_ops",
    "queue_depth",
];

/// Names with commas between; `None` if one is none.
pub(super) fn pinned_names(text: &str) -> Option<Vec<String>> {
    let name = |name: &str| PARAMETERS.contains(&name.trim()).then(|| name.trim().to_owned());
    text.split(',').map(name).collect()
}

impl Default for PredictiveOptimizerConfig {
    fn default() -> Self {
        Self {
            enable_predictive_prefetching: true,
            enable_adaptive_batching: true,
            enable_dynamic_algorithm_selection: true,
            learning_rate: 0.1,
            min_samples_for_prediction: 20,
            max_prediction_horizon_secs: 300,
            confidence_threshold: 0.7,
            optimization_update_interval: Duration::from_secs(30),
            pattern_analysis_interval: Duration::from_secs(1),
            state_file: None,
            pinned: Vec::new(),
        }
    }
}
