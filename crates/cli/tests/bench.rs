//! `rio bench` from outside: help, JSON, refusals, and what it leaves behind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// More than any test needs.
const GENEROUS: Duration = Duration::from_secs(60);
/// A run that is over at once.
const TINY: [&str; 8] = [
    "--size",
    "8M",
    "--seconds",
    "0.02",
    "--repeats",
    "1",
    "--only",
    "rand-read-4k-cached-2,rand-mix50-4k-cached-2",
];
/// A contract with the readers of the JSON.
const KEYS: [&str; 14] = [
    "workload",
    "engine",
    "block_size",
    "tasks",
    "direct",
    "write_pct",
    "iops",
    "mbps",
    "p50_us",
    "p95_us",
    "p99_us",
    "cpu_us_per_op",
    "device_read_bytes",
    "verified",
];

fn rio() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rio"));
    // Neither the width of a terminal nor somebody's settings may matter.
    command.stdin(Stdio::null()).env("COLUMNS", "100").env_remove("RUSTFS_FORCE_RUNTIME");
    command
}

fn run(arguments: &[&str]) -> Output {
    rio().args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// On a disk, also where the temporary directory is in memory.
fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn bench_in(directory: &Path) -> Command {
    let mut command = rio();
    command.arg("bench").arg("--dir").arg(directory);
    command
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

/// What users read is reviewed as a change of these files; `RIO_BLESS=1` writes them anew.
#[test]
fn help_is_what_was_reviewed() {
    for (name, arguments) in
        [("rio", &["--help"][..]), ("bench", &["bench", "--help"]), ("bench-short", &["bench", "-h"])]
    {
        let output = run(arguments);
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help").join(name).with_extension("txt");
        if std::env::var_os("RIO_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, reviewed, "`rio {}` differs from {}", arguments.join(" "), path.display());
    }
}

#[test]
fn json_is_one_array_of_the_documented_rows() {
    let directory = directory();
    let engines = ["threads", "rio-auto", "rio-blocking", "tokio-fs"];
    let output = bench_in(directory.path())
        .args(TINY)
        .args(["--json", "--engines", &engines.join(",")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.len(), 2 * engines.len());
    let text = String::from_utf8(output.stdout).unwrap();
    let mut rest = text.as_str();
    for key in KEYS {
        let (_, after) = rest
            .split_once(&format!("\"{key}\":"))
            .unwrap_or_else(|| panic!("{key} is missing or out of order in {text}"));
        rest = after;
    }
    for row in &rows {
        assert_eq!(row["verified"], true, "{row}");
        assert!(row["iops"].as_f64().unwrap() > 0.0 && row["cpu_us_per_op"].as_f64().unwrap() > 0.0, "{row}");
        assert_eq!((row["block_size"].as_u64(), row["tasks"].as_u64()), (Some(4096), Some(2)), "{row}");
        let pct = if row["workload"] == "rand-mix50-4k-cached-2" { 50 } else { 0 };
        assert_eq!(row["write_pct"], pct, "{row}");
        assert!(row["device_read_bytes"].is_u64() || row["device_read_bytes"].is_null(), "{row}");
    }
    assert!(rows.iter().all(|row| row.as_object().unwrap().len() == KEYS.len()));
    assert!(is_empty(directory.path()));
}

#[test]
fn the_table_has_machine_workloads_ratios_and_a_summary() {
    let directory = directory();
    let output = bench_in(directory.path()).args(TINY).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "", "progress belongs on a terminal");
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "machine    Linux ",
        "test file  8.00 MiB, removed at the end",
        "page cache holds the file before each run",
        "x tokio-fs  x floor",
        "rand-read-4k-cached-2 (4 KiB random reads",
        "rand-mix50-4k-cached-2 (4 KiB random 50 % reads",
        "rio-auto in short",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[test]
fn the_list_names_workloads_and_engines() {
    let output = run(&["bench", "--list"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for name in [
        "rand-read-4k-direct-32",
        "seq-write-4k-cached-1-fdatasync",
        "rio-uring",
        "spawn-blocking",
        "bare-ring",
    ] {
        assert!(text.contains(name), "{name} is missing in:\n{text}");
    }
}

#[test]
fn bad_input_is_refused_with_what_is_wrong_expected_and_to_do() {
    let parent = directory();
    let file = parent.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    let missing = parent.path().join("missing");
    let place = |path: &Path| path.to_str().unwrap().to_owned();
    let cases: [(&[&str], i32, &[&str]); 14] = [
        (&["--size", "0"], 2, &["--size", "'0'", "at least one", "256M"]),
        (&["--size", "1.5G"], 2, &["'1.5G'", "whole MiB"]),
        (&["--size", "100000000000000T"], 2, &["whole MiB"]),
        (&["--size", "16000000T"], 2, &["page cache", "--size", "--only direct"]),
        (
            &["--size", "16000000T", "--only", "rand-read-4k-direct-1"],
            1,
            &["no room", "MiB are needed", "smaller file"],
        ),
        (
            &["--size", "1M", "--only", "seq-read-1m-cached-4"],
            2,
            &["1.00 MiB", "4.00 MiB", "--size", "--only"],
        ),
        (&["--only", "walk-read-4k-cached-1"], 2, &["walk-read", "rand-read-4k-cached-32", "--list"]),
        (&["--engines", "threads,rio"], 2, &["'rio'", "rio-auto", "tokio-fs"]),
        (&["--seconds", "0"], 2, &["--seconds", "0.01 to 3600"]),
        (&["--repeats", "0"], 2, &["--repeats", "1..=1000"]),
        (&["--workers", "0"], 2, &["--workers", "1..=256"]),
        (&["--dir", &place(&missing)], 1, &["missing", "No such file", "--dir"]),
        (&["--dir", &place(&file)], 1, &["file is not a directory", "existing directory"]),
        (&["--fast"], 2, &["--fast"]),
    ];
    for (arguments, code, texts) in cases {
        let output = rio().current_dir(parent.path()).arg("bench").args(arguments).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?} printed before it refused");
        for text in texts {
            assert!(said.contains(text), "{arguments:?} does not say {text:?}: {said}");
        }
    }
    std::fs::remove_file(&file).unwrap();
    assert!(is_empty(parent.path()), "a refused run left something behind");
}

#[test]
fn a_bad_environment_is_refused_before_anything_is_measured() {
    let directory = directory();
    let output = bench_in(directory.path())
        .args(TINY)
        .args(["--engines", "threads,rio-auto"])
        .env("RUSTFS_MAX_CONCURRENT_FILE_OPS", "many")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("RUSTFS_MAX_CONCURRENT_FILE_OPS") && said.contains("\"many\""), "{said}");
    assert!(output.stdout.is_empty());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Waits until the test file is there, and in full if asked for.
fn wait_for_file(directory: &Path, size_min: u64, child: &mut Child) {
    let deadline = Instant::now() + GENEROUS;
    loop {
        let made = std::fs::read_dir(directory).unwrap().flatten().next();
        let size =
            made.and_then(|made| std::fs::metadata(made.path().join("data")).ok()).map(|file| file.len());
        if size.is_some_and(|size| size >= size_min) {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "the program ended before the file was made");
        assert!(Instant::now() < deadline, "no file after {GENEROUS:?}");
        // why: another process makes the file, and nothing but looking tells when.
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn wait(mut child: Child) -> (Option<i32>, String) {
    let deadline = Instant::now() + GENEROUS;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("still running after {GENEROUS:?}");
        }
        // why: std has no wait with a bound.
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[test]
fn a_signal_ends_it_and_the_file_is_gone() {
    const SIZE: u64 = 64 << 20;
    // While the file is written, and while an engine runs that would run for ten minutes.
    for (signal, code, size_min) in
        [(Signal::INT, 130, 1), (Signal::TERM, 143, SIZE), (Signal::INT, 130, SIZE), (Signal::HUP, 129, SIZE)]
    {
        let directory = directory();
        let mut child = bench_in(directory.path())
            .args([
                "--size",
                "64M",
                "--seconds",
                "600",
                "--engines",
                "rio-auto",
                "--only",
                "rand-read-4k-cached-1",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for_file(directory.path(), size_min, &mut child);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let (ended, said) = wait(child);
        assert_eq!(ended, Some(code), "{signal:?}: {said}");
        assert!(is_empty(directory.path()), "{signal:?} left the file behind");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let directory = directory();
    for arguments in [&["--list"][..], &TINY[..]] {
        let mut child = bench_in(directory.path())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let (ended, said) = wait(child);
        assert_eq!((ended, said.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(is_empty(directory.path()));
    }
}

#[test]
fn completions_know_the_options() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains("quick"), "{shell}");
    }
    assert_eq!(run(&["completions", "cobol"]).status.code(), Some(2));
}
