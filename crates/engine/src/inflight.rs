//! The future that waits for an operation of the table.

use crate::shared::Core;
use crate::table::{Next, Outcome, Owned, Token};
use crate::uring::Shard;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Where an operation was sent: whom to tell that its result was taken.
#[derive(Clone)]
pub(crate) enum Via {
    Ring(Arc<Shard>),
    Polled,
    Other,
}

impl Via {
    fn consumed(&self, woke: bool) {
        if let (Self::Ring(shard), true) = (self, woke) {
            shard.consumed();
        }
    }
}

/// Waits for one operation. Dropping it gives up the result only.
pub(crate) struct InFlight {
    core: Arc<Core>,
    token: Option<Token>,
    via: Via,
}

impl InFlight {
    pub(crate) fn new(core: Arc<Core>, token: Token, via: Via) -> Self {
        Self { core, token: Some(token), via }
    }
}

impl Future for InFlight {
    /// `None` only if the token was stale, which is a bug in the engine.
    type Output = Option<(Outcome, Owned)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(token) = self.token else { return Poll::Ready(None) };
        match self.core.table.poll(token, cx.waker()) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(finished) => {
                self.token = None;
                if let Some((outcome, _)) = &finished {
                    self.via.consumed(outcome.woke);
                }
                Poll::Ready(finished)
            }
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let Some(token) = self.token.take() else { return };
        let next = self.core.table.abandon(token);
        if let Next::Reclaim { woke, .. } = &next {
            self.via.consumed(*woke);
        }
        self.core.settle(next);
    }
}
