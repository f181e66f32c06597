//! The engine: owns the rings, the pool and the table, chooses a path for each operation, and shuts everything down.

use crate::admission::Admission;
use crate::blocking::{Accepted, Pool, PoolConfig, Weight};
use crate::config::{Backend, EngineConfig, RingUse};
use crate::errno::RingRefusal;
use crate::error::{EngineError, FileError, Refusal};
use crate::health::DeviceHealth;
use crate::inflight::{InFlight, Via};
use crate::op::{Op, OpKind};
use crate::payload::Payload;
use crate::recording::Recording;
use crate::shared::{Core, Counters, Route, thread_number};
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering};
use crate::table::{FileRef, Outcome, Owned, Table, Token};
use crate::uring::{self, PolledRing, RingConfig, Shard};
use rustfs_rio_monitor::{FileClass, Path, Recorder};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A file I/O engine. Cheap to clone; all clones are the same engine.
///
/// Create it inside a tokio runtime built with `enable_all()`: one task per ring watches for completions there. The
/// operations may be awaited on any runtime or executor. When the last clone and the last open file are gone the engine
/// shuts down by itself with a bound of one second; [`shutdown`](Engine::shutdown) does it with a report.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) core: Arc<Core>,
    pub(crate) config: EngineConfig,
    pool: Arc<Pool>,
    pub(crate) rings: Vec<Arc<Shard>>,
    /// Whether submissions gather; may change at any time.
    pub(crate) gathers: AtomicBool,
    polled: Option<PolledRing>,
    refusal: Option<RingRefusal>,
    reapers: Mutex<Vec<JoinHandle<()>>>,
    devices: Mutex<HashMap<(u32, u32), Arc<DeviceHealth>>>,
    closing: AtomicBool,
    files: AtomicU64,
    #[cfg(any(test, feature = "testing"))]
    pub(crate) sim: Option<Arc<crate::sim::Driver>>,
}

/// What [`Engine::shutdown`] could and could not end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Operations that did not complete in time. Their buffers, files and rings are leaked, because the kernel may still
    /// use them.
    pub operations_left: usize,
    /// Blocking threads that are still inside a system call.
    pub threads_left: usize,
    /// Whether the engine had been shut down before.
    pub already_down: bool,
}

impl ShutdownReport {
    /// Whether everything ended.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.operations_left == 0 && self.threads_left == 0
    }
}

/// Counters of an engine since its creation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineStats {
    /// Operations carried out on the calling task.
    pub inline_ops: u64,
    /// Operations sent to a ring.
    pub ring_ops: u64,
    /// Operations sent to the blocking pool.
    pub blocking_ops: u64,
    /// Operations sent to the simulated device.
    pub simulated_ops: u64,
    /// Bytes read by completed operations.
    pub bytes_read: u64,
    /// Bytes written by completed operations.
    pub bytes_written: u64,
    /// Operations that ended with an error.
    pub failed_ops: u64,
    /// Operations that the ring failed and the blocking path carried out.
    pub rerouted_ops: u64,
    /// `io_uring_enter(2)` calls.
    pub ring_enters: u64,
    /// Completions taken from rings.
    pub ring_completions: u64,
    /// Completion queue overflows, cumulative.
    pub ring_overflows: u64,
    /// Operations handed to the table, over all backends.
    pub submitted: u64,
    /// Results that were taken.
    pub delivered: u64,
    /// Operations whose future was dropped, after their memory came back.
    pub reclaimed: u64,
    /// Operations in flight now.
    pub in_flight: u64,
    /// Operations that wait to be admitted, now.
    pub waiting_ops: u64,
    /// Operations that were refused because too many waited.
    pub shed_ops: u64,
    /// Operations in the kernel through rings, now.
    pub in_kernel: u64,
    /// Devices whose operations avoid the ring because it failed them, now.
    pub latched_devices: usize,
    /// Rings that failed and are not replaced yet, now.
    pub broken_rings: usize,
    /// Files that a failed sync poisoned.
    pub poisoned_files: u64,
    /// Threads of the blocking pool.
    pub blocking_threads: usize,
}

/// What the machine lets the engine do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Rings in use; 0 means that everything takes other paths.
    pub rings: usize,
    /// Why there is no ring, if one was wanted.
    pub ring_refusal: Option<RingRefusal>,
}

