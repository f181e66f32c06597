//! Forecasts beyond the next value, with intervals whose width past errors decide.
//!
//! Four models compete on the metric's own past: the last value, the value one period ago (seasonal-naive), exponential smoothing with a
//! trend (ETS), and a decomposition into seasons (MSTL) with ETS for the rest; ETS and MSTL are those of `augurs`. Each forecasts from
//! several moments of the past what came after them. The one with the smallest mean error wins, and its errors are the intervals: split
//! conformal prediction (Vovk et al. 2005, Lei et al. 2018) of errors in units of what is usual at each step ahead.
//!
//! Cost: tens of milliseconds for 720 values. Callers keep it off the collection path and a forecast for some time.

mod model;

pub use model::ForecastModel;

use crate::pattern::period;
use serde::{Deserialize, Serialize};

/// Values that a forecast needs at least.
pub const FORECAST_VALUES_MIN: usize = 48;
/// Values that it looks at, the latest.
pub const FORECAST_VALUES_MAX: usize = 720;
/// Steps ahead at most: half of what it looks at.
pub const HORIZON_MAX: usize = 360;
/// The share of past ratios that makes an interval for 80 of 100 values: models of the past have seen fewer values than the one that
/// forecasts, and errors that grow with the distance are smoothed upwards. Measured on fifteen kinds of series, see the decision page.
const SHARE: f64 = 0.78;
/// Moments of the past that models are tried at.
const ORIGINS: usize = 16;
/// A model has to beat a simpler one by this factor of its mean error.
const BETTER: f64 = 0.97;

/// Why there is no forecast.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ForecastError {
    /// Too few values.
    #[error("{found} values are too few for a forecast, expected at least {expected}; wait for more")]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many it takes.
        expected: usize,
    },
    /// A value is not finite.
    #[error("a value is not a finite number; leave it out")]
    NotFinite,
    /// Too far ahead, or not at all.
    #[error(
        "a forecast of {steps} steps is not possible, expected 1 to {max}: a third of the values there are, at most {HORIZON_MAX}"
    )]
    Horizon {
        /// The steps asked for.
        steps: usize,
        /// The most that is possible.
        max: usize,
    },
    /// Nothing is known of that metric.
    #[error("no metric has the name {name}; trends list those there are")]
    Unknown {
        /// The name.
        name: String,
    },
}

/// One step ahead.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ahead {
    /// The expected value.
    pub value: f64,
    /// The lower end of the interval that holds the value in 80 of 100 cases.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// A forecast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// The steps ahead, the next one first.
    pub steps: Vec<Ahead>,
    /// The model that did best on the metric's past.
    pub model: ForecastModel,
    /// The period, in values, if the metric repeats.
    pub period: Option<usize>,
    /// Mean size of the model's errors on the past, over all steps.
    pub mean_error: f64,
    /// The same of seasonal-naive, or of the last value for a metric that does not repeat.
    pub naive_error: f64,
    /// Share of past values that fell into intervals made without them: what the intervals are worth, 0 to 1.
    pub confidence: f64,
}

/// Foretells the next `horizon` of equally spaced values.
///
/// # Errors
///
/// [`ForecastError`].
pub fn forecast(values: &[f64], horizon: usize) -> Result<Forecast, ForecastError> {
    if values.len() < FORECAST_VALUES_MIN {
        return Err(ForecastError::TooFew { found: values.len(), expected: FORECAST_VALUES_MIN });
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(ForecastError::NotFinite);
    }
    let values = values.get(values.len().saturating_sub(FORECAST_VALUES_MAX)..).unwrap_or(values);
    let max = (values.len() / 3).min(HORIZON_MAX);
    if !(1..=max).contains(&horizon) {
        return Err(ForecastError::Horizon { steps: horizon, max });
    }
    let period = period::of(values);
    let scale = Scale::of(values);
    let scaled: Vec<f64> = values.iter().map(|value| scale.down(*value)).collect();
    let trials = Trials::run(&scaled, horizon, period);
    let (model, errors) = trials.best();
    let mean_error = Trials::mean(errors) * scale.unit;
    let naive_error = trials.naive() * scale.unit;
    // The fit to everything may fail where those to parts did not; the last value never does.
    let points = model.forecast(&scaled, horizon, period).unwrap_or_else(|| last_value(&scaled, horizon));
    let (margins, confidence) = margins(errors, horizon);
    let steps = points
        .iter()
        .zip(margins)
        .map(|(point, margin)| Ahead {
            value: scale.up(*point),
            low: scale.up(point - margin),
            high: scale.up(point + margin),
        })
        .collect();
    Ok(Forecast { steps, model, period, mean_error, naive_error, confidence })
}

fn last_value(values: &[f64], horizon: usize) -> Vec<f64> {
    vec![values.last().copied().unwrap_or(0.0); horizon]
}

/// Models work on values around zero, in units of their spread: the decomposition computes in single precision.
struct Scale {
    middle: f64,
    unit: f64,
}

