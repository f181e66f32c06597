//! Prints what the predictors are worth on generated workloads: hit ratio, share used, and extra device reads, per predictor.
//!
//! `cargo run --release -p rustfs-rio-tune --example evaluate -- FIRST_SEED SEEDS [all]`; seeds from 100 on had no part in any choice.
#![allow(clippy::print_stdout, clippy::indexing_slicing, reason = "printing is what it is for")]

#[path = "../tests/suite/mod.rs"]
mod suite;
#[path = "../tests/workloads/mod.rs"]
mod workloads;

use rustfs_rio_tune::{
    Access, Feedback, PROPOSALS_MAX, PredictorSizes, PrefetchBounds, PrefetchOutcome, Prefetcher, Pressure,
    Simulation, SimulationConfig, Ticket, built_in, registry, simulate,
};
use std::time::Instant;
use workloads::{WORKLOADS, make};

fn main() {
    let number = |at| std::env::args().nth(at).and_then(|text| text.parse::<u64>().ok());
    let (first, count) = (number(1).unwrap_or(0), number(2).unwrap_or(1));
    let each = std::env::args().nth(3).is_some();
    println!(
        "{:<22} {:>6} | {:>6} {:>6} {:>7} {:>6} {:>6} {:>5} | issued blocks and share used by predictor",
        "workload", "plain", "hits", "used", "extra%", "wait%", "late%", "ns"
    );
    for (which, workload) in WORKLOADS.iter().enumerate() {
        for seed in first..first + count {
            let accesses = make(which, seed);
            let config = SimulationConfig {
                cache_bytes: 64 << 20,
                pace: workload.pace,
                ..SimulationConfig::default()
            };
            let plain = simulate(&accesses, &config, None);
            let mut sets = vec![None];
            if each {
                sets.extend(registry().iter().map(Some));
            }
            for set in sets {
                let sizes = PredictorSizes::default();
                let predictors = set.map_or_else(|| built_in(&sizes), |one| vec![(one.make)(&sizes)]);
                let make = |predictors| Prefetcher::with_predictors(PrefetchBounds::default(), predictors);
                let mut simulation = Simulation::new(config, Some(make(predictors)));
                for access in &accesses {
                    simulation.step(access);
                }
                let predictors = set.map_or_else(|| built_in(&sizes), |one| vec![(one.make)(&sizes)]);
                let took = cost(make(predictors), &accesses);
                let with = simulation.counts();
                let percent = |one: u64, base: u64| 100.0 * (one as f64 / base.max(1) as f64 - 1.0);
                print!(
                    "{:<22} {:>6.3} | {:>6.3} {:>6.3} {:>7.2} {:>6.1} {:>6.1} {:>5.0} |",
                    set.map_or(workload.name, |one| one.name),
                    plain.hit_ratio(),
                    with.hit_ratio(),
                    with.used_share(),
                    percent(with.device_reads, plain.device_reads),
                    percent(with.wait_ns, plain.wait_ns),
                    100.0 * with.late as f64 / with.hits.max(1) as f64,
                    took,
                );
                for source in simulation.sources().filter(|source| source.issued_bytes > 0) {
                    let share =
                        source.used_bytes as f64 / (source.used_bytes + source.wasted_bytes).max(1) as f64;
                    print!(" {} {} {share:.2}", source.name, source.issued_bytes >> 12);
                }
                println!();
            }
        }
    }
}

/// Nanoseconds per request for the plan alone, with every range used at once.
fn cost(mut prefetcher: Prefetcher, accesses: &[Access]) -> f64 {
    let start = Instant::now();
    for access in accesses {
        let plan = prefetcher.observe(std::hint::black_box(access), Pressure::None);
        let issued: ([_; PROPOSALS_MAX], usize) = {
            let mut tickets = [(Ticket::default(), 0); PROPOSALS_MAX];
            for (slot, prefetch) in tickets.iter_mut().zip(plan.issue()) {
                *slot = (prefetch.ticket, prefetch.range.len);
            }
            (tickets, plan.issue().len())
        };
        for &(ticket, bytes) in &issued.0[..issued.1] {
            prefetcher.feedback(&Feedback { ticket, outcome: PrefetchOutcome::Used, bytes });
        }
    }
    start.elapsed().as_nanos() as f64 / accesses.len() as f64
}
