//! A Gaussian process over all observations: each parameter's effect is a smooth curve, and all periods together draw it.

use super::cholesky::{Cholesky, dot};
use super::{Estimate, Situation, Suggestion, Tuner};
use crate::Parameter;
use crate::control::space::{Point, Space};
use std::collections::VecDeque;

/// Periods remembered at most; the oldest goes first. The cost of a decision grows with its square.
const PERIODS_MAX: usize = 96;
/// Standard deviation of a parameter's effect over its whole range, before anything is measured, and the trials that counts for:
/// one parameter's own, and those of all together.
const AMPLITUDE: f64 = 0.12;
const OWN_TRIALS: f64 = 1.0;
const ALL_TRIALS: f64 = 4.0;
/// What trials can make of it.
const AMPLITUDE_RANGE: (f64, f64) = (0.005, 1.0);
/// Distance over which effects stay alike, as a share of the range.
const LENGTH: f64 = 0.45;
/// Standard deviation of what cannot be told apart by single parameters, as a share of that of a parameter.
const INTERPLAY: f64 = 0.4;
/// Standard deviation and duration, in periods, of drifts that have nothing to do with the settings.
const DRIFT: f64 = 0.02;
const DRIFT_PERIODS: f64 = 15.0;
/// A step is not worth a trial unless it is expected to bring this much.
const GAIN_MIN: f64 = 0.002;
/// A loss counts this many times its size: a trial harms whoever waits for the I/O.
const LOSS_WEIGHT: f64 = 0.25;

/// Expected improvement on a Gaussian process with an additive kernel and a drift over time, within small steps of the setting in
/// force: Rasmussen, Williams, "Gaussian processes for machine learning", 2006, chapter 2; Duvenaud, Nickisch, Rasmussen,
/// "Additive Gaussian processes", NIPS 2011; Jones, Schonlau, Welch, "Efficient global optimization", 1998.
#[derive(Debug, Clone, Default)]
pub struct Gaussian {
    observed: VecDeque<Observed>,
    period: u64,
    /// What is made of the observations, up to date with them.
    factor: Cholesky,
    /// Scores less their mean, solved.
    solved: Vec<f64>,
    mean: f64,
    relevance: [f64; Parameter::COUNT],
    /// By parameter: the squares of the effects in trials, each as a share of what an effect of standard deviation 1 would have led to expect.
    effects: [Effects; Parameter::COUNT],
    amplitudes: [f64; Parameter::COUNT],
    interplay: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Effects {
    squares: f64,
    trials: f64,
}

#[derive(Debug, Clone, Copy)]
struct Observed {
    places: Places,
    period: u64,
    score: f64,
    noise: f64,
}

type Places = [f64; Parameter::COUNT];

impl Gaussian {
    /// With nothing learnt.
    #[must_use]
    pub fn new() -> Self {
        Self {
            relevance: [1.0; Parameter::COUNT],
            amplitudes: [AMPLITUDE; Parameter::COUNT],
            interplay: INTERPLAY * AMPLITUDE,
            ..Self::default()
        }
    }

    /// Covariance of the effects of two settings.
    fn effect(&self, a: &Places, b: &Places) -> f64 {
        let mut sum = 0.0;
        let mut total = 0.0;
        for index in 0..Parameter::COUNT {
            let apart = (a[index] - b[index]) / LENGTH;
            let apart = apart * apart * 0.5;
            total += apart;
            let amplitude = self.amplitudes[index] * self.relevance[index];
            sum += amplitude * amplitude * (-apart).exp();
        }
        sum + self.interplay * self.interplay * (-total).exp()
    }

    fn covariance(&self, a: &Observed, b: &Observed) -> f64 {
        let apart = a.period.abs_diff(b.period) as f64 / DRIFT_PERIODS;
        self.effect(&a.places, &b.places) + DRIFT * DRIFT * (-apart).exp()
    }

