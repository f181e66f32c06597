//! Counting operations while they happen.
//!
//! A [`Recorder`] has a stripe per thread, a stripe has a [`cell`] per key, and only the owner of a stripe writes to it, so
//! recording is a few plain loads and stores on lines that no other thread writes. [`Recorder::snapshot`] adds the stripes up.
//! `thread` decides which stripe is whose.
//!
//! Memory: a cell is made at the first operation of its kind on a thread, some 9 KiB; afterwards nothing is allocated. A
//! service with 16 threads and ten kinds of operation in use holds 1.5 MiB. The bound, every kind on every stripe, is 130 MiB.

mod cell;
mod sampling;
mod snapshot;
mod thread;

pub use snapshot::{Snapshot, Totals};
pub use thread::ThreadStripe;

use crate::clock::{Clock, Ticks};
use crate::operation::{ErrorClass, Key, Operation};
use cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Operations on the calling task per timed one, on average, while they are fast. Timing takes two readings of the clock,
/// 7 ns each where this was measured; a copy of 4 KiB from the page cache takes 600.
pub const SAMPLING_INTERVAL: u32 = 16;

/// Mean time per operation of a thread, in nanoseconds, from which on every one is timed: two clock readings are then below
/// half a percent of it.
const SLOW_NANOS: u64 = 4_000;

/// Counts operations, their bytes, errors and latencies by [`Key`].
///
/// Counts, bytes and errors are exact. Latencies of operations that leave the calling task are all recorded. Those that do not
/// are so short that reading the clock twice would show; there a random share is timed, each standing for those since the one
/// before it, chosen before the operation starts and so without regard to how long it takes. While a thread is not busy all of
/// them are timed.
#[derive(Default)]
pub struct Recorder {
    clock: Clock,
    stripes: Stripes,
    errors: [[AtomicU64; ErrorClass::ALL.len()]; Operation::ALL.len()],
}

/// The start of an operation that may be timed.
#[derive(Debug, Clone, Copy)]
#[must_use = "an operation is recorded when it ends"]
pub struct Timer {
    start: Ticks,
    /// Operations that this one stands for; 0 if it is not timed.
    weight: u32,
}

impl Timer {
    /// Starts timing an operation that stands for itself.
    #[inline]
    pub fn start(clock: &Clock) -> Self {
        Self { start: clock.now(), weight: 1 }
    }

    /// Time since the start, by the clock that it was started with; `None` for an operation that is not timed.
    #[must_use]
    pub fn elapsed(&self, clock: &Clock) -> Option<Duration> {
        (self.weight > 0).then(|| clock.between(self.start, clock.now()))
    }
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Bytes moved, also before an error.
    pub bytes: u64,
    /// The class of the error, if it failed.
    pub error: Option<ErrorClass>,
}

impl Ended {
    /// Success.
    #[inline]
    #[must_use]
    pub const fn well(bytes: u64) -> Self {
        Self { bytes, error: None }
    }

    /// An error after so many bytes.
    #[inline]
    #[must_use]
    pub const fn badly(bytes: u64, error: ErrorClass) -> Self {
        Self { bytes, error: Some(error) }
    }
}

/// All stripes, in one piece: an index away, without another pointer to follow. Some 230 KiB.
struct Stripes(Box<[Stripe]>);

impl Default for Stripes {
    fn default() -> Self {
        let stripe = |_| Stripe { cells: [const { OnceLock::new() }; Key::COUNT] };
        Self((0..=thread::SHARED).map(stripe).collect())
    }
}

#[repr(align(128))]
struct Stripe {
    cells: [OnceLock<Box<Cell>>; Key::COUNT],
}

impl Recorder {
    /// A recorder with a clock of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The clock that timers use.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Starts timing an operation that leaves the calling task.
    #[inline]
    pub fn start(&self) -> Timer {
        Timer { start: self.clock.now(), weight: 1 }
    }

    /// Starts an operation on the calling task; it is timed if its turn has come.
    #[inline]
    pub fn start_short(&self) -> Timer {
        if sampling::skips() {
            return Timer { start: Ticks(0), weight: 0 };
        }
        let now = self.clock.now();
        Timer { start: now, weight: sampling::turn(&self.clock, now, thread::stripe()) }
    }

    /// Records the end of an operation that was started before.
    #[inline]
    pub fn finish(&self, timer: Timer, key: Key, ended: Ended) {
        let nanos = if timer.weight > 0 { self.clock.nanos(timer.start, self.clock.now()) } else { 0 };
        self.put(key, ended, nanos, u64::from(timer.weight));
    }

    /// Records an operation whose duration is known.
    pub fn record(&self, key: Key, ended: Ended, latency: Duration) {
        self.put(key, ended, u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX), 1);
    }

    /// Records an operation that was not timed.
    pub fn count(&self, key: Key, ended: Ended) {
        self.put(key, ended, 0, 0);
    }

    /// Adds bytes of an operation that is recorded elsewhere.
    pub fn add_bytes(&self, key: Key, bytes: u64) {
        if let Some((cell, thread)) = self.cell(key) {
            cell.move_bytes(thread, bytes);
        }
    }

    #[inline]
    fn put(&self, key: Key, ended: Ended, nanos: u64, weight: u64) {
        let Some((cell, thread)) = self.cell(key) else { return };
        cell.count(thread, ended.bytes, ended.error.is_some());
        if weight > 0 {
            cell.time(thread, nanos, weight);
        }
        if let Some(class) = ended.error {
            self.note_error(key.operation, class);
        }
    }

    #[inline]
    fn cell(&self, key: Key) -> Option<(&Cell, ThreadStripe)> {
        let thread = ThreadStripe::current();
        let stripe = self.stripes.0.get(thread.index())?;
        let place = stripe.cells.get(key.index())?;
        let cell = match place.get() {
            Some(cell) => cell,
            None => make_cell(place),
        };
        Some((cell, thread))
    }

    #[cold]
    fn note_error(&self, operation: Operation, class: ErrorClass) {
        let row = self.errors.get(operation as usize);
        if let Some(counter) = row.and_then(|row| row.get(class as usize)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Everything recorded so far. Operations that end meanwhile may be in it or not.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for stripe in &self.stripes.0 {
            for (key, place) in Key::all().zip(&stripe.cells) {
                if let Some(cell) = place.get() {
                    cell.read(snapshot.cells.entry(key).or_default());
                }
            }
        }
        for (operation, row) in Operation::ALL.into_iter().zip(&self.errors) {
            for (class, counter) in ErrorClass::ALL.into_iter().zip(row) {
                let count = counter.load(Ordering::Relaxed);
                if count > 0 {
                    snapshot.errors.insert((operation, class), count);
                }
            }
        }
        snapshot
    }
}

#[cold]
fn make_cell(place: &OnceLock<Box<Cell>>) -> &Cell {
    place.get_or_init(|| Box::new(Cell::new()))
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}
