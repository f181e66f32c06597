//! Waiting for memory, in order.

use super::block::Block;
use super::buffer::PooledBuf;
use super::sizes::Fit;
use super::{BufferPool, PoolError};
use crate::sync::Mutex;
use crate::sync::unmodelled::AtomicBool;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What a waiter gets.
pub(crate) enum Grant {
    /// A block that somebody returned.
    Block(Block),
    /// The right to map one.
    Reserved,
}

enum State {
    Waiting(Option<Waker>),
    Granted(Grant),
    /// The result was taken, or the waiter gave up.
    Gone,
}

pub(crate) struct Waiter {
    fit: Fit,
    state: Mutex<State>,
    /// Read and written under the lock of the queue only.
    pub(super) place: Place,
}

/// Where a waiter is, as the queue sees it: whether it is in it, and whether it is counted among those who gave up.
#[derive(Default)]
pub(super) struct Place {
    pub(super) is_queued: AtomicBool,
    pub(super) is_counted_gone: AtomicBool,
}

impl Waiter {
    pub(crate) fn fit(&self) -> Fit {
        self.fit
    }

    /// Whether nobody waits here any more.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(*self.state.lock(), State::Gone)
    }

    /// Hands over a grant, or gives it back if the waiter is gone.
    pub(crate) fn grant(&self, grant: Grant) -> Result<Option<Waker>, Grant> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Gone) {
            State::Waiting(waker) => {
                *state = State::Granted(grant);
                Ok(waker)
            }
            other => {
                *state = other;
                Err(grant)
            }
        }
    }
}

/// Future of [`BufferPool::get`]. Dropping it leaves the queue; memory that was already granted goes to the next.
#[must_use = "futures do nothing unless polled"]
pub struct Acquire {
    pool: BufferPool,
    len: usize,
    fit: Fit,
    waiter: Option<Arc<Waiter>>,
}

impl Acquire {
    pub(super) fn new(pool: BufferPool, len: usize, fit: Fit) -> Self {
        Self { pool, len, fit, waiter: None }
    }
}

impl Future for Acquire {
    type Output = Result<PooledBuf, PoolError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.pool.shared();
        let waiter = match &self.waiter {
            Some(waiter) => Arc::clone(waiter),
            None => {
                if shared.waiting() == 0
                    && let Some(block) = shared.try_take(self.fit, self.len)?
                {
                    return Poll::Ready(Ok(PooledBuf::new(shared, block)));
                }
                let state = Mutex::new(State::Waiting(Some(cx.waker().clone())));
                let waiter = Arc::new(Waiter { fit: self.fit, state, place: Place::default() });
                self.waiter = Some(Arc::clone(&waiter));
                shared.enqueue(Arc::clone(&waiter));
                waiter
            }
        };
        let mut state = waiter.state.lock();
        match std::mem::replace(&mut *state, State::Gone) {
            State::Granted(grant) => {
                drop(state);
                self.waiter = None;
                let block = match grant {
                    Grant::Block(mut block) => {
                        block.reuse();
                        shared.cache.count_handed_on(self.fit, self.len);
                        block
                    }
                    Grant::Reserved => shared.map(self.fit, self.len)?,
                };
                Poll::Ready(Ok(PooledBuf::new(shared, block)))
            }
            State::Waiting(_) | State::Gone => {
                *state = State::Waiting(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        let shared = self.pool.shared();
        let before = std::mem::replace(&mut *waiter.state.lock(), State::Gone);
        match before {
            State::Granted(Grant::Block(block)) => shared.serve(Some(block)),
            State::Granted(Grant::Reserved) => {
                shared.unreserve(self.fit);
                shared.serve(None);
            }
            State::Waiting(_) | State::Gone => shared.leave(&waiter),
        }
    }
}
