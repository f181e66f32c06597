//! The monitor of a program: a task that collects in intervals, and questions to it.
//!
//! [`AdvancedPerformanceMonitor`] owns the task. What it knows comes from a [`Recorder`], which engines fill
//! ([`RuntimeConfig::recorder`](crate::RuntimeConfig)), from `/proc`, and from what the program reports itself.
//!
//! ```
//! use rustfs_rio::{AdvancedPerformanceMonitor, PerformanceMonitorConfig, RuntimeConfig, init_runtime_with_config};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let monitor = AdvancedPerformanceMonitor::new(PerformanceMonitorConfig::default());
//! let runtime =
//!     init_runtime_with_config(RuntimeConfig { recorder: Some(monitor.recorder()), ..RuntimeConfig::default() })?;
//! monitor.attach(&runtime);
//! let stats = monitor.get_real_time_stats().await;
//! println!("{} operations/s, p99 {} us", stats.iops, stats.p99_latency_us);
//! for alert in monitor.get_active_alerts().await {
//!     println!("{alert}");
//! }
//! monitor.shutdown().await;
//! # Ok(()) }
//! ```

mod chrome;
mod http;
mod insight;
#[cfg_attr(not(feature = "history"), path = "monitor/keeper_absent.rs")]
mod keeper;
#[cfg(feature = "otlp")]
mod otlp;
mod sink;
mod task;

pub use chrome::ChromeTrace;
#[cfg(feature = "tune")]
pub use insight::MetricForecast;
pub use insight::MetricPattern;
#[cfg(feature = "otlp")]
pub use otlp::OtlpConfig;
pub use rustfs_rio_engine::TRACE_TARGET;
mod view;

#[cfg(feature = "history")]
pub use rustfs_rio_monitor::HistoryFileError;
#[cfg(feature = "arrow")]
pub use rustfs_rio_monitor::ParquetFailed;
#[cfg(feature = "tune")]
pub use rustfs_rio_monitor::{Ahead, Forecast, ForecastError, ForecastModel};
pub use rustfs_rio_monitor::{
    Alert, AlertSeverity, Alerts, CONTENT_TYPE, CacheCounters, Category, Change, Components, Ended,
    EngineCounters, ErrorClass, FileClass, FoundPattern, Gauges, HeatMap, HistoryPoint, Key, METRICS, Metric,
    Operation, OperationStats, Path, Pattern, PerformanceTrend, PoolCounters, RealTimeStats, Recorder,
    RefusedValue, Silence, Snapshot, Spread, SystemSample, Targets, Tier, Timer, TrendDirection,
    operation_stats,
};
pub use sink::SinkStats;
pub use sink::alert_log::AlertLogConfig;
pub use sink::webhook::WebhookConfig;

use crate::runtime::RuntimeHandle;
use parking_lot::Mutex;
use rustfs_rio_monitor::{Collector, CollectorConfig, Reading, Slice};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use task::{Shared, Task};

/// Shortest time between two collections: one costs some 200 us.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// Settings of a monitor.
#[derive(Debug, Clone, PartialEq)]
pub struct PerformanceMonitorConfig {
    /// Collects in the background. Off: numbers change only by [`AdvancedPerformanceMonitor::update_stats`] and
    /// [`AdvancedPerformanceMonitor::record_metric`]. Default on.
    pub enable_real_time_dashboard: bool,
    /// Reads CPU, memory, open files, disks and pressure at each collection. Default on.
    pub enable_performance_profiling: bool,
    /// Answers with trends. Default on.
    pub enable_pattern_recognition: bool,
    /// Time between collections, at least 10 ms. Default 1 s.
    pub metrics_collection_interval: Duration,
    /// How far back numbers are kept at the pace of collection, at most 3600 of them. The history beyond has samples of ten seconds and
    /// five minutes. Default 1 h.
    pub history_retention_period: Duration,
    /// Answers with recommendations. Default on.
    pub enable_adaptive_optimization: bool,
    /// Share of memory or open files that may be used before an alert, 0 to 1. Default 0.8.
    pub performance_alert_threshold: f64,
    /// What has to be kept; an alert tells when a target is about to be missed.
    pub targets: Targets,
    /// A file for the history, so that it survives the process. Default none.
    pub history_file: Option<PathBuf>,
    /// Posts alerts to Alertmanager. Default none.
    pub webhook: Option<WebhookConfig>,
    /// Appends alerts to a file. Default none.
    pub alert_log: Option<AlertLogConfig>,
    /// Sends metrics to an OpenTelemetry collector. Default none.
    #[cfg(feature = "otlp")]
    pub otlp: Option<OtlpConfig>,
}

