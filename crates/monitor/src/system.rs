//! What the process and the machine use, from `/proc` (proc_pid_stat(5) and its neighbours) and the control group.
//!
//! Everything is optional: a value that a sandbox hides or a kernel lacks is `None` and never an error, and no value is made up.

use serde::{Deserialize, Serialize};

/// One reading of process and machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SystemSample {
    /// CPU time of the process since its start, user and system, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Resident memory, in bytes.
    pub resident_bytes: Option<u64>,
    /// Page faults without and with device access, since the start.
    pub page_faults: Option<(u64, u64)>,
    /// Threads of the process.
    pub threads: Option<u64>,
    /// Open file descriptors.
    pub open_files: Option<u64>,
    /// The limit on them.
    pub open_files_max: Option<u64>,
    /// Memory that the control group, or else the machine, allows, in bytes.
    pub memory_max: Option<u64>,
    /// Memory used of that, in bytes, by everything in the control group; page cache does not count.
    pub memory_used: Option<u64>,
    /// Time that some task waited for I/O, memory or a CPU, in percent of the last 10 s (psi in the kernel's documentation).
    pub pressure: Pressure,
    /// All block devices together, partitions and stacked devices left out.
    pub disks: Option<Disks>,
}

/// Pressure stall information, `some avg10`, in percent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// Waiting for block devices.
    pub io: Option<f64>,
    /// Waiting for memory.
    pub memory: Option<f64>,
    /// Waiting for a CPU.
    pub cpu: Option<f64>,
}

/// Totals over block devices since boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disks {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Requests in flight now.
    pub in_flight: u64,
    /// Milliseconds during which requests were in flight, summed over devices.
    pub busy_millis: u64,
}

impl SystemSample {
    /// Reads the current values. Takes some 100 us, most of it for the list of open files.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn read() -> Self {
        linux::read()
    }

    /// Nothing is known on this platform.
    #[cfg(not(target_os = "linux"))]
    #[must_use]
    pub fn read() -> Self {
        Self::default()
    }

    /// Memory used, as a share of what is allowed.
    #[must_use]
    pub fn memory_share(&self) -> Option<f64> {
        share(self.memory_used?, self.memory_max?)
    }

    /// Open files, as a share of what is allowed.
    #[must_use]
    pub fn open_files_share(&self) -> Option<f64> {
        share(self.open_files?, self.open_files_max?)
    }
}

