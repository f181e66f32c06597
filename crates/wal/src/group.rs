//! Group commit.
//!
//! Appends put their records into the pending batch under a short lock. A commit that runs is a future in the shared state, and
//! the driver polls it: the append itself while it is the only one, since a change to another task would cost it a tenth of its
//! time; the log's task ([`Group::serve`]) as soon as there are several. When a commit ends the driver publishes the result and
//! starts the next one with what gathered meanwhile. A dropped append takes nothing with it: its record is in the batch, and the
//! task drives on.
//!
//! What holds, all under one lock:
//!
//! * At most one commit runs, and at most one batch is pending; together they have at most `pending_bytes_max` bytes.
//! * Nobody waits for another append to be polled. A future that its owner keeps and does not poll (a branch of `select!` that
//!   goes on to something else) drives nothing but itself.
//! * While there is work, `driver` names the task, whose waker is with the commit or which was woken, or the only waiter.
//! * Who finds no room waits in `queue`. When there is room all of it is woken and let in from its front, except that nobody waits
//!   for more than [`QUEUE_TURNS`] turns for one that was woken and does not come.
//! * If the task ends with the runtime that it was started on, whoever is polled drives.
//! * A commit that ended has woken its waiters, and some come back with more at once. So the next one expects as many records as
//!   the last one had, on top of those that wait already, and gives the others a few turns to bring them. A lone appender
//!   expects nobody, and nobody waits for time to pass, unless the log was told so.
//! * After a commit that broke the device, nothing is committed and every waiter has the first error.

use crate::error::WalError;
use crate::format::batch::BatchBuilder;
use crate::sync::Mutex;
use rustfs_rio_engine::buf::{AlignedBuf, BufferError};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Turns that a waiter who would fit gives to those who were in the queue before it and were woken. Who has not come by then is
/// kept by its owner and not polled, and does not hold up the others.
const QUEUE_TURNS: u8 = 16;

/// What carries out commits.
pub(crate) trait Device: Send + Sync + 'static {
    /// Carries out a job. There is one at a time.
    fn commit(self: Arc<Self>, job: Job) -> BoxFuture<Done>;
    /// How long a commit waits for more records at most, beside the turns that it gives to others. Made for each commit.
    fn patience(&self) -> Option<BoxFuture<()>>;
}

/// What to carry out.
pub(crate) struct Job {
    /// Records, or none.
    pub(crate) batch: BatchBuilder,
    pub(crate) errand: Errand,
}

/// What to do besides writing records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Errand {
    /// Make everything up to this batch durable, whatever the log's mode.
    pub(crate) sync: bool,
    /// Give up the records before this one.
    pub(crate) truncate_before: Option<u64>,
    pub(crate) checkpoint: Option<u64>,
    /// Close the log in order.
    pub(crate) close: bool,
}

impl Errand {
    fn join(&mut self, other: Errand) {
        self.sync |= other.sync;
        self.truncate_before = self.truncate_before.max(other.truncate_before);
        self.checkpoint = other.checkpoint.or(self.checkpoint);
        self.close |= other.close;
    }
}

/// How a job ended.
pub(crate) struct Done {
    pub(crate) result: Result<(), Failure>,
    /// The batch's memory, for another batch.
    pub(crate) memory: Option<AlignedBuf>,
}

/// Why a job failed.
pub(crate) enum Failure {
    /// Nothing was written; a later job may succeed.
    Refused(WalError),
    /// What is on the device is not known.
    Broken(WalError),
}

/// Bounds of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) pending_bytes_max: usize,
    pub(crate) body_bytes_max: usize,
    pub(crate) records_max: u32,
    /// A commit does not wait for more than this.
    pub(crate) gather_records: u32,
    /// What a batch's memory starts with.
    pub(crate) buffer_bytes: usize,
    /// First sequence that is not given away.
    pub(crate) sequence_end: u64,
    /// Turns that a commit gives to other tasks before it starts, if fewer records are pending than it may expect.
    pub(crate) turns: u8,
}

/// The shared state of all appenders of a log.
pub(crate) struct Group<D> {
    device: Arc<D>,
    limits: Limits,
    state: Mutex<State>,
}

/// Names the batch that a waiter waits for.
type BatchId = u64;

