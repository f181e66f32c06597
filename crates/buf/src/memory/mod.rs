//! How much memory there is, and whether it runs short: limits of control groups, pressure stall information.

mod cgroup;

pub use cgroup::ControlGroup;

use std::path::{Path, PathBuf};

/// How short memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Pressure {
    /// There is enough, or nobody says.
    #[default]
    None,
    /// Tasks wait for memory now and then, or little is left.
    Some,
    /// Tasks wait for memory a good part of the time, or next to nothing is left.
    Full,
}

/// Share of the last ten seconds in which some task waited for memory, in percent: `some avg10` of the kernel's documentation
/// "PSI - Pressure Stall Information".
const STALL_SOME: f64 = 5.0;
const STALL_FULL: f64 = 25.0;
/// Share of the limit that is left.
const LEFT_SOME: f64 = 0.10;
const LEFT_FULL: f64 = 0.03;

/// Reads how short memory is for this process. The page cache counts as free: the kernel gives it up first.
#[derive(Debug)]
pub struct PressureGauge {
    group: ControlGroup,
    proc: PathBuf,
}

impl Default for PressureGauge {
    fn default() -> Self {
        Self::new()
    }
}

impl PressureGauge {
    /// Finds out where to look.
    #[must_use]
    pub fn new() -> Self {
        Self { group: ControlGroup::of_this_process(), proc: PathBuf::from("/proc") }
    }

    /// Reads a few small files of procfs and cgroupfs, some 50 us. What cannot be read says nothing.
    #[must_use]
    pub fn read(&self) -> Pressure {
        let stall = self.group.pressure().or_else(|| text(&self.proc.join("pressure/memory")));
        let stall = stall.and_then(|text| stalled(&text)).unwrap_or(0.0);
        let left =
            [self.group.memory_left(), text(&self.proc.join("meminfo")).and_then(|text| available(&text))];
        let left = left.into_iter().flatten().fold(1.0, f64::min);
        if stall >= STALL_FULL || left < LEFT_FULL {
            Pressure::Full
        } else if stall >= STALL_SOME || left < LEFT_SOME {
            Pressure::Some
        } else {
            Pressure::None
        }
    }
}

/// Memory in bytes that this process may use: that of the machine or the limit of its control group, whichever is less. `None` if
/// the system does not say.
#[must_use]
pub fn memory_limit() -> Option<u64> {
    let machine =
        text(Path::new("/proc/meminfo")).and_then(|text| kib(&text, "MemTotal:")).map(|kib| kib << 10);
    [machine, ControlGroup::of_this_process().memory_limit()].into_iter().flatten().min()
}

fn text(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// `avg10` of the line `some`.
fn stalled(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    let field = line.split(' ').find_map(|field| field.strip_prefix("avg10="))?;
    field.parse::<f64>().ok().filter(|share| share.is_finite())
}

/// What is available of the machine's memory, as a share.
fn available(meminfo: &str) -> Option<f64> {
    let (left, total) = (kib(meminfo, "MemAvailable:")?, kib(meminfo, "MemTotal:")?);
    (total > 0).then(|| left as f64 / total as f64)
}

fn kib(meminfo: &str, key: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(all(test, not(rio_loom)))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

    use super::*;

    fn gauge(meminfo: &str, pressure: &str) -> Pressure {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("pressure")).unwrap();
        std::fs::write(directory.path().join("meminfo"), meminfo).unwrap();
        std::fs::write(directory.path().join("pressure/memory"), pressure).unwrap();
        PressureGauge { group: ControlGroup::default(), proc: directory.path().to_owned() }.read()
    }

    fn stall(share: &str) -> String {
        format!(
            "some avg10={share} avg60=90.00 avg300=0.00 total=1\nfull avg10=80.00 avg60=0.00 avg300=0.00 total=1\n"
        )
    }

    const PLENTY: &str = "MemTotal:       1000 kB\nMemFree:          10 kB\nMemAvailable:    500 kB\n";

    #[test]
    fn stalls_and_what_is_left_decide() {
        assert_eq!(gauge(PLENTY, &stall("0.00")), Pressure::None);
        assert_eq!(gauge(PLENTY, &stall("5.10")), Pressure::Some);
        assert_eq!(gauge(PLENTY, &stall("30.00")), Pressure::Full);
        assert_eq!(gauge("MemTotal: 1000 kB\nMemAvailable: 90 kB\n", &stall("0.00")), Pressure::Some);
        assert_eq!(gauge("MemTotal: 1000 kB\nMemAvailable: 20 kB\n", &stall("0.00")), Pressure::Full);
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        assert_eq!(gauge("garbage", "some avg10=NaN"), Pressure::None);
        let nowhere = PressureGauge { group: ControlGroup::default(), proc: PathBuf::from("/nonexistent") };
        assert_eq!(nowhere.read(), Pressure::None);
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(!cfg!(target_os = "linux") || memory_limit().is_some_and(|bytes| bytes > 1 << 20));
    }
}
