//! Models of the concurrent parts, checked in every interleaving (up to a bound on preemptions): the submission lock, the
//! in-flight table, admission.
//!
//! `RUSTFLAGS="--cfg rio_loom" cargo test -p rustfs-rio-engine --release --lib loom`. The flag has a name of its own because
//! tokio leaves out its I/O driver under `--cfg loom`.

use crate::admission::Admission;
use crate::inflight::{InFlight, Via};
use crate::op::{Op, OpKind, Path};
use crate::payload::Payload;
use crate::shared::{Core, Counters};
use crate::sync::{AtomicUsize, Ordering};
use crate::table::{Next, Opened, Owned, Table, Token};
use crate::uring::Gather;
use loom::future::block_on;
use loom::thread;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

/// Interleavings with more preemptions than this are left out. Errors that need more are rare, and the number of
/// interleavings grows with a power of it.
const PREEMPTIONS: usize = 3;

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

#[test]
fn loom_the_submission_lock_loses_no_request() {
    check(|| {
        let gather = Arc::new(Gather::new(0));
        let added = Arc::new(AtomicUsize::new(0));
        let ask = |gather: &Gather<usize>, added: &AtomicUsize| {
            added.fetch_add(1, Ordering::SeqCst);
            gather.request(|done| *done += added.swap(0, Ordering::SeqCst), || {});
        };
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (gather, added) = (Arc::clone(&gather), Arc::clone(&added));
                thread::spawn(move || ask(&gather, &added))
            })
            .collect();
        ask(&gather, &added);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*gather.lock(), 3, "a round ran after each request");
    });
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A file that counts reports of failed syncs.
struct File(AtomicUsize);

impl Opened for File {
    fn change_begins(&self, _op: &Op) -> Option<crate::watch::Changing> {
        None
    }

    fn sync_failed(&self, _kind: OpKind, _errno: i32) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A table with one slot and an operation in it.
struct Scene {
    core: Arc<Core>,
    token: Token,
    dropped: Arc<AtomicUsize>,
    file: Arc<File>,
}

impl Scene {
    fn new() -> Self {
        let core = Core {
            table: Table::new(1),
            admission: Admission::new(1),
            recording: crate::recording::Recording::default(),
            counters: Counters::default(),
            simulated: OnceLock::new(),
        };
        let (core, dropped) = (Arc::new(core), Arc::new(AtomicUsize::new(0)));
        let file = Arc::new(File(AtomicUsize::new(0)));
        let token = insert(&core, &dropped, &file);
        Self { core, token, dropped, file }
    }

    /// What must hold at the end of every interleaving.
    fn finish(self, delivered: u64, reclaimed: u64) {
        let count = |counter: &crate::sync::AtomicU64| counter.load(Ordering::SeqCst);
        let books = &self.core.table.books;
        assert_eq!((count(&books.delivered), count(&books.reclaimed)), (delivered, reclaimed));
        assert_eq!(self.core.table.outstanding(), 0);
        assert_eq!(
            self.dropped.load(Ordering::SeqCst) as u64,
            delivered + reclaimed,
            "each payload is dropped once"
        );
        assert_eq!(self.core.admission.in_use(), 0, "each permit came back once");
    }
}

fn insert(core: &Arc<Core>, dropped: &Arc<AtomicUsize>, file: &Arc<File>) -> Token {
    let owned = Owned {
        payload: Payload::new(Counted(Arc::clone(dropped))),
        file: Some(Arc::clone(file) as _),
        permit: core.admission.try_acquire(),
        change: None,
    };
    let token = core.table.insert(Op::sync(3, true), owned);
    token.unwrap_or_else(|_| panic!("the table has room"))
}

fn complete(core: &Core, token: Token, raw: i64) {
    core.settle(core.table.complete(token, raw, Path::Blocking));
}

#[test]
fn loom_a_result_reaches_the_future_that_waits() {
    check(|| {
        let scene = Scene::new();
        let (core, token) = (Arc::clone(&scene.core), scene.token);
        let backend = thread::spawn(move || complete(&core, token, 0));
        let finished = block_on(InFlight::new(Arc::clone(&scene.core), scene.token, Via::Other));
        let (outcome, owned) = finished.unwrap();
        assert_eq!(outcome.result, Ok(0));
        assert!(owned.permit.is_none(), "the permit went back at the completion");
        drop(owned);
        backend.join().unwrap();
        scene.finish(1, 0);
    });
}

#[test]
fn loom_a_future_is_dropped_while_the_result_arrives() {
    check(|| {
        let scene = Scene::new();
        let (core, token) = (Arc::clone(&scene.core), scene.token);
        let backend = thread::spawn(move || complete(&core, token, -i64::from(libc::EIO)));
        let mut future = InFlight::new(Arc::clone(&scene.core), scene.token, Via::Other);
        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop()));
        let delivered = u64::from(polled.is_ready());
        drop((future, polled));
        backend.join().unwrap();
        assert_eq!(scene.file.0.load(Ordering::SeqCst), 1, "the failed sync is recorded in any case");
        scene.finish(delivered, 1 - delivered);
    });
}