/// What is wrong with the settings of a monitor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorConfigError {
    /// A webhook cannot be used.
    #[error("the webhook {url:?} cannot be used: {reason}; expected http://host:port, as of Alertmanager")]
    Webhook {
        /// Its URL.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The build lacks what a setting needs.
    #[error("{setting} is set, and this build lacks it; build with the feature {feature}")]
    Feature {
        /// The setting.
        setting: &'static str,
        /// The feature.
        feature: &'static str,
    },
    /// An export to OpenTelemetry cannot be used.
    #[error("the OpenTelemetry receiver {url:?} cannot be used: {reason}; expected http://host:4318")]
    Otlp {
        /// Its URL.
        url: String,
        /// Why not.
        reason: String,
    },
    /// A log of alerts cannot be used.
    #[error("the log of alerts {} cannot be used: {reason}", path.display())]
    AlertLog {
        /// Its path.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl Default for PerformanceMonitorConfig {
    fn default() -> Self {
        Self {
            enable_real_time_dashboard: true,
            enable_performance_profiling: true,
            enable_pattern_recognition: true,
            metrics_collection_interval: Duration::from_secs(1),
            history_retention_period: Duration::from_secs(3600),
            enable_adaptive_optimization: true,
            performance_alert_threshold: 0.8,
            targets: Targets::default(),
            history_file: None,
            webhook: None,
            alert_log: None,
            #[cfg(feature = "otlp")]
            otlp: None,
        }
    }
}

/// An open alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerformanceAlert {
    /// How bad.
    pub severity: AlertSeverity,
    /// Category and evidence in words.
    pub message: String,
    /// The metric.
    pub metric: String,
    /// Its latest value.
    pub current_value: f64,
    /// The value from which on it is an alert.
    pub threshold_value: f64,
    /// When it opened, in seconds since 1970.
    pub timestamp: u64,
    /// What to do.
    pub suggested_actions: Vec<String>,
    /// The kind of trouble.
    pub category: Category,
}

impl From<&Alert> for PerformanceAlert {
    fn from(alert: &Alert) -> Self {
        Self {
            severity: alert.severity,
            message: format!("{} of {}: {}", alert.category.name(), alert.metric, alert.evidence),
            metric: alert.metric.clone(),
            current_value: alert.value,
            threshold_value: alert.threshold,
            timestamp: alert.opened.as_secs(),
            suggested_actions: alert.actions.clone(),
            category: alert.category,
        }
    }
}

impl std::fmt::Display for PerformanceAlert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)
    }
}

/// Something that would help.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptimizationRecommendation {
    /// What it is about: the alert's category.
    pub category: String,
    /// What to do.
    pub action: String,
    /// What to expect of it.
    pub expected_impact: String,
    /// 1 to 10, 10 first.
    pub priority: u8,
    /// 0 to 1: the first of an alert's actions is the likeliest.
    pub confidence: f64,
    /// When the alert behind it opened, in seconds since 1970.
    pub timestamp: u64,
}

impl std::fmt::Display for OptimizationRecommendation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({})", self.category, self.action, self.expected_impact)
    }
}

/// Live numbers, history, trends and alerts of a program. Dropping it ends its task; [`shutdown`](Self::shutdown) also waits for that
/// and reports nothing lost.
pub struct AdvancedPerformanceMonitor {
    config: PerformanceMonitorConfig,
    recorder: Arc<Recorder>,
    shared: Arc<Shared>,
    /// The one that collects first.
    tasks: Mutex<Vec<Task>>,
    #[cfg(feature = "tune")]
    forecasts: insight::Forecasts,
}

