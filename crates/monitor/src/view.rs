//! What dashboards draw, as plain structures: the history as points, latencies over time as a heat map, percentiles by operation
//! and path, and the alert book.

use crate::alert::{Alert, Silence};
use crate::buckets;
use crate::history::{Extent, Sample, Slice, Tier};
use crate::operation::{Operation, Path};
use crate::recorder::{Snapshot, Totals};
use crate::stats::RealTimeStats;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Columns of a heat map at most; one that asks for more gets this many.
pub const COLUMNS_MAX: usize = 1024;

/// Smallest value, mean and largest value over a stretch of time. All zero where nothing was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// The mean.
    pub mean: f64,
    /// The largest.
    pub max: f64,
}

impl From<Extent> for Spread {
    fn from(extent: Extent) -> Self {
        Self { min: extent.min, mean: extent.mean(), max: extent.max }
    }
}

/// One stretch of the history.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HistoryPoint {
    /// Its end, in seconds since 1970.
    pub end: u64,
    /// Its length in seconds.
    pub length_s: f64,
    /// Operations of all kinds.
    pub operations: u64,
    /// Those that failed.
    pub errors: u64,
    /// Its rates, percentiles and means.
    pub stats: RealTimeStats,
    /// Operations in flight.
    pub queue_depth: Spread,
    /// Share of cache lookups that found something.
    pub cache_hit_rate: Spread,
    /// CPU time in percent of one CPU.
    pub cpu_pct: Spread,
    /// Resident memory in bytes.
    pub memory_bytes: Spread,
}

impl From<&Sample> for HistoryPoint {
    fn from(sample: &Sample) -> Self {
        Self {
            end: sample.end,
            length_s: sample.elapsed.as_secs_f64(),
            operations: sample.operations,
            errors: sample.errors,
            stats: sample.stats(),
            queue_depth: sample.queue_depth.into(),
            cache_hit_rate: sample.cache_hit_rate.into(),
            cpu_pct: sample.cpu_pct.into(),
            memory_bytes: sample.memory_bytes.into(),
        }
    }
}

/// Latencies of reads and writes over time: how many fell into each row in each column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// Width of a column in seconds.
    pub column_s: u64,
    /// End of each column, in seconds since 1970, oldest first. Columns without operations are there too.
    pub ends: Vec<u64>,
    /// Upper bound of each row in microseconds, lowest first, half a doubling apart. From the lowest to the highest latency seen.
    pub bounds_us: Vec<f64>,
    /// Operations by column, then row.
    pub counts: Vec<Vec<u64>>,
}

impl HeatMap {
    /// The map of a slice of `tier`, between `from` and `to` in seconds since 1970, with at most `columns_max` columns (1 to
    /// [`COLUMNS_MAX`]), none of them shorter than the tier's step.
    #[must_use]
    pub fn new(slice: &Slice, tier: Tier, (from, to): (u64, u64), columns_max: usize) -> Self {
        let columns_max = columns_max.clamp(1, COLUMNS_MAX) as u64;
        let step = tier.step().as_secs();
        let span = to.saturating_sub(from).max(1);
        let column_s = span.div_ceil(columns_max).div_ceil(step).saturating_mul(step);
        let columns = span.div_ceil(column_s).clamp(1, columns_max) as usize;
        let mut rows: Vec<BTreeMap<usize, u64>> = vec![BTreeMap::new(); columns];
        for sample in slice.samples() {
            // A sample that ends at `from` lies before it.
            let Some(after) = sample.end.checked_sub(from.saturating_add(1)) else { continue };
            let Some(column) = rows.get_mut((after / column_s) as usize) else { continue };
            for (row, count) in sample.latency.rows() {
                let sum = column.entry(row).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        let lowest = rows.iter().filter_map(|row| row.keys().next()).min().copied();
        let highest = rows.iter().filter_map(|row| row.keys().next_back()).max().copied();
        let (Some(lowest), Some(highest)) = (lowest, highest) else {
            return Self { column_s, ends: ends(from, column_s, columns), ..Self::default() };
        };
        let range = lowest..=highest;
        Self {
            column_s,
            ends: ends(from, column_s, columns),
            bounds_us: range.clone().map(|row| buckets::row_upper(row) as f64 / 1e3).collect(),
            counts: rows
                .iter()
                .map(|column| range.clone().map(|row| column.get(&row).copied().unwrap_or(0)).collect())
                .collect(),
        }
    }
}

fn ends(from: u64, column_s: u64, columns: usize) -> Vec<u64> {
    (1..=columns as u64).map(|column| from.saturating_add(column.saturating_mul(column_s))).collect()
}

/// Numbers of one kind of operation on one path. Latencies are in microseconds, within 1/64.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OperationStats {
    /// The kind.
    pub operation: Operation,
    /// The path taken.
    pub path: Path,
    /// Operations that ended.
    pub operations: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// Operations that failed.
    pub errors: u64,
    /// Operations per second.
    pub operations_per_s: f64,
    /// Bytes per second.
    pub bytes_per_s: f64,
    /// Mean latency.
    pub mean_us: f64,
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
}

/// The numbers of what was counted in `elapsed`, by operation and path, in that order. No time has no rates.
#[must_use]
pub fn operation_stats(counted: &Snapshot, elapsed: Duration) -> Vec<OperationStats> {
    let mut by_path: BTreeMap<(Operation, Path), Totals> = BTreeMap::new();
    for (key, totals) in counted.iter() {
        by_path.entry((key.operation, key.path)).or_default().merge(totals);
    }
    let seconds = elapsed.as_secs_f64();
    let rate = |amount: u64| if seconds > 0.0 { amount as f64 / seconds } else { 0.0 };
    let one = |((operation, path), totals): ((Operation, Path), Totals)| {
        let [p50_us, p95_us, p99_us, p999_us, max_us] = totals
            .latency
            .quantiles([0.5, 0.95, 0.99, 0.999, 1.0])
            .map(|latency| latency.as_secs_f64() * 1e6);
        OperationStats {
            operation,
            path,
            operations: totals.operations,
            bytes: totals.bytes,
            errors: totals.errors,
            operations_per_s: rate(totals.operations),
            bytes_per_s: rate(totals.bytes),
            mean_us: totals.latency.mean_seconds().unwrap_or(0.0) * 1e6,
            p50_us,
            p95_us,
            p99_us,
            p999_us,
            max_us,
        }
    };
    by_path.into_iter().map(one).collect()
}

/// All that an alert book holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    /// Open alerts, silenced ones included.
    pub open: Vec<Alert>,
    /// Closed alerts, oldest first, at most 256.
    pub closed: Vec<Alert>,
    /// Silences that have not ended.
    pub silences: Vec<Silence>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use crate::operation::{FileClass, Key};
    use crate::recorder::{Ended, Recorder};

