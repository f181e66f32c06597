//! Counters of one place in one stripe.

use crate::buckets::{self, BUCKETS};
use crate::recorder::snapshot::Totals;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts, bytes, errors and latencies of one key. Some 9 KiB, made at the first operation of its kind on a thread.
#[repr(align(128))]
pub(super) struct Cell {
    operations: AtomicU64,
    bytes: AtomicU64,
    errors: AtomicU64,
    latency: [AtomicU64; BUCKETS],
}

/// How a stripe is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// By the calling thread alone: a load and a store do, at a fraction of the cost of an atomic addition.
    Owner,
    /// By several threads.
    Many,
}

impl Writer {
    #[inline]
    pub(super) fn add(self, counter: &AtomicU64, amount: u64) {
        match self {
            Self::Owner => {
                counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
            }
            Self::Many => {
                counter.fetch_add(amount, Ordering::Relaxed);
            }
        }
    }
}

impl Cell {
    pub(super) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self { operations: zero(), bytes: zero(), errors: zero(), latency: std::array::from_fn(|_| zero()) }
    }

    #[inline]
    pub(super) fn count(&self, writer: Writer, bytes: u64, failed: bool) {
        writer.add(&self.operations, 1);
        self.move_bytes(writer, bytes);
        if failed {
            writer.add(&self.errors, 1);
        }
    }

    #[inline]
    pub(super) fn move_bytes(&self, writer: Writer, bytes: u64) {
        if bytes > 0 {
            writer.add(&self.bytes, bytes);
        }
    }

    #[inline]
    pub(super) fn time(&self, writer: Writer, nanos: u64, weight: u64) {
        if let Some(bucket) = self.latency.get(buckets::index(nanos)) {
            writer.add(bucket, weight);
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
