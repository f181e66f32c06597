//! What one decision period looked like, and what is wanted.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The measurements of one decision period. Whoever has no measurement for a field leaves its [`Default`], zero.
///
/// A field may hold anything: numbers that make no sense (not a number, negative, infinite, a hit count above its lookups) are
/// read as the nearest that does.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Length of the period.
    pub period: Duration,
    /// Reads that completed.
    pub reads: u64,
    /// Writes that completed.
    pub writes: u64,
    /// Syncs that completed.
    pub syncs: u64,
    /// Other operations that completed.
    pub others: u64,
    /// Operations that failed, counted above as well.
    pub errors: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Median latency of the operations.
    pub latency_p50: Duration,
    /// 99th percentile of the latency.
    pub latency_p99: Duration,
    /// CPU time the process used.
    pub cpu: Duration,
    /// Memory the process holds at the end of the period, in bytes.
    pub memory_bytes: u64,
    /// Mean number of operations accepted and not completed.
    pub in_flight_mean: f64,
    /// Mean number of operations in the kernel.
    pub queue_depth: f64,
    /// Share of the requests that continued a stream, 0 to 1.
    pub sequential_share: f64,
    /// Standard deviation of the gaps between requests divided by their mean: 0 regular, 1 Poisson, above in bursts.
    pub burstiness: f64,
    /// Blocks asked of the cache.
    pub cache_lookups: u64,
    /// Blocks it had.
    pub cache_hits: u64,
    /// Bytes read ahead that were then asked for.
    pub prefetch_used_bytes: u64,
    /// Bytes read ahead and dropped without use.
    pub prefetch_wasted_bytes: u64,
    /// Bytes handed to a compressor.
    pub compress_in_bytes: u64,
    /// Bytes that came out of it.
    pub compress_out_bytes: u64,
    /// How short memory is, 0 to 1: share of time in which tasks stall for it (PSI `some`), or of the control group's limit
    /// that is used above nine tenths.
    pub pressure: f64,
}

impl Snapshot {
    /// Operations that completed.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.reads.saturating_add(self.writes).saturating_add(self.syncs).saturating_add(self.others)
    }

    /// Bytes read and written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.read_bytes.saturating_add(self.write_bytes)
    }

    /// Operations a second; 0 for an empty period.
    #[must_use]
    pub fn iops(&self) -> f64 {
        ratio(self.operations() as f64, self.period.as_secs_f64())
    }

    /// Bytes a second; 0 for an empty period.
    #[must_use]
    pub fn throughput_bps(&self) -> f64 {
        ratio(self.bytes() as f64, self.period.as_secs_f64())
    }

    /// Microseconds of CPU for each operation; 0 without operations.
    #[must_use]
    pub fn cpu_us_per_op(&self) -> f64 {
        ratio(self.cpu.as_secs_f64() * 1e6, self.operations() as f64)
    }

    /// Share of the operations that failed, 0 to 1.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        share(self.errors, self.operations())
    }

    /// Share of the cache's lookups that hit, 0 to 1; 0 without lookups.
    #[must_use]
    pub fn cache_hit_rate(&self) -> f64 {
        share(self.cache_hits, self.cache_lookups)
    }

    /// Share of the bytes read ahead that was used, 0 to 1; `None` while nothing was read ahead.
    #[must_use]
    pub fn prefetch_used_share(&self) -> Option<f64> {
        let all = self.prefetch_used_bytes.saturating_add(self.prefetch_wasted_bytes);
        (all > 0).then(|| share(self.prefetch_used_bytes, all))
    }

    /// Bytes into the compressor for each byte out of it; `None` while nothing was compressed.
    #[must_use]
    pub fn compression_ratio(&self) -> Option<f64> {
        let (before, after) = (self.compress_in_bytes, self.compress_out_bytes);
        (before > 0 && after > 0).then(|| before as f64 / after as f64)
    }

    /// The features by which workloads are told apart.
    #[must_use]
    pub fn signature(&self) -> WorkloadSignature {
        let transfers = self.reads.saturating_add(self.writes);
        let mean_size = ratio(self.bytes() as f64, transfers as f64);
        let quarters = |value: f64| (value.max(1.0).log2() * 4.0).round().min(255.0) as u8;
        let parts = |share: f64| (sane(share, 0.0, 1.0) * 64.0).round() as u8;
        WorkloadSignature {
            request_size: quarters(mean_size),
            in_flight: quarters(sane(self.in_flight_mean, 0.0, 1e9)),
            read_share: parts(share(self.reads, transfers)),
            sync_share: parts(share(self.syncs, self.operations())),
            sequential_share: parts(self.sequential_share),
            burstiness: parts(sane(self.burstiness, 0.0, 8.0) / 8.0),
        }
    }
}

