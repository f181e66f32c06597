//! The io_uring backend: rings that plain tokio tasks share.
//!
//! Parts, in the order in which an operation meets them:
//!
//! * `entry`: turns a [`Step`](crate::op::Step) into a submission entry, in one place.
//! * `gather`: the submission lock. Operations gather in a queue; whoever gets the ring submits them all.
//! * `shard`: one ring with its policy for when to submit, and the reaping of completions.
//! * `reaper`: the task that serves a ring when no other task does, and replaces one that failed.
//! * `probe`: whether all this works on this machine.
//!
//! Who drives a ring: every task that submits may enter the kernel for all that gathered, and reaps what completed
//! meanwhile. When no task is active, the ring's descriptor is readable and tokio's I/O driver wakes the reaper task.
//! No thread of ours exists (SQPOLL adds one of the kernel's), and nothing runs at rest. The optional `polled` ring is
//! different: a thread owns it.

mod entry;
mod gather;
mod polled;
mod probe;
mod reaper;
mod shard;

pub(crate) use polled::PolledRing;
pub(crate) use probe::{Abilities, explain, probe};
pub(crate) use reaper::reaper;
pub(crate) use shard::Shard;

use io_uring::IoUring;
use std::io;
use std::time::Duration;

#[cfg(all(test, rio_loom))]
pub(crate) use gather::Gather;

/// How rings are made.
#[derive(Debug, Clone)]
pub(crate) struct RingConfig {
    /// Number of rings.
    pub(crate) shards: usize,
    /// Operations in the kernel per ring; also the size of the submission queue.
    pub(crate) depth: u32,
    /// A kernel thread submits and sleeps after this long without work.
    pub(crate) sqpoll_idle: Option<Duration>,
    /// Kernel workers (bounded, unbounded) that a ring may start per submitting thread.
    pub(crate) workers_max: [u32; 2],
    /// Completions are polled for.
    pub(crate) iopoll: bool,
    /// `ioprio` of transfers; 0 leaves the process's own.
    pub(crate) priority: u16,
    /// Operations that one entry into the kernel submits at most.
    pub(crate) batch_size: usize,
    /// How long an operation may gather.
    pub(crate) batch_timeout: Duration,
}

/// Makes one ring.
///
/// `SINGLE_ISSUER` and `DEFER_TASKRUN` would be cheaper but tie a ring to one thread, and tokio tasks move between
/// threads. `COOP_TASKRUN` is left out: it delays completions until the submitting thread next enters the kernel, which a
/// thread busy with computation may not do for long.
pub(crate) fn build(config: &RingConfig) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    // Room for every operation in the kernel plus cancellations, so that the queue cannot overflow by design.
    builder.setup_cqsize(config.depth.saturating_mul(2));
    builder.setup_clamp();
    builder.dontfork();
    if config.iopoll {
        builder.setup_iopoll();
    }
    if let Some(idle) = config.sqpoll_idle {
        let millis = u32::try_from(idle.as_millis()).unwrap_or(u32::MAX).max(1);
        builder.setup_sqpoll(millis);
    }
    let ring = builder.build(config.depth)?;
    let mut workers = config.workers_max;
    // Without a cap the kernel starts as many workers as RLIMIT_NPROC allows. Kernels before 5.15 cannot be told.
    let _ = ring.submitter().register_iowq_max_workers(&mut workers);
    Ok(ring)
}