impl AdvancedPerformanceMonitor {
    /// Starts a monitor. Its tasks run on the current tokio runtime; outside of one nothing is collected or delivered in the background,
    /// and an event says so. Intervals below 10 ms become 10 ms. A sink with wrong settings is left out, and an event says so;
    /// [`try_new`](Self::try_new) reports it.
    #[must_use]
    pub fn new(config: PerformanceMonitorConfig) -> Self {
        Self::start(config, |error| {
            tracing::error!(%error, "the monitor goes on without this sink");
            Ok(())
        })
        .unwrap_or_else(|error: std::convert::Infallible| match error {})
    }

    /// Starts a monitor, as [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// [`MonitorConfigError`] for a sink that cannot work with its settings.
    pub fn try_new(config: PerformanceMonitorConfig) -> Result<Self, MonitorConfigError> {
        Self::start(config, Err)
    }

    fn start<E>(
        config: PerformanceMonitorConfig,
        report: impl Fn(MonitorConfigError) -> Result<(), E>,
    ) -> Result<Self, E> {
        let interval = config.metrics_collection_interval.max(INTERVAL_MIN);
        let threshold = config.performance_alert_threshold;
        let share = if threshold.is_finite() { threshold.clamp(0.01, 1.0) } else { 1.0 };
        let collector = CollectorConfig {
            interval,
            targets: Targets { resource_share: share, ..config.targets },
            retention: config.history_retention_period,
        };
        let recorder = Arc::new(Recorder::new());
        let shared =
            Arc::new(Shared::new(collector, Arc::clone(&recorder), config.enable_performance_profiling));
        let runtime = tokio::runtime::Handle::try_current().ok();
        shared.set_sinks(sinks(&config, runtime.as_ref(), &report)?);
        if config.history_file.is_some() && !keeper::IS_AVAILABLE {
            report(MonitorConfigError::Feature { setting: "history_file", feature: "history" })?;
        }
        let exporter = exporter(&config, runtime.as_ref(), &shared, &report)?;
        let task = match runtime {
            _ if !config.enable_real_time_dashboard => None,
            Some(runtime) => {
                let (shared, file) = (Arc::clone(&shared), config.history_file.clone());
                Some(Task::start(&runtime, |ended| task::run(shared, interval, file, ended)))
            }
            None => {
                tracing::warn!("the monitor was made outside a tokio runtime and collects nothing by itself");
                None
            }
        };
        let tasks = Mutex::new(task.into_iter().chain(exporter).collect());
        Ok(Self {
            config,
            recorder,
            shared,
            tasks,
            #[cfg(feature = "tune")]
            forecasts: insight::Forecasts::default(),
        })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &PerformanceMonitorConfig {
        &self.config
    }

    /// What engines count into: [`RuntimeConfig::recorder`](crate::RuntimeConfig).
    #[must_use]
    pub fn recorder(&self) -> Arc<Recorder> {
        Arc::clone(&self.recorder)
    }

    /// Takes the operations in flight from this runtime from now on. Does not keep it alive.
    pub fn attach(&self, runtime: &RuntimeHandle) {
        self.shared.attach(runtime.downgrade());
    }

    /// Calls back on every alert that opens, worsens or closes, from the monitor's task. It must not block.
    pub fn on_alert(&self, call: impl Fn(&Change) + Send + Sync + 'static) {
        self.shared.on_alert(Box::new(call));
    }

    /// Asks a part of the service, a cache for example, for its counters at the end of each interval. The call fills in what it knows, must
    /// not block, and should hold a weak reference so that the part can end. `false` at the bound of 16 parts.
    #[must_use]
    pub fn add_source(&self, fill: impl Fn(&mut Components) + Send + Sync + 'static) -> bool {
        self.shared.add_source(Box::new(fill))
    }

    /// The service's connections from now on, as it counts them.
    pub fn set_active_connections(&self, count: u64) {
        self.shared.set_connections(count);
    }

    /// For parts of the runtime that find trouble themselves.
    pub(crate) fn alert_sender(&self) -> AlertSender {
        AlertSender(Arc::clone(&self.shared))
    }

    /// Keeps quiet about a metric's alerts for `time`, open ones included. `false` if there are 64 silences already.
    #[must_use]
    pub fn silence(&self, metric: &str, time: Duration) -> bool {
        self.shared.with(|collector| collector.book_mut().silence(metric, wall().saturating_add(time)))
    }

    /// Keeps quiet about an open alert, and its like, for `time`. `false` if no open alert has that number, or at 64 silences.
    #[must_use]
    pub fn silence_alert(&self, id: u64, time: Duration) -> bool {
        self.shared.with(|collector| collector.book_mut().silence_alert(id, wall().saturating_add(time)))
    }

    /// Ends the silences of a metric; alerts that are still open are told at the next collection. `false` if there was none.
    pub fn unsilence(&self, metric: &str) -> bool {
        self.shared.with(|collector| collector.book_mut().unsilence(metric))
    }

    /// Open and closed alerts with all that is known of them, and silences.
    #[must_use]
    pub fn alert_book(&self) -> Alerts {
        self.shared.with(|collector| collector.book())
    }

    /// Numbers of the latest interval by kind of operation and path.
    #[must_use]
    pub fn operations(&self) -> Vec<OperationStats> {
        self.shared.with(|collector| collector.operations())
    }

    /// Numbers since the start by kind of operation and path, now.
    #[must_use]
    pub fn operations_since_start(&self) -> Vec<OperationStats> {
        operation_stats(&self.recorder.snapshot(), self.shared.age())
    }

    /// What the process, the machine and the parts of the service counted at the latest collection.
    #[must_use]
    pub fn resources(&self) -> (SystemSample, Components) {
        self.shared.with(|collector| {
            let (_, reading) = collector.totals();
            (reading.system.clone(), reading.components)
        })
    }

    /// The history of `from..=to`, in seconds since 1970, from one tier, or else from the finest one that reaches back that far. At most
    /// 25 920 points.
    #[must_use]
    pub fn history(&self, tier: Option<Tier>, from: u64, to: u64) -> Vec<HistoryPoint> {
        let (slice, _) = self.slice(tier, from, to);
        slice.samples().map(|sample| HistoryPoint::from(&sample)).collect()
    }

    /// Latencies of reads and writes between `from` and `to`, in seconds since 1970, as at most `columns` (1 to 1024) distributions.
    #[must_use]
    pub fn latency_heat_map(&self, tier: Option<Tier>, from: u64, to: u64, columns: usize) -> HeatMap {
        let (slice, tier) = self.slice(tier, from, to);
        HeatMap::new(&slice, tier, (from, to), columns)
    }

    /// Taken under the lock, decoded outside of it.
    fn slice(&self, tier: Option<Tier>, from: u64, to: u64) -> (Slice, Tier) {
        self.shared.with(|collector| {
            let history = collector.history();
            let tier = tier.unwrap_or_else(|| history.tier_since(from));
            (history.slice(tier, from, to), tier)
        })
    }

    /// Numbers of the latest interval.
    pub async fn get_real_time_stats(&self) -> RealTimeStats {
        self.shared.with(|collector| *collector.latest())
    }

    /// Numbers of the time up to now, oldest first: per collection within
    /// [`history_retention_period`](PerformanceMonitorConfig::history_retention_period), beyond that per ten seconds or five minutes.
    pub async fn get_historical_data(&self, duration: Duration) -> Vec<RealTimeStats> {
        let now = wall().as_secs();
        let from = now.saturating_sub(duration.as_secs());
        if duration <= self.config.history_retention_period {
            let is_within = |stats: &&RealTimeStats| stats.timestamp >= from;
            return self.shared.with(|collector| collector.recent().filter(is_within).copied().collect());
        }
        let (slice, _) = self.slice(None, from, now);
        slice.samples().map(|sample| sample.stats()).collect()
    }

    /// The history of the time up to now as comma-separated values, per second within an hour, per ten seconds within a day, per five
    /// minutes beyond.
    #[must_use]
    pub fn history_csv(&self, duration: Duration) -> String {
        let now = wall().as_secs();
        let (slice, _) = self.slice(None, now.saturating_sub(duration.as_secs()), now);
        let samples: Vec<_> = slice.samples().collect();
        rustfs_rio_monitor::csv(&samples)
    }

    /// The history of the time up to now as a Parquet file, with the steps of [`history_csv`](Self::history_csv).
    ///
    /// # Errors
    ///
    /// [`ParquetFailed`]; none in practice, because writing to memory does not fail.
    #[cfg(feature = "arrow")]
    pub fn history_parquet(&self, duration: Duration) -> Result<Vec<u8>, ParquetFailed> {
        let now = wall().as_secs();
        let (slice, _) = self.slice(None, now.saturating_sub(duration.as_secs()), now);
        let samples: Vec<_> = slice.samples().collect();
        rustfs_rio_monitor::parquet(&samples)
    }

    /// Where each metric with at least eight values is going, the program's own among them.
    pub async fn get_performance_trends(&self) -> HashMap<String, PerformanceTrend> {
        if !self.config.enable_pattern_recognition {
            return HashMap::new();
        }
        let named = |trend: PerformanceTrend| (trend.metric_name.clone(), trend);
        self.shared.with(|collector| collector.trends().map(named).collect())
    }

    /// Open alerts that are not silenced.
    pub async fn get_active_alerts(&self) -> Vec<PerformanceAlert> {
        let open = |alert: &&Alert| !alert.silenced;
        self.shared.with(|collector| collector.alerts().filter(open).map(PerformanceAlert::from).collect())
    }

    /// What would help against the open alerts, most urgent first.
    pub async fn get_optimization_recommendations(&self) -> Vec<OptimizationRecommendation> {
        if !self.config.enable_adaptive_optimization {
            return Vec::new();
        }
        let mut all: Vec<_> =
            self.shared.with(|collector| collector.alerts().flat_map(recommendations).collect());
        all.sort_by_key(|recommendation| std::cmp::Reverse(recommendation.priority));
        all
    }

    /// What Prometheus scrapes, in the OpenMetrics text format; serve it as [`CONTENT_TYPE`]. Counters are those at the end of the
    /// latest interval.
    #[must_use]
    pub fn openmetrics(&self) -> String {
        // Writing to a string does not fail.
        self.shared.with(|collector| rustfs_rio_monitor::openmetrics(collector).unwrap_or_default())
    }

    /// Takes a value of a metric of the program's own. Refused values are counted and reported by an event; see
    /// [`try_record_metric`](Self::try_record_metric).
    pub async fn record_metric(&self, metric_name: &str, value: f64) {
        if let Err(refusal) = self.try_record_metric(metric_name, value) {
            tracing::debug!(%refusal, "a metric's value was refused");
        }
    }

    /// Takes a value of a metric of the program's own.
    ///
    /// # Errors
    ///
    /// [`RefusedValue`]: not finite, or too many names.
    pub fn try_record_metric(&self, metric_name: &str, value: f64) -> Result<(), RefusedValue> {
        self.shared.with(|collector| collector.record(metric_name, value))
    }

    /// Takes numbers that the program measured itself, as one more interval. They are watched for alerts.
    pub async fn update_stats(&self, stats: RealTimeStats) {
        let changes =
            self.shared.with(|collector| collector.report(Duration::from_secs(stats.timestamp), stats));
        self.shared.tell(&changes);
    }

    /// What became of the alerts that were given to the webhook and the log.
    #[must_use]
    pub fn sink_stats(&self) -> Vec<SinkStats> {
        self.shared.sinks().iter().map(sink::Sink::stats).collect()
    }

    /// Ends the tasks and waits for them: the last interval is in the history file then, and each sink has tried once more to deliver what
    /// it had, which takes a webhook's [`timeout`](WebhookConfig::timeout) at most. Does nothing the second time.
    pub async fn shutdown(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            task.end().await;
        }
        for sink in self.shared.sinks() {
            sink.end().await;
        }
    }
}

