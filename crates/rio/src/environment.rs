//! Environment variables. Values are parsed here, once, into types; a bad value is an error, never a silent default.

use crate::runtime::RuntimeType;

pub(crate) const ENABLE_IO_URING: &str = "RUSTFS_ENABLE_IO_URING";
pub(crate) const FORCE_RUNTIME: &str = "RUSTFS_FORCE_RUNTIME";
pub(crate) const MAX_CONCURRENT_FILE_OPS: &str = "RUSTFS_MAX_CONCURRENT_FILE_OPS";
pub(crate) const IO_ENGINE_CONCURRENCY: &str = "RUSTFS_IO_ENGINE_CONCURRENCY";

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

/// What the environment says about the engine. `None` where a variable is not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) enable_io_uring: Option<bool>,
    pub(crate) force_runtime: Option<RuntimeType>,
    pub(crate) max_concurrent_file_ops: Option<usize>,
    pub(crate) io_engine_concurrency: Option<usize>,
}

/// The environment with its mistakes.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// What the good values say; a bad one counts as not set.
    pub(crate) environment: Environment,
    /// Variables with good values.
    pub(crate) good: Vec<&'static str>,
    /// Variables with bad values.
    pub(crate) bad: Vec<EnvironmentError>,
}

impl Survey {
    /// Reads the process's environment.
    pub(crate) fn read() -> Self {
        Self::from_lookup(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    pub(crate) fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let mut survey = Self::default();
        survey.environment = Environment {
            enable_io_uring: survey.take(ENABLE_IO_URING, &lookup, switch),
            force_runtime: survey.take(FORCE_RUNTIME, &lookup, runtime_type),
            max_concurrent_file_ops: survey.take(MAX_CONCURRENT_FILE_OPS, &lookup, count),
            io_engine_concurrency: survey.take(IO_ENGINE_CONCURRENCY, &lookup, count),
        };
        survey
    }

    fn into_result(self) -> Result<Environment, EnvironmentError> {
        self.bad.into_iter().next().map_or(Ok(self.environment), Err)
    }

    fn take<T>(
        &mut self,
        variable: &'static str,
        lookup: impl Fn(&str) -> Option<String>,
        parse: impl Fn(Setting) -> Result<T, EnvironmentError>,
    ) -> Option<T> {
        match parse((variable, lookup(variable)?)) {
            Ok(value) => {
                self.good.push(variable);
                Some(value)
            }
            Err(error) => {
                self.bad.push(error);
                None
            }
        }
    }
}

impl Environment {
    /// Reads the process's environment, all of whose values must be good.
    pub(crate) fn read() -> Result<Self, EnvironmentError> {
        Survey::read().into_result()
    }
}

type Setting = (&'static str, String);

fn switch((variable, value): Setting) -> Result<bool, EnvironmentError> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "on" => Ok(true),
        "false" | "0" | "off" => Ok(false),
        _ => Err(EnvironmentError { variable, value, allowed: "true, false, 1, 0, on, off" }),
    }
}

fn runtime_type((variable, value): Setting) -> Result<RuntimeType, EnvironmentError> {
    match value.trim().to_ascii_lowercase().as_str() {
        "tokio" => Ok(RuntimeType::Tokio),
        "monoio" | "io_uring" => Ok(RuntimeType::IoUring),
        _ => Err(EnvironmentError { variable, value, allowed: "tokio, monoio, io_uring" }),
    }
}

fn count((variable, value): Setting) -> Result<usize, EnvironmentError> {
    match value.trim().parse() {
        Ok(count @ 1..=65536) => Ok(count),
        _ => Err(EnvironmentError { variable, value, allowed: "a whole number from 1 to 65536" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &'static str) -> Result<Environment, EnvironmentError> {
        Survey::from_lookup(|asked| (asked == name).then(|| value.to_owned())).into_result()
    }

    #[test]
    fn values_are_typed() {
        assert_eq!(read("RUSTFS_ENABLE_IO_URING", "off").unwrap().enable_io_uring, Some(false));
        assert_eq!(read("RUSTFS_ENABLE_IO_URING", "1").unwrap().enable_io_uring, Some(true));
        let forced = |value| read("RUSTFS_FORCE_RUNTIME", value).unwrap().force_runtime;
        assert_eq!(forced("MONOIO"), Some(RuntimeType::IoUring));
        assert_eq!(forced("tokio"), Some(RuntimeType::Tokio));
        let count = read("RUSTFS_MAX_CONCURRENT_FILE_OPS", "7").unwrap().max_concurrent_file_ops;
        assert_eq!(count, Some(7));
        assert_eq!(read("OTHER", "x").unwrap(), Environment::default());
    }

    #[test]
    fn a_bad_value_leaves_the_good_ones_in_force() {
        let survey = Survey::from_lookup(|name| match name {
            ENABLE_IO_URING => Some("perhaps".to_owned()),
            MAX_CONCURRENT_FILE_OPS => Some("7".to_owned()),
            _ => None,
        });
        assert_eq!(
            survey.environment,
            Environment { max_concurrent_file_ops: Some(7), ..Environment::default() }
        );
        assert_eq!(survey.good, [MAX_CONCURRENT_FILE_OPS]);
        assert_eq!(survey.bad.iter().map(|bad| bad.variable).collect::<Vec<_>>(), [ENABLE_IO_URING]);
        assert_eq!(survey.into_result().unwrap_err().variable, ENABLE_IO_URING);
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
        ];
        for (name, value) in cases {
            let message = read(name, value).unwrap_err().to_string();
            assert!(message.contains(name) && message.contains(&format!("{value:?}")), "{message}");
            assert!(message.contains("allowed"), "{message}");
        }
    }
}
