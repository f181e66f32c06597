//! What a run came to.

use serde::{Deserialize, Serialize};

/// One engine, one workload, one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Operations finished in the measured time.
    pub ops: u64,
    /// The measured time in seconds.
    pub seconds: f64,
    /// Operations per second.
    pub iops: f64,
    /// Megabytes (10^6 bytes) per second.
    pub mbps: f64,
    /// Median latency of an operation in microseconds.
    pub p50_us: f64,
    /// 95th percentile.
    pub p95_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// 99.9th percentile.
    pub p999_us: f64,
    /// Longest latency among those sampled.
    pub max_us: f64,
    /// Operations whose latency was taken: all, or an unbiased sample where reading the clock would show.
    pub latency_samples: u64,
    /// Processor time, user and system, of the whole process per operation.
    pub cpu_us_per_op: f64,
    /// Bytes fetched from storage in the measured time; `None` where they could not be counted.
    pub device_read_bytes: Option<u64>,
    /// Whether the bytes of every operation were checked and all were right, and no operation failed.
    pub verified: bool,
    /// Operations that failed.
    pub errors: u64,
    /// Reads, during or after the run, that held wrong bytes.
    pub corrupt: u64,
    /// The first failure or wrong block, in words.
    pub first_problem: Option<String>,
    /// The path that the engine says it took, where it has a choice.
    pub backend: Option<String>,
    /// `io_uring_enter` calls per operation, where the engine counts them.
    pub enters_per_op: Option<f64>,
    /// Mean of the operations in flight, where they were sampled.
    #[serde(default)]
    pub mean_in_flight: Option<f64>,
}

/// One line of `rio bench --json`: the median over the repeats, for one engine and workload. The names and their order
/// are a contract with the readers of that output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The workload's name.
    pub workload: String,
    /// The engine's name.
    pub engine: String,
    /// Bytes per operation.
    pub block_size: usize,
    /// Tasks, each with one operation in flight.
    pub tasks: usize,
    /// Whether the file was opened for direct I/O.
    pub direct: bool,
    /// Share of writes in per cent.
    pub write_pct: u8,
    /// Operations per second.
    pub iops: f64,
    /// Megabytes (10^6 bytes) per second.
    pub mbps: f64,
    /// Median latency in microseconds.
    pub p50_us: f64,
    /// 95th percentile.
    pub p95_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// Processor time of the process per operation, in microseconds.
    pub cpu_us_per_op: f64,
    /// Bytes fetched from storage in the measured time; null where they could not be counted.
    pub device_read_bytes: Option<u64>,
    /// Whether every run's bytes were checked and right.
    pub verified: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_of_a_row_is_the_documented_one() {
        let row = Row {
            workload: "rand-mix70-64k-cached-32".into(),
            engine: "rio-auto".into(),
            block_size: 65536,
            tasks: 32,
            direct: false,
            write_pct: 30,
            iops: 1.5,
            mbps: 2.5,
            p50_us: 3.5,
            p95_us: 4.5,
            p99_us: 5.5,
            cpu_us_per_op: 6.5,
            device_read_bytes: Some(7),
            verified: true,
        };
        let expected = concat!(
            r#"{"workload":"rand-mix70-64k-cached-32","engine":"rio-auto","block_size":65536,"tasks":32,"#,
            r#""direct":false,"write_pct":30,"iops":1.5,"mbps":2.5,"p50_us":3.5,"p95_us":4.5,"p99_us":5.5,"#,
            r#""cpu_us_per_op":6.5,"device_read_bytes":7,"verified":true}"#
        );
        assert_eq!(serde_json::to_string(&row).unwrap(), expected);
    }
}
