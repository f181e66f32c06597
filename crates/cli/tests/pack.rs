//! `rio pack`, `unpack`, `cat`, `inspect` and `key` from outside.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn rio(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rio"));
    command
        .stdin(Stdio::null())
        .env("COLUMNS", "100")
        .current_dir(directory)
        .args(arguments)
        .output()
        .unwrap()
}

fn ok(directory: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = rio(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn code(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let output = rio(directory, arguments);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn object(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn text(bytes: usize) -> Vec<u8> {
    (0u32..)
        .flat_map(|i| format!("{i} GET /bucket/{}\n", i.wrapping_mul(7919)).into_bytes())
        .take(bytes)
        .collect()
}

#[test]
fn help_is_what_was_reviewed() {
    let here = std::env::temp_dir();
    for name in ["pack", "unpack", "cat", "inspect", "key"] {
        let found = String::from_utf8(ok(&here, &[name, "--help"])).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/help/{name}.txt"));
        if std::env::var_os("RIO_BLESS").is_some() {
            fs::write(&path, &found).unwrap();
        }
        assert_eq!(found, fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
    }
}

#[test]
fn what_was_packed_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    ok(here, &["key", "keys"]);
    for length in [0, 1, 5_000_000] {
        let content = text(length);
        fs::write(here.join("data"), &content).unwrap();
        for options in
            [&[][..], &["--key-file", "keys"], &["--key-file", "keys", "--chacha", "--codec", "lz4"]]
        {
            let arguments = [&["pack", "data", "--force", "--json", "--checksum", "md5"], options].concat();
            let report = object(&ok(here, &arguments));
            assert_eq!(report["content_bytes"], length);
            assert_eq!(report["pack_bytes"], fs::metadata(here.join("data.rpk")).unwrap().len());
            ok(here, &["unpack", "data.rpk", "-o", "again", "--force", "--key-file", "keys"]);
            assert!(fs::read(here.join("again")).unwrap() == content);
            assert!(ok(here, &["cat", "data.rpk", "--key-file", "keys"]) == content);
            let found = object(&ok(here, &["inspect", "data.rpk", "--json", "--key-file", "keys"]));
            assert_eq!((&found["sound"], &found["content_bytes"]), (&true.into(), &length.into()));
            assert_eq!(found["checksums"], report["checksums"]);
        }
    }
    assert!(
        ok(here, &["cat", "data.rpk", "--range", "2097100..2097200", "--key-file", "keys"])
            == text(2_097_200)[2_097_100..]
    );
    assert!(
        ok(here, &["cat", "data.rpk", "--range", "4999990..", "--key-file", "keys"])
            == text(5_000_000)[4_999_990..]
    );
}

#[test]
fn standard_input_and_output_work() {
    let directory = tempfile::tempdir().unwrap();
    let content = text(3_000_000);
    let pipe = |arguments: &[&str], input: &[u8]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rio"))
            .args(arguments)
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input).unwrap());
            child.wait_with_output().unwrap()
        })
    };
    let packed = pipe(&["pack", "-", "-o", "-"], &content);
    assert!(packed.status.success());
    let again = pipe(&["unpack", "-", "-o", "-"], &packed.stdout);
    assert!(again.status.success() && again.stdout == content);
    let cut = pipe(&["unpack", "-", "-o", "content"], &packed.stdout[..packed.stdout.len() - 20]);
    assert_eq!(cut.status.code(), Some(3));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing half done is left");
}

#[test]
fn nothing_is_replaced_without_force() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::write(here.join("data"), b"content").unwrap();
    fs::write(here.join("data.rpk"), b"precious").unwrap();
    let (exit, error) = code(here, &["pack", "data"]);
    assert!(exit == 2 && error.contains("--force"), "{error}");
    assert_eq!(fs::read(here.join("data.rpk")).unwrap(), b"precious");
    ok(here, &["pack", "data", "--force"]);
    assert_eq!(code(here, &["unpack", "data.rpk"]).0, 2, "data exists");
    assert_eq!(fs::read_dir(here).unwrap().count(), 2);
}

#[test]
fn damage_is_named_and_nothing_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::write(here.join("data"), text(3_000_000)).unwrap();
    ok(here, &["pack", "data", "--codec", "zstd:3"]);
    let mut bytes = fs::read(here.join("data.rpk")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(here.join("bad.rpk"), &bytes).unwrap();
    let output = rio(here, &["inspect", "bad.rpk", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let found = object(&output.stdout);
    let first = found["first_bad_byte"].as_u64().unwrap() as usize;
    assert!(found["sound"] == false && first <= middle && middle - first < 1 << 20, "{found}");
    let (exit, error) = code(here, &["unpack", "bad.rpk", "-o", "out"]);
    assert!(exit == 3 && error.contains("authentication failed"), "{error}");
    assert!(!here.join("out").exists());
    fs::write(here.join("cut.rpk"), &bytes[..100]).unwrap();
    assert_eq!(code(here, &["cat", "cut.rpk"]).0, 3);
    assert_eq!(code(here, &["inspect", "cut.rpk"]).0, 3);
}

#[test]
fn mistakes_are_explained() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::write(here.join("data"), b"content").unwrap();
    ok(here, &["key", "keys"]);
    ok(here, &["pack", "data", "--key-file", "keys"]);
    for (arguments, part) in [
        (&["pack", "data", "-o", "x", "--codec", "lzo"][..], "expected none, lz4"),
        (&["pack", "data", "-o", "x", "--block", "3"], "power of two"),
        (&["pack", "-"], "--output"),
        (&["unpack", "data"], "--output"),
        (&["cat", "data.rpk", "--range", "5", "--key-file", "keys"], "A..B"),
        (&["cat", "data.rpk", "--range", "5..99", "--key-file", "keys"], "content of 7 bytes"),
        (&["inspect", "data"], "no Rio pack"),
    ] {
        let (exit, error) = code(here, arguments);
        assert!(exit == 2 && error.contains(part), "{arguments:?}: {exit} {error}");
    }
    let (exit, error) = code(here, &["unpack", "data.rpk", "-o", "x"]);
    assert!(exit == 1 && error.contains("key file"), "{exit} {error}");
    let (exit, error) = code(here, &["key", "keys"]);
    assert!(exit == 1 && error.contains("keys"), "{exit} {error}");
    assert!(String::from_utf8(ok(here, &["inspect", "data.rpk"])).unwrap().contains("give the key file"));
    #[cfg(unix)]
    {
        fs::set_permissions(here.join("keys"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        let (exit, error) = code(here, &["cat", "data.rpk", "--key-file", "keys"]);
        assert!(exit == 2 || exit == 1, "{exit}");
        assert!(error.contains("chmod 600"), "{error}");
    }
}

#[test]
fn other_formats_are_recognised() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    for (file, format) in [
        ("s2/v1/mixed.bin", "S2"),
        ("dare/v2/aes-hello.bin", "DARE 2.0"),
        ("pack/v1/clear.rpk", "Rio pack 1"),
    ] {
        let found = String::from_utf8(ok(&fixtures, &["inspect", file])).unwrap();
        assert!(found.contains(format), "{found}");
    }
    let (exit, _) = code(&fixtures, &["inspect", "s2/v1/hello-flipped.bin"]);
    assert_eq!(exit, 3);
    let cut = rio(&fixtures, &["inspect", "dare/v2/aes-hello-cut.bin"]);
    assert_eq!(cut.status.code(), Some(3));
}
