//! One turn of the monitor: from counters to numbers, findings, alerts and history. Without a clock and without I/O.

use crate::alert::{Alert, AlertBook, Change};
use crate::components::{Components, Deliveries};
use crate::history::{Entry, History, Sample};
use crate::metric::METRICS;
use crate::recorder::{Recorder, Snapshot};
use crate::series::{PerformanceTrend, RefusedValue, Registry};
use crate::stats::{Gauges, RealTimeStats};
use crate::system::SystemSample;
use crate::view::{Alerts, OperationStats, operation_stats};
use crate::watch::{Targets, Watch};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Numbers of intervals that are kept ready: an hour of seconds.
const RECENT_MAX: usize = 3600;

/// What a collector is told at the end of each interval.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Time since 1970. May jump.
    pub wall: Duration,
    /// Time since some fixed moment. Intervals are measured with it.
    pub monotonic: Duration,
    /// What the service knows.
    pub gauges: Gauges,
    /// What its parts count.
    pub components: Components,
    /// What became of alerts, by sink.
    pub deliveries: Vec<Deliveries>,
    /// What the process and the machine use.
    pub system: SystemSample,
}

/// Settings of a [`Collector`].
#[derive(Debug, Clone, Copy)]
pub struct CollectorConfig {
    /// Time between collections.
    pub interval: Duration,
    /// What the operator wants kept.
    pub targets: Targets,
    /// How long [`Collector::recent`] reaches back, at most an hour of collections.
    pub retention: Duration,
}

/// What came of one interval.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// Its numbers.
    pub stats: RealTimeStats,
    /// Alerts that opened, worsened or closed.
    pub changes: Vec<Change>,
    /// Samples for a history file.
    pub entries: Vec<Entry>,
}

/// Turns a recorder's counts into all that the monitor knows.
pub struct Collector {
    config: CollectorConfig,
    recorder: Arc<Recorder>,
    before: (Snapshot, Reading),
    /// What was counted in the latest interval, and its length.
    counted: (Snapshot, Duration),
    recent: VecDeque<RealTimeStats>,
    latest: RealTimeStats,
    watch: Watch,
    book: AlertBook,
    history: History,
    registry: Registry,
}

impl Collector {
    /// A collector whose first interval begins with `reading`.
    #[must_use]
    pub fn new(config: CollectorConfig, recorder: Arc<Recorder>, reading: Reading) -> Self {
        let latest = RealTimeStats { timestamp: reading.wall.as_secs(), ..RealTimeStats::default() };
        Self {
            before: (recorder.snapshot(), reading),
            counted: (Snapshot::default(), Duration::ZERO),
            recorder,
            recent: VecDeque::new(),
            latest,
            watch: Watch::new(config.interval, config.targets),
            book: AlertBook::new(),
            history: History::new(),
            registry: Registry::new(),
            config,
        }
    }

    /// Ends an interval.
    pub fn collect(&mut self, reading: Reading) -> Collected {
        let snapshot = self.recorder.snapshot();
        let (former, began) = &self.before;
        let counted = snapshot.since(former);
        let elapsed = reading.monotonic.saturating_sub(began.monotonic);
        let gauges = [&began.gauges, &reading.gauges];
        let system = [&began.system, &reading.system];
        let stats = RealTimeStats::new(reading.wall.as_secs(), elapsed, &counted, gauges, system);
        let entries = self.history.push(&Sample::new(elapsed, &counted, &stats));
        let changes = self.judge(reading.wall, elapsed, &stats, &reading.system);
        self.before = (snapshot, reading);
        self.counted = (counted, elapsed);
        self.keep(stats);
        Collected { stats, changes, entries }
    }

    /// Takes numbers that the service measured itself, as an interval of the usual length. They are watched like the collector's
    /// own; they have no distribution and so do not enter the long history.
    pub fn report(&mut self, wall: Duration, stats: RealTimeStats) -> Vec<Change> {
        let system = self.before.1.system.clone();
        let changes = self.judge(wall, self.config.interval, &stats, &system);
        self.keep(stats);
        changes
    }

    fn judge(
        &mut self,
        wall: Duration,
        elapsed: Duration,
        stats: &RealTimeStats,
        system: &SystemSample,
    ) -> Vec<Change> {
        for metric in &METRICS {
            if let Some(value) = (metric.value)(stats, system) {
                // What is not finite is refused and counted there.
                let _ = self.registry.record(metric.name, value);
            }
        }
        let findings = self.watch.look(elapsed, stats, system);
        self.book.update(wall, findings)
    }

    fn keep(&mut self, stats: RealTimeStats) {
        let oldest = stats.timestamp.saturating_sub(self.config.retention.as_secs());
        self.recent.retain(|recent| recent.timestamp >= oldest);
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(stats);
        self.latest = stats;
    }

    /// Numbers of the latest interval.
    #[must_use]
    pub fn latest(&self) -> &RealTimeStats {
        &self.latest
    }

