//! Counting operations while they happen.
//!
//! A [`Recorder`] has a stripe per thread, a stripe has a [`cell`] per key, and only the owner of a stripe writes to it, so
//! recording is a few plain loads and stores on lines that no other thread writes. [`Recorder::snapshot`] adds the stripes up.
//! `thread` decides which stripe is whose.
//!
//! Memory: a cell is made at the first operation of its kind on a thread, some 9 KiB; afterwards nothing is allocated. A
//! service with 16 threads and ten kinds of operation in use holds 1.5 MiB. The bound, every kind on every stripe, is 96 MiB.

mod cell;
mod snapshot;
mod thread;

pub use snapshot::{Snapshot, Totals};

use crate::clock::{Clock, Ticks};
use crate::operation::{ErrorClass, Key, Operation};
use cell::{Cell, Writer};
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

struct Stripes(Box<[OnceLock<Box<Stripe>>]>);

impl Default for Stripes {
    fn default() -> Self {
        Self((0..=thread::SHARED).map(|_| OnceLock::new()).collect())
    }
}

#[repr(align(128))]
struct Stripe {
    sampling: Sampling,
    cells: [OnceLock<Box<Cell>>; Key::COUNT],
}

/// Which operation of the owner is timed next.
struct Sampling {
    /// Operations until then.
    left: AtomicU64,
    /// Operations that the next one stands for.
    weight: AtomicU64,
    /// When the last one was timed.
    last: AtomicU64,
    /// State of the random number generator.
    random: AtomicU64,
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
        let Some((stripe, Writer::Owner)) = self.stripe() else { return self.start() };
        let left = stripe.sampling.left.load(Ordering::Relaxed);
        if left > 1 {
            stripe.sampling.left.store(left - 1, Ordering::Relaxed);
            return Timer { start: Ticks(0), weight: 0 };
        }
        let now = self.clock.now();
        Timer { start: now, weight: stripe.sampling.turn(&self.clock, now) }
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
        if let Some((cell, writer)) = self.cell(key) {
            cell.move_bytes(writer, bytes);
        }
    }

    #[inline]
    fn put(&self, key: Key, ended: Ended, nanos: u64, weight: u64) {
        let Some((cell, writer)) = self.cell(key) else { return };
        cell.count(writer, ended.bytes, ended.error.is_some());
        if weight > 0 {
            cell.time(writer, nanos, weight);
        }
        if let Some(class) = ended.error {
            self.note_error(key.operation, class);
        }
    }

    #[inline]
    fn cell(&self, key: Key) -> Option<(&Cell, Writer)> {
        let (stripe, writer) = self.stripe()?;
        let place = stripe.cells.get(key.index())?;
        let cell = match place.get() {
            Some(cell) => cell,
            None => make_cell(place),
        };
        Some((cell, writer))
    }

    #[cold]
    fn note_error(&self, operation: Operation, class: ErrorClass) {
        let row = self.errors.get(operation as usize);
        if let Some(counter) = row.and_then(|row| row.get(class as usize)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[inline]
    fn stripe(&self) -> Option<(&Stripe, Writer)> {
        let number = thread::stripe();
        let place = self.stripes.0.get(number)?;
        let writer = if number == thread::SHARED { Writer::Many } else { Writer::Owner };
        match place.get() {
            Some(stripe) => Some((stripe, writer)),
            None => Some((make_stripe(place, number), writer)),
        }
    }

    /// Everything recorded so far. Operations that end meanwhile may be in it or not.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for stripe in self.stripes.0.iter().filter_map(OnceLock::get) {
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

#[cold]
fn make_stripe(place: &OnceLock<Box<Stripe>>, number: usize) -> &Stripe {
    place.get_or_init(|| Box::new(Stripe::new(number)))
}

impl Stripe {
    fn new(number: usize) -> Self {
        let sampling = Sampling {
            left: AtomicU64::new(0),
            weight: AtomicU64::new(1),
            last: AtomicU64::new(0),
            // Any odd number does; threads should not sample in step.
            random: AtomicU64::new((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
        };
        Self { sampling, cells: [const { OnceLock::new() }; Key::COUNT] }
    }
}

impl Sampling {
    /// The weight of the operation that starts now; decides which one is next.
    fn turn(&self, clock: &Clock, now: Ticks) -> u32 {
        let weight = self.weight.load(Ordering::Relaxed);
        let elapsed = clock.nanos(Ticks(self.last.load(Ordering::Relaxed)), now);
        let gap = if elapsed / weight.max(1) >= SLOW_NANOS { 1 } else { self.random_gap() };
        self.last.store(now.0, Ordering::Relaxed);
        self.weight.store(gap, Ordering::Relaxed);
        self.left.store(gap, Ordering::Relaxed);
        u32::try_from(weight).unwrap_or(u32::MAX)
    }

    /// 1 to twice the interval less one, evenly, so that no period of the caller's can fall in step with it. The generator is
    /// Marsaglia's xorshift64 (Journal of Statistical Software 8, 14).
    fn random_gap(&self) -> u64 {
        let mut random = self.random.load(Ordering::Relaxed);
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.random.store(random, Ordering::Relaxed);
        1 + (random >> 32) % u64::from(2 * SAMPLING_INTERVAL - 1)
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stripes = self.stripes.0.iter().filter(|stripe| stripe.get().is_some()).count();
        f.debug_struct("Recorder").field("stripes", &stripes).finish_non_exhaustive()
    }
}
