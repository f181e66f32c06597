//! How much load is to be expected.

use crate::snapshot::sane;
use std::collections::VecDeque;

/// Weights of the level, the trend and the season: those of Gardner, "Exponential smoothing: the state of the art, part II", 2006, for series that are
/// watched closely; not fitted, so that they cannot be fitted wrongly.
const LEVEL: f64 = 0.3;
const TREND: f64 = 0.1;
const SEASON: f64 = 0.2;
/// A trend loses this much of itself each period: load does not grow for ever.
const DAMPING: f64 = 0.9;
/// Values remembered for finding a season.
const REMEMBERED: usize = 512;
/// A season is looked for every so many values.
const LOOK_EVERY: u64 = 32;
/// Shortest and longest season, in periods; the longest has to fit twice into what is remembered.
const SEASON_RANGE: (usize, usize) = (4, REMEMBERED / 2);
/// Autocorrelation from which a season is one.
const SEASON_MIN: f64 = 0.5;
/// Share of the highest autocorrelation that counts as much as it.
const NEARLY: f64 = 0.93;
/// Share of cases that an interval is meant to hold, 0.9, in standard deviations.
const INTERVAL: f64 = 1.645;
/// Values before which there is no forecast.
const VALUES_MIN: u64 = 8;

/// A forecast with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Expected value.
    pub mean: f64,
    /// Nine in ten values are expected between this,
    pub low: f64,
    /// and this.
    pub high: f64,
}

/// Forecasts one number that is measured once a period and is never negative: operations or bytes a second.
///
/// Additive exponential smoothing with a damped trend, and a season when the autocorrelation shows one: Holt 1957, Winters 1960; Gardner 2006. Bounded
/// memory, 6 KiB; a value costs nanoseconds, and every 32nd a search for a season of about 100 us.
#[derive(Debug, Clone, Default)]
pub struct LoadForecast {
    values: VecDeque<f64>,
    count: u64,
    level: f64,
    trend: f64,
    /// By place in the season; empty without one.
    season: Vec<f64>,
    /// Mean square of the errors of forecasts for the next period.
    error: f64,
}

/// What should be ready before the load comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preparation {
    /// Operations in flight, by Little's law.
    pub in_flight: f64,
    /// Buffers that hold them.
    pub buffers: usize,
    /// Whether load is expected to grow: to allocate ahead rather than on demand.
    pub growing: bool,
}

impl LoadForecast {
    /// With nothing known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the value of a period in. What is not a number, or negative, counts as 0.
    pub fn observe(&mut self, value: f64) {
        let value = sane(value, 0.0, 1e15);
        if self.count == 0 {
            self.level = value;
        } else {
            let miss = value - self.one_ahead();
            // One outlier widens the interval for a while and does not set it.
            let bounded = if self.count > VALUES_MIN {
                miss.abs().min(4.0 * self.error.sqrt() + 0.1 * value)
            } else {
                miss.abs()
            };
            let weight = (1.0 / self.count as f64).max(0.05);
            self.error += weight * (bounded * bounded - self.error);
            self.follow(value);
        }
        self.count += 1;
        if self.values.len() == REMEMBERED {
            self.values.pop_front();
        }
        self.values.push_back(value);
        if self.count.is_multiple_of(LOOK_EVERY) {
            self.look_for_season();
        }
    }

    fn one_ahead(&self) -> f64 {
        self.level + DAMPING * self.trend + self.seasonal(0)
    }

    fn seasonal(&self, ahead: u64) -> f64 {
        if self.season.is_empty() {
            0.0
        } else {
            self.season[((self.count + ahead) % self.season.len() as u64) as usize]
        }
    }

    fn follow(&mut self, value: f64) {
        let seasonal = self.seasonal(0);
        let before = self.level;
        let carried = before + DAMPING * self.trend;
        self.level = carried + LEVEL * (value - seasonal - carried);
        self.trend = DAMPING * self.trend + TREND * (self.level - before - DAMPING * self.trend);
        if !self.season.is_empty() {
            let at = (self.count % self.season.len() as u64) as usize;
            self.season[at] += SEASON * (value - self.level - self.season[at]);
        }
    }

    /// The value expected `ahead` periods from now, at least 1; `None` before eight values.
    #[must_use]
    pub fn forecast(&self, ahead: u32) -> Option<Forecast> {
        if self.count < VALUES_MIN {
            return None;
        }
        let ahead = ahead.max(1);
        let damped: f64 = (1..=ahead.min(200)).map(|step| DAMPING.powi(step as i32)).sum();
        let mean = self.level + damped * self.trend + self.seasonal(u64::from(ahead) - 1);
        // Variance of a forecast further ahead: Hyndman, Koehler, Ord, Snyder, "Forecasting with exponential smoothing", 2008, table 6.1.
        let mut variance = 1.0;
        let mut carried = 0.0;
        for step in 1..ahead.min(1000) {
            carried += DAMPING.powi(step as i32);
            let weight = LEVEL * (1.0 + TREND * carried);
            variance += weight * weight;
        }
        let reach = INTERVAL * (self.error * variance).sqrt();
        Some(Forecast { mean: mean.max(0.0), low: (mean - reach).max(0.0), high: (mean + reach).max(0.0) })
    }

    /// The length of the season that was found, in periods.
    #[must_use]
    pub fn season(&self) -> Option<usize> {
        (!self.season.is_empty()).then_some(self.season.len())
    }

