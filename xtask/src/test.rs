//! `cargo xtask test`: sets up what the tests need, runs them, and says what did not run.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::matrix::{self, Matrix};
use crate::packages::{self, Tool};
use crate::process::{self, Stream, cargo};
use crate::skips::{self, SkipLog};
use crate::workspace;

/// The command by which this program calls itself inside a mount namespace.
pub(crate) const MOUNTED: &str = "test-mounted";

/// What some tests compare against or call; a test without its tool skips and says so.
const TOOLS: [Tool; 5] = [
    Tool::new("fio", "fio"),
    Tool::new("chromium", "chromium"),
    Tool::new("tmux", "tmux"),
    Tool::new("prometheus", "prometheus"),
    Tool::new("prometheus-alertmanager", "prometheus-alertmanager"),
];

/// Runs all tests; arguments after `--` go to `cargo nextest run`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let log = SkipLog::open()?;
    let result = run_all(&log, arguments);
    println!();
    if let Ok(summary) = &result {
        println!("tests: {summary}");
    }
    // A failed test matters more than a forbidden skip, but both are printed.
    let skipped = log.report();
    result.map(drop).and(skipped)
}

/// Sets up, runs nextest and the doctests, and returns the counts in one line.
pub(crate) fn run_all(log: &SkipLog, arguments: &[String]) -> Result<String> {
    packages::ensure_nextest()?;
    if let Err(error) = packages::ensure_tools(&TOOLS) {
        log.add("tests that need further tools", &format!("{error:#}"))?;
    }
    let path = summary_path()?;
    // A summary of an earlier run must not pass for this one's.
    let _ = std::fs::remove_file(&path);
    let result = run_on_matrix(log, arguments);
    // A run with failures has counts too; one that did not compile has none.
    let summary = std::fs::read_to_string(&path);
    match (result, summary) {
        (Ok(()), summary) => summary.with_context(|| format!("no counts in {}", path.display())),
        (Err(_), Ok(summary)) => bail!("{summary}"),
        (Err(error), Err(_)) => Err(error),
    }
}

fn run_on_matrix(log: &SkipLog, arguments: &[String]) -> Result<()> {
    if let Some(why) = matrix::obstacle() {
        log.add("tests on ext4, xfs and btrfs", &why)?;
        return test_on_matrix(log, arguments);
    }
    let mut inner = vec![MOUNTED];
    inner.extend(arguments.iter().map(String::as_str));
    let mut command = matrix::in_private_namespace(&inner)?;
    process::run(command.env(skips::LOG_VARIABLE, log.path()))
}

/// The part of [`run_all`] that happens inside the mount namespace.
pub(crate) fn run_mounted(arguments: &[String]) -> Result<()> {
    test_on_matrix(&SkipLog::open()?, arguments)
}

fn test_on_matrix(log: &SkipLog, arguments: &[String]) -> Result<()> {
    let matrix = Matrix::mount(log)?;
    let directories = matrix.variable();
    println!("{}={directories}", matrix::DIRS_VARIABLE);
    let (counts, tests) = nextest(log, &directories, arguments);
    // A filter picks among the tests; the doctests know nothing of it.
    let (passed, doctests) = if arguments.is_empty() { doctests() } else { (0, Ok(())) };
    if let Some(counts) = counts {
        let line = format!("{counts}; {passed} doctests passed");
        std::fs::write(summary_path()?, line).context("cannot write the test counts")?;
    }
    tests.and(doctests)
}

/// Runs all tests that are not doctests; counts come back even when some failed.
fn nextest(log: &SkipLog, directories: &str, arguments: &[String]) -> (Option<String>, Result<()>) {
    let mut command = cargo(&["nextest", "run", "--workspace", "--all-features", "--no-fail-fast"]);
    command.args(arguments.iter().filter(|argument| *argument != "--"));
    command.env(skips::LOG_VARIABLE, log.path()).env(matrix::DIRS_VARIABLE, directories);
    let mut counts = None;
    let result = process::tee(&mut command, Stream::Err, |line| counts = counts_in(line).or(counts.take()));
    (counts, result)
}

fn doctests() -> (usize, Result<()>) {
    let mut passed = 0;
    let mut command = cargo(&["test", "--doc", "--workspace", "--all-features"]);
    let result = process::tee(&mut command, Stream::Out, |line| passed += passed_in(line));
    (passed, result)
}

/// The counts in nextest's summary line.
fn counts_in(line: &str) -> Option<String> {
    let plain = process::strip_colours(line);
    let rest = plain.trim_start().strip_prefix("Summary [")?;
    rest.split_once("] ").map(|(_, counts)| counts.trim().to_owned())
}

/// How many doctests a result line counts as passed.
pub(crate) fn passed_in(line: &str) -> usize {
    let plain = process::strip_colours(line);
    let Some(rest) = plain.trim().strip_prefix("test result: ok. ") else { return 0 };
    rest.split_whitespace().next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn summary_path() -> Result<PathBuf> {
    Ok(workspace::own_directory("xtask")?.join("test-summary.txt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_summary_line_only() {
        let line =
            "\u{1b}[31;1m     Summary\u{1b}[0m [   0.214s] 48 tests run: 47 passed, 1 failed, 0 skipped";
        assert_eq!(counts_in(line).unwrap(), "48 tests run: 47 passed, 1 failed, 0 skipped");
        assert_eq!(counts_in("        PASS [   0.005s] (45/48) x Summary"), None);
    }

    #[test]
    fn doctest_counts_are_read_from_result_lines_only() {
        assert_eq!(passed_in("test result: ok. 14 passed; 0 failed; 1 ignored; finished in 0.1s"), 14);
        assert_eq!(passed_in("test result: FAILED. 3 passed; 1 failed"), 0);
        assert_eq!(passed_in("running 3 tests"), 0);
    }
}
