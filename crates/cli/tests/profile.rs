//! `rio profile` names what uses the CPU.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that cannot go on has failed, and one that is skipped says so"
)]

use std::io::Write;
use std::process::Command;

fn rio() -> Command {
    Command::new(env!("CARGO_BIN_EXE_rio"))
}

#[test]
fn a_workload_leaves_a_flame_graph_a_profile_and_a_picture() {
    let directory = tempfile::tempdir().unwrap();
    let output = rio()
        .args([
            "profile",
            "--workload",
            "rand-read-4k-cached-8",
            "--seconds",
            "2",
            "--file-mib",
            "16",
            "--json",
            "--dir",
        ])
        .arg(directory.path())
        .arg("--out")
        .arg(directory.path().join("out"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(summary["verified"] == true && summary["operations"].as_u64() > Some(1000), "{summary}");
    assert!(!summary["functions"].as_array().unwrap().is_empty(), "{summary}");
    let file = |name: &str| std::fs::read(directory.path().join("out").join(name)).unwrap();
    assert!(String::from_utf8(file("cpu.svg")).unwrap().contains("rustfs_rio"));
    assert_eq!(file("cpu.pb.gz")[..2], [0x1f, 0x8b]);
    assert!(String::from_utf8(file("io.svg")).unwrap().contains("class=\"read\""));
}

#[test]
fn another_program_is_sampled_where_perf_can() {
    let directory = tempfile::tempdir().unwrap();
    let output = rio()
        .args(["profile", "--json", "--out"])
        .arg(directory.path())
        .args(["--", "sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exit 7"])
        .output()
        .unwrap();
    let summary: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!((output.status.code(), summary["exit_code"].as_i64()), (Some(7), Some(7)), "{summary}");
    assert!(summary["peak_bytes"].as_u64() > Some(100_000), "{summary}");
    let note = summary["note"].as_str().unwrap();
    if note.is_empty() {
        assert!(std::fs::read_to_string(directory.path().join("cpu.svg")).unwrap().contains("<svg"));
        return;
    }
    let line = format!("RIO-SKIP: flame graph of another program: {note}");
    println!("{line}");
    if let Some(log) = std::env::var_os("RIO_SKIP_LOG") {
        writeln!(std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap(), "{line}").unwrap();
    }
}

#[test]
fn what_cannot_be_profiled_is_refused() {
    for (arguments, wanted) in [
        (vec!["profile"], "--workload"),
        (vec!["profile", "--workload", "nonsense"], "nonsense"),
        (vec!["profile", "--out", "/dev/null/x", "--", "true"], "--out"),
    ] {
        let output = rio().args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(wanted), "{arguments:?}: {output:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let missing = rio()
        .args(["profile", "--out"])
        .arg(directory.path())
        .args(["--", "no-such-program-here"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
}
