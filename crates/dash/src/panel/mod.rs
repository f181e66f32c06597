//! From what is observed to what is shown: one function per panel.

mod decisions;
mod iomap;
mod latency;
mod overview;
pub(crate) mod words;

use crate::model;
use crate::sampler::{Sampler, now};
use crate::source::Observed;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Steps of a series at most: what a screen can show.
const STEPS_MAX: usize = 600;
/// The longest range: what the history holds.
const RANGE_MAX: u64 = 90 * 86_400;
/// The range without a wish.
const RANGE: u64 = 300;

/// What part of the history a panel is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    /// Seconds up to now, 10 to 7776000. Default 300.
    pub(crate) range: Option<u64>,
    /// Instead of `range`: the beginning, in seconds since 1970.
    pub(crate) from: Option<u64>,
    /// With `from`: the end. Default now.
    pub(crate) to: Option<u64>,
    /// The file of the I/O map.
    pub(crate) file: Option<u32>,
}

impl Range {
    /// Beginning and end, in seconds since 1970.
    fn bounds(&self, now: u64) -> (u64, u64) {
        let to = self.to.unwrap_or(now).min(now);
        let range = self.range.unwrap_or(RANGE).clamp(10, RANGE_MAX);
        let from = self.from.unwrap_or_else(|| to.saturating_sub(range));
        (from.clamp(to.saturating_sub(RANGE_MAX), to.saturating_sub(1)), to)
    }
}

/// Everything a panel is made from.
pub(crate) struct Panels {
    source: Arc<dyn Observed>,
    sampler: Sampler,
    /// Whether silences may be set.
    pub(crate) control: bool,
    started: u64,
}

/// Why a panel was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PanelError {
    /// The runtime ends.
    #[error("the program is ending; ask again when it is back")]
    Stopped,
    /// A value that JSON does not know.
    #[error("the panel cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The panels by name, as in addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Panel {
    Overview,
    IoMap,
    Latency,
    Resources,
    Patterns,
    Decisions,
    Alerts,
    Configuration,
    Recommendations,
}

impl Panel {
    pub(crate) const ALL: [Self; 9] = [
        Self::Overview,
        Self::IoMap,
        Self::Latency,
        Self::Resources,
        Self::Patterns,
        Self::Decisions,
        Self::Alerts,
        Self::Configuration,
        Self::Recommendations,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::IoMap => "io-map",
            Self::Latency => "latency",
            Self::Resources => "resources",
            Self::Patterns => "patterns",
            Self::Decisions => "decisions",
            Self::Alerts => "alerts",
            Self::Configuration => "configuration",
            Self::Recommendations => "recommendations",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|panel| panel.name() == name)
    }
}

impl Panels {
    pub(crate) fn new(source: Arc<dyn Observed>, sampler: Sampler, control: bool) -> Self {
        Self { source, sampler, control, started: now() }
    }

    pub(crate) fn source(&self) -> &dyn Observed {
        &*self.source
    }

