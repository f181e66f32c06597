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
        if self.count >= OUTCOMES_MAX {
            self.fade(0.5);
        }
        self.count += 1.0;
        self.held += f32::from(u8::from(held));
    }

    /// Forgets all but a part.
    pub(crate) fn fade(&mut self, kept: f32) {
        self.count *= kept;
        self.held *= kept;
    }

    pub(crate) const fn count(self) -> f32 {
        self.count
    }

    /// The share that held, where `prior` is what to expect without evidence and weighs as much as `OUTCOMES_MIN` outcomes.
    pub(crate) fn share_from(self, prior: f32) -> f32 {
        self.share_with(prior, OUTCOMES_MIN)
    }

    /// The share that held, where `prior` weighs as much as `weight` outcomes.
    pub(crate) fn share_with(self, prior: f32, weight: f32) -> f32 {
        (self.held + prior * weight) / (self.count + weight)
    }

    /// The share that held, or 0 before there is evidence.
    pub(crate) fn share(self) -> f32 {
        if self.count < OUTCOMES_MIN { 0.0 } else { self.held / self.count }
    }
}
