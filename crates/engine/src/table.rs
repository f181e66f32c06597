//! The in-flight table: it owns buffer, file and permit of an operation from submission until the last completion.
//!
//! A future that waits for an operation holds only a [`Token`]. Dropping it marks the slot abandoned; the memory stays
//! until the kernel has answered. A token carries the slot's generation, so an answer or a future that comes late, after
//! the slot was given to another operation, is recognised and ignored.
//!
//! States of a slot, and who moves it:
//!
//! ```text
//! Free --insert--> Running --finish--> Done --poll--> Free        (delivered)
//!                     |                  `---abandon-> Free        (reclaimed)
//!                     `--abandon--> Abandoned --finish--> Free     (reclaimed)
//! ```

use crate::admission::Permit;
use crate::op::{Advance, Op, OpKind, Path, Step};
use crate::payload::Payload;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::watch::Changing;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};

/// Names an operation in the table: slot index and generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token(u64);

impl Token {
    fn new(index: u32, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | u64::from(index))
    }
    fn index(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }
    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
    pub(crate) fn to_raw(self) -> u64 {
        self.0
    }
    pub(crate) fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}

/// What an operation keeps alive besides its arguments.
pub(crate) struct Owned {
    pub(crate) payload: Payload,
    /// The open file; `None` for `open` itself.
    pub(crate) file: Option<FileRef>,
    pub(crate) permit: Option<Permit>,
    /// Ends the change of a watched file.
    pub(crate) change: Option<Changing>,
}

/// Keeps a file open.
pub(crate) type FileRef = Arc<dyn Opened>;

/// What the table and the engine have to know about an open file.
pub(crate) trait Opened: Send + Sync {
    /// The kernel reported that a sync failed. It does so once, so this is called whether or not anybody waits.
    fn sync_failed(&self, kind: OpKind, errno: i32);

    /// An operation is about to be handed over; what it changes, if somebody watches that.
    fn change_begins(&self, op: &Op) -> Option<Changing>;
}

/// Result of a finished operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Bytes, a descriptor or 0; or an error number.
    pub(crate) result: Result<usize, i32>,
    /// Bytes transferred, also when an error ended the operation.
    pub(crate) transferred: usize,
    /// Whether a waiting task was woken for this result.
    pub(crate) woke: bool,
    /// Whether the ring's answer was set aside and the blocking path succeeded: evidence against the ring.
    pub(crate) rerouted: bool,
}

enum Phase {
    Free,
    Running { waker: Option<Waker> },
    Abandoned,
    Done { outcome: Outcome, kind: OpKind },
}

struct Slot {
    generation: u32,
    phase: Phase,
    op: Option<Op>,
    owned: Option<Owned>,
    rerouted: bool,
}

/// What a backend does after reporting a step's result.
pub(crate) enum Next {
    /// Carry out this step on the same path.
    Step(Step),
    /// Hand the operation to the blocking path.
    Reroute,
    /// Finished; wake the waiter, if one registered, once no lock is held.
    Wake(Option<Waker>),
    /// Finished, and nobody waits: drop these outside the lock. A descriptor that `open` returned must be closed.
    Reclaim { owned: Option<Owned>, orphan_fd: Option<i32>, woke: bool },
    /// The token's operation ended before; nothing to do.
    Stale,
}

/// Books of the table. At rest `submitted = delivered + reclaimed`.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) submitted: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) reclaimed: AtomicU64,
    pub(crate) stale: AtomicU64,
}

pub(crate) struct Table {
    /// Enough for what admission lets in.
    slots: Box<[Mutex<Slot>]>,
    /// For results that were not taken yet: their permits have been returned, so others are let in. Made on demand, each
    /// part as large as all before it.
    overflow: [OnceLock<Box<[Mutex<Slot>]>>; OVERFLOW_PARTS],
    free: Mutex<Vec<u32>>,
    pub(crate) books: Books,
}

/// With these a table holds 4096 times what admission lets in: a result for each future that its owner keeps and does not
/// poll. Beyond that, operations are refused.
const OVERFLOW_PARTS: usize = 12;

