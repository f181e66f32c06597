//! A line or a step?

use super::{FoundPattern, Pattern};
use crate::robust;
use crate::series::TrendDirection;

/// Points that a line is fitted to: medians of stretches, because its cost grows with their square.
const POINTS_MAX: usize = 120;
/// Values on each side of a step at least.
const SIDE_MIN: usize = 10;
/// Normal score of a trend that is no chance.
const SCORE_MIN: f64 = 4.0;
/// Kendall's tau of values that all but never turn back: a curve, whose distances from a line resemble each other and weaken the score.
const TAU_MIN: f64 = 0.85;
/// Change over all values, in standard deviations of what is left, that is more than a hint.
const CHANGE_MIN: f64 = 1.5;
/// Height of a step in the same unit.
const STEP_MIN: f64 = 3.0;
/// How much smaller than around the line the values' spread around the step has to be.
const STEP_WINS: f64 = 0.85;

/// The median of both sides of the best place for a step.
#[derive(Debug, Clone, Copy)]
struct Step {
    at: usize,
    from: f64,
    to: f64,
}

impl Step {
    fn around(&self, values: &[f64]) -> Vec<f64> {
        let level = |place: usize| if place < self.at { self.from } else { self.to };
        values.iter().enumerate().map(|(place, value)| value - level(place)).collect()
    }
}

/// Values around the better of a line and a step, for the search for a period.
pub(super) fn without_trend(values: &[f64]) -> Vec<f64> {
    let flat = centred(values, robust::median(values.to_vec()));
    let [line, step] = [line(values).map(|(_, rest)| rest), step(values).map(|step| step.around(values))];
    let spread = |rest: &Vec<f64>| mean_size(rest);
    // What explains little is left alone: a part of a wave looks like a line.
    let better = [line, step].into_iter().flatten().min_by(|a, b| spread(a).total_cmp(&spread(b)));
    let rest = better.filter(|rest| spread(rest) < 0.9 * spread(&flat)).unwrap_or(flat);
    let mean = rest.iter().sum::<f64>() / rest.len().max(1) as f64;
    centred(&rest, mean)
}

fn centred(values: &[f64], middle: f64) -> Vec<f64> {
    values.iter().map(|value| value - middle).collect()
}

fn mean_size(values: &[f64]) -> f64 {
    values.iter().map(|value| value.abs()).sum::<f64>() / values.len().max(1) as f64
}

/// The line through medians of stretches, with its slope per value, and the values around it.
fn line(values: &[f64]) -> Option<(robust::Line, Vec<f64>)> {
    let stretch = values.len().div_ceil(POINTS_MAX);
    let points: Vec<f64> = values.chunks_exact(stretch).map(|chunk| robust::median(chunk.to_vec())).collect();
    let mut line = robust::fit(&points)?;
    line.slope /= stretch as f64;
    let last = points.len() as f64 - 0.5;
    let at = |place: usize| line.end + line.slope * (place as f64 + 0.5 - last * stretch as f64);
    let rest = values.iter().enumerate().map(|(place, value)| value - at(place)).collect();
    Some((line, rest))
}

/// The step that leaves the least: Pettitt's place (1979), then medians.
fn step(values: &[f64]) -> Option<Step> {
    if values.len() < 2 * SIDE_MIN {
        return None;
    }
    let mut order: Vec<usize> = (0..values.len()).collect();
    let value = |place: &usize| values.get(*place).copied().unwrap_or(0.0);
    order.sort_by(|a, b| value(a).total_cmp(&value(b)));
    let mut ranks = vec![0.0; values.len()];
    // Equal values share the middle of their ranks, or a constant would look like a rise.
    let mut next = 0;
    while let Some(first) = order.get(next) {
        let same = order.iter().skip(next).take_while(|place| value(place) == value(first)).count();
        let middle = next as f64 + (same as f64 + 1.0) / 2.0;
        for place in order.iter().skip(next).take(same) {
            if let Some(rank) = ranks.get_mut(*place) {
                *rank = middle;
            }
        }
        next += same;
    }
    let count = values.len() as f64;
    let mut sum = 0.0;
    let scores = ranks.iter().enumerate().map(|(place, rank)| {
        sum += rank;
        (place + 1, (2.0 * sum - (place + 1) as f64 * (count + 1.0)).abs())
    });
    let sides = SIDE_MIN..=values.len() - SIDE_MIN;
    let (at, _) = scores.filter(|(at, _)| sides.contains(at)).max_by(|a, b| a.1.total_cmp(&b.1))?;
    let (before, after) = values.split_at(at);
    Some(Step { at, from: robust::median(before.to_vec()), to: robust::median(after.to_vec()) })
}

/// What the values show besides their noise: a line, a step, or neither.
pub(super) fn line_or_step(values: &[f64]) -> Option<FoundPattern> {
    let (line, around_line) = line(values)?;
    let stepped = step(values).and_then(|step| judge_step(values, step, &around_line));
    if stepped.is_some() {
        return stepped;
    }
    let sigma = spread(&around_line);
    let change = line.slope * values.len() as f64;
    let is_chance = line.score.abs() < SCORE_MIN && line.tau.abs() < TAU_MIN;
    if is_chance || change.abs() < CHANGE_MIN * sigma {
        return None;
    }
    let direction = if change > 0.0 { TrendDirection::Increasing } else { TrendDirection::Decreasing };
    Some(FoundPattern {
        pattern: Pattern::Trending { direction, slope: line.slope, strength: line.tau.abs().min(1.0) },
        evidence: format!(
            "{direction} by {:.6} over {} values, {:.1} times the noise; Mann-Kendall score {:.1}",
            change.abs(),
            values.len(),
            change.abs() / sigma.max(f64::MIN_POSITIVE),
            line.score
        ),
    })
}

fn judge_step(values: &[f64], step: Step, around_line: &[f64]) -> Option<FoundPattern> {
    let rest = step.around(values);
    let sigma = spread(&rest);
    let height = step.to - step.from;
    // Neighbours that resemble each other wander far by themselves.
    let wander = robust::inflation(&rest).sqrt();
    let is_high = height.abs() >= STEP_MIN * sigma * wander.clamp(1.0, 3.0);
    let wins = mean_size(&rest) < STEP_WINS * mean_size(around_line);
    (is_high && wins && is_sudden(values, step)).then(|| FoundPattern {
        pattern: Pattern::LevelShift { at: step.at, from: step.from, to: step.to },
        evidence: format!(
            "{:.6} before and {:.6} for the last {} values, {:.1} times the noise apart",
            step.from,
            step.to,
            values.len() - step.at,
            height.abs() / sigma.max(f64::MIN_POSITIVE)
        ),
    })
}

/// Whether most of the way is made at the step: a slide makes it over many values.
fn is_sudden(values: &[f64], step: Step) -> bool {
    let side = |range: std::ops::Range<usize>| robust::median(values.get(range).unwrap_or_default().to_vec());
    let near = SIDE_MIN.min(step.at).min(values.len() - step.at);
    let gap = 2.min(near / 2);
    let before = side(step.at - near..step.at - gap);
    let after = side(step.at + gap..step.at + near);
    (after - before) / (step.to - step.from) > 0.6
}

/// The standard deviation, from the median size of what is left, and from its mean where over half of it is nothing.
fn spread(rest: &[f64]) -> f64 {
    robust::sigma(rest, 0.0).max(0.5 * mean_size(rest))
}