/// The export to OpenTelemetry, if the settings ask for it.
#[cfg(feature = "otlp")]
fn exporter<E>(
    config: &PerformanceMonitorConfig,
    runtime: Option<&tokio::runtime::Handle>,
    shared: &Arc<Shared>,
    report: &impl Fn(MonitorConfigError) -> Result<(), E>,
) -> Result<Option<Task>, E> {
    let Some(otlp) = &config.otlp else { return Ok(None) };
    match otlp.endpoint() {
        Ok(endpoint) => Ok(runtime.map(|runtime| otlp::start(runtime, otlp.clone(), endpoint, shared))),
        Err(reason) => {
            report(MonitorConfigError::Otlp { url: otlp.url.clone(), reason })?;
            Ok(None)
        }
    }
}

/// There is none in this build.
#[cfg(not(feature = "otlp"))]
fn exporter<E>(
    _config: &PerformanceMonitorConfig,
    _runtime: Option<&tokio::runtime::Handle>,
    _shared: &Arc<Shared>,
    _report: &impl Fn(MonitorConfigError) -> Result<(), E>,
) -> Result<Option<Task>, E> {
    Ok(None)
}

/// The sinks that the settings ask for.
fn sinks<E>(
    config: &PerformanceMonitorConfig,
    runtime: Option<&tokio::runtime::Handle>,
    report: &impl Fn(MonitorConfigError) -> Result<(), E>,
) -> Result<Vec<sink::Sink>, E> {
    let mut sinks = Vec::new();
    if let Some(webhook) = &config.webhook {
        match (webhook.endpoint(), runtime) {
            (Ok(endpoint), Some(runtime)) => {
                sinks.push(sink::webhook::start(runtime, webhook.clone(), endpoint));
            }
            (Ok(_), None) => {}
            (Err(reason), _) => report(MonitorConfigError::Webhook { url: webhook.url.clone(), reason })?,
        }
    }
    if let Some(log) = &config.alert_log {
        match (log.check(), runtime) {
            (Ok(()), Some(runtime)) => sinks.push(sink::alert_log::start(runtime, log.clone())),
            (Ok(()), None) => {}
            (Err(reason), _) => report(MonitorConfigError::AlertLog { path: log.path.clone(), reason })?,
        }
    }
    Ok(sinks)
}

