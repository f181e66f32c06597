//! Where reads and writes go: a bounded record of accesses, for pictures of offset over time.
//!
//! A runtime with a [`Recorder`](crate::Recorder) has one; its files write into it, and a dashboard reads it. Nothing waits: a slot is four
//! words that a writer marks while it fills them, and a reader leaves out what changed under it.
//!
//! The ring thins itself out: of every `weight` accesses a thread makes, about one is kept, and the weight doubles while a quarter of the ring
//! lasts less than [`QUARTER_MIN`] and halves while it lasts more than [`QUARTER_MAX`]. So the ring covers a minute or more at any rate,
//! and is complete at low ones. An access that is not kept costs a countdown in a variable of the thread.

use crate::RuntimeHandle;
use parking_lot::Mutex;
use std::cell::Cell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant, SystemTime};

/// Accesses kept: half a megabyte.
const SLOTS: usize = 16_384;
/// Files with a name; accesses to files that were opened longer ago keep their number only.
const FILES_MAX: usize = 256;
/// A quarter of the ring should last this long at least.
const QUARTER_MIN: Duration = Duration::from_secs(15);
/// And this long at most.
const QUARTER_MAX: Duration = Duration::from_secs(60);
/// At a million accesses per second a quarter lasts 15 s with a weight of 4096.
const WEIGHT_MAX: u32 = 1 << 16;

thread_local! {
    /// Accesses to pass over, and the state of a xorshift generator, so that regular access does not beat with the sampling.
    static COUNTDOWN: Cell<(u32, u32)> = const { Cell::new((0, 0x9E37_79B9)) };
}

/// One access that was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedAccess {
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// Number of the file, see [`AccessRing::files`].
    pub file: u32,
    /// First byte.
    pub offset: u64,
    /// Bytes asked for, at most 2^32 - 1.
    pub len: u32,
    /// Whether data was written.
    pub write: bool,
    /// How many accesses it stands for.
    pub weight: u32,
}

/// A file of the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedFile {
    /// Its number, counting up.
    pub id: u32,
    /// The path it was opened with.
    pub path: PathBuf,
}

#[derive(Default)]
struct Slot {
    /// Twice the number of the access that it holds, odd while that is being written; 0 at the start.
    state: AtomicU64,
    at_us: AtomicU64,
    offset: AtomicU64,
    /// File in the upper half, length in the lower.
    file_len: AtomicU64,
    /// Weight, and the top bit for a write.
    weight: AtomicU32,
}

const WRITE: u32 = 1 << 31;

/// The record of accesses of a runtime.
pub struct AccessRing {
    slots: Box<[Slot]>,
    /// Accesses kept so far.
    kept: AtomicU64,
    weight: AtomicU32,
    /// When the latest quarter was full, in microseconds since the start.
    quarter_us: AtomicU64,
    files: Mutex<Files>,
    started: Instant,
    started_us: u64,
}

#[derive(Default)]
struct Files {
    last: u32,
    named: VecDeque<RecordedFile>,
}

impl Default for AccessRing {
    fn default() -> Self {
        Self::new()
    }
}

