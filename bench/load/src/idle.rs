//! What Rio costs while it has nothing to do.

use std::thread;
use std::time::{Duration, Instant};

use crate::target::rio::{self, Rio};
use crate::target::{Target, tokio_runtime};
use crate::usage::Usage;
use crate::{Job, KIB, LoadError, Workload};

/// Each warm-up runs this long: enough that the ring, the pool and its threads have all worked.
const WARM_UP: Duration = Duration::from_millis(200);
/// After the last operation, what it has left to do ends.
const SETTLE: Duration = Duration::from_millis(200);
/// How often the wait looks whether it was called off; its own wake-ups are counted too.
const SLICE: Duration = Duration::from_secs(1);

/// Starts Rio as it is by default, makes ring and pool work on the job's file, lets it rest for the job's duration, and
/// returns the processor time of the whole process meanwhile as a share of one processor. Engine and tokio runtime stay
/// as they are, as in a service without requests. The job's workload does not matter.
///
/// Nothing else may run in this process.
pub fn idle_cpu(job: &Job) -> Result<f64, LoadError> {
    let engine = Rio::auto();
    let runtime = tokio_runtime(job, engine.name())?;
    let handle = {
        let _inside = runtime.enter();
        engine.start(job.workers).map_err(|error| job.engine_error(engine.name(), error))?
    };
    let warm = [
        Workload::random(4 * KIB, 32).direct(),
        Workload::random(64 * KIB, 32).writes(30),
        Workload::sequential(4 * KIB, 4).writes(100).sync_each(),
    ];
    let warmed = warm.into_iter().try_for_each(|workload| {
        let job = Job { workload, warmup: Duration::ZERO, duration: WARM_UP, ..job.clone() };
        // A file system without direct I/O has one path less to warm up.
        if job.workload.direct && job.open().is_err() {
            return Ok(());
        }
        job.measure(engine.name(), |run| rio::drive(&runtime, &handle, run)).map(drop)
    });
    let share = warmed.and_then(|()| rest(job));
    rio::shut_down(&runtime, &handle).map_err(|error| job.engine_error(engine.name(), error))?;
    share
}

fn rest(job: &Job) -> Result<f64, LoadError> {
    thread::sleep(SETTLE);
    let (before, start) = (Usage::now(), Instant::now());
    while let Some(left) = job.duration.checked_sub(start.elapsed()) {
        job.cancel.check()?;
        thread::sleep(left.min(SLICE));
    }
    let spent = Usage::now().cpu_since(&before);
    Ok(spent.as_secs_f64() / start.elapsed().as_secs_f64())
}
