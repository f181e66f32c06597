//! Which size serves a request: the classes that every pool has, and a few that a pool cut to what it is asked for.
//!
//! Requests of services come in few sizes, such as 64 KiB and a header. A class loses up to a fifth of a buffer to them, a size of
//! their own less than a page. So one request in [`SAMPLED`] is noted, and each that needs memory, by its size, and [`tailor`] looks for the size inside each
//! class that would have saved most. There are [`TAILORED`] slots for such sizes, for requests of up to [`PAGES_MAX`] pages.

use super::classes::{self, CLASSES, PAGE};
use crate::sync::unmodelled::{AtomicBool, AtomicU8, AtomicU32, Ordering};

/// Sizes that a pool may cut.
pub(crate) const TAILORED: usize = 8;
/// All slots: classes first, then sizes that were cut.
pub(crate) const SLOTS: usize = CLASSES + TAILORED;
/// Larger requests are too rare to learn from.
pub(crate) const PAGES_MAX: usize = 1024;
/// Of so many hits of a size in a stripe, one is noted.
pub(crate) const SAMPLED: u64 = 16;
/// What a size has to save of all bytes asked for to be cut.
const WORTH: f64 = 0.01;
/// A size in use stays while it saves at least this part of what the best one would.
const LOYALTY: f64 = 0.8;
/// Weight of a period against the one after it: half is forgotten in about a minute of periods of half a second.
const MEMORY: f64 = 0.994;

/// The slot that serves a request and the size of its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fit {
    pub(crate) slot: usize,
    pub(crate) pages: usize,
}

impl Fit {
    pub(crate) fn bytes(self) -> usize {
        self.pages * PAGE
    }
}

/// The sizes of one pool.
pub(crate) struct Sizes {
    /// The slot that serves a request, by number of pages asked for.
    route: Box<[AtomicU8]>,
    /// Pages by slot; zero for one that is not in use.
    pages: [AtomicU32; SLOTS],
    /// Samples by number of pages, since they were last looked at.
    asked: Box<[AtomicU32]>,
    /// Whether one slot serves everything.
    is_fixed: AtomicBool,
}

impl Sizes {
    pub(crate) fn new() -> Self {
        let sizes = Self {
            route: (0..=PAGES_MAX).map(|_| AtomicU8::new(0)).collect(),
            pages: std::array::from_fn(|_| AtomicU32::new(0)),
            asked: (0..=PAGES_MAX).map(|_| AtomicU32::new(0)).collect(),
            is_fixed: AtomicBool::new(false),
        };
        sizes.reset(None);
        sizes
    }

    /// Starts anew; with `only`, every block has so many pages.
    pub(crate) fn reset(&self, only: Option<u32>) {
        self.asked.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        for (slot, pages) in self.pages.iter().enumerate() {
            let known = if slot < CLASSES { classes::pages(slot) as u32 } else { 0 };
            pages.store(known, Ordering::Relaxed);
        }
        for (pages, route) in self.route.iter().enumerate() {
            route.store(class_of(pages) as u8, Ordering::Relaxed);
        }
        self.pages[CLASSES].store(only.unwrap_or(0), Ordering::Relaxed);
        self.is_fixed.store(only.is_some(), Ordering::Relaxed);
    }

    /// What serves a request of `len` bytes; `None` above the largest class.
    #[inline]
    pub(crate) fn fit(&self, len: usize) -> Option<Fit> {
        let asked = len.div_ceil(PAGE);
        if let Some(route) = self.route.get(asked)
            && !self.is_fixed.load(Ordering::Relaxed)
        {
            let slot = usize::from(route.load(Ordering::Relaxed));
            let pages = self.pages_of(slot);
            // The size may just be changing.
            if pages >= asked {
                return Some(Fit { slot, pages });
            }
        }
        self.fit_of_class(len)
    }

