//! The monitor's task, and what it shares with those who ask.

use super::keeper::Keeper;
use super::sink::Sink;
use super::{Collector, CollectorConfig, Reading, Recorder, SystemSample, wall};
use crate::runtime::WeakRuntime;
use parking_lot::Mutex;
use rustfs_rio_buf::PoolStats;
use rustfs_rio_engine::EngineStats;
use rustfs_rio_monitor::{Change, Components, EngineCounters, Entry, Gauges, PoolCounters};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Callbacks at most.
const CALLS_MAX: usize = 16;

/// Sources at most.
const SOURCES_MAX: usize = 16;

type Call = Box<dyn Fn(&Change) + Send + Sync>;
/// Fills in what a part of the service counts.
pub(super) type Source = Box<dyn Fn(&mut Components) + Send + Sync>;

/// Collector and sinks. Locks are held for microseconds and never across an await.
pub(super) struct Shared {
    collector: Mutex<Collector>,
    calls: Mutex<Vec<Arc<Call>>>,
    /// Set once, before anything is told.
    sinks: OnceLock<Vec<Sink>>,
    runtime: Mutex<Option<WeakRuntime>>,
    sources: Mutex<Vec<Arc<Source>>>,
    connections: AtomicU64,
    profiles: bool,
    started: Instant,
}

impl Shared {
    pub(super) fn new(config: CollectorConfig, recorder: Arc<Recorder>, profiles: bool) -> Self {
        let system = if profiles { SystemSample::read() } else { SystemSample::default() };
        let reading = Reading { wall: wall(), system, ..Reading::default() };
        Self {
            collector: Mutex::new(Collector::new(config, recorder, reading)),
            calls: Mutex::new(Vec::new()),
            sinks: OnceLock::new(),
            runtime: Mutex::new(None),
            sources: Mutex::new(Vec::new()),
            connections: AtomicU64::new(0),
            profiles,
            started: Instant::now(),
        }
    }

    pub(super) fn with<T>(&self, ask: impl FnOnce(&mut Collector) -> T) -> T {
        ask(&mut self.collector.lock())
    }

    /// Time since the monitor was made.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn attach(&self, runtime: WeakRuntime) {
        *self.runtime.lock() = Some(runtime);
    }

    pub(super) fn on_alert(&self, call: Call) {
        let mut calls = self.calls.lock();
        if calls.len() < CALLS_MAX {
            calls.push(Arc::new(call));
        } else {
            tracing::warn!(max = CALLS_MAX, "one more callback for alerts was not taken");
        }
    }

    pub(super) fn set_sinks(&self, sinks: Vec<Sink>) {
        let _ = self.sinks.set(sinks);
    }

    pub(super) fn sinks(&self) -> &[Sink] {
        self.sinks.get().map_or(&[], Vec::as_slice)
    }

    /// `false` at the bound.
    pub(super) fn add_source(&self, source: Source) -> bool {
        let mut sources = self.sources.lock();
        let fits = sources.len() < SOURCES_MAX;
        if fits {
            sources.push(Arc::new(source));
        }
        fits
    }

    pub(super) fn set_connections(&self, count: u64) {
        self.connections.store(count, Ordering::Relaxed);
    }

    fn reading(&self) -> Reading {
        let mut gauges =
            Gauges { active_connections: self.connections.load(Ordering::Relaxed), ..Gauges::default() };
        let mut components = Components::default();
        if let Some((engine, pool)) = self.runtime.lock().as_ref().and_then(WeakRuntime::counts) {
            gauges.in_flight = engine.in_flight;
            components.engine = Some(engine_counters(&engine));
            components.pool = Some(pool_counters(&pool));
        }
        components.cache = self.runtime.lock().as_ref().and_then(WeakRuntime::cache_counts);
        // A source may register another, so none is called under the lock.
        let sources: Vec<Arc<Source>> = self.sources.lock().clone();
        sources.iter().for_each(|source| source(&mut components));
        if let Some(cache) = &components.cache {
            (gauges.cache_hits, gauges.cache_misses) = (cache.hits, cache.misses);
        }
        Reading {
            wall: wall(),
            monotonic: self.started.elapsed(),
            gauges,
            components,
            deliveries: self.sinks().iter().map(|sink| sink.stats().into()).collect(),
            system: if self.profiles { SystemSample::read() } else { SystemSample::default() },
        }
    }

    /// One interval. Reading `/proc` takes some 100 us; nothing here waits for a device.
    fn collect(&self) -> Vec<Entry> {
        let reading = self.reading();
        let collected = self.collector.lock().collect(reading);
        self.tell(&collected.changes);
        collected.entries
    }

    /// Calls back. A callback that panics is not called again; the others are.
    fn call(&self, call: &Arc<Call>, change: &Change) {
        let called = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(change)));
        if called.is_err() {
            self.calls.lock().retain(|other| !Arc::ptr_eq(other, call));
            tracing::error!("a callback for alerts panicked; it is not called again, the others are");
        }
    }

    /// Tells the sinks.
    pub(super) fn tell(&self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        // A callback may register another, so none is called under the lock.
        let calls: Vec<Arc<Call>> = self.calls.lock().clone();
        for change in changes {
            trace(change);
            calls.iter().for_each(|call| self.call(call, change));
            self.sinks().iter().for_each(|sink| sink.push(change));
        }
    }
}