    /// Numbers of the latest intervals, oldest first.
    pub fn recent(&self) -> impl Iterator<Item = &RealTimeStats> {
        self.recent.iter()
    }

    /// The recorder's counts at the end of the latest interval, and what the machine used then.
    #[must_use]
    pub fn totals(&self) -> (&Snapshot, &Reading) {
        (&self.before.0, &self.before.1)
    }

    /// The history in memory.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Puts back what a history file holds, before the first interval. Returns what is finished with it, for the file.
    pub fn restore(&mut self, entries: &[Entry]) -> Vec<Entry> {
        entries.iter().for_each(|entry| self.history.restore(entry));
        self.history.resume()
    }

    /// Ends the history's open samples, at the end of the program, and returns them for the file.
    pub fn finish(&mut self) -> Vec<Entry> {
        self.history.finish()
    }

    /// Takes a value of an application's own metric.
    ///
    /// # Errors
    ///
    /// [`RefusedValue`].
    pub fn record(&mut self, name: &str, value: f64) -> Result<(), RefusedValue> {
        self.registry.record(name, value)
    }

    /// Trends of all metrics, the application's own among them.
    pub fn trends(&self) -> impl Iterator<Item = PerformanceTrend> {
        self.registry.trends()
    }

    /// The application's and the monitor's metrics with their latest values, and how many values were refused.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Open alerts.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.book.open()
    }

    /// Numbers of the latest interval by operation and path.
    #[must_use]
    pub fn operations(&self) -> Vec<OperationStats> {
        operation_stats(&self.counted.0, self.counted.1)
    }

    /// All that the alert book holds.
    #[must_use]
    pub fn book(&self) -> Alerts {
        Alerts {
            open: self.book.open().cloned().collect(),
            closed: self.book.closed().cloned().collect(),
            silences: self.book.silences().cloned().collect(),
        }
    }

    /// The alert book, for silences and closed alerts.
    pub fn book_mut(&mut self) -> &mut AlertBook {
        &mut self.book
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector")
            .field("latest", &self.latest)
            .field("alerts", &self.book.open().count())
            .field("history", &self.history.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{FileClass, Key, Operation, Path};
    use crate::recorder::Ended;

    const READ: Key = Key::new(Operation::Read, Path::Ring, FileClass::Data);

    fn at(second: u64) -> Reading {
        let time = Duration::from_secs(second);
        Reading { wall: Duration::from_secs(1_000_000) + time, monotonic: time, ..Reading::default() }
    }

    fn collector(recorder: &Arc<Recorder>) -> Collector {
        let interval = Duration::from_secs(1);
        let config =
            CollectorConfig { interval, targets: Targets::default(), retention: Duration::from_secs(60) };
        Collector::new(config, Arc::clone(recorder), at(0))
    }

    #[test]
    fn a_slowdown_becomes_an_alert_and_a_line_in_the_history() {
        let recorder = Arc::new(Recorder::new());
        let mut collector = collector(&recorder);
        let mut opened = Vec::new();
        for second in 1..=200u64 {
            let micros = if second <= 150 { 100 } else { 180 };
            for i in 0..100 {
                recorder.record(READ, Ended::well(4096), Duration::from_micros(micros + i % 7));
            }
            let collected = collector.collect(at(second));
            assert_eq!((collected.stats.iops, collected.stats.timestamp), (100.0, 1_000_000 + second));
            opened.extend(collected.changes.into_iter().map(|change| (second, change)));
        }
        let (second, Change::Opened(alert)) = &opened[0] else { panic!("{opened:?}") };
        assert_eq!((*second, alert.metric.as_str()), (152, "p50_latency_us"));
        assert!(!alert.actions.is_empty() && alert.evidence.contains("usual"));
        assert_eq!(collector.alerts().count(), opened.len());
        assert_eq!(collector.finish().len(), 3);
        let history = collector.history().range(1_000_100, 1_000_200);
        assert_eq!(history.len(), 101);
        assert!(history[100].stats().p50_latency_us > 1.7 * history[0].stats().p50_latency_us);
        assert_eq!(collector.recent().count(), 61);
        let trends: Vec<_> = collector.trends().collect();
        assert!(trends.iter().any(|trend| trend.metric_name == "iops" && trend.predicted_value == 100.0));
    }

    #[test]
    fn reported_numbers_are_watched_like_collected_ones() {
        let mut collector = collector(&Arc::new(Recorder::new()));
        let mut stats = RealTimeStats { iops: 500.0, p50_latency_us: 100.0, ..RealTimeStats::default() };
        for second in 1..=100 {
            stats.timestamp = second;
            assert!(collector.report(Duration::from_secs(second), stats).is_empty());
        }
        stats.p50_latency_us = 400.0;
        assert!(collector.report(Duration::from_secs(101), stats).is_empty());
        assert_eq!(collector.report(Duration::from_secs(102), stats).len(), 1);
        assert_eq!(collector.latest().p50_latency_us, 400.0);
    }
}
