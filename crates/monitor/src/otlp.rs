//! Metrics as OpenTelemetry takes them: the body of `POST /v1/metrics` in protobuf
//! (<https://opentelemetry.io/docs/specs/otlp/>, version 1). Names are those of the OpenMetrics page with dots.

use crate::collector::Collector;
use crate::export::bounds;
use crate::histogram::Histogram;
use crate::measured::MEASURED;
use crate::metric::METRICS;
use crate::operation::{Operation, Path};
use crate::recorder::Totals;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that a collector knows. `started` is when its counters began, in time since 1970; `resource` says whose numbers these are
/// (`service.name` and the like).
#[must_use]
pub fn otlp_request(
    collector: &Collector,
    started: Duration,
    resource: &BTreeMap<String, String>,
) -> Vec<u8> {
    let (_, reading) = collector.totals();
    let clock = Clock { start: nanos(started), now: nanos(reading.wall) };
    let mut metrics = counters(collector, clock);
    metrics.push(durations(collector, clock));
    metrics.extend(gauges(collector, clock));
    metrics.extend(measured(collector, clock));
    let scope = InstrumentationScope {
        name: "rustfs-rio".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let attributes = resource.iter().map(|(name, value)| attribute(name, value)).collect();
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }],
    };
    request.encode_to_vec()
}

#[derive(Clone, Copy)]
struct Clock {
    start: u64,
    now: u64,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn attribute(name: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: name.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn attributes(labels: &[(&str, &str)]) -> Vec<KeyValue> {
    labels.iter().map(|(name, value)| attribute(name, value)).collect()
}

impl Clock {
    fn point(self, labels: &[(&str, &str)], value: f64) -> NumberDataPoint {
        NumberDataPoint {
            attributes: attributes(labels),
            start_time_unix_nano: self.start,
            time_unix_nano: self.now,
            value: Some(number_data_point::Value::AsDouble(value)),
            ..NumberDataPoint::default()
        }
    }

    fn count(self, labels: &[(&str, &str)], count: u64) -> NumberDataPoint {
        let value = number_data_point::Value::AsInt(i64::try_from(count).unwrap_or(i64::MAX));
        NumberDataPoint { value: Some(value), ..self.point(labels, 0.0) }
    }
}

fn made(name: &str, unit: &str, help: &str, data: metric::Data) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        description: help.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn sum(data_points: Vec<NumberDataPoint>) -> metric::Data {
    metric::Data::Sum(Sum {
        data_points,
        aggregation_temporality: AggregationTemporality::Cumulative as i32,
        is_monotonic: true,
    })
}

fn counters(collector: &Collector, clock: Clock) -> Vec<Metric> {
    type Part = fn(&Totals) -> u64;
    let parts: [(&str, &str, &str, Part); 3] = [
        ("rio.operations", "{operation}", "Operations that ended", |totals| totals.operations),
        ("rio.bytes", "By", "Bytes moved", |totals| totals.bytes),
        ("rio.failed_operations", "{operation}", "Operations that ended with an error", |totals| {
            totals.errors
        }),
    ];
    let (counted, _) = collector.totals();
    let mut metrics: Vec<Metric> = parts
        .into_iter()
        .map(|(name, unit, help, part)| {
            let points = counted.iter().map(|(key, totals)| {
                let labels = [
                    ("operation", key.operation.name()),
                    ("path", key.path.name()),
                    ("class", key.class.name()),
                ];
                clock.count(&labels, part(totals))
            });
            made(name, unit, help, sum(points.collect()))
        })
        .collect();
    let errors = counted.errors().map(|(operation, class, count)| {
        clock.count(&[("operation", operation.name()), ("error", class.name())], count)
    });
    metrics.push(made("rio.errors", "{error}", "Errors by class", sum(errors.collect())));
    metrics
}

fn durations(collector: &Collector, clock: Clock) -> Metric {
    let (counted, _) = collector.totals();
    let mut by_path: BTreeMap<(Operation, Path), Histogram> = BTreeMap::new();
    for (key, totals) in counted.iter() {
        by_path.entry((key.operation, key.path)).or_default().merge(&totals.latency);
    }
    let points = by_path.iter().map(|((operation, path), latency)| {
        let mut below = 0;
        let mut bucket_counts: Vec<u64> = Vec::new();
        for bound in bounds() {
            let up_to = latency.count_up_to(bound);
            bucket_counts.push(up_to - below);
            below = up_to;
        }
        let count = latency.count();
        bucket_counts.push(count - below);
        HistogramDataPoint {
            attributes: attributes(&[("operation", operation.name()), ("path", path.name())]),
            start_time_unix_nano: clock.start,
            time_unix_nano: clock.now,
            count,
            sum: Some(latency.sum_seconds()),
            bucket_counts,
            explicit_bounds: bounds().map(|bound| bound.as_secs_f64()).collect(),
            min: (count > 0).then(|| latency.min().as_secs_f64()),
            max: (count > 0).then(|| latency.max().as_secs_f64()),
            ..HistogramDataPoint::default()
        }
    });
    let histogram = opentelemetry_proto::tonic::metrics::v1::Histogram {
        data_points: points.collect(),
        aggregation_temporality: AggregationTemporality::Cumulative as i32,
    };
    made("rio.operation.duration", "s", "Latency", metric::Data::Histogram(histogram))
}

fn gauges(collector: &Collector, clock: Clock) -> Vec<Metric> {
    let (_, reading) = collector.totals();
    let live = METRICS.iter().filter_map(|metric| {
        let value = (metric.value)(collector.latest(), &reading.system).filter(|value| value.is_finite())?;
        Some(clock.point(&[("metric", metric.name)], value))
    });
    let is_own = |(name, _): &(&str, f64)| METRICS.iter().all(|metric| metric.name != *name);
    let own = collector.registry().latest().filter(is_own);
    let own = own.map(|(name, value)| clock.point(&[("metric", name)], value));
    let alerts = collector.alerts().map(|alert| {
        let severity = alert.severity.to_string();
        let labels =
            [("metric", alert.metric.as_str()), ("category", alert.category.name()), ("severity", &severity)];
        clock.count(&labels, 1)
    });
    let gauge = |points: Vec<NumberDataPoint>| metric::Data::Gauge(Gauge { data_points: points });
    vec![
        made("rio.live", "1", "Numbers of the latest interval, by metric", gauge(live.collect())),
        made("rio.application", "1", "Latest values of the program's own metrics", gauge(own.collect())),
        made("rio.alert", "1", "Open alerts", gauge(alerts.collect())),
    ]
}

fn measured(collector: &Collector, clock: Clock) -> Vec<Metric> {
    let (_, reading) = collector.totals();
    let of = |one: &crate::measured::Measured| {
        let value = (one.value)(reading).filter(|value| value.is_finite())?;
        let points = vec![clock.point(&[], value)];
        let data =
            if one.is_counter { sum(points) } else { metric::Data::Gauge(Gauge { data_points: points }) };
        Some(made(&one.name.replacen('_', ".", 2), "1", one.help, data))
    };
    MEASURED.iter().filter_map(of).collect()
}