/// What a service wants of its I/O. What is `None` has no target, and only better or worse counts.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Targets {
    /// 99th percentile of the latency, at most.
    pub latency: Option<Duration>,
    /// Bytes a second, at least.
    pub throughput_bps: Option<f64>,
    /// Operations a second, at least.
    pub iops: Option<f64>,
    /// Memory of the process in bytes, at most.
    pub memory_bytes: Option<u64>,
    /// CPU for each operation in microseconds, at most.
    pub cpu_us_per_op: Option<f64>,
}

/// What kind of workload a period belongs to: a point in a space in which near ones want the same settings.
///
/// Stored as whole numbers, so that it is a key and its bytes are the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkloadSignature {
    /// Mean size of a transfer: four times the binary logarithm of its bytes.
    pub request_size: u8,
    /// Mean operations in flight: four times the binary logarithm.
    pub in_flight: u8,
    /// Reads among the transfers, in 64ths.
    pub read_share: u8,
    /// Syncs among the operations, in 64ths.
    pub sync_share: u8,
    /// Requests that continued a stream, in 64ths.
    pub sequential_share: u8,
    /// [`Snapshot::burstiness`], in eighths up to 8.
    pub burstiness: u8,
}

impl WorkloadSignature {
    /// Features in a signature.
    pub const FEATURES: usize = 6;

    /// Signatures nearer than this are the same workload: one doubling of the size, a quarter of the mix.
    pub const SAME: f64 = 1.0;

    /// The features in units of [`SAME`](Self::SAME).
    #[must_use]
    pub fn features(&self) -> [f64; Self::FEATURES] {
        let doublings = |quarters: u8| f64::from(quarters) / 4.0;
        let fourths = |parts: u8| f64::from(parts) / 16.0;
        [
            doublings(self.request_size),
            // How many wait changes with the settings themselves, so a workload is told by it only where it changes a lot.
            doublings(self.in_flight) / 2.0,
            fourths(self.read_share),
            fourths(self.sync_share),
            fourths(self.sequential_share),
            fourths(self.burstiness),
        ]
    }

    /// Distance to another signature, in units of [`SAME`](Self::SAME).
    #[must_use]
    pub fn distance(&self, other: &Self) -> f64 {
        let pairs = self.features().into_iter().zip(other.features());
        pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
    }

    /// As bytes, in the order of the fields.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; Self::FEATURES] {
        let Self { request_size, in_flight, read_share, sync_share, sequential_share, burstiness } = *self;
        [request_size, in_flight, read_share, sync_share, sequential_share, burstiness]
    }

    /// From [`to_bytes`](Self::to_bytes); any bytes are a signature.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::FEATURES]) -> Self {
        let [request_size, in_flight, read_share, sync_share, sequential_share, burstiness] = bytes;
        Self { request_size, in_flight, read_share, sync_share, sequential_share, burstiness }
    }
}

/// A number that makes sense: not a number is the lower bound.
pub(crate) fn sane(value: f64, min: f64, max: f64) -> f64 {
    if value.is_nan() { min } else { value.clamp(min, max) }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn share(part: u64, whole: u64) -> f64 {
    ratio(part as f64, whole as f64).min(1.0)
}