impl Engine {
    /// Starts an engine on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`EngineError`] for settings out of range, outside a runtime (unless no ring is wanted), or when io_uring is demanded and refused. With
    /// [`Backend::Auto`] a refusal is no error: [`capabilities`](Engine::capabilities) tells it.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        config.check()?;
        let parts = Parts::new(&config);
        if config.ring_use() == RingUse::Off {
            return Ok(parts.assemble(config, Vec::new(), None, None, Vec::new()));
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| EngineError::NoRuntime)?;
        let made = parts.rings(&config).and_then(|rings| Ok((rings, parts.polled(&config)?)));
        let ((rings, polled), refusal) = match made {
            Ok(made) => (made, None),
            Err(refusal) if config.ring_use() == RingUse::Required => {
                return Err(EngineError::RingRefused(refusal));
            }
            Err(refusal) => {
                tracing::warn!(%refusal, "io_uring is not used; blocking threads take its place");
                ((Vec::new(), None), Some(refusal))
            }
        };
        let ring_config = ring_config(&config);
        let spawn = |(shard, failed): &WatchedRing| {
            runtime.spawn(uring::reaper(Arc::clone(shard), ring_config.clone(), Arc::clone(failed)))
        };
        let reapers = rings.iter().map(spawn).collect();
        let rings = rings.into_iter().map(|(shard, _)| shard).collect();
        Ok(parts.assemble(config, rings, polled, refusal, reapers))
    }

    /// An engine whose operations go to a simulated device; see [`crate::sim::engine`].
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn simulated(config: EngineConfig, disk: &crate::sim::SimDisk) -> Result<Self, EngineError> {
        config.check()?;
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| EngineError::NoRuntime)?;
        let mut parts = Parts::new(&config);
        let _ = parts.core.simulated.set(disk.clone());
        let driver = crate::sim::Driver::new(disk.clone(), Arc::clone(&parts.core));
        let task = runtime.spawn(crate::sim::drive(Arc::clone(&driver)));
        parts.sim = Some(driver);
        Ok(parts.assemble(config, Vec::new(), None, None, vec![task]))
    }

    /// What the engine found out about the machine at start-up.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        Capabilities { rings: self.inner.rings.len(), ring_refusal: self.inner.refusal.clone() }
    }

    /// What counts the engine's operations, if one was given. Parts built on the engine count theirs there too.
    #[must_use]
    pub fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.inner.config.recorder.as_ref()
    }

    /// The settings the engine was made with.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.inner.config
    }

    /// Whether [`shutdown`](Engine::shutdown) was called.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.inner.check_open().is_err()
    }

    /// Current counters.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        let core = &self.inner.core;
        let totals = core.counters.totals();
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        EngineStats {
            inline_ops: totals.routes[Route::Inline as usize],
            ring_ops: totals.routes[Route::Ring as usize],
            blocking_ops: totals.routes[Route::Blocking as usize],
            simulated_ops: totals.routes[Route::Simulated as usize],
            bytes_read: totals.bytes_read,
            bytes_written: totals.bytes_written,
            failed_ops: get(&core.counters.failed),
            rerouted_ops: get(&core.counters.rerouted),
            ring_enters: get(&core.counters.enters),
            ring_completions: get(&core.counters.completions),
            ring_overflows: get(&core.counters.cq_overflows),
            submitted: get(&core.table.books.submitted),
            delivered: get(&core.table.books.delivered),
            reclaimed: get(&core.table.books.reclaimed),
            in_flight: core.table.outstanding(),
            waiting_ops: core.admission.waiting() as u64,
            shed_ops: core.admission.refused(),
            in_kernel: self.inner.rings.iter().map(|ring| ring.in_kernel() as u64).sum(),
            latched_devices: self.inner.latched_devices(),
            broken_rings: self.inner.rings.iter().filter(|ring| ring.is_broken()).count(),
            poisoned_files: get(&core.counters.poisoned),
            blocking_threads: self.inner.pool.threads(),
        }
    }

    /// Refuses new operations, waits until those in flight have completed, at most for `deadline`, ends every task and
    /// thread of the engine, and reports what it could not end. Safe to call more than once.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        let until = Instant::now() + deadline;
        if self.inner.closing.swap(true, Ordering::SeqCst) {
            return ShutdownReport { already_down: true, ..self.inner.remains() };
        }
        // The wait blocks a thread, so it must not be a worker of the runtime, whose tasks may be what is waited for.
        let inner = Arc::clone(&self.inner);
        let waited = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(move || inner.drain(until)).await,
            // The thread belongs to the caller alone.
            Err(_) => Ok(inner.drain(until)),
        };
        let reapers = std::mem::take(&mut *self.inner.reapers.lock());
        for reaper in reapers {
            reaper.abort();
            let _ = reaper.await;
        }
        waited.unwrap_or_else(|_| self.inner.remains())
    }
}

