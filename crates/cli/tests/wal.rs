//! `rio wal` from outside: what it says, its exit codes, and that it changes no log.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustfs_rio::{RuntimeHandle, Wal, WalConfig};
use serde_json::Value;
use tempfile::TempDir;

fn rio(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rio"));
    command.stdin(Stdio::null()).env("COLUMNS", "100").arg("wal").args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn object(output: &Output) -> Value {
    serde_json::from_str(&out(output)).unwrap()
}

/// A log of 25 records, seven to a segment, which was closed in order or left.
fn log(closed: bool) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let handle = RuntimeHandle::new_tokio();
        let config = WalConfig { segment_bytes: 32 << 10, ..WalConfig::default() };
        let wal = Wal::new(&path, handle, config).await.unwrap();
        for number in 1..=25u8 {
            wal.append(vec![number; 1000].into()).await.unwrap();
        }
        if closed {
            wal.close().await.unwrap();
        }
    });
    (dir, path)
}

fn damage(path: &Path) {
    let file = path.join("0000000002.wal");
    let mut bytes = fs::read(&file).unwrap();
    bytes[4096 * 3 + 500] ^= 1;
    fs::write(&file, bytes).unwrap();
}

#[test]
fn help_is_what_was_reviewed() {
    for (name, arguments) in [
        ("wal", &["--help"][..]),
        ("wal-inspect", &["inspect", "--help"]),
        ("wal-repair", &["repair", "--help"]),
        ("wal-import", &["import", "--help"]),
    ] {
        let output = rio(arguments);
        assert!(output.status.success());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/help/{name}.txt"));
        if std::env::var_os("RIO_BLESS").is_some() {
            fs::write(&path, out(&output)).unwrap();
        }
        assert_eq!(out(&output), fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
    }
}

#[test]
fn a_sound_log_is_described() {
    for closed in [true, false] {
        let (_dir, path) = log(closed);
        let path = path.to_str().unwrap();
        let inspected = rio(&["inspect", path]);
        assert_eq!(inspected.status.code(), Some(0));
        let text = out(&inspected);
        assert!(text.contains("records         25 (25000 bytes of data)"), "{text}");
        assert_eq!(text.lines().filter(|line| line.contains(".wal")).count(), 4, "{text}");
        let verified = rio(&["verify", path]);
        assert_eq!(verified.status.code(), Some(0));
        let verdict = if closed { "closed in order" } else { "not closed" };
        assert!(out(&verified).starts_with("sound: 25 records in 25 commits;"));
        assert!(out(&verified).contains(verdict));
        let report = object(&rio(&["inspect", "--json", path]));
        assert_eq!(
            (&report["records"], &report["sound"], &report["closed"]),
            (&25.into(), &true.into(), &closed.into())
        );
        assert_eq!(report["segments"].as_array().unwrap().len(), 4);
        assert_eq!(report["segments"][3]["state"], "active");
    }
}

#[test]
fn damage_is_named_and_what_is_before_it_saved() {
    let (dir, path) = log(true);
    damage(&path);
    let before = fs::read(path.join("0000000002.wal")).unwrap();
    let (old, new) = (path.to_str().unwrap(), dir.path().join("new"));
    for command in ["inspect", "verify"] {
        let output = rio(&[command, old]);
        assert_eq!(output.status.code(), Some(3));
        assert!(out(&output).contains("damaged: segment 2 (0000000002.wal)"), "{}", out(&output));
        assert_eq!(object(&rio(&[command, "--json", old]))["sound"], false);
    }
    let refused = rio(&["repair", old]);
    assert_eq!(refused.status.code(), Some(2), "a repair needs a place for the copy");
    let inside = path.join("deep/inside");
    let refused = rio(&["repair", old, "--into", inside.to_str().unwrap()]);
    assert!(refused.status.code() == Some(2) && !inside.exists(), "nothing is made in the damaged log");
    let refused = rio(&["repair", old, "--into", old]);
    assert_eq!(refused.status.code(), Some(2));
    let repaired = rio(&["repair", old, "--into", new.to_str().unwrap()]);
    assert_eq!(repaired.status.code(), Some(3), "{}", String::from_utf8_lossy(&repaired.stderr));
    let text = out(&repaired);
    assert!(
        text.contains("saved 9 records, from 1,") && text.contains("left behind: 11 whole records"),
        "{text}"
    );
    let report = object(&rio(&["verify", "--json", new.to_str().unwrap()]));
    assert_eq!((&report["records"], &report["next_sequence"]), (&9.into(), &10.into()));
    assert!(fs::read(path.join("0000000002.wal")).unwrap() == before);
    let again = rio(&["repair", old, "--into", new.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(2), "there is a log already");
}

#[test]
fn a_log_without_control_file_is_saved() {
    let (dir, path) = log(true);
    fs::remove_file(path.join("control")).unwrap();
    let output = rio(&["inspect", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    let new = dir.path().join("new");
    let arguments = ["repair", path.to_str().unwrap(), "--into", new.to_str().unwrap(), "--json"];
    let saved = object(&rio(&arguments));
    assert_eq!((&saved["records"], &saved["left_behind"]), (&25.into(), &0.into()));
}

#[test]
fn what_is_no_log_is_a_usage_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"text").unwrap();
    for path in [dir.path().join("none"), dir.path().to_owned(), file] {
        for command in ["inspect", "verify"] {
            let output = rio(&[command, path.to_str().unwrap()]);
            assert_eq!(output.status.code(), Some(2), "{}", path.display());
            assert!(String::from_utf8_lossy(&output.stderr).starts_with("rio: "));
        }
    }
}

#[test]
fn a_draft_is_imported_up_to_where_it_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let (file, mut bytes) = (dir.path().join("draft"), Vec::new());
    for number in 1..=1000u64 {
        bytes.extend(number.to_le_bytes());
        bytes.extend((1_600_000_000 + number).to_le_bytes());
        bytes.extend(3000u32.to_le_bytes());
        bytes.extend(vec![number as u8; 3000]);
    }
    for (cut, code, records) in [(0, 0, 1000), (10, 3, 999)] {
        fs::write(&file, &bytes[..bytes.len() - cut]).unwrap();
        let new = dir.path().join(format!("new-{cut}"));
        let output = rio(&["import", file.to_str().unwrap(), "--into", new.to_str().unwrap(), "--json"]);
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        let imported = object(&output);
        assert_eq!((&imported["records"], imported["stopped"].is_null()), (&records.into(), cut == 0));
        assert_eq!(object(&rio(&["verify", "--json", new.to_str().unwrap()]))["records"], records);
    }
    fs::write(&file, b"something else, and longer than a header").unwrap();
    let new = dir.path().join("none");
    let output = rio(&["import", file.to_str().unwrap(), "--into", new.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!new.exists());
}
