//! The message reads back through OpenTelemetry's own types, with what was recorded.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]
#![cfg(feature = "otlp")]

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric, number_data_point};
use prost::Message;
use rustfs_rio_monitor::{
    Collector, CollectorConfig, Components, Ended, ErrorClass, FileClass, Key, Operation, Path, PoolCounters,
    Reading, Recorder, Targets, otlp_request,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_message_holds_what_was_recorded() {
    let recorder = Arc::new(Recorder::new());
    let interval = Duration::from_secs(1);
    let config = CollectorConfig { interval, targets: Targets::default(), retention: interval * 60 };
    let mut collector = Collector::new(config, Arc::clone(&recorder), Reading::default());
    let read = Key::new(Operation::Read, Path::Ring, FileClass::Data);
    for micros in [3, 3, 700] {
        recorder.record(read, Ended::well(4096), Duration::from_micros(micros));
    }
    let write = Key::new(Operation::Write, Path::Blocking, FileClass::Log);
    recorder.record(write, Ended::badly(0, ErrorClass::Device), Duration::from_millis(2));
    collector.record("orders", 1.5).unwrap();
    let components = Components {
        pool: Some(PoolCounters { hits: 9, ..PoolCounters::default() }),
        ..Components::default()
    };
    let wall = Duration::from_secs(1_700_000_000);
    collector.collect(Reading { wall, monotonic: interval, components, ..Reading::default() });
    let resource = BTreeMap::from([("service.name".to_owned(), "test".to_owned())]);
    let bytes = otlp_request(&collector, wall - interval, &resource);

    let request = ExportMetricsServiceRequest::decode(bytes.as_slice()).unwrap();
    let resource = &request.resource_metrics[0];
    assert_eq!(resource.resource.as_ref().unwrap().attributes[0].key, "service.name");
    let metrics = &resource.scope_metrics[0].metrics;
    let named = |name: &str| -> &Metric {
        metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}"))
    };
    let Some(metric::Data::Sum(operations)) = &named("rio.operations").data else { panic!("no sum") };
    assert!(operations.is_monotonic && operations.aggregation_temporality == 2);
    let point = &operations.data_points[0];
    assert_eq!(point.value, Some(number_data_point::Value::AsInt(3)));
    assert_eq!(
        (point.time_unix_nano, point.start_time_unix_nano),
        (1_700_000_000_000_000_000, 1_699_999_999_000_000_000)
    );
    let Some(metric::Data::Histogram(durations)) = &named("rio.operation.duration").data else {
        panic!("no histogram")
    };
    let reads = &durations.data_points[0];
    assert_eq!((reads.count, reads.bucket_counts.iter().sum::<u64>()), (3, 3));
    assert_eq!(reads.bucket_counts.len(), reads.explicit_bounds.len() + 1);
    // 2 us < 3 us <= 4 us.
    assert_eq!((reads.explicit_bounds[2], reads.bucket_counts[2]), (4e-6, 2));
    let Some(metric::Data::Sum(hits)) = &named("rio.pool.hits").data else { panic!("no sum") };
    assert_eq!(hits.data_points[0].value, Some(number_data_point::Value::AsDouble(9.0)));
    let Some(metric::Data::Gauge(own)) = &named("rio.application").data else { panic!("no gauge") };
    assert_eq!(own.data_points.len(), 1);
    named("rio.errors");
    named("rio.live");
}
