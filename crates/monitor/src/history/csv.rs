//! The history as comma-separated values (RFC 4180), for spreadsheets and notebooks.

use super::Sample;
use std::fmt::Write;

/// The columns. Times are in seconds since 1970, lengths in seconds, latencies in microseconds.
const HEADER: &str = "end,length_s,iops,throughput_bps,operations,errors,avg_latency_us,p50_latency_us,p95_latency_us,\
p99_latency_us,p999_latency_us,max_latency_us,queue_depth_min,queue_depth_mean,queue_depth_max,cache_hit_rate,cpu_pct,memory_bytes";

/// One line per sample below a line of names. All fields are numbers, so none needs quotes.
#[must_use]
pub fn csv(samples: &[Sample]) -> String {
    let mut out = format!("{HEADER}\r\n");
    for sample in samples {
        let stats = sample.stats();
        // Writing to a string does not fail.
        let _ = write!(
            out,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n",
            sample.end,
            sample.elapsed.as_secs_f64(),
            stats.iops,
            stats.throughput_bps,
            sample.operations,
            sample.errors,
            stats.avg_latency_us,
            stats.p50_latency_us,
            stats.p95_latency_us,
            stats.p99_latency_us,
            stats.p999_latency_us,
            stats.max_latency_us,
            sample.queue_depth.min,
            sample.queue_depth.mean(),
            sample.queue_depth.max,
            stats.cache_hit_rate,
            stats.cpu_utilization_pct,
            stats.memory_usage_bytes,
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_line_has_a_value_for_each_name() {
        let sample = Sample {
            end: 42,
            elapsed: Duration::from_secs(10),
            transfers: 30,
            bytes: 4096,
            ..Sample::default()
        };
        let text = csv(&[sample.clone(), sample]);
        let lines: Vec<Vec<&str>> =
            text.split_terminator("\r\n").map(|line| line.split(',').collect()).collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() == lines[0].len()));
        let value =
            |name| lines[1][lines[0].iter().position(|column| *column == name).unwrap()].parse::<f64>();
        assert_eq!([value("end"), value("length_s"), value("iops")], [Ok(42.0), Ok(10.0), Ok(3.0)]);
        assert_eq!(value("throughput_bps"), Ok(409.6));
    }
}
