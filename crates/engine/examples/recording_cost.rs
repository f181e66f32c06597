//! What recording costs where an operation is cheapest: reads of 4 KiB from the page cache, with a recorder and without, in turns.
//!
//! `cargo run --release -p rustfs-rio-engine --example recording_cost`

#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use rustfs_rio_engine::monitor::{Operation, Recorder};
use rustfs_rio_engine::{Engine, EngineConfig, File, OpenOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};

const BLOCK: u64 = 4096;
const BLOCKS: u64 = 16_384;
const ROUNDS: usize = 25;
const PASS: Duration = Duration::from_millis(300);

/// Operations per second of `tasks` tasks that read random blocks.
async fn pass(file: &File, tasks: u64) -> Result<f64, Box<dyn std::error::Error>> {
    let start = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let file = file.clone();
            tokio::spawn(async move {
                let mut random = (task + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                let mut buffer = Vec::with_capacity(BLOCK as usize);
                let mut done = 0u64;
                while done % 64 != 0 || start.elapsed() < PASS {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let (read, back) = file.read_at(buffer, random % BLOCKS * BLOCK).await;
                    read?;
                    buffer = back;
                    done += 1;
                }
                Ok::<u64, std::io::Error>(done)
            })
        })
        .collect();
    let mut total = 0;
    for task in running {
        total += task.await??;
    }
    Ok(total as f64 / start.elapsed().as_secs_f64())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("rio-recording-cost-{}", std::process::id()));
    std::fs::write(&path, vec![5; (BLOCK * BLOCKS) as usize])?;
    let recorder = Arc::new(Recorder::new());
    let without = Engine::new(EngineConfig::default())?;
    let with =
        Engine::new(EngineConfig { recorder: Some(Arc::clone(&recorder)), ..EngineConfig::default() })?;
    let options = OpenOptions::new().read(true);
    let files = [without.open(&path, &options).await?, with.open(&path, &options).await?];
    std::fs::remove_file(&path)?;
    for tasks in [1, 32] {
        let mut ratios = Vec::with_capacity(ROUNDS);
        let mut rates = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            let mut pair = [0.0; 2];
            // Who is first changes, so that a drift of the machine's favours neither.
            for turn in [round % 2, 1 - round % 2] {
                pair[turn] = pass(&files[turn], tasks).await?;
                rates[turn].push(pair[turn]);
            }
            ratios.push(pair[1] / pair[0]);
        }
        let [off, on] = rates.each_mut().map(|rates| median(rates));
        let kept = median(&mut ratios);
        println!("{tasks:>2} tasks: off {off:>9.0} ops/s, on {on:>9.0} ops/s, median of ratios {kept:.4}");
    }
    let reads = recorder.snapshot().operation(Operation::Read);
    let quantile = |share| reads.latency.quantile(share);
    println!(
        "recorded {} reads, {} bytes, p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?}",
        reads.operations,
        reads.bytes,
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        reads.latency.max()
    );
    Ok(())
}
