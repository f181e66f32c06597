//! Measurements of a decision period that a program reports itself.

use rustfs_rio_tune::Snapshot;
use std::time::Duration;

/// Latencies kept for the percentiles of a period; of more, every second, fourth and so on.
const LATENCIES_MAX: usize = 4096;

#[derive(Default)]
pub(super) struct Period {
    began: Duration,
    reads: u64,
    writes: u64,
    /// Sum of the reported bytes a second, by kind.
    read_bps: f64,
    write_bps: f64,
    latencies_us: Vec<f64>,
    /// One in so many latencies is kept.
    every: u64,
}

impl Period {
    pub(super) fn observe(&mut self, name: &str, latency_us: f64, throughput_bps: f64) {
        let sound = |value: f64| value.is_finite() && value >= 0.0;
        if !sound(latency_us) || !sound(throughput_bps) {
            return;
        }
        let (count, bps) = if name.contains("write") {
            (&mut self.writes, &mut self.write_bps)
        } else {
            (&mut self.reads, &mut self.read_bps)
        };
        *count += 1;
        *bps += throughput_bps;
        if (self.reads + self.writes).is_multiple_of(self.every.max(1)) {
            self.latencies_us.push(latency_us);
        }
        if self.latencies_us.len() == LATENCIES_MAX {
            let mut keep = false;
            self.latencies_us.retain(|_| {
                keep = !keep;
                keep
            });
            self.every = self.every.max(1) * 2;
        }
    }

    /// The period as a snapshot, if it is over and anything was reported. The bytes are the mean of the reported rates over its length.
    pub(super) fn end(&mut self, now: Duration, interval: Duration) -> Option<Snapshot> {
        let length = now.saturating_sub(self.began);
        if self.reads + self.writes == 0 || length < interval {
            return None;
        }
        let period = std::mem::take(self);
        self.began = now;
        let mut latencies = period.latencies_us;
        latencies.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let at = (share * latencies.len() as f64) as usize;
            let us = latencies.get(at.min(latencies.len().saturating_sub(1))).copied().unwrap_or_default();
            Duration::from_secs_f64(us.min(1e15) / 1e6)
        };
        let count = (period.reads + period.writes) as f64;
        let bytes = |bps: f64| (bps / count * length.as_secs_f64()) as u64;
        let busy: f64 = latencies.iter().sum::<f64>() / latencies.len().max(1) as f64 / 1e6 * count;
        Some(Snapshot {
            period: length,
            reads: period.reads,
            writes: period.writes,
            read_bytes: bytes(period.read_bps),
            write_bytes: bytes(period.write_bps),
            latency_p50: quantile(0.5),
            latency_p99: quantile(0.99),
            // Little's law.
            in_flight_mean: busy / length.as_secs_f64().max(1e-9),
            burstiness: 1.0,
            ..Snapshot::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_survive_thinning_and_nonsense_is_left_out() {
        let mut period = Period::default();
        for n in 0..100_000 {
            period.observe("read", f64::from(n % 1000), 1e6);
            period.observe("write", f64::NAN, 1e6);
            period.observe("write", 1.0, f64::INFINITY);
        }
        assert!(period.latencies_us.len() < LATENCIES_MAX);
        assert!(period.end(Duration::from_secs(1), Duration::from_secs(5)).is_none());
        let snapshot = period.end(Duration::from_secs(10), Duration::from_secs(5)).unwrap();
        assert_eq!((snapshot.reads, snapshot.writes, snapshot.read_bytes), (100_000, 0, 10_000_000));
        assert!(snapshot.latency_p50.abs_diff(Duration::from_micros(500)) < Duration::from_micros(20));
        assert!(snapshot.latency_p99.abs_diff(Duration::from_micros(990)) < Duration::from_micros(10));
        assert!(period.end(Duration::from_secs(20), Duration::from_secs(5)).is_none(), "nothing since");
    }
}
