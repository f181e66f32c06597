//! Asks all predictors, keeps what pays, and bounds it.
//!
//! Each class of guesses is measured on ghosts: what was proposed is remembered, and counts as used if a request starts in its
//! first block while a cache would still hold it. A class issues once enough of its ghosts were used ("history-based prefetching must
//! prove itself", Gill and Bathen, FAST 2007); ghosts go on while it issues. What became of issued bytes comes back as
//! [`Feedback`]; a predictor that falls below the wanted share has its bar raised until it meets it again.

use crate::access::{Access, AccessKind};
use crate::index::{Index, Kind, key};
use crate::predict::Predictor;
use crate::predict::odds::Odds;
use crate::predict::plan::{
    CLASSES, Feedback, PROPOSALS_MAX, Plan, Prefetch, PrefetchBounds, PrefetchOutcome, Pressure, Proposal,
    Proposals, Range, Ticket,
};
use crate::predict::registry::{self, PredictorSizes};

/// Predictors used together at most; more are left out.
pub const PREDICTORS_MAX: usize = 8;
const BLOCK_SHIFT: u32 = 12;
/// Proposals that are followed at once.
const GHOSTS: usize = 8192;
/// A cache of four times the bytes that may wait unused keeps a block while about as much is read.
const LIFETIME_FACTOR: u64 = 3;
/// Issued ranges that are watched for being overtaken.
const WATCHED: usize = 32;
/// Bytes with a known outcome after which a predictor's bar is looked at.
const REVIEW_BYTES: u64 = 16 << 20;
/// The bar moves by this much per review, and never above `BAR_MAX`.
const BAR_STEP: f32 = 0.03;
const BAR_MAX: f32 = 0.97;
/// Above the wanted share by this much, the bar goes down again.
const BAR_SLACK: f32 = 0.03;
/// Under [`Pressure::Some`], what is less probable waits.
const PROBABLE: f32 = 0.85;
/// Outcomes that count against a class before it has any: with few, chance alone could look good.
const DOUBT: f32 = 4.0;
/// Open bytes of a class that has shown nothing yet: what it may cost to find out. As in the slow start of TCP (Jacobson 1988), what
/// is used adds to it and what is wasted takes away.
const CREDIT_MIN: u64 = 64 << 10;
const CREDIT_MAX: u64 = 1 << 30;
/// A byte that is used lets so many more be open, and a wasted one as many fewer.
const CREDIT_FACTOR: u64 = 4;
/// Issued ranges whose ghosts can be called back.
const CALLED: usize = 1024;
/// Blocks issued that weigh as much as what ghosts say.
const ISSUED_PRIOR: f32 = 64.0;
/// What was issued is forgotten by this part with every ghost, so that a class that was shut gets another chance.
const FADE: f32 = 0.9998;

/// What the prefetcher knows about one predictor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SourceStats {
    /// Its name.
    pub name: &'static str,
    /// Bytes issued.
    pub issued_bytes: u64,
    /// Of these, used, also too late.
    pub used_bytes: u64,
    /// Used, but the request had to wait for them.
    pub late_bytes: u64,
    /// Read and not used.
    pub wasted_bytes: u64,
    /// Never read.
    pub dropped_bytes: u64,
    /// Proposals that were followed as ghosts only.
    pub ghosts: u64,
    /// Probability that it has to reach now, 0 to 1; above [`PrefetchBounds::use_min`] while too little of it was used.
    pub bar: f32,
}

#[derive(Clone, Copy, Default)]
struct Source {
    stats: SourceStats,
    /// Of ghosts, by class.
    odds: [Odds; CLASSES],
    /// Of what was issued, by class.
    issued: [Odds; CLASSES],
    /// Bytes issued whose outcome is open, and how many may be, by class.
    open: [u64; CLASSES],
    credit: [u64; CLASSES],
    recent_used: f32,
    recent_known: f32,
    reviewed_at: u64,
}

