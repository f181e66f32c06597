//! The blocks of one object on their way.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::workers::{Shared, Work};
use crate::checksum::{Algorithm, Digest, MultiHasher};
use crate::pack::{Contexts, FrameInfo, FrameSealer, PackError};

/// A frame that is ready, and what is known of it.
pub(super) type Sealed = (FrameInfo, Vec<u8>);

/// One object's tasks, blocks and results.
pub(super) struct Line {
    sealer: Arc<FrameSealer>,
    inner: Mutex<Inner>,
    progress: Condvar,
    threads: usize,
}

struct Inner {
    /// Blocks that no worker has taken yet.
    waiting: VecDeque<(u64, Arc<Vec<u8>>)>,
    lanes: Vec<Lane>,
    /// Frames from `first` on; `None` while they are made.
    frames: VecDeque<Option<Sealed>>,
    first: u64,
    /// Blocks that somebody still reads.
    blocks: usize,
    spare_blocks: Vec<Arc<Vec<u8>>>,
    spare_frames: Vec<Vec<u8>>,
    /// Places of this object in the workers' queue, and workers that are busy with it.
    tokens: usize,
    failed: Option<PackError>,
    waker: Option<Waker>,
}

/// Checksums that must see the blocks in order.
struct Lane {
    queue: VecDeque<Arc<Vec<u8>>>,
    /// Absent while a worker uses it.
    hasher: Option<MultiHasher>,
}

enum Task {
    Seal(u64, Arc<Vec<u8>>, Vec<u8>),
    Sum(usize, Arc<Vec<u8>>, MultiHasher),
}

impl Line {
    pub(super) fn new(sealer: Arc<FrameSealer>, checksums: &[Algorithm], threads: usize) -> Self {
        let (md5, others): (Vec<_>, Vec<_>) =
            checksums.iter().copied().partition(|algorithm| *algorithm == Algorithm::Md5);
        let lane = |algorithms: Vec<Algorithm>| Lane {
            queue: VecDeque::new(),
            hasher: Some(MultiHasher::new(algorithms)),
        };
        let lanes = [md5, others].into_iter().filter(|lane| !lane.is_empty()).map(lane).collect();
        let inner = Inner {
            waiting: VecDeque::new(),
            lanes,
            frames: VecDeque::new(),
            first: 0,
            blocks: 0,
            spare_blocks: Vec::new(),
            spare_frames: Vec::new(),
            tokens: 0,
            failed: None,
            waker: None,
        };
        Self { sealer, inner: Mutex::new(inner), progress: Condvar::new(), threads }
    }

    /// A block to fill, if fewer than `window` are on their way.
    pub(super) fn empty_block(&self, window: usize) -> Option<Arc<Vec<u8>>> {
        let mut inner = self.lock();
        (inner.blocks.max(inner.frames.len()) < window)
            .then(|| inner.spare_blocks.pop().unwrap_or_else(|| Arc::new(Vec::new())))
    }

    /// Gives a filled block to the workers.
    pub(super) fn submit(self: &Arc<Self>, workers: &Shared, block: Arc<Vec<u8>>) {
        let mut inner = self.lock();
        let number = inner.first + inner.frames.len() as u64;
        inner.frames.push_back(None);
        inner.blocks += 1;
        for lane in &mut inner.lanes {
            lane.queue.push_back(Arc::clone(&block));
        }
        inner.waiting.push_back((number, block));
        let wanted = (1 + inner.lanes.len()).min(self.threads.saturating_sub(inner.tokens));
        inner.tokens += wanted;
        drop(inner);
        for _ in 0..wanted {
            let line: Arc<Self> = Arc::clone(self);
            workers.offer(line);
        }
    }

    /// The next frame in order, if it is ready.
    pub(super) fn next_frame(&self) -> Result<Option<Sealed>, PackError> {
        let mut inner = self.lock();
        if let Some(error) = &inner.failed {
            return Err(error.clone());
        }
        let ready = inner.frames.front_mut().and_then(Option::take);
        if ready.is_some() {
            inner.frames.pop_front();
            inner.first += 1;
        }
        Ok(ready)
    }

    pub(super) fn recycle(&self, mut frame: Vec<u8>) {
        frame.clear();
        self.lock().spare_frames.push(frame);
    }

    /// The checksums, once every block was seen; `None` before.
    pub(super) fn checksums(&self, order: &[Algorithm]) -> Option<Vec<Digest>> {
        let inner = self.lock();
        let done = inner.blocks == 0 && inner.frames.is_empty();
        let digest = |algorithm: &Algorithm| {
            inner
                .lanes
                .iter()
                .filter_map(|lane| lane.hasher.as_ref())
                .find_map(|hasher| hasher.digest(*algorithm))
        };
        done.then(|| order.iter().filter_map(digest).collect())
    }

