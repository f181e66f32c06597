//! A bandit over steps: Thompson sampling over "this parameter, this way", with gains that are forgotten as settings move.

use super::{Estimate, Situation, Suggestion, Tuner};
use crate::Parameter;
use crate::control::random::Random;
use crate::control::space::{Point, Space};

/// Standard deviation of what a step may bring, before it was tried.
const PRIOR: f64 = 0.05;
/// Part of what was learnt of an arm that holds at the next setting: gains shrink as a parameter nears its best.
const CARRY: f64 = 0.6;
/// A step is not worth a trial unless it is drawn to bring this much.
const GAIN_MIN: f64 = 0.004;

/// Gaussian Thompson sampling: Russo, Van Roy, Kazerouni, Osband, Wen, "A tutorial on Thompson sampling", 2018.
#[derive(Debug, Clone)]
pub struct Bandit {
    arms: [[Arm; 2]; Parameter::COUNT],
    random: Random,
}

/// What one step is believed to bring.
#[derive(Debug, Clone, Copy)]
struct Arm {
    mean: f64,
    variance: f64,
}

const FRESH: Arm = Arm { mean: 0.0, variance: PRIOR * PRIOR };

impl Bandit {
    /// With nothing learnt.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { arms: [[FRESH; 2]; Parameter::COUNT], random: Random::new(seed) }
    }
}

impl Tuner for Bandit {
    fn name(&self) -> &'static str {
        "bandit"
    }

    fn restart(&mut self) {
        self.arms = [[FRESH; 2]; Parameter::COUNT];
    }

    fn observe(&mut self, _: &Space, _: &Point, _: f64, _: f64) {
        // What was learnt loses its worth slowly, so that a settled setting is looked at again.
        for arm in self.arms.iter_mut().flatten() {
            arm.variance = (arm.variance + PRIOR * PRIOR * 0.002).min(PRIOR * PRIOR);
        }
    }

    fn suggest(&mut self, situation: &Situation<'_>) -> Option<Suggestion> {
        let mut best: Option<Suggestion> = None;
        for parameter in Parameter::ALL {
            let relevance = situation.relevance[parameter.index()];
            for up in [0, 1] {
                let arm = self.arms[parameter.index()][up];
                let drawn = arm.mean + arm.variance.sqrt() * relevance * self.random.normal();
                let sign = if up == 1 { 1 } else { -1 };
                let rungs = i32::from(situation.step_max) * sign;
                let Some(to) = situation.space.step(&situation.here, parameter, rungs) else { continue };
                let better = best.is_none_or(|best| drawn > best.expected.gain);
                if relevance > 0.0 && drawn > GAIN_MIN && better {
                    best = Some(Suggestion {
                        to,
                        expected: Estimate { gain: drawn, error: arm.variance.sqrt() },
                    });
                }
            }
        }
        best
    }

    fn learn(&mut self, _: &Space, from: &Point, to: &Point, measured: Estimate, kept: bool) {
        let Some(parameter) = from.changes(to).next() else { return };
        let up = to.rung(parameter) > from.rung(parameter);
        let arms = &mut self.arms[parameter.index()];
        let arm = &mut arms[usize::from(up)];
        let variance = (measured.error * measured.error).max(1e-6);
        let weight = arm.variance / (arm.variance + variance);
        arm.mean += weight * (measured.gain - arm.mean);
        arm.variance *= 1.0 - weight;
        if kept {
            // The next step in this direction starts elsewhere, and the way back leads to what was measured to be worse.
            arm.mean *= CARRY;
            arm.variance = arm.variance * CARRY + FRESH.variance * (1.0 - CARRY);
            arms[usize::from(!up)] = Arm { mean: -measured.gain, variance };
        }
    }
}
