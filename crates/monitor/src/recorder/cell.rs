//! Counters of one place in one stripe.

use crate::buckets::{self, BUCKETS};
use crate::recorder::snapshot::Totals;
use crate::recorder::thread::ThreadStripe;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts, bytes, errors and latencies of one key. Some 9 KiB, made at the first operation of its kind on a thread.
#[repr(align(128))]
pub(super) struct Cell {
    operations: AtomicU64,
    bytes: AtomicU64,
    errors: AtomicU64,
    latency: [AtomicU64; BUCKETS],
}

impl Cell {
    pub(super) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self { operations: zero(), bytes: zero(), errors: zero(), latency: std::array::from_fn(|_| zero()) }
    }

    #[inline]
    pub(super) fn count(&self, thread: ThreadStripe, bytes: u64, failed: bool) {
        thread.add(&self.operations, 1);
        self.move_bytes(thread, bytes);
        if failed {
            thread.add(&self.errors, 1);
        }
    }

    #[inline]
    pub(super) fn move_bytes(&self, thread: ThreadStripe, bytes: u64) {
        if bytes > 0 {
            thread.add(&self.bytes, bytes);
        }
    }

    #[inline]
    pub(super) fn time(&self, thread: ThreadStripe, nanos: u64, weight: u64) {
        if let Some(bucket) = self.latency.get(buckets::index(nanos)) {
            thread.add(bucket, weight);
        }
    }

    /// Adds what was counted to `totals`.
    pub(super) fn read(&self, totals: &mut Totals) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        totals.operations = totals.operations.saturating_add(get(&self.operations));
        totals.bytes = totals.bytes.saturating_add(get(&self.bytes));
        totals.errors = totals.errors.saturating_add(get(&self.errors));
        for (bucket, counter) in self.latency.iter().enumerate() {
            totals.latency.add(bucket, get(counter));
        }
    }
}
