//! Precision and recall of detection on labelled series, and the time to each alert.
//!
//! `cargo run --release -p rustfs-rio-monitor --example detection_suite`

#![allow(clippy::print_stdout, reason = "an example talks to its user")]

#[allow(dead_code, missing_docs, unreachable_pub, reason = "shared with the test of the same name")]
#[path = "../tests/suite/mod.rs"]
mod suite;

/// Runs of the whole suite, with other noise each time.
const SEEDS: u64 = 5;

fn main() {
    let all = suite::suite();
    let (mut right, mut wrong, mut found, mut faults) = (0, 0, 0, 0);
    let mut delays = Vec::new();
    for seed in 1..=SEEDS {
        for (number, series) in all.iter().enumerate() {
            let verdict = suite::judge(series, seed * 1000 + number as u64);
            right += verdict.right;
            wrong += verdict.wrong;
            faults += u32::from(series.is_faulty());
            found += u32::from(verdict.delay.is_some());
            delays.extend(verdict.delay);
            if verdict.wrong > 0
                || verdict.right > 6
                || series.is_faulty() && verdict.delay.is_none_or(|delay| delay > 10)
            {
                println!("seed {seed}: {series:?}: {verdict:?}");
            }
        }
    }
    delays.sort_unstable();
    let at = |share: f64| delays.get((delays.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "{} series, {SEEDS} seeds: {faults} faults, {found} found; {right} right alerts, {wrong} wrong",
        all.len()
    );
    println!(
        "precision {:.4}, recall {:.4}",
        f64::from(right) / f64::from(right + wrong),
        f64::from(found) / f64::from(faults)
    );
    println!("intervals to the alert: p50 {}, p90 {}, p99 {}", at(0.5), at(0.9), at(0.99));
}
