//! The replay on a model of cache and device.

use rustfs_rio_tune::{BLOCK_BYTES, Simulation};

use super::args::ReplayArgs;
use super::input::TraceReader;
use super::progress::Progress;
use super::record::Record;

/// Runs the trace once, through one simulation for each of the predictors; they do not see each other.
pub(super) fn run(
    args: &ReplayArgs,
    trace: &mut TraceReader,
    predictors: &[&str],
) -> anyhow::Result<Vec<Record>> {
    let config = args.simulation(trace.format());
    let mut runs: Vec<_> =
        predictors.iter().map(|name| Simulation::new(config, args.prefetcher(name))).collect();
    let mut progress = Progress::new();
    let mut left = args.requests.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(access) = trace.next().transpose()? else { break };
        for run in &mut runs {
            run.step(&access);
        }
        progress.step(trace);
        left -= 1;
    }
    let record = |(name, run): (&&str, &Simulation)| {
        let counts = run.counts();
        Record {
            trace: args.trace.display().to_string(),
            format: trace.format().name(),
            simulated: true,
            predictor: (*name).to_owned(),
            requests: counts.requests,
            cache_bytes: config.cache_bytes,
            policy: config.policy.name().to_owned(),
            block_bytes: BLOCK_BYTES,
            read_blocks: counts.reads,
            hit_blocks: counts.hits,
            late_blocks: counts.late,
            prefetch_issued_blocks: counts.prefetched,
            prefetch_used_blocks: counts.used,
            device_read_bytes: counts.device_reads * BLOCK_BYTES,
            device_write_bytes: counts.device_writes * BLOCK_BYTES,
            demand_wait_us_total: counts.wait_ns as f64 / 1e3,
            sources: run.sources().collect(),
        }
    };
    Ok(predictors.iter().zip(&runs).map(record).collect())
}