    /// What to prepare for the operations a second expected `ahead` periods from now, each taking `latency_seconds`: for the upper end of the interval,
    /// because waiting for a buffer costs more than keeping one.
    #[must_use]
    pub fn prepare(&self, ahead: u32, latency_seconds: f64) -> Option<Preparation> {
        let forecast = self.forecast(ahead)?;
        let in_flight = sane(forecast.high * sane(latency_seconds, 0.0, 1e6), 0.0, 1e9);
        let growing = forecast.low > self.level;
        Some(Preparation { in_flight, buffers: in_flight.ceil() as usize, growing })
    }

    /// Takes the lag of the strongest autocorrelation as the season, if it is strong, and begins it with the means of its places.
    fn look_for_season(&mut self) {
        let values: Vec<f64> = self.values.iter().copied().collect();
        let n = values.len();
        // A trend is correlated with itself at every lag: differences are not.
        let centred: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let variance: f64 = centred.iter().map(|value| value * value).sum();
        let (shortest, longest) = (SEASON_RANGE.0, SEASON_RANGE.1.min(n / 2).saturating_sub(2));
        if variance <= 0.0 || longest <= shortest {
            self.season.clear();
            return;
        }
        let correlation = |lag: usize| {
            let sum: f64 = centred[lag..].iter().zip(&centred).map(|(a, b)| a * b).sum();
            sum / variance * centred.len() as f64 / (centred.len() - lag) as f64
        };
        let found: Vec<f64> = (shortest - 1..=longest + 1).map(correlation).collect();
        let peaks = found.windows(3).enumerate().filter(|(_, near)| near[1] >= near[0] && near[1] >= near[2]);
        let peaks: Vec<(usize, f64)> = peaks.map(|(n, near)| (shortest + n, near[1])).collect();
        let highest = peaks.iter().map(|(_, height)| *height).fold(SEASON_MIN, f64::max);
        // Multiples of a season are as high as it is, but for chance: the first of them is the season.
        let length = peaks.iter().find(|(_, height)| *height >= highest * NEARLY).map_or(0, |(lag, _)| *lag);
        if length == 0 {
            self.season.clear();
        } else if length != self.season.len() {
            self.begin_season(&values, length);
        }
    }

    fn begin_season(&mut self, values: &[f64], length: usize) {
        let whole = values.len() / length * length;
        let recent = &values[values.len() - whole..];
        let mean = recent.iter().sum::<f64>() / whole as f64;
        let first = self.count - whole as u64;
        let mut season = vec![0.0; length];
        for (n, value) in recent.iter().enumerate() {
            season[((first + n as u64) % length as u64) as usize] +=
                (value - mean) * length as f64 / whole as f64;
        }
        self.season = season;
        (self.level, self.trend) = (mean, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::random::Random;

    fn misses(values: impl Iterator<Item = f64>, skip: usize) -> (f64, f64, LoadForecast) {
        let mut forecast = LoadForecast::new();
        let (mut inside, mut all, mut error) = (0.0, 0.0, 0.0);
        for (n, value) in values.enumerate() {
            if let Some(expected) = forecast.forecast(1).filter(|_| n >= skip) {
                all += 1.0;
                inside += f64::from(u8::from((expected.low..=expected.high).contains(&value)));
                error += (expected.mean - value).abs();
            }
            forecast.observe(value);
        }
        (inside / all, error / all, forecast)
    }

    #[test]
    fn intervals_hold_about_nine_in_ten() {
        let mut random = Random::new(3);
        let (inside, _, forecast) = misses((0..2000).map(|_| 1000.0 + 50.0 * random.normal()), 50);
        assert!((0.84..=0.95).contains(&inside), "{inside}");
        assert_eq!(forecast.season(), None);
    }

    #[test]
    fn a_trend_is_followed() {
        let mut random = Random::new(4);
        let (inside, error, forecast) =
            misses((0..300).map(|n| 100.0 + 5.0 * n as f64 + 10.0 * random.normal()), 100);
        assert!(inside > 0.75 && error < 40.0, "{inside} {error}");
        assert!(forecast.forecast(5).unwrap().mean > forecast.forecast(1).unwrap().mean);
        assert!(forecast.prepare(5, 0.01).unwrap().in_flight > 10.0);
    }

    #[test]
    fn a_season_is_found_and_used() {
        let mut random = Random::new(5);
        let wave = |n: u64| 1000.0 + 500.0 * (n as f64 * std::f64::consts::TAU / 24.0).sin();
        let (_, error, forecast) = misses((0..600).map(|n| wave(n) + 20.0 * random.normal()), 200);
        assert_eq!(forecast.season(), Some(24));
        assert!(error < 60.0, "{error}: a forecast without the season misses by 100");
        let ahead = forecast.forecast(12).unwrap();
        assert!((ahead.mean - wave(611)).abs() < 150.0, "{ahead:?} {}", wave(611));
    }

    #[test]
    fn nonsense_is_not_believed() {
        let mut forecast = LoadForecast::new();
        for value in [f64::NAN, f64::INFINITY, -5.0, 0.0, 1e300].into_iter().cycle().take(2000) {
            forecast.observe(value);
            for ahead in [0, 1, 1000, u32::MAX] {
                if let Some(expected) = forecast.forecast(ahead) {
                    assert!(
                        expected.mean.is_finite() && expected.low <= expected.high && expected.low >= 0.0
                    );
                }
            }
        }
        assert!(forecast.values.len() <= REMEMBERED && forecast.season.len() <= SEASON_RANGE.1);
    }
}