#[test]
fn loom_answers_that_come_twice_or_late_are_ignored() {
    check(|| {
        let scene = Scene::new();
        let (core, token) = (Arc::clone(&scene.core), scene.token);
        // Two backends answer, as when a completion races with the failure of its ring.
        let other = thread::spawn(move || complete(&core, token, 1));
        complete(&scene.core, scene.token, 2);
        let waker = Waker::noop();
        let Poll::Ready(Some((outcome, owned))) = scene.core.table.poll(scene.token, waker) else {
            panic!("this thread answered, or the other one had");
        };
        assert!(matches!(outcome.result, Ok(1 | 2)));
        drop(owned);
        // The same slot with the next operation, which a late answer to the first must not end.
        let next = insert(&scene.core, &scene.dropped, &scene.file);
        assert!(scene.core.table.poll(next, waker).is_pending());
        other.join().unwrap();
        assert!(scene.core.table.poll(next, waker).is_pending());
        assert!(
            matches!(scene.core.table.poll(scene.token, waker), Poll::Ready(None)),
            "the old token is stale"
        );
        complete(&scene.core, next, 0);
        scene.core.settle(scene.core.table.abandon(next));
        scene.finish(1, 1);
    });
}

#[test]
fn loom_what_is_abandoned_ends_once() {
    check(|| {
        let scene = Scene::new();
        let (core, token) = (Arc::clone(&scene.core), scene.token);
        let backend = thread::spawn(move || {
            // An interruption first, so that the operation goes on after it may have been abandoned.
            match core.table.complete(token, -i64::from(libc::EINTR), Path::Blocking) {
                Next::Step(_) => complete(&core, token, 0),
                next => core.settle(next),
            }
        });
        scene.core.settle(scene.core.table.abandon(scene.token));
        backend.join().unwrap();
        scene.finish(0, 1);
    });
}

#[test]
fn loom_slots_of_several_operations_are_not_mixed_up() {
    check(|| {
        let scene = Scene::new();
        // The second does not fit: the table has to grow.
        let second = insert(&scene.core, &scene.dropped, &scene.file);
        let (core, first) = (Arc::clone(&scene.core), scene.token);
        let backend = thread::spawn(move || {
            complete(&core, first, 1);
            complete(&core, second, 2);
        });
        let results = [scene.token, second].map(|token| {
            let finished = block_on(InFlight::new(Arc::clone(&scene.core), token, Via::Other));
            finished.map(|(outcome, _)| outcome.result)
        });
        assert_eq!(results, [Some(Ok(1)), Some(Ok(2))]);
        backend.join().unwrap();
        scene.finish(2, 0);
    });
}

#[test]
fn loom_everybody_who_waits_is_let_in() {
    check(|| {
        let admission = Admission::new(1);
        let threads: Vec<_> = (0..2)
            .map(|file| {
                let admission = Arc::clone(&admission);
                thread::spawn(move || drop(block_on(admission.acquire(file))))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(admission.in_use(), 0);
        assert!(admission.try_acquire().is_some());
    });
}

#[test]
fn loom_a_cancelled_wait_passes_its_permit_on() {
    check(|| {
        let admission = Admission::new(1);
        let held = admission.try_acquire();
        let mut cancelled = admission.acquire(1);
        assert!(Pin::new(&mut cancelled).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let patient = {
            let admission = Arc::clone(&admission);
            thread::spawn(move || drop(block_on(admission.acquire(2))))
        };
        let canceller = thread::spawn(move || drop(cancelled));
        drop(held);
        canceller.join().unwrap();
        patient.join().unwrap();
        assert_eq!(admission.in_use(), 0);
    });
}

#[test]
fn loom_permits_never_exceed_the_limit() {
    check(|| {
        let admission = Admission::new(1);
        let inside = Arc::new(AtomicUsize::new(0));
        let enter = |admission: &Arc<Admission>, inside: &AtomicUsize, file| {
            let permit = block_on(admission.acquire(file));
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at a time");
            inside.fetch_sub(1, Ordering::SeqCst);
            drop(permit);
        };
        let other = {
            let (admission, inside) = (Arc::clone(&admission), Arc::clone(&inside));
            thread::spawn(move || enter(&admission, &inside, 1))
        };
        enter(&admission, &inside, 2);
        other.join().unwrap();
    });
}
