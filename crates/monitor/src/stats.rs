//! Live numbers: what happened in one collection interval.

use crate::operation::{Key, Operation, Path};
use crate::recorder::Snapshot;
use crate::system::SystemSample;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the service itself knows and a recorder cannot see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauges {
    /// Operations in flight now.
    pub in_flight: u64,
    /// Lookups of a cache that found something, since the start.
    pub cache_hits: u64,
    /// Lookups of a cache that found nothing, since the start.
    pub cache_misses: u64,
    /// Clients, or whatever the service counts as such.
    pub active_connections: u64,
}

/// Numbers of one interval. Rates are per second of the interval; latencies are in microseconds, within 1/64 of the exact value,
/// and zero where nothing was timed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RealTimeStats {
    /// End of the interval, in seconds since 1970.
    pub timestamp: u64,
    /// Reads and writes per second.
    pub iops: f64,
    /// Mean latency of reads and writes.
    pub avg_latency_us: f64,
    /// Median latency of reads and writes.
    pub p50_latency_us: f64,
    /// 95th percentile.
    pub p95_latency_us: f64,
    /// 99th percentile.
    pub p99_latency_us: f64,
    /// 99.9th percentile.
    pub p999_latency_us: f64,
    /// The largest.
    pub max_latency_us: f64,
    /// Bytes read and written per second.
    pub throughput_bps: f64,
    /// Share of cache lookups that found something, 0 to 1; `NaN` never: without lookups it is 1, for nothing was missed.
    pub cache_hit_rate: f64,
    /// Resident memory of the process.
    pub memory_usage_bytes: u64,
    /// CPU time of the process, in percent of one CPU.
    pub cpu_utilization_pct: f64,
    /// Operations in flight: on average over the interval (their latencies divided by its length, Little's law), or at its end if
    /// that is more. Those on the calling task do not queue and are left out.
    pub queue_depth: u32,
    /// Failed operations in percent of all; [composite](Operation::is_composite) ones do not count.
    pub error_rate: f64,
    /// As the service reports it.
    pub active_connections: u32,
}

impl RealTimeStats {
    /// The numbers of an interval that ended at `timestamp` and took `elapsed`: `counted` in it, with gauges and system values at
    /// its beginning and its end. An interval without length has no rates.
    #[must_use]
    pub fn new(
        timestamp: u64,
        elapsed: Duration,
        counted: &Snapshot,
        gauges: [&Gauges; 2],
        system: [&SystemSample; 2],
    ) -> Self {
        let seconds = elapsed.as_secs_f64();
        let rate = |amount: f64| if seconds > 0.0 { amount / seconds } else { 0.0 };
        let transfers = counted.totals(|key| matches!(key.operation, Operation::Read | Operation::Write));
        let all = counted.totals(|key| !key.operation.is_composite());
        let queues = |key: Key| {
            let is_queued = !matches!(key.path, Path::Inline | Path::Cache);
            is_queued && !key.operation.is_composite()
        };
        let queued = counted.totals(queues);
        let [p50, p95, p99, p999, max] = transfers
            .latency
            .quantiles([0.5, 0.95, 0.99, 0.999, 1.0])
            .map(|latency| latency.as_secs_f64() * 1e6);
        let [before, after] = gauges;
        let hits = after.cache_hits.saturating_sub(before.cache_hits);
        let misses = after.cache_misses.saturating_sub(before.cache_misses);
        let cpu = match (system[0].cpu_seconds, system[1].cpu_seconds) {
            (Some(before), Some(after)) => rate((after - before).max(0.0)) * 100.0,
            _ => 0.0,
        };
        let mean_in_flight = rate(queued.latency.sum_seconds()).round() as u64;
        Self {
            timestamp,
            iops: rate(transfers.operations as f64),
            avg_latency_us: transfers.latency.mean_seconds().unwrap_or(0.0) * 1e6,
            p50_latency_us: p50,
            p95_latency_us: p95,
            p99_latency_us: p99,
            p999_latency_us: p999,
            max_latency_us: max,
            throughput_bps: rate(transfers.bytes as f64),
            cache_hit_rate: if hits + misses > 0 { hits as f64 / (hits + misses) as f64 } else { 1.0 },
            memory_usage_bytes: system[1].resident_bytes.unwrap_or(0),
            cpu_utilization_pct: cpu,
            queue_depth: u32::try_from(mean_in_flight.max(after.in_flight)).unwrap_or(u32::MAX),
            error_rate: if all.operations > 0 {
                all.errors as f64 * 100.0 / all.operations as f64
            } else {
                0.0
            },
            active_connections: u32::try_from(after.active_connections).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{ErrorClass, FileClass};
    use crate::recorder::{Ended, Recorder};

    fn near(value: f64, exact: f64) -> bool {
        (value - exact).abs() <= exact / 64.0
    }

    #[test]
    fn numbers_of_an_interval() {
        let recorder = Recorder::new();
        let read = Key::new(Operation::Read, Path::Ring, FileClass::Data);
        for micros in 1..=1000 {
            recorder.record(read, Ended::well(4096), Duration::from_micros(micros));
        }
        let write = Key::new(Operation::Write, Path::Blocking, FileClass::Data);
        recorder.record(write, Ended::badly(0, ErrorClass::Device), Duration::from_micros(500));
        let gauges = [
            &Gauges { cache_hits: 10, cache_misses: 10, ..Gauges::default() },
            &Gauges { cache_hits: 40, cache_misses: 20, in_flight: 0, active_connections: 3 },
        ];
        let system = [
            &SystemSample { cpu_seconds: Some(10.0), ..SystemSample::default() },
            &SystemSample {
                cpu_seconds: Some(11.5),
                resident_bytes: Some(1 << 20),
                ..SystemSample::default()
            },
        ];
        let stats = RealTimeStats::new(77, Duration::from_millis(500), &recorder.snapshot(), gauges, system);
        assert_eq!((stats.timestamp, stats.active_connections), (77, 3));
        assert_eq!((stats.iops, stats.throughput_bps), (2002.0, 8_192_000.0));
        assert!(near(stats.p50_latency_us, 500.0) && near(stats.p99_latency_us, 990.0), "{stats:?}");
        assert!(near(stats.max_latency_us, 1000.0) && near(stats.avg_latency_us, 500.5), "{stats:?}");
        assert_eq!((stats.cache_hit_rate, stats.cpu_utilization_pct), (0.75, 300.0));
        assert_eq!(stats.memory_usage_bytes, 1 << 20);
        assert!(near(stats.error_rate, 100.0 / 1001.0));
        // A second of latency in half a second: one operation in flight on average.
        assert_eq!(stats.queue_depth, 1);
    }

    #[test]
    fn an_empty_interval_divides_by_nothing() {
        let (gauges, system) = (Gauges::default(), SystemSample::default());
        let stats = RealTimeStats::new(0, Duration::ZERO, &Snapshot::default(), [&gauges; 2], [&system; 2]);
        assert_eq!(stats, RealTimeStats { cache_hit_rate: 1.0, ..RealTimeStats::default() });
    }
}
