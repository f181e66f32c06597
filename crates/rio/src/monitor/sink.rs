//! Where alerts go besides events and callbacks: each sink is a task with a bounded queue before it.
//!
//! [`webhook`] posts to Alertmanager, [`alert_log`] appends lines to a file. The monitor puts changes into their queues and never waits
//! for them.

pub(super) mod alert_log;
pub(super) mod webhook;

use super::task::Task;
use parking_lot::Mutex;
use rustfs_rio_monitor::{Change, Deliveries};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Changes that wait for a sink at most. Some 36 alerts can be open at a time, so this is seven changes of each; beyond it the oldest
/// change is dropped and counted.
const QUEUE_MAX: usize = 256;

/// What became of the alerts that were given to a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkStats {
    /// `webhook` or `alert_log`.
    pub sink: String,
    /// Where it sends to.
    pub target: String,
    /// Alerts delivered.
    pub delivered: u64,
    /// Changes given up: the queue was full, or the receiver refused them for good.
    pub dropped: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Changes that wait.
    pub waiting: u64,
}

impl From<SinkStats> for Deliveries {
    fn from(stats: SinkStats) -> Self {
        Self {
            sink: stats.sink,
            delivered: stats.delivered,
            dropped: stats.dropped,
            failed_attempts: stats.failed_attempts,
        }
    }
}

/// The queue before a sink, with its counters.
#[derive(Debug, Default)]
pub(super) struct Queue {
    changes: Mutex<VecDeque<Change>>,
    arrived: Notify,
    pub(super) delivered: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) failed_attempts: AtomicU64,
    /// Taken from the queue and not delivered yet.
    pub(super) in_hand: AtomicU64,
}

impl Queue {
    fn push(&self, change: &Change) {
        let mut changes = self.changes.lock();
        if changes.len() >= QUEUE_MAX {
            changes.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        changes.push_back(change.clone());
        drop(changes);
        self.arrived.notify_one();
    }

    /// Everything that waits.
    pub(super) fn take(&self) -> VecDeque<Change> {
        std::mem::take(&mut *self.changes.lock())
    }

    /// Until something may have arrived.
    pub(super) async fn arrival(&self) {
        self.arrived.notified().await;
    }
}

/// A sink that runs.
pub(super) struct Sink {
    kind: &'static str,
    target: String,
    pub(super) queue: Arc<Queue>,
    task: Mutex<Option<Task>>,
}

impl Sink {
    fn new(kind: &'static str, target: String, queue: Arc<Queue>, task: Task) -> Self {
        Self { kind, target, queue, task: Mutex::new(Some(task)) }
    }

    pub(super) fn push(&self, change: &Change) {
        self.queue.push(change);
    }

    pub(super) fn stats(&self) -> SinkStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SinkStats {
            sink: self.kind.to_owned(),
            target: self.target.clone(),
            delivered: get(&self.queue.delivered),
            dropped: get(&self.queue.dropped),
            failed_attempts: get(&self.queue.failed_attempts),
            waiting: self.queue.changes.lock().len() as u64 + get(&self.queue.in_hand),
        }
    }

    /// Asks the task to deliver what it has, once, and waits for it.
    pub(super) async fn end(&self) {
        let task = self.task.lock().take();
        if let Some(task) = task {
            task.end().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::sample_alert;

    #[test]
    fn a_full_queue_drops_the_oldest_and_counts_it() {
        let queue = Queue::default();
        for id in 0..QUEUE_MAX as u64 + 10 {
            queue.push(&Change::Opened(sample_alert(id)));
        }
        let kept = queue.take();
        assert_eq!((kept.len(), kept[0].alert().id), (QUEUE_MAX, 10));
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 10);
    }
}
