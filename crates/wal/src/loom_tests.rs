//! Models of the group commit. The device completes on another thread, and appends are dropped at any point.

use crate::error::WalError;
use crate::format::batch::{BatchBuilder, Records, Seal, record_bytes};
use crate::group::{BoxFuture, Device, Done, Errand, Failure, Group, Job, Limits};
use loom::future::{AtomicWaker, block_on};
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A device whose commits end when a thread of the model says so.
struct Model {
    /// Commits that the model lets end.
    allowed: AtomicUsize,
    started: AtomicUsize,
    waker: AtomicWaker,
    committed: loom::sync::Mutex<Vec<u64>>,
    breaks_at: usize,
}

impl Model {
    fn new(breaks_at: usize) -> Arc<Self> {
        Arc::new(Self {
            allowed: AtomicUsize::new(0),
            started: AtomicUsize::new(0),
            waker: AtomicWaker::new(),
            committed: loom::sync::Mutex::new(Vec::new()),
            breaks_at,
        })
    }

    fn let_one_end(&self) {
        self.allowed.fetch_add(1, Ordering::SeqCst);
        self.waker.wake();
    }

    fn committed(&self) -> Vec<u64> {
        self.committed.lock().unwrap().clone()
    }
}

impl Device for Model {
    fn commit(self: Arc<Self>, job: Job) -> BoxFuture<Done> {
        let number = self.started.fetch_add(1, Ordering::SeqCst);
        let seal = Seal { seed: 0, segment: 1, commit: 1, durable_commit: 0, epoch: 1, previous_chain: 0 };
        let (header, memory) = job.batch.seal(&seal, 512).unwrap();
        let mut memory = Some(memory);
        Box::pin(std::future::poll_fn(move |cx| {
            self.waker.register_by_ref(cx.waker());
            if self.allowed.load(Ordering::SeqCst) <= number {
                return Poll::Pending;
            }
            let buf = memory.take().unwrap();
            if number >= self.breaks_at {
                return Poll::Ready(Done {
                    result: Err(Failure::Broken(WalError::Closed)),
                    memory: Some(buf),
                });
            }
            let body = &buf[64..64 + header.body_bytes as usize];
            let sequences = Records::new(&header, body).map(|record| record.sequence);
            self.committed.lock().unwrap().extend(sequences);
            Poll::Ready(Done { result: Ok(()), memory: Some(buf) })
        }))
    }

    fn patience(&self) -> Option<BoxFuture<()>> {
        None
    }
}

fn group(device: &Arc<Model>, pending_bytes_max: usize) -> Arc<Group<Model>> {
    let limits = Limits {
        pending_bytes_max,
        body_bytes_max: 4096,
        records_max: 16,
        gather_records: 16,
        buffer_bytes: 512,
        sequence_end: u64::MAX,
        turns: 1,
    };
    Arc::new(Group::new(Arc::clone(device), limits, 1).unwrap())
}

/// The log's task. Ends when the group is abandoned.
fn task(group: &Arc<Group<Model>>) -> thread::JoinHandle<()> {
    let group = Arc::clone(group);
    thread::spawn(move || block_on(group.serve()))
}

async fn append(group: &Group<Model>) -> Result<u64, WalError> {
    let push = |batch: &mut BatchBuilder| batch.push(0, 0, b"data");
    group.append(1, record_bytes(4), push).await
}

/// Runs a model with a device that breaks at the given commit, room for so many bytes, and the log's task.
fn check(
    breaks_at: usize,
    pending_bytes_max: usize,
    run: impl Fn(&Arc<Model>, &Arc<Group<Model>>) + Sync + Send + 'static,
) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(2));
    model.check(move || {
        let device = Model::new(breaks_at);
        let group = group(&device, pending_bytes_max);
        let task = task(&group);
        run(&device, &group);
        group.abandon();
        task.join().unwrap();
    });
}

#[test]
fn loom_every_append_is_committed_once_and_in_order() {
    check(usize::MAX, 4096, |device, group| {
        let other = Arc::clone(group);
        let appender = thread::spawn(move || block_on(append(&other)).unwrap());
        // Two commits are enough for two appends.
        device.let_one_end();
        device.let_one_end();
        let mine = block_on(append(group)).unwrap();
        let theirs = appender.join().unwrap();
        assert_ne!(mine, theirs);
        assert_eq!(device.committed(), [1, 2]);
    });
}

#[test]
fn loom_a_dropped_driver_hands_over() {
    check(usize::MAX, 4096, |device, group| {
        let other = Arc::clone(group);
        let appender = thread::spawn(move || block_on(append(&other)).unwrap());
        // Polled once, and dropped as driver or as follower.
        {
            let mut dropped = Box::pin(append(group));
            let _ = dropped.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        device.let_one_end();
        device.let_one_end();
        let sequence = appender.join().unwrap();
        assert!(device.committed().contains(&sequence));
        // What was dropped is carried out by whoever comes next, and not lost.
        block_on(group.run(Errand::default())).unwrap();
        assert_eq!(device.committed(), [1, 2]);
    });
}

#[test]
fn loom_a_commit_that_expects_others_starts_without_them_too() {
    check(usize::MAX, 4096, |device, group| {
        let other = Arc::clone(group);
        // The commit after one that two were in, or one was in and one waited for, expects two; here the second one may come
        // before, while or after it gathers.
        let appender = thread::spawn(move || {
            let first = block_on(append(&other)).unwrap();
            (first, block_on(append(&other)).unwrap())
        });
        for _ in 0..4 {
            device.let_one_end();
        }
        let mine = block_on(append(group)).unwrap();
        let (first, second) = appender.join().unwrap();
        assert!(first < second && mine != first && mine != second);
        assert_eq!(device.committed(), [1, 2, 3]);
    });
}

#[test]
fn loom_who_finds_no_room_waits_and_is_let_in() {
    // Room for one record.
    check(usize::MAX, record_bytes(4), |device, group| {
        let other = Arc::clone(group);
        let appender = thread::spawn(move || block_on(append(&other)).unwrap());
        device.let_one_end();
        device.let_one_end();
        let mine = block_on(append(group)).unwrap();
        let theirs = appender.join().unwrap();
        assert_eq!(mine + theirs, 3);
        assert_eq!(device.committed(), [1, 2]);
    });
}

#[test]
fn loom_everybody_hears_of_a_broken_device() {
    check(0, 4096, |device, group| {
        let other = Arc::clone(group);
        let appender = thread::spawn(move || block_on(append(&other)));
        device.let_one_end();
        assert!(block_on(append(group)).is_err());
        assert!(appender.join().unwrap().is_err());
        assert!(block_on(append(group)).is_err());
        assert!(device.committed().is_empty());
    });
}

#[test]
fn loom_nobody_waits_for_an_append_that_is_not_polled() {
    check(usize::MAX, 4096, |device, group| {
        // Polled once, and then kept without being polled, as by a branch of `select!` that lost.
        let mut kept = Box::pin(append(group));
        let _ = kept.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let other = Arc::clone(group);
        let appender = thread::spawn(move || block_on(append(&other)).unwrap());
        device.let_one_end();
        device.let_one_end();
        appender.join().unwrap();
        assert_eq!(device.committed(), [1, 2]);
        drop(kept);
    });
}
