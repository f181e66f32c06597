//! Bytes on their way from a writer to the connection.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame};

/// Pieces that may wait. At the bound, the writer waits.
const PIECES_MAX: usize = 8;

#[derive(Default)]
struct State {
    pieces: VecDeque<Bytes>,
    end: Option<End>,
    /// The connection gave up the body.
    gone: bool,
    writer: Option<Waker>,
    reader: Option<Waker>,
}

enum End {
    /// All was written.
    Whole,
    /// The writer was dropped before.
    Aborted,
}

/// The writer's side.
pub(super) struct Sender(Arc<Mutex<State>>);

/// The connection's side: the body of the request.
pub(super) struct Receiver(Arc<Mutex<State>>);

/// A queue without pieces.
pub(super) fn queue() -> (Sender, Receiver) {
    let state = Arc::new(Mutex::new(State::default()));
    (Sender(Arc::clone(&state)), Receiver(state))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Sender {
    /// Ready if a piece fits. Returns whether anybody will take it.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut state = lock(&self.0);
        if state.gone {
            return Poll::Ready(false);
        }
        if state.pieces.len() < PIECES_MAX {
            return Poll::Ready(true);
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Queues a piece; the caller asked for room.
    pub(super) fn push(&self, piece: Bytes) {
        let mut state = lock(&self.0);
        state.pieces.push_back(piece);
        let waker = state.reader.take();
        drop(state);
        wake(waker);
    }

    /// Says that all was written.
    pub(super) fn end(&self) {
        self.finish(End::Whole);
    }

    fn finish(&self, end: End) {
        let mut state = lock(&self.0);
        if state.end.is_none() {
            state.end = Some(end);
        }
        let waker = state.reader.take();
        drop(state);
        wake(waker);
    }
}

impl Drop for Sender {
    /// Without [`Sender::end`], the body fails, so that the other side does not take a part for the whole.
    fn drop(&mut self) {
        self.finish(End::Aborted);
    }
}

impl Body for Receiver {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut state = lock(&self.0);
        if let Some(piece) = state.pieces.pop_front() {
            let waker = state.writer.take();
            drop(state);
            wake(waker);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match state.end {
            Some(End::Whole) => Poll::Ready(None),
            Some(End::Aborted) => {
                let text = "the writer was dropped before the body was whole";
                Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::BrokenPipe, text))))
            }
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.gone = true;
        state.pieces.clear();
        let waker = state.writer.take();
        drop(state);
        wake(waker);
    }
}
