//! Bounded concurrency: how many operations may be in flight, and who is next when that many are.
//!
//! Below the bound, admission is one atomic addition. At the bound, waiters queue per file, and files take turns, so
//! that a file with a thousand waiting operations does not make another file's single one wait for all of them. A
//! permit is returned by the completion of the operation, never by the drop of a future.

use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering, fence_after_rmw};
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Operations of one file that wait, oldest first.
type Queue = VecDeque<Arc<Waiter>>;

struct Waiter {
    state: Mutex<WaiterState>,
}

enum WaiterState {
    Waiting(Option<Waker>),
    Granted,
    Cancelled,
}

#[derive(Default)]
struct Waiting {
    queues: HashMap<u64, Queue>,
    /// Files with waiters, in the order in which they are served.
    turns: VecDeque<u64>,
}

impl Waiting {
    fn push(&mut self, file: u64, waiter: Arc<Waiter>) {
        let queue = self.queues.entry(file).or_default();
        if queue.is_empty() {
            self.turns.push_back(file);
        }
        queue.push_back(waiter);
    }

    fn pop(&mut self) -> Option<Arc<Waiter>> {
        let file = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&file)?;
        let waiter = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&file);
        } else {
            self.turns.push_back(file);
        }
        waiter
    }

    fn remove(&mut self, file: u64, waiter: &Arc<Waiter>) {
        let Some(queue) = self.queues.get_mut(&file) else { return };
        queue.retain(|other| !Arc::ptr_eq(other, waiter));
        if queue.is_empty() {
            self.queues.remove(&file);
            self.turns.retain(|other| *other != file);
        }
    }
}

/// The gate in front of the in-flight table.
pub(crate) struct Admission {
    limit: AtomicUsize,
    /// Operations that wait or are about to.
    queued: AtomicUsize,
    queued_max: usize,
    refused: AtomicU64,
    in_use: AtomicUsize,
    has_waiters: AtomicBool,
    waiting: Mutex<Waiting>,
}

impl Admission {
    #[cfg(test)]
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Self::with_queue(limit, usize::MAX)
    }

    /// A gate for `limit` operations at a time, in front of which `queued_max` may wait.
    pub(crate) fn with_queue(limit: usize, queued_max: usize) -> Arc<Self> {
        Arc::new(Self {
            limit: AtomicUsize::new(limit),
            queued: AtomicUsize::new(0),
            queued_max,
            refused: AtomicU64::new(0),
            in_use: AtomicUsize::new(0),
            has_waiters: AtomicBool::new(false),
            waiting: Mutex::new(Waiting::default()),
        })
    }

    /// Changes the bound. Operations above a lowered bound finish; new ones wait.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::SeqCst);
        self.grant_waiters();
    }

    /// The bound in force.
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Operations that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Operations that found the queue full.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// A place in the queue, to be held while waiting; the bound if there is none.
    pub(crate) fn enter_queue(self: &Arc<Self>) -> Result<Place, usize> {
        let below = |queued: usize| (queued < self.queued_max).then_some(queued + 1);
        match self.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below) {
            Ok(_) => Ok(Place { admission: Arc::clone(self) }),
            Err(_) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(self.queued_max)
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn in_use(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }

    fn try_take(&self) -> bool {
        let limit = self.limit.load(Ordering::SeqCst);
        let below = |in_use: usize| (in_use < limit).then_some(in_use + 1);
        self.in_use.fetch_update(Ordering::SeqCst, Ordering::SeqCst, below).is_ok()
    }

    /// A permit if one is free and nobody waits before the caller.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<Permit> {
        if self.has_waiters.load(Ordering::SeqCst) || !self.try_take() {
            return None;
        }
        Some(Permit { admission: Arc::clone(self) })
    }

    /// Waits for a permit, in turn with other files and in order within `file`.
    pub(crate) fn acquire(self: &Arc<Self>, file: u64) -> Acquire {
        Acquire { admission: Arc::clone(self), file, waiter: None }
    }

    fn release(&self) {
        self.in_use.fetch_sub(1, Ordering::SeqCst);
        fence_after_rmw();
        if self.has_waiters.load(Ordering::SeqCst) {
            self.grant_waiters();
        }
    }

    /// Hands free permits to waiters.
    fn grant_waiters(&self) {
        let mut to_wake = Vec::new();
        {
            let mut waiting = self.waiting.lock();
            while !waiting.turns.is_empty() && self.try_take() {
                let granted = waiting.pop().is_some_and(|waiter| {
                    let mut state = waiter.state.lock();
                    match std::mem::replace(&mut *state, WaiterState::Granted) {
                        WaiterState::Waiting(waker) => {
                            to_wake.extend(waker);
                            true
                        }
                        other => {
                            *state = other;
                            false
                        }
                    }
                });
                if !granted {
                    self.in_use.fetch_sub(1, Ordering::SeqCst);
                }
            }
            self.has_waiters.store(!waiting.turns.is_empty(), Ordering::SeqCst);
        }
        for waker in to_wake {
            waker.wake();
        }
    }

    fn enqueue(&self, file: u64, waker: Waker) -> Arc<Waiter> {
        let waiter = Arc::new(Waiter { state: Mutex::new(WaiterState::Waiting(Some(waker))) });
        {
            let mut waiting = self.waiting.lock();
            waiting.push(file, Arc::clone(&waiter));
            self.has_waiters.swap(true, Ordering::SeqCst);
        }
        fence_after_rmw();
        // A permit may have come back between the failed attempt and the registration, unseen by its releaser.
        self.grant_waiters();
        waiter
    }
}

