//! Has a metric left its own past? Level shifts and single outliers.
//!
//! The past is the last five minutes of values that were not themselves suspicious. Its median and median absolute deviation
//! say what is usual, its 98th percentile how far its tail reaches, its autocorrelation how much a run of high values means.
//! Two ways lead to a shift: two values in a row far outside, or a cumulative sum of smaller excesses (Page 1954), which finds
//! shifts that noise hides in a single value.

use crate::metric::{Metric, Worse};
use crate::robust;
use std::collections::VecDeque;

/// Values of the past. Long enough for a steady median, short against the changes of a day.
const PAST: usize = 300;
/// Values before anything is judged.
const WARM_UP: usize = 30;
/// Distance from the median, in standard deviations, of a value that is far outside: chance does it twice in a row once in
/// 10^13 independent values.
const FAR: f64 = 5.0;
/// The same for a single value that is reported on its own.
const EXTREME: f64 = 15.0;
/// What a value must exceed to add to the cumulative sum, how much one value may add at most, and the sum that is a shift, all in
/// standard deviations. The allowance is best for shifts of two; chance reaches the sum once in 3 x 10^8 independent normal
/// values (Siegmund 1985, equation 2.57).
const ALLOWANCE: f64 = 1.0;
const GAIN_MAX: f64 = 4.0;
const SUM: f64 = 9.0;
/// Values before the latest one that have to matter together with it.
const RECENT: usize = 4;
/// Values in a row that end a shift.
const BACK: u32 = 3;
/// Values learnt between two looks at the past.
const REFRESH: u32 = 8;
/// Values outside their past after which they are the new past.
const ADAPT_AFTER: u32 = 3600;

/// What the latest value says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Level {
    /// Usual, or too early to say.
    Usual,
    /// Outside, not yet confirmed.
    Suspect,
    /// One value far beyond anything usual.
    Outlier(Excess),
    /// The metric has moved to a worse level.
    Shifted(Excess),
}

/// How far outside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Excess {
    /// The usual value.
    pub(crate) usual: f64,
    /// The largest value that would still pass.
    pub(crate) limit: f64,
    /// Distance from the usual value in standard deviations.
    pub(crate) sigmas: f64,
}

/// Watches one metric.
#[derive(Debug, Default)]
pub(crate) struct LevelWatch {
    past: VecDeque<f64>,
    /// Values that were suspicious, newest last; they join the past when the suspicion ends without a shift.
    held: VecDeque<f64>,
    /// The latest values before this one.
    recent: VecDeque<f64>,
    sum: f64,
    shifted: bool,
    /// How far the metric had moved when the shift was found.
    size: f64,
    /// Values in a row that are half-way back.
    back: u32,
    outside: u32,
    spikes: Spikes,
    /// What the past says, and how many values it has learnt since.
    usual: Option<(Usual, u32)>,
}

/// The highest single value of the last hour: a metric that spikes now and then is not news each time.
#[derive(Debug, Default)]
struct Spikes {
    highest: f64,
    remembered: u32,
}

impl Spikes {
    fn age(&mut self) {
        self.remembered = self.remembered.saturating_sub(1);
        if self.remembered == 0 {
            self.highest = 0.0;
        }
    }

    fn note(&mut self, excess: f64) {
        if excess >= self.highest {
            self.highest = excess;
        }
        self.remembered = ADAPT_AFTER;
    }

    /// What a spike must exceed to be news.
    fn limit(&self) -> f64 {
        1.25 * self.highest
    }
}

#[derive(Debug, Clone, Copy)]
struct Usual {
    median: f64,
    sigma: f64,
    limit: f64,
    extreme: f64,
    inflation: f64,
}