fn recommendations(alert: &Alert) -> impl Iterator<Item = OptimizationRecommendation> {
    let priority = match alert.severity {
        AlertSeverity::Info => 3,
        AlertSeverity::Warning => 6,
        AlertSeverity::Critical => 9,
    };
    alert.actions.iter().enumerate().map(move |(place, action)| OptimizationRecommendation {
        category: alert.category.name().to_owned(),
        action: action.clone(),
        expected_impact: format!("{} back below {:.3}", alert.metric, alert.threshold),
        priority,
        confidence: 1.0 / (place + 2) as f64,
        timestamp: alert.opened.as_secs(),
    })
}

/// Time since 1970; zero on a clock before that.
fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
fn sample_alert(id: u64) -> Alert {
    Alert {
        id,
        category: Category::Degradation,
        severity: AlertSeverity::Warning,
        metric: "p50_latency_us".to_owned(),
        value: 150.0,
        threshold: 125.0,
        evidence: "usual is 100".to_owned(),
        actions: vec!["look".to_owned()],
        opened: Duration::from_secs(id),
        updated: Duration::from_secs(id),
        closed: None,
        reopened: 0,
        silenced: false,
    }
}

/// Tells a monitor's callbacks and sinks of alerts that come from elsewhere.
pub(crate) struct AlertSender(Arc<Shared>);

impl AlertSender {
    pub(crate) fn send(&self, change: &Change) {
        self.0.tell(std::slice::from_ref(change));
    }
}

impl std::fmt::Debug for AdvancedPerformanceMonitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdvancedPerformanceMonitor")
            .field("config", &self.config)
            .field("collects", &!self.tasks.lock().is_empty())
            .finish_non_exhaustive()
    }
}