impl AccessRing {
    /// An empty ring.
    #[must_use]
    pub fn new() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            slots: (0..SLOTS).map(|_| Slot::default()).collect(),
            kept: AtomicU64::new(0),
            weight: AtomicU32::new(1),
            quarter_us: AtomicU64::new(0),
            files: Mutex::default(),
            started: Instant::now(),
            started_us: micros(since),
        }
    }

    /// The number of a file that was opened. The same path has the same number while it is among the latest 256 names.
    pub fn file(&self, path: &Path) -> u32 {
        let mut files = self.files.lock();
        if let Some(known) = files.named.iter().find(|file| file.path == path) {
            return known.id;
        }
        files.last = files.last.wrapping_add(1);
        if files.named.len() >= FILES_MAX {
            files.named.pop_front();
        }
        let id = files.last;
        files.named.push_back(RecordedFile { id, path: path.to_owned() });
        id
    }

    /// Notes an access, or passes it over.
    pub fn note(&self, file: u32, offset: u64, len: u64, write: bool) {
        let (left, seed) = COUNTDOWN.get();
        if left > 0 {
            COUNTDOWN.set((left - 1, seed));
            return;
        }
        let weight = self.weight.load(Ordering::Relaxed);
        COUNTDOWN.set(next_countdown(weight, seed));
        self.keep(file, offset, u32::try_from(len).unwrap_or(u32::MAX), write, weight);
    }

    fn keep(&self, file: u32, offset: u64, len: u32, write: bool, weight: u32) {
        let since_start = micros(self.started.elapsed());
        let number = self.kept.fetch_add(1, Ordering::Relaxed);
        let Some(slot) = self.slots.get(number as usize % SLOTS) else { return };
        slot.state.store(number * 2 + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        slot.at_us.store(self.started_us.saturating_add(since_start), Ordering::Relaxed);
        slot.offset.store(offset, Ordering::Relaxed);
        slot.file_len.store(u64::from(file) << 32 | u64::from(len), Ordering::Relaxed);
        slot.weight.store(if write { weight | WRITE } else { weight }, Ordering::Relaxed);
        slot.state.store(number * 2 + 2, Ordering::Release);
        if (number + 1).is_multiple_of(SLOTS as u64 / 4) {
            self.adjust(since_start);
        }
    }

    /// A quarter of the ring is full.
    fn adjust(&self, since_start_us: u64) {
        let before = self.quarter_us.swap(since_start_us, Ordering::Relaxed);
        let lasted = Duration::from_micros(since_start_us.saturating_sub(before));
        let weight = self.weight.load(Ordering::Relaxed);
        if lasted < QUARTER_MIN {
            // A rate that is far too high should not take a dozen quarters to get there.
            let factor = if lasted < QUARTER_MIN / 16 { 16 } else { 2 };
            self.weight.store(weight.saturating_mul(factor).min(WEIGHT_MAX), Ordering::Relaxed);
        } else if lasted > QUARTER_MAX {
            self.weight.store((weight / 2).max(1), Ordering::Relaxed);
        }
    }

    /// The accesses in the ring, oldest first, at most 16384.
    #[must_use]
    pub fn accesses(&self) -> Vec<RecordedAccess> {
        let kept = self.kept.load(Ordering::Acquire);
        let first = kept.saturating_sub(SLOTS as u64);
        (first..kept).filter_map(|number| self.read(number)).collect()
    }

    /// The accesses that were kept from this number on, as far as they are still in the ring, and the number to ask from next time. The
    /// first number is 0.
    #[must_use]
    pub fn since(&self, number: u64) -> (Vec<RecordedAccess>, u64) {
        let kept = self.kept.load(Ordering::Acquire);
        let first = kept.saturating_sub(SLOTS as u64).max(number);
        ((first..kept).filter_map(|number| self.read(number)).collect(), kept.max(number))
    }

    fn read(&self, number: u64) -> Option<RecordedAccess> {
        let slot = self.slots.get(number as usize % SLOTS)?;
        let expected = number * 2 + 2;
        if slot.state.load(Ordering::Acquire) != expected {
            return None;
        }
        let file_len = slot.file_len.load(Ordering::Relaxed);
        let weight = slot.weight.load(Ordering::Relaxed);
        let access = RecordedAccess {
            at_us: slot.at_us.load(Ordering::Relaxed),
            file: (file_len >> 32) as u32,
            offset: slot.offset.load(Ordering::Relaxed),
            len: file_len as u32,
            write: weight & WRITE != 0,
            weight: weight & !WRITE,
        };
        fence(Ordering::Acquire);
        (slot.state.load(Ordering::Relaxed) == expected).then_some(access)
    }

    /// The latest files, oldest first, at most 256.
    #[must_use]
    pub fn files(&self) -> Vec<RecordedFile> {
        self.files.lock().named.iter().cloned().collect()
    }

    /// How many accesses one of the ring stands for at present.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }
}

