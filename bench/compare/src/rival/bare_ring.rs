//! A bare io_uring loop: what the kernel and the disk allow, without a runtime, wakers or futures.
//!
//! How it submits was chosen by measuring, because a floor has to be the best there is. Cached operations end within the
//! submitting call, so all that is ready goes in one call, on one ring per core. Direct operations go to the disk one by
//! one as soon as they are known, on one ring: gathering all that a wait has brought into one call left the disk idle
//! meanwhile and cost 15 to 20 % of its operations per second at depth 32, and two rings at half the depth cost 10 %.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rustfs_rio_load::{Job, LoadError, Notes, Op, Outcome, PageBuffer, Run, Target, TaskLoop};

use super::ring::{Ring, Transfer};

/// io_uring driven by hand.
#[derive(Debug, Default)]
pub struct BareRing;

/// A task and what it has under way.
struct Slot {
    task: TaskLoop,
    op: Option<Op>,
    /// Whether what is under way is the sync after a write.
    syncing: bool,
}

impl Target for BareRing {
    fn name(&self) -> &str {
        "bare-ring"
    }

    fn run(&self, job: &Job) -> Result<Outcome, LoadError> {
        let enters = AtomicU64::new(0);
        job.measure(self.name(), |run| {
            thread::scope(|scope| {
                let rings = if job.workload.direct { 1 } else { job.workers };
                for tasks in job.split_tasks(rings) {
                    let enters = &enters;
                    scope.spawn(move || match run_loop(run, tasks) {
                        Ok(count) => _ = enters.fetch_add(count, Ordering::Relaxed),
                        Err(error) => run.fail(format!("{error:#}")),
                    });
                }
            });
            let ring_enters = Some(enters.load(Ordering::Relaxed));
            Ok(Notes { backend: Some("io_uring".into()), ring_enters })
        })
    }
}

/// Keeps one operation per task in flight until all tasks have ended; returns the number of `io_uring_enter` calls.
fn run_loop(run: &Arc<Run>, tasks: Range<usize>) -> anyhow::Result<u64> {
    let job = run.job();
    let mut ring: Ring<Arc<File>> = Ring::new(tasks.len())?;
    let mut slots = Vec::new();
    for (slot, index) in tasks.enumerate() {
        slots.push(Slot { task: run.task(index), op: None, syncing: false });
        let (file, buf) = (Arc::new(job.open()?), PageBuffer::zeroed(job.workload.block_size));
        slots[slot].next(&mut ring, slot, file, buf)?;
    }
    let mut done = Vec::new();
    while ring.under_way() > 0 {
        ring.submit_and_wait(1)?;
        ring.reap(&mut done);
        for (index, transfer, result) in done.drain(..) {
            let (slot, Some(transfer)) = (index as usize, transfer) else { continue };
            let state = &mut slots[slot];
            let wants_sync = job.workload.sync_each && !state.syncing && result.is_ok();
            if wants_sync {
                state.syncing = true;
                ring.sync(slot, transfer)?;
                continue;
            }
            // A sync that succeeded stands for the whole write before it.
            let result = if state.syncing { result.map(|_| transfer.buf.len()) } else { result };
            state.syncing = false;
            if let Some(op) = state.op.take() {
                state.task.finish(op, result, &transfer.buf);
            }
            state.next(&mut ring, slot, transfer.file, transfer.buf)?;
            if job.workload.direct {
                ring.submit_and_wait(0)?;
            }
        }
    }
    Ok(ring.enters())
}

impl Slot {
    fn next(
        &mut self,
        ring: &mut Ring<Arc<File>>,
        slot: usize,
        file: Arc<File>,
        mut buf: PageBuffer,
    ) -> anyhow::Result<()> {
        if let Some(op) = self.task.begin(&mut buf) {
            ring.start(slot, Transfer { kind: op.kind, offset: op.offset, buf, file })?;
            self.op = Some(op);
        }
        Ok(())
    }
}
