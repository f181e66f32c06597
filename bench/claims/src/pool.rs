//! C7: the adaptive pool beside fixed size classes that have the same memory, on the sizes of an object store. Time is made up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rustfs_rio_buf::{BufferPool, PoolConfig, PooledBuf, Pressure};
use serde_json::json;

use crate::{Bar, Cell, ClaimError, Raw, Setting};

/// Time between two looks at a pool, which is how often its caretaker comes.
const LOOK: Duration = Duration::from_millis(500);
/// Smallest and largest class of the fixed pool, in bytes: powers of two, as in most pools.
const CLASS_MIN: usize = 4 << 10;
const CLASSES: usize = 11;

/// A phase of the service: how long, how many objects at once, and the largest size of small and large objects.
struct Phase {
    looks: usize,
    in_flight: usize,
    small: u64,
    large: u64,
}

/// An hour of an object store: steady traffic, a burst each minute, and two changes of what is stored.
fn phases() -> Vec<Phase> {
    let mut phases = Vec::new();
    for minute in 0..60 {
        let (small, large) = match minute {
            0..20 => (60_000, 3 << 20),
            20..40 => (14_000, 1 << 20),
            _ => (120_000, 3 << 20),
        };
        phases.push(Phase { looks: 114, in_flight: 32, small, large });
        phases.push(Phase { looks: 6, in_flight: 128, small, large });
    }
    phases
}

/// Numbers that follow from a seed (Marsaglia, "Xorshift RNGs", 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Ten small objects for each large one.
    fn object(&mut self, phase: &Phase) -> usize {
        let small = self.below(11) < 10;
        (if small { 4096 + self.below(phase.small) } else { (1 << 20) + self.below(phase.large) }) as usize
    }
}

/// What serves the requests.
trait Store {
    type Buffer;
    fn get(&mut self, len: usize) -> Self::Buffer;
    fn put(&mut self, buffer: Self::Buffer);
    fn look(&mut self, now: Instant);
}

/// The pool under test.
struct Adaptive(BufferPool);

impl Store for Adaptive {
    type Buffer = Option<PooledBuf>;

    fn get(&mut self, len: usize) -> Option<PooledBuf> {
        self.0.try_get(len).ok()
    }

    fn put(&mut self, buffer: Option<PooledBuf>) {
        drop(buffer);
    }

    fn look(&mut self, now: Instant) {
        self.0.upkeep(now, Pressure::None);
    }
}

/// Fixed classes: each has a number of buffers that does not change; what finds its class empty is a miss. No memory is
/// needed to count that.
#[derive(Clone)]
struct Fixed {
    free: [i64; CLASSES],
    low: [i64; CLASSES],
    hits: u64,
    misses: u64,
}

impl Fixed {
    fn new(counts: [i64; CLASSES]) -> Self {
        Self { free: counts, low: counts, hits: 0, misses: 0 }
    }

    fn bytes(class: usize) -> u64 {
        (CLASS_MIN as u64) << class
    }

    /// The shares of the classes that serve a first ten minutes best, scaled to `memory` bytes.
    fn for_memory(memory: u64, trial: &Self, given: i64) -> Self {
        let peaks = trial.low.map(|low| given - low);
        let wanted: u64 = (0..CLASSES).map(|class| peaks[class] as u64 * Self::bytes(class)).sum();
        let scale = memory as f64 / wanted.max(1) as f64;
        Self::new(peaks.map(|peak| (peak as f64 * scale) as i64))
    }
}

impl Store for Fixed {
    /// The class, if its buffer came from there.
    type Buffer = Option<usize>;

    fn get(&mut self, len: usize) -> Option<usize> {
        let class = len.div_ceil(CLASS_MIN).next_power_of_two().trailing_zeros() as usize;
        let class = class.min(CLASSES - 1);
        if self.free[class] > 0 {
            self.free[class] -= 1;
            self.low[class] = self.low[class].min(self.free[class]);
            self.hits += 1;
            return Some(class);
        }
        self.misses += 1;
        None
    }

    fn put(&mut self, buffer: Option<usize>) {
        if let Some(class) = buffer {
            self.free[class] += 1;
        }
    }

