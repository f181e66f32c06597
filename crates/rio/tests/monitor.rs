//! The monitor of a program: its numbers are those of the engine, and nothing of it outlives it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use rustfs_rio::monitor::{CacheCounters, Components, Operation, OperationStats, RealTimeStats, Tier};
use rustfs_rio::{
    AdvancedPerformanceMonitor, DiskFile, PerformanceMonitorConfig, RuntimeConfig, RuntimeHandle,
    TrendDirection, init_runtime_with_config,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);

fn quick() -> PerformanceMonitorConfig {
    PerformanceMonitorConfig { metrics_collection_interval: Duration::from_millis(20), ..Default::default() }
}

/// Does not collect by itself.
fn passive() -> PerformanceMonitorConfig {
    PerformanceMonitorConfig { enable_real_time_dashboard: false, ..Default::default() }
}

fn runtime(monitor: &AdvancedPerformanceMonitor) -> RuntimeHandle {
    let runtime =
        init_runtime_with_config(RuntimeConfig { recorder: Some(monitor.recorder()), ..Default::default() })
            .unwrap();
    monitor.attach(&runtime);
    runtime
}

/// Asks until the answer is there; the test's own time limit ends it otherwise.
async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_those_of_the_operations() {
    let monitor = AdvancedPerformanceMonitor::new(quick());
    assert_eq!(monitor.get_real_time_stats().await.iops, 0.0);
    let runtime = runtime(&monitor);
    let directory = tempfile::tempdir().unwrap();
    let mut file = DiskFile::create_with_runtime(directory.path().join("data"), &runtime).await.unwrap();
    file.write_all(&[7; 64 * 1024]).await.unwrap();
    let busy =
        until(async || Some(monitor.get_real_time_stats().await).filter(|stats| stats.iops > 0.0)).await;
    assert!(
        busy.throughput_bps > 0.0 && busy.p50_latency_us > 0.0 && busy.max_latency_us >= busy.p50_latency_us
    );
    assert!(busy.memory_usage_bytes > 0 && busy.error_rate == 0.0, "{busy:?}");
    let totals = monitor.recorder().snapshot().totals(|_| true);
    assert_eq!(totals.bytes, 64 * 1024);
    let page = monitor.openmetrics();
    assert!(page.contains("rio_operations_total{operation=\"open\"") && page.ends_with("# EOF\n"), "{page}");
    let history = monitor.get_historical_data(Duration::from_secs(60)).await;
    assert!(history.contains(&busy), "{history:?}");
    assert!(runtime.shutdown(DEADLINE).await.is_clean());
    monitor.shutdown().await;
}

