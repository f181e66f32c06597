//! What recording costs where an operation is cheapest: reads of 4 KiB from the page cache, with a recorder and without, in turns.
//! A second engine without one shows how much of a difference is the machine's.
//!
//! `cargo run --release -p rustfs-rio-engine --example recording_cost`

#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use rustfs_rio_engine::monitor::{Operation, Recorder};
use rustfs_rio_engine::{Engine, EngineConfig, File, OpenOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};

const BLOCK: u64 = 4096;
const BLOCKS: u64 = 16_384;
const ROUNDS: usize = 101;
const PASS: Duration = Duration::from_millis(80);

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
                while !done.is_multiple_of(64) || start.elapsed() < PASS {
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
    let engine = |recorder: Option<&Arc<Recorder>>| {
        Engine::new(EngineConfig { recorder: recorder.cloned(), ..EngineConfig::default() })
    };
    let engines = [engine(None)?, engine(Some(&recorder))?, engine(None)?];
    let mut files = Vec::new();
    for engine in &engines {
        files.push(engine.open(&path, &OpenOptions::new().read(true)).await?);
    }
    std::fs::remove_file(&path)?;
    for tasks in [1, 32] {
        let mut base = Vec::new();
        let mut ratios = [const { Vec::new() }; 3];
        for round in 0..ROUNDS {
            let mut rates = [0.0; 3];
            // Who is first changes, so that a drift of the machine's favours none.
            for turn in 0..3 {
                let who = (round + turn) % 3;
                rates[who] = pass(&files[who], tasks).await?;
            }
            ratios.iter_mut().zip(rates).for_each(|(ratios, rate)| ratios.push(rate / rates[0]));
            base.push(rates[0]);
        }
        let [_, on, control] = ratios.each_mut().map(|ratios| median(ratios));
        println!(
            "{tasks:>2} tasks: {:>9.0} ops/s without; with a recorder {on:.4} of it, control without {control:.4}",
            median(&mut base)
        );
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
