//! A run: the runtime, the roles and the watch, from start to shutdown.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustfs_rio::{
    AdvancedRioConfig, EnhancedRioRuntime, RuntimeError, RuntimeHandle, init_runtime_with_advanced_config,
};
use rustfs_rio_load::{Cancel, Dataset, LoadError};
use tokio::task::JoinSet;

use crate::growth::Watch;
use crate::report::{Report, RoleReport};
use crate::{abandon, blocks, faults, journal, objects};

/// Time between two looks at what the process uses.
const LOOK: Duration = Duration::from_secs(1);
/// How long the engine may take to end after the last operation.
const SHUTDOWN: Duration = Duration::from_secs(60);
/// Operations between two looks at the clock of a role.
const CLOCK: u64 = 16;

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Directory on the disk to load; everything is made in a directory of its own below it and removed at the end.
    pub directory: PathBuf,
    /// How long.
    pub duration: Duration,
    /// Tasks of each role.
    pub tasks: usize,
    /// Bytes of each of the two test files, a multiple of 1 MiB.
    pub file_bytes: u64,
    /// Seed of everything random.
    pub seed: u64,
    /// Whether a simulated device with faults is loaded beside the real one.
    pub faults: bool,
    /// Worker threads.
    pub workers: usize,
    /// Calls the run off.
    pub cancel: Cancel,
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StressError {
    /// The test files could not be made.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The runtime could not be made.
    #[error("cannot start the runtime: {0}")]
    Runtime(#[from] RuntimeError),
    /// A file of the run could not be opened.
    #[error("cannot {operation} {path}: {source}", path = path.display())]
    File {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl StressError {
    pub(crate) fn file(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { operation, path, source }
    }
}

/// What the tasks of a role share.
pub(crate) struct Role {
    report: Mutex<RoleReport>,
    end: Instant,
    cancel: Cancel,
    /// Set by the first role that finds something wrong, so that a run does not go on over the evidence.
    stop: Cancel,
    pub(crate) seed: u64,
}

impl Role {
    fn new(role: &'static str, plan: &Plan, end: Instant, stop: &Cancel) -> Arc<Self> {
        let report = Mutex::new(RoleReport { role, ..RoleReport::default() });
        Arc::new(Self { report, end, cancel: plan.cancel.clone(), stop: stop.clone(), seed: plan.seed })
    }

    /// Whether a task goes on: not after the end, and not when something was wrong anywhere.
    pub(crate) fn goes_on(&self, round: u64) -> bool {
        if !round.is_multiple_of(CLOCK) {
            return true;
        }
        !self.cancel.is_set() && !self.stop.is_set() && Instant::now() < self.end
    }

    pub(crate) fn add(&self, change: impl FnOnce(&mut RoleReport)) {
        change(&mut self.report.lock());
    }

    /// Ends the run; the first problem of a role is the one that is told.
    pub(crate) fn fail(&self, problem: impl Into<String>) {
        self.stop.set();
        self.report.lock().problem.get_or_insert_with(|| problem.into());
    }
}

/// Loads the disk as planned. `progress` is told the time that has passed, about once a second.
///
/// # Errors
///
/// [`StressError`] when the run could not be made; what goes wrong in it is in the report.
pub fn run(plan: &Plan, progress: &mut dyn FnMut(Duration)) -> Result<Report, StressError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(plan.workers)
        .enable_all()
        .build()
        .map_err(StressError::file("start a tokio runtime for", &plan.directory))?;
    let report = runtime.block_on(run_inside(plan, progress));
    // Nothing is left that could keep it: a hung device of the simulation was released.
    runtime.shutdown_timeout(SHUTDOWN);
    report
}

async fn run_inside(plan: &Plan, progress: &mut dyn FnMut(Duration)) -> Result<Report, StressError> {
    let files = Files::make(plan)?;
    let rio = init_runtime_with_advanced_config(AdvancedRioConfig::default()).await?;
    let started = Instant::now();
    let end = started + plan.duration;
    let mut tasks = JoinSet::new();
    let roles = start(plan, &files, rio.base_runtime(), end, &mut tasks).await?;
    let mut watch = Watch::default();
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                None => break,
                Some(Ok(())) => {}
                // A role that panics is a finding like a wrong byte.
                Some(Err(error)) => roles[0].fail(format!("a task panicked: {error}")),
            },
            _ = looks.tick() => {
                watch.look(started.elapsed());
                progress(started.elapsed());
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    plan.cancel.check()?;
    let (books, shutdown_problem) = close(&rio).await;
    let roles = roles.iter().map(|role| role.report.lock().clone()).collect();
    Ok(Report { seed: plan.seed, seconds, roles, growth: watch.judge(), books, shutdown_problem })
}

/// The test files of a run.
struct Files {
    /// Read and written through the page cache.
    cached: Dataset,
    /// Read and written around it.
    direct: Dataset,
    /// For everything that makes files of its own.
    scratch: tempfile::TempDir,
}

impl Files {
    fn make(plan: &Plan) -> Result<Self, StressError> {
        let make = |seed| Dataset::create(&plan.directory, plan.file_bytes, seed, &plan.cancel, &mut |_| {});
        let scratch = tempfile::Builder::new().prefix("rio-stress-").tempdir_in(&plan.directory);
        let scratch = scratch.map_err(StressError::file("make a directory in", &plan.directory))?;
        Ok(Self { cached: make(plan.seed)?, direct: make(plan.seed ^ 1)?, scratch })
    }
}

/// Starts the tasks of all roles.
async fn start(
    plan: &Plan,
    files: &Files,
    rio: &RuntimeHandle,
    end: Instant,
    tasks: &mut JoinSet<()>,
) -> Result<Vec<Arc<Role>>, StressError> {
    let (mut roles, stop) = (Vec::new(), Cancel::new());
    let mut role = |name| {
        let role = Role::new(name, plan, end, &stop);
        roles.push(Arc::clone(&role));
        role
    };
    blocks::start(&role("blocks, cached"), plan, files.cached.file(), false, rio, tasks).await?;
    blocks::start(&role("blocks, direct"), plan, files.direct.file(), true, rio, tasks).await?;
    abandon::start(&role("dropped futures"), plan, files.scratch.path(), rio, tasks).await?;
    objects::start(&role("objects"), plan, files.scratch.path(), rio, tasks);
    journal::start(&role("write-ahead log"), files.scratch.path(), rio, tasks);
    if plan.faults {
        faults::start(&role("faulty device"), plan, tasks)?;
    }
    Ok(roles)
}

/// Ends the runtime and looks at its books.
async fn close(rio: &EnhancedRioRuntime) -> ((u64, u64, u64), Option<String>) {
    let report = rio.shutdown(SHUTDOWN).await;
    let stats = rio.base_runtime().stats();
    let problem = (!report.is_clean()).then(|| format!("the shutdown was not clean: {report:?}"));
    ((stats.submitted, stats.delivered, stats.reclaimed), problem)
}
