//! Workloads: what is read and written, in which order, by how many tasks.

use std::fmt;
use std::str::FromStr;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::LoadError;

/// Bytes in a KiB.
pub const KIB: usize = 1024;
/// Bytes in a MiB.
pub const MIB: usize = 1024 * KIB;

/// The most tasks a workload may have: each costs a thread in the thread engine and a buffer in all of them.
const TASKS_MAX: usize = 1024;

/// What every name must look like; part of the error for one that does not.
const NAME_RULE: &str = "a name is <rand|seq>-<read|write|mixN>-<block size>-<cached|direct>-<tasks>[-fdatasync], such as \
                         rand-read-4k-cached-32 or rand-mix70-64k-cached-32 (N is the share of reads), with blocks of \
                         4k to 16m that are a power of two and 1 to 1024 tasks";

/// The order of offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Uniformly random blocks.
    Random,
    /// One block after the other, each task in its own part of the file, from the start again at the end.
    Sequential,
}

/// How the page cache stands before a run; the same for every engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CachePolicy {
    /// The whole file is resident, and that was checked.
    Warm,
    /// Nothing is dirty and the kernel was told to drop the file's pages.
    Dropped,
}

/// One way of loading a file. Its name says all of it and can be parsed back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Workload {
    /// The order of offsets.
    pub pattern: Pattern,
    /// Share of writes in per cent.
    pub write_pct: u8,
    /// Bytes per operation: a power of two, 4 KiB to 16 MiB.
    pub block_size: usize,
    /// Tasks that each keep one operation in flight.
    pub tasks: usize,
    /// Whether the file is opened for direct I/O.
    pub direct: bool,
    /// Whether each write is followed by an fdatasync, both counting as one operation.
    pub sync_each: bool,
}

impl Workload {
    /// Random reads through the page cache; the other methods change that.
    pub fn random(block_size: usize, tasks: usize) -> Self {
        Self { pattern: Pattern::Random, write_pct: 0, block_size, tasks, direct: false, sync_each: false }
    }

    /// Sequential reads through the page cache.
    pub fn sequential(block_size: usize, tasks: usize) -> Self {
        Self { pattern: Pattern::Sequential, ..Self::random(block_size, tasks) }
    }

    /// With this share of writes, in per cent.
    #[must_use]
    pub fn writes(self, write_pct: u8) -> Self {
        Self { write_pct, ..self }
    }

    /// With direct I/O.
    #[must_use]
    pub fn direct(self) -> Self {
        Self { direct: true, ..self }
    }

    /// With an fdatasync after each write.
    #[must_use]
    pub fn sync_each(self) -> Self {
        Self { sync_each: true, ..self }
    }

    /// The name: every field is in it.
    pub fn name(&self) -> String {
        self.to_string()
    }

    /// The state of the page cache that this workload is measured in. Direct I/O starts from a dropped cache, because
    /// resident pages would have to be written back or invalidated on its way.
    pub fn cache_policy(&self) -> CachePolicy {
        if self.direct { CachePolicy::Dropped } else { CachePolicy::Warm }
    }

    /// The operating system's flags for opening the file, beyond the access mode.
    pub fn open_flags(&self) -> i32 {
        if self.direct { OFlags::DIRECT.bits() as i32 } else { 0 }
    }

    /// Whether any operation writes.
    pub fn has_writes(&self) -> bool {
        self.write_pct > 0
    }

    /// Whether each task keeps to its own part of the file. Tasks that write do, so that no block is read while
    /// another task writes it and each task knows what its blocks must hold.
    pub fn is_partitioned(&self) -> bool {
        self.has_writes() || self.pattern == Pattern::Sequential
    }

    /// The smallest file that serves this workload.
    pub fn file_size_min(&self) -> u64 {
        let regions = if self.is_partitioned() { self.tasks } else { 1 };
        (self.block_size * regions) as u64
    }

    /// The list that `rio bench` runs, in the order of its table.
    pub fn standard() -> Vec<Self> {
        vec![
            Self::random(4 * KIB, 1),
            Self::random(4 * KIB, 32),
            Self::random(64 * KIB, 1),
            Self::random(64 * KIB, 32),
            Self::random(MIB, 32),
            Self::sequential(64 * KIB, 1),
            Self::sequential(64 * KIB, 4),
            Self::sequential(MIB, 1),
            Self::sequential(MIB, 4),
            Self::sequential(64 * KIB, 1).writes(100),
            Self::sequential(MIB, 4).writes(100),
            Self::random(4 * KIB, 32).writes(30),
            Self::random(64 * KIB, 32).writes(30),
            Self::random(4 * KIB, 1).direct(),
            Self::random(4 * KIB, 32).direct(),
            Self::random(64 * KIB, 32).direct(),
            Self::random(MIB, 32).direct(),
            Self::sequential(64 * KIB, 1).direct(),
            Self::random(4 * KIB, 32).writes(100).direct(),
            Self::sequential(4 * KIB, 1).writes(100).sync_each(),
        ]
    }

    /// A shorter list that touches each kind of path, for a look that takes under a minute.
    pub fn quick() -> Vec<Self> {
        vec![
            Self::random(4 * KIB, 1),
            Self::random(4 * KIB, 32),
            Self::random(64 * KIB, 32),
            Self::sequential(MIB, 4),
            Self::random(64 * KIB, 32).writes(30),
            Self::random(4 * KIB, 32).direct(),
            Self::sequential(4 * KIB, 1).writes(100).sync_each(),
        ]
    }

