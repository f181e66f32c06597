//! What the process and the machine use.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the process and the machine use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Resources {
    /// The time on the server.
    pub now: u64,
    /// Over the time since the dashboard was started, at most an hour.
    pub series: ResourceSeries,
    /// Now.
    pub totals: ResourceTotals,
}

/// Use over time, at most 600 steps. What the machine does not tell is `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResourceSeries {
    /// Ends of the steps.
    pub t: Vec<u64>,
    /// CPU time in percent of one CPU.
    pub cpu_pct: Vec<Option<f64>>,
    /// Resident memory.
    pub rss_bytes: Vec<Option<u64>>,
    /// Threads.
    pub threads: Vec<Option<u64>>,
    /// Open files.
    pub open_files: Vec<Option<u64>>,
    /// Buffers in use, in bytes.
    pub pool_used_bytes: Vec<u64>,
    /// Buffers that wait for use, in bytes.
    pub pool_idle_bytes: Vec<u64>,
    /// Share of buffer requests served without asking the system; `null` in steps without requests.
    pub pool_hit_share: Vec<Option<f64>>,
    /// Requests that wait for a buffer.
    pub pool_waiting: Vec<u64>,
    /// Time some task waited for block devices, in percent of the last 10 s.
    pub pressure_io_pct: Vec<Option<f64>>,
    /// The same for memory.
    pub pressure_memory_pct: Vec<Option<f64>>,
    /// The same for a CPU.
    pub pressure_cpu_pct: Vec<Option<f64>>,
    /// Bytes per second read from all disks, by everybody.
    pub disk_read_bps: Vec<Option<f64>>,
    /// Bytes per second written to all disks.
    pub disk_write_bps: Vec<Option<f64>>,
    /// Time the disks were busy, in percent of one disk.
    pub disk_busy_pct: Vec<Option<f64>>,
    /// Operations in flight in the engine.
    pub in_flight: Vec<u64>,
    /// Threads of the engine's pool.
    pub blocking_threads: Vec<u64>,
    /// `io_uring_enter(2)` calls per second.
    pub ring_enters_per_s: Vec<f64>,
}

/// Use now, and its bounds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResourceTotals {
    /// Memory that the control group, or else the machine, allows.
    pub memory_max_bytes: Option<u64>,
    /// Memory used of that, by everything in it.
    pub memory_used_bytes: Option<u64>,
    /// Bound on open files.
    pub open_files_max: Option<u64>,
    /// Bound on the memory of buffers.
    pub pool_bound_bytes: u64,
    /// Buffers in use and idle.
    pub pool_buffers: u64,
    /// The most buffers at one time.
    pub pool_buffers_peak: u64,
    /// Operations carried out on the calling task, since the start.
    pub inline_ops: u64,
    /// By io_uring.
    pub ring_ops: u64,
    /// By the pool of threads.
    pub blocking_ops: u64,
    /// That failed.
    pub failed_ops: u64,
    /// That the ring failed and the pool carried out.
    pub rerouted_ops: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
}
