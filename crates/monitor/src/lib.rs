//! What an I/O service does, and what is about to go wrong: recording, live numbers, history, trends and alerts.
//!
//! Modules, in reading order:
//!
//! * `operation`: the closed sets of what is recorded. `buckets`, [`Histogram`]: distributions that merge exactly.
//! * [`Recorder`], [`Snapshot`]: counting on the hot path, and differences between two moments. [`Clock`]: its clock.
//! * [`RealTimeStats`], [`SystemSample`]: the numbers of one interval; what the process and the machine use.
//! * [`METRICS`]: the table of what is watched. [`Watch`]: findings in an interval's numbers. [`AlertBook`]: which of them are news.
//! * [`Registry`], trends and forecasts: bounded names. [`History`], [`HistoryFile`]: three tiers of merged samples.
//! * [`HeatMap`], [`HistoryPoint`], [`OperationStats`], [`Alerts`]: what dashboards draw. [`Components`]: what parts count themselves.
//! * [`Collector`]: one turn of all of it. [`openmetrics`]: the text that Prometheus scrapes.
//!
//! Invariants:
//!
//! * Recording takes no lock and, after the first operation of a kind on a thread, allocates nothing.
//! * Percentiles over threads, paths or time come from merged histograms and keep the error of one, at most 1/64.
//! * Everything but [`Clock`] takes the time as an argument, so that tests run hours in milliseconds.
//! * No input ends the process: numbers that are not finite are refused, clocks may jump, files may be damaged.
//!
//! ```
//! use rustfs_rio_monitor::{Ended, FileClass, Key, Operation, Path, Recorder};
//! use std::time::Duration;
//!
//! let recorder = Recorder::new();
//! let before = recorder.snapshot();
//! let key = Key::new(Operation::Read, Path::Ring, FileClass::Data);
//! recorder.record(key, Ended::well(4096), Duration::from_micros(80));
//! let reads = recorder.snapshot().since(&before).operation(Operation::Read);
//! assert_eq!((reads.operations, reads.bytes), (1, 4096));
//! assert!(reads.latency.quantile(0.99).abs_diff(Duration::from_micros(80)) <= Duration::from_micros(80) / 64);
//! ```
#![forbid(unsafe_code)]

mod alert;
mod buckets;
mod clock;
mod collector;
mod components;
mod export;
#[cfg(feature = "forecast")]
mod forecast;
mod histogram;
mod history;
mod measured;
mod metric;
mod operation;
#[cfg(feature = "otlp")]
mod otlp;
mod pattern;
mod recorder;
mod robust;
mod series;
mod stats;
mod system;
mod view;
mod watch;

pub use alert::{
    Alert, AlertBook, AlertSeverity, Category, Change, Finding, Posted, Silence, alert_line,
    alertmanager_body,
};
pub use clock::{Clock, Ticks};
pub use collector::{Collected, Collector, CollectorConfig, Reading};
pub use components::{CacheCounters, Components, Deliveries, EngineCounters, PoolCounters};
pub use export::{CONTENT_TYPE, openmetrics};
#[cfg(feature = "forecast")]
pub use forecast::{
    Ahead, FORECAST_VALUES_MAX, FORECAST_VALUES_MIN, Forecast, ForecastError, ForecastModel, HORIZON_MAX,
    forecast,
};
pub use histogram::{Histogram, HistogramError};
pub use history::{Entry, Extent, History, Sample, SampleError, Slice, Tier, csv};
#[cfg(feature = "history")]
pub use history::{HistoryFile, HistoryFileError};
#[cfg(feature = "arrow")]
pub use history::{ParquetFailed, parquet};
pub use measured::{MEASURED, Measured};
pub use metric::{METRICS, Metric, Scale, Worse};
pub use operation::{ErrorClass, FileClass, Key, Operation, Path};
#[cfg(feature = "otlp")]
pub use otlp::otlp_request;
pub use pattern::{FoundPattern, PATTERN_VALUES_MIN, Pattern, find_patterns};
pub use recorder::{Ended, Recorder, SAMPLING_INTERVAL, Snapshot, ThreadStripe, Timer, Totals};
pub use series::{NAME_BYTES_MAX, NAMES_MAX, PerformanceTrend, RefusedValue, Registry, TrendDirection};
pub use stats::{Gauges, RealTimeStats};
pub use system::{Disks, Pressure, SystemSample};
pub use view::{Alerts, COLUMNS_MAX, HeatMap, HistoryPoint, OperationStats, Spread, operation_stats};
pub use watch::{Targets, Watch};
