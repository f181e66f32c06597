//! Latencies by operation and path, and over time.

use super::overview::thin;
use super::words::finite;
use super::{Panels, Range};
use crate::model::{Distribution, Latency, LatencyHeat, LatencyRow, Part};
use crate::sampler::now;
use crate::source::no_monitor;
use rustfs_rio_monitor::{Histogram, Operation, Path, Sample, Snapshot, Totals};
use std::collections::BTreeMap;
use std::time::Duration;

/// Columns of the picture over time at most.
const COLUMNS_MAX: usize = 120;
/// Half octaves from 0.25 us on: the last bound is some 8 s.
const BOUNDS: i32 = 51;
const FIRST_NANOS: f64 = 250.0;

impl Panels {
    pub(super) fn latency(&self, range: Range) -> Latency {
        let now = now();
        let (from, to) = range.bounds(now);
        let Some(monitor) = self.source.monitor() else {
            return Latency { now, covers_s: 0, rows: no_monitor(), heat: no_monitor() };
        };
        let (counts, _) = monitor.counts();
        let (covers_s, before) = self.sampler.counts_before(now, to.saturating_sub(from)).unwrap_or_default();
        let rows = rows(&counts.since(&before), covers_s.max(1) as f64);
        let why = "no operation ended in this time";
        let remedy = "read or write through this runtime, or choose a longer range";
        let heat = heat(&thin(monitor.samples(from, to), COLUMNS_MAX));
        Latency {
            now,
            covers_s,
            rows: Part::or_absent((!rows.is_empty()).then_some(rows), why, remedy),
            heat: Part::or_absent(heat, why, remedy),
        }
    }
}

fn rows(counted: &Snapshot, seconds: f64) -> Vec<LatencyRow> {
    let mut by_path: BTreeMap<(Operation, Path), Totals> = BTreeMap::new();
    for (key, totals) in counted.iter() {
        by_path.entry((key.operation, key.path)).or_default().merge(totals);
    }
    let mut rows: Vec<LatencyRow> =
        by_path.iter().map(|((operation, path), totals)| row(*operation, *path, totals, seconds)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.count));
    rows
}

fn row(operation: Operation, path: Path, totals: &Totals, seconds: f64) -> LatencyRow {
    let micros = |latency: Duration| latency.as_secs_f64() * 1e6;
    let [p50, p90, p99, p999, max] = totals.latency.quantiles([0.5, 0.9, 0.99, 0.999, 1.0]).map(micros);
    LatencyRow {
        operation: operation.name().to_owned(),
        path: path.name().to_owned(),
        count: totals.operations,
        per_s: totals.operations as f64 / seconds,
        bps: totals.bytes as f64 / seconds,
        errors: totals.errors,
        mean_us: finite(totals.latency.mean_seconds().unwrap_or(0.0) * 1e6),
        p50_us: p50,
        p90_us: p90,
        p99_us: p99,
        p999_us: p999,
        max_us: max,
        distribution: distribution(&totals.latency),
    }
}

/// The upper bound of each row, in nanoseconds.
fn bounds() -> impl Iterator<Item = Duration> {
    (0..BOUNDS).map(|half| Duration::from_nanos((FIRST_NANOS * 2f64.powf(f64::from(half) / 2.0)) as u64))
}

/// Values per bucket; what is longer than the last bound counts there.
fn buckets(latency: &Histogram) -> Vec<u64> {
    let mut below = 0;
    let mut counts: Vec<u64> = bounds()
        .map(|bound| {
            let up_to = latency.count_up_to(bound);
            let count = up_to.saturating_sub(below);
            below = up_to;
            count
        })
        .collect();
    if let Some(last) = counts.last_mut() {
        *last += latency.count().saturating_sub(below);
    }
    counts
}

fn micros() -> Vec<f64> {
    bounds().map(|bound| bound.as_secs_f64() * 1e6).collect()
}

/// First and last of the buckets that hold something.
fn extent<'a>(rows: impl Iterator<Item = &'a Vec<u64>>) -> Option<(usize, usize)> {
    let mut extent: Option<(usize, usize)> = None;
    for counts in rows {
        let first = counts.iter().position(|count| *count > 0);
        let last = counts.iter().rposition(|count| *count > 0);
        if let Some((first, last)) = first.zip(last) {
            extent = Some(extent.map_or((first, last), |(low, high)| (low.min(first), high.max(last))));
        }
    }
    extent
}

fn distribution(latency: &Histogram) -> Distribution {
    let counts = buckets(latency);
    let total = latency.count().max(1) as f64;
    let Some((first, last)) = extent(std::iter::once(&counts)) else { return Distribution::default() };
    let within = |at: &usize| (first..=last).contains(at);
    Distribution {
        up_to_us: micros()
            .into_iter()
            .enumerate()
            .filter(|(at, _)| within(at))
            .map(|(_, bound)| bound)
            .collect(),
        share: counts
            .iter()
            .enumerate()
            .filter(|(at, _)| within(at))
            .map(|(_, count)| *count as f64 / total)
            .collect(),
    }
}

fn heat(samples: &[Sample]) -> Option<LatencyHeat> {
    let columns: Vec<(u64, f64, Vec<u64>)> = samples
        .iter()
        .map(|sample| (sample.end, sample.elapsed.as_secs_f64().max(1e-3), buckets(&sample.latency)))
        .collect();
    let (first, last) = extent(columns.iter().map(|(_, _, counts)| counts))?;
    // One row more on each side, so that nothing sits on the edge.
    let (first, last) = (first.saturating_sub(1), (last + 1).min(BOUNDS as usize - 1));
    let cell = |counts: &Vec<u64>, row: usize| counts.get(row).copied().unwrap_or(0) as f64;
    Some(LatencyHeat {
        t: columns.iter().map(|(t, _, _)| *t).collect(),
        up_to_us: micros().into_iter().skip(first).take(last - first + 1).collect(),
        per_s: (first..=last)
            .map(|row| columns.iter().map(|(_, seconds, counts)| cell(counts, row) / seconds).collect())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_in_one_bucket() {
        let mut latency = Histogram::new();
        for nanos in [0u64, 100, 250, 1_000, 80_000, 80_001, 2_000_000, 1 << 39] {
            latency.record(Duration::from_nanos(nanos), 3);
        }
        assert_eq!(buckets(&latency).iter().sum::<u64>(), 24);
        let distribution = distribution(&latency);
        assert_eq!(distribution.up_to_us.len(), distribution.share.len());
        assert!((distribution.share.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let around: Vec<_> =
            distribution.up_to_us.iter().filter(|bound| (70.0..120.0).contains(*bound)).collect();
        assert_eq!(around.len(), 1, "{around:?}");
    }

    #[test]
    fn without_operations_there_is_no_picture() {
        assert_eq!(heat(&[Sample::default()]), None);
        assert_eq!(distribution(&Histogram::new()), Distribution::default());
        assert!(rows(&Snapshot::default(), 1.0).is_empty());
    }

    #[test]
    fn a_picture_has_a_column_per_sample() {
        let mut latency = Histogram::new();
        latency.record(Duration::from_micros(100), 40);
        let sample = Sample { end: 7, elapsed: Duration::from_secs(2), latency, ..Sample::default() };
        let heat = heat(&[sample.clone(), Sample { end: 9, ..sample }]).unwrap();
        assert_eq!((heat.t.clone(), heat.per_s.len()), (vec![7, 9], heat.up_to_us.len()));
        assert_eq!(heat.per_s.iter().map(|row| row[1]).sum::<f64>(), 20.0);
    }
}
