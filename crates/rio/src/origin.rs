//! Every setting with its value and where it came from.
//!
//! The order is built-in defaults, environment, code: what comes later wins. The origin is found by comparison, because
//! the fields of [`RuntimeConfig`] are plain: a value that the environment asks for comes from there, another one that is
//! not the default comes from code. Code that sets what was in force anyway has changed nothing and is not named.

use crate::environment::{self, Environment, EnvironmentError, Survey};
use crate::runtime::{RuntimeConfig, RuntimeType};
use std::fmt;
use std::time::Duration;

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody asked for another one.
    Default,
    /// This environment variable.
    Environment(&'static str),
    /// The program that made the configuration.
    Code,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in default"),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Code => f.write_str("code"),
        }
    }
}

/// One setting of a [`RuntimeConfig`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigValue {
    /// Name of the field.
    pub name: &'static str,
    /// The value in force, for people.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
    /// Environment variables that can set it, the stronger one first; empty if only code can.
    pub variables: &'static [&'static str],
    /// What it may be.
    pub allowed: &'static str,
    /// Bad values of these variables. They do not count, and [`init_runtime`](crate::init_runtime) refuses them.
    pub problems: Vec<EnvironmentError>,
}

impl RuntimeConfig {
    /// Every setting with its value and origin, in the order of the fields, in view of the environment as it is now.
    #[must_use]
    pub fn describe(&self) -> Vec<ConfigValue> {
        self.describe_within(&Survey::read())
    }

    fn describe_within(&self, survey: &Survey) -> Vec<ConfigValue> {
        let default = Self::from_environment(&Environment::default());
        let asked = Self::from_environment(&survey.environment);
        let describe = |setting: &Setting| {
            let show = setting.show;
            let value = show(self);
            let variable = setting.variables.iter().find(|variable| survey.good.contains(variable));
            let origin = match variable {
                Some(variable) if value == show(&asked) => Origin::Environment(variable),
                _ if value == show(&default) => Origin::Default,
                _ => Origin::Code,
            };
            let concerns = |bad: &&EnvironmentError| setting.variables.contains(&bad.variable);
            ConfigValue {
                name: setting.name,
                value,
                origin,
                variables: setting.variables,
                allowed: setting.allowed,
                problems: survey.bad.iter().filter(concerns).cloned().collect(),
            }
        };
        SETTINGS.iter().map(describe).collect()
    }
}

struct Setting {
    name: &'static str,
    show: fn(&RuntimeConfig) -> String,
    variables: &'static [&'static str],
    allowed: &'static str,
}

const fn setting(
    name: &'static str,
    show: fn(&RuntimeConfig) -> String,
    variables: &'static [&'static str],
    allowed: &'static str,
) -> Setting {
    Setting { name, show, variables, allowed }
}

const SETTINGS: [Setting; 18] = [
    setting(
        "runtime_type",
        |config| name_of(config.runtime_type).to_owned(),
        &[environment::FORCE_RUNTIME, environment::ENABLE_IO_URING],
        "tokio, io_uring",
    ),
    setting("worker_threads", |config| or_automatic(config.worker_threads), &[], "at least 1, or automatic"),
    setting(
        "max_blocking_threads",
        |config| or_automatic(config.max_blocking_threads),
        &[],
        "1 to 1024, or automatic",
    ),
    setting("thread_local", |config| config.thread_local.to_string(), &[], "true, false"),
    setting("io_timeout", |config| format!("{:?}", config.io_timeout), &[], "a positive duration"),
    setting("buffer_size", |config| config.buffer_size.to_string(), &[], "4096 to 16777216 bytes"),
    setting("buffer_memory", |config| config.buffer_memory.to_string(), &[], "at least 1048576 bytes"),
    setting("trace_buffers", |config| config.trace_buffers.to_string(), &[], "true, false"),
    setting("wipe_buffers", |config| config.wipe_buffers.to_string(), &[], "true, false"),
    setting("high_priority", |config| config.high_priority.to_string(), &[], "true, false"),
    setting("backend", |config| format!("{:?}", config.backend).to_lowercase(), &[], "auto, uring, blocking"),
    setting(
        "max_concurrent_file_ops",
        |config| config.max_concurrent_file_ops.to_string(),
        &[environment::MAX_CONCURRENT_FILE_OPS],
        "1 to 65536",
    ),
    setting(
        "io_engine_concurrency",
        |config| config.io_engine_concurrency.to_string(),
        &[environment::IO_ENGINE_CONCURRENCY],
        "1 to 65536",
    ),
    setting("queue_depth", |config| config.queue_depth.to_string(), &[], "1 to 4096"),
    setting("sqpoll_idle", |config| or_off(config.sqpoll_idle), &[], "off, or a duration"),
    setting("gather", |config| config.gather.to_string(), &[], "true, false"),
    setting("iopoll", |config| config.iopoll.to_string(), &[], "true, false"),
    setting(
        "require_io_uring",
        |config| config.require_io_uring.to_string(),
        &[environment::FORCE_RUNTIME],
        "true, false",
    ),
];

