//! What goes in and out of a predictor beside requests: ranges, proposals, plans, and what became of them.

use crate::access::Access;

/// Bytes of one space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The file or device.
    pub space: u32,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub len: u32,
}

impl Range {
    /// The byte after the last one; saturates at the end of the address space.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.len as u64)
    }

    /// Whether the two have a byte in common.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.space == other.space && self.offset < other.end() && other.offset < self.end()
    }
}

impl From<&Access> for Range {
    fn from(access: &Access) -> Self {
        Self { space: access.space, offset: access.offset, len: access.len }
    }
}

/// Limits that hold whatever is predicted; all of them can change at any time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrefetchBounds {
    /// Bytes of one range at most (the parameter `prefetch_size`); kept between 4 KiB and 1 MiB.
    pub size_bytes: u32,
    /// Bytes ahead of one stream at most (the parameter `prefetch_distance`, in blocks, times the executor's block); kept
    /// between 4 KiB and 64 MiB.
    pub distance_bytes: u32,
    /// Bytes that may be read ahead and not used yet, of all streams together. An executor sets a part of its cache, so that
    /// what is read ahead is not evicted by what is read ahead.
    pub total_bytes: u64,
    /// Probability that a byte is used, from which it is read ahead, 0 to 1.
    pub use_min: f32,
}

impl Default for PrefetchBounds {
    /// 256 KiB per range, the middle of the bounds of `prefetch_size`, and as much ahead of a stream; 64 MiB in total; a little more than half of
    /// what is read ahead is to be used (docs/decisions/0045).
    fn default() -> Self {
        Self { size_bytes: 256 << 10, distance_bytes: 256 << 10, total_bytes: 64 << 20, use_min: 0.53 }
    }
}

impl PrefetchBounds {
    /// The nearest bounds that are allowed. A probability that is no number becomes 1: nothing is read ahead.
    #[must_use]
    pub const fn clamped(self) -> Self {
        let use_min = if self.use_min.is_nan() { 1.0 } else { self.use_min.clamp(0.0, 1.0) };
        let size_bytes = if self.size_bytes < 4 << 10 { 4 << 10 } else { self.size_bytes };
        let size_bytes = if size_bytes > 1 << 20 { 1 << 20 } else { size_bytes };
        let distance_bytes = if self.distance_bytes < 4 << 10 { 4 << 10 } else { self.distance_bytes };
        let distance_bytes = if distance_bytes > 64 << 20 { 64 << 20 } else { distance_bytes };
        Self { size_bytes, distance_bytes, total_bytes: self.total_bytes, use_min }
    }
}

/// How scarce the means are that demand reads need as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Memory and device have room.
    #[default]
    None,
    /// The device's queue or the cache's memory fills: only what is nearly certain is read ahead.
    Some,
    /// Demand reads wait already, or memory is short: nothing is read ahead, and all that has not begun is to be dropped.
    Full,
}

/// What a predictor suggests to read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Proposal {
    /// What.
    pub range: Range,
    /// Probability that it is used, as far as the predictor itself knows, 0 to 1.
    pub probability: f32,
    /// What kind of guess this is, below [`CLASSES`]. The [`Prefetcher`](crate::Prefetcher) measures each kind on its own.
    pub class: u8,
    /// Whether the predictor measures its guesses itself, also those that were not carried out. The prefetcher then takes
    /// `probability` for granted until the feedback says otherwise; all other proposals are tracked as ghosts first.
    pub proven: bool,
}

/// Kinds of guess that a predictor may tell apart.
pub const CLASSES: usize = 16;
/// Proposals that one request may bring; more are left out.
pub const PROPOSALS_MAX: usize = 16;

/// Room for what predictors say about one request. Bounded, and never allocates.
#[derive(Clone, Debug, Default)]
pub struct Proposals {
    list: [Proposal; PROPOSALS_MAX],
    len: usize,
    explained: bool,
}

impl Proposals {
    /// Room without proposals.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a proposal; one without bytes, or for which there is no room, is left out.
    pub const fn push(&mut self, proposal: Proposal) {
        if self.len < PROPOSALS_MAX && proposal.range.len > 0 {
            self.list[self.len] = proposal;
            self.len += 1;
        }
    }

    /// Says that the request continues a sequence that the caller follows, so that others need not look for one.
    pub const fn explain(&mut self) {
        self.explained = true;
    }

    /// Whether a predictor asked earlier has placed the request in a sequence.
    #[must_use]
    pub const fn is_explained(&self) -> bool {
        self.explained
    }

    /// What was proposed, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Proposal] {
        &self.list[..self.len]
    }

    /// Forgets everything.
    pub const fn clear(&mut self) {
        self.len = 0;
        self.explained = false;
    }
}

/// Names one range that was issued. The executor keeps it with every block that it reads for the range and hands it back with
/// the [`Feedback`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Counts issued ranges, and wraps.
    pub id: u32,
    /// The predictor, by its place in the prefetcher.
    pub source: u8,
    /// The kind of guess.
    pub class: u8,
}

/// A range to read ahead, at a lower priority than every demand read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prefetch {
    /// What to read.
    pub range: Range,
    /// Its name.
    pub ticket: Ticket,
    /// Measured probability of use, 0 to 1: among prefetches, the higher goes first.
    pub probability: f32,
}

/// What to do because of one request: a bounded list of ranges to read and of ranges to drop.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    issue: [Prefetch; PROPOSALS_MAX],
    issued: usize,
    cancel: [Ticket; PROPOSALS_MAX],
    cancelled: usize,
}

impl Plan {
    /// Ranges to read ahead, the most probable first; at most [`PROPOSALS_MAX`].
    #[must_use]
    pub fn issue(&self) -> &[Prefetch] {
        &self.issue[..self.issued]
    }

    /// Issued ranges that demand reads have overtaken, or that pressure stopped: drop of them what the device has not begun, and
    /// report it as [`PrefetchOutcome::Dropped`]. At most [`PROPOSALS_MAX`]; an unknown ticket is to be ignored.
    #[must_use]
    pub fn cancel(&self) -> &[Ticket] {
        &self.cancel[..self.cancelled]
    }

    pub(crate) const fn clear(&mut self) {
        self.issued = 0;
        self.cancelled = 0;
    }

    /// Whether there was room.
    pub(crate) const fn push_issue(&mut self, prefetch: Prefetch) -> bool {
        let room = self.issued < PROPOSALS_MAX;
        if room {
            self.issue[self.issued] = prefetch;
            self.issued += 1;
        }
        room
    }

    /// Whether there was room.
    pub(crate) const fn push_cancel(&mut self, ticket: Ticket) -> bool {
        let room = self.cancelled < PROPOSALS_MAX;
        if room {
            self.cancel[self.cancelled] = ticket;
            self.cancelled += 1;
        }
        room
    }
}

/// What became of bytes read ahead. Every byte issued gets exactly one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefetchOutcome {
    /// A request read them after they had arrived.
    Used,
    /// A request came while they were on their way: used, but too late to save the whole wait.
    Late,
    /// They were evicted, overwritten or given up, and nobody had read them.
    Wasted,
    /// They were never read from the device: cancelled, refused, already in the cache, or failed.
    Dropped,
}

/// What became of a part of an issued range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// The range's name.
    pub ticket: Ticket,
    /// What became of it.
    pub outcome: PrefetchOutcome,
    /// Of how many bytes.
    pub bytes: u32,
}
