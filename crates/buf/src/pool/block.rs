//! One piece of memory from the kernel.

use super::arena;
use super::classes::{BYTES_MAX, PAGE};
use super::node;
use super::sizes::{Fit, SLOTS};
use crate::BufferError;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ptr::NonNull;

/// Blocks from this size on are mappings of their own, which the kernel may back with huge pages. Smaller ones are cut from
/// larger mappings, where huge pages are off: one would bring in the memory of neighbours that nobody counts.
pub(crate) const OWN_MAPPING_PAGES: usize = HUGE / PAGE;
/// Size of a huge page on the processors that Rio is used on.
const HUGE: usize = 2 << 20;

/// Memory of a pool. Fresh blocks read as zeros and hold no memory until they are touched.
///
/// Two machine words, so that it travels in registers: everything but the address is packed into [`Label`].
#[derive(Debug)]
pub(crate) struct Block {
    ptr: NonNull<u8>,
    label: Label,
}

/// From the lowest bit up: pages (26 bits), slot (7), node (7), reuses (12), birth in minutes after the pool was made (12).
#[derive(Debug, Clone, Copy)]
struct Label(u64);

const PAGES: u32 = 26;
const SLOT: u32 = 7;
const NODE: u32 = 7;
const COUNT: u32 = 12;
/// Reuses and births beyond this are counted as this.
pub(crate) const COUNT_MAX: u32 = (1 << COUNT) - 1;
/// Nodes beyond this are not told apart.
pub(crate) const NODES_MAX: usize = 1 << NODE;
const _: () = assert!(PAGES + SLOT + NODE + 2 * COUNT == u64::BITS);
const _: () = assert!(BYTES_MAX / PAGE < 1 << PAGES && SLOTS <= 1 << SLOT);

impl Label {
    fn new(fit: Fit, node: usize, born: u32) -> Self {
        let high = u64::from(born.min(COUNT_MAX)) << (COUNT + NODE + SLOT + PAGES);
        Self(high | (node as u64) << (SLOT + PAGES) | (fit.slot as u64) << PAGES | fit.pages as u64)
    }
    #[inline]
    fn part(self, shift: u32, bits: u32) -> u64 {
        (self.0 >> shift) & ((1 << bits) - 1)
    }
}

// SAFETY: the memory belongs to this value alone.
unsafe impl Send for Block {}
// SAFETY: shared references give out the address only.
unsafe impl Sync for Block {}

impl Block {
    /// Takes memory, on the given node where there are several.
    pub(crate) fn map(fit: Fit, node: usize, born: u32) -> Result<Self, BufferError> {
        let ptr = if fit.pages < OWN_MAPPING_PAGES {
            arena::of(node).take(fit.pages)
        } else {
            map_aligned(fit.bytes(), HUGE).inspect(|ptr| {
                advise(*ptr, fit.bytes(), Hint::HugePages);
                node::prefer(*ptr, fit.bytes(), node);
            })
        };
        let label = Label::new(fit, node, born);
        ptr.map(|ptr| Self { ptr, label }).ok_or(BufferError::OutOfMemory { requested: fit.bytes() })
    }

    #[inline]
    pub(crate) fn slot(&self) -> usize {
        self.label.part(PAGES, SLOT) as usize
    }

    #[inline]
    pub(crate) fn node(&self) -> usize {
        self.label.part(PAGES + SLOT, NODE) as usize
    }

    #[inline]
    pub(crate) fn pages(&self) -> usize {
        self.label.part(0, PAGES) as usize
    }

    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.pages() * PAGE
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// Whether the block is of the size that its slot has now.
    #[inline]
    pub(crate) fn fits(&self, fit: Fit) -> bool {
        self.pages() == fit.pages
    }

    /// Counts a use after the first.
    #[inline]
    pub(crate) fn reuse(&mut self) {
        let is_less = self.reuses() < COUNT_MAX;
        self.label.0 += u64::from(is_less) << (PAGES + SLOT + NODE);
    }

    #[inline]
    pub(crate) fn reuses(&self) -> u32 {
        self.label.part(PAGES + SLOT + NODE, COUNT) as u32
    }

    /// Minutes after the pool was made.
    pub(crate) fn born(&self) -> u32 {
        self.label.part(PAGES + SLOT + NODE + COUNT, COUNT) as u32
    }

