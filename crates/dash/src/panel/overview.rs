//! The overview and the history behind it.

use super::words::finite;
use super::{Panels, Range, STEPS_MAX};
use crate::model::{Check, History, Live, Overview, Part, Service};
use crate::sampler::now;
use crate::source::no_monitor;
use rustfs_rio::{AdvancedPerformanceMonitor, RealTimeStats, RuntimeType};
use rustfs_rio_monitor::Sample;

/// Decisions on the overview.
const DECISIONS: usize = 5;
/// Of several shares, the one from which on memory or buffers count as short.
const SHORT: f64 = 0.9;

impl Panels {
    /// `stats` are the latest numbers of the monitor, if there is one.
    pub(super) fn overview(&self, range: Range, stats: Option<&RealTimeStats>) -> Overview {
        let now = now();
        let (from, to) = range.bounds(now);
        let mut decisions = self.decisions().decisions.data().cloned().unwrap_or_default();
        decisions.truncate(DECISIONS);
        let (live, history) = match self.source.monitor().zip(stats) {
            None => (no_monitor(), no_monitor()),
            Some((monitor, stats)) => (live(stats, now), self.history(monitor, from, to)),
        };
        let alerts = self.alerts().open;
        let checks = self.checks(&live, alerts.len());
        Overview { now, service: self.service(), live, checks, history, alerts, decisions }
    }

    fn service(&self) -> Service {
        let runtime = self.source.runtime();
        let io_path = match runtime.runtime_type() {
            RuntimeType::IoUring => "io_uring",
            RuntimeType::Tokio => "pool of threads",
        };
        let program = std::env::current_exe().ok();
        let program = program.as_deref().and_then(std::path::Path::file_name);
        Service {
            program: program.map_or_else(|| "unknown".to_owned(), |name| name.to_string_lossy().into_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            up_s: now().saturating_sub(self.started),
            io_path: io_path.to_owned(),
            ring_refusal: runtime.capabilities().ring_refusal.map(|refusal| refusal.to_string()),
            control: self.control,
        }
    }

    fn history(&self, monitor: &AdvancedPerformanceMonitor, from: u64, to: u64) -> Part<History> {
        let samples = thin(monitor.samples(from, to), STEPS_MAX);
        let why = "no interval of this range has ended with the monitor on";
        let remedy =
            "wait for a few seconds, choose a later range, or keep the history in a file (history_file)";
        Part::or_absent((!samples.is_empty()).then(|| columns(&samples)), why, remedy)
    }

    /// The history around a moment.
    pub(super) fn history_around(&self, from: u64, to: u64) -> History {
        let samples = self.source.monitor().map(|monitor| monitor.samples(from, to)).unwrap_or_default();
        columns(&thin(samples, STEPS_MAX))
    }

    fn checks(&self, live: &Part<Live>, alerts: usize) -> Vec<Check> {
        let runtime = self.source.runtime();
        let check = |name: &str, ok, detail: String| Check { name: name.to_owned(), ok, detail };
        let pool = runtime.buffer_pool().stats();
        let used = pool.outstanding_bytes as f64 / pool.bound_bytes.max(1) as f64;
        let errors = live.data().map(|live| live.error_pct);
        vec![
            check(
                "engine",
                runtime.is_healthy(),
                if runtime.is_healthy() { "takes operations" } else { "is shut down: restart the program" }
                    .to_owned(),
            ),
            match runtime.capabilities().ring_refusal {
                None => check("io_uring", true, format!("{} rings", runtime.capabilities().rings)),
                Some(refusal) => check("io_uring", false, refusal.to_string()),
            },
            check(
                "buffers",
                used < SHORT,
                format!("{:.0} % of the bound in use, {} requests wait", used * 100.0, pool.waiting),
            ),
            check(
                "errors",
                errors.is_none_or(|errors| errors == 0.0),
                errors.map_or_else(
                    || "not counted without a monitor".to_owned(),
                    |errors| format!("{errors:.2} % of operations failed"),
                ),
            ),
            check("alerts", alerts == 0, format!("{alerts} open")),
        ]
    }
}

/// The latest numbers, unless nothing was collected yet.
fn live(stats: &RealTimeStats, now: u64) -> Part<Live> {
    // Several intervals without a collection: it is off, or the program hangs.
    let is_fresh = now.saturating_sub(stats.timestamp) <= 60;
    let why = "the monitor has collected nothing for a minute";
    let remedy = "switch on enable_real_time_dashboard, or call update_stats";
    Part::or_absent(is_fresh.then(|| Live::from(stats)), why, remedy)
}

impl From<&RealTimeStats> for Live {
    fn from(stats: &RealTimeStats) -> Self {
        Self {
            t: stats.timestamp,
            iops: finite(stats.iops),
            throughput_bps: finite(stats.throughput_bps),
            p50_us: finite(stats.p50_latency_us),
            p95_us: finite(stats.p95_latency_us),
            p99_us: finite(stats.p99_latency_us),
            p999_us: finite(stats.p999_latency_us),
            max_us: finite(stats.max_latency_us),
            error_pct: finite(stats.error_rate),
            queue_depth: f64::from(stats.queue_depth),
            cache_hit_share: finite(stats.cache_hit_rate),
            cpu_pct: finite(stats.cpu_utilization_pct),
            rss_bytes: stats.memory_usage_bytes,
        }
    }
}

/// Merges neighbours until there are at most `steps_max`.
pub(super) fn thin(samples: Vec<Sample>, steps_max: usize) -> Vec<Sample> {
    let every = samples.len().div_ceil(steps_max.max(1)).max(1);
    if every == 1 {
        return samples;
    }
    let merge = |neighbours: &[Sample]| {
        let mut merged = Sample::default();
        neighbours.iter().for_each(|sample| merged.merge(sample));
        merged
    };
    samples.chunks(every).map(merge).collect()
}

fn columns(samples: &[Sample]) -> History {
    let mut history = History::default();
    for sample in samples {
        let live = Live::from(&sample.stats());
        history.t.push(live.t);
        history.iops.push(live.iops);
        history.throughput_bps.push(live.throughput_bps);
        history.p50_us.push(live.p50_us);
        history.p95_us.push(live.p95_us);
        history.p99_us.push(live.p99_us);
        history.p999_us.push(live.p999_us);
        history.error_pct.push(live.error_pct);
        history.queue_depth.push(live.queue_depth);
        history.cache_hit_share.push(live.cache_hit_share);
        history.cpu_pct.push(live.cpu_pct);
        history.rss_bytes.push(live.rss_bytes as f64);
    }
    history
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_long_range_is_merged_without_losing_an_operation() {
        let sample =
            |end| Sample { end, elapsed: Duration::from_secs(1), transfers: end, ..Sample::default() };
        let samples: Vec<Sample> = (1..=1000).map(sample).collect();
        let thinned = thin(samples, 600);
        assert_eq!((thinned.len(), thinned[0].end, thinned[499].end), (500, 2, 1000));
        assert_eq!(thinned.iter().map(|sample| sample.transfers).sum::<u64>(), 500_500);
        assert_eq!(columns(&thinned).iops[0], 1.5);
    }

    #[test]
    fn numbers_of_long_ago_are_not_live() {
        let stats = RealTimeStats { timestamp: 1000, ..RealTimeStats::default() };
        assert!(live(&stats, 1010).data().is_some());
        assert!(live(&stats, 2000).data().is_none());
    }
}
