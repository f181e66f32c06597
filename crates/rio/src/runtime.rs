//! The runtime handle: one engine, its configuration, and the tokio runtime it was made on.

use crate::OptimizedBuffer;
use crate::access_ring::AccessRing;
use crate::buffers::{Caretaker, HEADROOM};
use crate::cache::{BlockCache, CacheConfig, FileCache};
use crate::config::{AdvancedRioConfig, Layers};
use crate::error::RuntimeError;
use crate::heal::Places;
use crate::live::LiveParameters;
use rustfs_rio_buf::{BufferPool, Leak, PoolConfig, PoolError, PoolStats, memory_limit};
use rustfs_rio_engine::{
    Backend, Capabilities, Engine, EngineConfig, EngineStats, File, OpenOptions, Refusal, RingUse,
};
use rustfs_rio_monitor::{CacheCounters, Ended, FileClass, Key, Operation, Path as Way, Recorder};
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// How operations that have to wait are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuntimeType {
    /// By a bounded pool of threads.
    Tokio,
    /// By io_uring, from the tasks of the same tokio runtime.
    IoUring,
}

#[allow(non_upper_case_globals, reason = "the name that existing code uses")]
impl RuntimeType {
    /// The existing API's name for [`RuntimeType::IoUring`].
    pub const Monoio: RuntimeType = RuntimeType::IoUring;

    /// What is used where nobody asks for anything.
    pub(crate) fn default_of_platform() -> Self {
        if cfg!(target_os = "linux") { Self::IoUring } else { Self::Tokio }
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::IoUring => "io_uring",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "tokio" => Some(Self::Tokio),
            "monoio" | "io_uring" => Some(Self::IoUring),
            _ => None,
        }
    }
}

/// Large reads that may hold buffers without a ring.
const TURNS_MIN: usize = 64;

/// Smallest bound on the memory of buffers: one large object in pieces.
pub(crate) const BUFFER_MEMORY_MIN: u64 = 1 << 20;

/// Bounds on the default of [`RuntimeConfig::buffer_memory`]. With 384 MiB in flight a device that takes 10 ms per read delivers 38 GB/s;
/// more only costs memory (decision 0055).
const BUFFER_MEMORY_LEAST: u64 = 64 << 20;
const BUFFER_MEMORY_MOST: u64 = 384 << 20;

/// Settings of a runtime. Environment variables take effect in [`Default`] and [`RuntimeConfig::from_env`]; what code sets
/// afterwards wins.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Default: what [`detect_best_runtime`](Self::detect_best_runtime) finds.
    pub runtime_type: RuntimeType,
    /// Number of tokio workers that will use the engine, which decides how many rings there are: one per four. `None`: the
    /// number of CPUs.
    pub worker_threads: Option<usize>,
    /// Bound on the threads of the blocking pool, which start on demand. `None`: 64.
    pub max_blocking_threads: Option<usize>,
    /// Whether threads are spread over several rings (`true`) or share one.
    pub thread_local: bool,
    /// Bound on the time that opening or creating a file may take. Default 30 s.
    pub io_timeout: Duration,
    /// Size of the buffer behind `AsyncRead` and `AsyncWrite`, in bytes, 4096 to 16 MiB. Default 64 KiB.
    pub buffer_size: usize,
    /// Bound on the memory of the buffers that [`get_optimized_buffer`](RuntimeHandle::get_optimized_buffer) and
    /// [`read_range`](crate::DiskFile::read_range) hand out, in use and idle together, in bytes, at least 1 MiB. Default: a sixteenth
    /// of the memory of the machine or of the control group, 64 to 384 MiB.
    pub buffer_memory: u64,
    /// Whether to remember where each buffer was taken, for [`ShutdownReport::buffers`]. Costs tens of microseconds per buffer.
    /// Default off.
    pub trace_buffers: bool,
    /// Whether buffers are overwritten with zeros when they come back, for services that hold secrets in them. Default off.
    pub wipe_buffers: bool,
    /// Whether buffers are kept for the next request. Off: each is taken from the system and goes back to it. Default on.
    pub keep_buffers: bool,
    /// Asks the I/O scheduler for precedence over ordinary processes.
    pub high_priority: bool,
    /// Which backend carries out operations; [`Backend::Auto`] picks the best path for each.
    pub backend: Backend,
    /// Operations in flight at most, 1 to 65536. Default 1024, `RUSTFS_MAX_CONCURRENT_FILE_OPS`.
    pub max_concurrent_file_ops: usize,
    /// Operations that may wait for their turn, 0 to 1048576; further ones are refused with
    /// [`Refusal::Overloaded`](crate::Refusal). Default 65536.
    pub max_waiting_ops: usize,
    /// Operations of one [`IoEngine`](crate::IoEngine) in flight at most. Default 2048, `RUSTFS_IO_ENGINE_CONCURRENCY`.
    pub io_engine_concurrency: usize,
    /// Operations in the kernel per ring at most, 1 to 4096. Default 128.
    pub queue_depth: u32,
    /// Lets a kernel thread submit, which burns a CPU while there is work and this long after. Default off.
    pub sqpoll_idle: Option<Duration>,
    /// Polls for the completions of direct transfers on devices with polled queues; a thread burns a CPU while such transfers
    /// are in flight. Default off.
    pub iopoll: bool,
    /// Whether io_uring was demanded by `RUSTFS_FORCE_RUNTIME`, so that its refusal is an error.
    pub require_io_uring: bool,
    /// Whether submissions to a ring gather while woken tasks are about to add to them. Default on.
    pub gather: bool,
    /// Counts every operation, for a monitor: [`AdvancedPerformanceMonitor::recorder`](crate::AdvancedPerformanceMonitor::recorder).
    /// Default `None`, which costs a branch per operation.
    pub recorder: Option<Arc<Recorder>>,
    /// A cache for the reads of direct files, and reading ahead into it. Default `None`, which costs a branch per read.
    #[cfg(feature = "tune")]
    pub cache: Option<CacheConfig>,
}