impl LevelWatch {
    pub(crate) fn push(&mut self, metric: &Metric, value: f64) -> Level {
        let value = metric.compared(value);
        // Worse is up from here on.
        let value = if metric.worse == Worse::Lower { -value } else { value };
        if self.past.len() < WARM_UP {
            self.learn(value);
            return Level::Usual;
        }
        let usual = self.known(metric);
        self.spikes.age();
        let excess = value - usual.median;
        let score = excess / usual.sigma;
        let signed = |v: f64| metric.restored(if metric.worse == Worse::Lower { -v } else { v });
        let limit = signed(usual.median + usual.limit);
        let report = Excess { usual: signed(usual.median), limit, sigmas: score };
        if self.shifted {
            return self.stay(value, excess, report);
        }
        // The bound lets the sum come down again soon after a drift that does not matter.
        self.sum = (self.sum + score.min(GAIN_MAX) - ALLOWANCE).clamp(0.0, 2.0 * SUM * usual.inflation);
        let matters = self.recent_excess(value, usual.median) >= metric.step();
        let before_was_far = self.held.back().is_some_and(|held| held - usual.median > usual.limit);
        let far = excess > usual.limit;
        if (far && before_was_far) || (matters && self.sum > SUM * usual.inflation) {
            self.shifted = true;
            self.size = self.recent_excess(value, usual.median).max(metric.step());
            self.recent.clear();
            self.hold(value);
            return Level::Shifted(report);
        }
        self.remember(value);
        // A drift that does not matter belongs to the past, or it would grow until it does.
        if far || (matters && self.sum > 0.5 * SUM * usual.inflation) {
            self.hold(value);
            let is_news = self.past.len() >= PAST && excess > usual.extreme.max(self.spikes.limit());
            self.spikes.note(excess);
            return if is_news { Level::Outlier(report) } else { Level::Suspect };
        }
        self.forgive();
        self.learn(value);
        Level::Usual
    }

    /// A shift lasts until some values in a row come half-way back; a level that stays becomes the usual one.
    fn stay(&mut self, value: f64, excess: f64, report: Excess) -> Level {
        self.back = if excess <= 0.5 * self.size { self.back + 1 } else { 0 };
        if self.back >= BACK {
            (self.shifted, self.sum, self.outside, self.back) = (false, 0.0, 0, 0);
            self.held.clear();
            self.learn(value);
            return Level::Usual;
        }
        self.hold(value);
        self.outside += 1;
        if self.outside > ADAPT_AFTER {
            self.past = std::mem::take(&mut self.held);
            self.usual = None;
            (self.shifted, self.sum, self.outside, self.back) = (false, 0.0, 0, 0);
            return Level::Usual;
        }
        Level::Shifted(report)
    }

    fn known(&mut self, metric: &Metric) -> Usual {
        match self.usual {
            Some((usual, learnt)) if learnt < REFRESH => usual,
            _ => {
                let usual = self.look_back(metric);
                self.usual = Some((usual, 0));
                usual
            }
        }
    }

    fn look_back(&self, metric: &Metric) -> Usual {
        let mut sorted: Vec<f64> = self.past.iter().copied().collect();
        let inflation = {
            let median = robust::median(sorted.clone());
            let residuals: Vec<f64> = sorted.iter().map(|value| value - median).collect();
            robust::inflation(&residuals)
        };
        sorted.sort_unstable_by(f64::total_cmp);
        let median = robust::quantile_sorted(&sorted, 0.5);
        let reach = sorted.last().copied().unwrap_or(median) - median;
        let tail = robust::quantile_sorted(&sorted, 0.98) - median;
        // A past without spread would make anything an outlier.
        let sigma = robust::sigma(&sorted, median).max(metric.step() / 25.0);
        Usual {
            median,
            sigma,
            limit: (FAR * sigma).max(1.5 * tail).max(metric.step()),
            extreme: (EXTREME * sigma).max(3.0 * reach).max(4.0 * metric.step()),
            inflation,
        }
    }

    /// By how much the last values, taken together, exceed the median.
    fn recent_excess(&self, value: f64, median: f64) -> f64 {
        robust::median(self.recent.iter().copied().chain([value]).collect()) - median
    }

