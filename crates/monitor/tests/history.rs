//! The history downsamples without loss, stays bounded, and its file survives kills, damage and a full disk.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]
#![allow(clippy::print_stdout, reason = "a process that is to be killed tells what it has written")]

use rustfs_rio_monitor::{
    Ended, Entry, FileClass, History, HistoryFile, HistoryFileError, Key, Operation, Path as Taken,
    RealTimeStats, Recorder, Sample, Snapshot, Tier,
};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Names the file that a process started by [`writer`] writes to.
const CHILD: &str = "RIO_HISTORY_CHILD";

/// A second that ended at `end`, with latencies that differ from second to second.
fn sample(end: u64) -> Sample {
    // Recorders calibrate their clocks, which takes longer than all else here.
    static KINDS: OnceLock<Vec<Snapshot>> = OnceLock::new();
    let kinds = KINDS.get_or_init(|| (0..100).map(counted).collect());
    let stats = RealTimeStats { timestamp: end, queue_depth: (end % 7) as u32, ..RealTimeStats::default() };
    Sample::new(Duration::from_secs(1), &kinds[(end % 100) as usize], &stats)
}

fn counted(kind: u64) -> Snapshot {
    let recorder = Recorder::new();
    let key = Key::new(Operation::Read, Taken::Ring, FileClass::Data);
    for i in 0..20u64 {
        recorder.record(key, Ended::well(4096), Duration::from_micros(50 + kind * i));
    }
    recorder.snapshot()
}

#[test]
fn coarser_tiers_are_the_sums_of_finer_ones() {
    let mut history = History::new();
    let mut entries = Vec::new();
    (1..=600).for_each(|second| entries.extend(history.push(&sample(second))));
    assert_eq!(history.len(), 599 + 59 + 1);
    entries.extend(history.finish());
    assert!(history.finish().is_empty());
    let of = |tier| entries.iter().filter(|entry| entry.tier == tier).collect::<Vec<_>>();
    assert_eq!(
        [600, 60, 2],
        [of(Tier::Second).len(), of(Tier::TenSeconds).len(), of(Tier::FiveMinutes).len()]
    );
    let mut expected = sample(1);
    (2..=300).for_each(|second| expected.merge(&sample(second)));
    assert_eq!(of(Tier::FiveMinutes)[0].sample, expected);
    assert_eq!((expected.end, expected.transfers, expected.latency.count()), (300, 6000, 6000));
    assert_eq!((expected.queue_depth.min, expected.queue_depth.max), (0.0, 6.0));
}

#[test]
fn the_clock_may_jump_and_intervals_may_be_missing() {
    let mut history = History::new();
    for end in [100, 101, 50, 0, 102, 5_000, u64::MAX / 400, 7] {
        history.push(&sample(end));
    }
    history.finish();
    let all = history.range(0, u64::MAX);
    assert!(
        all.windows(2).all(|pair| pair[0].end <= pair[1].end),
        "{:?}",
        all.iter().map(|s| s.end).collect::<Vec<_>>()
    );
    // The step that was open when the gap came is not mixed with what came after it.
    let mut gap = History::new();
    let entries: Vec<Entry> = [5, 20, 31].into_iter().flat_map(|end| gap.push(&sample(end))).collect();
    let tens: Vec<u64> = entries
        .iter()
        .filter(|entry| entry.tier == Tier::TenSeconds)
        .map(|entry| entry.sample.transfers)
        .collect();
    assert_eq!(tens, [20, 20]);
}

#[test]
fn several_intervals_in_a_second_are_one_sample() {
    let mut history = History::new();
    let entries: Vec<Entry> = [7, 7, 7, 8].into_iter().flat_map(|end| history.push(&sample(end))).collect();
    let seconds: Vec<(u64, u64)> =
        entries.iter().map(|entry| (entry.sample.end, entry.sample.transfers)).collect();
    assert_eq!(seconds, [(7, 60)]);
}