impl RuntimeConfig {
    /// Defaults, changed by the file that `RUSTFS_RIO_CONFIG` names and by the environment.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::InitializationFailed`] naming the variable or key, its value and what is allowed.
    pub fn from_env() -> Result<Self, RuntimeError> {
        Ok(AdvancedRioConfig::from_env()?.runtime_config)
    }

    /// What nobody changed.
    pub(crate) fn built_in() -> Self {
        Self {
            runtime_type: RuntimeType::default_of_platform(),
            worker_threads: None,
            max_blocking_threads: None,
            thread_local: true,
            io_timeout: Duration::from_secs(30),
            buffer_size: 64 * 1024,
            buffer_memory: default_buffer_memory(),
            trace_buffers: false,
            wipe_buffers: false,
            keep_buffers: true,
            high_priority: false,
            backend: Backend::Auto,
            max_concurrent_file_ops: 1024,
            max_waiting_ops: 65536,
            io_engine_concurrency: 2048,
            queue_depth: 128,
            sqpoll_idle: None,
            iopoll: false,
            require_io_uring: false,
            gather: true,
            recorder: None,
            #[cfg(feature = "tune")]
            cache: None,
        }
    }

    /// The runtime type that the environment asks for, or else [`RuntimeType::IoUring`] on Linux. Whether io_uring works is
    /// found out when the engine starts, by using it; where it does not, the pool takes its place and
    /// [`RuntimeHandle::capabilities`] says why. A bad environment value is reported by [`init_runtime`].
    #[must_use]
    pub fn detect_best_runtime() -> RuntimeType {
        Self::default().runtime_type
    }

    fn engine_config(&self) -> EngineConfig {
        let rings = match (self.thread_local, self.worker_threads) {
            (false, _) => 1,
            (true, Some(workers)) => (workers / 4).clamp(1, 8),
            (true, None) => 0,
        };
        let ring = match self.runtime_type {
            RuntimeType::Tokio => RingUse::Off,
            RuntimeType::IoUring if self.require_io_uring => RingUse::Required,
            RuntimeType::IoUring => RingUse::IfAvailable,
        };
        let defaults = EngineConfig::default();
        EngineConfig {
            backend: self.backend,
            ring,
            max_concurrent_ops: self.max_concurrent_file_ops,
            max_waiting_ops: self.max_waiting_ops,
            rings,
            queue_depth: self.queue_depth,
            blocking_threads_max: self.max_blocking_threads.unwrap_or(defaults.blocking_threads_max),
            sqpoll_idle: self.sqpoll_idle,
            iopoll: self.iopoll,
            high_priority: self.high_priority,
            gather: self.gather,
            recorder: self.recorder.clone(),
            ..defaults
        }
    }