struct State {
    pending: BatchBuilder,
    pending_id: BatchId,
    errand: Errand,
    flight: Option<Flight>,
    /// The batch that is being committed: its name, size and first sequence.
    flying: Option<(BatchId, usize, u64)>,
    /// Whether somebody is inside the commit's `poll`.
    polling: bool,
    broken: Option<WalError>,
    closed: bool,
    waiters: Vec<Option<Waiter>>,
    free: Vec<usize>,
    queue: VecDeque<usize>,
    driver: Driver,
    /// Of the log's task.
    task: Option<Waker>,
    /// The task went with its runtime. Whoever is polled drives then.
    task_is_gone: bool,
    memory: Option<AlignedBuf>,
    /// Records of the commit before.
    last_count: u32,
    /// Records that a commit that gathers waits for.
    wanted: u32,
}

/// Who polls what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    Nobody,
    /// The only waiter.
    Waiter(usize),
    Task,
}

enum Flight {
    Gather { turns: u8, patience: Option<BoxFuture<()>> },
    Commit(BoxFuture<Done>),
}

impl Flight {
    fn is_gathering(&self) -> bool {
        matches!(self, Self::Gather { .. })
    }

    /// `None` at the end of gathering, the result at the end of the commit.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Done>> {
        match self {
            Self::Commit(commit) => commit.as_mut().poll(cx).map(Some),
            Self::Gather { patience: Some(patience), .. } => patience.as_mut().poll(cx).map(|()| None),
            Self::Gather { turns: 0, .. } => Poll::Ready(None),
            Self::Gather { turns, .. } => {
                *turns -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

#[derive(Default)]
struct Waiter {
    /// The batch it waits for; `None` while it is in the queue.
    batch: Option<BatchId>,
    waker: Option<Waker>,
    result: Option<Result<(), WalError>>,
}

/// A place among the waiters, given up on drop.
struct Place<'a, D: Device> {
    group: &'a Group<D>,
    slot: Option<usize>,
}

impl<D: Device> Drop for Place<'_, D> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            let next = self.group.state.lock().leave(slot);
            wake(next);
        }
    }
}

/// Says that the task is gone, however it went.
struct LastWords<D: Device>(Arc<Group<D>>);

impl<D: Device> Drop for LastWords<D> {
    fn drop(&mut self) {
        let wakers: Vec<Waker> = {
            let mut state = self.0.state.lock();
            state.task_is_gone = true;
            state.task = None;
            if state.driver == Driver::Task {
                state.driver = Driver::Nobody;
            }
            state.all_wakers()
        };
        wake(wakers);
    }
}

