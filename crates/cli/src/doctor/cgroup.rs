//! Limits of the control group that this process is in.
//!
//! A limit may be set on any group above, and the smallest one holds. Version 2 has one tree; version 1 has one per
//! controller, and machines with both exist. See cgroups(7).

use std::path::{Path, PathBuf};

use super::finding::{ask, read};

/// What the control group allows; `None` where it sets no limit.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Limits {
    /// Version of the tree that the limits are from; `None` without control groups.
    pub(super) version: Option<u8>,
    /// Bytes, page cache included.
    pub(super) memory: Option<u64>,
    /// CPUs' worth of time.
    pub(super) cpus: Option<f64>,
}

/// Looks at the groups of this process.
///
/// # Errors
///
/// Why the kernel's answer cannot be read.
pub(super) fn look() -> Result<Limits, String> {
    let (own, mounts) = (ask("/proc/self/cgroup")?, ask("/proc/self/mountinfo")?);
    Ok(within(&own.unwrap_or_default(), &mounts.unwrap_or_default()))
}

fn within(own: &str, mounts: &str) -> Limits {
    let one = |controller| groups(own, mounts, controller);
    let memory = one("memory");
    let cpu = one("cpu");
    let unified = one("");
    let version = if !memory.is_empty() || !cpu.is_empty() {
        Some(1)
    } else if !unified.is_empty() {
        Some(2)
    } else {
        None
    };
    let (memory, cpus) = match version {
        Some(1) => (smallest(&memory, memory_v1), smallest(&cpu, cpus_v1)),
        _ => (smallest(&unified, memory_v2), smallest(&unified, cpus_v2)),
    };
    Limits { version, memory, cpus }
}

fn smallest<T: PartialOrd>(groups: &[PathBuf], limit: fn(&Path) -> Option<T>) -> Option<T> {
    groups.iter().filter_map(|group| limit(group)).reduce(|a, b| if b < a { b } else { a })
}

/// Directories of the process's group and of those above it; the controller is empty for the tree of version 2.
fn groups(own: &str, mounts: &str, controller: &str) -> Vec<PathBuf> {
    let path = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let controllers = fields.next()?;
        controllers.split(',').any(|name| name == controller).then_some(fields.next()?)
    });
    let (Some(path), Some((root, point))) = (path, mount(mounts, controller)) else { return Vec::new() };
    // In a container the tree may be mounted from the container's group on.
    let below = Path::new(path).strip_prefix(&root).unwrap_or(Path::new(""));
    let group = Path::new(&point).join(below.strip_prefix("/").unwrap_or(below));
    group.ancestors().take_while(|above| above.starts_with(&point)).map(Path::to_owned).collect()
}

/// Root and mount point of a tree, see proc_pid_mountinfo(5). Control groups are not mounted where names need escapes.
fn mount(mounts: &str, controller: &str) -> Option<(String, String)> {
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let is_it = match (kind.next()?, controller) {
            ("cgroup2", "") => true,
            ("cgroup", "") => false,
            ("cgroup", name) => kind.nth(1)?.split(',').any(|option| option == name),
            _ => false,
        };
        let mut place = place.split(' ').skip(3).map(str::to_owned);
        is_it.then_some((place.next()?, place.next()?))
    })
}

fn memory_v2(group: &Path) -> Option<u64> {
    read(group.join("memory.max"))?.parse().ok()
}

fn memory_v1(group: &Path) -> Option<u64> {
    // No limit is the largest multiple of a page.
    read(group.join("memory.limit_in_bytes"))?.parse().ok().filter(|limit| *limit < 1 << 62)
}

fn cpus_v2(group: &Path) -> Option<f64> {
    let text = read(group.join("cpu.max"))?;
    let (quota, period) = text.split_once(' ')?;
    ratio(quota, period)
}

fn cpus_v1(group: &Path) -> Option<f64> {
    ratio(&read(group.join("cpu.cfs_quota_us"))?, &read(group.join("cpu.cfs_period_us"))?)
}

/// A quota of `max` or -1 is none.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period) = (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(directory: &Path, file: &str, text: &str) {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join(file), text).unwrap();
    }

    #[test]
    fn the_smallest_limit_on_the_way_up_holds() {
        let directory = tempfile::tempdir().unwrap();
        let point = directory.path();
        write(&point.join("a/b"), "memory.max", "max\n");
        write(&point.join("a"), "memory.max", "1048576\n");
        write(point, "memory.max", "2097152\n");
        write(&point.join("a/b"), "cpu.max", "150000 100000\n");
        write(&point.join("a"), "cpu.max", "max 100000\n");
        let mounts = format!("30 1 0:26 / {} rw - cgroup2 cgroup2 rw\n", point.display());
        let limits = within("0::/a/b\n", &mounts);
        assert_eq!(limits, Limits { version: Some(2), memory: Some(1_048_576), cpus: Some(1.5) });
    }

    #[test]
    fn a_tree_may_be_mounted_from_the_container_on() {
        let directory = tempfile::tempdir().unwrap();
        write(&directory.path().join("inner"), "memory.max", "4096");
        let mounts = format!("30 1 0:26 /docker/x {} rw - cgroup2 cgroup2 rw\n", directory.path().display());
        assert_eq!(within("0::/docker/x/inner\n", &mounts).memory, Some(4096));
    }

    #[test]
    fn version_1_has_a_tree_per_controller() {
        let directory = tempfile::tempdir().unwrap();
        let (memory, cpu) = (directory.path().join("memory"), directory.path().join("cpu"));
        write(&memory.join("job"), "memory.limit_in_bytes", "8192");
        write(&memory, "memory.limit_in_bytes", "9223372036854771712");
        write(&cpu.join("job"), "cpu.cfs_quota_us", "-1");
        write(&cpu.join("job"), "cpu.cfs_period_us", "100000");
        let mounts = format!(
            "32 1 0:29 / {} rw - cgroup cgroup rw,cpu,cpuacct\n34 1 0:31 / {} rw - cgroup cgroup rw,memory\n\
             41 1 0:38 / /unified rw - cgroup2 cgroup2 rw\n",
            cpu.display(),
            memory.display()
        );
        let own = "4:memory:/job\n2:cpu,cpuacct:/job\n0::/\n";
        assert_eq!(within(own, &mounts), Limits { version: Some(1), memory: Some(8192), cpus: None });
    }

    #[test]
    fn nothing_is_made_up_without_control_groups() {
        assert_eq!(within("", ""), Limits::default());
        assert_eq!(within("garbage\n0::/", "garbage - cgroup2"), Limits::default());
    }
}
