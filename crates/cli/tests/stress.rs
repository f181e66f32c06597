//! `rio stress` from outside: what it prints, its exit codes, and that it leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn stress(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rio"));
    command.stdin(Stdio::null()).arg("stress").args(arguments).output().unwrap()
}

#[test]
fn a_short_run_says_that_nothing_was_wrong() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let dir = directory.path().to_str().unwrap();
    let short = ["--seconds", "1", "--file-mib", "16", "--tasks", "2", "--faults", "--dir", dir];
    let output = stress(&short);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("nothing was wrong") && text.contains("faulty device"), "{text}");
    let output = stress(&[&short[..], &["--json"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["ok"], report["report"]["roles"].as_array().unwrap().len()), (&Value::from(true), 6));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_that_is_none_and_a_time_that_is_too_short_are_refused() {
    let output = stress(&["--dir", "/nonexistent-directory"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("/nonexistent-directory"), "{said}");
    assert_eq!(stress(&["--seconds", "0"]).status.code(), Some(2));
}