    #[cfg(feature = "tune")]
    fn cache_config(&self) -> Option<&CacheConfig> {
        self.cache.as_ref()
    }

    #[cfg(not(feature = "tune"))]
    fn cache_config(&self) -> Option<&CacheConfig> {
        None
    }

    fn check(&self) -> Result<(), RuntimeError> {
        let fail = |text: String| Err(RuntimeError::InitializationFailed(text));
        if !(4096..=16 << 20).contains(&self.buffer_size) {
            return fail(format!("buffer_size is {}, expected 4096 to 16777216 bytes", self.buffer_size));
        }
        if self.buffer_memory < BUFFER_MEMORY_MIN {
            let value = self.buffer_memory;
            return fail(format!("buffer_memory is {value}, expected at least {BUFFER_MEMORY_MIN} bytes"));
        }
        if !(1..=65536).contains(&self.io_engine_concurrency) {
            let value = self.io_engine_concurrency;
            return fail(format!("io_engine_concurrency is {value}, expected 1 to 65536"));
        }
        if self.worker_threads == Some(0) {
            return fail("worker_threads is 0, expected at least 1, or None".to_owned());
        }
        if self.io_timeout.is_zero() {
            return fail("io_timeout is 0, expected a positive duration".to_owned());
        }
        Ok(())
    }
}

/// A timer on the current tokio runtime; none outside of one, where nothing can be bounded and nothing needs it.
///
/// # Errors
///
/// [`RuntimeError::InitializationFailed`] in a runtime without timers, which tokio can only be asked about by trying.
pub(crate) fn timer(duration: Duration) -> Result<Option<tokio::time::Sleep>, RuntimeError> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Ok(None);
    }
    std::panic::catch_unwind(|| tokio::time::sleep(duration)).map(Some).map_err(|_| {
        let text = "the tokio runtime around this call has no timers; build it with enable_all()";
        RuntimeError::InitializationFailed(text.to_owned())
    })
}

/// Whether the current tokio runtime, if there is one, can watch rings and time.
fn check_drivers() -> Result<(), RuntimeError> {
    if timer(Duration::ZERO)?.is_none() {
        return Ok(());
    }
    // As for timers: tokio can only be asked by trying.
    match std::panic::catch_unwind(|| drop(tokio::net::UnixStream::pair())) {
        Ok(()) => Ok(()),
        Err(_) => {
            let text = "the tokio runtime around this call has no I/O driver; build it with enable_all()";
            Err(RuntimeError::InitializationFailed(text.to_owned()))
        }
    }
}

/// `future` with a bound on its time, where there are timers: `None` when the time is over.
pub(crate) async fn bounded<F: Future>(
    duration: Duration,
    future: F,
) -> Result<Option<F::Output>, RuntimeError> {
    let mut future = std::pin::pin!(future);
    let Some(timer) = timer(duration)? else { return Ok(Some(future.await)) };
    let mut timer = std::pin::pin!(timer);
    Ok(std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
    })
    .await)
}

fn shut_down() -> io::Error {
    Refusal::ShutDown.into()
}

/// A sixteenth of the memory of the machine or of the control group, between the two bounds.
pub(crate) fn default_buffer_memory() -> u64 {
    memory_limit().map_or(0, |bytes| bytes / 16).clamp(BUFFER_MEMORY_LEAST, BUFFER_MEMORY_MOST)
}

impl Default for RuntimeConfig {
    /// As [`from_env`](RuntimeConfig::from_env); a bad variable counts as not set here and is reported by [`init_runtime`] and
    /// [`init_runtime_with_config`].
    fn default() -> Self {
        Layers::read(None).config.runtime_config
    }
}

/// An engine and its configuration. Clones share the engine.
#[derive(Clone)]
pub struct RuntimeHandle {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    buffers: BufferPool,
    caretaker: Caretaker,
    /// Large reads that may hold a buffer before they are done: as many as the kernel takes.
    turns: Semaphore,
    /// Ends waits for buffers when the runtime is shut down.
    down: watch::Sender<bool>,
    live: Arc<LiveParameters>,
    places: Places,
    cache: Option<BlockCache>,
    config: RuntimeConfig,
    /// Only where a monitor looks on.
    accesses: Option<AccessRing>,
}