fn engine_counters(engine: &EngineStats) -> EngineCounters {
    EngineCounters {
        ring_enters: engine.ring_enters,
        ring_completions: engine.ring_completions,
        rerouted: engine.rerouted_ops,
        threads: engine.blocking_threads as u64,
    }
}

fn pool_counters(pool: &PoolStats) -> PoolCounters {
    PoolCounters {
        hits: pool.hits,
        misses: pool.misses,
        waiting: pool.waiting as u64,
        buffers_in_use: pool.outstanding,
        bytes_in_use: pool.outstanding_bytes,
        bytes_idle: pool.idle_bytes,
        bytes_bound: pool.bound_bytes,
    }
}

fn trace(change: &Change) {
    let alert = change.alert();
    let (metric, category, evidence) = (&alert.metric, alert.category.name(), &alert.evidence);
    match change {
        Change::Opened(_) => {
            tracing::warn!(%metric, category, severity = %alert.severity, %evidence, "alert opened");
        }
        Change::Worsened(_) => {
            tracing::warn!(%metric, category, severity = %alert.severity, %evidence, "alert worsened");
        }
        Change::Closed(_) => tracing::info!(%metric, category, "alert closed"),
    }
}

/// A running task. Dropping it ends the task at its next await.
pub(super) struct Task {
    end: Option<oneshot::Sender<()>>,
    handle: JoinHandle<()>,
}

impl Task {
    /// Starts what `make` makes; it ends when what it is given resolves.
    pub(super) fn start<F>(runtime: &Handle, make: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (end, ended) = oneshot::channel();
        Self { end: Some(end), handle: runtime.spawn(make(ended)) }
    }

    /// Asks the task to end after a last round, and waits for it.
    pub(super) async fn end(mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
        let _ = (&mut self.handle).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// Collects in intervals.
pub(super) async fn run(
    shared: Arc<Shared>,
    interval: Duration,
    path: Option<PathBuf>,
    mut ended: oneshot::Receiver<()>,
) {
    let mut keeper = Keeper::open(path, &shared).await;
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    // A late collection covers a longer interval; catching up would make intervals of no length.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_last = tokio::select! {
            _ = ticks.tick() => false,
            _ = &mut ended => true,
        };
        let mut entries = shared.collect();
        if is_last {
            entries.extend(shared.with(Collector::finish));
        }
        keeper.keep(entries).await;
        if is_last {
            return;
        }
    }
}
