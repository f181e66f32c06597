//! Prints how often the recogniser is right on the labelled suite, how sure it says it is, and what an access costs.
//!
//! `cargo run --release -p rustfs-rio-tune --example recognise`
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

#[path = "../tests/suite/mod.rs"]
mod suite;

use rustfs_rio_tune::Recogniser;
use std::collections::BTreeMap;
use std::time::Instant;
use suite::{GENERATORS, generate, judge};

/// Seeds of the tests start at 1,000.
const SEEDS: u64 = 20;

fn main() {
    let mut by_confidence: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    println!("{:<32} {:>8} {:>8}", "generator", "after 64", "all");
    for (which, name) in GENERATORS.iter().enumerate() {
        let (mut late, mut late_right, mut all, mut all_right) = (0_u64, 0_u64, 0_u64, 0_u64);
        let share_of_one = 1.0 / generate(which, 0).len() as f64;
        for judged in (0..SEEDS).flat_map(|seed| judge(which, seed)) {
            let right = u64::from(judged.right);
            all += 1;
            all_right += right;
            if judged.before >= 64 {
                late += 1;
                late_right += right;
            }
            let cell = by_confidence.entry(judged.verdict.evidence()).or_default();
            // Each generator counts alike, however many requests it makes.
            cell.0 += share_of_one * 1000.0;
            cell.1 += share_of_one * 1000.0 * right as f64;
        }
        let share = |right: u64, of: u64| right as f64 / of.max(1) as f64;
        println!("{name:<32} {:>8.4} {:>8.4}", share(late_right, late), share(all_right, all));
    }
    for (cell, (count, right)) in &by_confidence {
        println!("{cell:<40} {count:>8.0} {:.3}", right / count);
    }
    println!("bytes per stream: {}", Recogniser::new(256, 16).bytes_per_stream());
    for (which, name) in GENERATORS.iter().enumerate() {
        let accesses: Vec<_> = (0..4).flat_map(|seed| generate(which, seed)).map(|l| l.access).collect();
        let mut recogniser = Recogniser::new(256, 16);
        let rounds = 400_000 / accesses.len();
        let start = Instant::now();
        let sure: f32 = (0..rounds)
            .flat_map(|_| &accesses)
            .map(|access| recogniser.observe(std::hint::black_box(access)).confidence)
            .sum();
        let each = start.elapsed().as_nanos() as f64 / (rounds * accesses.len()) as f64;
        println!(
            "{name:<32} {each:>6.1} ns per access (mean confidence {:.2})",
            sure / (rounds * accesses.len()) as f32
        );
    }
}
