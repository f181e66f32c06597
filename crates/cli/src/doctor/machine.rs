//! Kernel, processors, memory.

use std::io;

use super::finding::{Finding, ask, chosen, read};
use crate::bench::machine::bytes;

/// The oldest kernel on which a ring's worker threads can be bounded.
const KERNEL_MIN: Version = Version(5, 15);

/// Major and minor number of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u32, pub(super) u32);

/// The running kernel.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    name: String,
    release: String,
    machine: String,
}

impl Kernel {
    pub(super) fn look() -> Self {
        let uname = rustix::system::uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        Self { name: text(uname.sysname()), release: text(uname.release()), machine: text(uname.machine()) }
    }

    pub(super) fn version(&self) -> Option<Version> {
        let mut numbers = self.release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some(Version(numbers.next()?.ok()?, numbers.next()?.ok()?))
    }
}

/// Everything about the machine.
pub(super) fn look(kernel: &Kernel) -> Vec<Finding> {
    vec![kernel_finding(kernel), processors(), numa(), memory(), huge_pages(), pressure()]
}

fn kernel_finding(kernel: &Kernel) -> Finding {
    let text = format!("{} {} ({})", kernel.name, kernel.release, kernel.machine);
    let finding = match kernel.version() {
        Some(version) if version < KERNEL_MIN => {
            let why =
                "run on Linux 5.15 or later: before it, io_uring lacks operations or bounds on its threads";
            Finding::note("kernel", text, why)
        }
        _ => Finding::ok("kernel", text),
    };
    finding.with(kernel.release.as_str())
}

fn processors() -> Finding {
    let usable = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let online = read("/sys/devices/system/cpu/online").and_then(|list| count(&list));
    let text = match online {
        Some(online) if online > usable => format!("{usable} usable by this process, {online} online"),
        _ => usable.to_string(),
    };
    Finding::ok("CPUs", text).with(usable)
}

/// Length of a list such as `0-3,8`.
fn count(list: &str) -> Option<usize> {
    let length = |range: &str| match range.split_once('-') {
        Some((first, last)) => {
            last.parse::<usize>().ok()?.checked_sub(first.parse().ok()?).map(|distance| distance + 1)
        }
        None => range.parse::<usize>().ok().map(|_| 1),
    };
    list.split(',').map(str::trim).map(length).sum()
}

fn numa() -> Finding {
    const NODES: &str = "/sys/devices/system/node";
    let entries = match std::fs::read_dir(NODES) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::ok("NUMA nodes", "1 (the kernel reports none)").with(1);
        }
        Err(error) => return Finding::unknown("NUMA nodes", &format!("{NODES}: {error}")),
    };
    let number =
        |entry: std::fs::DirEntry| entry.file_name().to_str()?.strip_prefix("node")?.parse::<u32>().ok();
    let mut nodes: Vec<u32> = entries.flatten().filter_map(number).collect();
    nodes.sort_unstable();
    let describe = |node: &u32| {
        let cpus = read(format!("{NODES}/node{node}/cpulist")).filter(|list| !list.is_empty());
        format!("{node} (CPUs {})", cpus.as_deref().unwrap_or("none"))
    };
    let text = nodes.iter().map(describe).collect::<Vec<_>>().join(", ");
    Finding::ok("NUMA nodes", format!("{}: {text}", nodes.len())).with(nodes.len())
}

fn memory() -> Finding {
    let text = match std::fs::read_to_string("/proc/meminfo") {
        Ok(text) => text,
        Err(error) => return Finding::unknown("memory", &format!("/proc/meminfo: {error}")),
    };
    let (Some(total), Some(available)) = (field(&text, "MemTotal:"), field(&text, "MemAvailable:")) else {
        return Finding::unknown("memory", "/proc/meminfo has an unexpected form");
    };
    let swap = match field(&text, "SwapTotal:") {
        Some(0) | None => "no swap".to_owned(),
        Some(swap) => format!("{} of swap", bytes(swap)),
    };
    let text = format!("{}, {} available, {swap}", bytes(total), bytes(available));
    let data = serde_json::json!({ "total_bytes": total, "available_bytes": available });
    // A twentieth: below it the kernel starts to take memory back from whoever has it.
    if available < total / 20 {
        return Finding::note("memory", text, "free some memory: little is left for the page cache")
            .with(data);
    }
    Finding::ok("memory", text).with(data)
}

/// A line of `/proc/meminfo`, in bytes.
fn field(meminfo: &str, name: &str) -> Option<u64> {
    let value = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn huge_pages() -> Finding {
    const NAME: &str = "huge pages";
    match ask("/sys/kernel/mm/transparent_hugepage/enabled") {
        Ok(Some(text)) => match chosen(&text) {
            Some(choice) => Finding::ok(NAME, format!("transparent, {choice}")).with(choice),
            None => Finding::unknown(NAME, "the kernel's answer has an unexpected form"),
        },
        Ok(None) => Finding::ok(NAME, "none that are transparent"),
        Err(why) => Finding::unknown(NAME, &why),
    }
}

fn pressure() -> Finding {
    const NAME: &str = "pressure (PSI)";
    let is_off =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::Unsupported);
    match std::fs::read_to_string("/proc/pressure/memory") {
        Ok(text) => {
            let share = text.split_whitespace().find_map(|word| word.strip_prefix("avg60="));
            let share = share.unwrap_or("?");
            Finding::ok(NAME, format!("available; memory was short {share} % of the last minute")).with(true)
        }
        Err(error) if !is_off(&error) => Finding::unknown(NAME, &format!("/proc/pressure/memory: {error}")),
        Err(_) => {
            let why =
                "boot with psi=1, or a kernel built with CONFIG_PSI, to let Rio see memory pressure early";
            Finding::note(NAME, "not available", why).with(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(release: &str) -> Kernel {
        Kernel { name: "Linux".to_owned(), release: release.to_owned(), machine: "x86_64".to_owned() }
    }

    #[test]
    fn versions_are_read_from_releases() {
        assert_eq!(kernel("6.1.0-21-amd64").version(), Some(Version(6, 1)));
        assert_eq!(kernel("5.15").version(), Some(Version(5, 15)));
        assert_eq!(kernel("unknown").version(), None);
        assert!(Version(5, 9) < Version(5, 15));
        assert!(kernel_finding(&kernel("5.10.0")).remedy.is_some());
        assert!(kernel_finding(&kernel("6.10.0")).remedy.is_none());
    }

    #[test]
    fn lists_are_counted() {
        assert_eq!(count("0-3,8"), Some(5));
        assert_eq!(count("0"), Some(1));
        assert_eq!(count("3-1"), None);
        assert_eq!(count(""), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(field("MemTotal:  2 kB\nSwapTotal: 0 kB", "SwapTotal:"), Some(0));
        assert_eq!(field("MemTotal:  2 kB", "MemTotal:"), Some(2048));
        assert_eq!(field("MemTotal:  x", "MemTotal:"), None);
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        assert_eq!(look(&Kernel::look()).len(), 6);
    }
}
