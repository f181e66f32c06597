//! A buffer that tells on those who touch it when it is no longer theirs.

use rustfs_rio_engine::buf::{IoBuf, IoBufMut};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What dropped memory is filled with.
const POISON: u8 = 0xdd;
/// Dropped buffers that are watched before their memory is freed.
const WATCHED: usize = 512;

/// Memory of its own, at a sector boundary. On drop it is filled with [`POISON`]. Half of all buffers are then freed at once,
/// so that AddressSanitizer sees a use by this process; the others are kept for a while, and a write to them, by the
/// kernel too, shows when they are freed at last.
pub(crate) struct Page {
    memory: Memory,
    init: usize,
}

struct Memory {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory is owned exclusively.
unsafe impl Send for Memory {}
// SAFETY: shared references allow reads only.
unsafe impl Sync for Memory {}

static DROPPED: AtomicUsize = AtomicUsize::new(0);
static QUARANTINE: Mutex<VecDeque<Memory>> = Mutex::new(VecDeque::new());

impl Page {
    pub(crate) fn room(len: usize) -> Self {
        let layout = Layout::from_size_align(len.max(1), 512).unwrap();
        // SAFETY: the size is not zero.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        Self { memory: Memory { start, layout }, init: 0 }
    }

    pub(crate) fn copy_of(data: &[u8]) -> Self {
        let mut page = Self::room(data.len());
        // SAFETY: the memory has room for `data`, and nobody else uses it yet.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), page.stable_mut_ptr(), data.len()) };
        page.init = data.len();
        page
    }
}

// SAFETY: heap memory whose address does not change when the value moves; `init` bytes of it are initialised.
unsafe impl IoBuf for Page {
    fn stable_ptr(&self) -> *const u8 {
        self.memory.start.as_ptr()
    }
    fn bytes_init(&self) -> usize {
        self.init
    }
}

// SAFETY: as above; the whole allocation is owned and writable.
unsafe impl IoBufMut for Page {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.memory.start.as_ptr()
    }
    fn bytes_total(&self) -> usize {
        self.memory.layout.size()
    }
    unsafe fn set_init(&mut self, len: usize) {
        self.init = len;
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let memory = Memory { start: self.memory.start, layout: self.memory.layout };
        // SAFETY: the memory is this value's until the end of this function.
        unsafe { memory.start.as_ptr().write_bytes(POISON, memory.layout.size()) };
        if DROPPED.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return memory.free();
        }
        let freed = {
            let mut quarantine = QUARANTINE.lock().unwrap();
            quarantine.push_back(memory);
            if quarantine.len() > WATCHED { quarantine.pop_front() } else { None }
        };
        if let Some(memory) = freed {
            memory.check();
            memory.free();
        }
    }
}

impl Memory {
    /// Nobody wrote to it since it was dropped.
    fn check(&self) {
        // SAFETY: the memory is allocated and was filled when it was dropped.
        let bytes = unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.layout.size()) };
        assert!(bytes.iter().all(|byte| *byte == POISON), "a buffer was written to after it was dropped");
    }

    fn free(self) {
        // SAFETY: allocated with this layout, and not used afterwards.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// Checks and frees what is still watched. Returns how many buffers were dropped so far.
pub(crate) fn check_all() -> usize {
    for memory in QUARANTINE.lock().unwrap().drain(..) {
        memory.check();
        memory.free();
    }
    DROPPED.load(Ordering::Relaxed)
}
