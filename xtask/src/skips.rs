//! The account of what did not run.
//!
//! A test that cannot run on this machine prints `RIO-SKIP: reason`, appends that line to the file named by
//! `RIO_SKIP_LOG` when the variable is set, and returns. The runner captures the output of passing tests, so the file is
//! what counts. Steps of this program add their own skips to the same file. At the end every distinct skip is printed
//! once; `RIO_REQUIRE_ALL=1` makes any of them a failure.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Names the file that tests append their skips to.
pub(crate) const LOG_VARIABLE: &str = "RIO_SKIP_LOG";
const REQUIRE_VARIABLE: &str = "RIO_REQUIRE_ALL";
const MARK: &str = "RIO-SKIP:";

/// The file that collects skips during one run.
pub(crate) struct SkipLog {
    path: PathBuf,
}

impl SkipLog {
    /// The log of this run: the one an outer run handed down, or a fresh one.
    pub(crate) fn open() -> Result<Self> {
        if let Some(path) = std::env::var_os(LOG_VARIABLE) {
            return Ok(Self { path: path.into() });
        }
        let name = format!("skips-{}.log", std::process::id());
        let path = workspace::own_directory("xtask")?.join(name);
        std::fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path })
    }

    /// Where tests append.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds one skip and prints it at once.
    pub(crate) fn add(&self, what: &str, why: &str) -> Result<()> {
        println!("SKIPPED: {what}: {why}");
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.path)?;
        writeln!(file, "{MARK} {what}: {why}")
            .with_context(|| format!("cannot append to {}", self.path.display()))
    }

    /// Prints every distinct skip and removes the file; an error when nothing may be skipped.
    pub(crate) fn report(self) -> Result<()> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        // The file is scratch space of this run; a leftover is only untidy.
        let _ = std::fs::remove_file(&self.path);
        let skips = distinct(&text);
        for (skip, count) in &skips {
            let times = if *count > 1 { format!(" ({count} times)") } else { String::new() };
            println!("SKIPPED: {skip}{times}");
        }
        if !skips.is_empty() && required() {
            bail!("{REQUIRE_VARIABLE} is set and {} thing(s) were skipped", skips.len());
        }
        Ok(())
    }
}

fn required() -> bool {
    std::env::var(REQUIRE_VARIABLE).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false" | "off"))
}

fn distinct(text: &str) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in text.lines().map(|line| line.trim().trim_start_matches(MARK).trim()) {
        if !line.is_empty() {
            *counts.entry(line).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_skips_are_counted_and_the_mark_is_optional() {
        let skips = distinct("RIO-SKIP: no ring\nno ring\n\n  RIO-SKIP: no loop devices \n");
        assert_eq!(skips.into_iter().collect::<Vec<_>>(), [("no loop devices", 1), ("no ring", 2)]);
    }
}