fn wake(wakers: impl IntoIterator<Item = Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

impl<D: Device> Group<D> {
    pub(crate) fn new(device: Arc<D>, limits: Limits, next_sequence: u64) -> Result<Self, BufferError> {
        let mut pending = BatchBuilder::new(limits.buffer_bytes)?;
        pending.restart(next_sequence);
        let state = State {
            pending,
            pending_id: 1,
            errand: Errand::default(),
            flight: None,
            flying: None,
            polling: false,
            broken: None,
            closed: false,
            waiters: Vec::new(),
            free: Vec::new(),
            queue: VecDeque::new(),
            driver: Driver::Nobody,
            task: None,
            task_is_gone: false,
            memory: None,
            last_count: 0,
            wanted: 0,
        };
        Ok(Self { device, limits, state: Mutex::new(state) })
    }

    /// Commits records: `push` puts `count` records of `bytes` bytes in total into the batch that it is given, or none of
    /// them, and returns the first one's sequence. It is called at most once.
    pub(crate) async fn append<P>(&self, count: u32, bytes: usize, push: P) -> Result<u64, WalError>
    where
        P: FnOnce(&mut BatchBuilder) -> Result<u64, BufferError>,
    {
        let mut place = Place { group: self, slot: None };
        let mut push = Some(push);
        let mut first = 0;
        let mut turns = QUEUE_TURNS;
        std::future::poll_fn(|cx| {
            let mut state = self.state.lock();
            if let Some(push_records) = push.take() {
                match state.admit(&self.limits, place.slot, (count, bytes), turns == 0) {
                    Admission::Refused(error) => return Poll::Ready(Err(error)),
                    refused @ (Admission::Full | Admission::After) => {
                        push = Some(push_records);
                        turns = match refused {
                            Admission::After => {
                                cx.waker().wake_by_ref();
                                turns - 1
                            }
                            _ => QUEUE_TURNS,
                        };
                        let slot = *place.slot.get_or_insert_with(|| state.enqueue());
                        return self.poll_waiter(slot, cx, state);
                    }
                    Admission::Granted => match push_records(&mut state.pending) {
                        Ok(sequence) => first = sequence,
                        Err(error) => return Poll::Ready(Err(error.into())),
                    },
                }
                let slot = *place.slot.get_or_insert_with(|| state.take_slot());
                let batch = state.pending_id;
                state.assign(slot, batch);
                let next = state.let_in();
                let poll = self.poll_waiter(slot, cx, state);
                wake(next);
                return poll;
            }
            match place.slot {
                Some(slot) => self.poll_waiter(slot, cx, state),
                None => Poll::Ready(Err(WalError::Closed)),
            }
        })
        .await
        .map(|()| first)
    }

    /// Waits until everything that was appended before is committed and the errand is done.
    pub(crate) async fn run(&self, errand: Errand) -> Result<(), WalError> {
        let mut place = Place { group: self, slot: None };
        std::future::poll_fn(|cx| {
            let mut state = self.state.lock();
            let slot = match place.slot {
                Some(slot) => slot,
                None => {
                    if let Some(error) = state.refusal() {
                        return Poll::Ready(Err(error));
                    }
                    state.errand.join(errand);
                    state.closed |= errand.close;
                    let batch = match &state.flying {
                        // Nothing to do but to wait for what runs.
                        Some((id, ..)) if !state.has_work() => *id,
                        None if !state.has_work() => return Poll::Ready(Ok(())),
                        _ => state.pending_id,
                    };
                    let slot = *place.slot.get_or_insert(state.take_slot());
                    state.assign(slot, batch);
                    slot
                }
            };
            self.poll_waiter(slot, cx, state)
        })
        .await
    }

    /// Sequence that the next record gets.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.state.lock().pending.next_sequence()
    }

    /// The error of the commit that broke the log.
    pub(crate) fn failure(&self) -> Option<WalError> {
        self.state.lock().broken.clone()
    }

    /// Ends the group where it stands: what runs is abandoned, and nothing else is committed.
    pub(crate) fn abandon(&self) {
        let (flight, task) = {
            let mut state = self.state.lock();
            state.closed = true;
            state.pending.restart(0);
            state.errand = Errand::default();
            (state.flight.take(), state.task.clone())
        };
        drop(flight);
        wake(task);
    }

    /// Drives commits that more than one waiter is concerned with, until the log is closed. There must be a task for it.
    pub(crate) fn serve(self: Arc<Self>) -> impl Future<Output = ()> + Send {
        // Made here: a task that is dropped before its first turn never reaches its body.
        let last_words = LastWords(self);
        async move { last_words.0.work().await }
    }

    async fn work(&self) {
        std::future::poll_fn(|cx| {
            let mut state = self.state.lock();
            if !state.task.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                state.task = Some(cx.waker().clone());
            }
            if state.driver == Driver::Task {
                state = self.drive(Driver::Task, cx, state);
            }
            let is_over = state.closed && state.flight.is_none() && !state.polling && !state.has_work();
            if is_over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Whether nothing will be committed any more.
    pub(crate) fn is_over(&self) -> bool {
        self.state.lock().refusal().is_some()
    }

    fn poll_waiter<'a>(
        &'a self,
        slot: usize,
        cx: &mut Context<'_>,
        mut state: Guard<'a>,
    ) -> Poll<Result<(), WalError>> {
        if let Some(waiter) = state.waiters.get_mut(slot).and_then(Option::as_mut) {
            if let Some(result) = waiter.result.take() {
                return Poll::Ready(result);
            }
            if !waiter.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                waiter.waker = Some(cx.waker().clone());
            }
        }
        // Whoever brings the last record that a commit waits for has it started.
        let completes =
            matches!(state.flight, Some(Flight::Gather { .. })) && state.is_complete(&self.limits);
        let summoned = match state.driver {
            Driver::Task => completes.then(|| state.task.clone()).flatten(),
            _ if state.is_alone() || state.task_is_gone => {
                state.driver = Driver::Waiter(slot);
                state = self.drive(Driver::Waiter(slot), cx, state);
                None
            }
            _ => state.summon(),
        };
        let waiter = state.waiters.get_mut(slot).and_then(Option::as_mut);
        let result = waiter.and_then(|waiter| waiter.result.take());
        drop(state);
        wake(summoned);
        result.map_or(Poll::Pending, Poll::Ready)
    }

    /// Polls the commit on, and starts the next ones.
    fn drive<'a>(&'a self, me: Driver, cx: &mut Context<'_>, mut state: Guard<'a>) -> Guard<'a> {
        loop {
            // Whoever polls looks afterwards who is to go on.
            if state.polling {
                return state;
            }
            if me != Driver::Task && !state.task_is_gone && (state.driver != me || !state.is_alone()) {
                let task = state.summon();
                drop(state);
                wake(task);
                return self.state.lock();
            }
            let before = state.pending_id;
            let Some(mut flight) = state.flight.take().or_else(|| self.depart(&mut state)) else {
                state.driver = Driver::Nobody;
                let task = if state.closed && me != Driver::Task { state.task.clone() } else { None };
                drop(state);
                wake(task);
                return self.state.lock();
            };
            let has_left = state.pending_id != before;
            state.polling = true;
            // A batch that has just left made room.
            let next = if has_left { state.let_all_in() } else { Vec::new() };
            drop(state);
            wake(next);
            let poll = flight.poll(cx);
            state = self.state.lock();
            state.polling = false;
            match poll {
                Poll::Pending if flight.is_gathering() && state.is_complete(&self.limits) => {
                    state.flight = Some(self.start(&mut state));
                    let next = state.let_all_in();
                    drop(state);
                    wake(next);
                    state = self.state.lock();
                }
                Poll::Pending => {
                    state.flight = Some(flight);
                    // Somebody came meanwhile: the task has to leave its waker with the commit.
                    if state.task_is_gone || (state.driver == me && (me == Driver::Task || state.is_alone()))
                    {
                        return state;
                    }
                }
                Poll::Ready(None) => {
                    state.flight = Some(self.start(&mut state));
                    let next = state.let_all_in();
                    drop(state);
                    wake(next);
                    state = self.state.lock();
                }
                Poll::Ready(Some(done)) => {
                    let wakers = state.publish(done);
                    drop(state);
                    wake(wakers);
                    state = self.state.lock();
                }
            }
        }
    }

    /// What comes next, if there is work.
    fn depart(&self, state: &mut State) -> Option<Flight> {
        if !state.has_work() {
            return None;
        }
        if state.is_complete(&self.limits) {
            return Some(self.start(state));
        }
        Some(Flight::Gather { turns: self.limits.turns, patience: self.device.patience() })
    }

    /// Turns the pending batch into a commit.
    fn start(&self, state: &mut State) -> Flight {
        let next = state.pending.next_sequence();
        let fresh = match state.memory.take() {
            Some(memory) => Ok(BatchBuilder::reuse(memory, next)),
            None => BatchBuilder::new(self.limits.buffer_bytes).map(|mut batch| {
                batch.restart(next);
                batch
            }),
        };
        let first = next - u64::from(state.pending.count());
        let bytes = state.pending.body_bytes();
        state.flying = Some((state.pending_id, bytes, first));
        state.last_count = state.pending.count();
        state.pending_id += 1;
        match fresh {
            Ok(fresh) => {
                let batch = std::mem::replace(&mut state.pending, fresh);
                let job = Job { batch, errand: std::mem::take(&mut state.errand) };
                Flight::Commit(Arc::clone(&self.device).commit(job))
            }
            Err(error) => {
                state.pending.restart(first);
                let result = Err(Failure::Refused(error.into()));
                Flight::Commit(Box::pin(std::future::ready(Done { result, memory: None })))
            }
        }
    }
}

