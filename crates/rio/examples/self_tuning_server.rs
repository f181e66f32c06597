//! A file server's inner loop that tunes itself: tasks read objects, and every decision is printed with what came of it.
//!
//! `cargo run --release -p rustfs-rio --example self_tuning_server [SECONDS]`, 5 seconds without a number.

#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use rustfs_rio::{
    AdvancedRioConfig, DiskFile, EnhancedRioRuntime, PredictiveOptimizerConfig,
    init_runtime_with_advanced_config,
};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

const OBJECT: u64 = 64 << 10;
const OBJECTS: u64 = 256;
const TASKS: u64 = 8;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(5), |text| text.parse())?;
    let started = Instant::now();
    let runtime = init_runtime_with_advanced_config(AdvancedRioConfig {
        predictive_config: PredictiveOptimizerConfig {
            // A service decides every half minute; somebody who watches wants to see more.
            optimization_update_interval: Duration::from_millis(200),
            ..Default::default()
        },
        ..Default::default()
    })
    .await?;
    println!("started in {:.1} ms", started.elapsed().as_secs_f64() * 1e3);

    let directory = tempfile::tempdir()?;
    let path = directory.path().join("objects");
    std::fs::write(&path, vec![7; (OBJECT * OBJECTS) as usize])?;
    let file = Arc::new(DiskFile::open(&path, runtime.base_runtime().clone()).await?);
    let until = Instant::now() + Duration::from_secs(seconds);
    let serve = |task: u64| tokio::spawn(serve(Arc::clone(&file), task, until));
    let mut bytes = 0;
    for task in (0..TASKS).map(serve).collect::<Vec<_>>() {
        bytes += task.await??;
    }
    println!("served {} MiB/s", bytes / seconds.max(1) / (1 << 20));
    tell(&runtime).await;
    drop(file);
    let report = runtime.shutdown(Duration::from_secs(5)).await;
    println!("ended {}", if report.is_clean() { "cleanly" } else { "with something left" });
    Ok(())
}

/// Reads one object after the other until the time is over; returns the bytes.
async fn serve(file: Arc<DiskFile>, task: u64, until: Instant) -> std::io::Result<u64> {
    let (mut bytes, mut object) = (0, task);
    while Instant::now() < until {
        bytes += file.read_range(object % OBJECTS * OBJECT, OBJECT).await?.len() as u64;
        object += TASKS;
    }
    Ok(bytes)
}

async fn tell(runtime: &EnhancedRioRuntime) {
    println!("\ndecisions:");
    for decision in runtime.decisions().iter().rev().take(8) {
        println!("  {decision}");
    }
    println!("\naccess patterns:");
    for (name, pattern) in runtime.access_patterns() {
        println!("  {name}: {:?}, confidence {:.2}", pattern.pattern_type, pattern.confidence);
    }
    println!("\nrecommendations:");
    for recommendation in runtime.get_optimization_recommendations().await {
        println!("  {recommendation}");
    }
    println!("\ntroubles: {:?}", runtime.troubles());
}
