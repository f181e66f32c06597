//! Prints what reading ahead is worth on the block traces of a folder (`*.trace`, MQSim's format), with a cache of 64 MiB.
//!
//! `cargo run --release -p rustfs-rio-tune --example simulate -- FOLDER`
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use rustfs_rio_tune::{Access, PrefetchConfig, StreamPredictor, TraceFormat, requests, simulate};
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
        println!(" devices apart");
        compare(&accesses);
        println!(" devices as one range of addresses");
        compare(&accesses.iter().map(|&access| Access { space: 0, ..access }).collect::<Vec<_>>());
    }
    Ok(())
}

fn compare(accesses: &[Access]) {
    let plain = simulate(accesses, CACHE_BYTES, None);
    println!("  LRU alone: hit ratio {:.4}", plain.hit_ratio());
    for use_min in [0.2, 0.3, 0.4, 0.5, 0.55, 0.6] {
        let mut predictor = StreamPredictor::new(PrefetchConfig { use_min, ..PrefetchConfig::default() });
        let with = simulate(accesses, CACHE_BYTES, Some(&mut predictor));
        let extra = with.device_reads as f64 / plain.device_reads.max(1) as f64 - 1.0;
        println!(
            "  use_min {use_min:.2}: hit ratio {:.4}, read ahead {} of which used {:.4}, extra device reads {:+.4}",
            with.hit_ratio(),
            with.prefetched,
            with.used_share(),
            extra
        );
    }
}
