//! Every setting with its value and where it came from.
//!
//! The order is built-in defaults, file, environment, code: what comes later wins. The origin is found by comparison, because
//! the fields of [`AdvancedRioConfig`] are plain: a value that the environment asks for comes from there, another one that is
//! not what the layers below code say comes from code. Code that sets what was in force anyway has changed nothing and is not
//! named.

use crate::config::{AdvancedRioConfig, ConfigError, Layers, Setting, settings};
use crate::runtime::RuntimeConfig;
use std::fmt;

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody asked for another one.
    Default,
    /// The configuration file.
    File,
    /// This environment variable.
    Environment(&'static str),
    /// The program that made the configuration.
    Code,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in default"),
            Self::File => f.write_str("configuration file"),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Code => f.write_str("code"),
        }
    }
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigValue {
    /// Name: the key in the file, parts joined by dots.
    pub name: &'static str,
    /// The value in force, for people and for the file.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
    /// Environment variables that can set it, the stronger one first; empty if only file and code can.
    pub variables: &'static [&'static str],
    /// What it may be.
    pub allowed: &'static str,
    /// Bad values of the file or of these variables. They do not count, and [`init_runtime`](crate::init_runtime) refuses them.
    pub problems: Vec<ConfigError>,
}

/// Prefix of the names of the settings of a [`RuntimeConfig`].
const RUNTIME: &str = "runtime.";

impl AdvancedRioConfig {
    /// Every setting with its value and origin, in view of file and environment as they are now.
    #[must_use]
    pub fn describe(&self) -> Vec<ConfigValue> {
        self.describe_within(&Layers::read(self.config_file.as_deref()))
    }

    fn describe_within(&self, layers: &Layers) -> Vec<ConfigValue> {
        let describe = |setting: &'static Setting| {
            let value = (setting.get)(self);
            let variable =
                setting.variables.iter().find(|variable| layers.from_environment.contains(variable));
            let origin = match variable {
                _ if value != (setting.get)(&layers.config) => Origin::Code,
                Some(variable) => Origin::Environment(variable),
                None if layers.from_file.contains(&setting.name) => Origin::File,
                None => Origin::Default,
            };
            ConfigValue {
                name: setting.name,
                value,
                origin,
                variables: setting.variables,
                allowed: setting.allowed,
                problems: layers
                    .problems
                    .iter()
                    .filter(|problem| problem.concerns(setting))
                    .cloned()
                    .collect(),
            }
        };
        settings::all().map(describe).collect()
    }
}

