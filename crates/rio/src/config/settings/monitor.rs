//! Settings of the monitor.

use super::super::setting::{Setting, number, optional, period, put, show_duration, show_optional, switch};
use super::SWITCH;
use crate::environment;
use std::path::PathBuf;

const PERIOD: &str = "a duration above 0; a plain number is seconds";

pub(super) static SETTINGS: [Setting; 8] = [
    Setting {
        name: "performance.enable_real_time_dashboard",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.performance_config.enable_real_time_dashboard.to_string(),
        set: |config, text| put(&mut config.performance_config.enable_real_time_dashboard, switch(text)),
    },
    Setting {
        name: "performance.enable_performance_profiling",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.performance_config.enable_performance_profiling.to_string(),
        set: |config, text| put(&mut config.performance_config.enable_performance_profiling, switch(text)),
    },
    Setting {
        name: "performance.enable_pattern_recognition",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.performance_config.enable_pattern_recognition.to_string(),
        set: |config, text| put(&mut config.performance_config.enable_pattern_recognition, switch(text)),
    },
    Setting {
        name: "performance.enable_adaptive_optimization",
        allowed: SWITCH,
        variables: &[],
        get: |config| config.performance_config.enable_adaptive_optimization.to_string(),
        set: |config, text| put(&mut config.performance_config.enable_adaptive_optimization, switch(text)),
    },
    Setting {
        name: "performance.metrics_collection_interval",
        allowed: PERIOD,
        variables: &[environment::METRICS_COLLECTION_INTERVAL],
        get: |config| show_duration(config.performance_config.metrics_collection_interval),
        set: |config, text| put(&mut config.performance_config.metrics_collection_interval, period(text)),
    },
    Setting {
        name: "performance.history_retention_period",
        allowed: PERIOD,
        variables: &[],
        get: |config| show_duration(config.performance_config.history_retention_period),
        set: |config, text| put(&mut config.performance_config.history_retention_period, period(text)),
    },
    Setting {
        name: "performance.performance_alert_threshold",
        allowed: "a number from 0 to 1",
        variables: &[environment::PERFORMANCE_ALERT_THRESHOLD],
        get: |config| config.performance_config.performance_alert_threshold.to_string(),
        set: |config, text| {
            let parsed = number(text, |value| (0.0..=1.0).contains(&value));
            put(&mut config.performance_config.performance_alert_threshold, parsed)
        },
    },
    Setting {
        name: "performance.history_file",
        allowed: "a path, or none",
        variables: &[],
        get: |config| {
            show_optional(
                config.performance_config.history_file.as_ref().map(|path| path.display().to_string()),
                "none",
            )
        },
        set: |config, text| {
            let path = optional(text, "none", |text| (!text.is_empty()).then(|| PathBuf::from(text)));
            put(&mut config.performance_config.history_file, path)
        },
    },
];
