//! Settings of the optimizer.

use super::super::setting::{
    Setting, number, optional, period, put, show_duration, show_optional, switch, whole,
};
use super::SWITCH;
use crate::environment;
use std::path::PathBuf;

const PERIOD: &str = "a duration above 0; a plain number is seconds";

pub(super) static SETTINGS: [Setting; 10] = [
    Setting {
        name: "predictive.enable_predictive_prefetching",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.predictive_config.enable_predictive_prefetching.to_string(),
        set: |config, text| put(&mut config.predictive_config.enable_predictive_prefetching, switch(text)),
    },
    Setting {
        name: "predictive.enable_adaptive_batching",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.predictive_config.enable_adaptive_batching.to_string(),
        set: |config, text| put(&mut config.predictive_config.enable_adaptive_batching, switch(text)),
    },
    Setting {
        name: "predictive.enable_dynamic_algorithm_selection",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.predictive_config.enable_dynamic_algorithm_selection.to_string(),
        set: |config, text| {
            put(&mut config.predictive_config.enable_dynamic_algorithm_selection, switch(text))
        },
    },
    Setting {
        name: "predictive.min_samples_for_prediction",
        allowed: "1 to 1000000",
        variables: &[],
        get: |config| config.predictive_config.min_samples_for_prediction.to_string(),
        set: |config, text| {
            put(&mut config.predictive_config.min_samples_for_prediction, whole(text, 1, 1_000_000))
        },
    },
    Setting {
        name: "predictive.max_prediction_horizon_secs",
        allowed: "1 to 86400 seconds",
        variables: &[],
        get: |config| config.predictive_config.max_prediction_horizon_secs.to_string(),
        set: |config, text| {
            let parsed = whole(text, 1, 86_400).map(|seconds| seconds as u64);
            put(&mut config.predictive_config.max_prediction_horizon_secs, parsed)
        },
    },
    Setting {
        name: "predictive.confidence_threshold",
        allowed: "a number from 0 to 1",
        variables: &[],
        get: |config| config.predictive_config.confidence_threshold.to_string(),
        set: |config, text| {
            let parsed = number(text, |value| (0.0..=1.0).contains(&value));
            put(&mut config.predictive_config.confidence_threshold, parsed)
        },
    },
    Setting {
        name: "predictive.optimization_update_interval",
        allowed: PERIOD,
        variables: &[],
        get: |config| show_duration(config.predictive_config.optimization_update_interval),
        set: |config, text| put(&mut config.predictive_config.optimization_update_interval, period(text)),
    },
    Setting {
        name: "predictive.pattern_analysis_interval",
        allowed: PERIOD,
        variables: &[environment::PATTERN_ANALYSIS_INTERVAL],
        get: |config| show_duration(config.predictive_config.pattern_analysis_interval),
        set: |config, text| put(&mut config.predictive_config.pattern_analysis_interval, period(text)),
    },
    Setting {
        name: "predictive.state_file",
        allowed: "a path, or none",
        variables: &[],
        get: |config| {
            show_optional(
                config.predictive_config.state_file.as_ref().map(|path| path.display().to_string()),
                "none",
            )
        },
        set: |config, text| {
            let path = optional(text, "none", |text| (!text.is_empty()).then(|| PathBuf::from(text)));
            put(&mut config.predictive_config.state_file, path)
        },
    },
    Setting {
        name: "predictive.pinned",
        allowed: "names of parameters with commas between, or none",
        variables: &[],
        get: |config| match config.predictive_config.pinned.as_slice() {
            [] => "none".to_owned(),
            names => names.join(", "),
        },
        set: |config, text| {
            let names = optional(text, "none", super::super::predictive::pinned_names);
            put(&mut config.predictive_config.pinned, names.map(Option::unwrap_or_default))
        },
    },
];