impl Source {
    /// Probability that a guess of a class is used. What was issued says more than ghosts: of those, many would have been in the cache.
    fn probability(&self, class: usize) -> f32 {
        let (ghosts, issued) = (self.odds[class], self.issued[class]);
        let of_ghosts = ghosts.share() * ghosts.count() / (ghosts.count() + DOUBT);
        if of_ghosts <= 0.0 { 0.0 } else { issued.share_with(of_ghosts, ISSUED_PRIOR).min(of_ghosts) }
    }
}

#[derive(Clone, Copy, Default)]
struct Ghost {
    key: u64,
    at_bytes: u64,
    source: u8,
    live: bool,
    issued: bool,
    /// The classes in which it was proposed, a bit each.
    classes: u16,
}

#[derive(Clone, Copy, Default)]
struct Watched {
    range: Range,
    ticket: Ticket,
    open_bytes: u32,
    start_seen: bool,
    end_seen: bool,
}

/// All predictors behind one bounded, measured plan.
///
/// ```
/// use rustfs_rio_tune::{Access, AccessKind, Feedback, PrefetchOutcome, PrefetchBounds, Prefetcher, Pressure};
///
/// let mut prefetcher = Prefetcher::new(PrefetchBounds::default());
/// for n in 0..100 {
///     let access = Access { at_ns: n * 1000, space: 1, offset: n << 16, len: 1 << 16, kind: AccessKind::Read };
///     let plan = prefetcher.observe(&access, Pressure::None).clone();
///     for prefetch in plan.issue() {
///         // Here the executor reads; later it says what became of every byte.
///         let bytes = prefetch.range.len;
///         prefetcher.feedback(&Feedback { ticket: prefetch.ticket, outcome: PrefetchOutcome::Used, bytes });
///     }
/// }
/// assert!(prefetcher.stats().any(|source| source.issued_bytes > 0));
/// ```
pub struct Prefetcher {
    predictors: Vec<Box<dyn Predictor>>,
    sources: [Source; PREDICTORS_MAX],
    bounds: PrefetchBounds,
    proposals: Proposals,
    plan: Plan,
    ghosts: Box<[Ghost]>,
    ghost_index: Index,
    ghost_oldest: usize,
    ghost_next: usize,
    watched: [Watched; WATCHED],
    watched_next: usize,
    open_bytes: u64,
    seen_bytes: u64,
    /// The place of the ghost that a proposal belongs to.
    ghost_marked: u32,
    /// Tickets, and the places of their ghosts.
    called: Box<[(u32, u32)]>,
    next_id: u32,
    tick: u32,
}

impl Prefetcher {
    /// With all built-in predictors, in their usual sizes.
    #[must_use]
    pub fn new(bounds: PrefetchBounds) -> Self {
        let sizes = PredictorSizes::default();
        Self::with_predictors(bounds, registry::built_in(&sizes))
    }

    /// With the given predictors, asked in this order; of more than [`PREDICTORS_MAX`] the rest is left out.
    #[must_use]
    pub fn with_predictors(bounds: PrefetchBounds, mut predictors: Vec<Box<dyn Predictor>>) -> Self {
        predictors.truncate(PREDICTORS_MAX);
        let mut sources = [Source::default(); PREDICTORS_MAX];
        for (source, predictor) in sources.iter_mut().zip(&predictors) {
            source.stats.name = predictor.name();
            source.credit = [CREDIT_MIN; CLASSES];
        }
        let mut prefetcher = Self {
            predictors,
            sources,
            bounds,
            proposals: Proposals::new(),
            plan: Plan::default(),
            ghosts: vec![Ghost::default(); GHOSTS].into(),
            ghost_index: Index::new(GHOSTS * 2),
            ghost_oldest: 0,
            ghost_next: 0,
            watched: [Watched::default(); WATCHED],
            watched_next: 0,
            open_bytes: 0,
            seen_bytes: 0,
            ghost_marked: 0,
            called: vec![(u32::MAX, 0); CALLED].into(),
            next_id: 0,
            tick: 0,
        };
        prefetcher.set_bounds(bounds);
        prefetcher
    }

    /// Sets the limits from now on; what was issued before is not called back.
    pub fn set_bounds(&mut self, bounds: PrefetchBounds) {
        self.bounds = bounds.clamped();
        for (source, predictor) in self.sources.iter_mut().zip(&mut self.predictors) {
            source.stats.bar = source.stats.bar.max(self.bounds.use_min);
            predictor.set_bounds(per_stream(&self.bounds, source.stats.bar));
        }
    }