    pub(crate) fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// A panel as JSON. What takes milliseconds is done on a thread for blocking work.
    pub(crate) async fn json(self: &Arc<Self>, panel: Panel, range: Range) -> Result<String, PanelError> {
        if panel == Panel::Recommendations {
            let items = self.source.recommendations().await;
            return Ok(serde_json::to_string(&model::Recommendations { now: now(), items })?);
        }
        let stats = match self.source.monitor() {
            Some(monitor) if panel == Panel::Overview => Some(monitor.get_real_time_stats().await),
            _ => None,
        };
        let panels = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || match panel {
            Panel::Overview => serde_json::to_string(&panels.overview(range, stats.as_ref())),
            Panel::IoMap => serde_json::to_string(&panels.io_map(range)),
            Panel::Latency => serde_json::to_string(&panels.latency(range)),
            Panel::Resources => serde_json::to_string(&panels.resources(range)),
            Panel::Patterns => serde_json::to_string(&panels.patterns(range)),
            Panel::Decisions => serde_json::to_string(&panels.decisions()),
            Panel::Alerts => serde_json::to_string(&panels.alerts()),
            Panel::Configuration | Panel::Recommendations => serde_json::to_string(&panels.configuration()),
        });
        Ok(made.await.map_err(|_| PanelError::Stopped)??)
    }

    fn resources(&self, range: Range) -> model::Resources {
        let now = now();
        let (from, to) = range.bounds(now);
        let runtime = self.source.runtime();
        let (engine, pool) = (runtime.stats(), runtime.buffer_pool().stats());
        let reading = self.source.monitor().map(|monitor| monitor.counts().1).unwrap_or_default();
        let totals = model::ResourceTotals {
            memory_max_bytes: reading.system.memory_max,
            memory_used_bytes: reading.system.memory_used,
            open_files_max: reading.system.open_files_max,
            pool_bound_bytes: pool.bound_bytes,
            pool_buffers: pool.buffers as u64,
            pool_buffers_peak: pool.buffers_peak as u64,
            inline_ops: engine.inline_ops,
            ring_ops: engine.ring_ops,
            blocking_ops: engine.blocking_ops,
            failed_ops: engine.failed_ops,
            rerouted_ops: engine.rerouted_ops,
            bytes_read: engine.bytes_read,
            bytes_written: engine.bytes_written,
        };
        model::Resources { now, series: self.sampler.resources(from, to, STEPS_MAX), totals }
    }

    fn patterns(&self, range: Range) -> model::Patterns {
        let now = now();
        let (from, to) = range.bounds(now);
        let (mut prefetch, mut cache) = (self.source.prefetch(), self.source.cache());
        for (t, seconds, counted) in self.sampler.tuning(from, to, STEPS_MAX) {
            if let (model::Part::Data(ahead), Some((issued, used, wasted))) =
                (&mut prefetch, counted.prefetch)
            {
                ahead.t.push(t);
                ahead.issued_per_s.push(issued as f64 / seconds);
                ahead.used_per_s.push(used as f64 / seconds);
                ahead.wasted_per_s.push(wasted as f64 / seconds);
            }
            if let (model::Part::Data(cache), Some((hits, misses))) = (&mut cache, counted.cache) {
                cache.t.push(t);
                let lookups = hits + misses;
                cache.hit_share.push((lookups > 0).then(|| hits as f64 / lookups as f64));
            }
        }
        model::Patterns { now, patterns: self.source.patterns(), prefetch, cache }
    }

    pub(crate) fn alerts(&self) -> model::Alerts {
        let book = self.source.monitor().map(|monitor| monitor.alert_book()).unwrap_or_default();
        let mut open: Vec<model::Alert> = book.open.iter().map(model::Alert::from).collect();
        open.sort_by_key(|alert| std::cmp::Reverse((words::severity_rank(&alert.severity), alert.opened)));
        let now = now();
        let silence = |silence: &rustfs_rio_monitor::Silence| model::Silence {
            metric: silence.metric.clone(),
            left_s: silence.until.as_secs().saturating_sub(now),
        };
        model::Alerts {
            now,
            open,
            past: book.closed.iter().rev().map(model::Alert::from).collect(),
            silences: book.silences.iter().map(silence).collect(),
            control: self.control,
        }
    }

    fn configuration(&self) -> model::Configuration {
        let settings = self.source.config_values().iter().map(model::Setting::from).collect();
        model::Configuration { now: now(), settings, parameters: self.source.parameters() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_lies_within_the_history() {
        let now = 2_000_000_000;
        let bounds = |range, from, to| Range { range, from, to, file: None }.bounds(now);
        assert_eq!(bounds(None, None, None), (now - 300, now));
        assert_eq!(bounds(Some(0), None, None), (now - 10, now));
        assert_eq!(bounds(Some(u64::MAX), None, None), (now - RANGE_MAX, now));
        assert_eq!(bounds(None, Some(u64::MAX), Some(u64::MAX)), (now - 1, now));
        assert_eq!(bounds(None, Some(0), Some(0)), (0, 0));
        assert_eq!(bounds(None, Some(now - 100), Some(now - 50)), (now - 100, now - 50));
    }

    #[test]
    fn panels_have_names_of_their_own() {
        assert!(Panel::ALL.iter().all(|panel| Panel::named(panel.name()) == Some(*panel)));
        assert_eq!(Panel::named("nothing"), None);
    }
}
