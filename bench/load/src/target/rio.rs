//! Rio as a program uses it: plain tokio tasks, a `DiskFile` each, buffers that are given away and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rustfs_rio::{
    AccessRing, AdvancedPerformanceMonitor, AlignedBuf, Backend, CacheConfig, DirectMode, DiskFile,
    EngineStats, OpenOptions, PerformanceMonitorConfig, RecordedAccess, RuntimeConfig, RuntimeHandle,
    RuntimeType, init_runtime_with_config,
};
use tokio::runtime::Runtime;

use super::{Target, run_tasks, tokio_runtime};
use crate::{Job, LoadError, Notes, OpKind, Outcome, Run, TaskLoop, Workload};

/// Far more than the operations of a run need to end; an engine that has not then is at fault.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(30);
/// Time between two looks at the operations in flight.
const SAMPLE_EVERY: Duration = Duration::from_millis(1);

/// `rustfs_rio::DiskFile` on one of Rio's backends.
#[derive(Debug)]
pub struct Rio {
    backend: Backend,
    variant: Variant,
    /// Of somebody else, who also looks at it.
    watcher: Option<Arc<AdvancedPerformanceMonitor>>,
    /// Of the latest run, if it was watched.
    accesses: Mutex<Vec<RecordedAccess>>,
}

/// What is not as by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    Plain,
    /// A monitor records every operation and collects once a second.
    Monitored,
    /// Operations in flight are sampled; submissions to rings gather, or each goes by itself.
    Sampled {
        gather: bool,
    },
    /// A block cache of so many bytes, with or without reading ahead.
    Cached {
        bytes: u64,
        ahead: bool,
    },
}

impl Rio {
    fn new(backend: Backend, variant: Variant) -> Self {
        Self { backend, variant, watcher: None, accesses: Mutex::default() }
    }

    /// Rio with the best path for each operation: what a program gets by default.
    pub fn auto() -> Self {
        Self::new(Backend::Auto, Variant::Plain)
    }

    /// Rio with everything through io_uring.
    pub fn uring() -> Self {
        Self::new(Backend::Uring, Variant::Plain)
    }

    /// Rio with everything on its blocking threads.
    pub fn blocking() -> Self {
        Self::new(Backend::Blocking, Variant::Plain)
    }

    /// Rio as by default, with a monitor that records every operation and collects once a second.
    pub fn monitored() -> Self {
        Self::new(Backend::Auto, Variant::Monitored)
    }

    /// Rio as by default with its operations in flight sampled ([`Outcome::mean_in_flight`](crate::Outcome)), with batches
    /// or with a system call for each submission.
    pub fn sampled(gather: bool) -> Self {
        Self::new(Backend::Auto, Variant::Sampled { gather })
    }

    /// Rio with a block cache of so many bytes for direct files, with or without reading ahead into it.
    pub fn cached(bytes: u64, ahead: bool) -> Self {
        Self::new(Backend::Auto, Variant::Cached { bytes, ahead })
    }

    /// Counts its operations for a monitor that somebody else owns and shows. Recording costs some per cent of the fastest workloads.
    #[must_use]
    pub fn watched_by(self, monitor: Arc<AdvancedPerformanceMonitor>) -> Self {
        Self { watcher: Some(monitor), ..self }
    }

    /// A sample of the accesses of the latest run, if it was [watched](Self::watched_by).
    pub fn accesses(&self) -> Vec<RecordedAccess> {
        self.accesses.lock().clone()
    }

    /// Starts the engine. The environment has its say, as in any program that uses Rio.
    pub(crate) fn start(&self, workers: usize) -> Result<RuntimeHandle, rustfs_rio::RuntimeError> {
        self.start_recorded(workers, None)
    }