impl Scale {
    fn of(values: &[f64]) -> Self {
        let middle = crate::robust::median(values.to_vec());
        let unit =
            values.iter().map(|value| (value - middle).abs()).sum::<f64>() / values.len().max(1) as f64;
        Self { middle, unit: if unit.is_finite() && unit > 0.0 { unit } else { 1.0 } }
    }

    fn down(&self, value: f64) -> f64 {
        (value - self.middle) / self.unit
    }

    fn up(&self, value: f64) -> f64 {
        value * self.unit + self.middle
    }
}

/// Errors of each model at several moments: by model, moment, step ahead.
struct Trials {
    errors: Vec<(ForecastModel, Vec<Vec<f64>>)>,
}

impl Trials {
    fn run(values: &[f64], horizon: usize, period: Option<usize>) -> Self {
        let last = values.len() - horizon;
        // A model needs two periods, and should have seen most of the values.
        let first = (values.len() * 2 / 3).max(period.map_or(0, |period| 2 * period + 2)).min(last);
        let count = ORIGINS.min(last - first + 1);
        let cuts: Vec<usize> =
            (0..count).map(|step| last - (last - first) * step / count.max(2).saturating_sub(1)).collect();
        let mut errors = Vec::new();
        for model in ForecastModel::ALL {
            let of: Option<Vec<Vec<f64>>> = cuts
                .iter()
                .map(|cut| {
                    let (before, after) = values.split_at(*cut);
                    let points = model.forecast(before, horizon, period)?;
                    Some(points.iter().zip(after).map(|(point, value)| (value - point).abs()).collect())
                })
                .collect();
            errors.extend(of.map(|of| (model, of)));
        }
        Self { errors }
    }

    fn mean(errors: &[Vec<f64>]) -> f64 {
        let count: usize = errors.iter().map(Vec::len).sum();
        errors.iter().flatten().sum::<f64>() / count.max(1) as f64
    }

    /// The best model; a simpler one unless the other is clearly better.
    fn best(&self) -> (ForecastModel, &[Vec<f64>]) {
        let mut best: Option<(ForecastModel, &[Vec<f64>], f64)> = None;
        for (model, errors) in &self.errors {
            let mean = Self::mean(errors);
            if best.is_none_or(|(_, _, least)| mean < BETTER * least) {
                best = Some((*model, errors, mean));
            }
        }
        best.map_or((ForecastModel::LastValue, &[]), |(model, errors, _)| (model, errors))
    }

    fn naive(&self) -> f64 {
        let of = |wanted| self.errors.iter().find(|(model, _)| *model == wanted);
        let found = of(ForecastModel::SeasonalNaive).or_else(|| of(ForecastModel::LastValue));
        found.map_or(0.0, |(_, errors)| Self::mean(errors))
    }
}

/// Half the widths of the intervals, by step ahead, and the share of past values that intervals made from the other moments held.
fn margins(errors: &[Vec<f64>], horizon: usize) -> (Vec<f64>, f64) {
    let usual = usual_errors(errors, horizon);
    let ratios: Vec<Vec<f64>> =
        errors.iter().map(|of| of.iter().zip(&usual).map(|(error, usual)| error / usual).collect()).collect();
    let factor = conformal(ratios.iter().flatten().copied().collect());
    let mut within = 0usize;
    let mut all = 0usize;
    for (place, held_out) in ratios.iter().enumerate() {
        let others = ratios.iter().enumerate().filter(|(other, _)| *other != place);
        let factor = conformal(others.flat_map(|(_, of)| of.iter().copied()).collect());
        within += held_out.iter().filter(|ratio| **ratio <= factor).count();
        all += held_out.len();
    }
    let margins = usual.iter().map(|usual| factor * usual).collect();
    (margins, if all > 0 { within as f64 / all as f64 } else { 0.0 })
}

/// The mean error at each step ahead, made to grow with the distance (pool adjacent violators): a few moments are noisy.
fn usual_errors(errors: &[Vec<f64>], horizon: usize) -> Vec<f64> {
    let mean = |step: usize| {
        let at: Vec<f64> = errors.iter().filter_map(|of| of.get(step).copied()).collect();
        at.iter().sum::<f64>() / at.len().max(1) as f64
    };
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for step in 0..horizon {
        blocks.push((mean(step), 1));
        while let [.., (before, many), (after, few)] = &blocks[..]
            && before > after
        {
            let count = many + few;
            let joined = (before * *many as f64 + after * *few as f64) / count as f64;
            blocks.truncate(blocks.len() - 2);
            blocks.push((joined, count));
        }
    }
    let spread = blocks.into_iter().flat_map(|(mean, count)| std::iter::repeat_n(mean, count));
    spread.map(|mean| mean.max(1e-9)).collect()
}

/// The ratio that a share of [`SHARE`] stays below. No correction for a finite sample: ratios of one moment hang together.
fn conformal(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_unstable_by(f64::total_cmp);
    crate::robust::quantile_sorted(&ratios, SHARE)
}
