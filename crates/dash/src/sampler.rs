//! The numbers that only a dashboard keeps: use of pool, disks and threads over time, and counts of a while ago, for tables of the last
//! minute or hour.
//!
//! One task per dashboard, once a second; a reading costs well below a millisecond. Bounds: an hour of samples of some 200 bytes, and 25
//! snapshots of counters.

use crate::model::ResourceSeries;
use crate::source::Observed;
use parking_lot::Mutex;
use rustfs_rio::{EngineStats, PoolStats};
use rustfs_rio_monitor::{Reading, Snapshot, SystemSample};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Time between samples.
const INTERVAL: Duration = Duration::from_secs(1);
/// An hour.
const SAMPLES_MAX: usize = 3600;
/// Snapshots of the last minute, and of the last hour, with their spacing in seconds.
const BASELINES: [(usize, u64); 2] = [(12, 5), (12, 300)];

/// One reading.
#[derive(Clone)]
struct Sample {
    t: u64,
    at: Instant,
    system: SystemSample,
    pool: PoolStats,
    engine: EngineStats,
    tuning: Tuning,
}

/// Counts of cache and prefetching, where there are some.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tuning {
    /// Lookups of the cache that found something, and that did not.
    pub cache: Option<(u64, u64)>,
    /// Blocks read ahead, used and wasted.
    pub prefetch: Option<(u64, u64, u64)>,
}

#[derive(Default)]
struct Kept {
    samples: VecDeque<Sample>,
    /// The first counts, and those of a while ago, oldest first.
    first: Option<(u64, Snapshot)>,
    baselines: [VecDeque<(u64, Snapshot)>; 2],
}

/// The samples of a dashboard and the task behind them, which ends with it.
pub(crate) struct Sampler {
    kept: Arc<Mutex<Kept>>,
    ticks: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Sampler {
    /// Starts sampling on the current tokio runtime.
    pub(crate) fn start(source: Arc<dyn Observed>, runtime: &tokio::runtime::Handle) -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let (tick, ticks) = watch::channel(0);
        let task = runtime.spawn(run(source, Arc::clone(&kept), tick));
        Self { kept, ticks, task }
    }

    /// Changes once per sample.
    pub(crate) fn ticks(&self) -> watch::Receiver<u64> {
        self.ticks.clone()
    }

    /// Use over time within `from..=to`, at most `steps_max` steps.
    pub(crate) fn resources(&self, from: u64, to: u64, steps_max: usize) -> ResourceSeries {
        let kept = self.kept.lock();
        let within: Vec<&Sample> =
            kept.samples.iter().filter(|sample| (from..=to).contains(&sample.t)).collect();
        series(&thin(&within, steps_max))
    }

    /// Counts of cache and prefetching over time: ends of steps with their lengths in seconds and what was counted in them.
    pub(crate) fn tuning(&self, from: u64, to: u64, steps_max: usize) -> Vec<(u64, f64, Tuning)> {
        let kept = self.kept.lock();
        let within: Vec<&Sample> =
            kept.samples.iter().filter(|sample| (from..=to).contains(&sample.t)).collect();
        let thinned = thin(&within, steps_max);
        let pairs = thinned.windows(2).filter_map(|pair| match pair {
            [before, after] => Some((after.t, seconds(before, after), after.tuning.since(&before.tuning))),
            _ => None,
        });
        pairs.collect()
    }

    /// The counts of about `seconds` ago and how long ago exactly; those of the start if that is less.
    pub(crate) fn counts_before(&self, now: u64, seconds: u64) -> Option<(u64, Snapshot)> {
        let kept = self.kept.lock();
        let target = now.saturating_sub(seconds);
        let candidates = kept.baselines.iter().flatten().chain(&kept.first);
        let nearest = candidates.min_by_key(|(t, _)| t.abs_diff(target))?;
        Some((now.saturating_sub(nearest.0), nearest.1.clone()))
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tuning {
    fn since(&self, before: &Self) -> Self {
        let less = |now: u64, before: u64| now.saturating_sub(before);
        Self {
            cache: self.cache.zip(before.cache).map(|(now, then)| (less(now.0, then.0), less(now.1, then.1))),
            prefetch: self
                .prefetch
                .zip(before.prefetch)
                .map(|(now, then)| (less(now.0, then.0), less(now.1, then.1), less(now.2, then.2))),
        }
    }
}

async fn run(source: Arc<dyn Observed>, kept: Arc<Mutex<Kept>>, tick: watch::Sender<u64>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (snapshot, reading) = match source.monitor() {
            Some(monitor) => monitor.counts(),
            None => (Snapshot::default(), Reading { system: SystemSample::read(), ..Reading::default() }),
        };
        let sample = Sample {
            t: now(),
            at: Instant::now(),
            system: reading.system,
            pool: source.runtime().buffer_pool().stats(),
            engine: source.runtime().stats(),
            tuning: source.tuning(),
        };
        kept.lock().push(sample, snapshot);
        tick.send_modify(|count| *count += 1);
    }
}

impl Kept {
    fn push(&mut self, sample: Sample, snapshot: Snapshot) {
        let t = sample.t;
        if self.samples.len() >= SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        for (kept, (max, spacing)) in self.baselines.iter_mut().zip(BASELINES) {
            if kept.back().is_none_or(|(latest, _)| t >= latest + spacing) {
                if kept.len() >= max {
                    kept.pop_front();
                }
                kept.push_back((t, snapshot.clone()));
            }
        }
        self.first.get_or_insert((t, snapshot));
    }
}

/// Every n-th sample, the latest always among them.
fn thin<'a>(samples: &[&'a Sample], steps_max: usize) -> Vec<&'a Sample> {
    let every = samples.len().div_ceil(steps_max.max(1)).max(1);
    let mut thinned: Vec<&Sample> = samples.iter().rev().step_by(every).copied().collect();
    thinned.reverse();
    thinned
}