/// A ring and the signal with which it tells its reaper that it failed.
type WatchedRing = (Arc<Shard>, Arc<Notify>);

/// What is made before the engine itself.
struct Parts {
    core: Arc<Core>,
    pool: Arc<Pool>,
    #[cfg(any(test, feature = "testing"))]
    sim: Option<Arc<crate::sim::Driver>>,
}

/// `IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 0)` of `ioprio_set(2)`.
pub(crate) const HIGH_PRIORITY: u16 = 2 << 13;

fn ring_config(config: &EngineConfig) -> RingConfig {
    RingConfig {
        shards: config.ring_count(),
        depth: config.queue_depth,
        sqpoll_idle: config.sqpoll_idle,
        workers_max: [config.ring_workers_max; 2],
        iopoll: false,
        priority: if config.high_priority { HIGH_PRIORITY } else { 0 },
        batch_size: config.batch_size,
        batch_timeout: config.batch_timeout,
    }
}

impl Parts {
    fn new(config: &EngineConfig) -> Self {
        let core = Arc::new(Core {
            table: Table::new(config.max_concurrent_ops),
            admission: Admission::with_queue(config.max_concurrent_ops, config.max_waiting_ops),
            counters: Counters::default(),
            recording: Recording::new(config.recorder.clone()),
            #[cfg(any(test, feature = "testing"))]
            simulated: std::sync::OnceLock::new(),
        });
        let pool_config =
            PoolConfig { threads_max: config.blocking_threads_max, high_priority: config.high_priority };
        Self {
            pool: Arc::new(Pool::new(pool_config, Arc::clone(&core))),
            core,
            #[cfg(any(test, feature = "testing"))]
            sim: None,
        }
    }

    fn rings(&self, config: &EngineConfig) -> Result<Vec<WatchedRing>, RingRefusal> {
        let config = ring_config(config);
        let make = |_| {
            let (ring, abilities) = uring::probe(&config)?;
            let failed = Arc::new(Notify::new());
            let reroute = reroute_to(Arc::clone(&self.pool), Arc::clone(&self.core));
            let core = Arc::clone(&self.core);
            let shard = Shard::new(ring, abilities, &config, core, reroute, Arc::clone(&failed))
                .map_err(|error| uring::explain("eventfd for the ring", &error))?;
            Ok((Arc::new(shard), failed))
        };
        (0..config.shards).map(make).collect()
    }

    /// The polled ring, if it is switched on.
    fn polled(&self, config: &EngineConfig) -> Result<Option<PolledRing>, RingRefusal> {
        if !config.iopoll {
            return Ok(None);
        }
        let config = RingConfig { iopoll: true, sqpoll_idle: None, ..ring_config(config) };
        let (ring, abilities) = uring::probe(&config)?;
        let reroute = reroute_to(Arc::clone(&self.pool), Arc::clone(&self.core));
        PolledRing::start(ring, abilities, &config, Arc::clone(&self.core), reroute)
            .map(Some)
            .map_err(|error| uring::explain("thread for the polled ring", &error))
    }

    fn assemble(
        self,
        config: EngineConfig,
        rings: Vec<Arc<Shard>>,
        polled: Option<PolledRing>,
        refusal: Option<RingRefusal>,
        reapers: Vec<JoinHandle<()>>,
    ) -> Engine {
        let inner = Inner {
            core: self.core,
            gathers: AtomicBool::new(config.gather),
            config,
            pool: self.pool,
            rings,
            polled,
            refusal,
            reapers: Mutex::new(reapers),
            devices: Mutex::new(HashMap::new()),
            closing: AtomicBool::new(false),
            files: AtomicU64::new(1),
            #[cfg(any(test, feature = "testing"))]
            sim: self.sim,
        };
        Engine { inner: Arc::new(inner) }
    }
}

/// Hands an operation that the ring could not do to the pool.
fn reroute_to(pool: Arc<Pool>, core: Arc<Core>) -> Box<dyn Fn(Token) + Send + Sync> {
    Box::new(move |token| {
        if pool.submit(token, Weight::Long) == Accepted::No {
            core.settle(core.table.fail(token, libc::EAGAIN));
        }
    })
}

/// An operation and what goes with it.
pub(crate) struct Request<'a, T> {
    pub(crate) op: Op,
    /// What the operation's pointers refer to.
    pub(crate) payload: T,
    pub(crate) file: Option<FileRef>,
    /// Identifies the file for fair admission; 0 for operations without one.
    pub(crate) file_id: u64,
    pub(crate) health: Option<&'a DeviceHealth>,
    /// Under which class of file the operation is recorded.
    pub(crate) class: FileClass,
    pub(crate) hint: Hint,
}