    /// The workload of this name, or the standard ones whose name contains the text.
    pub fn select(text: &str) -> Result<Vec<Self>, LoadError> {
        match text.parse() {
            Ok(workload) => Ok(vec![workload]),
            Err(error) => {
                let mut standard = Self::standard();
                standard.retain(|workload| !text.is_empty() && workload.name().contains(text));
                if standard.is_empty() { Err(error) } else { Ok(standard) }
            }
        }
    }

    fn check(self) -> Result<Self, ()> {
        let block_ok = self.block_size.is_power_of_two() && (4 * KIB..=16 * MIB).contains(&self.block_size);
        let tasks_ok = (1..=TASKS_MAX).contains(&self.tasks);
        let sync_ok = !self.sync_each || self.write_pct == 100;
        if block_ok && tasks_ok && sync_ok && self.write_pct <= 100 { Ok(self) } else { Err(()) }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = match self.pattern {
            Pattern::Random => "rand",
            Pattern::Sequential => "seq",
        };
        write!(f, "{pattern}-")?;
        match self.write_pct {
            0 => write!(f, "read")?,
            100 => write!(f, "write")?,
            pct => write!(f, "mix{}", 100 - pct)?,
        }
        write!(f, "-{}", block_label(self.block_size))?;
        write!(f, "-{}-{}", if self.direct { "direct" } else { "cached" }, self.tasks)?;
        if self.sync_each { write!(f, "-fdatasync") } else { Ok(()) }
    }
}

impl FromStr for Workload {
    type Err = LoadError;

    fn from_str(name: &str) -> Result<Self, LoadError> {
        parse(name).ok_or_else(|| LoadError::BadWorkload { name: name.to_owned(), rule: NAME_RULE })
    }
}

impl From<Workload> for String {
    fn from(workload: Workload) -> Self {
        workload.to_string()
    }
}

impl TryFrom<String> for Workload {
    type Error = LoadError;

    fn try_from(name: String) -> Result<Self, LoadError> {
        name.parse()
    }
}

fn parse(name: &str) -> Option<Workload> {
    let mut parts = name.split('-');
    let pattern = match parts.next()? {
        "rand" => Pattern::Random,
        "seq" => Pattern::Sequential,
        _ => return None,
    };
    let write_pct = match parts.next()? {
        "read" => 0,
        "write" => 100,
        mix => 100_u8.checked_sub(mix.strip_prefix("mix")?.parse().ok()?)?,
    };
    let block_size = parse_block(parts.next()?)?;
    let direct = match parts.next()? {
        "cached" => false,
        "direct" => true,
        _ => return None,
    };
    let tasks = parts.next()?.parse().ok()?;
    let sync_each = match parts.next() {
        None => false,
        Some("fdatasync") => true,
        Some(_) => return None,
    };
    if parts.next().is_some() {
        return None;
    }
    Workload { pattern, write_pct, block_size, tasks, direct, sync_each }.check().ok()
}

fn parse_block(text: &str) -> Option<usize> {
    let (digits, unit) = match text.strip_suffix('m') {
        Some(digits) => (digits, MIB),
        None => (text.strip_suffix('k')?, KIB),
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

/// A block size as it stands in names: `4k`, `64k`, `1m`.
fn block_label(bytes: usize) -> String {
    if bytes.is_multiple_of(MIB) { format!("{}m", bytes / MIB) } else { format!("{}k", bytes / KIB) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_name_parses_back_and_stands_once() {
        let mut seen = std::collections::HashSet::new();
        for workload in Workload::standard().into_iter().chain(Workload::quick()) {
            assert_eq!(workload.name().parse::<Workload>().unwrap(), workload);
        }
        assert!(Workload::standard().iter().all(|workload| seen.insert(workload.name())));
        assert!(Workload::quick().iter().all(|workload| seen.contains(&workload.name())));
    }

    #[test]
    fn a_part_of_a_name_selects_the_standard_workloads_that_contain_it() {
        let direct = Workload::select("direct").unwrap();
        assert!(direct.len() >= 5 && direct.iter().all(|workload| workload.direct));
        assert_eq!(
            Workload::select("rand-read-16k-direct-8").unwrap(),
            [Workload::random(16 * KIB, 8).direct()]
        );
        assert!(Workload::select("").is_err() && Workload::select("nothing").is_err());
    }

    #[test]
    fn a_name_that_means_nothing_is_refused_with_the_rule() {
        for name in [
            "",
            "rand",
            "rand-read-3k-cached-1",
            "rand-read-4k-cached-0",
            "seq-mix101-4k-cached-1",
            "rand-read-4k-cached-1-x",
        ] {
            let error = name.parse::<Workload>().unwrap_err().to_string();
            assert!(
                error.contains("unknown workload") && error.contains("rand-read-4k-cached-32"),
                "{error}"
            );
        }
        assert!("rand-read-4k-cached-1-fdatasync".parse::<Workload>().is_err(), "reads have nothing to sync");
        assert!("rand-read-99999999999999999999k-cached-1".parse::<Workload>().is_err());
    }
}