#[cfg(not(rio_loom))]
type Guard<'a> = parking_lot::MutexGuard<'a, State>;
#[cfg(rio_loom)]
type Guard<'a> = loom::sync::MutexGuard<'a, State>;

enum Admission {
    Granted,
    /// There is no room.
    Full,
    /// There is room, and others came earlier.
    After,
    Refused(WalError),
}

impl State {
    fn refusal(&self) -> Option<WalError> {
        match &self.broken {
            Some(error) => Some(error.clone()),
            None if self.closed => Some(WalError::Closed),
            None => None,
        }
    }

    fn has_work(&self) -> bool {
        self.pending.count() > 0 || self.errand != Errand::default()
    }

    /// Whether a commit that gathers has no reason to wait any longer.
    fn is_complete(&self, limits: &Limits) -> bool {
        self.pending.count() >= self.wanted.min(limits.records_max).min(limits.gather_records)
            || self.errand != Errand::default()
            || self.is_full(limits)
    }

    fn is_full(&self, limits: &Limits) -> bool {
        self.pending.count() >= limits.records_max
            || self.pending.body_bytes() >= limits.body_bytes_max.min(limits.pending_bytes_max / 2)
            || !self.queue.is_empty()
    }

    /// Whether so many records and bytes may be added to the pending batch now by the waiter at `slot`.
    fn admit(
        &mut self,
        limits: &Limits,
        slot: Option<usize>,
        (count, bytes): (u32, usize),
        may_pass: bool,
    ) -> Admission {
        if let Some(error) = self.refusal() {
            return Admission::Refused(error);
        }
        if limits.sequence_end.saturating_sub(self.pending.next_sequence()) < u64::from(count) {
            return Admission::Refused(WalError::SequenceOverflow);
        }
        let body = self.pending.body_bytes() + bytes;
        let flying = self.flying.map_or(0, |(_, bytes, _)| bytes);
        let fits = body <= limits.body_bytes_max
            && self.pending.count() + count <= limits.records_max
            && body + flying <= limits.pending_bytes_max;
        // What fits into no batch beside others goes alone; the caller has checked that it fits there.
        if !fits && (self.pending.count() > 0 || self.flying.is_some()) {
            return Admission::Full;
        }
        // Those who came earlier go first, if they come.
        let is_first = self.queue.is_empty() || self.queue.front().copied() == slot;
        if is_first || may_pass { Admission::Granted } else { Admission::After }
    }

