//! The one table of metrics: names, units, and how far a change has to go to matter.

use crate::stats::RealTimeStats;
use crate::system::SystemSample;

/// What a metric measures, and so how its values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Positive, with changes that matter by ratio: a latency, a queue.
    Ratio,
    /// Differences matter: a percentage.
    Difference,
}

/// Which way is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worse {
    /// Larger values are worse.
    Higher,
    /// Smaller values are worse.
    Lower,
    /// Neither: load rather than quality.
    Neither,
}

/// A metric that is watched.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// The name, as in [`RealTimeStats`] and in exports.
    pub name: &'static str,
    /// The unit.
    pub unit: &'static str,
    /// How values are compared.
    pub scale: Scale,
    /// Which way is worse.
    pub worse: Worse,
    /// The smallest change that anybody should hear of: a ratio for [`Scale::Ratio`], a difference otherwise.
    pub matters: f64,
    /// Values below this are too small to matter, in the metric's unit.
    pub floor: f64,
    /// What to look at when it becomes worse.
    pub actions: &'static [&'static str],
    /// The latest value; `None` if the interval says nothing about it.
    pub value: fn(&RealTimeStats, &SystemSample) -> Option<f64>,
}

/// Latencies of an interval with fewer operations say nothing about the service.
const OPERATIONS_MIN: f64 = 20.0;

fn if_busy(stats: &RealTimeStats, value: f64) -> Option<f64> {
    (stats.iops >= OPERATIONS_MIN).then_some(value)
}

const SLOW_ACTIONS: &[&str] = &[
    "lower max_concurrent_ops or queue_depth if io pressure (PSI) and queue_depth rose with the latency",
    "look for other load on the device: rio doctor, iostat -x, io.pressure of the control group",
];

/// Every metric that is watched, in the order of exports.
pub const METRICS: [Metric; 9] = [
    Metric {
        name: "p50_latency_us",
        unit: "us",
        scale: Scale::Ratio,
        worse: Worse::Higher,
        matters: 1.25,
        floor: 1.0,
        actions: SLOW_ACTIONS,
        value: |stats, _| if_busy(stats, stats.p50_latency_us),
    },
    Metric {
        name: "p99_latency_us",
        unit: "us",
        scale: Scale::Ratio,
        worse: Worse::Higher,
        matters: 1.5,
        floor: 10.0,
        actions: SLOW_ACTIONS,
        value: |stats, _| if_busy(stats, stats.p99_latency_us),
    },
    Metric {
        name: "iops",
        unit: "1/s",
        scale: Scale::Ratio,
        worse: Worse::Neither,
        matters: 1.5,
        floor: 1.0,
        actions: &[],
        value: |stats, _| Some(stats.iops),
    },
    Metric {
        name: "throughput_bps",
        unit: "B/s",
        scale: Scale::Ratio,
        worse: Worse::Neither,
        matters: 1.5,
        floor: 4096.0,
        actions: &[],
        value: |stats, _| Some(stats.throughput_bps),
    },
    Metric {
        name: "error_rate",
        unit: "%",
        scale: Scale::Difference,
        worse: Worse::Higher,
        matters: 1.0,
        floor: 0.0,
        actions: &[
            "look at rio_errors_total by class: device errors belong to the kernel log, exhausted ones to space, quota and open files",
        ],
        value: |stats, _| if_busy(stats, stats.error_rate),
    },
    Metric {
        name: "queue_depth",
        unit: "operations",
        scale: Scale::Ratio,
        worse: Worse::Higher,
        matters: 2.0,
        floor: 4.0,
        actions: &[
            "lower max_concurrent_ops so that callers wait at admission, or spread the load over more devices",
            "compare with p99_latency_us: both rising is a slow device, the queue alone a burst of callers",
        ],
        value: |stats, _| Some(f64::from(stats.queue_depth)),
    },
    Metric {
        name: "cache_hit_rate",
        unit: "share",
        scale: Scale::Difference,
        worse: Worse::Lower,
        matters: 0.15,
        floor: 0.0,
        actions: &["raise the cache's size, or raise prefetch_distance if the reads are sequential"],
        value: |stats, _| Some(stats.cache_hit_rate),
    },
    Metric {
        name: "memory_share",
        unit: "share",
        scale: Scale::Difference,
        worse: Worse::Higher,
        matters: 0.1,
        floor: 0.0,
        actions: &[
            "lower buffer_memory or max_buffer_pool_size; BufferPool::origins tells who holds buffers",
            "raise the control group's memory.max, or look for what else in it grows",
        ],
        value: |_, system| system.memory_share(),
    },
    Metric {
        name: "open_files_share",
        unit: "share",
        scale: Scale::Difference,
        worse: Worse::Higher,
        matters: 0.1,
        floor: 0.0,
        actions: &[
            "close files that are no longer used, or raise the limit on open files (ulimit -n, LimitNOFILE=)",
        ],
        value: |_, system| system.open_files_share(),
    },
];

impl Metric {
    /// The metric of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// The value on the scale on which this metric's differences are compared.
    pub(crate) fn compared(&self, value: f64) -> f64 {
        match self.scale {
            // Below the floor a ratio means nothing.
            Scale::Ratio => value.max(self.floor.max(f64::MIN_POSITIVE)).ln(),
            Scale::Difference => value,
        }
    }

    /// The inverse of [`compared`](Self::compared).
    pub(crate) fn restored(&self, compared: f64) -> f64 {
        match self.scale {
            Scale::Ratio => compared.exp(),
            Scale::Difference => compared,
        }
    }

    /// The smallest difference on that scale that matters.
    pub(crate) fn step(&self) -> f64 {
        match self.scale {
            Scale::Ratio => self.matters.max(1.0).ln(),
            Scale::Difference => self.matters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_scales_invert() {
        for metric in &METRICS {
            assert_eq!(METRICS.iter().filter(|other| other.name == metric.name).count(), 1);
            let value = metric.floor.max(1.0) * 3.0;
            assert!((metric.restored(metric.compared(value)) - value).abs() < 1e-9);
            assert!(metric.step() > 0.0);
            assert_eq!(metric.worse == Worse::Neither, metric.actions.is_empty(), "{}", metric.name);
        }
        assert!(Metric::named("p50_latency_us").is_some() && Metric::named("nothing").is_none());
    }
}
