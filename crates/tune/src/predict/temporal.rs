//! Finds ranges that are read again and again after the same time: jobs by the clock, polls, loops of a steady pace.
//!
//! Per range it keeps the last time and the interval. When two intervals in a row agree within an eighth, the next time is put on
//! a bounded agenda, and the range is proposed a sixteenth of the interval before.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::access::{Access, AccessKind};
use crate::index::{Kind, key};
use crate::predict::Predictor;
use crate::predict::plan::{PrefetchBounds, Proposal, Proposals, Range};

/// Ranges watched, in sets of [`WAYS`].
const RANGES: usize = 16_384;
const WAYS: usize = 4;
/// Times on the agenda at most; what finds no room is not proposed.
const AGENDA: usize = 4096;
/// Ranges proposed for one request.
const DUE_MAX: usize = 8;
/// Intervals agree if they differ by no more than this part.
const TOLERANCE: u64 = 8;
/// The range is proposed this part of the interval before its time, within bounds of [`LEAD_NS_MAX`].
const LEAD: u64 = 16;
/// More than a disk needs for whatever is due at once.
const LEAD_NS_MAX: u64 = 2_000_000_000;
const BLOCK_SHIFT: u32 = 12;

#[derive(Clone, Copy, Default)]
struct Watched {
    key: u64,
    offset: u64,
    last_ns: u64,
    interval_ns: u64,
    len: u32,
    space: u32,
    /// Intervals in a row that agreed.
    agreed: u8,
}

/// Finds ranges that are read after the same time again.
pub struct TemporalPredictor {
    bounds: PrefetchBounds,
    watched: Box<[Watched]>,
    /// When, and which place of `watched`.
    agenda: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Default for TemporalPredictor {
    fn default() -> Self {
        Self::new()
    }
}

impl TemporalPredictor {
    /// A predictor that knows nothing and watches 16,384 ranges.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bounds: PrefetchBounds::default(),
            watched: vec![Watched::default(); RANGES].into(),
            agenda: BinaryHeap::with_capacity(AGENDA),
        }
    }

    /// Notes a time of a range, and puts its next on the agenda if it is regular.
    fn note(&mut self, access: &Access) {
        let key = key(access.space, Kind::Start, access.offset >> BLOCK_SHIFT);
        let set = key as usize % (RANGES / WAYS) * WAYS;
        let ways = &mut self.watched[set..set + WAYS];
        let now = access.at_ns;
        let Some(way) = ways.iter().position(|one| one.key == key) else {
            // Whatever is regular stays until it is long overdue; among the rest, the oldest gives way.
            let stale = |one: &Watched| {
                let kept = one.interval_ns.saturating_mul(u64::from(one.agreed));
                one.last_ns.saturating_add(kept)
            };
            let way = (0..WAYS).min_by_key(|&way| stale(&ways[way])).unwrap_or(0);
            ways[way] = Watched {
                key,
                offset: access.offset,
                last_ns: now,
                interval_ns: 0,
                len: access.len,
                space: access.space,
                agreed: 0,
            };
            return;
        };
        let one = &mut ways[way];
        let interval = now.saturating_sub(one.last_ns);
        let agrees = interval.abs_diff(one.interval_ns) <= one.interval_ns / TOLERANCE && interval > 0;
        one.agreed = if agrees { one.agreed.saturating_add(1) } else { 0 };
        one.interval_ns = if agrees { u64::midpoint(one.interval_ns, interval) } else { interval };
        (one.last_ns, one.len) = (now, access.len);
        if one.agreed > 0 && self.agenda.len() < AGENDA {
            let lead = (one.interval_ns / LEAD).min(LEAD_NS_MAX);
            let due = now.saturating_add(one.interval_ns - lead);
            self.agenda.push(Reverse((due, (set + way) as u32)));
        }
    }
}

impl Predictor for TemporalPredictor {
    fn name(&self) -> &'static str {
        "temporal"
    }

    fn observe(&mut self, access: &Access, proposals: &mut Proposals) {
        if access.kind == AccessKind::Read && access.len > 0 && !proposals.is_explained() {
            self.note(access);
        }
        for _ in 0..DUE_MAX {
            let Some(&Reverse((due, place))) = self.agenda.peek() else { break };
            if due > access.at_ns {
                break;
            }
            self.agenda.pop();
            let one = &self.watched[place as usize];
            let lead = (one.interval_ns / LEAD).min(LEAD_NS_MAX);
            // The place may have been given to another range, or the range may have been read since.
            let meant = one.agreed > 0 && one.last_ns.saturating_add(one.interval_ns - lead) == due;
            let overdue = one.last_ns.saturating_add(one.interval_ns).saturating_add(lead) < access.at_ns;
            if meant && !overdue {
                let range =
                    Range { space: one.space, offset: one.offset, len: one.len.min(self.bounds.size_bytes) };
                let class = one.agreed.min(4) - 1;
                proposals.push(Proposal { range, probability: 0.0, class, proven: false });
            }
        }
    }

    fn set_bounds(&mut self, bounds: PrefetchBounds) {
        self.bounds = bounds.clamped();
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.watched) + AGENDA * size_of::<Reverse<(u64, u32)>>()
    }
}
