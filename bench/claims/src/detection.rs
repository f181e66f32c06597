//! C11: how long until trouble is an alert, and what watching costs.
//!
//! The monitor takes its time as an argument, so the injected troubles are played in made-up seconds through the very code
//! that runs in a service: recorder, collector, watch and alert book.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustfs_rio_load::target::Rio;
use rustfs_rio_load::{KIB, Target, Workload};
use rustfs_rio_monitor::{
    Change, Collector, CollectorConfig, Ended, ErrorClass, FileClass, Key, Operation, Path, Reading,
    Recorder, SystemSample, Targets,
};
use serde_json::json;

use crate::cell::ratios;
use crate::{Bar, Cell, ClaimError, Raw, Setting};

const READ: Key = Key::new(Operation::Read, Path::Ring, FileClass::Data);
/// Seconds of usual load before trouble begins.
const USUAL: u64 = 300;
/// Seconds of trouble that are waited for.
const PATIENCE: u64 = 120;
/// A poll of thresholds looks this often.
const POLL: f64 = 60.0;
/// Operations a second.
const OPERATIONS: u64 = 400;
/// Records timed together.
const RECORDS: u32 = 1_000_000;

/// What goes wrong.
#[derive(Clone, Copy)]
enum Trouble {
    /// Latencies are half as long again.
    Slowdown,
    /// One in ten operations fails.
    Errors,
    /// Memory in use grows by one part in fifty of the limit each second.
    Leak,
}

/// C11.
pub(crate) fn measure(setting: &Setting, raw: &mut Raw) -> Result<Vec<Cell>, ClaimError> {
    let mut cells = Vec::new();
    for (trouble, name) in [
        (Trouble::Slowdown, "latency +50 %, intervals to the alert"),
        (Trouble::Errors, "10 % errors, intervals to the alert"),
        (Trouble::Leak, "memory leak, intervals to the alert"),
    ] {
        setting.check()?;
        let seeds = 0..setting.repeats.max(5) as u64;
        let found: Vec<Option<u64>> =
            seeds.map(|seed| detect(trouble, setting.seed ^ (seed * 7919))).collect();
        raw.add(json!({ "claim": "C11", "trouble": name, "intervals": found }));
        let all = found.iter().all(Option::is_some);
        let values: Vec<f64> = found.into_iter().flatten().map(|seconds| seconds as f64).collect();
        let cell = Cell::new(name, "s", Bar::AtMost(2.0), if all { values } else { Vec::new() });
        let saved = cell.value.map(|value| (1.0 - value / (POLL / 2.0)) * 100.0);
        cells.push(match saved {
            Some(saved) => cell.note(format!("{saved:.0} % sooner than the mean of a 60 s poll")),
            None => cell.note("an injected trouble was not noticed"),
        });
    }
    cells.push(recording(setting, raw)?);
    cells.push(throughput(setting, raw)?);
    Ok(cells)
}

/// Seconds from the first second of trouble to the alert about it.
fn detect(trouble: Trouble, seed: u64) -> Option<u64> {
    let recorder = Arc::new(Recorder::new());
    let interval = Duration::from_secs(1);
    let config =
        CollectorConfig { interval, targets: Targets::default(), retention: Duration::from_secs(3600) };
    let reading = |second: u64, used: u64| Reading {
        wall: Duration::from_secs(1_000_000 + second),
        monotonic: Duration::from_secs(second),
        system: memory(used),
        ..Reading::default()
    };
    let mut collector = Collector::new(config, Arc::clone(&recorder), reading(0, 400));
    let mut random = seed | 1;
    let mut noise = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) as f64 / (1_u64 << 53) as f64
    };
    for second in 1..=USUAL + PATIENCE {
        let since = second.saturating_sub(USUAL);
        for _ in 0..OPERATIONS {
            // Latencies of a device: a floor and an exponential tail.
            let usual = 80.0 - 30.0 * (1.0 - noise()).ln();
            let slow = if since > 0 && matches!(trouble, Trouble::Slowdown) { 1.5 } else { 1.0 };
            let fails = since > 0 && matches!(trouble, Trouble::Errors) && noise() < 0.1;
            let ended = if fails { Ended::badly(0, ErrorClass::Device) } else { Ended::well(4096) };
            recorder.record(READ, ended, Duration::from_nanos((usual * slow * 1000.0) as u64));
        }
        let leaked = if matches!(trouble, Trouble::Leak) { since * 20 } else { 0 };
        let used = (400 + leaked + (noise() * 4.0) as u64).min(1000);
        let collected = collector.collect(reading(second, used));
        let concerns = |change: &Change| match (trouble, change.alert().metric.as_str()) {
            (Trouble::Slowdown, metric) => metric.ends_with("latency_us"),
            (Trouble::Errors, metric) => metric == "error_rate",
            (Trouble::Leak, metric) => metric == "memory_share",
        };
        let opened = |change: &Change| matches!(change, Change::Opened(_)) && concerns(change);
        if since > 0 && collected.changes.iter().any(opened) {
            return Some(since);
        }
    }
    None
}

/// A process that uses so many thousandths of its memory limit.
fn memory(thousandths: u64) -> SystemSample {
    let unit = 1 << 20;
    let mut sample = SystemSample::default();
    (sample.memory_max, sample.memory_used) = (Some(1000 * unit), Some(thousandths * unit));
    sample
}

/// Nanoseconds of one record.
fn recording(setting: &Setting, raw: &mut Raw) -> Result<Cell, ClaimError> {
    let mut costs = Vec::new();
    for _ in 0..setting.repeats.max(3) {
        setting.check()?;
        let recorder = Recorder::new();
        let start = Instant::now();
        for round in 0..RECORDS {
            recorder.record(
                READ,
                Ended::well(4096),
                Duration::from_nanos(80_000 + u64::from(black_box(round) & 0xFFF)),
            );
        }
        costs.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(RECORDS));
    }
    raw.add(json!({ "claim": "C11", "record_ns": costs }));
    Ok(Cell::new("one record, one thread", "ns", Bar::AtMost(20.0), costs))
}

/// Throughput lost to the monitor where an operation is shortest.
fn throughput(setting: &Setting, raw: &mut Raw) -> Result<Cell, ClaimError> {
    let workload = Workload::random(4 * KIB, 32);
    let targets: [Box<dyn Target>; 2] = [Box::new(Rio::auto()), Box::new(Rio::monitored())];
    let report = setting.compare(workload.clone(), &targets, raw)?;
    let kept = ratios(&report, &workload, "rio-monitored", "rio-auto", |outcome| Some(outcome.iops));
    let lost = kept.into_iter().map(|kept| (1.0 - kept) * 100.0).collect();
    Ok(Cell::new("throughput lost, cached 4 KiB, 32 tasks", "%", Bar::AtMost(2.0), lost))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_is_found() {
        for trouble in [Trouble::Slowdown, Trouble::Errors, Trouble::Leak] {
            assert!(detect(trouble, 11).is_some());
        }
    }
}
