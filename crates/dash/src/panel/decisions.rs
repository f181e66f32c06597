//! Decisions, and the history around one.

use super::Panels;
use crate::model::{DecisionDetail, Decisions};
use crate::sampler::now;

/// Seconds shown before and after a decision.
const AROUND: u64 = 120;

impl Panels {
    pub(super) fn decisions(&self) -> Decisions {
        Decisions { now: now(), decisions: self.source.decisions() }
    }

    /// A decision with the history around it; `None` if it is not among those kept.
    pub(crate) fn decision(&self, id: u64) -> Option<DecisionDetail> {
        let decisions = self.source.decisions();
        let decision = decisions.data()?.iter().find(|decision| decision.id == id)?.clone();
        let around =
            self.history_around(decision.at.saturating_sub(AROUND), decision.at.saturating_add(AROUND));
        Some(DecisionDetail { decision, around })
    }
}
