//! Follows requests at a fixed distance, forward and backward: columns of a matrix, records of a fixed size.
//!
//! What the stream predictor has not explained goes to a [`Recogniser`], which finds progressions of four and weighs them
//! against chance. Ahead of a stride of `n` requests, at most `n` are proposed, each measured by how long the progression is.

use crate::access::{Access, AccessKind};
use crate::predict::Predictor;
use crate::predict::plan::{PrefetchBounds, Proposal, Proposals, Range};
use crate::recogniser::{Direction, Pattern, Recogniser};

/// Strides followed at once.
const STREAMS: usize = 64;
const SPACES: usize = 16;
/// Requests ahead of a stride at most.
const AHEAD_MAX: u32 = 16;

#[derive(Clone, Copy, Default)]
struct Ahead {
    generation: u32,
    /// Requests of the progression that are proposed already.
    proposed: u32,
}

/// Follows requests at a fixed distance.
pub struct StridePredictor {
    bounds: PrefetchBounds,
    recogniser: Recogniser,
    ahead: [Ahead; STREAMS],
}

impl Default for StridePredictor {
    fn default() -> Self {
        Self::new()
    }
}

impl StridePredictor {
    /// A predictor that knows nothing and follows 64 strides.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bounds: PrefetchBounds::default(),
            recogniser: Recogniser::new(STREAMS, SPACES),
            ahead: [Ahead::default(); STREAMS],
        }
    }
}

/// The length of a progression, in five steps.
const fn class(requests: u32) -> u8 {
    match requests {
        0..=4 => 0,
        5..=7 => 1,
        8..=15 => 2,
        16..=31 => 3,
        _ => 4,
    }
}

impl Predictor for StridePredictor {
    fn name(&self) -> &'static str {
        "stride"
    }

    fn observe(&mut self, access: &Access, proposals: &mut Proposals) {
        if access.kind == AccessKind::Write || access.len == 0 || proposals.is_explained() {
            return;
        }
        let verdict = self.recogniser.observe(access);
        let Pattern::Sequential { stride, direction } = verdict.pattern else { return };
        let Some(ahead) = self.ahead.get_mut(verdict.stream.slot as usize) else { return };
        // Adjoining requests are the stream predictor's.
        if stride <= u64::from(access.len) {
            return;
        }
        proposals.explain();
        if ahead.generation != verdict.stream.generation {
            *ahead = Ahead { generation: verdict.stream.generation, proposed: verdict.requests };
        }
        let reach = (self.bounds.distance_bytes / access.len).clamp(1, AHEAD_MAX).min(verdict.requests);
        let first = ahead.proposed.max(verdict.requests) + 1;
        for number in first..=verdict.requests.saturating_add(reach) {
            let distance = u64::from(number - verdict.requests).checked_mul(stride);
            let offset = distance.and_then(|distance| match direction {
                Direction::Forward => access.offset.checked_add(distance),
                Direction::Backward => access.offset.checked_sub(distance),
            });
            let Some(offset) = offset else { break };
            let range = Range { space: access.space, offset, len: access.len };
            let class = class(verdict.requests);
            proposals.push(Proposal { range, probability: 0.0, class, proven: false });
            ahead.proposed = number;
        }
    }

    fn set_bounds(&mut self, bounds: PrefetchBounds) {
        self.bounds = bounds.clamped();
    }

    fn bytes(&self) -> usize {
        self.recogniser.bytes_per_stream() * STREAMS + size_of_val(&self.ahead)
    }
}
