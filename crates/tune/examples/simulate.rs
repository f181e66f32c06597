//! Prints what reading ahead is worth on the block traces of a folder (`*.trace`, MQSim's format), with a cache of 64 MiB.
//!
//! `cargo run --release -p rustfs-rio-tune --example simulate -- FOLDER`
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use rustfs_rio_tune::{
    Access, Pace, PrefetchBounds, Prefetcher, Simulation, SimulationConfig, TraceFormat, requests, simulate,
};
use std::error::Error;

const CACHE_BYTES: u64 = 64 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("expected one argument: a folder with *.trace files")?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "trace") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let accesses = requests(&text, TraceFormat::Mqsim).collect::<Result<Vec<_>, _>>()?;
        println!("{}: {} requests", path.display(), accesses.len());
        compare(&accesses);
        let (first, second) = accesses.split_at(accesses.len() / 2);
        println!(" first half");
        compare(first);
        println!(" second half");
        compare(second);
    }
    Ok(())
}

fn compare(accesses: &[Access]) {
    let config =
        SimulationConfig { cache_bytes: CACHE_BYTES, pace: Pace::Recorded(1.0), ..Default::default() };
    let plain = simulate(accesses, &config, None);
    println!("  LRU alone: hit ratio {:.4}, wait {:.1} ms", plain.hit_ratio(), plain.wait_ns as f64 / 1e6);
    for use_min in [0.4, 0.5, 0.53, 0.6] {
        let prefetcher = Prefetcher::new(PrefetchBounds { use_min, ..PrefetchBounds::default() });
        let mut simulation = Simulation::new(config, Some(prefetcher));
        for access in accesses {
            simulation.step(access);
        }
        let with = simulation.counts();
        let extra = with.device_reads as f64 / plain.device_reads.max(1) as f64 - 1.0;
        println!(
            "  use_min {use_min:.2}: hit ratio {:.4} ({} late), read ahead {} of which used {:.4}, extra device reads {:+.4}, wait {:.1} ms",
            with.hit_ratio(),
            with.late,
            with.prefetched,
            with.used_share(),
            extra,
            with.wait_ns as f64 / 1e6,
        );
        for source in simulation.sources() {
            println!("    {source:?}");
        }
    }
}