    fn start_recorded(
        &self,
        workers: usize,
        monitor: Option<&AdvancedPerformanceMonitor>,
    ) -> Result<RuntimeHandle, rustfs_rio::RuntimeError> {
        let config = RuntimeConfig {
            backend: self.backend,
            worker_threads: Some(workers),
            recorder: monitor.map(AdvancedPerformanceMonitor::recorder),
            ..RuntimeConfig::from_env()?
        };
        let config = match self.variant {
            Variant::Plain | Variant::Monitored => config,
            Variant::Sampled { gather } => RuntimeConfig { gather, ..config },
            Variant::Cached { bytes, ahead } => {
                let cache = Some(CacheConfig { prefetch: ahead, ..CacheConfig::new(bytes) });
                RuntimeConfig { cache, ..config }
            }
        };
        let rio = init_runtime_with_config(config)?;
        if let Some(monitor) = monitor {
            monitor.attach(&rio);
        }
        Ok(rio)
    }
}

impl Target for Rio {
    fn name(&self) -> &str {
        match (self.backend, self.variant) {
            (Backend::Auto, Variant::Plain) => "rio-auto",
            (Backend::Uring, _) => "rio-uring",
            (Backend::Blocking, _) => "rio-blocking",
            (_, Variant::Monitored) => "rio-monitored",
            (_, Variant::Sampled { gather: true }) => "rio-batching",
            (_, Variant::Sampled { gather: false }) => "rio-one-by-one",
            (_, Variant::Cached { ahead: true, .. }) => "rio-prefetching",
            (_, Variant::Cached { ahead: false, .. }) => "rio-cached",
        }
    }

    fn unavailable(&self, _workload: &Workload) -> Option<String> {
        (self.backend == Backend::Uring).then(refusal).flatten()
    }

    fn run(&self, job: &Job) -> Result<Outcome, LoadError> {
        let error = |error: &dyn std::fmt::Display| job.engine_error(self.name(), error);
        let runtime = tokio_runtime(job, self.name())?;
        let (monitor, rio) = {
            let _inside = runtime.enter();
            let monitor = (self.variant == Variant::Monitored)
                .then(|| AdvancedPerformanceMonitor::new(PerformanceMonitorConfig::default()));
            let counts = monitor.as_ref().or(self.watcher.as_deref());
            let rio = self.start_recorded(job.workers, counts).map_err(|cause| error(&cause))?;
            (monitor, rio)
        };
        let outcome = job.measure(self.name(), |run| match self.variant {
            Variant::Sampled { .. } => sample(&rio, || drive(&runtime, &rio, run)),
            _ => drive(&runtime, &rio, run),
        });
        if self.watcher.is_some() {
            *self.accesses.lock() = rio.access_ring().map(AccessRing::accesses).unwrap_or_default();
        }
        shut_down(&runtime, &rio).map_err(|cause| error(&cause))?;
        if let Some(monitor) = monitor {
            runtime.block_on(monitor.shutdown());
        }
        outcome
    }
}

/// Looks at the operations in flight now and then while `drive` runs, and adds their mean.
fn sample(rio: &RuntimeHandle, drive: impl FnOnce() -> Result<Notes, LoadError>) -> Result<Notes, LoadError> {
    let done = AtomicBool::new(false);
    let (notes, mean) = thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let (mut sum, mut looks) = (0_u64, 0_u64);
            while !done.load(Ordering::Relaxed) {
                thread::sleep(SAMPLE_EVERY);
                // The load is all there is: what is empty is the time before and after it.
                let in_flight = rio.stats().in_flight;
                if in_flight > 0 {
                    sum += in_flight;
                    looks += 1;
                }
            }
            (looks > 0).then(|| sum as f64 / looks as f64)
        });
        let notes = drive();
        done.store(true, Ordering::Relaxed);
        (notes, sampler.join().unwrap_or(None))
    });
    notes.map(|notes| Notes { mean_in_flight: mean, ..notes })
}

/// Why the kernel refuses rings to Rio here; `None` where it does not, or where that could not be found out without
/// running.
fn refusal() -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let _inside = runtime.enter();
    let config = RuntimeConfig {
        backend: Backend::Auto,
        runtime_type: RuntimeType::IoUring,
        require_io_uring: false,
        ..RuntimeConfig::from_env().ok()?
    };
    let rio = init_runtime_with_config(config).ok()?;
    let refusal = rio.capabilities().ring_refusal.map(|refusal| refusal.to_string());
    runtime.block_on(rio.shutdown(SHUTDOWN_DEADLINE));
    refusal
}