    fn refit(&mut self) {
        let all: Vec<Observed> = self.observed.iter().copied().collect();
        self.factor.clear();
        for (n, one) in all.iter().enumerate() {
            let beside: Vec<f64> = all[..n].iter().map(|other| self.covariance(one, other)).collect();
            let own = self.covariance(one, one) + one.noise * one.noise;
            self.factor.extend(&beside, own);
        }
        self.mean = all.iter().map(|one| one.score).sum::<f64>() / all.len().max(1) as f64;
        let scores: Vec<f64> = all.iter().map(|one| one.score - self.mean).collect();
        self.solved = self.factor.forward(&scores);
    }

    /// Parameters whose trials did little are expected to do little, and those that were not tried as much as the others on the whole.
    fn weigh(&mut self) {
        let sum = |of: fn(&Effects) -> f64| self.effects.iter().map(of).sum::<f64>();
        let (squares, trials) = (sum(|one| one.squares), sum(|one| one.trials));
        let whole = (AMPLITUDE * AMPLITUDE * ALL_TRIALS + squares) / (ALL_TRIALS + trials);
        self.interplay = INTERPLAY * whole.sqrt().min(AMPLITUDE);
        for (amplitude, own) in self.amplitudes.iter_mut().zip(&self.effects) {
            let square = (whole * OWN_TRIALS + own.squares) / (OWN_TRIALS + own.trials);
            *amplitude = square.sqrt().clamp(AMPLITUDE_RANGE.0, AMPLITUDE_RANGE.1);
        }
    }

    /// The effect of a setting as the observations see it: its factors, for means and covariances.
    fn view(&self, places: &Places) -> Vec<f64> {
        let beside: Vec<f64> = self.observed.iter().map(|one| self.effect(places, &one.places)).collect();
        self.factor.forward(&beside)
    }

