//! Finds orders that repeat without being sequential: loops over scattered blocks, files in pieces, walks through an index.
//!
//! Requests that no sequence explains go into a bounded log; an index finds the last one for the same block, and each entry
//! knows the one before. What followed then is proposed now. Two things tell an order from chance, and are measured apart:
//!
//! * context: how many of the requests just before are the ones that came before the last time (replay of a temporal stream;
//!   Wenisch et al., HPCA 2009);
//! * association: whether a block followed within the window the last two times (Mithril, Yang et al., SoCC 2017), which finds the
//!   successors of one order among several that are interleaved.
//!
//! Each combination is a class of its own, so that the prefetcher lets only those through that hold for the workload.

use crate::access::{Access, AccessKind};
use crate::index::{Index, Kind, key};
use crate::predict::Predictor;
use crate::predict::plan::{PrefetchBounds, Proposal, Proposals, Range};

/// Entries after an occurrence that may be its successors.
const WINDOW: usize = 16;
/// Entries before an occurrence that are its context.
const CONTEXT: usize = 8;
/// Successors proposed by context alone.
const REPLAYED: usize = 8;
/// Entries at the end of the log that a request may extend.
const EXTENDED: usize = 4;
/// Bytes of an extended entry at most.
const RUN_BYTES_MAX: u32 = 1 << 20;
const BLOCK_SHIFT: u32 = 12;
const REQUESTS_MIN: usize = 1024;
const REQUESTS_MAX: usize = 1 << 22;
const NEVER: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Entry {
    offset: u64,
    len: u32,
    space: u32,
    /// Where the same block was logged before, as the low bits of the count of entries.
    before: u32,
    /// The upper half of the key, to compare by.
    print: u32,
}

/// Finds orders that repeat.
pub struct HistoryPredictor {
    bounds: PrefetchBounds,
    log: Box<[Entry]>,
    index: Index,
    /// Entries written so far, modulo 2^32.
    count: u32,
    filled: bool,
}

impl HistoryPredictor {
    /// A predictor that knows nothing and remembers so many requests, 1,024 to 4,194,304, rounded up to a power of two; each takes 56
    /// bytes.
    #[must_use]
    pub fn new(requests: usize) -> Self {
        let requests = requests.clamp(REQUESTS_MIN, REQUESTS_MAX).next_power_of_two();
        let empty = Entry { offset: 0, len: 0, space: 0, before: NEVER, print: 0 };
        Self {
            bounds: PrefetchBounds::default(),
            log: vec![empty; requests].into(),
            index: Index::new(requests * 2),
            count: 0,
            filled: false,
        }
    }

    fn entry(&self, at: u32) -> &Entry {
        &self.log[at as usize & (self.log.len() - 1)]
    }

    /// Whether an entry of that number is still in the log, with a window behind it.
    fn holds(&self, at: u32) -> bool {
        let age = self.count.wrapping_sub(at) as usize;
        let kept = if self.filled { self.log.len() - CONTEXT } else { self.count as usize };
        at != NEVER && age > 0 && age <= kept
    }

    /// Prolongs one of the last entries by a request that adjoins it; whether there was one.
    fn extend(&mut self, access: &Access) -> bool {
        for back in 1..=EXTENDED.min(self.count as usize) {
            let at = self.count.wrapping_sub(back as u32) as usize & (self.log.len() - 1);
            let entry = &mut self.log[at];
            let adjoins = entry.space == access.space
                && entry.offset.checked_add(u64::from(entry.len)) == Some(access.offset);
            if adjoins && entry.len.saturating_add(access.len) <= RUN_BYTES_MAX {
                entry.len += access.len;
                return true;
            }
        }
        false
    }

    /// Adds a request; returns the number of the entry for the same block before, if the log still has it.
    fn append(&mut self, access: &Access) -> Option<u32> {
        let key = key(access.space, Kind::Start, access.offset >> BLOCK_SHIFT);
        let print = (key >> 32) as u32;
        let found = self.index.find(key).map(|entry| entry.slot);
        let before = found.filter(|&at| self.holds(at) && self.entry(at).print == print);
        let at = self.count as usize & (self.log.len() - 1);
        self.log[at] = Entry {
            offset: access.offset,
            len: access.len,
            space: access.space,
            before: before.unwrap_or(NEVER),
            print,
        };
        self.index.put(key, self.count, self.count);
        self.count = self.count.wrapping_add(1);
        self.filled |= self.count == 0 || self.count as usize >= self.log.len();
        before
    }

    /// The prints of entries from a number on, as far as there are any.
    fn prints<const N: usize>(&self, from: u32) -> [u32; N] {
        std::array::from_fn(|step| self.entry(from.wrapping_add(step as u32)).print)
    }

    /// Entries before both numbers that are the same, whatever their order.
    fn context(&self, now: u32, then: u32) -> usize {
        let now: [u32; CONTEXT] = self.prints(now.wrapping_sub(CONTEXT as u32));
        let then: [u32; CONTEXT] = self.prints(then.wrapping_sub(CONTEXT as u32));
        now.iter().filter(|print| then.contains(print)).count()
    }

    fn propose(&self, then: u32, proposals: &mut Proposals) {
        let now = self.count.wrapping_sub(1);
        let context = self.context(now, then);
        let earlier = Some(self.entry(then).before).filter(|&at| self.holds(at));
        let confirmed: Option<[u32; WINDOW]> = earlier.map(|at| self.prints(at.wrapping_add(1)));
        let available = (now.wrapping_sub(then) as usize - 1).min(WINDOW);
        for step in 1..=available {
            let entry = self.entry(then.wrapping_add(step as u32));
            let twice = confirmed.is_some_and(|prints| prints.contains(&entry.print));
            if !twice && (step > REPLAYED || context == 0) {
                continue;
            }
            let range = Range {
                space: entry.space,
                offset: entry.offset,
                len: entry.len.min(self.bounds.size_bytes),
            };
            let class = class(context, step, earlier.is_some(), twice);
            proposals.push(Proposal { range, probability: 0.0, class, proven: false });
        }
    }
}

/// What speaks for a successor: three degrees of context, near or far, and whether it followed the last two times, once, or is
/// only known from one time.
const fn class(context: usize, step: usize, known_twice: bool, twice: bool) -> u8 {
    let context = match context {
        0..=1 => 0,
        2..=4 => 1,
        _ => 2,
    };
    if twice {
        return 10 + context;
    }
    let near = (step <= 2) as u8;
    // What did not follow the time before is weaker than what has been seen once only.
    if known_twice { 6 + context } else { 2 * context + near }
}

impl Predictor for HistoryPredictor {
    fn name(&self) -> &'static str {
        "history"
    }

    fn observe(&mut self, access: &Access, proposals: &mut Proposals) {
        if access.kind == AccessKind::Write || access.len == 0 {
            return;
        }
        if self.extend(access) || proposals.is_explained() {
            return;
        }
        if let Some(then) = self.append(access) {
            self.propose(then, proposals);
        }
    }

    fn set_bounds(&mut self, bounds: PrefetchBounds) {
        self.bounds = bounds.clamped();
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.log) + self.index.bytes()
    }
}
