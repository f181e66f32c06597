//! NUMA nodes: which there are, which one the calling thread is on, and on which one memory is placed.
//!
//! Nodes are numbered from zero without gaps here; the system's numbers, which may have gaps, are used towards the kernel and in
//! statistics. On a machine with one node nothing is asked and nothing is placed.

use super::block::NODES_MAX;
use crate::sync::unmodelled::{AtomicUsize, Ordering};
use std::collections::BTreeMap;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::OnceLock;

/// Where sysfs(5) describes nodes.
const DIRECTORY: &str = "/sys/devices/system/node";

/// The nodes with memory, and the processors near them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Topology {
    /// The system's number of each node, in ascending order. Never empty.
    numbers: Vec<u32>,
    /// Index of the node by processor.
    by_processor: BTreeMap<usize, usize>,
}

impl Topology {
    /// Reads the description; one node where there is none.
    fn read(directory: &Path) -> Self {
        let text = |file: &str| std::fs::read_to_string(directory.join(file)).ok();
        let numbers: Vec<u32> = text("has_memory")
            .or_else(|| text("online"))
            .and_then(|list| parse_list(&list))
            .filter(|numbers| !numbers.is_empty())
            .map_or_else(|| vec![0], |numbers| numbers.into_iter().map(|number| number as u32).collect());
        // What lies beyond is served from the others.
        let numbers = numbers[..numbers.len().min(NODES_MAX)].to_vec();
        let mut by_processor = BTreeMap::new();
        for (index, number) in numbers.iter().enumerate() {
            let list = text(&format!("node{number}/cpulist")).and_then(|list| parse_list(&list));
            by_processor.extend(list.unwrap_or_default().into_iter().map(|processor| (processor, index)));
        }
        Self { numbers, by_processor }
    }
}

/// Parses a list like `0-3,8`; `None` if it is not one. Bounded, because a file that is not what it should be must not cost memory.
fn parse_list(text: &str) -> Option<Vec<usize>> {
    const MAX: usize = 1 << 16;
    let mut list = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        if last >= MAX || first > last {
            return None;
        }
        list.extend(first..=last);
    }
    Some(list)
}

fn topology() -> &'static Topology {
    static TOPOLOGY: OnceLock<Topology> = OnceLock::new();
    TOPOLOGY.get_or_init(|| Topology::read(Path::new(DIRECTORY)))
}

/// Number of nodes, at least one.
#[inline]
pub(crate) fn count() -> usize {
    // Asked for with every buffer.
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let known = COUNT.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let count = topology().numbers.len();
    COUNT.store(count, Ordering::Relaxed);
    count
}

/// The system's numbers of all nodes.
pub(crate) fn numbers() -> &'static [u32] {
    &topology().numbers
}

/// The node whose number the system says is `number`.
pub(crate) fn index_of(number: u32) -> Option<usize> {
    numbers().iter().position(|known| *known == number)
}

/// The node that the calling thread runs on at this moment.
pub(crate) fn current() -> usize {
    if count() == 1 {
        return 0;
    }
    #[cfg(target_os = "linux")]
    let processor = rustix::thread::sched_getcpu();
    #[cfg(not(target_os = "linux"))]
    let processor = 0;
    topology().by_processor.get(&processor).copied().unwrap_or(0)
}

/// Asks the kernel to place the pages of a range on a node where it has room, see mbind(2). A preference and not a demand: a full
/// node must not end the process. Says whether it was taken.
pub(super) fn prefer(ptr: NonNull<u8>, len: usize, node: usize) -> bool {
    let Some(number) = numbers().get(node).filter(|_| count() > 1) else { return false };
    #[cfg(target_os = "linux")]
    {
        const WORD: usize = usize::BITS as usize;
        let number = *number as usize;
        let mut mask = vec![0usize; number / WORD + 1];
        mask[number / WORD] = 1 << (number % WORD);
        // The kernel looks at one bit less than it is told of.
        let bits = mask.len() * WORD + 1;
        // SAFETY: the range is a mapping of the caller; the mask holds all bits that the kernel looks at.
        let status = unsafe {
            libc::syscall(libc::SYS_mbind, ptr.as_ptr(), len, libc::MPOL_PREFERRED, mask.as_ptr(), bits, 0)
        };
        status == 0
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (ptr, len, number);
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

    use super::*;

    #[test]
    fn lists_are_parsed_and_garbage_is_refused() {
        assert_eq!(parse_list("0-2,5\n"), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse_list("\n"), Some(vec![]));
        for bad in ["x", "3-1", "0-99999999999", "1-", "-1"] {
            assert_eq!(parse_list(bad), None, "{bad}");
        }
    }

    #[test]
    fn nodes_may_have_gaps_and_no_processors() {
        let directory = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = directory.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("online", "0-2\n");
        write("has_memory", "0,2\n");
        write("node0/cpulist", "0-1\n");
        write("node2/cpulist", "\n");
        let topology = Topology::read(directory.path());
        assert_eq!(topology.numbers, [0, 2]);
        assert_eq!(topology.by_processor, BTreeMap::from([(0, 0), (1, 0)]));
    }

    #[test]
    fn without_a_description_there_is_one_node() {
        let topology = Topology::read(Path::new("/nonexistent"));
        assert_eq!(topology, Topology { numbers: vec![0], by_processor: BTreeMap::new() });
        assert!(current() < count() && index_of(numbers()[0]) == Some(0) && index_of(u32::MAX).is_none());
    }
}