    /// Waits until a worker has finished something after `ready` said no. `ended` says whether the workers are gone.
    pub(super) fn wait(
        &self,
        window: usize,
        wants_block: bool,
        order_ready: bool,
        ended: &dyn Fn() -> bool,
    ) -> bool {
        let mut inner = self.lock();
        loop {
            if inner.has_news(window, wants_block, order_ready) {
                return true;
            }
            if ended() {
                return false;
            }
            // The workers say nothing when they end, so this looks from time to time.
            let waited = self.progress.wait_timeout(inner, std::time::Duration::from_millis(100));
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// As [`wait`](Self::wait) for a task: true if there is news, else `waker` is called when there is.
    pub(super) fn poll(&self, window: usize, wants_block: bool, order_ready: bool, waker: &Waker) -> bool {
        let mut inner = self.lock();
        if inner.has_news(window, wants_block, order_ready) {
            return true;
        }
        inner.waker = Some(waker.clone());
        false
    }

    /// Forgets what nobody took: workers finish what they have, and nothing else of this object runs.
    pub(super) fn cancel(&self) {
        let mut inner = self.lock();
        inner.failed = Some(PackError::Finished);
        inner.waiting.clear();
        inner.lanes.iter_mut().for_each(|lane| lane.queue.clear());
        drop(inner);
        self.progress.notify_all();
    }

    /// The workers ended with this object's work undone.
    pub(super) fn fail(&self, error: PackError) {
        self.lock().failed.get_or_insert(error);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, task: Task, result: Result<FrameInfo, PackError>) -> bool {
        let mut inner = self.lock();
        let block = match task {
            Task::Seal(number, block, frame) => {
                match result {
                    Ok(info) => {
                        let index = usize::try_from(number - inner.first).unwrap_or(usize::MAX);
                        if let Some(place) = inner.frames.get_mut(index) {
                            *place = Some((info, frame));
                        }
                    }
                    Err(error) => {
                        inner.failed.get_or_insert(error);
                    }
                }
                block
            }
            Task::Sum(lane, block, hasher) => {
                if let Some(lane) = inner.lanes.get_mut(lane) {
                    lane.hasher = Some(hasher);
                }
                block
            }
        };
        // Whoever lets go of a block last puts it back. Both happen under the lock, or nobody would be last.
        let mut block = block;
        match Arc::get_mut(&mut block).is_some() {
            true => {
                inner.blocks = inner.blocks.saturating_sub(1);
                inner.spare_blocks.push(block);
            }
            false => drop(block),
        }
        let more = inner.has_task();
        if !more {
            inner.tokens -= 1;
        }
        let waker = inner.waker.take();
        drop(inner);
        self.progress.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
        more
    }
}

impl Inner {
    fn has_news(&self, window: usize, wants_block: bool, order_ready: bool) -> bool {
        self.failed.is_some()
            || self.frames.front().is_some_and(Option::is_some)
            || (wants_block && self.blocks.max(self.frames.len()) < window)
            || (order_ready && self.blocks == 0 && self.frames.is_empty())
    }

    fn has_task(&self) -> bool {
        self.failed.is_none()
            && (!self.waiting.is_empty()
                || self.lanes.iter().any(|lane| lane.hasher.is_some() && !lane.queue.is_empty()))
    }

    /// The lanes first: what must be done in order must not be late.
    fn task(&mut self) -> Option<Task> {
        if self.failed.is_some() {
            return None;
        }
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(hasher) = lane.hasher.take() {
                match lane.queue.pop_front() {
                    Some(block) => return Some(Task::Sum(index, block, hasher)),
                    None => lane.hasher = Some(hasher),
                }
            }
        }
        let (number, block) = self.waiting.pop_front()?;
        Some(Task::Seal(number, block, self.spare_frames.pop().unwrap_or_default()))
    }
}

impl Work for Line {
    fn run(&self, contexts: &mut Contexts) -> bool {
        let task = {
            let mut inner = self.lock();
            let task = inner.task();
            if task.is_none() {
                inner.tokens -= 1;
            }
            task
        };
        match task {
            None => false,
            Some(Task::Seal(number, block, mut frame)) => {
                let result = self.sealer.seal(contexts, number, &block, &mut frame);
                self.finish(Task::Seal(number, block, frame), result)
            }
            Some(Task::Sum(lane, block, mut hasher)) => {
                self.sealer.recording().checksum(block.len(), || hasher.update(&block));
                let unused = Err(PackError::Finished);
                self.finish(Task::Sum(lane, block, hasher), unused)
            }
        }
    }
}