/// A random number of accesses to pass over, `weight - 1` on average, and the generator's next state.
fn next_countdown(weight: u32, seed: u32) -> (u32, u32) {
    let mut next = seed;
    next ^= next << 13;
    next ^= next >> 17;
    next ^= next << 5;
    // 0 to 2 (weight - 1).
    (if weight > 1 { next % (2 * weight - 1) } else { 0 }, next)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for AccessRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessRing")
            .field("kept", &self.kept.load(Ordering::Relaxed))
            .field("weight", &self.weight())
            .finish_non_exhaustive()
    }
}

/// What a file needs to note its accesses: nothing, where the runtime has no ring.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AccessTag(u32);

impl AccessTag {
    pub(crate) fn new(runtime: &RuntimeHandle, path: &Path) -> Self {
        Self(runtime.access_ring().map_or(0, |ring| ring.file(path)))
    }

    pub(crate) fn note(self, runtime: &RuntimeHandle, offset: u64, len: usize, write: bool) {
        if let Some(ring) = runtime.access_ring() {
            ring.note(self.0, offset, len as u64, write);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(ring: &AccessRing, number: u64) {
        ring.note(1, number * 4096, 4096, number % 4 == 3);
    }

    #[test]
    fn few_accesses_are_kept_exactly() {
        let ring = AccessRing::new();
        let id = ring.file(Path::new("data.bin"));
        assert_eq!(ring.file(Path::new("data.bin")), id);
        (0..100).for_each(|number| ring.note(id, number * 4096, 4096, number % 4 == 3));
        let accesses = ring.accesses();
        assert_eq!(accesses.len(), 100);
        assert_eq!(accesses.iter().filter(|access| access.write).count(), 25);
        assert!(accesses.iter().enumerate().all(|(at, access)| access.offset == at as u64 * 4096));
        assert!(accesses.is_sorted_by_key(|access| access.at_us));
        let (latest, next) = ring.since(90);
        assert_eq!((latest.len(), latest[0].offset, next), (10, 90 * 4096, 100));
        assert!(ring.since(next).0.is_empty());
    }

    #[test]
    fn a_flood_is_thinned_out_and_weighed() {
        let ring = AccessRing::new();
        let total = 4_000_000u64;
        (0..total).for_each(|number| note(&ring, number));
        assert!(ring.weight() >= 16, "{}", ring.weight());
        let accesses = ring.accesses();
        assert!(accesses.len() <= SLOTS && accesses.len() > SLOTS / 2);
        let (first, last) = (accesses[0].offset / 4096, accesses.last().unwrap().offset / 4096);
        let weighed: u64 = accesses.iter().map(|access| u64::from(access.weight)).sum();
        let exact = last - first;
        assert!(weighed.abs_diff(exact) < exact / 5, "{weighed} stand for {exact}");
    }

    #[test]
    fn names_are_bounded() {
        let ring = AccessRing::new();
        for number in 0..1000 {
            ring.file(Path::new(&format!("file {number}")));
        }
        let files = ring.files();
        assert_eq!((files.len(), files[0].id, files[255].id), (FILES_MAX, 745, 1000));
    }

    #[test]
    fn readers_never_see_halves() {
        let ring = AccessRing::new();
        std::thread::scope(|scope| {
            for file in 1..=2u32 {
                let ring = &ring;
                // Every field of an access follows from the others.
                scope.spawn(move || {
                    (0..200_000u64).for_each(|number| {
                        ring.keep(file, number * u64::from(file), number as u32, file == 2, 1)
                    });
                });
            }
            for _ in 0..50 {
                for access in ring.accesses() {
                    assert_eq!(access.write, access.file == 2);
                    assert_eq!(access.offset, u64::from(access.len) * u64::from(access.file));
                }
            }
        });
    }
}