impl Table {
    /// A table for at most `capacity` operations at a time.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            slots: slots(capacity),
            overflow: std::array::from_fn(|_| OnceLock::new()),
            free: Mutex::new((0..capacity as u32).rev().collect()),
            books: Books::default(),
        }
    }

    fn slot(&self, index: usize) -> Option<&Mutex<Slot>> {
        match self.slots.get(index) {
            Some(slot) => Some(slot),
            None => self.overflow_slot(index),
        }
    }

    #[cold]
    fn overflow_slot(&self, index: usize) -> Option<&Mutex<Slot>> {
        let mut start = self.slots.len();
        for part in self.overflow.iter().map_while(OnceLock::get) {
            if let Some(slot) = part.get(index - start) {
                return Some(slot);
            }
            start += part.len();
        }
        None
    }

    /// Makes the next part: its first slot is the caller's, the others are free.
    #[cold]
    fn grow(&self, free: &mut Vec<u32>) -> Option<u32> {
        let made: usize = self.overflow.iter().map_while(OnceLock::get).map(|part| part.len()).sum();
        let start = self.slots.len() + made;
        let part = self.overflow.iter().find(|part| part.get().is_none())?;
        let end = start + part.get_or_init(|| slots(start)).len();
        free.extend((start as u32 + 1..end as u32).rev());
        Some(start as u32)
    }

    /// Takes ownership of an operation. `Err` gives everything back when the table cannot grow any more.
    #[allow(clippy::result_large_err, reason = "an error path that gives ownership back")]
    pub(crate) fn insert(&self, op: Op, owned: Owned) -> Result<Token, Owned> {
        let index = {
            let mut free = self.free.lock();
            free.pop().or_else(|| self.grow(&mut free))
        };
        let Some((index, slot)) = index.and_then(|index| Some((index, self.slot(index as usize)?))) else {
            return Err(owned);
        };
        let mut slot = slot.lock();
        debug_assert!(matches!(slot.phase, Phase::Free));
        slot.phase = Phase::Running { waker: None };
        slot.op = Some(op);
        slot.owned = Some(owned);
        slot.rerouted = false;
        self.books.submitted.fetch_add(1, Ordering::Relaxed);
        Ok(Token::new(index, slot.generation))
    }

    /// The step that the operation needs next, or `None` if the token is stale.
    pub(crate) fn step(&self, token: Token) -> Option<Step> {
        let slot = self.slot(token.index())?.lock();
        if slot.generation != token.generation() {
            return None;
        }
        slot.op.as_ref().map(Op::step)
    }

    /// Reports the raw result of the current step.
    pub(crate) fn complete(&self, token: Token, raw: i64, path: Path) -> Next {
        let Some(mutex) = self.slot(token.index()) else { return self.stale() };
        let mut slot = mutex.lock();
        if slot.generation != token.generation() {
            return self.stale();
        }
        let Some(op) = slot.op.as_mut() else { return self.stale() };
        let advance = op.advance(raw, path);
        let (kind, transferred, step) = (op.kind(), op.done(), op.step());
        match advance {
            Advance::Again => Next::Step(step),
            Advance::Reroute => {
                slot.rerouted = true;
                Next::Reroute
            }
            Advance::Done(result) => {
                if let (Err(errno), OpKind::Fsync | OpKind::Fdatasync) = (result, kind) {
                    // Before anybody can see the result: whoever does may act on a file that is poisoned already.
                    let owned = slot.owned.as_ref();
                    owned.and_then(|owned| owned.file.as_ref()).inspect(|file| file.sync_failed(kind, errno));
                }
                let rerouted = slot.rerouted && result.is_ok();
                self.finish(slot, token, kind, Outcome { result, transferred, rerouted, woke: false })
            }
        }
    }

    /// Ends an operation that no backend will answer, because none took it.
    pub(crate) fn fail(&self, token: Token, errno: i32) -> Next {
        let Some(mutex) = self.slot(token.index()) else { return self.stale() };
        let slot = mutex.lock();
        if slot.generation != token.generation() {
            return self.stale();
        }
        let Some(op) = slot.op.as_ref() else { return self.stale() };
        let (kind, transferred) = (op.kind(), op.done());
        self.finish(
            slot,
            token,
            kind,
            Outcome { result: Err(errno), transferred, rerouted: false, woke: false },
        )
    }

    fn stale(&self) -> Next {
        self.books.stale.fetch_add(1, Ordering::Relaxed);
        Next::Stale
    }

    fn finish(
        &self,
        mut slot: crate::sync::MutexGuard<'_, Slot>,
        token: Token,
        kind: OpKind,
        outcome: Outcome,
    ) -> Next {
        slot.op = None;
        match std::mem::replace(&mut slot.phase, Phase::Free) {
            Phase::Running { waker } => {
                // Before anybody can see the result: whoever does must not find what was there before the change.
                drop(slot.owned.as_mut().and_then(|owned| owned.change.take()));
                let outcome = Outcome { woke: waker.is_some(), ..outcome };
                slot.phase = Phase::Done { outcome, kind };
                // The permit goes back when the kernel is done, not when somebody looks at the result.
                let permit = slot.owned.as_mut().and_then(|owned| owned.permit.take());
                drop(slot);
                drop(permit);
                Next::Wake(waker)
            }
            Phase::Abandoned => {
                let owned = self.release(slot, token);
                let orphan_fd = orphan(kind, outcome);
                Next::Reclaim { owned, orphan_fd, woke: false }
            }
            phase @ (Phase::Free | Phase::Done { .. }) => {
                slot.phase = phase;
                self.stale()
            }
        }
    }

    /// Empties a slot, moves its generation on and gives the index back.
    fn release(&self, mut slot: crate::sync::MutexGuard<'_, Slot>, token: Token) -> Option<Owned> {
        slot.phase = Phase::Free;
        slot.op = None;
        slot.generation = slot.generation.wrapping_add(1);
        let owned = slot.owned.take();
        drop(slot);
        self.free.lock().push(token.index() as u32);
        owned
    }

    /// The result and the owned values, if the operation is finished; otherwise registers the waker.
    pub(crate) fn poll(&self, token: Token, waker: &Waker) -> Poll<Option<(Outcome, Owned)>> {
        let Some(mutex) = self.slot(token.index()) else { return Poll::Ready(None) };
        let mut slot = mutex.lock();
        if slot.generation != token.generation() {
            return Poll::Ready(None);
        }
        match &mut slot.phase {
            Phase::Running { waker: registered } => {
                match registered {
                    Some(old) => old.clone_from(waker),
                    None => *registered = Some(waker.clone()),
                }
                Poll::Pending
            }
            Phase::Done { outcome, .. } => {
                let outcome = *outcome;
                let owned = self.release(slot, token);
                self.books.delivered.fetch_add(1, Ordering::Relaxed);
                Poll::Ready(owned.map(|owned| (outcome, owned)))
            }
            Phase::Free | Phase::Abandoned => Poll::Ready(None),
        }
    }

    /// Looks for a few microseconds whether the operation, a memory copy that another thread has begun, is finished. Sleeping
    /// and being woken costs several times as much as such a copy.
    pub(crate) fn spin_until_done(&self, token: Token) {
        const LOOKS: u32 = 100;
        const TURNS_PER_LOOK: u32 = 16;
        let Some(slot) = self.slot(token.index()) else { return };
        for _ in 0..LOOKS {
            for _ in 0..TURNS_PER_LOOK {
                std::hint::spin_loop();
            }
            // A held lock means that it is being finished right now.
            let Some(slot) = slot.try_lock() else { continue };
            if slot.generation != token.generation() || matches!(slot.phase, Phase::Done { .. }) {
                return;
            }
        }
    }

    /// Gives up the result. What the operation owns is dropped when the kernel has answered, which may be now.
    pub(crate) fn abandon(&self, token: Token) -> Next {
        let Some(mutex) = self.slot(token.index()) else { return Next::Stale };
        let mut slot = mutex.lock();
        if slot.generation != token.generation() {
            return Next::Stale;
        }
        match std::mem::replace(&mut slot.phase, Phase::Abandoned) {
            Phase::Running { .. } | Phase::Abandoned => Next::Wake(None),
            Phase::Done { outcome, kind } => {
                let owned = self.release(slot, token);
                Next::Reclaim { owned, orphan_fd: orphan(kind, outcome), woke: outcome.woke }
            }
            Phase::Free => {
                slot.phase = Phase::Free;
                Next::Stale
            }
        }
    }

    /// Enters an abandoned operation in the books. Comes after everything it kept is gone: whoever sees that nothing is
    /// outstanding may count descriptors and memory.
    pub(crate) fn reclaimed(&self) {
        self.books.reclaimed.fetch_add(1, Ordering::Release);
    }

    /// Operations that are submitted and neither delivered nor reclaimed.
    pub(crate) fn outstanding(&self) -> u64 {
        let settled =
            self.books.delivered.load(Ordering::Acquire) + self.books.reclaimed.load(Ordering::Acquire);
        self.books.submitted.load(Ordering::Acquire).saturating_sub(settled)
    }

    /// Operations that the kernel (or a queue before it) still has.
    pub(crate) fn running(&self) -> usize {
        let is_running =
            |slot: &&Mutex<Slot>| matches!(slot.lock().phase, Phase::Running { .. } | Phase::Abandoned);
        let overflow = self.overflow.iter().map_while(OnceLock::get).flat_map(|part| part.iter());
        self.slots.iter().chain(overflow).filter(is_running).count()
    }
}

fn slots(count: usize) -> Box<[Mutex<Slot>]> {
    let slot =
        |_| Mutex::new(Slot { generation: 0, phase: Phase::Free, op: None, owned: None, rerouted: false });
    (0..count).map(slot).collect()
}

fn orphan(kind: OpKind, outcome: Outcome) -> Option<i32> {
    match (kind, outcome.result) {
        (OpKind::Open, Ok(fd)) => i32::try_from(fd).ok(),
        _ => None,
    }
}
