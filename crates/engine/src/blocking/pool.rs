//! Threads that take operations from one queue.
//!
//! The cost that matters is the hand-over. Waking a sleeping thread costs microseconds, a buffered 4 KiB write one, so
//! threads are woken sparingly: while some thread runs a [`Weight::Short`] operation, a new one joins the queue and is
//! picked up in passing. That alone would let an operation starve behind a thread whose short call turned out long, so
//! while short operations run one idle thread (the sentinel) looks at the queue at intervals and takes over what stands.
//!
//! Bounds: `threads_max` threads, started on demand; the queue holds at most as many entries as the in-flight table.
//! Idle threads sleep without a timeout, so a pool at rest uses no CPU; they end at shutdown, which joins them.

use super::execute;
use crate::op::Path;
use crate::shared::Core;
use crate::sync::{AtomicUsize, Condvar, Mutex, Ordering};
use crate::table::{Next, Token};
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long queued work may stand still before the sentinel starts on it. Longer than any page-cache copy, much
/// shorter than a device's worst case.
const SENTINEL_INTERVAL: Duration = Duration::from_micros(500);
/// Queued operations per thread with a short operation above which another thread is woken at once.
const BACKLOG_PER_THREAD: usize = 8;
/// How long a thread that ran out of work looks for more before it sleeps, if one task uses the pool in a closed loop: about
/// what two wake-ups cost on a virtual machine. With several tasks at work the CPU is better left to them.
const SPIN: Duration = Duration::from_micros(100);
/// Operations in a row that found the pool at rest, after which it is taken to serve one task.
const SOLO_OPS: u32 = 8;
/// Time that idle threads get to end, however late it is.
const CLOSE_MIN: Duration = Duration::from_millis(100);
/// Turns of the spin loop between looks at the clock.
const SPIN_TURNS: u32 = 64;

/// Size of the pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolConfig {
    pub(crate) threads_max: usize,
    /// Threads ask the I/O scheduler for precedence.
    pub(crate) high_priority: bool,
}

/// How long an operation is expected to hold its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// A memory copy: microseconds.
    Short,
    /// Anything that may wait for a device.
    Long,
}

/// What became of an operation handed to the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// The pool is closed, or has no thread and cannot get one.
    No,
    Queued,
    /// A thread that was looking for work takes it this moment.
    AtOnce,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Token, Weight)>,
    /// Threads that run a short operation and will look at the queue soon.
    running_short: usize,
    threads: usize,
    idle: usize,
    sentinel: bool,
    /// A thread looks for work without sleeping.
    spinning: bool,
    /// Operations in a row that found nothing else queued or running.
    solo: u32,
    /// When the pool last came to rest, and whether work followed within [`SPIN`] the time before.
    rested: Option<Instant>,
    returns_soon: bool,
    closing: bool,
    handles: Vec<JoinHandle<()>>,
    /// Why the last attempt to start a thread failed, if it did.
    spawn_error: Option<std::io::Error>,
}

impl State {
    fn running(&self) -> usize {
        self.threads - self.idle
    }
}

struct Shared {
    config: PoolConfig,
    state: Mutex<State>,
    work: Condvar,
    /// A thread ended or became idle: what shutdown waits for.
    quiet: Condvar,
    /// Length of the queue, readable without the lock by a spinning thread.
    queued: AtomicUsize,
}

/// The pool. Threads hold the operation table, not the engine, so they never keep the engine alive.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    core: Arc<Core>,
}

impl Pool {
    pub(crate) fn new(config: PoolConfig, core: Arc<Core>) -> Self {
        let shared = Shared {
            config,
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            quiet: Condvar::new(),
            queued: AtomicUsize::new(0),
        };
        Self { shared: Arc::new(shared), core }
    }

    /// Takes over an operation of the table. If it returns [`Accepted::No`], the operation is untouched.
    pub(crate) fn submit(&self, token: Token, weight: Weight) -> Accepted {
        let mut state = self.shared.state.lock();
        if state.closing || (state.threads == 0 && !self.start_thread(&mut state)) {
            return Accepted::No;
        }
        state.queue.push_back((token, weight));
        let queued = state.queue.len();
        self.shared.queued.store(queued, Ordering::Release);
        let busy = state.running() - usize::from(state.spinning);
        state.solo = if queued == 1 && busy == 0 { state.solo.saturating_add(1) } else { 0 };
        if let Some(rested) = state.rested.take() {
            state.returns_soon = state.solo >= SOLO_OPS && rested.elapsed() < SPIN;
        }
        if state.spinning && queued == 1 {
            return Accepted::AtOnce;
        }
        let overloaded = queued > state.running_short * BACKLOG_PER_THREAD;
        // Threads that were notified and have not woken yet still count as idle. And what queues behind a short operation needs
        // somebody to watch over it.
        let unattended = state.idle == 0 && !state.sentinel;
        if (overloaded && queued > state.idle || unattended) && state.threads < self.shared.config.threads_max
        {
            self.start_thread(&mut state);
        }
        let wake = state.idle > 0 && (overloaded || !state.sentinel);
        drop(state);
        if wake {
            self.shared.work.notify_one();
        }
        Accepted::Queued
    }

