//! What this process may use: descriptors, locked memory, system calls, and the limits of its control group.

use rustix::process::{Resource, Rlimit, getrlimit};

use super::finding::{Finding, ask};
use super::machine::{Kernel, Version};
use crate::bench::machine::bytes;
use rustfs_rio::ControlGroup;

/// Rings are charged to the user's locked memory before this kernel.
const RING_MEMORY_FREE: Version = Version(5, 12);
/// Several rings with room for a few hundred operations each.
const RING_MEMORY: u64 = 8 << 20;
const SECCOMP: &str = "seccomp";
/// Descriptors beside those of files in use: rings, sockets, logs.
const DESCRIPTORS_BESIDE: u64 = 256;

/// Everything about limits. `operations`: how many file operations may be in flight.
pub(super) fn look(kernel: &Kernel, operations: usize) -> Vec<Finding> {
    let mut findings = vec![
        descriptors(getrlimit(Resource::Nofile), operations),
        locked_memory(getrlimit(Resource::Memlock), kernel.version()),
        match ask("/proc/self/status") {
            Ok(status) => seccomp(status.as_deref()),
            Err(why) => Finding::unknown(SECCOMP, &why),
        },
    ];
    match (ask("/proc/self/cgroup"), ask("/proc/self/mountinfo")) {
        (Ok(own), Ok(mounts)) => {
            let group = ControlGroup::from_text(&own.unwrap_or_default(), &mounts.unwrap_or_default());
            findings.extend(control_group(&group));
        }
        (Err(why), _) | (_, Err(why)) => findings.push(Finding::unknown("control group", &why)),
    }
    findings
}

fn descriptors(limit: Rlimit, operations: usize) -> Finding {
    const NAME: &str = "open files";
    let text = format!("{}, at most {}", amount(limit.current), amount(limit.maximum));
    // Each operation in flight may be on a file of its own.
    let wanted = operations as u64 + DESCRIPTORS_BESIDE;
    let finding = if limit.current.is_some_and(|current| current < wanted) {
        let why = format!(
            "raise the limit to {wanted} or more (ulimit -n, LimitNOFILE= of the service): {operations} operations \
             may be in flight, each on a file of its own"
        );
        Finding::note(NAME, text, why)
    } else {
        Finding::ok(NAME, text)
    };
    finding.with(limit.current)
}

fn amount(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

fn locked_memory(limit: Rlimit, kernel: Option<Version>) -> Finding {
    const NAME: &str = "locked memory";
    let text = limit.current.map_or_else(|| "unlimited".to_owned(), bytes);
    let is_charged = kernel.is_none_or(|version| version < RING_MEMORY_FREE);
    let is_small = limit.current.is_some_and(|current| current < RING_MEMORY);
    let finding = match (is_charged, is_small) {
        (true, true) => {
            let why = "raise the limit to 8 MiB or more (ulimit -l, LimitMEMLOCK= of the service): before Linux 5.12 \
                       the memory of a ring counts";
            Finding::note(NAME, text, why)
        }
        (true, false) => Finding::ok(NAME, text),
        (false, _) => Finding::ok(NAME, format!("{text}; rings do not count from Linux 5.12 on")),
    };
    finding.with(limit.current)
}

/// `Seccomp:` of proc_pid_status(5).
fn seccomp(status: Option<&str>) -> Finding {
    let mode = status.and_then(|text| text.lines().find_map(|line| line.strip_prefix("Seccomp:")));
    match mode.map(str::trim) {
        Some("0") => Finding::ok(SECCOMP, "no filter"),
        Some("2") => Finding::ok(SECCOMP, "a filter is in force; see io_uring for what it refuses"),
        Some(other) => Finding::ok(SECCOMP, format!("mode {other}")),
        None => Finding::unknown(SECCOMP, "the kernel does not tell"),
    }
}

fn control_group(group: &ControlGroup) -> [Finding; 2] {
    let version = group.version().map_or_else(String::new, |version| format!(" (cgroup v{version})"));
    let memory = match group.memory_limit() {
        Some(limit) => Finding::ok("memory limit", format!("{}{version}, page cache included", bytes(limit))),
        None => Finding::ok("memory limit", format!("none{version}")),
    };
    let cpus = match group.cpus() {
        Some(cpus) => Finding::ok("CPU limit", format!("{cpus:.2} CPUs{version}")),
        None => Finding::ok("CPU limit", format!("none{version}")),
    };
    [memory.with(group.memory_limit()), cpus.with(group.cpus())]
}

#[cfg(test)]
mod tests {
    use super::super::finding::Rating;
    use super::*;

    fn limit(current: Option<u64>) -> Rlimit {
        Rlimit { current, maximum: None }
    }

    #[test]
    fn few_descriptors_are_noted_with_the_number_that_is_needed() {
        let finding = descriptors(limit(Some(1024)), 1024);
        assert_eq!(finding.rating, Rating::Note);
        assert!(finding.remedy.unwrap().contains("1280"));
        assert_eq!(descriptors(limit(Some(1280)), 1024).rating, Rating::Ok);
        assert_eq!(descriptors(limit(None), 1024).rating, Rating::Ok);
    }

    #[test]
    fn locked_memory_matters_on_old_kernels_only() {
        let small = limit(Some(64 << 10));
        assert_eq!(locked_memory(small, Some(Version(5, 10))).rating, Rating::Note);
        assert_eq!(locked_memory(small, Some(Version(6, 1))).rating, Rating::Ok);
        assert_eq!(locked_memory(limit(Some(8 << 20)), Some(Version(5, 10))).rating, Rating::Ok);
        assert_eq!(locked_memory(limit(None), None).rating, Rating::Ok);
    }

    #[test]
    fn seccomp_is_read_from_the_status() {
        assert_eq!(seccomp(Some("Name:\trio\nSeccomp:\t0\nSeccomp_filters:\t0\n")).value, "no filter");
        assert!(seccomp(Some("Seccomp:\t2\n")).value.contains("filter"));
        assert!(seccomp(None).value.starts_with("unknown"));
    }
}
