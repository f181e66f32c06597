//! How often something came true, the recent past weighing more.

/// Outcomes before there is an answer.
pub(crate) const OUTCOMES_MIN: f32 = 8.0;
/// Outcomes that are remembered; older ones fade.
const OUTCOMES_MAX: f32 = 512.0;

/// A share, with the number of outcomes behind it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Odds {
    count: f32,
    held: f32,
}

impl Odds {
    pub(crate) fn add(&mut self, held: bool) {
        self.add_weighted(held, 1.0);
    }

    pub(crate) fn add_weighted(&mut self, held: bool, weight: f32) {
        if self.count >= OUTCOMES_MAX {
            self.count *= 0.5;
            self.held *= 0.5;
        }
        self.count += weight;
        self.held += if held { weight } else { 0.0 };
    }

    pub(crate) const fn count(self) -> f32 {
        self.count
    }

    /// The share that held, where `prior` is what to expect without evidence and weighs as much as `OUTCOMES_MIN` outcomes.
    pub(crate) fn share_from(self, prior: f32) -> f32 {
        (self.held + prior * OUTCOMES_MIN) / (self.count + OUTCOMES_MIN)
    }

    /// The share that held, or 0 before there is evidence.
    pub(crate) fn share(self) -> f32 {
        if self.count < OUTCOMES_MIN { 0.0 } else { self.held / self.count }
    }
}