    fn take_slot(&mut self) -> usize {
        match self.free.pop() {
            Some(slot) => {
                self.waiters[slot] = Some(Waiter::default());
                slot
            }
            None => {
                self.waiters.push(Some(Waiter::default()));
                self.waiters.len() - 1
            }
        }
    }

    fn enqueue(&mut self) -> usize {
        let slot = self.take_slot();
        self.queue.push_back(slot);
        slot
    }

    fn assign(&mut self, slot: usize, batch: BatchId) {
        self.queue.retain(|queued| *queued != slot);
        if let Some(waiter) = self.waiters.get_mut(slot).and_then(Option::as_mut) {
            waiter.batch = Some(batch);
        }
    }

    /// The waker of the first one in the queue, who may find room now.
    fn let_in(&self) -> Option<Waker> {
        let slot = *self.queue.front()?;
        self.waiters.get(slot)?.as_ref()?.waker.clone()
    }

    /// The wakers of all in the queue: room was made, and the first may be one whose owner does not poll it.
    fn let_all_in(&self) -> Vec<Waker> {
        let waker = |slot: &usize| self.waiters.get(*slot)?.as_ref()?.waker.clone();
        self.queue.iter().filter_map(waker).collect()
    }

    /// Gives up a place. Returns who has to be woken instead.
    fn leave(&mut self, slot: usize) -> Vec<Waker> {
        let mut wakers = Vec::new();
        if let Some(place) = self.waiters.get_mut(slot) {
            *place = None;
            self.free.push(slot);
        }
        if self.queue.front() == Some(&slot) {
            self.queue.pop_front();
            wakers.extend(self.let_in());
        } else {
            self.queue.retain(|queued| *queued != slot);
        }
        if self.driver == Driver::Waiter(slot) {
            self.driver = Driver::Nobody;
            if self.task_is_gone {
                wakers.extend(self.all_wakers());
            } else if self.flight.is_some() || self.has_work() {
                wakers.extend(self.summon());
            }
        }
        wakers
    }

    fn all_wakers(&self) -> Vec<Waker> {
        self.waiters.iter().flatten().filter_map(|waiter| waiter.waker.clone()).collect()
    }

    /// Whether nobody but one waits, for anything.
    fn is_alone(&self) -> bool {
        self.waiters.len() - self.free.len() <= 1
    }

    /// Makes the task the driver. Returns its waker; a task that was never polled looks by itself.
    fn summon(&mut self) -> Option<Waker> {
        self.driver = Driver::Task;
        self.task.clone()
    }

    /// Tells the waiters how their commit ended. Returns who has to be woken.
    fn publish(&mut self, done: Done) -> Vec<Waker> {
        let Some((id, _, first)) = self.flying.take() else { return Vec::new() };
        self.memory = done.memory.or(self.memory.take());
        self.wanted = self.last_count.saturating_add(self.pending.count());
        // Up to which batch the result holds; the queue hears of a broken device only.
        let (until, error, with_queue) = match done.result {
            Ok(()) => (id, None, false),
            Err(Failure::Refused(error)) => {
                // The numbers of the refused records are given to others, so those that follow them cannot keep theirs.
                self.pending.restart(first);
                let until = self.pending_id;
                self.pending_id += 1;
                (until, Some(error), false)
            }
            Err(Failure::Broken(error)) => {
                let error = self.broken.get_or_insert(error).clone();
                self.pending.restart(first);
                self.errand = Errand::default();
                (self.pending_id, Some(error), true)
            }
        };
        let mut wakers = Vec::new();
        for waiter in self.waiters.iter_mut().flatten() {
            let concerned = waiter.batch.map_or(with_queue, |batch| batch <= until);
            if concerned && waiter.result.is_none() {
                waiter.result = Some(error.clone().map_or(Ok(()), Err));
                wakers.extend(waiter.waker.take());
            }
        }
        wakers.extend(self.let_all_in());
        wakers
    }
}
