//! One stretch of time in the history: what can be merged without loss, and its bytes.
//!
//! Format, version 1. All numbers are LEB128 unless said otherwise:
//!
//! ```text
//! version (one byte, 1) | end, seconds since 1970 | length, milliseconds | transfers | bytes | operations | errors
//! | five gauges, each: count, and if it is not 0: minimum, maximum, sum as IEEE 754 doubles, little-endian
//! | latency histogram, to the end: pairs of gap and count per filled bucket
//! ```

use crate::histogram::{Histogram, HistogramError, put_number, take_number};
use crate::operation::Operation;
use crate::recorder::Snapshot;
use crate::stats::RealTimeStats;
use std::time::Duration;

const VERSION: u8 = 1;
const GAUGES: usize = 5;

/// Smallest, largest and mean of a value over time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Extent {
    /// Values seen.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    sum: f64,
}

impl Extent {
    fn of(value: f64) -> Self {
        if value.is_finite() {
            Self { count: 1, min: value, max: value, sum: value }
        } else {
            Self::default()
        }
    }

    fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        self.count = self.count.saturating_add(other.count);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
    }

    /// The mean; 0 if no value was seen.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.count > 0 { self.sum / self.count as f64 } else { 0.0 }
    }
}

/// What happened in one stretch of time. Merging neighbours gives what a longer stretch would have recorded: sums, extremes and
/// whole distributions, never averages of percentiles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// The end of the stretch, in seconds since 1970.
    pub end: u64,
    /// Its length.
    pub elapsed: Duration,
    /// Reads and writes.
    pub transfers: u64,
    /// Bytes they moved.
    pub bytes: u64,
    /// Operations of all kinds.
    pub operations: u64,
    /// Those that failed.
    pub errors: u64,
    /// Latencies of reads and writes.
    pub latency: Histogram,
    /// Operations in flight.
    pub queue_depth: Extent,
    /// Share of cache lookups that found something.
    pub cache_hit_rate: Extent,
    /// CPU time in percent of one CPU.
    pub cpu_pct: Extent,
    /// Resident memory, in bytes.
    pub memory_bytes: Extent,
    /// Connections, as the service counts them.
    pub connections: Extent,
}

/// Why bytes are not a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// Of another version.
    #[error(
        "the sample has version {found}, this program reads version 1; use the program that wrote the file, or remove it"
    )]
    Version {
        /// The version found.
        found: u8,
    },
    /// Cut short.
    #[error("the sample is cut short; it is left out")]
    Truncated,
    /// A gauge that is no finite number, or whose extremes contradict each other.
    #[error("a gauge of the sample is damaged; the sample is left out")]
    Gauge,
    /// The histogram is damaged.
    #[error(transparent)]
    Latency(#[from] HistogramError),
}

impl Sample {
    /// The sample of one interval.
    #[must_use]
    pub fn new(elapsed: Duration, counted: &Snapshot, stats: &RealTimeStats) -> Self {
        let transfers = counted.totals(|key| matches!(key.operation, Operation::Read | Operation::Write));
        let all = counted.totals(|key| !key.operation.is_composite());
        Self {
            end: stats.timestamp,
            elapsed,
            transfers: transfers.operations,
            bytes: transfers.bytes,
            operations: all.operations,
            errors: all.errors,
            latency: transfers.latency,
            queue_depth: Extent::of(f64::from(stats.queue_depth)),
            cache_hit_rate: Extent::of(stats.cache_hit_rate),
            cpu_pct: Extent::of(stats.cpu_utilization_pct),
            memory_bytes: Extent::of(stats.memory_usage_bytes as f64),
            connections: Extent::of(f64::from(stats.active_connections)),
        }
    }

    /// Adds a neighbour in time.
    pub fn merge(&mut self, other: &Self) {
        self.end = self.end.max(other.end);
        self.elapsed = self.elapsed.saturating_add(other.elapsed);
        self.transfers = self.transfers.saturating_add(other.transfers);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.operations = self.operations.saturating_add(other.operations);
        self.errors = self.errors.saturating_add(other.errors);
        self.latency.merge(&other.latency);
        let theirs = other.gauges();
        self.gauges_mut().into_iter().zip(theirs).for_each(|(mine, theirs)| mine.merge(&theirs));
    }

    fn gauges(&self) -> [Extent; GAUGES] {
        [self.queue_depth, self.cache_hit_rate, self.cpu_pct, self.memory_bytes, self.connections]
    }

    fn gauges_mut(&mut self) -> [&mut Extent; GAUGES] {
        [
            &mut self.queue_depth,
            &mut self.cache_hit_rate,
            &mut self.cpu_pct,
            &mut self.memory_bytes,
            &mut self.connections,
        ]
    }

