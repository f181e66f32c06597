//! The engines that Rio is measured beside and that are linked by this program alone.
//!
//! The first four run one runtime per core, each with its own ring, and split the tasks evenly: the shape they are
//! made for. Their ring sizes are small because locked memory is limited for ordinary users; everything else is their
//! default.

mod compio;
mod driver_thread;
mod glommio;
mod monoio;
mod tokio_uring;

use std::ops::Range;
use std::sync::Arc;
use std::thread;

use rustfs_rio_load::{Job, LoadError, Notes, Outcome, Run};

pub use compio::Compio;
pub use driver_thread::DriverThread;
pub use glommio::Glommio;
pub use monoio::Monoio;
pub use tokio_uring::TokioUring;

/// Submission queue entries per ring: above the largest depth of the standard workloads, so that no engine waits for
/// room in its own queue.
const RING_ENTRIES: u32 = 256;

/// Runs `worker` on one thread per core with that core's share of the tasks, and waits for all.
fn per_core(
    job: &Job,
    engine: &str,
    worker: impl Fn(&Arc<Run>, Range<usize>) -> anyhow::Result<()> + Sync,
) -> Result<Outcome, LoadError> {
    job.measure(engine, |run| {
        thread::scope(|scope| {
            for tasks in job.split_tasks(job.workers) {
                let worker = &worker;
                scope.spawn(move || {
                    if let Err(error) = worker(run, tasks) {
                        run.fail(format!("{error:#}"));
                    }
                });
            }
        });
        Ok(Notes::default())
    })
}
