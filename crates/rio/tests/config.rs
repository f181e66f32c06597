//! The configuration file.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use rustfs_rio::{AdvancedRioConfig, ConfigError, Origin, init_runtime_with_advanced_config};
use std::path::{Path, PathBuf};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/rio.toml")
}

/// The example with its settings in force: `#key = value` loses its mark, words behind `# ` stay comments.
fn in_force() -> String {
    let text = std::fs::read_to_string(example()).unwrap();
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|letter: char| letter.is_ascii_lowercase()) => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_example_names_every_setting_with_its_default() {
    let untouched = AdvancedRioConfig::from_file(example()).unwrap();
    let defaults = AdvancedRioConfig::built_in().describe();
    for (value, default) in untouched.describe().iter().zip(&defaults) {
        assert_eq!((value.name, &value.value), (default.name, &default.value));
        assert_eq!(value.origin, Origin::Default, "{}", value.name);
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rio.toml");
    std::fs::write(&path, in_force()).unwrap();
    let config = AdvancedRioConfig::from_file(&path).unwrap();
    for (value, default) in config.describe().iter().zip(&defaults) {
        assert_eq!(value.value, default.value, "{} differs from the built-in default", value.name);
        assert_eq!(value.origin, Origin::File, "{} is not in the example", value.name);
    }
}

#[tokio::test]
async fn a_mistake_in_the_file_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rio.toml");
    std::fs::write(&path, "[runtime]\nqueue_dpth = 64\n").unwrap();
    let error = AdvancedRioConfig::from_file(&path).unwrap_err();
    assert!(matches!(&error, ConfigError::UnknownKey { nearest: "runtime.queue_depth", .. }), "{error}");
    let config = AdvancedRioConfig { config_file: Some(path), ..AdvancedRioConfig::built_in() };
    let refused = init_runtime_with_advanced_config(config).await.unwrap_err().to_string();
    assert!(refused.contains("no setting runtime.queue_dpth"), "{refused}");
}
