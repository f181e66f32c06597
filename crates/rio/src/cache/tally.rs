//! Counters that every read changes: one set per few threads, so that they do not share lines.

use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const STRIPES: usize = 16;

/// What is counted, in blocks unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// Found in memory.
    Hit,
    /// Read from the device because somebody asked.
    Missed,
    /// Awaited because somebody else was reading them.
    Joined,
    /// Read past the cache, because they were being changed or memory was short.
    Around,
    Evicted,
    Invalidated,
    /// Read ahead from the device.
    Ahead,
    Used,
    Late,
    Wasted,
    Dropped,
    /// Device reads for what is read ahead.
    AheadReads,
    /// Device reads on demand.
    DemandReads,
}

const COUNTS: usize = 13;

#[derive(Default)]
pub(crate) struct Tally([CachePadded<[AtomicU64; COUNTS]>; STRIPES]);

impl Tally {
    #[inline]
    pub(crate) fn add(&self, count: Count, number: u64) {
        self.0[stripe()][count as usize].fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn sum(&self, count: Count) -> u64 {
        self.0.iter().map(|stripe| stripe[count as usize].load(Ordering::Relaxed)).sum()
    }
}

#[inline]
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    MINE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        mine.get()
    })
}