    fn difference(&self, from: &Places, from_view: &[f64], to: &Places) -> Estimate {
        let to_view = self.view(to);
        let gain = dot(&to_view, &self.solved) - dot(from_view, &self.solved);
        let apart: Vec<f64> = to_view.iter().zip(from_view).map(|(a, b)| a - b).collect();
        let before = self.effect(to, to) + self.effect(from, from) - 2.0 * self.effect(to, from);
        Estimate { gain, error: (before - dot(&apart, &apart)).max(0.0).sqrt() }
    }
}

fn places(space: &Space, point: &Point) -> Places {
    Parameter::ALL.map(|parameter| space.place(parameter, point))
}

/// Parameters that work on each other: what one of them brings depends on the other.
const PAIRS: [[Parameter; 2]; 4] = [
    [Parameter::PrefetchDistance, Parameter::PrefetchSize],
    [Parameter::BatchSize, Parameter::QueueDepth],
    [Parameter::MaxConcurrentOps, Parameter::QueueDepth],
    [Parameter::BufferPoolSize, Parameter::BufferSize],
];

fn candidates(situation: &Situation<'_>) -> Vec<Point> {
    let mut found = Vec::new();
    let here = &situation.here;
    for parameter in situation.open() {
        for rungs in 1..=i32::from(situation.step_max) {
            found.extend(situation.space.step(here, parameter, rungs));
            found.extend(situation.space.step(here, parameter, -rungs));
        }
    }
    let far = i32::from(situation.step_max);
    for [first, second] in PAIRS {
        if situation.relevance[first.index()] > 0.0 && situation.relevance[second.index()] > 0.0 {
            for (a, b) in [(far, far), (far, -far), (-far, far), (-far, -far)] {
                let one = situation.space.step(here, first, a);
                found.extend(one.and_then(|one| situation.space.step(&one, second, b)));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

impl Tuner for Gaussian {
    fn name(&self) -> &'static str {
        "gaussian"
    }

    fn restart(&mut self) {
        *self = Self::new();
    }

    fn observe(&mut self, space: &Space, at: &Point, score: f64, noise: f64) {
        if self.observed.len() == PERIODS_MAX {
            self.observed.pop_front();
        }
        self.period += 1;
        let noise = noise.max(0.002);
        self.observed.push_back(Observed { places: places(space, at), period: self.period, score, noise });
        self.refit();
    }

    fn suggest(&mut self, situation: &Situation<'_>) -> Option<Suggestion> {
        if self.relevance != situation.relevance {
            self.relevance = situation.relevance;
            self.refit();
        }
        let here = places(situation.space, &situation.here);
        let view = self.view(&here);
        let mut best = None;
        let mut value_best = GAIN_MIN;
        for to in candidates(situation) {
            let expected = self.difference(&here, &view, &places(situation.space, &to));
            let value = improvement(expected.gain, expected.error)
                - LOSS_WEIGHT * improvement(-expected.gain, expected.error);
            if value > value_best {
                value_best = value;
                best = Some(Suggestion { to, expected });
            }
        }
        best
    }

    fn learn(&mut self, space: &Space, from: &Point, to: &Point, measured: Estimate, _: bool) {
        let (a, b) = (places(space, from), places(space, to));
        let changes: Vec<usize> = from.changes(to).map(Parameter::index).collect();
        for index in &changes {
            let apart = (a[*index] - b[*index]) / LENGTH;
            let expected = 2.0 * (1.0 - (-0.5 * apart * apart).exp()) * changes.len() as f64;
            let square = (measured.gain * measured.gain - measured.error * measured.error).max(0.0);
            let effects = &mut self.effects[*index];
            effects.squares += square / expected.max(1e-3);
            effects.trials += 1.0;
        }
        self.weigh();
        self.refit();
    }

    fn compare(&self, space: &Space, from: &Point, to: &Point) -> Option<Estimate> {
        let (from, to) = (places(space, from), places(space, to));
        (!self.observed.is_empty()).then(|| self.difference(&from, &self.view(&from), &to))
    }
}

/// Mean of the positive part of a normal variable.
fn improvement(mean: f64, deviation: f64) -> f64 {
    if deviation < 1e-9 {
        return mean.max(0.0);
    }
    let z = mean / deviation;
    let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    mean * normal_share(z) + deviation * density
}

/// Share of a standard normal variable below `z`: Abramowitz, Stegun, 26.2.17, within 7.5e-8.
fn normal_share(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt() * series;
    if z >= 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Parameters};

    #[test]
    fn the_normal_share_is_that_of_the_tables() {
        for (z, share) in [(0.0, 0.5), (1.0, 0.841_345), (-1.96, 0.024_998), (3.0, 0.998_650)] {
            assert!((normal_share(z) - share).abs() < 1e-5, "{z}");
        }
        assert!((improvement(0.0, 1.0) - 0.398_942).abs() < 1e-5);
        assert!((improvement(2.0, 0.0) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_slope_is_learnt_from_noisy_periods_and_carried_on() {
        let space = Space::new(&Parameters::default(), &[Codec::Zstd]);
        let low = space.nearest(&Parameters::default());
        let high = space.step(&low, Parameter::QueueDepth, 2).unwrap();
        let mut tuner = Gaussian::new();
        for n in 0..6 {
            let noise = if n % 2 == 0 { 0.01 } else { -0.01 };
            tuner.observe(&space, &low, 1.0 + noise, 0.01);
            tuner.observe(&space, &high, 1.1 - noise, 0.01);
        }
        let estimate = tuner.compare(&space, &low, &high).unwrap();
        assert!((estimate.gain - 0.1).abs() < 0.02 && estimate.error < 0.01, "{estimate:?}");
        let mut relevance = [0.0; Parameter::COUNT];
        relevance[Parameter::QueueDepth.index()] = 1.0;
        let situation = Situation { space: &space, here: high, relevance, step_max: 2, noise: 0.01 };
        let next = tuner.suggest(&situation).unwrap();
        assert!(next.to.rung(Parameter::QueueDepth) > high.rung(Parameter::QueueDepth), "{next:?}");
        assert!(next.expected.gain > 0.0);
    }
}
