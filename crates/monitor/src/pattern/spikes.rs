//! Values far from those around them.

use super::{FoundPattern, Pattern};
use crate::robust;

/// Values to each side that say what is usual at a place.
const REACH: usize = 6;
/// Distance from the median to a side, in standard deviations of all such distances, of a spike. Twice what independent normal values
/// reach in a million.
const FAR: f64 = 10.0;
/// The same in terms of the distance that 19 of 20 values stay below, which heavy tails raise.
const TAILS: f64 = 4.0;
/// Values in a row that are a spike; more are a level of their own.
const RUN_MAX: usize = 3;
/// Share of the values that may be spikes: more are how the metric is.
const SHARE_MAX: f64 = 0.05;

pub(super) struct Spikes {
    count: usize,
    latest: usize,
    height_sigmas: f64,
}

impl Spikes {
    pub(super) fn describe(&self, values: usize) -> FoundPattern {
        let Self { count, latest, height_sigmas } = *self;
        FoundPattern {
            pattern: Pattern::Spike { count, latest, height_sigmas },
            evidence: format!(
                "{count} of {values} values are up to {height_sigmas:.0} standard deviations from those around them, the latest {} ago",
                values - 1 - latest
            ),
        }
    }
}

/// The spikes, if there are, and the values with the median of their surroundings in place of each spike.
pub(super) fn take_out(values: &[f64]) -> (Option<Spikes>, Vec<f64>) {
    let around: Vec<f64> = (0..values.len()).map(|place| nearer_side(values, place)).collect();
    let distances: Vec<f64> =
        values.iter().zip(&around).map(|(value, around)| (value - around).abs()).collect();
    let mut sorted = distances.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let sigma = robust::sigma(&distances, 0.0);
    let scale = values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    // Without noise a step in the last digit would be a spike.
    let sigma = sigma.max(1e-3 * scale).max(f64::MIN_POSITIVE);
    let limit = (FAR * sigma).max(TAILS * robust::quantile_sorted(&sorted, 0.95));
    let mut calm = values.to_vec();
    let (mut count, mut marked, mut latest, mut highest) = (0, 0, 0, 0.0f64);
    let mut place = 0;
    while place < values.len() {
        let run = distances.iter().skip(place).take_while(|distance| **distance > limit).count();
        if (1..=RUN_MAX).contains(&run) {
            count += 1;
            marked += run;
            latest = place + run - 1;
            for at in place..place + run {
                highest = highest.max(distances.get(at).copied().unwrap_or(0.0));
                if let (Some(value), Some(around)) = (calm.get_mut(at), around.get(at)) {
                    *value = *around;
                }
            }
        }
        place += run.max(1);
    }
    if count == 0 || marked as f64 > SHARE_MAX * values.len() as f64 {
        return (None, values.to_vec());
    }
    (Some(Spikes { count, latest, height_sigmas: highest / sigma }), calm)
}

/// The median of the values before or after a place, whichever is nearer: at a step each value is near one of them.
fn nearer_side(values: &[f64], place: usize) -> f64 {
    let value = values.get(place).copied().unwrap_or(0.0);
    let before = values.get(place.saturating_sub(REACH)..place).unwrap_or_default();
    let after = values.get(place + 1..(place + 1 + REACH).min(values.len())).unwrap_or_default();
    // Fewer at an end say nothing.
    let full = [before, after].into_iter().filter(|side| side.len() >= REACH / 2);
    let medians = full.map(|side| robust::median(side.to_vec()));
    medians.min_by(|a, b| (a - value).abs().total_cmp(&(b - value).abs())).unwrap_or(value)
}