    fn start_thread(&self, state: &mut State) -> bool {
        let shared = Arc::clone(&self.shared);
        let core = Arc::clone(&self.core);
        let name = format!("rio-blocking-{}", state.threads);
        match std::thread::Builder::new().name(name).spawn(move || worker(&shared, &core)) {
            Ok(handle) => {
                state.threads += 1;
                state.handles.push(handle);
                true
            }
            Err(error) => {
                tracing::warn!(%error, threads = state.threads, "cannot start another blocking thread");
                state.spawn_error = Some(error);
                false
            }
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.shared.state.lock().threads
    }

    /// Threads that carry out an operation right now.
    pub(crate) fn running(&self) -> usize {
        self.shared.state.lock().running()
    }

    /// Lets the threads finish what is queued and end, waits for them until `deadline`, and joins those that ended.
    /// Returns how many are still inside a system call; those are left behind, since no thread can be stopped there.
    pub(crate) fn close(&self, deadline: Instant) -> usize {
        // The rings may have used up all the time there was; threads at rest still need a moment to end.
        let deadline = deadline.max(Instant::now() + CLOSE_MIN);
        let mut state = self.shared.state.lock();
        state.closing = true;
        self.shared.work.notify_all();
        while state.threads > 0 {
            if self.shared.quiet.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        let stuck = state.threads;
        let handles = std::mem::take(&mut state.handles);
        drop(state);
        for handle in handles {
            if stuck == 0 || handle.is_finished() {
                // A worker does not panic; if it did, the books would show its operation as running.
                let _ = handle.join();
            }
        }
        stuck
    }
}

fn worker(shared: &Shared, core: &Core) {
    if shared.config.high_priority {
        prefer_this_thread();
    }
    let mut last = None;
    while let Some((token, weight)) = next(shared, last) {
        run(core, token);
        last = Some(weight);
    }
    let mut state = shared.state.lock();
    state.threads -= 1;
    drop(state);
    shared.quiet.notify_all();
}

/// Raises the I/O priority of the calling thread; a kernel or sandbox that refuses leaves it as it is.
fn prefer_this_thread() {
    const WHO_PROCESS: libc::c_int = 1;
    const SELF: libc::c_int = 0;
    let priority = libc::c_int::from(crate::engine::HIGH_PRIORITY);
    // SAFETY: a system call with integer arguments only.
    let _ = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, SELF, priority) };
}

/// The next operation, or `None` when the pool closes.
fn next(shared: &Shared, last: Option<Weight>) -> Option<(Token, Weight)> {
    let mut state = shared.state.lock();
    if last == Some(Weight::Short) {
        state.running_short -= 1;
    }
    if last.is_some() && state.queue.is_empty() && state.running() == 1 && state.solo >= SOLO_OPS {
        state.rested = Some(Instant::now());
        if state.returns_soon && !state.closing {
            state.spinning = true;
            drop(state);
            spin_for_work(shared);
            state = shared.state.lock();
            state.spinning = false;
        }
    }
    loop {
        if let Some((token, weight)) = state.queue.pop_front() {
            shared.queued.store(state.queue.len(), Ordering::Release);
            if weight == Weight::Short {
                state.running_short += 1;
            }
            // Someone has to watch over what stays queued.
            if !state.queue.is_empty() && !state.sentinel && state.idle > 0 {
                shared.work.notify_one();
            }
            return Some((token, weight));
        }
        if state.closing {
            return None;
        }
        state.idle += 1;
        // Only behind short operations is work queued without a wake-up.
        if state.running_short > 0 && !state.sentinel {
            state.sentinel = true;
            shared.work.wait_for(&mut state, SENTINEL_INTERVAL);
            state.sentinel = false;
        } else {
            shared.work.wait(&mut state);
        }
        state.idle -= 1;
    }
}

fn spin_for_work(shared: &Shared) {
    let start = Instant::now();
    while start.elapsed() < SPIN {
        for _ in 0..SPIN_TURNS {
            if shared.queued.load(Ordering::Acquire) > 0 {
                return;
            }
            std::hint::spin_loop();
        }
    }
}

/// Carries an operation to its end on this thread.
pub(crate) fn run(core: &Core, token: Token) {
    let Some(mut step) = core.table.step(token) else { return };
    loop {
        match core.table.complete(token, execute(step), Path::Blocking) {
            Next::Step(next) => step = next,
            finished => return core.settle(finished),
        }
    }
}
