//! Latencies by operation and path, and over time.

use super::Part;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Latencies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Latency {
    /// The time on the server.
    pub now: u64,
    /// Seconds that the table and the distributions cover.
    pub covers_s: u64,
    /// Rows per operation and path, the busiest first.
    pub rows: Part<Vec<LatencyRow>>,
    /// Latency over time.
    pub heat: Part<LatencyHeat>,
}

/// One operation on one path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LatencyRow {
    /// `read`, `write`, `sync`, `open`, `close`, `metadata`, `append` or another name of `rustfs_rio_monitor::Operation`.
    pub operation: String,
    /// `inline` (on the calling task), `ring`, `blocking`, `cache` or `other`.
    pub path: String,
    /// Operations that ended.
    pub count: u64,
    /// Per second.
    pub per_s: f64,
    /// Bytes moved per second.
    pub bps: f64,
    /// Those that failed.
    pub errors: u64,
    /// Mean latency.
    pub mean_us: f64,
    /// Median.
    pub p50_us: f64,
    /// 90th percentile.
    pub p90_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
    /// The largest.
    pub max_us: f64,
    /// How the latencies are spread.
    pub distribution: Distribution,
}

/// Counts per bucket of latency; buckets are half an octave wide.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Distribution {
    /// Upper bounds of the buckets.
    pub up_to_us: Vec<f64>,
    /// Latencies in each, as shares of all.
    pub share: Vec<f64>,
}

/// How many reads and writes took how long, and when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LatencyHeat {
    /// Ends of the columns.
    pub t: Vec<u64>,
    /// Upper bounds of the rows; half an octave each.
    pub up_to_us: Vec<f64>,
    /// Operations per second, one list per row.
    pub per_s: Vec<Vec<f64>>,
}
