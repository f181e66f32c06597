//! What the process uses over time, and whether that grows.

use std::time::Duration;

use rustfs_rio_monitor::SystemSample;
use serde::Serialize;

/// Samples kept; beyond that every other one is given up, so that a run of any length stays bounded.
const SAMPLES_MAX: usize = 4096;
/// Memory that a steady process may gain between the second and the last quarter of a run: allocators keep what bursts left.
const MEMORY_MARGIN_BYTES: u64 = 24 << 20;
/// The same as a share.
const MEMORY_MARGIN_SHARE: f64 = 0.10;
/// Descriptors and threads come and go with the roles.
const COUNT_MARGIN: u64 = 24;
/// Shorter runs have no quarters worth comparing.
const SAMPLES_MIN: usize = 16;

/// What the process used at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Since the start of the run.
    pub at_seconds: u64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// Threads.
    pub threads: u64,
}

impl Usage {
    fn now(at: Duration) -> Option<Self> {
        let sample = SystemSample::read();
        Some(Self {
            at_seconds: at.as_secs(),
            resident_bytes: sample.resident_bytes?,
            open_files: sample.open_files?,
            threads: sample.threads?,
        })
    }
}

/// Whether a run grew.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Growth {
    /// Medians of the second quarter of the run.
    pub early: Usage,
    /// Medians of its last quarter.
    pub late: Usage,
    /// Peaks.
    pub peak: Usage,
    /// What grew, in words.
    pub problems: Vec<String>,
    /// Whether the run was long enough to tell.
    pub is_known: bool,
}

/// Collects samples within a bound.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    samples: Vec<Usage>,
    stride: u64,
    calls: u64,
}

impl Watch {
    pub(crate) fn look(&mut self, at: Duration) {
        self.calls += 1;
        if self.calls.is_multiple_of(self.stride.max(1))
            && let Some(usage) = Usage::now(at)
        {
            self.samples.push(usage);
        }
        if self.samples.len() >= SAMPLES_MAX {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride = self.stride.max(1) * 2;
        }
    }

    pub(crate) fn judge(&self) -> Growth {
        judge(&self.samples)
    }
}

fn judge(samples: &[Usage]) -> Growth {
    let quarter = samples.len() / 4;
    let peak = Usage {
        at_seconds: samples.last().map_or(0, |usage| usage.at_seconds),
        resident_bytes: most(samples, |usage| usage.resident_bytes),
        open_files: most(samples, |usage| usage.open_files),
        threads: most(samples, |usage| usage.threads),
    };
    if samples.len() < SAMPLES_MIN {
        return Growth { peak, ..Growth::default() };
    }
    let early = medians(&samples[quarter..2 * quarter]);
    let late = medians(&samples[samples.len() - quarter..]);
    let mut problems = Vec::new();
    let margin = MEMORY_MARGIN_BYTES.max((early.resident_bytes as f64 * MEMORY_MARGIN_SHARE) as u64);
    if late.resident_bytes > early.resident_bytes + margin {
        let mib = |bytes: u64| bytes >> 20;
        problems.push(format!(
            "memory grew from {} to {} MiB",
            mib(early.resident_bytes),
            mib(late.resident_bytes)
        ));
    }
    for (what, before, after) in
        [("open files", early.open_files, late.open_files), ("threads", early.threads, late.threads)]
    {
        if after > before + COUNT_MARGIN {
            problems.push(format!("{what} grew from {before} to {after}"));
        }
    }
    Growth { early, late, peak, problems, is_known: true }
}

fn most(samples: &[Usage], of: fn(&Usage) -> u64) -> u64 {
    samples.iter().map(of).max().unwrap_or(0)
}

fn medians(samples: &[Usage]) -> Usage {
    let middle = |of: fn(&Usage) -> u64| {
        let mut values: Vec<u64> = samples.iter().map(of).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0)
    };
    Usage {
        at_seconds: middle(|usage| usage.at_seconds),
        resident_bytes: middle(|usage| usage.resident_bytes),
        open_files: middle(|usage| usage.open_files),
        threads: middle(|usage| usage.threads),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(u64) -> u64, files: impl Fn(u64) -> u64) -> Vec<Usage> {
        let sample = |second| Usage {
            at_seconds: second,
            resident_bytes: memory(second),
            open_files: files(second),
            threads: 10,
        };
        (0..100).map(sample).collect()
    }

    #[test]
    fn a_steady_process_does_not_grow() {
        let growth = judge(&samples(|second| (100 << 20) + ((second * 7919) % 13) * (1 << 20), |_| 30));
        assert!(growth.is_known && growth.problems.is_empty(), "{growth:?}");
    }

    #[test]
    fn a_leak_of_memory_or_files_is_named() {
        let growth = judge(&samples(|second| (100 << 20) + second * (1 << 20), |second| 30 + second));
        assert_eq!(growth.problems.len(), 2, "{growth:?}");
        assert!(growth.problems[0].contains("memory grew from") && growth.problems[1].contains("open files"));
    }

    #[test]
    fn a_short_run_tells_nothing() {
        assert!(!judge(&samples(|_| 1, |_| 1)[..10]).is_known);
    }

    #[test]
    fn samples_stay_bounded() {
        let mut watch = Watch::default();
        for second in 0..10_000 {
            watch.look(Duration::from_secs(second));
        }
        assert!(watch.samples.len() <= SAMPLES_MAX && watch.judge().is_known);
        assert_eq!(watch.samples.last().map(|usage| usage.at_seconds / 1000), Some(9));
    }
}