fn seconds(before: &Sample, after: &Sample) -> f64 {
    after.at.duration_since(before.at).as_secs_f64().max(1e-3)
}

fn series(samples: &[&Sample]) -> ResourceSeries {
    let mut series = ResourceSeries::default();
    for pair in samples.windows(2) {
        if let [before, after] = pair {
            add(&mut series, before, after);
        }
    }
    series
}

fn add(series: &mut ResourceSeries, before: &Sample, after: &Sample) {
    let seconds = seconds(before, after);
    let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
    let (system, pool, engine) = (&after.system, &after.pool, &after.engine);
    let disks = system.disks.zip(before.system.disks);
    let cpu = system.cpu_seconds.zip(before.system.cpu_seconds);
    let hits = pool.hits.saturating_sub(before.pool.hits);
    let requests = hits + pool.misses.saturating_sub(before.pool.misses);
    series.t.push(after.t);
    series.cpu_pct.push(cpu.map(|(now, then)| (now - then).max(0.0) / seconds * 100.0));
    series.rss_bytes.push(system.resident_bytes);
    series.threads.push(system.threads);
    series.open_files.push(system.open_files);
    series.pool_used_bytes.push(pool.outstanding_bytes);
    series.pool_idle_bytes.push(pool.idle_bytes);
    series.pool_hit_share.push((requests > 0).then(|| hits as f64 / requests as f64));
    series.pool_waiting.push(pool.waiting as u64);
    series.pressure_io_pct.push(system.pressure.io);
    series.pressure_memory_pct.push(system.pressure.memory);
    series.pressure_cpu_pct.push(system.pressure.cpu);
    series.disk_read_bps.push(disks.map(|(now, then)| rate(now.read_bytes, then.read_bytes)));
    series.disk_write_bps.push(disks.map(|(now, then)| rate(now.written_bytes, then.written_bytes)));
    series.disk_busy_pct.push(disks.map(|(now, then)| rate(now.busy_millis, then.busy_millis) / 10.0));
    series.in_flight.push(engine.in_flight);
    series.blocking_threads.push(engine.blocking_threads as u64);
    series.ring_enters_per_s.push(rate(engine.ring_enters, before.engine.ring_enters));
}

/// Seconds since 1970; zero on a clock before that.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(t: u64, started: Instant) -> Sample {
        let mut engine = EngineStats::default();
        engine.ring_enters = t * 10;
        Sample {
            t,
            at: started + Duration::from_secs(t),
            system: SystemSample::default(),
            pool: PoolStats::default(),
            engine,
            tuning: Tuning { cache: Some((t * 3, t)), prefetch: None },
        }
    }

    #[test]
    fn memory_is_bounded_and_the_latest_sample_always_shown() {
        let started = Instant::now();
        let mut kept = Kept::default();
        (0..10_000).for_each(|t| kept.push(sample(t, started), Snapshot::default()));
        assert_eq!(kept.samples.len(), SAMPLES_MAX);
        assert!(kept.baselines.iter().zip(BASELINES).all(|(kept, (max, _))| kept.len() == max));
        let all: Vec<&Sample> = kept.samples.iter().collect();
        let series = series(&thin(&all, 600));
        assert!(series.t.len() <= 600 && series.t.last() == Some(&9_999), "{}", series.t.len());
        assert!(series.ring_enters_per_s.iter().all(|rate| (rate - 10.0).abs() < 1e-9));
    }

    #[test]
    fn what_the_machine_does_not_tell_is_absent() {
        let started = Instant::now();
        let (before, after) = (sample(1, started), sample(2, started));
        let series = series(&[&before, &after]);
        assert_eq!(
            (series.cpu_pct[0], series.disk_read_bps[0], series.pool_hit_share[0]),
            (None, None, None)
        );
        assert_eq!(after.tuning.since(&before.tuning).cache, Some((3, 1)));
    }
}