    #[cold]
    fn fit_of_class(&self, len: usize) -> Option<Fit> {
        if self.is_fixed.load(Ordering::Relaxed) {
            return Some(Fit { slot: CLASSES, pages: self.pages_of(CLASSES) });
        }
        let class = classes::class_of(len)?;
        Some(Fit { slot: class, pages: classes::pages(class) })
    }

    /// Pages of the blocks of a slot; zero for one that is not in use.
    #[inline]
    pub(crate) fn pages_of(&self, slot: usize) -> usize {
        self.pages[slot].load(Ordering::Relaxed) as usize
    }

    /// Notes a request that stands for `weight` of them.
    pub(crate) fn note(&self, len: usize, weight: u64) {
        if let Some(count) = self.asked.get(len.div_ceil(PAGE)) {
            count.fetch_add(weight as u32, Ordering::Relaxed);
        }
    }

    /// Learns from what was noted since the last call and changes sizes. Returns the slots whose size changed.
    pub(crate) fn adapt(&self, weights: &mut Vec<f64>) -> Vec<usize> {
        if self.is_fixed.load(Ordering::Relaxed) {
            return Vec::new();
        }
        weights.resize(PAGES_MAX + 1, 0.0);
        for (weight, asked) in weights.iter_mut().zip(&self.asked) {
            *weight = *weight * MEMORY + f64::from(asked.swap(0, Ordering::Relaxed));
        }
        let now: [u32; TAILORED] = std::array::from_fn(|slot| self.pages_of(CLASSES + slot) as u32);
        let next = tailor(weights, now);
        let changed: Vec<usize> = (0..TAILORED).filter(|slot| now[*slot] != next[*slot]).collect();
        for slot in &changed {
            self.direct(now[*slot], class_of(now[*slot] as usize));
            self.pages[CLASSES + *slot].store(next[*slot], Ordering::Relaxed);
        }
        for slot in &changed {
            self.direct(next[*slot], CLASSES + *slot);
        }
        changed.into_iter().map(|slot| CLASSES + slot).collect()
    }

    /// Routes the requests that a size serves.
    fn direct(&self, pages: u32, slot: usize) {
        if pages != 0 {
            let (above, _) = class_around(pages as usize);
            let served = &self.route[above + 1..=(pages as usize).min(PAGES_MAX)];
            served.iter().for_each(|entry| entry.store(slot as u8, Ordering::Relaxed));
        }
    }
}

/// The class that serves so many pages.
fn class_of(pages: usize) -> usize {
    classes::class_of(pages * PAGE).unwrap_or(0)
}

/// Pages of the class below a size and of the one that would serve it.
fn class_around(pages: usize) -> (usize, usize) {
    let class = class_of(pages);
    (if class == 0 { 0 } else { classes::pages(class - 1) }, classes::pages(class))
}

/// The sizes, in pages, that save most for requests with these weights by pages, given those in use.
fn tailor(weights: &[f64], now: [u32; TAILORED]) -> [u32; TAILORED] {
    let total: f64 = weights.iter().enumerate().map(|(pages, weight)| pages as f64 * weight).sum();
    // What each size would save: its requests, times what they lose less.
    let mut saved = vec![0.0; weights.len()];
    let mut best: Vec<usize> = Vec::new();
    let mut low = 0;
    while low + 1 < weights.len() {
        let (_, high) = class_around(low + 1);
        let mut requests = 0.0;
        for pages in low + 1..high.min(weights.len()) {
            requests += weights[pages];
            saved[pages] = requests * (high - pages) as f64;
        }
        best.extend((low + 1..high.min(weights.len())).max_by(|a, b| saved[*a].total_cmp(&saved[*b])));
        low = high;
    }
    // A size in use stands for its class as long as it is nearly as good as the best.
    for pages in &mut best {
        let around = class_around(*pages);
        let used =
            now.iter().map(|used| *used as usize).find(|used| *used != 0 && class_around(*used) == around);
        if let Some(used) = used.filter(|used| saved[*used] >= LOYALTY * saved[*pages]) {
            *pages = used;
        }
    }
    best.retain(|pages| saved[*pages] > WORTH * total);
    best.sort_by(|a, b| saved[*b].total_cmp(&saved[*a]));
    best.truncate(TAILORED);
    let mut next = now.map(|used| if best.contains(&(used as usize)) { used } else { 0 });
    best.retain(|pages| !now.contains(&(*pages as u32)));
    for slot in next.iter_mut().filter(|slot| **slot == 0) {
        *slot = best.pop().unwrap_or(0) as u32;
    }
    next
}

