//! What `rio wal` prints.

use std::fmt::Write;
use std::path::Path;
use std::time::UNIX_EPOCH;

use rustfs_rio::wal::{Imported, Salvaged, SegmentInfo, SegmentState, Tail, WalError, WalReport};
use serde_json::{Value, json};

/// A log for people.
pub(super) fn report(report: &WalReport) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let mut line = |name: &str, value: String| _ = writeln!(text, "{name:16}{value}");
    line("log", report.log.to_string());
    line("records", format!("{} ({} bytes of data)", report.records, report.data_bytes));
    line("sequences", format!("{} up to {}", report.first_sequence, report.next_sequence - 1));
    line("commits", report.commits.to_string());
    line("checkpoint", if report.checkpoint == 0 { "none".into() } else { report.checkpoint.to_string() });
    line("opened", format!("{} times for writing", report.epoch));
    line("end", end(report).to_owned());
    _ = writeln!(text, "\nsegment  state   file            first     next  used/size (KiB)  uses");
    for segment in &report.segments {
        _ = writeln!(
            text,
            "{:>7}  {:6}  {}  {:>8} {:>8}  {:>15}  {:>4}",
            segment.segment,
            state(segment.state),
            segment.file,
            segment.first_sequence,
            segment.next_sequence,
            format!("{}/{}", segment.used_bytes / 1024, segment.file_bytes / 1024),
            segment.uses
        );
    }
    for file in &report.unused_files {
        _ = writeln!(text, "unused: {file}");
    }
    text.push('\n');
    text + &verdict(report)
}

/// One line, and one for each damage.
pub(super) fn verdict(report: &WalReport) -> String {
    let mut text = String::new();
    for damage in &report.damage {
        _ = writeln!(text, "damaged: {damage}");
    }
    let sum = format!("{} records in {} commits", report.records, report.commits);
    match report.damage.len() {
        0 => _ = writeln!(text, "sound: {sum}; {}", end(report)),
        _ => _ = writeln!(text, "not sound; whole: {sum}; `rio wal repair` saves those before the damage"),
    }
    text
}

fn end(report: &WalReport) -> &'static str {
    match report.tail {
        _ if report.closed => "closed in order",
        Tail::Torn => "ends with a commit that is not whole, which opening the log cuts off",
        Tail::Stale => "not closed; nothing but old content of a reused file behind the last record",
        _ => "not closed; nothing behind the last record",
    }
}

fn state(state: SegmentState) -> &'static str {
    match state {
        SegmentState::Active => "active",
        SegmentState::Sealed => "full",
        SegmentState::Spare => "spare",
        _ => "other",
    }
}

/// A log for programs.
pub(super) fn report_json(report: &WalReport) -> anyhow::Result<String> {
    let tail = match report.tail {
        Tail::Torn => "torn",
        Tail::Stale => "stale",
        _ => "clean",
    };
    pretty(&json!({
        "log": report.log.to_string(),
        "sound": report.is_sound(),
        "records": report.records,
        "data_bytes": report.data_bytes,
        "commits": report.commits,
        "first_sequence": report.first_sequence,
        "next_sequence": report.next_sequence,
        "checkpoint": report.checkpoint,
        "epoch": report.epoch,
        "closed": report.closed,
        "tail": tail,
        "segments": report.segments.iter().map(segment_json).collect::<Vec<_>>(),
        "unused_files": report.unused_files,
        "damage": report.damage.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
}

fn segment_json(segment: &SegmentInfo) -> Value {
    let created = segment.created.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    json!({
        "segment": segment.segment,
        "state": state(segment.state),
        "file": segment.file,
        "first_sequence": segment.first_sequence,
        "next_sequence": segment.next_sequence,
        "used_bytes": segment.used_bytes,
        "file_bytes": segment.file_bytes,
        "block_bytes": segment.block_bytes,
        "uses": segment.uses,
        "created_seconds": created,
    })
}

/// A log whose control file cannot be read.
pub(super) fn unreadable(error: &WalError, json: bool) -> String {
    if json {
        return format!("{}\n", json!({ "sound": false, "damage": [error.to_string()] }));
    }
    format!("damaged: {error}\n")
}

/// What was saved, for people.
pub(super) fn salvaged(salvaged: &Salvaged, into: &Path) -> String {
    let mut text = String::new();
    for damage in &salvaged.damage {
        _ = writeln!(text, "damaged: {damage}");
    }
    _ = writeln!(
        text,
        "saved {} records, from {}, into {}",
        salvaged.records,
        salvaged.first_sequence,
        into.display()
    );
    if salvaged.left_behind > 0 {
        _ = writeln!(text, "left behind: {} whole records after the damage", salvaged.left_behind);
    }
    text
}

/// What was saved, for programs.
pub(super) fn salvaged_json(salvaged: &Salvaged) -> anyhow::Result<String> {
    pretty(&json!({
        "records": salvaged.records,
        "first_sequence": salvaged.first_sequence,
        "next_sequence": salvaged.next_sequence,
        "left_behind": salvaged.left_behind,
        "damage": salvaged.damage.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
}

/// What was imported, for people.
pub(super) fn imported(imported: &Imported, into: &Path) -> String {
    let mut text = String::new();
    _ = writeln!(text, "imported {} records into {}", imported.records, into.display());
    if let Some(why) = &imported.stopped {
        _ = writeln!(text, "stopped at byte {} of the file: {why}", imported.bytes);
    }
    text
}

/// What was imported, for programs.
pub(super) fn imported_json(imported: &Imported) -> anyhow::Result<String> {
    pretty(&json!({
        "records": imported.records,
        "bytes": imported.bytes,
        "stopped": imported.stopped.map(|why| why.to_string()),
    }))
}

fn pretty(value: &Value) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}