#[tokio::test]
async fn an_alert_opens_is_told_recommends_and_can_be_silenced() {
    let monitor = AdvancedPerformanceMonitor::new(passive());
    let told = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&told);
    monitor.on_alert(move |change| {
        assert!(!change.alert().silenced);
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let mut stats =
        RealTimeStats { iops: 500.0, p50_latency_us: 100.0, cache_hit_rate: 0.9, ..Default::default() };
    for second in 0..60 {
        monitor.update_stats(RealTimeStats { timestamp: second, ..stats }).await;
    }
    assert!(
        monitor.get_active_alerts().await.is_empty()
            && monitor.get_optimization_recommendations().await.is_empty()
    );
    assert!(monitor.silence("cache_hit_rate", Duration::from_secs(3600)));
    (stats.p50_latency_us, stats.cache_hit_rate) = (1500.0, 0.2);
    for second in 60..64 {
        monitor.update_stats(RealTimeStats { timestamp: second, ..stats }).await;
    }
    let alerts = monitor.get_active_alerts().await;
    assert!(!alerts.is_empty() && alerts.iter().all(|alert| alert.metric == "p50_latency_us"), "{alerts:#?}");
    assert!(told.load(Ordering::Relaxed) >= 1);
    let book = monitor.alert_book();
    let (quiet, open): (Vec<_>, Vec<_>) = book.open.iter().partition(|alert| alert.silenced);
    assert!(quiet.iter().all(|alert| alert.metric == "cache_hit_rate") && !open.is_empty(), "{book:#?}");
    assert!(!monitor.silence_alert(u64::MAX, Duration::from_secs(60)));
    assert!(monitor.unsilence("cache_hit_rate") && !monitor.unsilence("cache_hit_rate"));
    let recommendations = monitor.get_optimization_recommendations().await;
    assert!(
        recommendations.iter().any(|one| one.to_string().contains("max_concurrent_ops")),
        "{recommendations:?}"
    );
    // It gets well again: the alerts close, with the time of it.
    (stats.p50_latency_us, stats.cache_hit_rate) = (100.0, 0.9);
    for second in 64..80 {
        monitor.update_stats(RealTimeStats { timestamp: second, ..stats }).await;
    }
    let book = monitor.alert_book();
    assert!(book.open.is_empty() && !book.closed.is_empty(), "{book:#?}");
    assert!(book.closed.iter().all(|alert| alert.closed.is_some_and(|closed| closed > alert.opened)));
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboards_get_plain_structures() {
    let monitor = AdvancedPerformanceMonitor::new(quick());
    let runtime = runtime(&monitor);
    assert!(monitor.add_source(|components: &mut Components| {
        components.cache = Some(CacheCounters { hits: 3, misses: 1, ..CacheCounters::default() });
    }));
    monitor.set_active_connections(7);
    let directory = tempfile::tempdir().unwrap();
    let mut file = DiskFile::create_with_runtime(directory.path().join("data"), &runtime).await.unwrap();
    file.write_all(&[7; 64 * 1024]).await.unwrap();
    let is_write = |stats: &OperationStats| stats.operation == Operation::Write && stats.bytes == 64 * 1024;
    let since_start = monitor.operations_since_start();
    assert!(since_start.iter().any(is_write), "{since_start:?}");
    let now = monitor.get_real_time_stats().await.timestamp;
    // The second of the write is finished when the next one begins.
    let map = until(async || {
        let map = monitor.latency_heat_map(Some(Tier::Second), now - 10, now + 10, 20);
        Some(map).filter(|map| !map.counts.is_empty())
    })
    .await;
    assert!(map.counts.iter().flatten().sum::<u64>() >= 1 && map.ends.len() == 20, "{map:?}");
    let points = monitor.history(None, now - 10, now + 10);
    assert!(
        points.iter().any(|point| point.stats.throughput_bps > 0.0 && point.length_s > 0.0),
        "{points:?}"
    );
    let (system, components) = monitor.resources();
    assert!(system.resident_bytes.is_some());
    assert!(components.pool.is_some_and(|pool| pool.bytes_bound > 0) && components.engine.is_some());
    assert_eq!(components.cache.map(|cache| cache.hits), Some(3));
    assert_eq!(monitor.get_real_time_stats().await.active_connections, 7);
    let page = monitor.openmetrics();
    for name in
        ["rio_pool_bound_bytes ", "rio_cache_hits_total 3", "rio_process_threads ", "rio_connections 7"]
    {
        assert!(page.contains(name), "no {name} in\n{page}");
    }
    assert!(runtime.shutdown(DEADLINE).await.is_clean());
    monitor.shutdown().await;
}

#[tokio::test]
async fn switches_switch_and_own_metrics_have_trends() {
    let config = PerformanceMonitorConfig {
        enable_pattern_recognition: false,
        enable_performance_profiling: false,
        ..passive()
    };
    let off = AdvancedPerformanceMonitor::new(config);
    let on = AdvancedPerformanceMonitor::new(passive());
    for value in 0..30 {
        off.record_metric("orders", f64::from(value)).await;
        on.record_metric("orders", f64::from(value)).await;
    }
    on.record_metric("orders", f64::NAN).await;
    assert!(on.try_record_metric("orders", f64::INFINITY).is_err());
    assert!(off.get_performance_trends().await.is_empty());
    let trends = on.get_performance_trends().await;
    let trend = trends.get("orders").unwrap();
    assert_eq!((trend.trend_direction, trend.predicted_value.round()), (TrendDirection::Increasing, 30.0));
    assert_eq!(trends.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_survives_in_its_file_and_a_damaged_one_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history");
    std::fs::write(&path, b"no database").unwrap();
    let config = || PerformanceMonitorConfig { history_file: Some(path.clone()), ..quick() };
    let first = AdvancedPerformanceMonitor::new(config());
    let runtime = runtime(&first);
    let mut file = DiskFile::create_with_runtime(directory.path().join("data"), &runtime).await.unwrap();
    file.write_all(&[7; 4096]).await.unwrap();
    until(async || Some(()).filter(|()| first.recorder().snapshot().totals(|_| true).bytes > 0)).await;
    let begun = first.get_real_time_stats().await.timestamp;
    first.shutdown().await;
    assert!(directory.path().join("history.damaged").exists());
    let second = AdvancedPerformanceMonitor::new(config());
    let old = until(async || {
        let days = second.get_historical_data(Duration::from_secs(7200)).await;
        Some(days).filter(|days| days.iter().any(|stats| stats.throughput_bps > 0.0))
    })
    .await;
    assert!(old.iter().all(|stats| stats.timestamp >= begun.saturating_sub(1)));
    second.shutdown().await;
}

#[tokio::test]
async fn a_dropped_monitor_ends_its_task() {
    let monitor = AdvancedPerformanceMonitor::new(quick());
    let recorder = Arc::downgrade(&monitor.recorder());
    drop(monitor);
    // The task held the recorder too.
    until(async || Some(()).filter(|()| recorder.upgrade().is_none())).await;
}

#[test]
fn outside_a_runtime_nothing_panics() {
    let monitor = AdvancedPerformanceMonitor::new(PerformanceMonitorConfig::default());
    assert!(monitor.try_record_metric("x", 1.0).is_ok());
}

#[tokio::test]
async fn patterns_and_forecasts_are_answered_for_each_metric() {
    let monitor = AdvancedPerformanceMonitor::new(passive());
    for step in 0..400u32 {
        let wave = 100.0 + 20.0 * (f64::from(step) / 24.0 * std::f64::consts::TAU).sin();
        monitor.record_metric("orders", wave + f64::from(step * 7 % 5)).await;
        monitor.record_metric("level", 42.0).await;
    }
    let patterns = monitor.get_metric_patterns().await;
    let kinds = |metric: &str| -> Vec<&str> {
        patterns[metric].iter().map(|pattern| pattern.found.pattern.name()).collect()
    };
    assert_eq!((kinds("orders"), kinds("level")), (vec!["periodic"], vec!["constant"]));
    let json = serde_json::to_value(&patterns["orders"][0]).unwrap();
    assert_eq!((&json["pattern"]["kind"], &json["interval_s"]), (&"periodic".into(), &1.0.into()));
    let forecast = monitor.forecast("orders", Duration::from_secs(24)).await.unwrap();
    assert_eq!((forecast.forecast.steps.len(), forecast.forecast.period), (24, Some(24)));
    assert!(
        forecast.forecast.steps[13].value > 110.0 && forecast.forecast.steps[1].value < 95.0,
        "{forecast:?}"
    );
    // It is made once for a while.
    let again = monitor.forecast("orders", Duration::from_secs(24)).await.unwrap();
    assert!(Arc::ptr_eq(&forecast, &again));
    assert!(monitor.forecast("nothing", Duration::from_secs(24)).await.is_err());
    let far = monitor.forecast("orders", Duration::from_secs(86_400)).await;
    assert!(far.is_err(), "the history holds no metrics of the program's own");
}
