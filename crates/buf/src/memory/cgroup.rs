//! Control groups of this process, see cgroups(7).
//!
//! A limit may be set on any group above, and the smallest one holds. Version 2 has one tree; version 1 has one per
//! controller, and machines with both exist.

use super::{stalled, text};
use std::path::{Path, PathBuf};

/// The control groups that this process is in.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ControlGroup {
    /// Version of the tree that sets limits; `None` without control groups.
    version: Option<u8>,
    /// Directories of the group and of those above it, from the inside out.
    memory: Vec<PathBuf>,
    cpu: Vec<PathBuf>,
}

impl ControlGroup {
    /// Looks at procfs once. Without control groups, or if procfs cannot be read, no limit is known.
    #[must_use]
    pub fn of_this_process() -> Self {
        let read = |path: &str| text(Path::new(path)).unwrap_or_default();
        Self::from_text(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"))
    }

    /// As [`of_this_process`](Self::of_this_process), from the content of `/proc/self/cgroup` and `/proc/self/mountinfo`.
    #[must_use]
    pub fn from_text(own: &str, mounts: &str) -> Self {
        let (memory, cpu) = (groups(own, mounts, "memory"), groups(own, mounts, "cpu"));
        if !memory.is_empty() || !cpu.is_empty() {
            return Self { version: Some(1), memory, cpu };
        }
        let unified = groups(own, mounts, "");
        Self { version: (!unified.is_empty()).then_some(2), memory: unified.clone(), cpu: unified }
    }

    /// 1 or 2; `None` without control groups.
    #[must_use]
    pub fn version(&self) -> Option<u8> {
        self.version
    }

    /// The smallest limit on memory in bytes, page cache included; `None` where none is set.
    #[must_use]
    pub fn memory_limit(&self) -> Option<u64> {
        self.memory.iter().filter_map(|group| self.limit_of(group)).min()
    }

    /// The smallest limit on processor time, in processors' worth of it.
    #[must_use]
    pub fn cpus(&self) -> Option<f64> {
        let limit = |group: &PathBuf| match self.version? {
            1 => ratio(&text(&group.join("cpu.cfs_quota_us"))?, &text(&group.join("cpu.cfs_period_us"))?),
            _ => {
                let quota = text(&group.join("cpu.max"))?;
                let (quota, period) = quota.split_once(' ')?;
                ratio(quota, period)
            }
        };
        self.cpu.iter().filter_map(limit).reduce(f64::min)
    }

    /// What is left below the limit that is closest, as a share of it. The page cache counts as free.
    pub(super) fn memory_left(&self) -> Option<f64> {
        let key = if self.version? == 1 { "total_rss " } else { "anon " };
        let left = |group: &PathBuf| {
            let limit = self.limit_of(group)?;
            let stat = text(&group.join("memory.stat"))?;
            let used: u64 = stat.lines().find_map(|line| line.strip_prefix(key))?.trim().parse().ok()?;
            (limit > 0).then(|| limit.saturating_sub(used) as f64 / limit as f64)
        };
        self.memory.iter().filter_map(left).reduce(f64::min)
    }

    /// Pressure stall information of the group that waits most.
    pub(super) fn pressure(&self) -> Option<String> {
        let files = self.memory.iter().filter_map(|group| text(&group.join("memory.pressure")));
        files.max_by(|a, b| stalled(a).unwrap_or(0.0).total_cmp(&stalled(b).unwrap_or(0.0)))
    }

    fn limit_of(&self, group: &Path) -> Option<u64> {
        let number = |file: &str| text(&group.join(file))?.trim().parse::<u64>().ok();
        match self.version? {
            // No limit is the largest multiple of a page.
            1 => number("memory.limit_in_bytes").filter(|limit| *limit < 1 << 62),
            _ => number("memory.max"),
        }
    }
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

/// A quota of `max` or -1 is none.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period) = (quota.trim().parse::<f64>().ok()?, period.trim().parse::<f64>().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

#[cfg(all(test, not(rio_loom)))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

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
        write(&point.join("a"), "memory.stat", "file 900\nanon 262144\n");
        write(&point.join("a"), "memory.pressure", "some avg10=7.00 avg60=0.00 avg300=0.00 total=1\n");
        write(point, "memory.pressure", "some avg10=3.00 avg60=0.00 avg300=0.00 total=1\n");
        let group = ControlGroup::from_text("0::/a/b\n", &mounts);
        assert_eq!(
            (group.version(), group.memory_limit(), group.cpus()),
            (Some(2), Some(1_048_576), Some(1.5))
        );
        assert_eq!(group.memory_left(), Some(0.75));
        assert_eq!(group.pressure().and_then(|text| stalled(&text)), Some(7.0));
    }

    #[test]
    fn a_tree_may_be_mounted_from_the_container_on() {
        let directory = tempfile::tempdir().unwrap();
        write(&directory.path().join("inner"), "memory.max", "4096");
        let mounts = format!("30 1 0:26 /docker/x {} rw - cgroup2 cgroup2 rw\n", directory.path().display());
        assert_eq!(ControlGroup::from_text("0::/docker/x/inner\n", &mounts).memory_limit(), Some(4096));
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
        write(&memory, "memory.stat", "rss 1\ntotal_rss 4096\n");
        write(&memory.join("job"), "memory.stat", "rss 1\ntotal_rss 4096\n");
        let group = ControlGroup::from_text(own, &mounts);
        assert_eq!((group.version(), group.memory_limit(), group.cpus()), (Some(1), Some(8192), None));
        assert_eq!((group.memory_left(), group.pressure()), (Some(0.5), None));
    }

    #[test]
    fn nothing_is_made_up_without_control_groups() {
        for group in
            [ControlGroup::from_text("", ""), ControlGroup::from_text("garbage\n0::/", "garbage - cgroup2")]
        {
            assert_eq!(group, ControlGroup::default());
            assert_eq!((group.memory_limit(), group.cpus(), group.memory_left()), (None, None, None));
        }
    }
}