    /// The numbers of the stretch: rates over its length, percentiles of all its latencies, means of its gauges.
    #[must_use]
    pub fn stats(&self) -> RealTimeStats {
        let seconds = self.elapsed.as_secs_f64();
        let rate = |amount: u64| if seconds > 0.0 { amount as f64 / seconds } else { 0.0 };
        let [p50, p95, p99, p999, max] =
            self.latency.quantiles([0.5, 0.95, 0.99, 0.999, 1.0]).map(|latency| latency.as_secs_f64() * 1e6);
        RealTimeStats {
            timestamp: self.end,
            iops: rate(self.transfers),
            avg_latency_us: self.latency.mean_seconds().unwrap_or(0.0) * 1e6,
            p50_latency_us: p50,
            p95_latency_us: p95,
            p99_latency_us: p99,
            p999_latency_us: p999,
            max_latency_us: max,
            throughput_bps: rate(self.bytes),
            cache_hit_rate: self.cache_hit_rate.mean(),
            memory_usage_bytes: self.memory_bytes.mean() as u64,
            cpu_utilization_pct: self.cpu_pct.mean(),
            queue_depth: self.queue_depth.mean().round() as u32,
            error_rate: if self.operations > 0 {
                self.errors as f64 * 100.0 / self.operations as f64
            } else {
                0.0
            },
            active_connections: self.connections.mean().round() as u32,
        }
    }

    /// The sample's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        let millis = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        let numbers = [self.end, millis, self.transfers, self.bytes, self.operations, self.errors];
        numbers.into_iter().for_each(|number| put_number(&mut out, number));
        for gauge in self.gauges() {
            put_number(&mut out, gauge.count);
            if gauge.count > 0 {
                [gauge.min, gauge.max, gauge.sum].iter().for_each(|part| out.extend(part.to_le_bytes()));
            }
        }
        self.latency.encode(&mut out);
        out
    }

    /// Reads a sample.
    ///
    /// # Errors
    ///
    /// [`SampleError`] for anything that [`encode`](Self::encode) does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, SampleError> {
        let (&version, mut rest) = bytes.split_first().ok_or(SampleError::Truncated)?;
        if version != VERSION {
            return Err(SampleError::Version { found: version });
        }
        let mut sample = Self { end: take_number(&mut rest)?, ..Self::default() };
        sample.elapsed = Duration::from_millis(take_number(&mut rest)?);
        let counts = [&mut sample.transfers, &mut sample.bytes, &mut sample.operations, &mut sample.errors];
        for count in counts {
            *count = take_number(&mut rest)?;
        }
        for gauge in sample.gauges_mut() {
            *gauge = take_gauge(&mut rest)?;
        }
        sample.latency = Histogram::decode(rest)?;
        Ok(sample)
    }
}

fn take_gauge(rest: &mut &[u8]) -> Result<Extent, SampleError> {
    let count = take_number(rest)?;
    if count == 0 {
        return Ok(Extent::default());
    }
    let mut number = || -> Result<f64, SampleError> {
        let (bytes, after) = rest.split_first_chunk::<8>().ok_or(SampleError::Truncated)?;
        *rest = after;
        Ok(f64::from_le_bytes(*bytes))
    };
    let gauge = Extent { count, min: number()?, max: number()?, sum: number()? };
    let is_sound =
        gauge.sum.is_finite() && gauge.min <= gauge.max && gauge.max.is_finite() && gauge.min.is_finite();
    if is_sound { Ok(gauge) } else { Err(SampleError::Gauge) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(end: u64, latencies: &[u64], depth: f64) -> Sample {
        let mut latency = Histogram::new();
        latencies.iter().for_each(|micros| latency.record(Duration::from_micros(*micros), 1));
        Sample {
            end,
            elapsed: Duration::from_secs(1),
            transfers: latencies.len() as u64,
            bytes: 4096 * latencies.len() as u64,
            operations: latencies.len() as u64 + 1,
            errors: 1,
            latency,
            queue_depth: Extent::of(depth),
            ..Sample::default()
        }
    }

    #[test]
    fn merged_percentiles_are_those_of_all_values() {
        // The average of the two medians would be 5000.5.
        let mut merged = sample(1, &[1; 99], 2.0);
        merged.merge(&sample(2, &[10_000; 100], 6.0));
        let stats = merged.stats();
        assert!((stats.p50_latency_us - 10_000.0).abs() < 160.0, "{stats:?}");
        assert_eq!((stats.timestamp, stats.iops, stats.queue_depth), (2, 99.5, 4));
        assert_eq!((merged.queue_depth.min, merged.queue_depth.max, merged.errors), (2.0, 6.0, 2));
    }

    #[test]
    fn damaged_bytes_are_named() {
        let bytes = sample(7, &[5, 6], 1.0).encode();
        assert_eq!(Sample::decode(&[]), Err(SampleError::Truncated));
        assert_eq!(Sample::decode(&[9, 1, 2]), Err(SampleError::Version { found: 9 }));
        for cut in 1..bytes.len() {
            // A cut between two buckets of the histogram leaves a sound sample with fewer values.
            if let Ok(shorter) = Sample::decode(&bytes[..cut]) {
                assert!(shorter.latency.count() < 2);
            }
        }
        let mut nan = bytes.clone();
        let place = nan.windows(8).position(|window| window == 1.0f64.to_le_bytes()).unwrap();
        nan[place..place + 8].copy_from_slice(&f64::NAN.to_le_bytes());
        assert_eq!(Sample::decode(&nan), Err(SampleError::Gauge));
    }

    proptest! {
        #[test]
        fn bytes_round_trip(end: u64, latencies in prop::collection::vec(0u64..1 << 40, 0..50), depth in 0.0f64..1e9) {
            let sample = sample(end, &latencies, depth);
            prop_assert_eq!(Sample::decode(&sample.encode()), Ok(sample));
        }

        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Sample::decode(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
                let _ = Sample::decode(&bytes);
            }
        }
    }
}