#[cfg(all(test, not(rio_loom)))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

    use super::*;
    use proptest::prelude::*;

    /// Pages lost per request, on average.
    fn lost(sizes: &Sizes, requests: &[usize]) -> f64 {
        let lost = |pages: &usize| sizes.fit(pages * PAGE).unwrap().pages - pages;
        requests.iter().map(lost).sum::<usize>() as f64 / requests.len() as f64
    }

    #[test]
    fn a_size_that_is_asked_for_often_is_cut() {
        let sizes = Sizes::new();
        let requests: Vec<usize> = (0..1000).map(|index| if index % 10 == 0 { 257 } else { 17 }).collect();
        let before = lost(&sizes, &requests);
        requests.iter().for_each(|pages| sizes.note(pages * PAGE, 1));
        let mut weights = Vec::new();
        assert_eq!(sizes.adapt(&mut weights).len(), 2);
        assert_eq!(sizes.fit(17 * PAGE).map(|fit| fit.pages), Some(17));
        assert_eq!(sizes.fit(257 * PAGE).map(|fit| fit.pages), Some(257));
        assert!(before > 5.0 && lost(&sizes, &requests) == 0.0);
        // One page more is served as before.
        assert_eq!(sizes.fit(18 * PAGE).map(|fit| (fit.slot < CLASSES, fit.pages)), Some((true, 20)));
        assert!(sizes.adapt(&mut weights).is_empty(), "nothing new was learnt");
    }

    #[test]
    fn a_size_is_given_up_when_nobody_asks_for_it_any_more() {
        let sizes = Sizes::new();
        let mut weights = Vec::new();
        (0..100).for_each(|_| sizes.note(17 * PAGE, 1));
        assert_eq!(sizes.adapt(&mut weights), [CLASSES + TAILORED - TAILORED]);
        for _ in 0..1000 {
            (0..100).for_each(|_| sizes.note(65 * PAGE, 1));
            sizes.adapt(&mut weights);
        }
        assert_eq!(sizes.fit(65 * PAGE).map(|fit| fit.pages), Some(65));
        assert_eq!(sizes.fit(17 * PAGE).map(|fit| fit.pages), Some(20));
    }

    #[test]
    fn a_fixed_size_serves_everything_and_learns_nothing() {
        let sizes = Sizes::new();
        sizes.reset(Some(25));
        assert_eq!(sizes.fit(1).map(|fit| fit.pages), Some(25));
        assert_eq!((sizes.pages_of(CLASSES), sizes.pages_of(CLASSES + 1)), (25, 0));
        sizes.note(PAGE, 1);
        assert!(sizes.adapt(&mut Vec::new()).is_empty());
    }

    proptest! {
        #[test]
        fn every_request_fits_and_no_class_is_made_worse(
            rounds in prop::collection::vec(prop::collection::vec(1usize..1100, 0..60), 1..20)
        ) {
            let sizes = Sizes::new();
            let mut weights = Vec::new();
            for round in rounds {
                round.iter().for_each(|pages| sizes.note(pages * PAGE, 1));
                sizes.adapt(&mut weights);
                for pages in 1..1100 {
                    let fit = sizes.fit(pages * PAGE).unwrap();
                    prop_assert!(fit.pages >= pages && fit.pages <= classes::pages(classes::class_of(pages * PAGE).unwrap()));
                    prop_assert_eq!(sizes.pages_of(fit.slot), fit.pages);
                }
            }
        }
    }
}
