//! The task that reads ahead.

use super::device::{Device, Job, Pending};
use super::planner::Planner;
use crate::cache::page::Share;
use crate::cache::reading::{Target, read_blocks};
use crate::cache::state::Lead;
use crate::cache::tally::Count;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use rustfs_rio_tune::{PrefetchOutcome, Pressure};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

/// Owns the task, which ends with it, or with its runtime; then the next file that is opened starts another.
pub(crate) struct Carrier {
    planner: Arc<Planner>,
    task: Mutex<Option<JoinHandle<()>>>,
    is_there: Arc<AtomicBool>,
}

/// Says that the task is gone, however it went.
struct Presence(Arc<AtomicBool>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Carrier {
    pub(crate) fn new(planner: Arc<Planner>) -> Self {
        Self { planner, task: Mutex::new(None), is_there: Arc::new(AtomicBool::new(false)) }
    }

    pub(crate) fn planner(&self) -> &Arc<Planner> {
        &self.planner
    }

    /// Starts the task on the current tokio runtime if there is none.
    pub(crate) fn ensure(&self) {
        if self.is_there.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut task = self.task.lock();
        if self.is_there.swap(true, Ordering::Relaxed) {
            return;
        }
        let presence = Presence(Arc::clone(&self.is_there));
        *task = Some(runtime.spawn(carry(Arc::clone(&self.planner), presence)));
    }

    /// Ends the task and waits until it is gone. What it had under way is the engine's to end.
    pub(crate) async fn dismiss(&self) {
        let task = self.task.lock().take();
        if let Some(task) = task {
            task.abort();
            // Cancelled, which is what was asked for.
            let _ = task.await;
        }
        self.planner.clear();
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().take() {
            task.abort();
        }
    }
}

async fn carry(planner: Arc<Planner>, presence: Presence) {
    let _presence = presence;
    let mut flying = FuturesUnordered::new();
    loop {
        planner.strain.look_at_memory(planner.now_ns());
        if planner.strain.now() == Pressure::Full {
            planner.clear();
        }
        for device in planner.devices() {
            while let Some(job) = device.next(planner.size()) {
                flying.push(carry_out(&planner, Arc::clone(&device), job));
            }
        }
        tokio::select! {
            () = planner.wake.notified() => {}
            Some(()) = flying.next() => {}
        }
    }
}

/// One read under way; gone when it is dropped.
struct Flight<'a> {
    device: &'a Device,
    bytes: u64,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.device.land(self.bytes);
    }
}

async fn carry_out(planner: &Planner, device: Arc<Device>, job: Job) {
    let _flight = Flight { device: &device, bytes: job.bytes };
    let (Some(first), Some(last)) = (job.parts.first(), job.parts.last()) else { return };
    let blocks = first.blocks.start..last.blocks.end;
    let Some(target) = first.target.upgrade() else {
        job.parts.iter().for_each(|pending| planner.give_up(pending));
        return;
    };
    let mut at = blocks.start;
    for lead in target.state().plan_ahead(blocks.clone()) {
        drop_blocks(planner, &job.parts, at..lead.blocks.start);
        at = lead.blocks.end;
        read(planner, &target, &job.parts, lead).await;
    }
    drop_blocks(planner, &job.parts, at..blocks.end);
}

async fn read(planner: &Planner, target: &Target, parts: &[Pending], lead: Lead) {
    let store = planner.store();
    let (shift, blocks) = (store.shift(), lead.blocks.clone());
    let count = blocks.end - blocks.start;
    let Some(buffers) = store.memory(count as usize) else {
        return drop_blocks(planner, parts, blocks);
    };
    store.ledger.tally.add(Count::AheadReads, 1);
    match read_blocks(target.file(), blocks.start << shift, buffers).await {
        Ok(buffers) => {
            let pages = lead.arrived(buffers, |block| share(parts, block, shift));
            store.ledger.tally.add(Count::Ahead, pages.len() as u64);
            // What is missing lies beyond the end of the file.
            drop_blocks(planner, parts, blocks.start + pages.len() as u64..blocks.end);
        }
        Err(error) => {
            // Who wants these blocks reads them on demand, and gets the error then.
            tracing::debug!(%error, "reading ahead failed");
            lead.failed(&Arc::new(error));
            drop_blocks(planner, parts, blocks);
        }
    }
}

/// For which range a block is read, and how much of it.
fn share(parts: &[Pending], block: u64, shift: u32) -> Option<Share> {
    let part = parts.iter().find(|part| part.blocks.contains(&block))?;
    Some(Share { ticket: part.ticket, bytes: part.bytes_within(block..block + 1, shift) })
}

fn drop_blocks(planner: &Planner, parts: &[Pending], blocks: Range<u64>) {
    for part in parts {
        let common = blocks.start.max(part.blocks.start)..blocks.end.min(part.blocks.end);
        if common.start < common.end {
            let bytes = part.bytes_within(common.clone(), planner.store().shift());
            let share = Share { ticket: part.ticket, bytes };
            planner.store().ledger.report(share, PrefetchOutcome::Dropped, common.end - common.start);
        }
    }
}
