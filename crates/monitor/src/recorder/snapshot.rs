//! What a recorder holds at one moment, and what happened between two of them.

use crate::histogram::Histogram;
use crate::operation::{ErrorClass, FileClass, Key, Operation, Path};
use std::collections::BTreeMap;

/// Totals of one or more keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Operations that ended, with success or an error. Exact.
    pub operations: u64,
    /// Bytes moved. Exact.
    pub bytes: u64,
    /// Operations that ended with an error. Exact.
    pub errors: u64,
    /// Latencies. Of operations on the calling task a random share stands for all, see [`Recorder`](crate::Recorder).
    pub latency: Histogram,
}

impl Totals {
    /// Adds another's.
    pub fn merge(&mut self, other: &Self) {
        self.operations = self.operations.saturating_add(other.operations);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.errors = self.errors.saturating_add(other.errors);
        self.latency.merge(&other.latency);
    }

    fn since(&self, earlier: &Self) -> Self {
        // A total below its former value means a new recorder: all of it is new.
        let new = |now: u64, before: u64| if now < before { now } else { now - before };
        Self {
            operations: new(self.operations, earlier.operations),
            bytes: new(self.bytes, earlier.bytes),
            errors: new(self.errors, earlier.errors),
            latency: self.latency.since(&earlier.latency),
        }
    }
}

/// Everything that a recorder counted, since its start or between two moments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub(crate) cells: BTreeMap<Key, Totals>,
    pub(crate) errors: BTreeMap<(Operation, ErrorClass), u64>,
}

impl Snapshot {
    /// Every key with at least one operation, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Totals)> {
        self.cells.iter().map(|(key, totals)| (*key, totals))
    }

    /// Errors by operation and class.
    pub fn errors(&self) -> impl Iterator<Item = (Operation, ErrorClass, u64)> {
        self.errors.iter().map(|((operation, class), count)| (*operation, *class, *count))
    }

    /// Errors of one class over all operations.
    #[must_use]
    pub fn errors_of(&self, class: ErrorClass) -> u64 {
        self.errors()
            .filter(|(_, of, _)| *of == class)
            .fold(0, |sum, (_, _, count)| sum.saturating_add(count))
    }

    /// All keys that `matches` says, together.
    #[must_use]
    pub fn totals(&self, matches: impl Fn(Key) -> bool) -> Totals {
        let mut sum = Totals::default();
        self.iter().filter(|(key, _)| matches(*key)).for_each(|(_, totals)| sum.merge(totals));
        sum
    }

    /// One kind of operation, over all paths and classes.
    #[must_use]
    pub fn operation(&self, operation: Operation) -> Totals {
        self.totals(|key| key.operation == operation)
    }

    /// One path, over all operations and classes.
    #[must_use]
    pub fn path(&self, path: Path) -> Totals {
        self.totals(|key| key.path == path)
    }

    /// One class of file, over all operations and paths.
    #[must_use]
    pub fn class(&self, class: FileClass) -> Totals {
        self.totals(|key| key.class == class)
    }

    /// What was counted after `earlier`, a former snapshot of the same recorder.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let none = Totals::default();
        let cells = self
            .cells
            .iter()
            .map(|(key, totals)| (*key, totals.since(earlier.cells.get(key).unwrap_or(&none))));
        let errors = self.errors.iter().map(|(key, count)| {
            let before = earlier.errors.get(key).copied().unwrap_or(0);
            (*key, if before > *count { *count } else { count - before })
        });
        Self {
            cells: cells.filter(|(_, totals)| *totals != none).collect(),
            errors: errors.filter(|(_, count)| *count > 0).collect(),
        }
    }

    /// Adds another snapshot's counts, for example of a second engine or of the next interval.
    pub fn merge(&mut self, other: &Self) {
        for (key, totals) in &other.cells {
            self.cells.entry(*key).or_default().merge(totals);
        }
        for (key, count) in &other.errors {
            let sum = self.errors.entry(*key).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
}