    fn look(&mut self, _now: Instant) {}
}

/// Plays phases; `after` is called after each.
fn play<S: Store>(store: &mut S, seed: u64, phases: &[Phase], mut after: impl FnMut(usize, &S)) {
    let (mut random, mut now) = (Random(seed | 1), Instant::now());
    let mut in_flight: VecDeque<S::Buffer> = VecDeque::new();
    for (index, phase) in phases.iter().enumerate() {
        for _ in 0..phase.looks {
            for _ in 0..4 * phase.in_flight {
                while in_flight.len() >= phase.in_flight {
                    in_flight.pop_front().into_iter().for_each(|buffer| store.put(buffer));
                }
                in_flight.push_back(store.get(random.object(phase)));
            }
            now += LOOK;
            store.look(now);
        }
        after(index, store);
    }
}

/// C7.
pub(crate) fn measure(setting: &Setting, raw: &mut Raw) -> Result<Vec<Cell>, ClaimError> {
    let (mut rates, mut fewer) = (Vec::new(), Vec::new());
    for repeat in 0..setting.repeats as u64 {
        setting.check()?;
        let (seed, phases) = (setting.seed.wrapping_add(repeat), phases());
        // The first two minutes warm both up.
        let warm = 3;
        let pool = BufferPool::new(PoolConfig::new(4 << 30).adaptive(1.2))
            .map_err(ClaimError::setup("a buffer pool"))?;
        let mut adaptive = Adaptive(pool);
        let (mut before, mut held, mut memory) = ((0, 0), 0.0, 0);
        play(&mut adaptive, seed, &phases, |index, store| {
            let stats = store.0.stats();
            memory = memory.max(stats.mapped_bytes);
            held += stats.mapped_bytes as f64 / phases.len() as f64;
            if index == warm {
                before = (stats.hits, stats.misses);
            }
        });
        let stats = adaptive.0.stats();
        let (hits, misses) = (stats.hits - before.0, stats.misses - before.1);
        // The fixed classes get the most that the adaptive pool ever had, split as ten minutes of this service need it.
        let plenty = 1 << 20;
        let mut trial = Fixed::new([plenty; CLASSES]);
        play(&mut trial, seed, &phases[..20], |_, _| {});
        let mut fixed = Fixed::for_memory(memory, &trial, plenty);
        let mut fixed_before = 0;
        play(&mut fixed, seed, &phases, |index, store| {
            if index == warm {
                fixed_before = store.misses;
            }
        });
        let fixed_misses = fixed.misses - fixed_before;
        raw.add(json!({
            "claim": "C7", "seed": seed, "hits": hits, "misses": misses, "fixed_misses": fixed_misses,
            "memory_bytes": memory, "mean_bytes": held,
        }));
        rates.push(hits as f64 * 100.0 / (hits + misses).max(1) as f64);
        fewer.push((1.0 - misses as f64 / fixed_misses.max(1) as f64) * 100.0);
    }
    Ok(vec![
        Cell::new("hits after two minutes", "%", Bar::AtLeast(99.0), rates),
        Cell::new("fewer misses than fixed classes of the same memory", "%", Bar::AtLeast(25.0), fewer)
            .note("classes are powers of two, split as the first ten minutes need it"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_classes_count_what_they_cannot_serve() {
        let mut fixed = Fixed::new([1; CLASSES]);
        let first = fixed.get(5000);
        assert_eq!((first, fixed.get(8192)), (Some(1), None));
        fixed.put(first);
        assert_eq!((fixed.get(8192), fixed.hits, fixed.misses), (Some(1), 2, 1));
        assert_eq!(fixed.get(100 << 20), Some(CLASSES - 1));
    }

    #[test]
    fn memory_is_split_by_what_a_trial_needed() {
        let mut trial = Fixed::new([100; CLASSES]);
        let held: Vec<_> = (0..10).map(|_| trial.get(4096)).collect();
        held.into_iter().for_each(|buffer| trial.put(buffer));
        let fixed = Fixed::for_memory(20 * 4096, &trial, 100);
        assert_eq!((fixed.free[0], fixed.free[1]), (20, 0));
    }
}