fn share(used: u64, max: u64) -> Option<f64> {
    (max > 0).then(|| used as f64 / max as f64)
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Disks, Pressure, SystemSample};
    use procfs::process::{LimitValue, Process};
    use procfs::{Current, PressureRecord};
    use std::path::{Path, PathBuf};

    pub(super) fn read() -> SystemSample {
        let mut sample = SystemSample { pressure: pressure(), disks: disks(), ..SystemSample::default() };
        if let Ok(process) = Process::myself() {
            process_values(&process, &mut sample);
        }
        let machine = procfs::Meminfo::current().ok();
        let total = machine.as_ref().map(|memory| memory.mem_total);
        let group = control_group().filter(|(_, max)| total.is_none_or(|total| *max < total));
        (sample.memory_used, sample.memory_max) = match group {
            Some((used, max)) => (Some(used), Some(max)),
            None => {
                (machine.as_ref().and_then(|memory| Some(memory.mem_total - memory.mem_available?)), total)
            }
        };
        sample
    }

    fn process_values(process: &Process, sample: &mut SystemSample) {
        if let Ok(stat) = process.stat() {
            let ticks = procfs::ticks_per_second().max(1) as f64;
            sample.cpu_seconds = Some((stat.utime + stat.stime) as f64 / ticks);
            sample.resident_bytes = Some(stat.rss.saturating_mul(procfs::page_size()));
            sample.page_faults = Some((stat.minflt, stat.majflt));
            sample.threads = u64::try_from(stat.num_threads).ok();
        }
        sample.open_files = process.fd_count().ok().map(|count| count as u64);
        sample.open_files_max =
            process.limits().ok().and_then(|limits| match limits.max_open_files.soft_limit {
                LimitValue::Value(limit) => Some(limit),
                LimitValue::Unlimited => None,
            });
    }

    fn pressure() -> Pressure {
        let percent = |record: PressureRecord| f64::from(record.avg10);
        Pressure {
            io: procfs::IoPressure::current().ok().map(|pressure| percent(pressure.some)),
            memory: procfs::MemoryPressure::current().ok().map(|pressure| percent(pressure.some)),
            cpu: procfs::CpuPressure::current().ok().map(|pressure| percent(pressure.some)),
        }
    }

    fn disks() -> Option<Disks> {
        const SECTOR: u64 = 512;
        let mut sum = Disks::default();
        for disk in procfs::DiskStats::current().ok()?.0 {
            // What is a device of its own has a directory here; partitions lie inside their disk's. Stacked devices (dm, md,
            // loop, ram) pass their requests on and would count twice.
            let stacked =
                ["dm-", "md", "loop", "ram", "zram"].iter().any(|prefix| disk.name.starts_with(prefix));
            if stacked || !Path::new("/sys/block").join(&disk.name).exists() {
                continue;
            }
            sum.read_bytes = sum.read_bytes.saturating_add(disk.sectors_read.saturating_mul(SECTOR));
            sum.written_bytes = sum.written_bytes.saturating_add(disk.sectors_written.saturating_mul(SECTOR));
            sum.in_flight = sum.in_flight.saturating_add(disk.in_progress);
            sum.busy_millis = sum.busy_millis.saturating_add(disk.time_in_progress);
        }
        Some(sum)
    }

    /// Page cache of the control group, which counts as used there and is given back when memory is short: a service that reads files
    /// would look full all the time.
    fn page_cache(directory: &Path, prefix: &str) -> u64 {
        let stat = std::fs::read_to_string(directory.join("memory.stat")).unwrap_or_default();
        let value = |line: &str| -> Option<u64> {
            let (name, value) = line.split_once(' ')?;
            let is_file = matches!(name.strip_prefix(prefix)?, "inactive_file" | "active_file");
            is_file.then(|| value.trim().parse().ok()).flatten()
        };
        stat.lines().filter_map(value).fold(0, u64::saturating_add)
    }

    /// Memory used by and allowed to the control group, of either version (cgroups(7)). A group without a limit has none.
    fn control_group() -> Option<(u64, u64)> {
        let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let number = |path: PathBuf| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
            // Version 1 has sums over descendants under names of their own.
            let (root, used, max, prefix) = match controllers {
                "" => ("/sys/fs/cgroup", "memory.current", "memory.max", ""),
                "memory" => {
                    ("/sys/fs/cgroup/memory", "memory.usage_in_bytes", "memory.limit_in_bytes", "total_")
                }
                _ => return None,
            };
            // Inside a container the group's own directory is mounted at the root.
            [Path::new(root).join(path), PathBuf::from(root)].into_iter().find_map(|directory| {
                let (used, max) = (number(directory.join(used))?, number(directory.join(max))?);
                Some((used.saturating_sub(page_cache(&directory, prefix)), max))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_threads_and_open_files() {
        let held: Vec<_> = (0..16).filter_map(|_| std::fs::File::open("/proc/self/stat").ok()).collect();
        let sample = SystemSample::read();
        assert_eq!(held.len(), 16);
        assert!(sample.resident_bytes.unwrap() > 100_000);
        assert!(sample.threads.unwrap() >= 1);
        assert!(sample.open_files.unwrap() >= 16);
        assert!(sample.memory_share().is_none_or(|share| (0.0..=2.0).contains(&share)), "{sample:?}");
        assert!(sample.page_faults.unwrap().0 > 0);
    }

    #[test]
    fn a_share_of_nothing_is_unknown() {
        let sample = SystemSample { open_files: Some(3), open_files_max: Some(0), ..SystemSample::default() };
        assert_eq!((sample.open_files_share(), sample.memory_share()), (None, None));
    }
}
