//! Offset over time.

use super::{Panels, Range};
use crate::model::{IoMap, IoMapFile, Part};
use crate::sampler::now;
use rustfs_rio::RecordedAccess;
use std::collections::BTreeMap;

/// Columns and rows of the map at most.
const COLUMNS: usize = 90;
const ROWS: usize = 60;
/// Files in the list at most.
const FILES_MAX: usize = 64;

impl Panels {
    pub(super) fn io_map(&self, range: Range) -> Part<IoMap> {
        let now = now();
        let (from, to) = range.bounds(now);
        let Some(ring) = self.source.runtime().access_ring() else {
            let why = "the runtime records no accesses";
            return Part::or_absent(
                None,
                why,
                "hand it the recorder of a monitor, or switch on enable_performance_monitoring",
            );
        };
        let within = (from.saturating_mul(1_000_000))..=(to.saturating_add(1).saturating_mul(1_000_000));
        let accesses: Vec<RecordedAccess> =
            ring.accesses().into_iter().filter(|access| within.contains(&access.at_us)).collect();
        if accesses.is_empty() {
            let why = "no file of this runtime was read or written in this time";
            return Part::or_absent(None, why, "read or write with DiskFile, or choose a longer range");
        }
        let names: BTreeMap<u32, String> =
            ring.files().into_iter().map(|file| (file.id, file.path.display().to_string())).collect();
        let files = files(&accesses, &names);
        let file = range.file.filter(|file| accesses.iter().any(|access| access.file == *file));
        let file = file.or_else(|| files.first().map(|file| file.id));
        let mut map = file.map(|file| map(&accesses, file)).unwrap_or_default();
        (map.now, map.weight, map.files, map.file) = (now, ring.weight(), files, file);
        Part::Data(map)
    }
}

fn files(accesses: &[RecordedAccess], names: &BTreeMap<u32, String>) -> Vec<IoMapFile> {
    let mut files: BTreeMap<u32, IoMapFile> = BTreeMap::new();
    for access in accesses {
        let file = files.entry(access.file).or_default();
        let weight = u64::from(access.weight);
        *(if access.write { &mut file.writes } else { &mut file.reads }) += weight;
        file.bytes = file.bytes.saturating_add(u64::from(access.len).saturating_mul(weight));
    }
    let mut files: Vec<IoMapFile> = files
        .into_iter()
        .map(|(id, file)| IoMapFile {
            id,
            path: names.get(&id).cloned().unwrap_or_else(|| format!("file {id}")),
            ..file
        })
        .collect();
    files.sort_by_key(|file| std::cmp::Reverse(file.bytes));
    files.truncate(FILES_MAX);
    files
}

/// The cells of one file: as many columns and rows as are useful.
fn map(accesses: &[RecordedAccess], file: u32) -> IoMap {
    let of_file = || accesses.iter().filter(move |access| access.file == file);
    let bounds =
        |value: fn(&RecordedAccess) -> u64| of_file().map(value).min().zip(of_file().map(value).max());
    let Some(((t_min, t_max), (low, high))) =
        bounds(|access| access.at_us).zip(bounds(|access| access.offset))
    else {
        return IoMap::default();
    };
    let column_us = (t_max - t_min) / COLUMNS as u64 + 1;
    let row_bytes = ((high - low) / ROWS as u64 + 1).next_multiple_of(512);
    let columns = ((t_max - t_min) / column_us + 1) as usize;
    let rows = ((high - low) / row_bytes + 1) as usize;
    let mut map = IoMap {
        t_ms: (1..=columns as u64).map(|column| (t_min + column * column_us) / 1000).collect(),
        offset: (0..rows as u64).map(|row| low + row * row_bytes).collect(),
        reads: vec![vec![0; columns]; rows],
        writes: vec![vec![0; columns]; rows],
        ..IoMap::default()
    };
    for access in of_file() {
        let column = ((access.at_us - t_min) / column_us) as usize;
        let first = ((access.offset - low) / row_bytes) as usize;
        let end = access.offset.saturating_add(u64::from(access.len.max(1)) - 1);
        let last = (((end - low) / row_bytes) as usize).min(rows - 1);
        let cells = if access.write { &mut map.writes } else { &mut map.reads };
        for row in first..=last {
            if let Some(cell) = cells.get_mut(row).and_then(|row| row.get_mut(column)) {
                *cell += u64::from(access.weight);
            }
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(at_us: u64, file: u32, offset: u64) -> RecordedAccess {
        RecordedAccess { at_us, file, offset, len: 4096, write: false, weight: 2 }
    }

    #[test]
    fn a_sequential_run_is_a_diagonal() {
        let accesses: Vec<_> = (0..1000).map(|n| access(n * 1000, 1, n * 4096)).collect();
        let map = map(&accesses, 1);
        assert!(
            map.t_ms.len() <= COLUMNS && map.offset.len() <= ROWS,
            "{} {}",
            map.t_ms.len(),
            map.offset.len()
        );
        assert!(map.reads[0][0] > 0 && map.reads.last().unwrap().last().unwrap() > &0);
        assert_eq!(map.reads[0].last(), Some(&0));
        assert_eq!(map.writes.iter().flatten().sum::<u64>(), 0);
    }

    #[test]
    fn extreme_offsets_do_no_harm() {
        let map = map(&[access(0, 1, 0), access(5, 1, u64::MAX)], 1);
        assert_eq!(map.reads.iter().flatten().sum::<u64>(), 4);
        assert_eq!(super::map(&[access(0, 1, 9)], 1).reads, vec![vec![2]]);
        assert_eq!(super::map(&[], 1), IoMap::default());
    }

    #[test]
    fn the_busiest_file_comes_first() {
        let names = BTreeMap::from([(1, "a".to_owned())]);
        let files = files(&[access(0, 1, 0), access(1, 2, 0), access(2, 2, 0)], &names);
        assert_eq!(files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["file 2", "a"]);
        assert_eq!((files[0].reads, files[0].bytes), (4, 16_384));
    }
}
