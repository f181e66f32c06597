//! `rio replay` from outside: formats, compression, errors with their line, the JSON object.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustfs_rio_tune::recorded::{BlockWriter, header};
use rustfs_rio_tune::{Access, AccessKind};
use serde_json::Value;
use tempfile::TempDir;

/// What SPEC section 7 asks for.
const KEYS: [&str; 11] = [
    "trace",
    "requests",
    "cache_bytes",
    "policy",
    "read_blocks",
    "hit_blocks",
    "hit_ratio",
    "prefetch_issued_blocks",
    "prefetch_used_blocks",
    "device_read_bytes",
    "demand_wait_us_total",
];

fn replay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rio"))
        .arg("replay")
        .args(arguments)
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn object(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn complaint(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty());
    text
}

fn sequence() -> Vec<Access> {
    let read = |n: u64| Access {
        at_ns: n * 1_000_000,
        space: 0,
        offset: n << 15,
        len: 1 << 15,
        kind: AccessKind::Read,
    };
    (0..2000).map(read).collect()
}

struct Scene(TempDir);

impl Scene {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path: PathBuf = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn mqsim() -> String {
    let line = |one: &Access| format!("{} 0 {} {} 1\n", one.at_ns, one.offset / 512, one.len / 512);
    sequence().iter().map(line).collect()
}

fn csv() -> String {
    let line = |one: &Access| format!("{},R,{},{}\n", one.at_ns / 1000, one.offset, one.len);
    format!("timestamp_us,op,offset,size\n{}", sequence().iter().map(line).collect::<String>())
}

fn recorded() -> Vec<u8> {
    let (mut writer, mut out) = (BlockWriter::new(), header().to_vec());
    for access in &sequence() {
        writer.push(access, &mut out);
    }
    writer.finish(&mut out);
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn help_is_what_was_reviewed() {
    let output = replay(&["--help"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help/replay.txt");
    if std::env::var_os("RIO_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
}

#[test]
fn every_format_and_compression_gives_the_same_result() {
    let scene = Scene::new();
    let (mqsim, csv, recorded) = (mqsim(), csv(), recorded());
    let zstd = zstd::encode_all(csv.as_bytes(), 1).unwrap();
    let names = [
        scene.file("a.trace", mqsim.as_bytes()),
        scene.file("a.csv", csv.as_bytes()),
        scene.file("a.rio", &recorded),
        scene.file("a.gz", &gzip(mqsim.as_bytes())),
        scene.file("a.zst", &zstd),
    ];
    let mut results = Vec::new();
    for name in &names {
        let mut object = object(&replay(&["--simulate", "--json", name]));
        for key in KEYS {
            assert!(object.get(key).is_some(), "{key} in {object:#}");
        }
        assert_eq!(object["requests"], 2000);
        for key in ["trace", "format"] {
            object.as_object_mut().unwrap().remove(key);
        }
        results.push(object);
    }
    assert!(results.iter().all(|result| *result == results[0]), "{results:#?}");
    assert!(results[0]["hit_ratio"].as_f64().unwrap() > 0.9, "{:#}", results[0]);
}

#[test]
fn xz_is_unpacked() {
    // `printf '1\n2\n1\n' | xz -9`
    const XZ: &[u8] = include_bytes!("keys.xz");
    let scene = Scene::new();
    let result = object(&replay(&["--simulate", "--json", &scene.file("keys.xz", XZ)]));
    assert_eq!(result["requests"], 3);
    assert_eq!(result["hit_blocks"], 1);
    assert_eq!(result["format"], "keys");
    let cut = scene.file("cut.xz", &XZ[..XZ.len() - 20]);
    assert!(complaint(&replay(&["--simulate", &cut]), 3).contains("xz data is damaged or cut off"));
}

#[test]
fn what_is_wrong_with_a_trace_is_said_with_its_line() {
    let scene = Scene::new();
    let cases: [(&str, &[u8], &[&str], &str); 9] = [
        ("damaged", b"1 0 0 8 1\n2 0 8 8 1\n3 0 0 x 1\n", &[], "line 3: field `sectors` is `x`"),
        ("fields", b"1 0 0 8 1\n2 0 8 8\n", &[], "line 2: 4 fields, expected 5"),
        ("foreign", b"<html>\n", &[], "line 1: `<html>` is no request of a known format"),
        ("header", b"time,op,offset,size\n", &[], "line 1: the header is `time,op,offset,size`"),
        ("empty", b"\n\n", &[], "no requests"),
        ("binary", b"1\n\xff\xfe\n", &[], "line 2: not text"),
        ("other", b"1 0 0 8 1\n", &["--format", "keys"], "line 1: 5 fields, expected 1"),
        ("cut.rio", &recorded()[..100], &[], "block 1: the file ends within this block"),
        ("version.rio", b"RIOTRACE\x02\0\0\0\0\0\0\0", &[], "another version than 1"),
    ];
    for (name, content, options, expected) in cases {
        let path = scene.file(name, content);
        let output = replay(&[&["--simulate", &path], options].concat());
        let text = complaint(&output, 3);
        assert!(text.contains(expected), "{name}: {text}");
    }
    let long = scene.file("long", format!("1\n{}\n", "2".repeat(5000)).as_bytes());
    assert!(complaint(&replay(&["--simulate", &long]), 3).contains("line 2: longer than 4096 bytes"));
    let packed = gzip(mqsim().as_bytes());
    let cut = scene.file("cut.gz", &packed[..packed.len() / 2]);
    assert!(complaint(&replay(&["--simulate", &cut]), 3).contains("gzip data is damaged or cut off"));
}

#[test]
fn impossible_command_lines_are_refused() {
    let scene = Scene::new();
    let path = scene.file("keys", b"1\n");
    for (options, expected) in [
        (["--cache-mb", "-1"], "--cache-mb"),
        (["--cache-mb", "nan"], "--cache-mb is NaN, expected 0"),
        (["--speed", "0"], "--speed is 0"),
        (["--use-min", "1.5"], "--use-min is 1.5"),
        (["--predictor", "crystal-ball"], "expected one of none, all, stream"),
        (["--policy", "best"], "expected one of lru"),
        (["--format", "pcap"], "expected one of mqsim"),
    ] {
        let text = complaint(&replay(&[&["--simulate", &path], &options[..]].concat()), 2);
        assert!(text.contains(expected), "{text}");
    }
    let missing = complaint(&replay(&["--simulate", "no-such-trace"]), 1);
    assert!(missing.contains("cannot open the trace no-such-trace"));
}

#[test]
fn caches_of_any_size_are_simulated() {
    let scene = Scene::new();
    let path = scene.file("a.trace", mqsim().as_bytes());
    let none = object(&replay(&["--simulate", "--json", "--cache-mb", "0", &path]));
    assert_eq!((&none["hit_blocks"], &none["prefetch_issued_blocks"]), (&0.into(), &0.into()));
    let beyond = object(&replay(&["--simulate", "--json", "--cache-mb", "67108864", &path]));
    assert!(beyond["hit_ratio"].as_f64().unwrap() > 0.9);
}

#[test]
fn the_leaderboard_ranks_every_predictor() {
    let scene = Scene::new();
    let path = scene.file("a.trace", mqsim().as_bytes());
    let object = object(&replay(&["--simulate", "--compare", "--json", &path]));
    let ranked = object["ranked"].as_array().unwrap();
    let names: Vec<_> = ranked.iter().map(|record| record["predictor"].as_str().unwrap()).collect();
    for name in ["all", "none", "stream"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert_ne!(names[0], "none");
    let waits: Vec<_> =
        ranked.iter().map(|record| record["demand_wait_us_total"].as_f64().unwrap()).collect();
    assert!(waits.is_sorted(), "{waits:?}");
    let table = String::from_utf8(replay(&["--simulate", "--compare", &path]).stdout).unwrap();
    assert!(table.starts_with("rank") && table.contains("stream"), "{table}");
}

#[test]
fn the_same_seed_gives_the_same_result() {
    let scene = Scene::new();
    let path = scene.file("a.trace", mqsim().as_bytes());
    let run = |seed: &str| replay(&["--simulate", "--json", "--seed", seed, &path]).stdout;
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("8"));
}

#[test]
fn on_this_disk_every_read_is_checked_and_counted() {
    let scene = Scene::new();
    let trace: String = (0..200).map(|n| format!("{} 0 {} 16 1\n", n * 100_000, n * 16)).collect();
    let trace = scene.file("forward.trace", trace.as_bytes());
    let directory = std::path::Path::new(&trace).parent().unwrap().to_str().unwrap();
    let probe = std::path::Path::new(directory).join("probe");
    std::fs::write(&probe, [0; 4096]).unwrap();
    let direct = std::process::Command::new("dd")
        .args([&format!("if={}", probe.display()), "of=/dev/null", "bs=4096", "iflag=direct"])
        .output();
    if !direct.is_ok_and(|output| output.status.success()) {
        println!("RIO-SKIP: a replay on this disk: no direct I/O in the temporary directory");
        return;
    }
    for options in [&["--as-fast"][..], &["--speed", "10"]] {
        let result = object(&replay(&[&[trace.as_str(), "--json", "--dir", directory], options].concat()));
        assert_eq!((result["requests"].as_u64(), result["simulated"].as_bool()), (Some(200), Some(false)));
        assert_eq!(result["read_blocks"], 400);
        assert!(result["device_read_bytes"].as_u64().unwrap() > 0, "{result}");
        assert!(result["demand_wait_us_total"].as_f64().unwrap() > 0.0);
    }
    assert!(
        complaint(&replay(&[&trace, "--file-mb", "1", "--requests", "1", "--predictor", "stream"]), 2)
            .contains("needs --simulate")
    );
}
