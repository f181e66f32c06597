//! Does it repeat, and after how many values?
//!
//! Candidates are peaks of the autocorrelation. A candidate counts only if the first two thirds of the values foretell the last third
//! better than their mean does: a random walk has peaks too, but they foretell nothing.

use super::{FoundPattern, Pattern};

/// The shortest period; a shorter one cannot be told from noise that alternates.
const PERIOD_MIN: usize = 3;
/// Repetitions that have to be there.
const REPETITIONS_MIN: usize = 4;
/// Autocorrelation of a candidate.
const PEAK_MIN: f64 = 0.25;
/// Peaks that are looked into.
const CANDIDATES_MAX: usize = 8;
/// Share of the movement in the last third that the repetition has to foretell.
const FORETOLD_MIN: f64 = 0.25;
/// A shorter period is preferred to its multiple if it foretells this share of what the multiple does.
const SHORTER: f64 = 0.95;

/// A repetition.
#[derive(Debug, Clone)]
pub(crate) struct Periodic {
    pub(crate) period: usize,
    strength: f64,
    foretold: f64,
    repetitions: usize,
    /// Mean of each place in the period, around zero.
    profile: Vec<f64>,
}

impl Periodic {
    pub(super) fn describe(&self) -> FoundPattern {
        FoundPattern {
            pattern: Pattern::Periodic { period: self.period, strength: self.strength },
            evidence: format!(
                "repeats every {} values, {} times; the first two thirds foretell {:.0} % of the movement in the last one",
                self.period,
                self.repetitions,
                100.0 * self.foretold
            ),
        }
    }

    /// Values without the repetition.
    pub(super) fn removed_from(&self, values: &[f64]) -> Vec<f64> {
        let part = |place: usize| self.profile.get(place % self.period).copied().unwrap_or(0.0);
        values.iter().enumerate().map(|(place, value)| value - part(place)).collect()
    }
}

/// The period of values, whatever their trend, if they repeat.
#[cfg(feature = "forecast")]
pub(crate) fn of(values: &[f64]) -> Option<usize> {
    find(&super::shape::without_trend(values)).map(|periodic| periodic.period)
}

/// The period of values that have no trend.
pub(crate) fn find(values: &[f64]) -> Option<Periodic> {
    let correlations = autocorrelation(values, values.len() / REPETITIONS_MIN)?;
    let mut peaks: Vec<(usize, f64)> = peaks(&correlations);
    peaks.sort_by(|a, b| b.1.total_cmp(&a.1));
    peaks.truncate(CANDIDATES_MAX);
    let judged: Vec<(usize, f64)> =
        peaks.iter().map(|(period, _)| (*period, foretold(values, *period))).collect();
    let best = judged.iter().map(|(_, foretold)| *foretold).fold(0.0, f64::max);
    if best < FORETOLD_MIN {
        return None;
    }
    let (period, foretold) = judged
        .into_iter()
        .filter(|(_, foretold)| *foretold >= SHORTER * best)
        .min_by_key(|(period, _)| *period)?;
    let profile = profile(values, period);
    let part = |place: usize| profile.get(place % period).copied().unwrap_or(0.0);
    let rest: f64 = values.iter().enumerate().map(|(place, value)| (value - part(place)).powi(2)).sum();
    let all: f64 = values.iter().map(|value| value * value).sum();
    Some(Periodic {
        period,
        strength: (1.0 - rest / all).clamp(0.0, 1.0),
        foretold,
        repetitions: values.len() / period,
        profile,
    })
}

/// Autocorrelation at lags up to `lag_max`; `None` for values that do not move.
fn autocorrelation(values: &[f64], lag_max: usize) -> Option<Vec<f64>> {
    let power: f64 = values.iter().map(|value| value * value).sum();
    if power <= f64::MIN_POSITIVE || lag_max < PERIOD_MIN {
        return None;
    }
    let at = |lag: usize| values.iter().zip(values.iter().skip(lag)).map(|(a, b)| a * b).sum::<f64>() / power;
    Some((0..=lag_max + 1).map(at).collect())
}

/// Lags at which the autocorrelation is higher than around it, after it first fell below nothing: near lag 0 it is high for every
/// metric that has a memory.
fn peaks(correlations: &[f64]) -> Vec<(usize, f64)> {
    let after = correlations.iter().position(|correlation| *correlation < 0.05).unwrap_or(correlations.len());
    let is_peak = |window: &[f64]| matches!(window, [a, b, c] if b >= a && b >= c && *b >= PEAK_MIN);
    correlations
        .windows(3)
        .enumerate()
        .filter(|(place, window)| place + 1 >= after.max(PERIOD_MIN) && is_peak(window))
        .map(|(place, window)| (place + 1, window.get(1).copied().unwrap_or(0.0)))
        .collect()
}

/// Share of the movement in the last third that the mean repetition of the first two foretells; negative if it is worse than nothing.
fn foretold(values: &[f64], period: usize) -> f64 {
    let cut = values.len() * 2 / 3;
    let (before, after) = values.split_at(cut);
    let profile = smoothed(&profile(before, period));
    let (mut missed, mut all) = (0.0, 0.0);
    for (place, value) in after.iter().enumerate() {
        let expected = profile.get((cut + place) % period).copied().unwrap_or(0.0);
        missed += (value - expected).powi(2);
        all += value * value;
    }
    if all > f64::MIN_POSITIVE { 1.0 - missed / all } else { 0.0 }
}

/// Each place with its neighbours, a twelfth of the period together: the mean of few repetitions is noisy.
fn smoothed(profile: &[f64]) -> Vec<f64> {
    let (period, reach) = (profile.len(), profile.len() / 24);
    let at = |place: usize| profile.get(place % period.max(1)).copied().unwrap_or(0.0);
    let mean = |place: usize| (0..=2 * reach).map(|step| at(place + period - reach + step)).sum::<f64>();
    (0..period).map(|place| mean(place) / (2 * reach + 1) as f64).collect()
}

fn profile(values: &[f64], period: usize) -> Vec<f64> {
    (0..period)
        .map(|place| {
            let (count, sum) = values
                .iter()
                .skip(place)
                .step_by(period)
                .fold((0u32, 0.0), |(n, sum), value| (n + 1, sum + value));
            if count > 0 { sum / f64::from(count) } else { 0.0 }
        })
        .collect()
}
