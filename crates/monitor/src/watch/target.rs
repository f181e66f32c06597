//! Will a metric miss its target soon? A robust line on the metric's scale, judged by its slowest plausible slope.

use crate::metric::{Metric, Worse};
use crate::robust;
use std::collections::VecDeque;

/// Values of the line: two minutes of seconds.
const VIEW: usize = 120;
/// Normal score from which a movement is no chance.
const SCORE_MIN: f64 = 6.0;
/// Intervals ahead: half of what the line rests on, because a line says little about more.
const HORIZON: f64 = VIEW as f64 / 2.0;
/// Lines are fitted to every so many values; a line moves slowly.
const EVERY: u32 = 5;

#[derive(Debug)]
pub(crate) struct TargetWatch {
    target: f64,
    values: VecDeque<f64>,
    pushed: u32,
    latest: Option<f64>,
}

impl TargetWatch {
    /// `None` for a target that is no positive number.
    pub(crate) fn new(target: f64) -> Option<Self> {
        let is_valid = target.is_finite() && target > 0.0;
        is_valid.then(|| Self { target, values: VecDeque::new(), pushed: 0, latest: None })
    }

    pub(crate) fn target(&self) -> f64 {
        self.target
    }

    /// Intervals until the target is missed at the latest, if it is kept now and will not be.
    pub(crate) fn push(&mut self, metric: &Metric, value: f64) -> Option<f64> {
        // Worse is up: a latency must stay below its target, a rate above.
        let sign = if metric.worse == Worse::Higher { 1.0 } else { -1.0 };
        if self.values.len() >= VIEW {
            self.values.pop_front();
        }
        self.values.push_back(sign * metric.compared(value));
        self.pushed = self.pushed.wrapping_add(1);
        if self.pushed.is_multiple_of(EVERY) {
            let target = sign * metric.compared(self.target);
            self.latest = self.foresee(target);
        }
        self.latest
    }

    fn foresee(&self, target: f64) -> Option<f64> {
        if self.values.len() < VIEW / 2 {
            return None;
        }
        let values: Vec<f64> = self.values.iter().copied().collect();
        let line = robust::fit(&values)?;
        let left = (target - line.end) / line.slope_low;
        let will_miss =
            line.score >= SCORE_MIN && line.slope_low > 0.0 && line.end < target && left <= HORIZON;
        will_miss.then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: u32) -> f64 {
        f64::from(i.wrapping_mul(2_654_435_761) >> 8) / f64::from(1u32 << 23) - 1.0
    }

    fn first(metric: &str, target: f64, values: impl IntoIterator<Item = f64>) -> Option<usize> {
        let metric = Metric::named(metric).unwrap();
        let mut watch = TargetWatch::new(target).unwrap();
        values.into_iter().position(|value| watch.push(metric, value).is_some())
    }

    #[test]
    fn a_rising_latency_is_foreseen_before_it_misses() {
        let latency = |i: u32| 500.0 * (1.0 + 0.002 * f64::from(i)) * (1.0 + 0.05 * noise(i));
        // Reaches 1000 at 500.
        let at = first("p99_latency_us", 1000.0, (0..700).map(latency)).unwrap();
        assert!((400..500).contains(&at), "{at}");
    }

    #[test]
    fn a_falling_rate_is_foreseen_and_a_steady_one_is_not() {
        let falling = (0..900).map(|i| 5000.0 - 5.0 * f64::from(i) + 50.0 * noise(i));
        let at = first("iops", 1000.0, falling).unwrap();
        assert!((650..800).contains(&at), "{at}");
        assert_eq!(first("iops", 1000.0, (0..900).map(|i| 1500.0 + 300.0 * noise(i))), None);
        assert!(TargetWatch::new(f64::NAN).is_none() && TargetWatch::new(0.0).is_none());
    }
}
