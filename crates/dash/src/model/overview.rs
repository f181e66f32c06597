//! The first page: the state of the service in one glance.

use super::{Alert, Decision, Part};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of the service in one glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// The time on the server.
    pub now: u64,
    /// What runs.
    pub service: Service,
    /// Numbers of the latest interval.
    pub live: Part<Live>,
    /// What is well and what is not.
    pub checks: Vec<Check>,
    /// The history over the range that was asked for.
    pub history: Part<History>,
    /// Open alerts, the most severe first.
    pub alerts: Vec<Alert>,
    /// The latest decisions, newest first, at most five.
    pub decisions: Vec<Decision>,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// Name of the program.
    pub program: String,
    /// Version of Rio in it.
    pub version: String,
    /// Process number.
    pub pid: u32,
    /// Seconds since the dashboard was started.
    pub up_s: u64,
    /// How operations that have to wait are carried out.
    pub io_path: String,
    /// Why io_uring is not used, if it was wanted.
    pub ring_refusal: Option<String>,
    /// Whether silences may be set from here.
    pub control: bool,
}

/// Numbers of one interval. Latencies are those of reads and writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Live {
    /// End of the interval.
    pub t: u64,
    /// Reads and writes per second.
    pub iops: f64,
    /// Bytes read and written per second.
    pub throughput_bps: f64,
    /// Median latency.
    pub p50_us: f64,
    /// 95th percentile.
    pub p95_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
    /// The largest.
    pub max_us: f64,
    /// Failed operations in percent of all.
    pub error_pct: f64,
    /// Operations in flight.
    pub queue_depth: f64,
    /// Share of cache lookups that found something; 1 without lookups.
    pub cache_hit_share: f64,
    /// CPU time in percent of one CPU.
    pub cpu_pct: f64,
    /// Resident memory.
    pub rss_bytes: u64,
}

/// Something that is well, or is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What is checked.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// The state in words, and what to do if it is not well.
    pub detail: String,
}

/// The numbers of [`Live`] over time, at most 600 steps: per second if the range is at most an hour, per ten seconds up to a day, per five
/// minutes beyond; longer ranges are merged from these without loss.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// Ends of the steps.
    pub t: Vec<u64>,
    /// Reads and writes per second.
    pub iops: Vec<f64>,
    /// Bytes read and written per second.
    pub throughput_bps: Vec<f64>,
    /// Median latency.
    pub p50_us: Vec<f64>,
    /// 95th percentile.
    pub p95_us: Vec<f64>,
    /// 99th percentile.
    pub p99_us: Vec<f64>,
    /// 99.9th percentile.
    pub p999_us: Vec<f64>,
    /// Failed operations in percent of all.
    pub error_pct: Vec<f64>,
    /// Operations in flight.
    pub queue_depth: Vec<f64>,
    /// Share of cache lookups that found something; 1 without lookups.
    pub cache_hit_share: Vec<f64>,
    /// CPU time in percent of one CPU.
    pub cpu_pct: Vec<f64>,
    /// Resident memory.
    pub rss_bytes: Vec<f64>,
}