    fn history(seconds: std::ops::RangeInclusive<u64>, micros: impl Fn(u64) -> u64) -> History {
        let recorder = Recorder::new();
        let key = Key::new(Operation::Read, Path::Ring, FileClass::Data);
        let mut history = History::new();
        let mut before = recorder.snapshot();
        for second in seconds {
            (0..10).for_each(|_| recorder.record(key, Ended::well(1), Duration::from_micros(micros(second))));
            let now = recorder.snapshot();
            let stats = RealTimeStats { timestamp: second, queue_depth: 3, ..RealTimeStats::default() };
            history.push(&Sample::new(Duration::from_secs(1), &now.since(&before), &stats));
            before = now;
        }
        history.finish();
        history
    }

    #[test]
    fn every_operation_is_in_one_cell_of_the_map() {
        let history = history(1001..=1100, |second| if second <= 1050 { 100 } else { 800 });
        let slice = history.slice(Tier::Second, 1001, 1100);
        let map = HeatMap::new(&slice, Tier::Second, (1000, 1100), 10);
        assert_eq!((map.column_s, map.ends.len(), map.ends[9]), (10, 10, 1100));
        assert!(map.counts.iter().all(|column| column.iter().sum::<u64>() == 100), "{map:?}");
        assert_eq!(map.counts[0][0], 100);
        assert_eq!(map.counts[9].last(), Some(&100));
        // 100 and 800 are three doublings apart: seven rows of half a doubling, and each bound holds its latency.
        assert_eq!(map.bounds_us.len(), 7);
        assert!(map.bounds_us[0] >= 100.0 && map.bounds_us[0] < 150.0, "{:?}", map.bounds_us);
        let json = serde_json::to_string(&map).unwrap();
        assert_eq!(serde_json::from_str::<HeatMap>(&json).unwrap(), map);
    }

    #[test]
    fn a_map_of_nothing_and_of_absurd_ranges_is_bounded() {
        let empty = HeatMap::new(&Slice::default(), Tier::Second, (0, u64::MAX), usize::MAX);
        assert!(empty.ends.len() <= COLUMNS_MAX && empty.counts.is_empty());
        let backwards = HeatMap::new(&Slice::default(), Tier::FiveMinutes, (50, 10), 0);
        assert_eq!((backwards.ends.len(), backwards.column_s), (1, 300));
    }

    #[test]
    fn points_and_tiers_follow_the_range() {
        let history = history(1..=7300, |_| 50);
        assert_eq!(history.tier_since(7000), Tier::Second);
        assert_eq!(history.tier_since(100), Tier::TenSeconds);
        let tens: Vec<HistoryPoint> =
            history.slice(Tier::TenSeconds, 0, 7300).samples().map(|s| HistoryPoint::from(&s)).collect();
        assert_eq!((tens.len(), tens[0].operations, tens[0].queue_depth.max), (730, 100, 3.0));
        // Old and short: the seconds of then are gone.
        assert_eq!(history.range(101, 200).len(), 10);
    }

    #[test]
    fn percentiles_are_by_operation_and_path() {
        let recorder = Recorder::new();
        for (path, micros) in [(Path::Ring, 100), (Path::Inline, 2)] {
            for class in [FileClass::Data, FileClass::Meta] {
                let key = Key::new(Operation::Read, path, class);
                recorder.record(key, Ended::well(4096), Duration::from_micros(micros));
            }
        }
        let all = operation_stats(&recorder.snapshot(), Duration::from_millis(500));
        assert_eq!(all.len(), 2);
        let ring = all.iter().find(|stats| stats.path == Path::Ring).unwrap();
        assert_eq!((ring.operations, ring.bytes, ring.operations_per_s), (2, 8192, 4.0));
        assert!((ring.p99_us - 100.0).abs() <= 100.0 / 64.0);
        let json = serde_json::to_value(ring).unwrap();
        assert_eq!((json["operation"].as_str(), json["path"].as_str()), (Some("read"), Some("ring")));
    }
}