/// What was left when a runtime was shut down.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Operations that did not complete in time. Their buffers, files and rings are leaked, because the kernel may still use them.
    pub operations_left: usize,
    /// Threads that are still inside a system call.
    pub threads_left: usize,
    /// Tasks around the engine (monitor, optimizer, healer) that did not end in time or by themselves; they were aborted.
    pub tasks_left: usize,
    /// Whether the runtime had been shut down before.
    pub already_down: bool,
    /// Buffers that the program still holds. They stay valid; who holds none on purpose has found a leak.
    pub buffers: Leak,
}

impl ShutdownReport {
    /// Whether every operation and thread ended.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.operations_left == 0 && self.threads_left == 0 && self.tasks_left == 0
    }
}

impl RuntimeHandle {
    /// Starts an engine on the current tokio runtime, which must have been built with `enable_all()`.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::InitializationFailed`] for a setting out of range or a refused demand for io_uring;
    /// [`RuntimeError::RuntimeUnavailable`] outside a tokio runtime.
    pub fn new(config: RuntimeConfig) -> Result<Self, RuntimeError> {
        config.check()?;
        check_drivers()?;
        let engine = Engine::new(config.engine_config())?;
        Self::with_engine(engine, config)
    }

    /// A handle around an engine that the program started itself. The settings that an engine is made with have no effect.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::InitializationFailed`] for a setting out of range.
    pub fn with_engine(engine: Engine, config: RuntimeConfig) -> Result<Self, RuntimeError> {
        config.check()?;
        let live = Arc::new(LiveParameters::new(config.buffer_size as u64, engine.limits()));
        let cache = BlockCache::new(config.cache_config(), config.recorder.clone(), &live, &engine)?;
        let pool = PoolConfig::new(config.buffer_memory)
            .adaptive(HEADROOM)
            .keep_origins(config.trace_buffers)
            .wipe_on_return(config.wipe_buffers)
            .keep(config.keep_buffers);
        let buffers = BufferPool::new(pool).map_err(io::Error::from)?;
        let caretaker = Caretaker::employ(&buffers);
        let rings = engine.capabilities().rings * config.queue_depth as usize;
        let turns = Semaphore::new(rings.max(TURNS_MIN).min(config.max_concurrent_file_ops));
        let down = watch::Sender::new(false);
        let accesses = config.recorder.as_ref().map(|_| AccessRing::new());
        let places = Places::default();
        let inner = Inner { engine, buffers, caretaker, turns, down, live, places, cache, config, accesses };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// A handle that uses the pool of threads only. Needs no tokio runtime to be made.
    ///
    /// # Panics
    ///
    /// Never: without io_uring and with default settings nothing can be refused.
    #[must_use]
    pub fn new_tokio() -> Self {
        let config = RuntimeConfig { runtime_type: RuntimeType::Tokio, ..RuntimeConfig::built_in() };
        let made = Engine::new(config.engine_config()).map_err(RuntimeError::from);
        made.and_then(|engine| Self::with_engine(engine, config))
            .unwrap_or_else(|error| unreachable!("default settings were refused: {error}"))
    }

    /// How operations that have to wait are carried out here: [`RuntimeType::IoUring`] only if a ring is in use.
    #[must_use]
    pub fn runtime_type(&self) -> RuntimeType {
        if self.inner.engine.capabilities().rings > 0 { RuntimeType::IoUring } else { RuntimeType::Tokio }
    }

    /// The settings the handle was made with.
    #[must_use]
    pub fn config(&self) -> &RuntimeConfig {
        &self.inner.config
    }

    /// What counts the runtime's operations, if a monitor looks on. Parts of a program may count theirs there too.
    #[must_use]
    pub fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.inner.engine.recorder()
    }

