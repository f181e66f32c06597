//! Threads that take turns between objects.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::pack::Contexts;

/// The most threads.
pub const WORKERS_MAX: usize = 256;
/// Blocks on their way beyond one for each thread and each of the two lanes, so that nobody waits for the source.
const AHEAD: usize = 2;

/// An object with tasks. `run` carries out one of them and says whether there are more.
pub(super) trait Work: Send + Sync {
    fn run(&self, contexts: &mut Contexts) -> bool;
}

/// Threads for packing and unpacking. Dropping it ends and joins them; objects that are not done then end with an error.
pub struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    count: usize,
}

#[derive(Default)]
struct State {
    /// One entry for each task, in turns; an object stands here as often as it has tasks that nobody took.
    ready: VecDeque<Arc<dyn Work>>,
    ended: bool,
}

impl Workers {
    /// Starts `threads` threads, 1 to [`WORKERS_MAX`]; what is outside is taken as the nearest bound.
    ///
    /// # Errors
    ///
    /// What the system reports when it gives no thread; those that were started are ended.
    pub fn new(threads: usize) -> io::Result<Self> {
        let count = threads.clamp(1, WORKERS_MAX);
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), count });
        let mut workers = Self { shared, threads: Vec::with_capacity(count) };
        for number in 0..count {
            let shared = Arc::clone(&workers.shared);
            let builder = thread::Builder::new().name(format!("rio-pack-{number}"));
            workers.threads.push(builder.spawn(move || shared.work())?);
        }
        Ok(workers)
    }

    /// One thread for each core that the process may use.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn for_all_cores() -> io::Result<Self> {
        Self::new(thread::available_parallelism().map_or(1, usize::from))
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.shared.count
    }

    /// The most blocks of one object that are on their way at once.
    pub fn window(&self) -> usize {
        self.shared.window()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A worker that panicked has told so; its object ends with an error.
            _ = thread.join();
        }
        self.shared.lock().ready.clear();
    }
}

impl Shared {
    pub(super) fn window(&self) -> usize {
        2 * self.count + AHEAD
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// An object has one more task.
    pub(super) fn offer(&self, work: Arc<dyn Work>) {
        self.lock().ready.push_back(work);
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut contexts = Contexts::new();
        while let Some(work) = self.next() {
            if work.run(&mut contexts) {
                // Behind the others: their turn comes first.
                self.offer(work);
            }
        }
    }

    fn next(&self) -> Option<Arc<dyn Work>> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            match state.ready.pop_front() {
                Some(work) => return Some(work),
                None => state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("threads", &self.shared.count).finish_non_exhaustive()
    }
}