/// What the choice of a path has to know about an operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hint {
    /// Plain calls wait for page cache and kernel workers rather than the device, so that the ring gains nothing.
    pub(crate) prefers_blocking: bool,
    pub(crate) weight: Weight,
    /// The transfer bypasses the page cache.
    pub(crate) direct: bool,
}

impl Inner {
    pub(crate) fn next_file_id(&self) -> u64 {
        self.files.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn check_open(&self) -> Result<(), Refusal> {
        if self.closing.load(Ordering::Acquire) { Err(Refusal::ShutDown) } else { Ok(()) }
    }

    /// Health record of a device. Bounded by the number of devices of the machine.
    pub(crate) fn device(&self, number: (u32, u32)) -> Arc<DeviceHealth> {
        let mut devices = self.devices.lock();
        Arc::clone(devices.entry(number).or_insert_with(|| Arc::new(DeviceHealth::new())))
    }

    fn latched_devices(&self) -> usize {
        self.devices.lock().values().filter(|health| health.is_latched()).count()
    }

    /// Whether transfers of resident data may be tried on the calling task.
    pub(crate) fn inline_allowed(&self) -> bool {
        self.config.inline && self.config.backend == Backend::Auto
    }

    /// Carries out an operation through the table. The payload always comes back, unless the future is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        request: Request<'_, T>,
    ) -> (Result<Outcome, io::Error>, Option<T>) {
        if let Err(refusal) = self.check_open() {
            return (Err(refusal.into()), Some(request.payload));
        }
        let timer = self.core.recording.start();
        let permit = match self.core.admission.try_acquire() {
            Some(permit) => permit,
            None => {
                let place = match self.core.admission.enter_queue() {
                    Ok(place) => place,
                    Err(max) => {
                        return (Err(Refusal::Overloaded { max }.into()), Some(request.payload));
                    }
                };
                let permit = self.core.admission.acquire(request.file_id).await;
                drop(place);
                if let Err(refusal) = self.check_open() {
                    return (Err(refusal.into()), Some(request.payload));
                }
                permit
            }
        };
        let kind = request.op.kind();
        let health = request.health;
        let route_hint = request.hint;
        let class = request.class;
        let change = request.file.as_ref().and_then(|file| file.change_begins(&request.op));
        let payload = Payload::new(request.payload);
        let owned = Owned { payload, file: request.file, permit: Some(permit), change };
        let token = match self.core.table.insert(request.op, owned) {
            Ok(token) => token,
            Err(owned) => return (Err(io::ErrorKind::OutOfMemory.into()), owned.payload.into_inner()),
        };
        let via = self.dispatch(token, kind, health, route_hint);
        let used = via.clone();
        let finished = InFlight::new(Arc::clone(&self.core), token, via).await;
        let Some((outcome, owned)) = finished else {
            return (Err(io::Error::other("operation lost by the engine")), None);
        };
        // What was let in just before the door closed is refused by a backend that has closed already.
        if outcome.result == Err(libc::EAGAIN)
            && outcome.transferred == 0
            && let Err(refusal) = self.check_open()
        {
            return (Err(refusal.into()), owned.payload.into_inner());
        }
        self.account(kind, outcome, &used, health);
        let path = self.path_taken(&used, outcome);
        self.core.recording.finish(timer, (kind, path, class), outcome.transferred, outcome.result.err());
        (Ok(outcome), owned.payload.into_inner())
    }

    /// Where the operation ended, as the monitor names it.
    fn path_taken(&self, used: &Via, outcome: Outcome) -> Path {
        #[cfg(any(test, feature = "testing"))]
        if self.sim.is_some() {
            return Path::Other;
        }
        match used {
            Via::Ring(_) | Via::Polled if !outcome.rerouted => Path::Ring,
            Via::Ring(_) | Via::Polled | Via::Other => Path::Blocking,
        }
    }

    fn account(&self, kind: OpKind, outcome: Outcome, used: &Via, health: Option<&DeviceHealth>) {
        let counters = &self.core.counters;
        if outcome.result.is_err() {
            counters.failed.fetch_add(1, Ordering::Relaxed);
        }
        if outcome.rerouted {
            counters.rerouted.fetch_add(1, Ordering::Relaxed);
        }
        let Some(health) = health else { return };
        match used {
            Via::Other => return,
            Via::Polled if outcome.rerouted => return health.polling_failed(),
            Via::Polled => return,
            Via::Ring(_) => {}
        }
        if !outcome.rerouted {
            health.ring_worked();
        } else if kind.is_transfer() && health.ring_failed() {
            tracing::warn!(
                "the ring keeps failing on this device; blocking threads serve it, with probes back"
            );
        }
    }

