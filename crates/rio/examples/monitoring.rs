//! What a service sees of itself: live numbers, percentiles by path, a forecast, patterns, alerts, and the page for Prometheus.
//!
//! `cargo run --release -p rustfs-rio --example monitoring` writes and reads a file for some seconds and prints what the monitor knows.
#![allow(clippy::print_stdout, reason = "an example prints")]

use rustfs_rio::monitor::AlertLogConfig;
use rustfs_rio::{AdvancedRioConfig, DiskFile, PerformanceMonitorConfig, init_runtime_with_advanced_config};
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("rio-monitoring-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    let runtime = init_runtime_with_advanced_config(AdvancedRioConfig {
        enable_performance_monitoring: true,
        performance_config: PerformanceMonitorConfig {
            metrics_collection_interval: Duration::from_millis(50),
            alert_log: Some(AlertLogConfig::new(directory.join("alerts.json"))),
            ..PerformanceMonitorConfig::default()
        },
        ..AdvancedRioConfig::default()
    })
    .await?;
    let path = directory.join("data.bin");
    let mut file = DiskFile::create_with_runtime(&path, runtime.base_runtime()).await?;
    file.write_all(&vec![7; 1 << 20]).await?;
    file.flush_and_sync().await?;
    let file = DiskFile::open(&path, runtime.base_runtime().clone()).await?;
    let started = Instant::now();
    let mut offset = 0;
    while started.elapsed() < Duration::from_secs(4) {
        file.read_range(offset, 4096).await?;
        offset = (offset + 4096 * 7) % (1 << 20);
    }
    let Some(monitor) = runtime.performance_monitor() else { return Err("the monitor is off".into()) };
    let stats = monitor.get_real_time_stats().await;
    println!(
        "{:.0} operations/s, p50 {:.1} us, p99 {:.1} us",
        stats.iops, stats.p50_latency_us, stats.p99_latency_us
    );
    for one in monitor.operations_since_start() {
        println!(
            "{:>8} {:<8} {:>9} operations, p50 {:.1} us, p99.9 {:.1} us, {} errors",
            one.operation.name(),
            one.path.name(),
            one.operations,
            one.p50_us,
            one.p999_us,
            one.errors
        );
    }
    for (metric, patterns) in monitor.get_metric_patterns().await {
        for pattern in patterns {
            println!("{metric}: {} ({})", pattern.found.pattern.name(), pattern.found.evidence);
        }
    }
    match monitor.forecast("iops", Duration::from_secs(1)).await {
        Ok(made) => {
            if let Some(last) = made.forecast.steps.last() {
                println!(
                    "iops in one second: {:.0}, 80 % within {:.0} to {:.0}",
                    last.value, last.low, last.high
                );
            }
        }
        Err(reason) => println!("no forecast: {reason}"),
    }
    for alert in monitor.alert_book().open {
        println!(
            "{} of {} since {:?}: {}",
            alert.category.name(),
            alert.metric,
            alert.opened,
            alert.evidence
        );
    }
    println!("{} lines for Prometheus", monitor.openmetrics().lines().count());
    drop(file);
    runtime.shutdown(Duration::from_secs(5)).await;
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
