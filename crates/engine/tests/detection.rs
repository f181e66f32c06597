//! Faults of the simulated device, seen through the engine's recorder, become alerts within two intervals.

#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use rustfs_rio_engine::monitor::{
    Category, Change, Collector, CollectorConfig, ErrorClass, Gauges, Reading, Recorder, Targets,
};
use rustfs_rio_engine::sim::{self, Faults, SimDisk};
use rustfs_rio_engine::{Engine, EngineConfig, File, OpenOptions};
use std::sync::Arc;
use std::time::Duration;

/// Intervals of a healthy device, so that there is a past.
const HEALTHY: u64 = 60;
const READS: u64 = 100;

/// An engine on a simulated device, and a monitor of it in virtual time.
struct Scene {
    disk: SimDisk,
    engine: Engine,
    file: File,
    recorder: Arc<Recorder>,
    collector: Collector,
    interval: u64,
}

impl Scene {
    async fn new() -> Self {
        let disk = SimDisk::new(7);
        disk.install("data", &[7; 4096]);
        let recorder = Arc::new(Recorder::new());
        let config = EngineConfig { recorder: Some(Arc::clone(&recorder)), ..EngineConfig::default() };
        let engine = sim::engine(config, &disk).unwrap();
        let file = engine.open("data", &OpenOptions::new().read(true)).await.unwrap();
        let second = Duration::from_secs(1);
        let config =
            CollectorConfig { interval: second, targets: Targets::default(), retention: second * 3600 };
        let collector = Collector::new(config, Arc::clone(&recorder), Reading::default());
        Self { disk, engine, file, recorder, collector, interval: 0 }
    }

    /// A second of reads, of which some may fail.
    async fn read(&self) {
        for _ in 0..READS {
            let _ = self.file.read_at(Vec::with_capacity(512), 0).await;
        }
    }

    /// Ends the second. Latencies are those of this machine, so alerts about them are nobody's fault here and are left out.
    fn collect(&mut self) -> Vec<Change> {
        self.interval += 1;
        let now = Duration::from_secs(self.interval);
        let gauges = Gauges { in_flight: self.engine.stats().in_flight, ..Gauges::default() };
        let collected =
            self.collector.collect(Reading { wall: now, monotonic: now, gauges, ..Reading::default() });
        let changes = collected.changes.into_iter();
        changes.filter(|change| !change.alert().metric.contains("latency")).collect()
    }
}

#[tokio::test]
async fn a_burst_of_device_errors_is_an_alert_in_the_second_interval() {
    let mut scene = Scene::new().await;
    for _ in 0..HEALTHY {
        scene.read().await;
        assert!(scene.collect().is_empty());
    }
    scene.disk.set_faults(Faults { read_error: 0.1, ..Faults::default() });
    let mut opened = Vec::new();
    for _ in 0..2 {
        scene.read().await;
        opened.extend(scene.collect());
    }
    let is_about_errors = |change: &Change| {
        let alert = change.alert();
        alert.metric == "error_rate" && alert.category == Category::Degradation
    };
    assert!(opened.iter().any(is_about_errors), "{opened:#?}");
    assert!(scene.recorder.snapshot().errors_of(ErrorClass::Device) > 0);
    scene.disk.set_faults(Faults::default());
    let mut closed = Vec::new();
    for _ in 0..12 {
        scene.read().await;
        closed.extend(scene.collect());
    }
    assert!(
        closed.iter().any(|change| matches!(change, Change::Closed(_)) && is_about_errors(change)),
        "{closed:#?}"
    );
    assert!(scene.engine.shutdown(Duration::from_secs(10)).await.is_clean());
}

#[tokio::test]
async fn operations_that_pile_up_are_an_alert_in_the_second_interval() {
    let mut scene = Scene::new().await;
    for _ in 0..HEALTHY {
        scene.read().await;
        assert!(scene.collect().is_empty());
    }
    scene.disk.hang();
    let waiting: Vec<_> = (0..64)
        .map(|_| {
            let file = scene.file.clone();
            tokio::spawn(async move { file.read_at(Vec::with_capacity(512), 0).await.0 })
        })
        .collect();
    while scene.engine.stats().in_flight < 64 {
        tokio::task::yield_now().await;
    }
    let opened: Vec<Change> = (0..2).flat_map(|_| scene.collect()).collect();
    let alert = opened.iter().map(Change::alert).find(|alert| alert.metric == "queue_depth");
    let alert = alert.unwrap_or_else(|| unreachable!("no alert about the queue: {opened:#?}"));
    assert_eq!((alert.value, alert.category), (64.0, Category::Degradation));
    assert!(alert.actions.iter().any(|action| action.contains("max_concurrent_ops")));
    scene.disk.release_hung();
    for read in waiting {
        assert_eq!(read.await.unwrap().unwrap(), 512);
    }
    assert!(scene.engine.shutdown(Duration::from_secs(10)).await.is_clean());
}
