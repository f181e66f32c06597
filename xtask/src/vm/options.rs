//! The command line of `cargo xtask vm`.

use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What the command line may say.
pub(super) const HELP: &str = "\
options:
  --package P --test T   run this integration test instead of the scenario's own
  --profile P            cargo profile to build it with (default: dev)
  --limit SECONDS        kill the machine after this long (default: 900)
  --accel NAME           qemu accelerator (default: tcg; kvm where the processor allows it)
  -- ARGUMENTS           passed to the test program
";

/// What the command line may change about a scenario.
pub(super) struct Options {
    /// Package of the test to run instead of the scenario's own.
    pub(super) package: Option<String>,
    /// Name of that test.
    pub(super) test: Option<String>,
    /// Cargo profile to build it with.
    pub(super) profile: String,
    /// When to kill the machine.
    pub(super) limit: Duration,
    /// How qemu runs the processor.
    pub(super) accelerator: String,
    /// What the test program gets.
    pub(super) arguments: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            package: None,
            test: None,
            profile: "dev".to_owned(),
            limit: Duration::from_secs(900),
            accelerator: "tcg".to_owned(),
            arguments: Vec::new(),
        }
    }
}

impl Options {
    /// Reads what stands after the scenario.
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(option) = rest.next() {
            if option == "--" {
                options.arguments = rest.cloned().collect();
                break;
            }
            let Some(value) = rest.next() else { bail!("option '{option}' needs a value\n{HELP}") };
            match option.as_str() {
                "--package" => options.package = Some(value.clone()),
                "--test" => options.test = Some(value.clone()),
                "--profile" => options.profile = value.clone(),
                "--limit" => options.limit = Duration::from_secs(seconds(value)?),
                "--accel" => options.accelerator = value.clone(),
                other => bail!("unknown option '{other}'\n{HELP}"),
            }
        }
        Ok(options)
    }
}

fn seconds(value: &str) -> Result<u64> {
    value.parse().with_context(|| format!("--limit takes a number of seconds, not '{value}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_and_arguments_are_told_apart() {
        let options = Options::parse(&words("--limit 5 --test t -- --exact name --limit")).unwrap();
        assert_eq!(options.limit, Duration::from_secs(5));
        assert_eq!(options.test.as_deref(), Some("t"));
        assert_eq!(options.arguments, words("--exact name --limit"));
        for bad in ["--limit", "--limit x", "--speed 3"] {
            assert!(Options::parse(&words(bad)).is_err(), "{bad}");
        }
    }
}
