//! The text that Prometheus scrapes: OpenMetrics 1.0 (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
//!
//! | metric | type | labels |
//! |---|---|---|
//! | `rio_operations_total`, `rio_bytes_total`, `rio_failed_operations_total` | counter | operation, path, class |
//! | `rio_errors_total` | counter | operation, error |
//! | `rio_operation_duration_seconds` | histogram | operation, path |
//! | `rio_live` | gauge | metric: the table [`METRICS`](crate::METRICS), for the latest interval |
//! | `rio_application` | gauge | metric: names of the program's own, at most 256 |
//! | `rio_alert` | gauge, 1 | metric, category, severity: open alerts |
//! | `rio_alert_deliveries_total` | counter | sink, outcome: `delivered`, `dropped`, `failed_attempt` |
//! | `rio_refused_values_total` | counter | |
//! | `rio_pool_*`, `rio_cache_*`, `rio_engine_*`, `rio_process_*`, `rio_disk_*`, `rio_pressure_*` | both | what parts, process and machine count; [`MEASURED`](crate::MEASURED) lists them |

use crate::alert::Alert;
use crate::collector::{Collector, Reading};
use crate::histogram::Histogram;
use crate::measured::MEASURED;
use crate::metric::METRICS;
use crate::operation::{Operation, Path};
use crate::recorder::{Snapshot, Totals};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry as Exposed;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The content type that goes with [`openmetrics`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the exported buckets: 1 us times powers of two up to 34 s, enough for every quantile to be within a factor that
/// dashboards can show, at 26 lines a series.
const BOUNDS: u32 = 26;

/// The bounds.
pub(crate) fn bounds() -> impl Iterator<Item = Duration> {
    (0..BOUNDS).map(|power| Duration::from_micros(1 << power))
}

/// Everything that a collector knows, for a scrape. Counters are those at the end of the latest interval, so that all parts agree.
///
/// # Errors
///
/// None in practice: writing to a string does not fail.
pub fn openmetrics(collector: &Collector) -> Result<String, fmt::Error> {
    let (counted, reading) = collector.totals();
    let live = METRICS.iter().filter_map(|metric| {
        let value = (metric.value)(collector.latest(), &reading.system)?;
        value.is_finite().then_some((metric.name.to_owned(), value))
    });
    let is_own = |(name, _): &(&str, f64)| METRICS.iter().all(|metric| metric.name != *name);
    let page = Page {
        counted: counted.clone(),
        live: live.collect(),
        application: collector
            .registry()
            .latest()
            .filter(is_own)
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        alerts: collector.alerts().cloned().collect(),
        refused: collector.registry().refused(),
        reading: reading.clone(),
    };
    let mut exposed = Exposed::default();
    exposed.register_collector(Box::new(page));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &exposed)?;
    Ok(text)
}

#[derive(Debug)]
struct Page {
    counted: Snapshot,
    live: Vec<(String, f64)>,
    application: Vec<(String, f64)>,
    alerts: Vec<Alert>,
    refused: u64,
    reading: Reading,
}

impl prometheus_client::collector::Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.counters(&mut encoder)?;
        self.durations(&mut encoder)?;
        gauges(&mut encoder, "rio_live", "Numbers of the latest interval, by metric", &self.live)?;
        gauges(
            &mut encoder,
            "rio_application",
            "Latest values of the program's own metrics",
            &self.application,
        )?;
        self.alerts(&mut encoder)?;
        self.deliveries(&mut encoder)?;
        self.measured(&mut encoder)?;
        let refused = ConstCounter::new(self.refused);
        let kind = MetricType::Counter;
        let help = "Values that were not finite or had a name too many";
        refused.encode(encoder.encode_descriptor("rio_refused_values", help, None, kind)?)
    }
}

impl Page {
    fn counters(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        type Part = fn(&Totals) -> u64;
        let parts: [(&str, &str, Part); 3] = [
            ("rio_operations", "Operations that ended", |totals| totals.operations),
            ("rio_bytes", "Bytes moved", |totals| totals.bytes),
            ("rio_failed_operations", "Operations that ended with an error", |totals| totals.errors),
        ];
        for (name, help, part) in parts {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (key, totals) in self.counted.iter() {
                let labels = [
                    ("operation", key.operation.name()),
                    ("path", key.path.name()),
                    ("class", key.class.name()),
                ];
                ConstCounter::new(part(totals)).encode(family.encode_family(&labels)?)?;
            }
        }
        let mut family =
            encoder.encode_descriptor("rio_errors", "Errors by class", None, MetricType::Counter)?;
        for (operation, class, count) in self.counted.errors() {
            let labels = [("operation", operation.name()), ("error", class.name())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn durations(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut by_path: BTreeMap<(Operation, Path), Histogram> = BTreeMap::new();
        for (key, totals) in self.counted.iter() {
            by_path.entry((key.operation, key.path)).or_default().merge(&totals.latency);
        }
        let help = "Latency; of operations on the calling task a random share stands for all";
        let kind = MetricType::Histogram;
        let mut family = encoder.encode_descriptor("rio_operation_duration_seconds", help, None, kind)?;
        for ((operation, path), latency) in &by_path {
            let labels = [("operation", operation.name()), ("path", path.name())];
            put_histogram(family.encode_family(&labels)?, latency)?;
        }
        Ok(())
    }

    fn deliveries(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "What became of alerts, by sink";
        let kind = MetricType::Counter;
        let mut family = encoder.encode_descriptor("rio_alert_deliveries", help, None, kind)?;
        for sink in &self.reading.deliveries {
            let outcomes = [
                ("delivered", sink.delivered),
                ("dropped", sink.dropped),
                ("failed_attempt", sink.failed_attempts),
            ];
            for (outcome, count) in outcomes {
                let labels = [("sink", sink.sink.as_str()), ("outcome", outcome)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn measured(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for one in &MEASURED {
            let Some(value) = (one.value)(&self.reading).filter(|value| value.is_finite()) else { continue };
            if one.is_counter {
                let encoder = encoder.encode_descriptor(one.name, one.help, None, MetricType::Counter)?;
                ConstCounter::new(value).encode(encoder)?;
            } else {
                let encoder = encoder.encode_descriptor(one.name, one.help, None, MetricType::Gauge)?;
                ConstGauge::new(value).encode(encoder)?;
            }
        }
        Ok(())
    }

    fn alerts(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut family = encoder.encode_descriptor("rio_alert", "Open alerts", None, MetricType::Gauge)?;
        for alert in &self.alerts {
            let severity = alert.severity.to_string();
            let labels = [
                ("metric", alert.metric.as_str()),
                ("category", alert.category.name()),
                ("severity", severity.as_str()),
            ];
            ConstGauge::new(1i64).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: &[(String, f64)],
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (metric, value) in values {
        ConstGauge::new(*value).encode(family.encode_family(&[("metric", metric.as_str())])?)?;
    }
    Ok(())
}

fn put_histogram(mut encoder: MetricEncoder<'_>, latency: &Histogram) -> Result<(), fmt::Error> {
    // The library adds the buckets up by itself.
    let mut below = 0;
    let mut buckets: Vec<(f64, u64)> = bounds()
        .map(|bound| {
            let up_to = latency.count_up_to(bound);
            let bucket = (bound.as_secs_f64(), up_to - below);
            below = up_to;
            bucket
        })
        .collect();
    let count = latency.count();
    buckets.push((f64::INFINITY, count - below));
    encoder.encode_histogram::<NoLabels>(latency.sum_seconds(), count, &buckets, None)
}

/// Labels of exemplars, of which there are none.
type NoLabels = [(&'static str, &'static str); 0];
