//! When will a resource be full? A robust line through its use, and the time until it meets the limit.

use crate::robust::{self, Line};
use std::collections::VecDeque;

/// Values of the views. A fast leak shows in the first, a slow one in the last, which covers five times the second in means of
/// five.
const FIRST: usize = 24;
const SHORT: usize = 60;
const LONG_STEP: usize = 5;
/// Normal score from which a rise is no chance, after correction for autocorrelation.
const SCORE_MIN: f64 = 6.0;
/// Intervals ahead of which a full resource is worth an alert: half an hour of seconds.
pub(crate) const HORIZON: f64 = 1800.0;
/// Growth below this share of the growth before is about to end.
const SLOWER: f64 = 0.7;

/// A resource that will run out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Exhaustion {
    /// Intervals until it is full, at the slowest plausible growth.
    pub(crate) intervals_left: f64,
    /// Growth per interval, as a share.
    pub(crate) growth: f64,
}

/// Watches the used share of one resource.
#[derive(Debug)]
pub(crate) struct ExhaustionWatch {
    /// A share from which on the resource counts as full.
    full: f64,
    values: VecDeque<f64>,
}

impl ExhaustionWatch {
    pub(crate) fn new(full: f64) -> Self {
        Self { full, values: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, share: f64) -> Option<Exhaustion> {
        if self.values.len() >= SHORT * LONG_STEP {
            self.values.pop_front();
        }
        self.values.push_back(share);
        let mut last_two = self.values.iter().rev().take(2);
        if self.values.len() >= 2 && last_two.all(|share| *share >= self.full) {
            return Some(Exhaustion { intervals_left: 0.0, growth: 0.0 });
        }
        let values: Vec<f64> = self.values.iter().copied().collect();
        let latest = |count: usize| values.get(values.len().saturating_sub(count)..).unwrap_or_default();
        let long: Vec<f64> = values
            .rchunks_exact(LONG_STEP)
            .rev()
            .map(|part| part.iter().sum::<f64>() / part.len() as f64)
            .collect();
        let views = [(latest(FIRST), 1.0), (latest(SHORT), 1.0), (&long[..], LONG_STEP as f64)];
        views
            .into_iter()
            .filter(|(view, _)| view.len() >= FIRST)
            .filter(|(view, step)| self.leaves_its_range(view, *step as usize))
            .find_map(|(view, step)| foresee(view, step, share).filter(|_| !self.slows_down(view, step)))
    }

    /// Whether use grew clearly faster in the stretch before the view: a cache that fills slows down, a leak does not.
    fn slows_down(&self, view: &[f64], step: f64) -> bool {
        let end = self.values.len().saturating_sub(view.len() * step as usize);
        let before: Vec<f64> =
            self.values.iter().take(end).skip(end.saturating_sub(SHORT)).copied().collect();
        let slopes = robust::fit(view).zip(robust::fit(&before));
        slopes.is_some_and(|(now, before)| now.slope / step < SLOWER * before.slope)
    }

    /// Whether the end of the view lies above all that was seen before the view: use that only swings comes back to where it has
    /// been.
    fn leaves_its_range(&self, view: &[f64], step: usize) -> bool {
        let before = self.values.len().saturating_sub(view.len() * step);
        let ceiling = self.values.iter().take(before).copied().fold(f64::NEG_INFINITY, f64::max);
        let end = view.get(view.len().saturating_sub(5)..).unwrap_or_default();
        robust::median(end.to_vec()) > ceiling
    }
}

fn foresee(values: &[f64], step: f64, now: f64) -> Option<Exhaustion> {
    // A line costs a thousand comparisons; most of the time a glance at both ends shows that none is needed.
    let third = values.len() / 3;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    let rise = mean(values.get(values.len() - third..)?) - mean(values.get(..third)?);
    let pace = rise / (2 * third).max(1) as f64 / step;
    if pace <= 0.0 || (1.0 - now) / pace > 2.0 * HORIZON {
        return None;
    }
    let line = robust::fit(values)?;
    if line.score < SCORE_MIN || line.slope_low <= 0.0 || !goes_on(values, &line) {
        return None;
    }
    let growth = line.slope_low / step;
    let intervals_left = (1.0 - now).max(0.0) / growth;
    (intervals_left <= HORIZON).then_some(Exhaustion { intervals_left, growth })
}

/// Whether the last third still grows at more than half the overall pace.
fn goes_on(values: &[f64], line: &Line) -> bool {
    let last = values.get(values.len() * 2 / 3..).unwrap_or_default();
    robust::fit(last).is_some_and(|late| late.slope > 0.5 * line.slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(values: impl IntoIterator<Item = f64>) -> Option<usize> {
        let mut watch = ExhaustionWatch::new(0.97);
        values.into_iter().position(|value| watch.push(value).is_some())
    }

    fn noise(i: u32) -> f64 {
        f64::from(i.wrapping_mul(2_654_435_761) >> 8) / f64::from(1u32 << 23) - 1.0
    }

    #[test]
    fn a_leak_is_foreseen_long_before_the_end() {
        let at = first((0..500).map(|i| 0.3 + f64::from(i) * 0.001 + 0.002 * noise(i))).unwrap();
        assert!(at < 40, "{at}");
    }

    #[test]
    fn a_slow_leak_is_seen_in_the_long_view_once_it_is_near() {
        // Full after 8000 intervals.
        let at = first((0..8000).map(|i| 0.2 + f64::from(i) * 0.0001 + 0.001 * noise(i))).unwrap();
        assert!(at > 6000 && at < 6800, "{at}");
    }

    #[test]
    fn a_cache_that_fills_and_a_use_that_swings_are_no_leak() {
        assert_eq!(
            first((0..3000).map(|i| 0.6 - 0.4 * (-f64::from(i) / 60.0).exp() + 0.001 * noise(i))),
            None
        );
        // Begins at a height: the first rise of all cannot be told from a leak.
        assert_eq!(first((0..3000).map(|i| 0.5 + 0.1 * (f64::from(i) / 30.0).cos() + 0.01 * noise(i))), None);
    }

    #[test]
    fn full_is_full() {
        assert_eq!(first([0.5, 0.98, 0.5, 0.98, 0.99]), Some(4));
    }
}