/// Ends the engine, and says so when it did not end in full.
pub(crate) fn shut_down(runtime: &Runtime, rio: &RuntimeHandle) -> Result<(), String> {
    let report = runtime.block_on(rio.shutdown(SHUTDOWN_DEADLINE));
    if report.is_clean() { Ok(()) } else { Err(format!("the engine did not shut down cleanly: {report:?}")) }
}

/// Runs the tasks of a run on an engine.
pub(crate) fn drive(runtime: &Runtime, rio: &RuntimeHandle, run: &Arc<Run>) -> Result<Notes, LoadError> {
    let job = run.job();
    let mut parts = Vec::new();
    for _ in 0..job.workload.tasks {
        let file = runtime.block_on(open(job, rio));
        let file = file.map_err(|error| LoadError::io("open", &job.file.path)(error.into()))?;
        parts.push((file, job.buffer()?));
    }
    let before = rio.stats();
    let tasks = parts
        .into_iter()
        .enumerate()
        .map(|(index, (file, buf))| run_task(run.task(index), file, buf, job.workload.sync_each));
    run_tasks(runtime, run, tasks);
    let after = rio.stats();
    let ring_enters = Some(after.ring_enters - before.ring_enters);
    Ok(Notes { backend: routes(&before, &after), ring_enters, mean_in_flight: None })
}

async fn open(job: &Job, rio: &RuntimeHandle) -> Result<DiskFile, rustfs_rio::RuntimeError> {
    let direct = if job.workload.direct { DirectMode::On } else { DirectMode::Off };
    let options = OpenOptions::new().read(true).write(job.workload.has_writes()).direct(direct);
    DiskFile::open_with(&job.file.path, &options, rio).await
}

async fn run_task(mut task: TaskLoop, file: DiskFile, mut buf: AlignedBuf, sync: bool) {
    let block_size = buf.len();
    while let Some(op) = task.begin(&mut buf) {
        let (result, mut back) = match op.kind {
            OpKind::Read => file.read_into(buf, op.offset).await,
            OpKind::Write if sync => file.write_durable(buf, op.offset).await,
            OpKind::Write => file.write_from(buf, op.offset).await,
        };
        task.finish(op, result, &back);
        // A read that failed or was short leaves a shorter buffer.
        back.resize(block_size, 0);
        buf = back;
    }
}

/// The shares of the paths that operations took.
fn routes(before: &EngineStats, after: &EngineStats) -> Option<String> {
    let counts = [
        ("inline", after.inline_ops - before.inline_ops),
        ("ring", after.ring_ops - before.ring_ops),
        ("blocking", after.blocking_ops - before.blocking_ops),
    ];
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let share = |count: u64| count as f64 * 100.0 / total as f64;
    let taken = counts.iter().filter(|(_, count)| *count > 0);
    let texts: Vec<String> = taken
        .map(|&(path, count)| match share(count) {
            tiny if tiny < 0.5 => format!("{path} under 1 %"),
            nearly if nearly > 99.5 && count < total => format!("{path} over 99 %"),
            percent => format!("{path} {percent:.0} %"),
        })
        .collect();
    (total > 0).then(|| texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(inline: u64, ring: u64, blocking: u64) -> EngineStats {
        let mut stats = EngineStats::default();
        (stats.inline_ops, stats.ring_ops, stats.blocking_ops) = (inline, ring, blocking);
        stats
    }

    #[test]
    fn routes_are_shares_of_what_happened_in_between() {
        let text = |after| routes(&stats(10, 10, 10), &after);
        assert_eq!(text(stats(80, 10, 40)).unwrap(), "inline 70 %, blocking 30 %");
        assert_eq!(text(stats(10, 11, 10)).unwrap(), "ring 100 %");
        assert_eq!(text(stats(1_000_009, 10, 11)).unwrap(), "inline over 99 %, blocking under 1 %");
        assert_eq!(text(stats(10, 10, 10)), None);
    }
}