fn name_of(runtime_type: RuntimeType) -> &'static str {
    match runtime_type {
        RuntimeType::Tokio => "tokio",
        RuntimeType::IoUring => "io_uring",
    }
}

fn or_automatic(value: Option<usize>) -> String {
    value.map_or_else(|| "automatic".to_owned(), |value| value.to_string())
}

fn or_off(value: Option<Duration>) -> String {
    value.map_or_else(|| "off".to_owned(), |value| format!("{value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(variables: &'static [(&'static str, &'static str)]) -> Survey {
        Survey::from_lookup(|name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn described(survey: &Survey, change: impl FnOnce(&mut RuntimeConfig)) -> impl Fn(&str) -> ConfigValue {
        let mut config = RuntimeConfig::from_environment(&survey.environment);
        change(&mut config);
        let values = config.describe_within(survey);
        move |name| values.iter().find(|value| value.name == name).unwrap().clone()
    }

    #[test]
    fn without_environment_and_code_everything_is_a_default() {
        let survey = survey(&[]);
        let values = RuntimeConfig::from_environment(&survey.environment).describe_within(&survey);
        assert!(values.iter().all(|value| value.origin == Origin::Default), "{values:?}");
        assert!(values.iter().all(|value| value.problems.is_empty()));
    }

    #[test]
    fn every_field_is_described() {
        // A new field does not compile here until it is named, and then has to be described.
        let RuntimeConfig {
            runtime_type: _,
            worker_threads: _,
            trace_buffers: _,
            wipe_buffers: _,
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
        } = RuntimeConfig::default();
        assert_eq!(SETTINGS.len(), 18);
    }

    #[test]
    fn the_environment_is_named_where_it_decided() {
        let survey = survey(&[("RUSTFS_MAX_CONCURRENT_FILE_OPS", "1024"), ("RUSTFS_ENABLE_IO_URING", "off")]);
        let value = described(&survey, |_| {});
        let ops = value("max_concurrent_file_ops");
        assert_eq!(
            ops.origin,
            Origin::Environment("RUSTFS_MAX_CONCURRENT_FILE_OPS"),
            "though it is the default"
        );
        let runtime = value("runtime_type");
        assert_eq!(
            (runtime.value.as_str(), runtime.origin),
            ("tokio", Origin::Environment("RUSTFS_ENABLE_IO_URING"))
        );
        assert_eq!(value("io_engine_concurrency").origin, Origin::Default);
    }

    #[test]
    fn the_stronger_variable_is_named() {
        let survey = survey(&[("RUSTFS_FORCE_RUNTIME", "io_uring"), ("RUSTFS_ENABLE_IO_URING", "off")]);
        let value = described(&survey, |_| {});
        assert_eq!(value("runtime_type").origin, Origin::Environment("RUSTFS_FORCE_RUNTIME"));
        assert_eq!(value("require_io_uring").value, "true");
    }

    #[test]
    fn code_wins_over_the_environment() {
        let survey = survey(&[("RUSTFS_MAX_CONCURRENT_FILE_OPS", "7")]);
        let value = described(&survey, |config| {
            config.max_concurrent_file_ops = 8;
            config.sqpoll_idle = Some(Duration::from_millis(20));
        });
        assert_eq!(value("max_concurrent_file_ops").origin, Origin::Code);
        assert_eq!(
            (value("sqpoll_idle").value.as_str(), value("sqpoll_idle").origin),
            ("20ms", Origin::Code)
        );
    }

    #[test]
    fn bad_values_stand_beside_what_is_in_force_instead() {
        let survey =
            survey(&[("RUSTFS_IO_ENGINE_CONCURRENCY", "many"), ("RUSTFS_MAX_CONCURRENT_FILE_OPS", "9")]);
        let value = described(&survey, |_| {});
        let bad = value("io_engine_concurrency");
        assert_eq!((bad.value.as_str(), bad.origin), ("2048", Origin::Default));
        assert_eq!(bad.problems[0].value, "many");
        assert_eq!(value("max_concurrent_file_ops").value, "9", "a mistake elsewhere does not undo it");
    }
}