    /// Overwrites the memory with zeros, whatever the optimiser thinks of writes that nobody reads.
    pub(crate) fn wipe(&mut self) {
        let len = self.bytes();
        // SAFETY: all bytes of the block, which is this value's own.
        unsafe { std::ptr::write_bytes(self.ptr.as_ptr(), 0, len) };
        // The address escapes, so the stores above have to have happened.
        std::hint::black_box(self.ptr.as_ptr());
    }

    /// Has the kernel provide the memory now rather than at the first touch.
    pub(crate) fn populate(&mut self) {
        if advise(self.ptr, self.bytes(), Hint::Populate) {
            return;
        }
        // Kernels before 5.14.
        for page in 0..self.pages() {
            // SAFETY: the first byte of each page of the block.
            unsafe { self.ptr.as_ptr().add(page * PAGE).write_volatile(0) };
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.pages() < OWN_MAPPING_PAGES {
            arena::of(self.node()).give(self.ptr, self.pages());
        } else {
            unmap(self.ptr, self.bytes());
        }
    }
}

/// What the kernel is told about memory, see madvise(2).
#[derive(Clone, Copy)]
pub(super) enum Hint {
    /// The content is not needed any more; reads give zeros.
    DontNeed,
    HugePages,
    NoHugePages,
    Populate,
}

/// Whether the kernel took the hint.
pub(super) fn advise(ptr: NonNull<u8>, len: usize, hint: Hint) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};
        let advice = match hint {
            Hint::DontNeed => Advice::LinuxDontNeed,
            Hint::HugePages => Advice::LinuxHugepage,
            Hint::NoHugePages => Advice::LinuxNoHugepage,
            Hint::Populate => Advice::LinuxPopulateWrite,
        };
        // SAFETY: the caller owns the range, and nobody looks at its content: it is fresh or given up.
        unsafe { madvise(ptr.as_ptr().cast(), len, advice) }.is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (ptr, len, hint);
        false
    }
}

/// Maps `len` bytes at a multiple of `alignment`, both multiples of the page size; `None` without memory.
pub(super) fn map_aligned(len: usize, alignment: usize) -> Option<NonNull<u8>> {
    let span = len.checked_add(alignment)?;
    let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE);
    // SAFETY: a new mapping at an address that the kernel chooses.
    let start = unsafe { mmap_anonymous(std::ptr::null_mut(), span, protection, flags) }.ok()?.cast::<u8>();
    let before = start.align_offset(alignment);
    // SAFETY: `before` is below `alignment`, so it stays inside the mapping, as does what lies behind `len` more bytes.
    let (ptr, end) = unsafe { (start.add(before), start.add(before + len)) };
    if let Some(start) = NonNull::new(start).filter(|_| before > 0) {
        unmap(start, before);
    }
    if let Some(end) = NonNull::new(end).filter(|_| before < alignment) {
        unmap(end, alignment - before);
    }
    NonNull::new(ptr)
}

/// Gives a mapping, or a part of one that nobody uses, back to the system.
pub(super) fn unmap(ptr: NonNull<u8>, len: usize) {
    // SAFETY: the caller owns the range and nothing refers to it. Fails for impossible arguments only.
    let _ = unsafe { munmap(ptr.as_ptr().cast(), len) };
}

#[cfg(all(test, not(rio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_label_keeps_its_parts_apart_and_counts_stop_at_the_end() {
        let fit = Fit { slot: SLOTS - 1, pages: BYTES_MAX / PAGE };
        let mut block = std::mem::ManuallyDrop::new(Block {
            ptr: NonNull::dangling(),
            label: Label::new(fit, NODES_MAX - 1, COUNT_MAX + 9),
        });
        for uses in 0..COUNT_MAX + 5 {
            assert_eq!(block.reuses(), uses.min(COUNT_MAX));
            block.reuse();
        }
        assert_eq!((block.slot(), block.pages(), block.node()), (SLOTS - 1, BYTES_MAX / PAGE, NODES_MAX - 1));
        assert_eq!(block.born(), COUNT_MAX);
        let small = Label::new(Fit { slot: 1, pages: 2 }, 0, 3);
        assert_eq!((small.part(0, PAGES), small.part(PAGES, SLOT)), (2, 1));
        assert_eq!(size_of::<Option<Block>>(), 16);
    }
}
