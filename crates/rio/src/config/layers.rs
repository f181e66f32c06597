//! The layers below code: built-in defaults, the file, the environment.

use super::AdvancedRioConfig;
use super::setting::Setting;
use super::settings;
use crate::environment::{self, CONFIG_FILE, EnvironmentError};
use std::path::{Path, PathBuf};

/// What is wrong with a file or a variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An environment variable has a value that is not allowed.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The file cannot be read.
    #[error("configuration file {}: {reason}; name a readable file, or none", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is not TOML.
    #[error("configuration file {}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        reason: String,
    },
    /// The file has a key that no setting has.
    #[error("configuration file {}: there is no setting {key}; the nearest is {nearest}", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The setting with the most similar name.
        nearest: &'static str,
    },
    /// A value of the file is not allowed.
    #[error("configuration file {}: {key} is {value:?}; allowed: {allowed}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Name of the setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
}

impl ConfigError {
    /// Name of the variable or setting that is wrong, or `configuration file`.
    #[must_use]
    pub fn subject(&self) -> &'static str {
        match self {
            Self::Environment(error) => error.variable,
            Self::Value { key, .. } => key,
            Self::Unreadable { .. } | Self::Syntax { .. } | Self::UnknownKey { .. } => "configuration file",
        }
    }

    /// What would be allowed instead.
    #[must_use]
    pub fn allowed(&self) -> &'static str {
        match self {
            Self::Environment(error) => error.allowed,
            Self::Value { allowed, .. } => allowed,
            Self::UnknownKey { nearest, .. } => nearest,
            Self::Unreadable { .. } => "a readable file",
            Self::Syntax { .. } => "TOML",
        }
    }

    /// Whether it is about this setting.
    pub(crate) fn concerns(&self, setting: &Setting) -> bool {
        match self {
            Self::Environment(error) => setting.variables.contains(&error.variable),
            Self::Value { key, .. } => *key == setting.name,
            _ => false,
        }
    }
}

/// What is in force below code, and who said so.
#[derive(Debug)]
pub(crate) struct Layers {
    /// The values; what is wrong counts as not said.
    pub(crate) config: AdvancedRioConfig,
    /// Settings in the file.
    pub(crate) from_file: Vec<&'static str>,
    /// Variables with good values.
    pub(crate) from_environment: Vec<&'static str>,
    /// Everything that is wrong.
    pub(crate) problems: Vec<ConfigError>,
}