    /// Sends an operation on its way.
    fn dispatch(
        &self,
        token: Token,
        kind: OpKind,
        health: Option<&DeviceHealth>,
        Hint { prefers_blocking, weight, direct }: Hint,
    ) -> Via {
        #[cfg(any(test, feature = "testing"))]
        if let Some(sim) = &self.sim {
            self.core.counters.count(kind, Route::Simulated, 0);
            if !sim.submit(token) {
                self.core.settle(self.core.table.fail(token, libc::EAGAIN));
            }
            return Via::Other;
        }
        let wants_ring = match self.config.backend {
            Backend::Uring => true,
            Backend::Blocking => false,
            Backend::Auto => kind.is_transfer() && !prefers_blocking,
        };
        let pollable = wants_ring && direct && kind.is_transfer();
        if pollable
            && health.is_none_or(DeviceHealth::allows_polling)
            && self.polled.as_ref().is_some_and(|polled| polled.submit(token))
        {
            self.core.counters.count(kind, Route::Ring, 0);
            return Via::Polled;
        }
        if wants_ring && !self.rings.is_empty() && health.is_none_or(DeviceHealth::allows_ring) {
            let shard = &self.rings[thread_number() % self.rings.len()];
            if shard.submit(token, self.gathers.load(Ordering::Relaxed)) {
                self.core.counters.count(kind, Route::Ring, 0);
                return Via::Ring(Arc::clone(shard));
            }
        }
        self.core.counters.count(kind, Route::Blocking, 0);
        match self.pool.submit(token, weight) {
            Accepted::AtOnce if weight == Weight::Short => self.core.table.spin_until_done(token),
            Accepted::No => self.core.settle(self.core.table.fail(token, libc::EAGAIN)),
            Accepted::AtOnce | Accepted::Queued => {}
        }
        Via::Other
    }

    fn remains(&self) -> ShutdownReport {
        ShutdownReport {
            operations_left: self.core.table.running(),
            threads_left: self.pool.running(),
            already_down: false,
        }
    }

    /// Waits for rings and pool to finish. Blocks the calling thread until `deadline` at the latest.
    fn drain(&self, deadline: Instant) -> ShutdownReport {
        for ring in &self.rings {
            ring.drain(deadline);
        }
        if let Some(polled) = &self.polled {
            polled.close(deadline);
        }
        #[cfg(any(test, feature = "testing"))]
        if let Some(sim) = &self.sim {
            sim.drain(deadline);
        }
        let threads_left = self.pool.close(deadline);
        // An operation that was let in just before the door closed may still be on its way from the table to a backend.
        while self.core.table.running() > 0 && Instant::now() < deadline {
            self.rings.iter().for_each(|ring| _ = ring.drain(deadline));
            std::thread::yield_now();
        }
        ShutdownReport { operations_left: self.core.table.running(), threads_left, already_down: false }
    }
}

/// Bound on the wait when an engine is dropped without [`Engine::shutdown`].
const DROP_DEADLINE: Duration = Duration::from_secs(1);

impl Drop for Inner {
    fn drop(&mut self) {
        for reaper in std::mem::take(&mut *self.reapers.lock()) {
            reaper.abort();
        }
        if !self.closing.swap(true, Ordering::SeqCst) {
            self.drain(Instant::now() + DROP_DEADLINE);
        }
        let left = self.core.table.running();
        if left > 0 {
            tracing::error!(
                left,
                "operations still run at the end of the engine; their memory is leaked, not freed"
            );
            std::mem::forget(Arc::clone(&self.core));
            self.rings.iter().for_each(|ring| std::mem::forget(Arc::clone(ring)));
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("backend", &self.inner.config.backend)
            .field("rings", &self.inner.rings.len())
            .field("in_flight", &self.inner.core.table.outstanding())
            .finish_non_exhaustive()
    }
}

/// Wraps the cause of a failed operation in its context.
pub(crate) fn fail(
    error: io::Error,
    kind: OpKind,
    path: &std::path::Path,
    range: Option<(u64, usize)>,
    transferred: usize,
) -> io::Error {
    let error = FileError::new(kind, path, error).transferred(transferred);
    match range {
        Some((offset, len)) => error.range(offset, len).into(),
        None => error.into(),
    }
}