    /// The limits in force.
    #[must_use]
    pub const fn bounds(&self) -> PrefetchBounds {
        self.bounds
    }

    /// What each predictor did and what became of it.
    pub fn stats(&self) -> impl Iterator<Item = SourceStats> + '_ {
        self.sources.iter().take(self.predictors.len()).map(|source| source.stats)
    }

    /// Bytes issued whose outcome is not known yet; never above [`PrefetchBounds::total_bytes`] as it was when they were issued.
    #[must_use]
    pub const fn open_bytes(&self) -> u64 {
        self.open_bytes
    }

    /// Bytes of memory taken by predictors and accounts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let predictors: usize = self.predictors.iter().map(|predictor| predictor.bytes()).sum();
        predictors + size_of_val(&*self.ghosts) + self.ghost_index.bytes() + size_of::<Self>()
    }

    /// Takes in one request, whether it hit the cache or not; returns what to read ahead and what to drop because of it.
    ///
    /// Ranges are whole blocks of 4 KiB. Each of their bytes is owed one [`feedback`](Self::feedback).
    pub fn observe(&mut self, access: &Access, pressure: Pressure) -> &Plan {
        self.plan.clear();
        self.tick = self.tick.wrapping_add(1);
        self.seen_bytes = self.seen_bytes.saturating_add(u64::from(access.len));
        self.settle_ghosts(access);
        self.cancel_overtaken(access, pressure);
        let mut explained = false;
        for at in 0..self.predictors.len() {
            self.proposals.clear();
            if explained {
                self.proposals.explain();
            }
            self.predictors[at].observe(access, &mut self.proposals);
            explained |= self.proposals.is_explained();
            for which in 0..self.proposals.as_slice().len() {
                let proposal = self.proposals.as_slice()[which];
                self.consider(at, proposal, pressure);
            }
        }
        &self.plan
    }

    /// Takes in what became of bytes that were issued.
    pub fn feedback(&mut self, feedback: &Feedback) {
        let at = usize::from(feedback.ticket.source);
        let Some(predictor) = self.predictors.get_mut(at) else { return };
        predictor.feedback(feedback);
        let bytes = u64::from(feedback.bytes);
        self.open_bytes = self.open_bytes.saturating_sub(bytes);
        if let Some(watched) = self.watched.iter_mut().find(|watched| watched.ticket == feedback.ticket) {
            watched.open_bytes = watched.open_bytes.saturating_sub(feedback.bytes);
        }
        let class = usize::from(feedback.ticket.class).min(CLASSES - 1);
        let source = &mut self.sources[at];
        source.open[class] = source.open[class].saturating_sub(bytes);
        let stats = &mut source.stats;
        let used = match feedback.outcome {
            PrefetchOutcome::Dropped => {
                stats.dropped_bytes = stats.dropped_bytes.saturating_add(bytes);
                self.call_ghost_back(feedback.ticket.id);
                return;
            }
            PrefetchOutcome::Used => true,
            PrefetchOutcome::Late => {
                stats.late_bytes = stats.late_bytes.saturating_add(bytes);
                true
            }
            PrefetchOutcome::Wasted => false,
        };
        let counter = if used { &mut stats.used_bytes } else { &mut stats.wasted_bytes };
        *counter = counter.saturating_add(bytes);
        source.issued[class].add(used);
        let credit = &mut source.credit[class];
        let step = bytes.saturating_mul(CREDIT_FACTOR);
        *credit = if used { credit.saturating_add(step) } else { credit.saturating_sub(step) };
        *credit = (*credit).clamp(CREDIT_MIN, CREDIT_MAX);
        source.recent_known += feedback.bytes as f32;
        source.recent_used += if used { feedback.bytes as f32 } else { 0.0 };
        if stats.used_bytes + stats.wasted_bytes >= source.reviewed_at + REVIEW_BYTES {
            source.reviewed_at = stats.used_bytes + stats.wasted_bytes;
            self.review(at);
        }
    }

    /// Forgets the ghost of a range that was in the cache already: that it is used says nothing about reading ahead.
    fn call_ghost_back(&mut self, id: u32) {
        let (ticket, place) = self.called[id as usize % CALLED];
        if let Some(ghost) = self.ghosts.get_mut(place as usize)
            && ticket == id
            && ghost.live
            && ghost.issued
        {
            ghost.live = false;
            self.ghost_index.remove(ghost.key);
        }
    }

    /// Moves the bar of a predictor to where the wanted share of its bytes is used.
    fn review(&mut self, at: usize) {
        let source = &mut self.sources[at];
        let share = source.recent_used / source.recent_known.max(1.0);
        source.recent_used *= 0.75;
        source.recent_known *= 0.75;
        let bar = source.stats.bar;
        let moved = if share < self.bounds.use_min {
            (bar + BAR_STEP).min(BAR_MAX.max(self.bounds.use_min))
        } else if share > self.bounds.use_min + BAR_SLACK {
            (bar - BAR_STEP).max(self.bounds.use_min)
        } else {
            bar
        };
        if moved.to_bits() != bar.to_bits() {
            source.stats.bar = moved;
            self.predictors[at].set_bounds(per_stream(&self.bounds, moved));
        }
    }

    /// Takes a proposal into the plan if it pays, fits the bounds, and is not there already.
    fn consider(&mut self, at: usize, proposal: Proposal, pressure: Pressure) {
        let class = proposal.class.min(CLASSES as u8 - 1);
        let Some(range) = whole_blocks(&proposal.range, self.bounds.size_bytes) else { return };
        let source = &self.sources[at];
        let probability =
            if proposal.proven { proposal.probability } else { source.probability(usize::from(class)) };
        let bar = if pressure == Pressure::Some { source.stats.bar.max(PROBABLE) } else { source.stats.bar };
        let pays = probability.is_finite() && probability >= bar && pressure < Pressure::Full;
        let len = u64::from(range.len);
        let fits = self.open_bytes.saturating_add(len) <= self.bounds.total_bytes;
        // A range that is longer than the credit may go alone.
        let open = source.open[usize::from(class)];
        let trusted = proposal.proven || open == 0 || open + len <= source.credit[usize::from(class)];
        let doubled = self.plan.issue().iter().any(|planned| planned.range.overlaps(&range));
        let mut issue = pays && fits && trusted && !doubled;
        if !proposal.proven {
            issue &= self.follow_ghost(at as u8, class, &range, issue);
        }
        if !issue {
            return;
        }
        let ticket = Ticket { id: self.next_id, source: at as u8, class };
        if self.plan.push_issue(Prefetch { range, ticket, probability: probability.min(1.0) }) {
            self.next_id = self.next_id.wrapping_add(1);
            self.open_bytes += u64::from(range.len);
            let source = &mut self.sources[at];
            source.open[usize::from(class)] += len;
            source.stats.issued_bytes = source.stats.issued_bytes.saturating_add(len);
            if !proposal.proven {
                // The ghost that `follow_ghost` has just marked.
                self.called[ticket.id as usize % CALLED] = (ticket.id, self.ghost_marked);
            }
            self.watched[self.watched_next] =
                Watched { range, ticket, open_bytes: range.len, ..Watched::default() };
            self.watched_next = (self.watched_next + 1) % WATCHED;
        }
    }

    /// Remembers a guess; says whether it is new, as far as reading goes.
    fn follow_ghost(&mut self, source: u8, class: u8, range: &Range, issue: bool) -> bool {
        let key = key(range.space, Kind::Start, range.offset >> BLOCK_SHIFT);
        if let Some(entry) = self.ghost_index.find(key) {
            let ghost = &mut self.ghosts[entry.slot as usize % GHOSTS];
            if ghost.live && ghost.key == key && ghost.source == source {
                let new = !ghost.issued;
                ghost.classes |= 1 << class;
                ghost.issued |= issue;
                self.ghost_marked = entry.slot;
                return new;
            }
        }
        let place = self.ghost_next % GHOSTS;
        self.ghosts[place] =
            Ghost { key, at_bytes: self.seen_bytes, source, classes: 1 << class, live: true, issued: issue };
        self.ghost_index.put(key, place as u32, self.tick);
        self.ghost_marked = place as u32;
        self.ghost_next = (place + 1) % GHOSTS;
        if self.ghost_next == self.ghost_oldest {
            // Full: the oldest gives way.
            if self.ghosts[self.ghost_oldest].live {
                self.end_ghost(self.ghost_oldest, false);
            }
            self.ghost_oldest = (self.ghost_oldest + 1) % GHOSTS;
        }
        let stats = &mut self.sources[usize::from(source)].stats;
        stats.ghosts = stats.ghosts.saturating_add(u64::from(!issue));
        true
    }

    /// Ends ghosts that came true with this request, and some of those that a cache would have evicted by now.
    fn settle_ghosts(&mut self, access: &Access) {
        let key = key(access.space, Kind::Start, access.offset >> BLOCK_SHIFT);
        if let Some(entry) = self.ghost_index.find(key) {
            let place = entry.slot as usize % GHOSTS;
            if self.ghosts[place].live && self.ghosts[place].key == key {
                self.end_ghost(place, access.kind == AccessKind::Read);
            }
        }
        // As many as one request can bring, so that the ring never fills with what is over.
        let lifetime = self.bounds.total_bytes.saturating_mul(LIFETIME_FACTOR);
        for _ in 0..2 * PROPOSALS_MAX {
            if self.ghost_oldest == self.ghost_next {
                break;
            }
            let ghost = self.ghosts[self.ghost_oldest];
            if ghost.live && self.seen_bytes - ghost.at_bytes <= lifetime {
                break;
            }
            if ghost.live {
                self.end_ghost(self.ghost_oldest, false);
            }
            self.ghost_oldest = (self.ghost_oldest + 1) % GHOSTS;
        }
    }

    fn end_ghost(&mut self, place: usize, used: bool) {
        let ghost = &mut self.ghosts[place];
        ghost.live = false;
        let source = &mut self.sources[usize::from(ghost.source)];
        for class in (0..CLASSES).filter(|class| ghost.classes & 1 << class != 0) {
            source.odds[class].add(used);
            source.issued[class].fade(FADE);
        }
        self.ghost_index.remove(ghost.key);
    }

    /// A range is overtaken when requests have reached its far end, seen from where they came in: whoever comes along has read
    /// it already.
    fn cancel_overtaken(&mut self, access: &Access, pressure: Pressure) {
        let touched = Range::from(access);
        for watched in self.watched.iter_mut().filter(|watched| watched.open_bytes > 0) {
            if watched.range.overlaps(&touched) {
                watched.start_seen |= touched.offset <= watched.range.offset;
                watched.end_seen |= touched.end() >= watched.range.end();
            }
            let overtaken = watched.start_seen && watched.end_seen;
            if (overtaken || pressure == Pressure::Full) && self.plan.push_cancel(watched.ticket) {
                watched.open_bytes = 0;
            }
        }
    }
}

/// The limits for one predictor: no stream may take more than half of what all may, or a small cache would be flooded by the first.
fn per_stream(bounds: &PrefetchBounds, use_min: f32) -> PrefetchBounds {
    let half = u32::try_from(bounds.total_bytes / 2).unwrap_or(u32::MAX);
    let (size_bytes, distance_bytes) = (bounds.size_bytes.min(half), bounds.distance_bytes.min(half));
    PrefetchBounds { size_bytes, distance_bytes, use_min, ..*bounds }
}

/// The range in whole blocks of 4 KiB, and at most `size_bytes` long; `None` where the address space ends.
fn whole_blocks(range: &Range, size_bytes: u32) -> Option<Range> {
    let mask = (1_u64 << BLOCK_SHIFT) - 1;
    let offset = range.offset & !mask;
    let end = range.offset.checked_add(u64::from(range.len))?.checked_add(mask)? & !mask;
    let len = (end - offset).min(u64::from(size_bytes) & !mask);
    (len > 0).then_some(Range { space: range.space, offset, len: len as u32 })
}
