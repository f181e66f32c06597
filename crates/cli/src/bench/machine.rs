//! What the figures were made on, as far as the system tells.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The facts that decide how figures compare with those of another machine.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    kernel: String,
    cpus: usize,
    /// Memory that programs and the page cache can still have.
    pub(crate) memory_available: Option<u64>,
    directory: PathBuf,
    file_system: Option<FileSystem>,
    free: Option<u64>,
}

/// Where a directory is mounted from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileSystem {
    pub(crate) kind: String,
    pub(crate) source: String,
}

impl Machine {
    /// Looks at this machine and at a directory, which need not exist.
    pub(crate) fn look(directory: &Path) -> Self {
        let uname = rustix::system::uname();
        let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let space = rustix::fs::statvfs(&directory).ok();
        Self {
            kernel: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_available: memory_available(&memory),
            file_system: file_system(&mounts, &directory),
            free: space.map(|space| space.f_bavail.saturating_mul(space.f_frsize)),
            directory,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpus = if self.cpus == 1 { "1 CPU".to_owned() } else { format!("{} CPUs", self.cpus) };
        write!(f, "machine    {}, {cpus}", self.kernel)?;
        if let Some(available) = self.memory_available {
            write!(f, ", {} of memory available", bytes(available))?;
        }
        write!(f, "\ndirectory  {}", self.directory.display())?;
        if let Some(file_system) = &self.file_system {
            write!(f, " ({} on {})", file_system.kind, file_system.source)?;
        }
        match self.free {
            Some(free) => write!(f, ", {} free", bytes(free)),
            None => Ok(()),
        }
    }
}

/// A number of bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

fn memory_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// The mount that a path is on: the one with the longest mount point above it, and of those at the same place the last,
/// which hides the others. See proc_pid_mountinfo(5).
pub(crate) fn file_system(mountinfo: &[u8], path: &Path) -> Option<FileSystem> {
    let mounts = mountinfo.split(|byte| *byte == b'\n').filter_map(|line| {
        let line: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let point = PathBuf::from(OsString::from_vec(unescape(line.get(4)?)));
        let rest = line.iter().position(|field| *field == b"-")?;
        let text =
            |index: usize| Some(String::from_utf8_lossy(&unescape(line.get(rest + index)?)).into_owned());
        Some((point, FileSystem { kind: text(1)?, source: text(2)? }))
    });
    let above = mounts.filter(|(point, _)| path.starts_with(point));
    above.max_by_key(|(point, _)| point.components().count()).map(|(_, file_system)| file_system)
}

/// Undoes `\040` and the like.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.first_chunk::<3>().filter(|_| *first == b'\\');
        let code = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
        23 22 0:21 / /mnt/my\\040disk rw - tmpfs tmpfs rw\n\
        24 22 0:22 / /mnt/data rw - ext4 /dev/vdb rw\n\
        25 22 0:23 / /mnt/data rw - xfs /dev/vdc rw\n\
        broken line\n";

    #[test]
    fn a_path_is_on_the_closest_mount_and_on_the_last_of_a_stack() {
        let kind = |path: &str| file_system(MOUNTS, Path::new(path)).unwrap().kind;
        assert_eq!(kind("/mnt"), "ext4");
        assert_eq!(kind("/mnt/data/x"), "xfs");
        assert_eq!(kind("/mnt/database"), "ext4");
        assert_eq!(kind("/mnt/my disk"), "tmpfs");
        assert_eq!(file_system(b"", Path::new("/")), None);
    }

    #[test]
    fn available_memory_is_read_in_bytes() {
        let meminfo = "MemTotal:       16384 kB\nMemAvailable:    8192 kB\n";
        assert_eq!(memory_available(meminfo), Some(8192 << 10));
        assert_eq!(memory_available("MemAvailable: x"), None);
    }

    #[test]
    fn looking_works_here_and_at_a_place_that_is_missing() {
        assert!(Machine::look(Path::new(".")).to_string().starts_with("machine    Linux"));
        assert!(Machine::look(Path::new("/missing")).to_string().contains("/missing"));
    }
}
