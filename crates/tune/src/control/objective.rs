//! One number for how well a period went.

use super::config::Weights;
use crate::snapshot::sane;
use crate::{Snapshot, Targets};

/// A figure above its target counts this much of its weight: what is good enough leaves room for the rest.
const ABOVE_TARGET: f64 = 0.25;
/// A figure below its target counts this much of its weight.
const BELOW_TARGET: f64 = 2.0;

/// Scores periods by several objectives. Scores are on a logarithmic scale: a difference of 0.01 is one per cent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Objective {
    pub(crate) weights: Weights,
    pub(crate) targets: Targets,
}

impl Objective {
    /// The weighted sum of the logarithms of the figures, each as it compares with its target. A figure without a measurement
    /// counts nothing.
    pub(crate) fn score(&self, snapshot: &Snapshot) -> f64 {
        let Weights { throughput, latency, cpu, memory, space } = self.weights;
        let targets = &self.targets;
        let micros = |duration: std::time::Duration| duration.as_secs_f64() * 1e6;
        let latency_target = targets.latency.map(micros);
        let (iops, bps) = (snapshot.iops(), snapshot.throughput_bps());
        let halves = if bps > 0.0 { (0.5, 0.5) } else { (1.0, 0.0) };
        let terms = [
            more(throughput * halves.0, iops, targets.iops),
            more(throughput * halves.1, bps, targets.throughput_bps),
            // A target is for the tail; the median only gets better or worse.
            -more(latency * 0.5, micros(snapshot.latency_p50), None),
            less(latency * 0.5, micros(snapshot.latency_p99), latency_target),
            less(cpu, snapshot.cpu_us_per_op(), targets.cpu_us_per_op),
            less(memory, snapshot.memory_bytes as f64, targets.memory_bytes.map(|bytes| bytes as f64)),
            more(space, snapshot.compression_ratio().unwrap_or(0.0), None),
            // An operation that failed did nothing.
            throughput * (1.0 - snapshot.error_rate()).max(1e-3).ln(),
        ];
        sane(terms.iter().sum(), -1e3, 1e3)
    }
}

/// The term of a figure of which more is better.
fn more(weight: f64, value: f64, target: Option<f64>) -> f64 {
    if !(value > 0.0 && value.is_finite()) {
        return 0.0;
    }
    match target {
        None => weight * value.ln(),
        Some(target) => {
            let above = (value / target).ln();
            weight * above * if above < 0.0 { BELOW_TARGET } else { ABOVE_TARGET }
        }
    }
}

/// The term of a figure of which less is better.
fn less(weight: f64, value: f64, target: Option<f64>) -> f64 {
    more(weight, 1.0 / value.max(f64::MIN_POSITIVE), target.map(|target| 1.0 / target))
        * f64::from(u8::from(value > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn period(iops: u64, latency_us: u64) -> Snapshot {
        Snapshot {
            period: Duration::from_secs(1),
            reads: iops,
            read_bytes: iops * 4096,
            latency_p50: Duration::from_micros(latency_us),
            latency_p99: Duration::from_micros(latency_us * 5),
            ..Snapshot::default()
        }
    }

    fn objective(targets: Targets) -> Objective {
        Objective { weights: Weights::default(), targets }
    }

    #[test]
    fn a_closed_loop_one_per_cent_faster_scores_one_per_cent_more() {
        let objective = objective(Targets::default());
        let gain = objective.score(&period(101_000, 10_000)) - objective.score(&period(100_000, 10_100));
        assert!((gain - 0.00995).abs() < 1e-4, "{gain}");
    }

    #[test]
    fn what_is_good_enough_counts_less_than_what_is_not() {
        let slow = objective(Targets { latency: Some(Duration::from_micros(100)), ..Targets::default() });
        let gain = |from, to| slow.score(&period(1000, to)) - slow.score(&period(1000, from));
        assert!(gain(1000, 900) > 2.0 * gain(10, 9), "{} {}", gain(1000, 900), gain(10, 9));
        assert!(gain(10, 9) > 0.0, "better is better");
    }

    #[test]
    fn failures_and_nonsense_do_not_score() {
        let objective = objective(Targets::default());
        let failing = Snapshot { errors: 500, ..period(1000, 10) };
        assert!(objective.score(&failing) < objective.score(&period(1000, 10)) - 0.3);
        assert!(objective.score(&Snapshot::default()).is_finite());
        let odd = Snapshot { period: Duration::ZERO, reads: u64::MAX, ..Snapshot::default() };
        assert!(objective.score(&odd).is_finite());
    }
}
