//! A bare io_uring loop: what the kernel and the disk allow, without a runtime, wakers or futures.
//!
//! How it submits was chosen by measuring, because a floor has to be the best there is. Cached operations end within the
//! submitting call, so all that is ready goes in one call, on one ring per core. Direct operations go to the disk one by
//! one as soon as they are known, on one ring: gathering all that a wait has brought into one call left the disk idle
//! meanwhile and cost 15 to 20 % of its operations per second at depth 32, and two rings at half the depth cost 10 %.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rustfs_rio_engine::floor::{self, Action};

use super::Target;
use crate::{Job, LoadError, Notes, Op, OpKind, Outcome, Run, TaskLoop, Workload};

/// io_uring driven by hand.
#[derive(Debug, Default)]
pub struct BareRing;

impl Target for BareRing {
    fn name(&self) -> &str {
        "bare-ring"
    }

    fn unavailable(&self, _workload: &Workload) -> Option<String> {
        floor::available().err().map(|refusal| refusal.to_string())
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
                        Err(error) => run.fail(error.to_string()),
                    });
                }
            });
            let ring_enters = Some(enters.load(Ordering::Relaxed));
            Ok(Notes { backend: Some("io_uring".into()), ring_enters, mean_in_flight: None })
        })
    }
}

/// Carries out some of the tasks on one ring; returns the number of `io_uring_enter` calls.
fn run_loop(run: &Arc<Run>, tasks: Range<usize>) -> io::Result<u64> {
    let job = run.job();
    let open = |_| job.open().map_err(io::Error::other);
    let files = tasks.clone().map(open).collect::<io::Result<Vec<File>>>()?;
    let files: Vec<BorrowedFd<'_>> = files.iter().map(File::as_fd).collect();
    let mut slots = Slots {
        sync_each: job.workload.sync_each,
        slots: tasks.map(|index| Slot { task: run.task(index), op: None, written: None }).collect(),
    };
    let submit_every = if job.workload.direct { 1 } else { usize::MAX };
    floor::run(&files, job.workload.block_size, submit_every, &mut slots)
}

struct Slots {
    sync_each: bool,
    slots: Vec<Slot>,
}

/// A task and what it has under way.
struct Slot {
    task: TaskLoop,
    op: Option<Op>,
    /// Bytes of the write whose sync comes next or is under way.
    written: Option<usize>,
}

impl floor::Work for Slots {
    fn next(&mut self, slot: usize, buf: &mut [u8]) -> Option<(Action, u64)> {
        let slot = &mut self.slots[slot];
        if slot.written.is_some() {
            return Some((Action::Sync, 0));
        }
        let op = slot.task.begin(buf)?;
        let action = match op.kind {
            OpKind::Read => Action::Read,
            OpKind::Write => Action::Write,
        };
        let offset = op.offset;
        slot.op = Some(op);
        Some((action, offset))
    }

    fn done(&mut self, slot: usize, result: io::Result<usize>, buf: &[u8]) {
        let slot = &mut self.slots[slot];
        let result = match (slot.written.take(), result) {
            // A sync that succeeded stands for the whole write before it.
            (Some(written), Ok(_)) => Ok(written),
            (None, Ok(len)) if self.sync_each => {
                slot.written = Some(len);
                return;
            }
            (_, result) => result,
        };
        if let Some(op) = slot.op.take() {
            slot.task.finish(op, result, buf);
        }
    }
}
