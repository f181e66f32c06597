//! The engines that can be measured. Each owns whatever runs its tasks: a runtime, threads, a child process.
//!
//! - [`Threads`]: one thread per task, plain system calls: a floor
//! - [`BareRing`]: io_uring without a runtime: a floor
//! - [`Rio`]: this project's engine, on each of its backends
//! - [`TokioFs`]: `tokio::fs`, seek and read
//! - [`SpawnBlocking`]: tokio tasks that send each system call to the blocking pool
//! - [`Fio`]: the external program of that name, where it is installed

mod bare_ring;
mod fio;
pub(crate) mod rio;
mod spawn_blocking;
mod threads;
mod tokio_fs;

use std::fs::File;

use rustfs_rio_buf::AlignedBuf;

use crate::{Job, LoadError, Outcome, Workload};

pub use bare_ring::BareRing;
pub use fio::Fio;
pub use rio::Rio;
pub use spawn_blocking::SpawnBlocking;
pub use threads::Threads;
pub use tokio_fs::TokioFs;

/// An engine under measurement.
pub trait Target {
    /// The name in tables and JSON.
    fn name(&self) -> &str;

    /// Why this engine cannot carry out `workload` here; `None` when it can.
    fn unavailable(&self, _workload: &Workload) -> Option<String> {
        None
    }

    /// Whether its writes hold bytes of its own instead of verifiable content, so that the file is to be filled again
    /// after a workload that writes.
    fn writes_foreign_content(&self) -> bool {
        false
    }

    /// Carries out the job and returns when nothing of it is left running.
    fn run(&self, job: &Job) -> Result<Outcome, LoadError>;
}

/// A file and a buffer for each task.
pub(crate) fn parts(job: &Job) -> Result<Vec<(File, AlignedBuf)>, LoadError> {
    (0..job.workload.tasks).map(|_| Ok((job.open()?, job.buffer()?))).collect()
}

/// A tokio runtime as an ordinary service has it, with the job's number of workers.
pub(crate) fn tokio_runtime(job: &Job, engine: &str) -> Result<tokio::runtime::Runtime, LoadError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(job.workers)
        .enable_all()
        .build()
        .map_err(|error| job.engine_error(engine, error))
}

/// Starts one task per index and waits for all of them.
pub(crate) fn run_tasks<F>(
    runtime: &tokio::runtime::Runtime,
    run: &crate::Run,
    tasks: impl IntoIterator<Item = F>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let handles: Vec<_> = tasks.into_iter().map(|task| runtime.spawn(task)).collect();
    for handle in handles {
        if let Err(error) = runtime.block_on(handle) {
            run.fail(error.to_string());
        }
    }
}
