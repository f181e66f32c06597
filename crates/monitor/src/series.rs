//! Metrics of an application's own, by name, in bounded number and length.

use crate::robust;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Names at most. Further ones are refused and counted: a program that builds names from its input must not fill the memory.
pub const NAMES_MAX: usize = 256;
/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Values kept per name: twelve minutes of seconds, what forecasts and patterns look at. 1.5 MiB if all names are in use.
const VALUES_MAX: usize = 720;

/// Why a value was not taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedValue {
    /// Not a finite number.
    #[error("metric {name}: the value {value} is not a finite number; leave the value out instead")]
    NotFinite {
        /// The metric.
        name: String,
        /// The value.
        value: f64,
    },
    /// Too many names.
    #[error(
        "metric {name}: {max} names are in use already; use few names and put variable parts into values"
    )]
    TooManyNames {
        /// The metric.
        name: String,
        /// The bound.
        max: usize,
    },
    /// Empty or too long.
    #[error("a metric's name has {len} bytes, expected 1 to {max}")]
    NameLength {
        /// Its length.
        len: usize,
        /// The bound.
        max: usize,
    },
}

/// Which way a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrendDirection {
    /// Up.
    Increasing,
    /// Down.
    Decreasing,
    /// Neither, as far as the noise lets one tell.
    Stable,
}

impl std::fmt::Display for TrendDirection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Increasing => "increasing",
            Self::Decreasing => "decreasing",
            Self::Stable => "stable",
        })
    }
}

/// Where a metric is going.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerformanceTrend {
    /// The metric.
    pub metric_name: String,
    /// The way it moves, if that is no chance: a Mann-Kendall score of at least 3.
    pub trend_direction: TrendDirection,
    /// How consistently, 0 to 1, whatever the unit: Kendall's tau without its sign.
    pub trend_strength: f64,
    /// The value expected for the next interval, from a Theil-Sen line.
    pub predicted_value: f64,
    /// Half the width of the interval around it that holds the next value in 80 of 100 cases.
    pub prediction_margin: f64,
    /// Share of one-step forecasts of the last minutes that fell into their interval: what the margin was worth.
    pub prediction_confidence: f64,
}

/// The share of values that a prediction interval is meant to hold.
const COVERAGE: f64 = 0.8;
/// Score from which a trend is reported as one.
const TREND_SCORE: f64 = 3.0;
/// Values that a line is fitted to, and forecasts that its errors are taken from.
const VIEW: usize = 40;
const FORECASTS: usize = 60;

/// The latest values of one metric with one-step forecasts and their errors.
#[derive(Debug, Default)]
pub(crate) struct Series {
    values: VecDeque<f64>,
    /// Absolute errors of past forecasts, and whether each was within its margin.
    errors: VecDeque<(f64, bool)>,
    forecast: Option<(f64, Option<f64>)>,
}

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        if let Some((predicted, margin)) = self.forecast {
            let error = (value - predicted).abs();
            if self.errors.len() >= FORECASTS {
                self.errors.pop_front();
            }
            self.errors.push_back((error, margin.is_some_and(|margin| error <= margin)));
        }
        if self.values.len() >= VALUES_MAX {
            self.values.pop_front();
        }
        self.values.push_back(value);
        self.forecast = self.line().map(|line| (line.end + trusted_slope(&line), self.margin()));
    }

    fn line(&self) -> Option<robust::Line> {
        let values: Vec<f64> =
            self.values.iter().skip(self.values.len().saturating_sub(VIEW)).copied().collect();
        robust::fit(&values)
    }

    /// The error that past forecasts stayed below in 80 of 100 cases: split conformal prediction (Vovk et al. 2005, Lei et al.
    /// 2018), whose coverage does not depend on how the errors are distributed.
    fn margin(&self) -> Option<f64> {
        let mut errors: Vec<f64> = self.errors.iter().map(|(error, _)| *error).collect();
        let count = errors.len();
        errors.sort_unstable_by(f64::total_cmp);
        let rank = ((count + 1) as f64 * COVERAGE).ceil() as usize;
        (rank <= count).then(|| errors.get(rank.saturating_sub(1)).copied()).flatten()
    }

    /// `None` while there are too few values.
    pub(crate) fn trend(&self, name: &str) -> Option<PerformanceTrend> {
        let line = self.line()?;
        let (predicted_value, margin) = self.forecast?;
        let direction = match line.score {
            score if score >= TREND_SCORE => TrendDirection::Increasing,
            score if score <= -TREND_SCORE => TrendDirection::Decreasing,
            _ => TrendDirection::Stable,
        };
        let hits = self.errors.iter().filter(|(_, within)| *within).count();
        Some(PerformanceTrend {
            metric_name: name.to_owned(),
            trend_direction: direction,
            trend_strength: line.tau.abs().min(1.0),
            predicted_value,
            prediction_margin: margin.unwrap_or(0.0),
            prediction_confidence: if self.errors.is_empty() {
                0.0
            } else {
                hits as f64 / self.errors.len() as f64
            },
        })
    }

    pub(crate) fn latest(&self) -> Option<f64> {
        self.values.back().copied()
    }
}

/// A slope that may be chance is not continued.
fn trusted_slope(line: &robust::Line) -> f64 {
    if line.score.abs() >= TREND_SCORE { line.slope } else { 0.0 }
}

/// Named series of an application.
#[derive(Debug, Default)]
pub struct Registry {
    series: BTreeMap<String, Series>,
    refused: u64,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next value of a metric.
    ///
    /// # Errors
    ///
    /// [`RefusedValue`] for a value that is not finite, a name of no or too many bytes, and for a new name when [`NAMES_MAX`] are
    /// in use.
    pub fn record(&mut self, name: &str, value: f64) -> Result<(), RefusedValue> {
        if let Err(refusal) = self.check(name, value) {
            self.refused = self.refused.saturating_add(1);
            return Err(refusal);
        }
        match self.series.get_mut(name) {
            Some(series) => series.push(value),
            None => self.series.entry(name.to_owned()).or_default().push(value),
        }
        Ok(())
    }

    fn check(&self, name: &str, value: f64) -> Result<(), RefusedValue> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(RefusedValue::NameLength { len: name.len(), max: NAME_BYTES_MAX });
        }
        if !value.is_finite() {
            return Err(RefusedValue::NotFinite { name: name.to_owned(), value });
        }
        if !self.series.contains_key(name) && self.series.len() >= NAMES_MAX {
            return Err(RefusedValue::TooManyNames { name: name.to_owned(), max: NAMES_MAX });
        }
        Ok(())
    }

    /// Values refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The latest value of each metric.
    pub fn latest(&self) -> impl Iterator<Item = (&str, f64)> {
        self.series.iter().filter_map(|(name, series)| Some((name.as_str(), series.latest()?)))
    }

    /// The latest values of a metric, oldest first, at most 720.
    #[must_use]
    pub fn values(&self, name: &str) -> Option<Vec<f64>> {
        Some(self.series.get(name)?.values.iter().copied().collect())
    }

    /// The names in use.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.series.keys().map(String::as_str)
    }

    /// The trend of every metric with at least eight values.
    pub fn trends(&self) -> impl Iterator<Item = PerformanceTrend> {
        self.series.iter().filter_map(|(name, series)| series.trend(name))
    }
}
