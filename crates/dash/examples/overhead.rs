//! What an open dashboard with two clients costs the cached 4 KiB benchmark: throughput with and without, interleaved.
//!
//! `cargo run --release -p rustfs-rio-dash --example overhead`

use rustfs_rio::{
    AdvancedPerformanceMonitor, AlignedBuf, DiskFile, OpenOptions, PerformanceMonitorConfig, RuntimeConfig,
    RuntimeHandle, init_runtime_with_config,
};
use rustfs_rio_dash::{Dashboard, Watched};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TASKS: u64 = 32;
const SIZE: u64 = 64 << 20;
const BLOCK: u64 = 4096;
const RUN: Duration = Duration::from_secs(3);
const ROUNDS: usize = 7;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir_in(".")?;
    let monitor = Arc::new(AdvancedPerformanceMonitor::new(PerformanceMonitorConfig::default()));
    let runtime = init_runtime_with_config(RuntimeConfig {
        recorder: Some(monitor.recorder()),
        ..RuntimeConfig::default()
    })?;
    let options = OpenOptions::new().read(true).write(true).create(true);
    let file = Arc::new(DiskFile::open_with(directory.path().join("data"), &options, &runtime).await?);
    for at in 0..SIZE >> 20 {
        file.write_from(vec![at as u8; 1 << 20], at << 20).await.0?;
    }
    let mut ratios = Vec::new();
    load(&file).await;
    for round in 0..ROUNDS {
        // Which comes first changes, so that neither has the warmer machine.
        let (without, with) = if round % 2 == 0 {
            let without = load(&file).await;
            (without, watched(&runtime, &monitor, &file).await?)
        } else {
            let with = watched(&runtime, &monitor, &file).await?;
            (load(&file).await, with)
        };
        ratios.push(with / without);
        writeln!(
            std::io::stdout(),
            "without {without:.0}/s, with dashboard and two clients {with:.0}/s: {:+.2} %",
            (with / without - 1.0) * 100.0
        )?;
    }
    ratios.sort_by(f64::total_cmp);
    writeln!(std::io::stdout(), "median {:+.2} %", (ratios[ROUNDS / 2] - 1.0) * 100.0)?;
    drop(file);
    runtime.shutdown(Duration::from_secs(5)).await;
    monitor.shutdown().await;
    Ok(())
}

/// Reads per second with a dashboard that two clients follow.
async fn watched(
    runtime: &RuntimeHandle,
    monitor: &Arc<AdvancedPerformanceMonitor>,
    file: &Arc<DiskFile>,
) -> Result<f64, Box<dyn std::error::Error>> {
    let server = Dashboard::new(&Watched::new(runtime, monitor)).serve("127.0.0.1:0").await?;
    let mut clients = Vec::new();
    for panel in ["overview", "latency"] {
        let mut stream = tokio::net::TcpStream::connect(server.address()).await?;
        let request = format!("GET /api/v1/stream?panel={panel} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        clients.push(tokio::spawn(async move {
            let mut bytes = vec![0; 64 << 10];
            while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
        }));
    }
    let rate = load(file).await;
    server.shutdown().await;
    for client in clients {
        client.await?;
    }
    Ok(rate)
}

async fn load(file: &Arc<DiskFile>) -> f64 {
    let began = Instant::now();
    let task = |number: u64| {
        let file = Arc::clone(file);
        tokio::spawn(async move {
            let (mut done, mut state) = (0u64, number + 1);
            let Ok(mut buffer) = AlignedBuf::with_capacity(BLOCK as usize) else { return 0 };
            while began.elapsed() < RUN {
                for _ in 0..64 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let offset = (state >> 33) % (SIZE / BLOCK) * BLOCK;
                    let (result, back) = file.read_into(buffer, offset).await;
                    buffer = back;
                    done += u64::from(result.is_ok());
                }
            }
            done
        })
    };
    let tasks: Vec<_> = (0..TASKS).map(task).collect();
    let mut total = 0;
    for task in tasks {
        total += task.await.unwrap_or(0);
    }
    total as f64 / began.elapsed().as_secs_f64()
}