#[test]
fn a_killed_program_loses_no_coarse_sample() {
    let mut history = History::new();
    let written: Vec<Entry> = (1..=299).flat_map(|second| history.push(&sample(second))).collect();
    // The file holds 298 seconds, 29 samples of ten seconds and none of five minutes.
    let mut restored = History::new();
    written.iter().for_each(|entry| restored.restore(entry));
    assert!(restored.resume().is_empty());
    let after: Vec<Entry> =
        [299, 300, 301].into_iter().flat_map(|second| restored.push(&sample(second))).collect();
    let long = after.iter().find(|entry| entry.tier == Tier::FiveMinutes).unwrap();
    assert_eq!((long.sample.end, long.sample.transfers), (300, 6000));
}

#[test]
fn memory_and_ranges_of_more_than_ninety_days_are_bounded() {
    let mut history = History::new();
    // Five minutes each, so that a hundred days take no minutes here.
    for step in 1..=100 * 288u64 {
        history.push(&Sample { elapsed: Duration::from_secs(300), ..sample(step * 300) });
    }
    history.finish();
    assert!(history.len() <= 3600 + 8640 + 25_920, "{}", history.len());
    assert!(history.bytes() < 30 << 20, "{} bytes", history.bytes());
    let end = 100 * 86_400;
    assert_eq!(history.range(end - 86_400 + 1, end).len(), 288);
    assert_eq!(history.range(0, end).len(), 25_920);
    assert!(history.range(end + 1, u64::MAX).is_empty());
}

#[test]
fn a_file_gives_back_what_was_written_and_forgets_what_is_too_old() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history");
    let file = HistoryFile::open(&path).unwrap();
    assert!(file.range(Tier::Second, 0, u64::MAX).unwrap().is_empty());
    let write = |end| file.append(&[Entry { tier: Tier::Second, sample: sample(end) }]).unwrap();
    [10, 11, 12].into_iter().for_each(write);
    assert!(matches!(HistoryFile::open(&path), Err(HistoryFileError::InUse { .. })));
    assert_eq!(file.range(Tier::Second, 11, 20).unwrap(), [sample(11), sample(12)]);
    assert!(file.range(Tier::TenSeconds, 0, u64::MAX).unwrap().is_empty());
    write(12 + 3600);
    let ends: Vec<u64> = file.range(Tier::Second, 0, u64::MAX).unwrap().iter().map(|s| s.end).collect();
    assert_eq!(ends, [12, 3612]);
    drop(file);
    let file = HistoryFile::open(&path).unwrap();
    assert_eq!(file.range(Tier::Second, 0, u64::MAX).unwrap(), [sample(12), sample(3612)]);
}

#[test]
fn a_damaged_file_is_set_aside_and_an_unwritable_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history");
    std::fs::write(&path, b"this is no database, but somebody's notes").unwrap();
    let file = HistoryFile::open(&path).unwrap();
    let aside = file.set_aside().unwrap();
    assert_eq!(std::fs::read(aside).unwrap(), b"this is no database, but somebody's notes");
    file.append(&[Entry { tier: Tier::Second, sample: sample(1) }]).unwrap();
    drop(file);
    assert!(HistoryFile::open(&path).unwrap().set_aside().is_none());
    let missing = HistoryFile::open(&directory.path().join("absent").join("history")).unwrap_err();
    assert!(matches!(missing, HistoryFileError::Open { .. }), "{missing}");
}

/// The process that the next tests kill or starve: writes a second after the other and tells each when it is durable. Without the
/// variable there is nobody to write for.
#[test]
fn writer_process() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let file = HistoryFile::open(Path::new(&path)).unwrap();
    let start = file.range(Tier::Second, 0, u64::MAX).unwrap().last().map_or(0, |sample| sample.end);
    for end in start + 1..start + 100_000 {
        let wide = Sample { latency: wide(), ..sample(end) };
        match file.append(&[Entry { tier: Tier::Second, sample: wide }]) {
            Ok(()) => println!("wrote {end}"),
            Err(error) => {
                println!("failed {error}");
                return;
            }
        }
        std::io::stdout().flush().unwrap();
    }
}