impl Layers {
    /// Defaults, then the file that is named here or by the environment, then the environment.
    pub(crate) fn read(file: Option<&Path>) -> Self {
        Self::from_lookup(file, |name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    pub(crate) fn from_lookup(file: Option<&Path>, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let mut layers = Self {
            config: AdvancedRioConfig::built_in(),
            from_file: Vec::new(),
            from_environment: Vec::new(),
            problems: Vec::new(),
        };
        let named = file.map(Path::to_owned).or_else(|| lookup(CONFIG_FILE).map(PathBuf::from));
        if let Some(path) = named {
            match std::fs::read_to_string(&path) {
                Ok(text) => layers.take_file(&path, &text),
                Err(error) => {
                    let reason = error.to_string();
                    layers.problems.push(ConfigError::Unreadable { path: path.clone(), reason });
                }
            }
            layers.config.config_file = Some(path);
        }
        layers.take_environment(lookup);
        layers
    }

    pub(crate) fn take_file(&mut self, path: &Path, text: &str) {
        match text.parse::<toml::Table>() {
            Ok(table) => self.take_table(path, "", &table),
            Err(error) => {
                let reason = error.to_string();
                self.problems.push(ConfigError::Syntax { path: path.to_owned(), reason });
            }
        }
    }

    fn take_table(&mut self, path: &Path, prefix: &str, table: &toml::Table) {
        for (key, value) in table {
            let key = format!("{prefix}{key}");
            let is_section = || settings::all().any(|setting| in_section(setting.name, &key));
            match (settings::find(&key), value) {
                (Some(setting), value) => self.take_value(path, setting, value),
                (None, toml::Value::Table(inner)) if is_section() => {
                    self.take_table(path, &format!("{key}."), inner);
                }
                (None, _) => {
                    let nearest = nearest(&key);
                    self.problems.push(ConfigError::UnknownKey { path: path.to_owned(), key, nearest });
                }
            }
        }
    }

    fn take_value(&mut self, path: &Path, setting: &'static Setting, value: &toml::Value) {
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(is_on) => is_on.to_string(),
            other => format!("of type {}", other.type_str()),
        };
        if (setting.set)(&mut self.config, &text) {
            self.from_file.push(setting.name);
        } else {
            let Setting { name, allowed, .. } = setting;
            let error = ConfigError::Value { path: path.to_owned(), key: name, value: text, allowed };
            self.problems.push(error);
        }
    }

    fn take_environment(&mut self, lookup: impl Fn(&str) -> Option<String>) {
        for variable in &environment::VARIABLES {
            let Some(value) = lookup(variable.name) else { continue };
            let is_good = match variable.set {
                Some(set) => set(&mut self.config, &value),
                None => settings::all()
                    .filter(|setting| setting.variables.contains(&variable.name))
                    .all(|setting| (setting.set)(&mut self.config, &value)),
            };
            if is_good {
                self.from_environment.push(variable.name);
            } else {
                let error = EnvironmentError { variable: variable.name, value, allowed: variable.allowed };
                self.problems.push(error.into());
            }
        }
    }

    pub(crate) fn into_result(self) -> Result<AdvancedRioConfig, ConfigError> {
        self.problems.into_iter().next().map_or(Ok(self.config), Err)
    }
}

fn in_section(name: &str, section: &str) -> bool {
    name.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// The setting whose name takes the fewest changes of a letter to become `key`.
pub(super) fn nearest(key: &str) -> &'static str {
    let last = |name: &'static str| name.rsplit('.').next().unwrap_or(name);
    let distance_to =
        |name: &'static str| distance(key, name).min(distance(key, last(name)).saturating_add(1));
    settings::all().map(|setting| setting.name).min_by_key(|name| distance_to(name)).unwrap_or("")
}

/// The edit distance of Levenshtein: insertions, deletions and replacements.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.chars().take(256).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(text: &str, variables: &[(&str, &str)]) -> Layers {
        let find = |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        let mut layers = Layers::from_lookup(None, |_| None);
        layers.take_file(Path::new("rio.toml"), text);
        layers.take_environment(find);
        layers
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_defaults() {
        let text =
            "learning_rate = 0.5\ntarget_iops = 1000\n[runtime]\nqueue_depth = 64\nio_timeout = '5s'\n";
        let layers =
            layers(text, &[("RUSTFS_LEARNING_RATE", "0.25"), ("RUSTFS_METRICS_COLLECTION_INTERVAL", "2")]);
        assert!(layers.problems.is_empty(), "{:?}", layers.problems);
        let config = &layers.config;
        assert_eq!((config.learning_rate, config.target_iops), (0.25, Some(1000.0)));
        assert_eq!(config.runtime_config.queue_depth, 64);
        assert_eq!(config.runtime_config.io_timeout, std::time::Duration::from_secs(5));
        assert_eq!(config.performance_config.metrics_collection_interval, std::time::Duration::from_secs(2));
        assert!(config.enable_buffer_pools);
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_name() {
        for (text, expected) in [
            ("learning_rte = 0.5", "learning_rate"),
            ("[runtime]\nque_depth = 3", "runtime.queue_depth"),
            ("queue_depth = 3", "runtime.queue_depth"),
            ("[runtme]\nqueue_depth = 3", "runtime.gather"),
        ] {
            let problems = layers(text, &[]).problems;
            let [ConfigError::UnknownKey { nearest, .. }] = problems.as_slice() else {
                panic!("{problems:?}")
            };
            if !text.starts_with("[runtme]") {
                assert_eq!(*nearest, expected, "{text}");
            }
        }
        let text = layers("learning_rte = 0.5", &[]).problems[0].to_string();
        assert!(text.contains("no setting learning_rte; the nearest is learning_rate"), "{text}");
    }

    #[test]
    fn bad_values_name_the_place_the_value_and_what_is_allowed() {
        let text = layers("[runtime]\nqueue_depth = 0", &[]).problems[0].to_string();
        assert!(text.contains("rio.toml: runtime.queue_depth is \"0\"; allowed: 1 to 4096"), "{text}");
        let text = layers("learning_rate = [1]", &[]).problems[0].to_string();
        assert!(text.contains("learning_rate is \"of type array\""), "{text}");
        assert!(matches!(layers("a = = b", &[]).problems[0], ConfigError::Syntax { .. }));
        let missing = Layers::from_lookup(Some(Path::new("/nonexistent/rio.toml")), |_| None);
        assert!(matches!(missing.into_result(), Err(ConfigError::Unreadable { .. })));
    }

    #[test]
    fn every_setting_takes_what_it_shows() {
        let before = AdvancedRioConfig::built_in();
        for setting in settings::all() {
            let mut config = before.clone();
            let shown = (setting.get)(&before);
            assert!((setting.set)(&mut config, &shown), "{} does not take {shown:?}", setting.name);
            assert_eq!((setting.get)(&config), shown, "{}", setting.name);
            assert!(
                !(setting.set)(&mut config, "\u{1}") || setting.allowed.contains("path"),
                "{}",
                setting.name
            );
        }
    }

    #[test]
    fn names_are_unique_and_every_variable_sets_something() {
        let mut names: Vec<_> = settings::all().map(|setting| setting.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for variable in &environment::VARIABLES {
            let sets = settings::all().any(|setting| setting.variables.contains(&variable.name));
            assert!(sets, "{} sets nothing", variable.name);
        }
    }
}
