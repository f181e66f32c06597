//! What a seed means: faults and workload of one schedule.

use rustfs_rio_engine::sim::{Faults, Rng};

/// Everything that is drawn before a schedule starts.
pub(crate) struct Plan {
    pub(crate) faults: Faults,
    pub(crate) rounds: usize,
    pub(crate) steps_per_round: usize,
    /// Probability that a future is dropped before its operation ended.
    pub(crate) drop: f64,
    /// Probability of a look at what a power loss would leave, each time the tasks had their turn.
    pub(crate) crash: f64,
    /// Bound on operations in flight.
    pub(crate) concurrency: usize,
}

impl Plan {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        // Each fault is absent from most schedules, so that combinations vary.
        let mut sometimes = |most: f64| {
            let level = rng.below(1000) as f64 / 1000.0 * most;
            if rng.chance(0.4) { level } else { 0.0 }
        };
        let faults = Faults {
            latency_max: sometimes(30.0) as u64,
            short: sometimes(0.5),
            interrupted: sometimes(0.2),
            would_block: sometimes(0.2),
            read_error: sometimes(0.05),
            write_error: sometimes(0.08),
            no_space: sometimes(0.05),
            sync_error: sometimes(0.3),
            sync_lie: if sometimes(1.0) > 0.8 { 0.3 } else { 0.0 },
            hang: sometimes(0.02),
            capacity: (sometimes(1.0) > 0.7).then_some(28 * 1024),
            open_files_max: (sometimes(1.0) > 0.5).then_some(3),
            no_fallocate: sometimes(1.0) > 0.5,
            lost_at_crash: sometimes(1.0),
            torn_at_crash: sometimes(1.0),
            script: Vec::new(),
        };
        Self {
            faults,
            rounds: rng.range(1, 5),
            steps_per_round: rng.range(4, 16),
            drop: if rng.chance(0.5) { 0.1 } else { 0.0 },
            crash: rng.below(100) as f64 / 1000.0,
            concurrency: if rng.chance(0.2) { rng.range(1, 4) } else { 64 },
        }
    }
}
