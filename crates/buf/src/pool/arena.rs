//! Large mappings that small blocks are cut from.
//!
//! A mapping per block would run into the kernel's limit on mappings (`vm.max_map_count`, 65530) with 256 MiB of 4 KiB blocks, and
//! take the lock of the whole address space to make and remove each. An arena maps [`CHUNK_PAGES`] at a time, cuts pieces by
//! best fit and joins neighbours again. Memory of a piece that comes back goes to the system at once (`MADV_DONTNEED`); only its
//! addresses stay. One arena per NUMA node, shared by all pools of the process.

use super::block::{self, Hint};
use super::classes::PAGE;
use super::node;
use crate::sync::unmodelled::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::ptr::NonNull;
use std::sync::OnceLock;

/// A mapping has so many pages: 32 MiB.
const CHUNK_PAGES: usize = 8192;
const CHUNK_BYTES: usize = CHUNK_PAGES * PAGE;

pub(crate) struct Arena {
    node: usize,
    runs: Mutex<Runs>,
}

/// The arena of a node.
pub(super) fn of(node: usize) -> &'static Arena {
    static ARENAS: OnceLock<Box<[Arena]>> = OnceLock::new();
    let arenas = ARENAS
        .get_or_init(|| (0..node::count()).map(|node| Arena { node, runs: Mutex::default() }).collect());
    &arenas[node.min(arenas.len() - 1)]
}

impl Arena {
    /// Memory for `pages` pages; `None` if the system has none.
    pub(super) fn take(&self, pages: usize) -> Option<NonNull<u8>> {
        let mut runs = self.runs.lock();
        let address = match runs.take(pages) {
            Some(address) => address,
            None => {
                let chunk = block::map_aligned(CHUNK_BYTES, CHUNK_BYTES)?;
                block::advise(chunk, CHUNK_BYTES, Hint::NoHugePages);
                node::prefer(chunk, CHUNK_BYTES, self.node);
                runs.insert(chunk.addr().get(), CHUNK_PAGES);
                // Provenance: addresses below are made pointers again.
                chunk.expose_provenance();
                runs.take(pages)?
            }
        };
        NonNull::new(std::ptr::with_exposed_provenance_mut(address))
    }

    /// Takes memory back that [`take`](Self::take) gave.
    pub(super) fn give(&self, ptr: NonNull<u8>, pages: usize) {
        block::advise(ptr, pages * PAGE, Hint::DontNeed);
        let empty = self.runs.lock().insert(ptr.addr().get(), pages);
        if let Some(chunk) =
            empty.and_then(|address| NonNull::new(std::ptr::with_exposed_provenance_mut(address)))
        {
            block::unmap(chunk, CHUNK_BYTES);
        }
    }
}

/// Free runs of pages. Chunks lie at multiples of their size, so a run's chunk follows from its address.
#[derive(Default)]
struct Runs {
    by_address: BTreeMap<usize, usize>,
    by_size: BTreeSet<(usize, usize)>,
    /// Chunks that are free as a whole.
    whole: usize,
}

impl Runs {
    /// Cuts `pages` pages off the smallest run that has as many.
    fn take(&mut self, pages: usize) -> Option<usize> {
        let &(found, address) = self.by_size.range((pages, 0)..).next()?;
        self.remove(address, found);
        if found > pages {
            self.add(address + pages * PAGE, found - pages);
        }
        Some(address)
    }

    /// Adds a run and joins it with its neighbours. Returns a chunk that is free as a whole and one too many.
    fn insert(&mut self, mut address: usize, mut pages: usize) -> Option<usize> {
        let chunk = address - address % CHUNK_BYTES;
        if let Some((&before, &count)) = self.by_address.range(chunk..address).next_back()
            && before + count * PAGE == address
        {
            self.remove(before, count);
            (address, pages) = (before, pages + count);
        }
        let end = address + pages * PAGE;
        if end < chunk + CHUNK_BYTES
            && let Some(&count) = self.by_address.get(&end)
        {
            self.remove(end, count);
            pages += count;
        }
        if pages == CHUNK_PAGES && self.whole > 0 {
            return Some(address);
        }
        self.add(address, pages);
        None
    }

    fn add(&mut self, address: usize, pages: usize) {
        self.whole += usize::from(pages == CHUNK_PAGES);
        self.by_address.insert(address, pages);
        self.by_size.insert((pages, address));
    }

    fn remove(&mut self, address: usize, pages: usize) {
        self.whole -= usize::from(pages == CHUNK_PAGES);
        self.by_address.remove(&address);
        self.by_size.remove(&(pages, address));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_never_overlap_and_all_of_it_comes_back(steps in prop::collection::vec((1usize..600, any::<u8>()), 1..200)) {
            let mut runs = Runs::default();
            // Two chunks that touch: their runs must not be joined.
            for chunk in [10, 11] {
                prop_assert_eq!(runs.insert(chunk * CHUNK_BYTES, CHUNK_PAGES), (chunk == 11).then_some(11 * CHUNK_BYTES));
            }
            let mut used = BTreeMap::new();
            for (pages, choice) in steps {
                if choice % 3 == 0 && let Some((&address, &count)) = used.iter().nth(choice as usize % used.len().max(1)) {
                    used.remove(&address);
                    prop_assert_eq!(runs.insert(address, count), None);
                } else if let Some(address) = runs.take(pages) {
                    let before = used.range(..address).next_back().map_or(0, |(start, count)| start + count * PAGE);
                    let after = used.range(address..).next().map_or(usize::MAX, |(start, _)| *start);
                    prop_assert!(before <= address && address + pages * PAGE <= after);
                    used.insert(address, pages);
                }
                let free: usize = runs.by_address.values().sum();
                prop_assert_eq!(free + used.values().sum::<usize>(), CHUNK_PAGES);
                prop_assert_eq!(runs.by_address.len(), runs.by_size.len());
            }
            for (address, pages) in used {
                prop_assert_eq!(runs.insert(address, pages), None);
            }
            prop_assert_eq!((runs.by_address.len(), runs.whole), (1, 1), "all neighbours were joined");
        }
    }

    #[test]
    fn what_comes_back_holds_no_memory_and_reads_as_zeros() {
        let arena = Arena { node: 0, runs: Mutex::default() };
        let ptr = arena.take(3).unwrap();
        // SAFETY: three pages that are ours.
        unsafe { ptr.as_ptr().write_bytes(7, 3 * PAGE) };
        arena.give(ptr, 3);
        let again = arena.take(3).unwrap();
        assert_eq!(again, ptr, "the best fit is the same place");
        // SAFETY: as above.
        assert_eq!(unsafe { std::slice::from_raw_parts(again.as_ptr(), 3 * PAGE) }, [0; 3 * PAGE]);
        arena.give(again, 3);
    }
}
