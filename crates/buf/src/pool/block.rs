//! One piece of memory from the kernel.

use super::classes;
use crate::BufferError;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ptr::NonNull;

/// An anonymous mapping of a class's size. Fresh ones read as zeros and cost no memory until they are touched.
#[derive(Debug)]
pub(crate) struct Block {
    ptr: NonNull<u8>,
    class: usize,
}

// SAFETY: the mapping belongs to this value alone.
unsafe impl Send for Block {}
// SAFETY: shared references give out the address only.
unsafe impl Sync for Block {}

impl Block {
    /// Maps memory.
    pub(crate) fn map(class: usize) -> Result<Self, BufferError> {
        let bytes = classes::bytes(class);
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let ptr =
            unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, flags) };
        let ptr = ptr.ok().and_then(|ptr| NonNull::new(ptr.cast::<u8>()));
        ptr.map(|ptr| Self { ptr, class }).ok_or(BufferError::OutOfMemory { requested: bytes })
    }

    pub(crate) fn class(&self) -> usize {
        self.class
    }

    pub(crate) fn bytes(&self) -> usize {
        classes::bytes(self.class)
    }

    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// Overwrites the memory with zeros, whatever the optimiser thinks of writes that nobody reads.
    pub(crate) fn wipe(&mut self) {
        let len = self.bytes();
        // SAFETY: all bytes of the mapping, which is this value's own.
        unsafe { std::ptr::write_bytes(self.ptr.as_ptr(), 0, len) };
        // The address escapes, so the stores above have to have happened.
        std::hint::black_box(self.ptr.as_ptr());
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, which nobody else knows of. Fails for impossible arguments only.
        let _ = unsafe { munmap(self.ptr.as_ptr().cast(), self.bytes()) };
    }
}
