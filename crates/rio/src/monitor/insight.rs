//! Patterns in metrics and forecasts beyond the next value, on request and away from the collection.

use super::AdvancedPerformanceMonitor;
use rustfs_rio_monitor::{FoundPattern, find_patterns};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[cfg(feature = "tune")]
use rustfs_rio_monitor::{
    FORECAST_VALUES_MAX, Forecast, ForecastError, Metric, SystemSample, Tier, forecast,
};
#[cfg(feature = "tune")]
use std::sync::Arc;
#[cfg(feature = "tune")]
use std::time::{Duration, Instant};

/// A pattern with its place in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricPattern {
    /// The pattern; its spans and places count values.
    #[serde(flatten)]
    pub found: FoundPattern,
    /// Seconds from one value to the next.
    pub interval_s: f64,
    /// Values that were looked at, up to now.
    pub values: usize,
}

impl AdvancedPerformanceMonitor {
    /// The patterns in each metric's latest values, at most 720 of them: constant, periodic, trending, spikes, a level shift. Metrics with
    /// none are left out, and all are if [`enable_pattern_recognition`](super::PerformanceMonitorConfig::enable_pattern_recognition) is
    /// off. Takes milliseconds per metric, on a thread of the runtime's pool.
    pub async fn get_metric_patterns(&self) -> BTreeMap<String, Vec<MetricPattern>> {
        if !self.config.enable_pattern_recognition {
            return BTreeMap::new();
        }
        let interval_s = self.config.metrics_collection_interval.max(super::INTERVAL_MIN).as_secs_f64();
        let series: Vec<(String, Vec<f64>)> = self.shared.with(|collector| {
            let registry = collector.registry();
            registry.names().filter_map(|name| Some((name.to_owned(), registry.values(name)?))).collect()
        });
        let find = move || {
            let patterns = |values: &[f64]| {
                let all = find_patterns(values).into_iter();
                all.map(|found| MetricPattern { found, interval_s, values: values.len() }).collect::<Vec<_>>()
            };
            let found = series.iter().map(|(name, values)| (name.clone(), patterns(values)));
            found.filter(|(_, patterns)| !patterns.is_empty()).collect()
        };
        tokio::task::spawn_blocking(find).await.unwrap_or_default()
    }
}

/// Time for which a forecast is given out again instead of a new one.
#[cfg(feature = "tune")]
const FORECAST_LASTS: Duration = Duration::from_secs(30);
/// Forecasts remembered at most; the oldest goes first.
#[cfg(feature = "tune")]
const FORECASTS_MAX: usize = 64;
/// Steps ahead that the finest values are used for: a third of those that a forecast looks at.
#[cfg(feature = "tune")]
const STEPS_MAX: u64 = FORECAST_VALUES_MAX as u64 / 3;

/// A forecast with its place in time.
#[cfg(feature = "tune")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricForecast {
    /// The metric.
    pub metric: String,
    /// When it was made, in seconds since 1970. The first step ends `step_s` later.
    pub made_at: u64,
    /// Length of a step in seconds.
    pub step_s: f64,
    /// The steps, and what is known of their worth.
    pub forecast: Forecast,
}

/// Forecasts made lately, and the right to make one: one at a time.
#[cfg(feature = "tune")]
#[derive(Debug, Default)]
pub(super) struct Forecasts {
    turn: tokio::sync::Mutex<Vec<(Instant, Duration, Arc<MetricForecast>)>>,
}

#[cfg(feature = "tune")]
impl AdvancedPerformanceMonitor {
    /// Foretells a metric up to `horizon` from now, with intervals that hold 80 of 100 values. Up to 240 intervals ahead it rests on the
    /// latest 720 values; further ahead, for metrics of [`METRICS`](super::METRICS) that the history holds, on its ten-second or
    /// five-minute samples. A forecast is made at most every 30 s per metric and horizon, and one at a time, on a thread of the runtime's
    /// pool.
    ///
    /// # Errors
    ///
    /// [`ForecastError`]: unknown, too few values yet, or too far ahead for what there is.
    pub async fn forecast(
        &self,
        metric: &str,
        horizon: Duration,
    ) -> Result<Arc<MetricForecast>, ForecastError> {
        let mut made = self.forecasts.turn.lock().await;
        made.retain(|(at, ..)| at.elapsed() < FORECAST_LASTS);
        let same = |(_, of, forecast): &&(Instant, Duration, Arc<MetricForecast>)| {
            *of == horizon && forecast.metric == metric
        };
        if let Some((.., forecast)) = made.iter().find(same) {
            return Ok(Arc::clone(forecast));
        }
        let (step, values) = self.values_for(metric, horizon)?;
        let steps = horizon.as_secs_f64() / step.as_secs_f64();
        let steps = steps.ceil().clamp(0.0, 1e9) as usize;
        let computed = tokio::task::spawn_blocking(move || forecast(&values, steps)).await;
        let forecast = computed.map_err(|_| ForecastError::TooFew { found: 0, expected: 1 })??;
        let forecast = Arc::new(MetricForecast {
            metric: metric.to_owned(),
            made_at: super::wall().as_secs(),
            step_s: step.as_secs_f64(),
            forecast,
        });
        if made.len() >= FORECASTS_MAX {
            made.remove(0);
        }
        made.push((Instant::now(), horizon, Arc::clone(&forecast)));
        Ok(forecast)
    }

    /// Equally spaced values, fine enough for the horizon and coarse enough to reach back three times as far.
    fn values_for(&self, metric: &str, horizon: Duration) -> Result<(Duration, Vec<f64>), ForecastError> {
        let unknown = || ForecastError::Unknown { name: metric.to_owned() };
        let interval = self.config.metrics_collection_interval.max(super::INTERVAL_MIN);
        if horizon <= interval.saturating_mul(STEPS_MAX as u32) {
            let values = self.shared.with(|collector| collector.registry().values(metric));
            return Ok((interval, values.ok_or_else(unknown)?));
        }
        let kept = Metric::named(metric).filter(|metric| !metric.name.ends_with("_share"));
        let value = kept.ok_or_else(unknown)?.value;
        let is_near = horizon.as_secs() <= Tier::TenSeconds.step().as_secs() * STEPS_MAX;
        let tier = if is_near { Tier::TenSeconds } else { Tier::FiveMinutes };
        let now = super::wall().as_secs();
        let (slice, _) = self.slice(Some(tier), now.saturating_sub(tier.reach().as_secs()), now);
        let system = SystemSample::default();
        let values: Vec<f64> = slice.samples().filter_map(|sample| value(&sample.stats(), &system)).collect();
        // So many five minutes to a step that 240 steps reach the horizon.
        let group =
            if is_near { 1 } else { horizon.as_secs().div_ceil(tier.step().as_secs() * STEPS_MAX).max(1) };
        let means = values.rchunks_exact(usize::try_from(group).unwrap_or(usize::MAX));
        let means: Vec<f64> =
            means.rev().map(|group| group.iter().sum::<f64>() / group.len() as f64).collect();
        let step = tier.step().saturating_mul(u32::try_from(group).unwrap_or(u32::MAX));
        Ok((step, means))
    }
}