/// A histogram of many buckets, so that files grow.
fn wide() -> rustfs_rio_monitor::Histogram {
    let mut histogram = rustfs_rio_monitor::Histogram::new();
    (0..40).for_each(|shift| histogram.record(Duration::from_nanos(3 << shift), 1 << 40));
    histogram
}

/// Starts [`writer_process`] on `path`, through a shell that runs `prelude` first.
fn writer(path: &Path, prelude: &str) -> std::process::Child {
    let program = std::env::current_exe().unwrap();
    Command::new("sh")
        .args(["-c", &format!("{prelude} exec \"$0\" --exact writer_process --nocapture --test-threads=1")])
        .arg(program)
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The end of the last sample that a writer told of.
fn last_told(lines: impl Iterator<Item = String>) -> Option<u64> {
    // The test program may write its own words before the first on a line.
    lines.filter_map(|line| line.split("wrote ").nth(1)?.trim().parse().ok()).last()
}

/// Kills a writer `rounds` times at different moments; each time the file has to hold all that was told.
fn kill_writers(rounds: u64) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history");
    let mut told = 0;
    for round in 0..rounds {
        let mut child = writer(&path, "");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // Between two and a few dozen transactions, so that kills fall everywhere.
        let some = 2 + (round * 7) % 23;
        let first = last_told(lines.by_ref().filter(|line| line.contains("wrote ")).take(some as usize));
        child.kill().unwrap();
        child.wait().unwrap();
        let before = told;
        told = last_told(lines).or(first).unwrap_or(told);
        assert!(told > before, "round {round}: the writer wrote nothing");
        let file = HistoryFile::open(&path).unwrap();
        assert!(file.set_aside().is_none(), "round {round}: the file was damaged");
        let ends: Vec<u64> = file.range(Tier::Second, 0, u64::MAX).unwrap().iter().map(|s| s.end).collect();
        let last = *ends.last().unwrap();
        // What was being written when the kill came may be there or not.
        assert!(last == told || last == told + 1, "round {round}: told {told}, found {last}");
        let expected: Vec<u64> = (last.saturating_sub(ends.len() as u64 - 1)..=last).collect();
        assert_eq!(ends, expected, "round {round}: samples are missing");
        told = last;
    }
}

#[test]
fn a_kill_loses_nothing_that_was_told() {
    kill_writers(10);
}

#[test]
#[ignore = "two hundred kills take half a minute; continuous integration runs it with its slow steps"]
fn two_hundred_kills_lose_nothing_that_was_told() {
    kill_writers(200);
}

#[test]
fn a_file_that_cannot_grow_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history");
    // With the signal ignored, writing beyond the limit is an error, as on a full disk.
    let child = writer(&path, "trap '' XFSZ; ulimit -f 6000;");
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("failed "), "{text:.2000}");
    let told = last_told(text.lines().map(str::to_owned)).unwrap();
    let file = HistoryFile::open(&path).unwrap();
    assert!(file.set_aside().is_none());
    let ends: Vec<u64> = file.range(Tier::Second, 0, u64::MAX).unwrap().iter().map(|s| s.end).collect();
    assert!(ends.last().is_some_and(|last| *last >= told), "told {told}, found {:?}", ends.last());
}

/// The first sample that was ever written in this format. Histories live for ninety days and longer than programs.
#[test]
fn version_one_stays_readable() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/history-sample/v1");
    let bytes = std::fs::read(directory.join("second-142.bin")).unwrap();
    assert_eq!(Sample::decode(&bytes).unwrap(), sample(142));
    assert_eq!(sample(142).encode(), bytes, "the format changed: raise its version");
}
