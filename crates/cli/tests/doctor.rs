//! `rio doctor` from outside: what it says, its exit codes, and that it leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What the settings depend on.
const VARIABLES: [&str; 4] = [
    "RUSTFS_ENABLE_IO_URING",
    "RUSTFS_FORCE_RUNTIME",
    "RUSTFS_MAX_CONCURRENT_FILE_OPS",
    "RUSTFS_IO_ENGINE_CONCURRENCY",
];

fn rio() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rio"));
    command.stdin(Stdio::null()).env("COLUMNS", "100");
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// On a disk, also where the temporary directory is in memory.
fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn doctor(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = rio();
    command.arg("doctor").arg("--dir").arg(directory).args(arguments);
    command.envs(environment.iter().copied()).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn object(output: &Output) -> Value {
    serde_json::from_str(&text(output)).unwrap()
}

fn finding<'a>(report: &'a Value, name: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .find(|finding| finding["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

/// The line of the text that begins with a name.
fn line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines()
        .map(str::trim_start)
        .find(|line| line.starts_with(name))
        .unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

#[test]
fn help_is_what_was_reviewed() {
    let output = rio().args(["doctor", "--help"]).output().unwrap();
    assert!(output.status.success());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help/doctor.txt");
    if std::env::var_os("RIO_BLESS").is_some() {
        std::fs::write(&path, text(&output)).unwrap();
    }
    assert_eq!(text(&output), std::fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
}

#[test]
fn a_usable_directory_is_described_and_left_as_it_was() {
    let directory = directory();
    let output = doctor(directory.path(), &[], &[]);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    for title in ["machine", "limits", "io_uring", "directory", "settings", "Rio will use"] {
        assert!(text.lines().any(|line| line == title), "no {title} in\n{text}");
    }
    assert!(text.ends_with(".\n") && text.contains("Rio can work here"), "{text}");
    assert!(is_empty(directory.path()));
}

#[test]
fn json_is_one_object_with_ratings_and_data() {
    let directory = directory();
    let output = doctor(directory.path(), &["--json"], &[]);
    assert!(output.status.success());
    let report = object(&output);
    assert_eq!(report["can_work"], true);
    for finding in report["findings"].as_array().unwrap() {
        let rating = finding["rating"].as_str().unwrap();
        assert!(["ok", "note", "problem"].contains(&rating), "{finding}");
        assert_eq!(finding["remedy"].is_null(), rating == "ok", "{finding}");
    }
    assert!(finding(&report, "CPUs")["data"].as_u64().unwrap() > 0);
    assert!(finding(&report, "free space")["data"]["free_bytes"].as_u64().unwrap() > 0);
    assert!(finding(&report, "io_uring")["data"].is_boolean());
    assert!(!report["will_use"].as_array().unwrap().is_empty());
    assert!(report.get("config").is_none());
}

#[test]
fn settings_come_with_their_origin() {
    let directory = directory();
    let environment = [("RUSTFS_MAX_CONCURRENT_FILE_OPS", "77")];
    let output = doctor(directory.path(), &["--config", "--json"], &environment);
    assert!(output.status.success());
    let report = object(&output);
    let settings = report["config"].as_array().unwrap();
    let setting = |name: &str| settings.iter().find(|setting| setting["name"] == name).unwrap();
    let operations = setting("runtime.max_concurrent_file_ops");
    assert_eq!(operations["value"], "77");
    assert_eq!(operations["origin"], "environment variable RUSTFS_MAX_CONCURRENT_FILE_OPS");
    assert_eq!(operations["allowed"], "1 to 65536");
    assert_eq!(setting("runtime.buffer_size")["origin"], "built-in default");
    let text = text(&doctor(directory.path(), &["--config"], &environment));
    let row = line(&text, "runtime.max_concurrent_file_ops");
    assert!(row.contains("77") && row.contains("RUSTFS_MAX_CONCURRENT_FILE_OPS"), "{row}");
    assert!(line(&text, "operations in flight").contains("77 at most"), "{text}");
}

#[test]
fn io_uring_that_is_switched_off_is_not_used_and_no_fault() {
    let directory = directory();
    let output = doctor(directory.path(), &[], &[("RUSTFS_ENABLE_IO_URING", "off")]);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(line(&text, "rings").contains("none"), "{text}");
    let runtime = line(&text, "runtime");
    // Where the machine refuses it as well, that is the reason given.
    assert!(runtime.contains("RUSTFS_ENABLE_IO_URING") || runtime.contains("refused"), "{text}");
}

#[test]
fn a_bad_value_is_named_with_what_is_allowed() {
    let directory = directory();
    let environment = [("RUSTFS_FORCE_RUNTIME", "fast"), ("RUSTFS_IO_ENGINE_CONCURRENCY", "0")];
    let output = doctor(directory.path(), &["--config"], &environment);
    let words = text(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    for part in [
        "RUSTFS_FORCE_RUNTIME",
        "\"fast\"",
        "tokio, monoio, io_uring",
        "RUSTFS_IO_ENGINE_CONCURRENCY",
        "\"0\"",
    ] {
        assert!(words.contains(part), "no {part} in\n{words}");
    }
    assert!(words.contains("Rio cannot work here"), "{words}");
    assert!(!words.contains("Rio will use"), "it uses nothing:\n{words}");
    let report = object(&doctor(directory.path(), &["--json"], &environment));
    assert_eq!((&report["can_work"], &report["rating"]), (&Value::Bool(false), &Value::from("problem")));
    assert_eq!(finding(&report, "RUSTFS_FORCE_RUNTIME")["stops"], true);
}

#[test]
fn a_directory_that_cannot_be_used_is_a_failure_with_a_remedy() {
    let directory = directory();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let missing = directory.path().join("missing");
    // Nobody can create files in the last one.
    for path in [missing.as_path(), &file, Path::new("/proc/self")] {
        let output = doctor(path, &[], &[]);
        let text = text(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("problem") && text.contains("-> ") && text.contains("cannot work"), "{text}");
    }
    assert!(!missing.exists());
}

#[test]
fn little_lockable_memory_does_no_harm() {
    let directory = directory();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -l 64 && exec \"$0\" doctor --json --dir \"$1\""]);
    command.arg(env!("CARGO_BIN_EXE_rio")).arg(directory.path());
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    let output = command.output().unwrap();
    assert!(output.status.success());
    let report = object(&output);
    assert_eq!(finding(&report, "locked memory")["data"], 64 << 10);
    assert_eq!(finding(&report, "files")["rating"], "ok");
}

#[test]
fn without_descriptors_nothing_is_said_to_be_absent() {
    let directory = directory();
    let mut command = Command::new("sh");
    // The command needs all three that are left: what a test runner leaked would take their place.
    command.args(["-c", "exec 3>&- 4>&- 5>&-; ulimit -n 6 && exec \"$0\" doctor --json --dir \"$1\""]);
    command.arg(env!("CARGO_BIN_EXE_rio")).arg(directory.path());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "no file can be opened");
    let report = object(&output);
    for name in ["memory", "seccomp", "kernel setting"] {
        let value = finding(&report, name)["value"].as_str().unwrap();
        assert!(value.starts_with("unknown: ") && value.contains("open files"), "{name}: {value}");
    }
    let remedy = finding(&report, "io_uring")["remedy"].as_str().unwrap();
    assert!(remedy.contains("ulimit -n"), "{remedy}");
    assert!(is_empty(directory.path()));
}

#[test]
fn mistakes_of_the_command_line_are_told_from_findings() {
    for arguments in [&["doctor", "--nonsense"][..], &["doctor", "--dir"], &["doctor", "stray"]] {
        let output = rio().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}