/// The right to wait.
pub(crate) struct Place {
    admission: Arc<Admission>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to have one operation in flight.
pub(crate) struct Permit {
    admission: Arc<Admission>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.release();
    }
}

/// Future of [`Admission::acquire`]. Dropping it leaves the queue; a permit that was already granted goes to the next.
pub(crate) struct Acquire {
    admission: Arc<Admission>,
    file: u64,
    waiter: Option<Arc<Waiter>>,
}

impl Future for Acquire {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        if self.waiter.is_none() {
            if let Some(permit) = self.admission.try_acquire() {
                return Poll::Ready(permit);
            }
            let waiter = self.admission.enqueue(self.file, cx.waker().clone());
            self.waiter = Some(waiter);
        }
        let Some(waiter) = self.waiter.clone() else { return Poll::Pending };
        let mut state = waiter.state.lock();
        match &mut *state {
            WaiterState::Waiting(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            WaiterState::Granted | WaiterState::Cancelled => {
                *state = WaiterState::Cancelled;
                self.waiter = None;
                Poll::Ready(Permit { admission: Arc::clone(&self.admission) })
            }
        }
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        let before = std::mem::replace(&mut *waiter.state.lock(), WaiterState::Cancelled);
        match before {
            WaiterState::Granted => drop(Permit { admission: Arc::clone(&self.admission) }),
            WaiterState::Waiting(_) => self.admission.waiting.lock().remove(self.file, &waiter),
            WaiterState::Cancelled => {}
        }
    }
}

#[cfg(all(test, not(rio_loom)))]
mod tests {
    use super::*;

    fn poll_once(acquire: &mut Acquire) -> Option<Permit> {
        match Pin::new(acquire).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    #[test]
    fn never_more_permits_than_the_limit() {
        let admission = Admission::new(2);
        let first = admission.try_acquire().unwrap();
        let _second = admission.try_acquire().unwrap();
        assert!(admission.try_acquire().is_none());
        drop(first);
        assert!(admission.try_acquire().is_some());
    }

    #[test]
    fn the_queue_has_an_end() {
        let admission = Admission::with_queue(1, 2);
        let places: Vec<_> =
            (0..2).map(|_| admission.enter_queue().unwrap_or_else(|_| unreachable!())).collect();
        assert!(admission.enter_queue().is_err_and(|max| max == 2));
        assert_eq!((admission.waiting(), admission.refused()), (2, 1));
        drop(places);
        assert!(admission.enter_queue().is_ok());
        assert_eq!(admission.waiting(), 0);
    }

    #[test]
    fn files_take_turns() {
        let admission = Admission::new(1);
        let mut held = admission.try_acquire();
        let mut greedy: Vec<_> = (0..3).map(|_| admission.acquire(1)).collect();
        greedy.iter_mut().for_each(|acquire| assert!(poll_once(acquire).is_none()));
        let mut modest = admission.acquire(2);
        assert!(poll_once(&mut modest).is_none());
        drop(held.take());
        let first = poll_once(&mut greedy[0]);
        assert!(first.is_some());
        drop(first);
        assert!(poll_once(&mut greedy[1]).is_none(), "the other file is next");
        assert!(poll_once(&mut modest).is_some());
    }

    #[test]
    fn nobody_overtakes_the_queue() {
        let admission = Admission::new(1);
        let held = admission.try_acquire().unwrap();
        let mut waiter = admission.acquire(1);
        assert!(poll_once(&mut waiter).is_none());
        drop(held);
        assert!(admission.try_acquire().is_none(), "the permit belongs to the waiter");
        assert!(poll_once(&mut waiter).is_some());
    }

    #[test]
    fn a_cancelled_waiter_neither_loses_nor_keeps_a_permit() {
        let admission = Admission::new(1);
        let held = admission.try_acquire().unwrap();
        let mut waiting = admission.acquire(1);
        let mut granted = admission.acquire(2);
        assert!(poll_once(&mut granted).is_none());
        assert!(poll_once(&mut waiting).is_none());
        drop(waiting);
        drop(held);
        drop(granted);
        assert_eq!(admission.in_use(), 0);
        assert!(admission.try_acquire().is_some());
    }

    #[test]
    fn a_raised_limit_admits_waiters_and_a_lowered_one_holds() {
        let admission = Admission::new(1);
        let first = admission.try_acquire().unwrap();
        let mut second = admission.acquire(1);
        assert!(poll_once(&mut second).is_none());
        admission.set_limit(2);
        let second = poll_once(&mut second).unwrap();
        admission.set_limit(1);
        drop(first);
        assert!(admission.try_acquire().is_none());
        drop(second);
        assert!(admission.try_acquire().is_some());
    }
}
