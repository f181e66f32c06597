//! Places to take a buffer from and give it back to, behind one interface, so that all do the same work.

use crossbeam_queue::ArrayQueue;
use lockfree_object_pool::{LinearObjectPool, LinearReusable};
use opool::{Pool, PoolAllocator, RefGuard};
use rustfs_rio_buf::{BufferPool, PoolConfig, PooledBuf};
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use zeropool::{BufUninit, ZeroPool};

/// Buffers that a place holds at most; more than any of the benchmarks has in use.
const STOCK: usize = 256;

/// A place to take buffers of one size from.
pub trait Shelf: Sync {
    /// A buffer; dropping it gives it back.
    type Buffer<'a>: Send
    where
        Self: 'a;
    /// Its name in reports.
    const NAME: &'static str;
    /// For buffers of `len` bytes.
    fn new(len: usize) -> Self;
    /// Takes a buffer.
    fn get(&self) -> Self::Buffer<'_>;
}

/// The pool of Rio.
pub struct Rio(BufferPool, usize);

impl Shelf for Rio {
    type Buffer<'a> = Option<PooledBuf>;
    const NAME: &'static str = "rio";
    fn new(len: usize) -> Self {
        match BufferPool::new(PoolConfig::new(4 << 30)) {
            Ok(pool) => Self(pool, len),
            Err(error) => unreachable!("4 GiB were refused: {error}"),
        }
    }
    #[inline]
    fn get(&self) -> Option<PooledBuf> {
        self.0.try_get(self.1).ok()
    }
}

/// The allocator, with a write to each page as the first use would do it.
pub struct Malloc(usize);

impl Shelf for Malloc {
    type Buffer<'a> = Vec<u8>;
    const NAME: &'static str = "malloc-touch";
    fn new(len: usize) -> Self {
        Self(len)
    }
    #[inline]
    fn get(&self) -> Vec<u8> {
        let mut buffer: Vec<u8> = Vec::with_capacity(self.0);
        for page in buffer.spare_capacity_mut().chunks_mut(4096) {
            page[0].write(1);
        }
        black_box(buffer)
    }
}

/// Memory that the kernel has just provided, which is what the allocator gets above its threshold and for a heap that grew.
pub struct Fresh(usize);

impl Shelf for Fresh {
    type Buffer<'a> = Option<memmap2::MmapMut>;
    const NAME: &'static str = "fresh-touch";
    fn new(len: usize) -> Self {
        Self(len)
    }
    fn get(&self) -> Option<memmap2::MmapMut> {
        let mut buffer = memmap2::MmapMut::map_anon(self.0).ok()?;
        buffer.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        black_box(Some(buffer))
    }
}

/// A vector of vectors behind a mutex.
pub struct Locked(Mutex<Vec<Vec<u8>>>);

/// A buffer of [`Locked`].
pub struct LockedBuffer<'a>(&'a Locked, Vec<u8>);

impl Shelf for Locked {
    type Buffer<'a> = LockedBuffer<'a>;
    const NAME: &'static str = "mutex-vec";
    fn new(len: usize) -> Self {
        Self(Mutex::new((0..STOCK).map(|_| vec![0; len]).collect()))
    }
    #[inline]
    fn get(&self) -> LockedBuffer<'_> {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        LockedBuffer(self, list.pop().unwrap_or_default())
    }
}

impl Drop for LockedBuffer<'_> {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.1);
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// A bounded queue of vectors.
pub struct Queue(ArrayQueue<Vec<u8>>);

/// A buffer of [`Queue`].
pub struct QueueBuffer<'a>(&'a Queue, Vec<u8>);

impl Shelf for Queue {
    type Buffer<'a> = QueueBuffer<'a>;
    const NAME: &'static str = "array-queue";
    fn new(len: usize) -> Self {
        let queue = ArrayQueue::new(STOCK);
        while queue.push(vec![0; len]).is_ok() {}
        Self(queue)
    }
    #[inline]
    fn get(&self) -> QueueBuffer<'_> {
        QueueBuffer(self, self.0.pop().unwrap_or_default())
    }
}

impl Drop for QueueBuffer<'_> {
    fn drop(&mut self) {
        // Never full: it held them all before.
        let _ = self.0.0.push(std::mem::take(&mut self.1));
    }
}

/// The crate zeropool, without the zeroing that nobody else does.
pub struct Zero(ZeroPool, usize);

impl Shelf for Zero {
    type Buffer<'a> = BufUninit<'a>;
    const NAME: &'static str = "zeropool";
    fn new(len: usize) -> Self {
        Self(ZeroPool::new().max_buffers_per_class(STOCK), len)
    }
    #[inline]
    fn get(&self) -> BufUninit<'_> {
        self.0.alloc_uninit(self.1)
    }
}

/// Makes vectors for [`Opool`].
pub struct Maker(usize);

impl PoolAllocator<Vec<u8>> for Maker {
    fn allocate(&self) -> Vec<u8> {
        vec![0; self.0]
    }
}

/// The crate opool.
pub struct Opool(Pool<Maker, Vec<u8>>);

impl Shelf for Opool {
    type Buffer<'a> = RefGuard<'a, Maker, Vec<u8>>;
    const NAME: &'static str = "opool";
    fn new(len: usize) -> Self {
        Self(Pool::new_prefilled(STOCK, Maker(len)))
    }
    #[inline]
    fn get(&self) -> Self::Buffer<'_> {
        self.0.get()
    }
}

/// The crate lockfree-object-pool, its linear pool.
pub struct Linear(LinearObjectPool<Vec<u8>>);

impl Shelf for Linear {
    type Buffer<'a> = LinearReusable<'a, Vec<u8>>;
    const NAME: &'static str = "lockfree-object-pool";
    fn new(len: usize) -> Self {
        Self(LinearObjectPool::new(move || vec![0; len], |_| ()))
    }
    #[inline]
    fn get(&self) -> Self::Buffer<'_> {
        self.0.pull()
    }
}

/// Takes and gives back one buffer.
pub fn alone<S: Shelf>(shelf: &S, rounds: u64) {
    for _ in 0..rounds {
        drop(black_box(shelf.get()));
    }
}

/// Takes and gives back buffers in the order they were taken, with `window` in use at any time, as a service does that has so
/// many operations in flight.
pub fn window<S: Shelf>(shelf: &S, window: usize, rounds: u64) {
    let mut held: Vec<Option<S::Buffer<'_>>> = (0..window).map(|_| None).collect();
    for round in 0..rounds as usize {
        held[round % window] = None;
        held[round % window] = Some(black_box(shelf.get()));
    }
}