impl RuntimeConfig {
    /// Every setting of the engine with its value and origin, in the order of the fields, by the names of the fields.
    #[must_use]
    pub fn describe(&self) -> Vec<ConfigValue> {
        let whole = AdvancedRioConfig { runtime_config: self.clone(), ..AdvancedRioConfig::default() };
        let own = |value: ConfigValue| {
            value.name.strip_prefix(RUNTIME).map(|name| ConfigValue { name, ..value.clone() })
        };
        whole.describe().into_iter().filter_map(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn layers(variables: &'static [(&'static str, &'static str)]) -> Layers {
        Layers::from_lookup(None, |name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn described(
        layers: &Layers,
        change: impl FnOnce(&mut AdvancedRioConfig),
    ) -> impl Fn(&str) -> ConfigValue {
        let mut config = layers.config.clone();
        change(&mut config);
        let values = config.describe_within(layers);
        move |name| values.iter().find(|value| value.name == name).unwrap().clone()
    }

    #[test]
    fn without_file_environment_and_code_everything_is_a_default() {
        let layers = layers(&[]);
        let values = layers.config.describe_within(&layers);
        assert!(values.iter().all(|value| value.origin == Origin::Default), "{values:?}");
        assert!(values.iter().all(|value| value.problems.is_empty()));
    }

    #[test]
    fn every_field_of_the_engine_is_described() {
        // A new field does not compile here until it is named, and then has to be described.
        let RuntimeConfig {
            runtime_type: _,
            worker_threads: _,
            trace_buffers: _,
            wipe_buffers: _,
            keep_buffers: _,
            max_waiting_ops: _,
            max_blocking_threads: _,
            thread_local: _,
            io_timeout: _,
            buffer_size: _,
            buffer_memory: _,
            high_priority: _,
            backend: _,
            max_concurrent_file_ops: _,
            io_engine_concurrency: _,
            queue_depth: _,
            sqpoll_idle: _,
            gather: _,
            iopoll: _,
            require_io_uring: _,
            // An object, not a value that a person sets.
            recorder: _,
            #[cfg(feature = "tune")]
                cache: _,
        } = RuntimeConfig::default();
        assert_eq!(RuntimeConfig::default().describe().len(), if cfg!(feature = "tune") { 23 } else { 20 });
    }

    #[test]
    fn the_environment_is_named_where_it_decided() {
        let layers = layers(&[("RUSTFS_MAX_CONCURRENT_FILE_OPS", "1024"), ("RUSTFS_ENABLE_IO_URING", "off")]);
        let value = described(&layers, |_| {});
        let ops = value("runtime.max_concurrent_file_ops");
        assert_eq!(
            ops.origin,
            Origin::Environment("RUSTFS_MAX_CONCURRENT_FILE_OPS"),
            "though it is the default"
        );
        let runtime = value("runtime.runtime_type");
        assert_eq!(
            (runtime.value.as_str(), runtime.origin),
            ("tokio", Origin::Environment("RUSTFS_ENABLE_IO_URING"))
        );
        assert_eq!(value("runtime.io_engine_concurrency").origin, Origin::Default);
    }

    #[test]
    fn the_stronger_variable_is_named() {
        let layers = layers(&[("RUSTFS_FORCE_RUNTIME", "io_uring"), ("RUSTFS_ENABLE_IO_URING", "off")]);
        let value = described(&layers, |_| {});
        assert_eq!(value("runtime.runtime_type").origin, Origin::Environment("RUSTFS_FORCE_RUNTIME"));
        assert_eq!(value("runtime.require_io_uring").value, "true");
    }

    #[test]
    fn the_file_is_named_and_loses_against_the_environment() {
        let mut layers = layers(&[]);
        let text = "enable_auto_tuning = false\n[runtime]\nqueue_depth = 64";
        layers.take_file(std::path::Path::new("rio.toml"), text);
        let value = described(&layers, |_| {});
        assert_eq!(value("runtime.queue_depth").origin, Origin::File);
        assert_eq!(value("enable_auto_tuning").origin, Origin::File);
        assert_eq!(value("enable_buffer_pools").origin, Origin::Default);
    }

    #[test]
    fn code_wins_over_the_environment() {
        let layers = layers(&[("RUSTFS_MAX_CONCURRENT_FILE_OPS", "7")]);
        let value = described(&layers, |config| {
            config.runtime_config.max_concurrent_file_ops = 8;
            config.runtime_config.sqpoll_idle = Some(Duration::from_millis(20));
        });
        assert_eq!(value("runtime.max_concurrent_file_ops").origin, Origin::Code);
        let idle = value("runtime.sqpoll_idle");
        assert_eq!((idle.value.as_str(), idle.origin), ("20ms", Origin::Code));
    }

    #[test]
    fn bad_values_stand_beside_what_is_in_force_instead() {
        let layers =
            layers(&[("RUSTFS_IO_ENGINE_CONCURRENCY", "many"), ("RUSTFS_MAX_CONCURRENT_FILE_OPS", "9")]);
        let value = described(&layers, |_| {});
        let bad = value("runtime.io_engine_concurrency");
        assert_eq!((bad.value.as_str(), bad.origin), ("2048", Origin::Default));
        assert!(bad.problems[0].to_string().contains("\"many\""));
        assert_eq!(
            value("runtime.max_concurrent_file_ops").value,
            "9",
            "a mistake elsewhere does not undo it"
        );
    }
}