    fn remember(&mut self, value: f64) {
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(value);
    }

    fn learn(&mut self, value: f64) {
        if self.past.len() >= PAST {
            self.past.pop_front();
        }
        self.past.push_back(value);
        if let Some((_, learnt)) = &mut self.usual {
            *learnt += 1;
        }
    }

    fn hold(&mut self, value: f64) {
        if self.held.len() >= PAST {
            self.held.pop_front();
        }
        self.held.push_back(value);
    }

    /// What was suspicious turned out to be a passing state, which the past has to know.
    fn forgive(&mut self) {
        for value in std::mem::take(&mut self.held) {
            self.learn(value);
        }
    }

    /// Forgets a beginning suspicion, because values are missing in between.
    pub(crate) fn interrupt(&mut self) {
        if !self.shifted {
            self.sum = 0.0;
            self.recent.clear();
            self.forgive();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(metric: &Metric, values: impl IntoIterator<Item = f64>) -> Vec<Level> {
        let mut watch = LevelWatch::default();
        values.into_iter().map(|value| watch.push(metric, value)).collect()
    }

    fn first_shift(levels: &[Level]) -> Option<usize> {
        levels.iter().position(|level| matches!(level, Level::Shifted(_)))
    }

    /// Deterministic noise, evenly spread over -1 to 1.
    fn noise(i: u32) -> f64 {
        f64::from(i.wrapping_mul(2_654_435_761) >> 8) / f64::from(1u32 << 23) - 1.0
    }

    #[test]
    fn half_as_much_again_is_found_at_the_second_value() {
        let metric = Metric::named("p50_latency_us").unwrap();
        let values = (0..400).map(|i| if i < 300 { 100.0 } else { 150.0 } * (1.0 + 0.03 * noise(i)));
        assert_eq!(first_shift(&watch(metric, values)), Some(301));
    }

    #[test]
    fn a_shift_within_the_noise_takes_a_little_longer() {
        let metric = Metric::named("p50_latency_us").unwrap();
        let values = (0..400).map(|i| if i < 300 { 100.0 } else { 150.0 } * (1.0 + 0.35 * noise(i)));
        let found = first_shift(&watch(metric, values)).unwrap();
        assert!((301..320).contains(&found), "{found}");
    }

    #[test]
    fn a_drop_of_a_latency_and_a_rise_of_a_hit_rate_are_no_shift() {
        let latency = Metric::named("p50_latency_us").unwrap();
        assert_eq!(first_shift(&watch(latency, (0..400).map(|i| if i < 300 { 100.0 } else { 20.0 }))), None);
        let hits = Metric::named("cache_hit_rate").unwrap();
        assert_eq!(first_shift(&watch(hits, (0..400).map(|i| if i < 300 { 0.5 } else { 0.9 }))), None);
        assert_eq!(first_shift(&watch(hits, (0..400).map(|i| if i < 300 { 0.9 } else { 0.5 }))), Some(301));
    }

    #[test]
    fn a_single_wild_value_is_an_outlier_and_leaves_no_trace() {
        let metric = Metric::named("p50_latency_us").unwrap();
        let levels = watch(metric, (0..600).map(|i| if i == 300 { 1e5 } else { 100.0 + noise(i) }));
        assert!(matches!(levels[300], Level::Outlier(_)), "{:?}", levels[300]);
        assert_eq!(first_shift(&levels), None);
    }

    #[test]
    fn a_level_that_stays_becomes_usual() {
        let metric = Metric::named("p50_latency_us").unwrap();
        let levels = watch(metric, (0..5000).map(|i| if i < 300 { 100.0 } else { 300.0 } + noise(i)));
        assert!(matches!(levels[3000], Level::Shifted(_)));
        assert!(levels[4200..].iter().all(|level| *level == Level::Usual));
    }
}
