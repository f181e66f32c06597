//! `rio claims` from outside: what it prints, its exit codes, and that it leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn claims(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rio"));
    command.stdin(Stdio::null()).env("COLUMNS", "100").arg("claims").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_promises_are_listed() {
    let output = claims(&["--list"]);
    let text = text(&output.stdout);
    assert!(output.status.success());
    for id in ["C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "C11", "C12"] {
        assert!(text.lines().any(|line| line.starts_with(&format!("{id} "))), "{id} in {text}");
    }
}

#[test]
fn an_unknown_promise_is_refused_with_those_there_are() {
    let output = claims(&["--only", "C99"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("C99") && said.contains("C7"), "{said}");
}

#[test]
fn json_holds_to_the_contract_and_the_raw_runs_stand_in_a_file() {
    let directory = directory();
    let raw = directory.path().join("raw.json");
    let html = directory.path().join("claims.html");
    let (dir, out) = (directory.path().to_str().unwrap(), raw.to_str().unwrap());
    let page = html.to_str().unwrap();
    let output = claims(&[
        "--only",
        "c5",
        "--quick",
        "--repeats",
        "1",
        "--json",
        "--dir",
        dir,
        "--out",
        out,
        "--html",
        page,
    ]);
    assert!(matches!(output.status.code(), Some(0 | 4)), "{}", text(&output.stderr));
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let claim = &rows.as_array().unwrap()[0];
    assert_eq!((rows.as_array().unwrap().len(), &claim["id"]), (1, &Value::from("C5")));
    assert!(claim["promise"].is_string() && claim["met"].is_boolean());
    let cell = &claim["cells"][0];
    assert!(cell["name"].is_string() && cell["value"].is_number() && cell["met"].is_boolean(), "{cell}");
    assert_eq!((&cell["unit"], &cell["bar"]), (&Value::from("%"), &Value::from(">= 50")));
    let file: Value = serde_json::from_slice(&std::fs::read(&raw).unwrap()).unwrap();
    assert!(file["runs"][0]["pool_peak_bytes"].is_number() && file["quick"] == true, "{file}");
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("C5 30-50 % less memory") && page.contains("<svg"), "{page}");
    // The test file is gone, the raw runs and the report are what is left.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}
