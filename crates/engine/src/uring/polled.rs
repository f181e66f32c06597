//! A ring whose completions are polled for instead of announced: `IORING_SETUP_IOPOLL`.
//!
//! On a device with polled queues this saves the interrupt of each transfer. Somebody has to poll, so a thread of the engine
//! owns the ring and burns a CPU while transfers are in flight; it sleeps when there are none. Only direct reads and writes
//! can be polled for. A device that refuses is served by the ordinary rings.
//!
//! Bounds: the queue holds at most as many entries as the in-flight table; `depth` are in the kernel.

use super::{Abilities, RingConfig, entry};
use crate::op::Path;
use crate::shared::Core;
use crate::sync::{AtomicBool, AtomicUsize, Condvar, Mutex, Ordering};
use crate::table::{Next, Token};
use io_uring::IoUring;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

#[derive(Default)]
struct State {
    queue: Vec<Token>,
    closing: bool,
    ended: bool,
}

struct Shared {
    core: Arc<Core>,
    abilities: Abilities,
    depth: usize,
    priority: u16,
    state: Mutex<State>,
    work: Condvar,
    ended: Condvar,
    in_kernel: AtomicUsize,
    /// The thread shall end although the kernel still has operations; the ring is leaked then.
    abandoned: AtomicBool,
    reroute: Box<dyn Fn(Token) + Send + Sync>,
}

/// The ring and its thread.
pub(crate) struct PolledRing {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl PolledRing {
    /// Starts the thread for a probed ring. `reroute` hands an operation to the blocking path.
    pub(crate) fn start(
        ring: IoUring,
        abilities: Abilities,
        config: &RingConfig,
        core: Arc<Core>,
        reroute: Box<dyn Fn(Token) + Send + Sync>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            core,
            abilities,
            depth: config.depth as usize,
            priority: config.priority,
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            ended: Condvar::new(),
            in_kernel: AtomicUsize::new(0),
            abandoned: AtomicBool::new(false),
            reroute,
        });
        let poller = Poller { shared: Arc::clone(&shared), ring: Some(ring), backlog: Vec::new() };
        let thread = std::thread::Builder::new().name("rio-poll".to_owned()).spawn(move || poller.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Takes over an operation of the table. `false` if the ring is closed; the operation is then untouched.
    pub(crate) fn submit(&self, token: Token) -> bool {
        let mut state = self.shared.state.lock();
        if state.closing || state.ended {
            return false;
        }
        state.queue.push(token);
        drop(state);
        self.shared.work.notify_one();
        true
    }

    /// Waits until everything is done, at most until `deadline`, and ends the thread. Returns how many operations the kernel
    /// still has; their ring is leaked.
    pub(crate) fn close(&self, deadline: Instant) -> usize {
        let mut state = self.shared.state.lock();
        state.closing = true;
        self.shared.work.notify_all();
        while !state.ended {
            if self.shared.ended.wait_until(&mut state, deadline).timed_out() {
                // The thread polls, so it looks at this soon.
                self.shared.abandoned.store(true, Ordering::SeqCst);
                while !state.ended {
                    self.shared.ended.wait(&mut state);
                }
            }
        }
        drop(state);
        if let Some(thread) = self.thread.lock().take() {
            // The poller does not panic; if it did, the books would show its operations as running.
            let _ = thread.join();
        }
        self.shared.in_kernel.load(Ordering::SeqCst)
    }
}

/// What the thread owns.
struct Poller {
    shared: Arc<Shared>,
    /// `None` only after the ring was leaked.
    ring: Option<IoUring>,
    backlog: Vec<Token>,
}

impl Poller {
    fn run(mut self) {
        while self.gather() {
            if !self.turn() {
                break;
            }
        }
        let mut state = self.shared.state.lock();
        state.ended = true;
        let refused = std::mem::take(&mut state.queue);
        drop(state);
        for token in self.backlog.drain(..).chain(refused) {
            (self.shared.reroute)(token);
        }
        if self.shared.in_kernel.load(Ordering::SeqCst) > 0 {
            // The kernel may still write through this ring; unmapping it would be no harm to the kernel, but its completion
            // would then release memory that the table still counts as in use.
            std::mem::forget(self.ring.take());
        }
        self.shared.ended.notify_all();
    }

    /// Takes new work, sleeping while there is none and nothing to poll for. `false` when the thread shall end.
    fn gather(&mut self) -> bool {
        let in_kernel = self.shared.in_kernel.load(Ordering::Relaxed);
        if self.shared.abandoned.load(Ordering::SeqCst) {
            return false;
        }
        let mut state = self.shared.state.lock();
        while state.queue.is_empty() && self.backlog.is_empty() && in_kernel == 0 {
            if state.closing {
                return false;
            }
            self.shared.work.wait(&mut state);
        }
        self.backlog.append(&mut state.queue);
        true
    }

    /// Submits what fits, polls once, and acts on completions. `false` if the ring failed.
    fn turn(&mut self) -> bool {
        self.fill();
        let Some(ring) = &self.ring else { return false };
        self.shared.core.counters.enters.fetch_add(1, Ordering::Relaxed);
        // Waiting for nothing still makes the kernel look at the device's queue on such a ring.
        match ring.submit() {
            Ok(_) => {}
            Err(error) if is_transient(&error) => {}
            Err(error) => {
                tracing::error!(%error, "the polled ring failed; its work moves to other paths");
                return false;
            }
        }
        self.reap();
        true
    }

    fn fill(&mut self) {
        let Some(ring) = &mut self.ring else { return };
        while self.shared.in_kernel.load(Ordering::Relaxed) < self.shared.depth {
            let Some(token) = self.backlog.pop() else { return };
            let step = self.shared.core.table.step(token);
            let entry = step.and_then(|step| {
                entry::build(step, token.to_raw(), self.shared.abilities, self.shared.priority)
            });
            let Some(entry) = entry else {
                (self.shared.reroute)(token);
                continue;
            };
            // SAFETY: the entry's pointers refer to the payload of an operation in the table, which stays there until
            // `complete` is told of the completion.
            if unsafe { ring.submission().push(&entry) }.is_err() {
                self.backlog.push(token);
                return;
            }
            self.shared.in_kernel.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn reap(&mut self) {
        let Some(ring) = &mut self.ring else { return };
        let core = &self.shared.core;
        for completion in ring.completion() {
            self.shared.in_kernel.fetch_sub(1, Ordering::SeqCst);
            core.counters.completions.fetch_add(1, Ordering::Relaxed);
            let token = Token::from_raw(completion.user_data());
            match core.table.complete(token, i64::from(completion.result()), Path::Ring) {
                Next::Step(_) => self.backlog.push(token),
                Next::Reroute => (self.shared.reroute)(token),
                finished => core.settle(finished),
            }
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::EBUSY))
}