    /// The engine behind the handle.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// An empty, page-aligned buffer with room for at least `size` bytes, from the runtime's pool. At the bound
    /// ([`RuntimeConfig::buffer_memory`]) it waits, in order with others.
    ///
    /// # Errors
    ///
    /// `InvalidInput` around a [`PoolError`] if the buffer would exceed the bound by itself; `TimedOut` if none became free within
    /// [`RuntimeConfig::io_timeout`], because those who wait may hold what they wait for; `OutOfMemory`; `BrokenPipe` once the
    /// runtime is shut down.
    pub async fn get_optimized_buffer(&self, size: usize) -> io::Result<OptimizedBuffer> {
        if self.inner.engine.is_shut_down() {
            return Err(shut_down());
        }
        self.inner.caretaker.ensure(&self.inner.buffers);
        match self.inner.buffers.try_get(size) {
            Err(PoolError::Exhausted { .. }) => {}
            result => return Ok(result?),
        }
        let patience = self.inner.config.io_timeout;
        let recorder = self.inner.config.recorder.as_ref();
        let timer = recorder.map(|recorder| recorder.start());
        let mut waiting = std::pin::pin!(bounded(patience, self.inner.buffers.get(size)?));
        let mut down = self.inner.down.subscribe();
        let mut ended = std::pin::pin!(down.wait_for(|is_down| *is_down));
        let result = std::future::poll_fn(|cx| match waiting.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => ended.as_mut().poll(cx).map(|_| None),
        });
        let result = result.await;
        if let (Some(recorder), Some(timer)) = (recorder, timer) {
            let key = Key::new(Operation::Wait, Way::Other, FileClass::Data);
            recorder.finish(timer, key, Ended::well(0));
        }
        match result {
            None => Err(shut_down()),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(Some(result))) => Ok(result?),
            Some(Ok(None)) => {
                let bound = self.inner.config.buffer_memory;
                let text = format!(
                    "no buffer of {size} bytes became free within {patience:?} below the bound of {bound} bytes; \
                     return buffers before asking for more, or raise buffer_memory"
                );
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            }
        }
    }

    /// The right to hold memory for a large read.
    pub(crate) async fn turn(&self) -> io::Result<SemaphorePermit<'_>> {
        self.inner.turns.acquire().await.map_err(|_| shut_down())
    }

    /// Whether a file may be created here: not on a disk that is nearly full, unless it is there already.
    pub(crate) async fn check_room(&self, file: &Path) -> io::Result<()> {
        let Err(full) = self.inner.places.enter(file) else { return Ok(()) };
        let probe = self.inner.engine.open(file, &OpenOptions::new().read(true)).await;
        match probe {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(full),
            _ => Ok(()),
        }
    }

    /// Directories that files were created in.
    pub(crate) fn places(&self) -> &Places {
        &self.inner.places
    }

    /// The pool behind [`get_optimized_buffer`](Self::get_optimized_buffer).
    #[must_use]
    pub fn buffer_pool(&self) -> &BufferPool {
        &self.inner.buffers
    }

    /// The tuned parameters, as they are in force now.
    #[must_use]
    pub fn live(&self) -> &LiveParameters {
        &self.inner.live
    }

    /// The same, for parts that outlive a borrow.
    #[cfg(feature = "stream")]
    pub(crate) fn live_shared(&self) -> Arc<LiveParameters> {
        Arc::clone(&self.inner.live)
    }

    /// Where reads and writes go, if the runtime has a [recorder](RuntimeConfig::recorder).
    #[must_use]
    pub fn access_ring(&self) -> Option<&AccessRing> {
        self.inner.accesses.as_ref()
    }

    /// The cache for reads of direct files, if [`RuntimeConfig::cache`] asks for one.
    #[cfg(feature = "tune")]
    #[must_use]
    pub fn block_cache(&self) -> Option<&BlockCache> {
        self.inner.cache.as_ref()
    }

    /// Gives up all cached blocks, if there is a cache.
    pub(crate) fn clear_cache(&self) {
        if let Some(cache) = &self.inner.cache {
            cache.clear();
        }
    }

    /// What an opened file has to do with the cache.
    pub(crate) fn cache_for(&self, file: &File, was_emptied: bool) -> FileCache {
        self.inner.cache.as_ref().map_or(FileCache::Off, |cache| cache.open(file, was_emptied))
    }

    /// What the engine found out about the machine, including why io_uring is not used.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.inner.engine.capabilities()
    }

    /// Counters since the engine was started.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        self.inner.engine.stats()
    }

    /// Whether direct transfers go between the device and the caller's buffer without a copy by this process: true with a
    /// ring.
    #[must_use]
    pub fn supports_zero_copy(&self) -> bool {
        self.inner.engine.capabilities().rings > 0
    }

    /// Whether operations can be started: the engine is not shut down and a tokio runtime is around the call.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.inner.engine.is_shut_down() && tokio::runtime::Handle::try_current().is_ok()
    }

    /// Spawns a future on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::RuntimeUnavailable`] if the handle is not [healthy](Self::is_healthy).
    pub fn spawn<F>(&self, future: F) -> Result<RuntimeJoinHandle<F::Output>, RuntimeError>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| RuntimeError::RuntimeUnavailable)?;
        if !self.is_healthy() {
            return Err(RuntimeError::RuntimeUnavailable);
        }
        Ok(RuntimeJoinHandle::Tokio(runtime.spawn(future)))
    }

    /// Runs a future with a bound on its time.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::OperationTimeout`] when the time is over; the future is dropped then.
    pub async fn execute_with_timeout<F, T>(&self, future: F, timeout: Duration) -> Result<T, RuntimeError>
    where
        F: Future<Output = T> + Send,
        T: Send,
    {
        tokio::time::timeout(timeout, future).await.map_err(|_| RuntimeError::OperationTimeout)
    }

    /// Refuses new operations, waits for those in flight, ends every task and thread of the engine, and reports what did not
    /// end within `deadline`. Safe to call more than once.
    pub async fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        self.inner.turns.close();
        if let Some(cache) = &self.inner.cache {
            cache.stop().await;
        }
        let engine = self.inner.engine.shutdown(deadline).await;
        self.inner.down.send_replace(true);
        self.inner.caretaker.dismiss().await;
        if let Some(cache) = &self.inner.cache {
            cache.clear();
        }
        ShutdownReport {
            operations_left: engine.operations_left,
            threads_left: engine.threads_left,
            tasks_left: 0,
            already_down: engine.already_down,
            buffers: self.inner.buffers.leak(),
        }
    }
}

