//! A (1+1) evolution strategy: one or two random changes at a time, with a stride that follows success.

use super::{Estimate, Situation, Suggestion, Tuner};
use crate::Parameter;
use crate::control::random::Random;
use crate::control::space::{Point, Space};

/// Failures in a row after which the search rests for as many calls.
const PATIENCE: u32 = 24;

/// Rechenberg's (1+1) strategy with the one-fifth rule on whole rungs, and a covariance of its own kind: each parameter's chance to be changed,
/// and the way it goes, follow what paid before (Hansen, "The CMA evolution strategy: a tutorial", 2016, with a diagonal matrix).
#[derive(Debug, Clone)]
pub struct Evolution {
    random: Random,
    /// Stride in rungs.
    sigma: f64,
    /// By parameter: which way paid, -1 to 1, and how often it is chosen.
    path: [f64; Parameter::COUNT],
    weight: [f64; Parameter::COUNT],
    failures: u32,
}

impl Evolution {
    /// With nothing learnt.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let all = Parameter::COUNT;
        debug_assert_eq!(all, 10);
        Self {
            random: Random::new(seed),
            sigma: 2.0,
            path: [0.0; Parameter::COUNT],
            weight: [1.0; Parameter::COUNT],
            failures: 0,
        }
    }

    fn draw(&mut self, situation: &Situation<'_>) -> Option<Parameter> {
        let chance =
            |parameter: Parameter| self.weight[parameter.index()] * situation.relevance[parameter.index()];
        let total: f64 = situation.open().map(chance).sum();
        let mut at = self.random.unit() * total;
        let mut last = None;
        for parameter in situation.open() {
            last = Some(parameter);
            at -= self.weight[parameter.index()] * situation.relevance[parameter.index()];
            if at <= 0.0 {
                break;
            }
        }
        last
    }

    fn mutate(&mut self, situation: &Situation<'_>, from: &Point, parameter: Parameter) -> Option<Point> {
        let up = self.random.unit() < 0.5 + 0.45 * self.path[parameter.index()];
        let stride =
            (self.sigma * self.random.normal().abs()).round().clamp(1.0, f64::from(situation.step_max));
        let rungs = stride as i32 * if up { 1 } else { -1 };
        situation.space.step(from, parameter, rungs).or_else(|| situation.space.step(from, parameter, -rungs))
    }
}

impl Tuner for Evolution {
    fn name(&self) -> &'static str {
        "evolution"
    }

    fn restart(&mut self) {
        *self = Self::new(self.random.next());
    }

    fn observe(&mut self, _: &Space, _: &Point, _: f64, _: f64) {}

    fn suggest(&mut self, situation: &Situation<'_>) -> Option<Suggestion> {
        if self.failures >= PATIENCE {
            self.failures = (self.failures + 1) % (2 * PATIENCE);
            return None;
        }
        let first = self.draw(situation)?;
        let mut to = self.mutate(situation, &situation.here, first)?;
        if self.random.unit() < 0.3 {
            let second = self.draw(situation)?;
            if second != first {
                to = self.mutate(situation, &to, second).unwrap_or(to);
            }
        }
        Some(Suggestion { to, expected: Estimate { gain: 0.0, error: situation.noise } })
    }

    fn learn(&mut self, _: &Space, from: &Point, to: &Point, _: Estimate, kept: bool) {
        self.failures = if kept { 0 } else { self.failures + 1 };
        // One success in five keeps the stride.
        self.sigma = (self.sigma * if kept { 1.5 } else { 0.9 }).clamp(1.0, 4.0);
        for parameter in from.changes(to) {
            let up = if to.rung(parameter) > from.rung(parameter) { 1.0 } else { -1.0 };
            let (path, weight) = (&mut self.path[parameter.index()], &mut self.weight[parameter.index()]);
            *path = (0.6 * *path + if kept { 0.4 * up } else { -0.4 * up }).clamp(-1.0, 1.0);
            *weight = (*weight * if kept { 1.5 } else { 0.8 }).clamp(0.2, 4.0);
        }
    }
}
