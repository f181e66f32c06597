//! The latest decisions.

use crate::{Decision, DecisionId, DecisionState, Measured};
use std::collections::VecDeque;

/// Keeps the latest decisions, at most as many as it was made for; the oldest goes when another comes.
#[derive(Debug, Clone)]
pub struct DecisionLog {
    decisions: VecDeque<Decision>,
    capacity: usize,
    dropped: u64,
}

impl DecisionLog {
    /// Decisions kept unless asked otherwise: a day of one change in three minutes, in about 150 KiB.
    pub const CAPACITY: usize = 512;

    /// A log for at most `capacity` decisions, at least 1.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { decisions: VecDeque::new(), capacity: capacity.max(1), dropped: 0 }
    }

    /// Adds a decision.
    pub fn push(&mut self, decision: Decision) {
        if self.decisions.len() == self.capacity {
            self.decisions.pop_front();
            self.dropped += 1;
        }
        self.decisions.push_back(decision);
    }

    /// The decisions, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Decision> + ExactSizeIterator {
        self.decisions.iter()
    }

    /// The decision of this name, while it is kept.
    #[must_use]
    pub fn get(&self, id: DecisionId) -> Option<&Decision> {
        // Decisions come in the order of their names.
        let at = self.decisions.binary_search_by_key(&id, |decision| decision.id).ok()?;
        self.decisions.get(at)
    }

    /// Changes how far a decision is. Returns whether it is still kept.
    pub fn mark(&mut self, id: DecisionId, state: DecisionState, measured: Option<Measured>) -> bool {
        let Ok(at) = self.decisions.binary_search_by_key(&id, |decision| decision.id) else { return false };
        let decision = &mut self.decisions[at];
        decision.state = state;
        decision.measured = measured.or(decision.measured);
        true
    }

    /// Corrects the new value of a decision that was applied otherwise than asked. Returns whether it is still kept.
    pub fn correct(&mut self, id: DecisionId, to: f64) -> bool {
        let Ok(at) = self.decisions.binary_search_by_key(&id, |decision| decision.id) else { return false };
        self.decisions[at].to = to;
        true
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.decisions.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.decisions.is_empty()
    }

    /// How many went because others came.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Default for DecisionLog {
    fn default() -> Self {
        Self::new(Self::CAPACITY)
    }
}