impl RuntimeHandle {
    /// For the monitor, which looks at the engine and does not keep it alive.
    pub(crate) fn downgrade(&self) -> WeakRuntime {
        WeakRuntime(Arc::downgrade(&self.inner))
    }
}

/// A runtime that may be gone.
pub(crate) struct WeakRuntime(std::sync::Weak<Inner>);

impl WeakRuntime {
    /// What the engine and the pool count, `None` when the runtime is gone.
    pub(crate) fn counts(&self) -> Option<(EngineStats, PoolStats)> {
        let inner = self.0.upgrade()?;
        Some((inner.engine.stats(), inner.buffers.stats()))
    }

    /// What the cache counts, `None` without one.
    pub(crate) fn cache_counts(&self) -> Option<CacheCounters> {
        self.0.upgrade()?.cache.as_ref().map(BlockCache::counters)
    }
}

impl std::fmt::Debug for RuntimeHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuntimeHandle")
            .field("type", &self.runtime_type())
            .field("engine", &self.inner.engine)
            .finish_non_exhaustive()
    }
}

/// A spawned task.
#[derive(Debug)]
pub enum RuntimeJoinHandle<T> {
    /// A task of a tokio runtime.
    Tokio(tokio::task::JoinHandle<T>),
}

impl<T> Future for RuntimeJoinHandle<T> {
    type Output = Result<T, Box<dyn std::error::Error + Send + Sync>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self::Tokio(handle) = &mut *self;
        Pin::new(handle).poll(cx).map_err(Into::into)
    }
}

/// Starts an engine with defaults and what the environment says, on the current tokio runtime.
///
/// # Errors
///
/// [`RuntimeError::RuntimeUnavailable`] outside a tokio runtime; [`RuntimeError::InitializationFailed`] for a bad environment
/// value or a refused demand for io_uring.
pub fn init_runtime() -> Result<RuntimeHandle, RuntimeError> {
    init_runtime_with_config(RuntimeConfig::from_env()?)
}

/// Starts an engine with the given settings, on the current tokio runtime.
///
/// # Errors
///
/// As [`init_runtime`]; the environment is checked here too, because `RuntimeConfig::default()` could not report it.
pub fn init_runtime_with_config(config: RuntimeConfig) -> Result<RuntimeHandle, RuntimeError> {
    RuntimeConfig::from_env()?;
    tokio::runtime::Handle::try_current().map_err(|_| RuntimeError::RuntimeUnavailable)?;
    RuntimeHandle::new(config)
}
