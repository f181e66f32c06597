//! Heap memory with a chosen alignment.

use crate::traits::{IoBuf, IoBufMut};
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Alignment of [`AlignedBuf::with_capacity`]: one page, which satisfies direct I/O on every block size up to 4 KiB.
/// Files report what they need (`statx(2)`, `STATX_DIOALIGN`); for more than this use
/// [`AlignedBuf::with_alignment`].
pub const DEFAULT_ALIGNMENT: usize = 4096;

/// Why a buffer could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BufferError {
    /// The alignment is zero or not a power of two.
    Alignment {
        /// What was asked for, in bytes.
        requested: usize,
    },
    /// The size, rounded up to the alignment, exceeds `isize::MAX`.
    TooLarge {
        /// What was asked for, in bytes.
        requested: usize,
    },
    /// The allocator has no memory of that size.
    OutOfMemory {
        /// What was asked for, in bytes.
        requested: usize,
    },
}

impl fmt::Display for BufferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alignment { requested } => {
                write!(f, "buffer alignment {requested} is not a power of two")
            }
            Self::TooLarge { requested } => {
                write!(f, "buffer of {requested} bytes is larger than the address space allows")
            }
            Self::OutOfMemory { requested } => {
                write!(f, "no memory for a buffer of {requested} bytes; ask for less or free some")
            }
        }
    }
}

impl std::error::Error for BufferError {}

impl From<BufferError> for std::io::Error {
    fn from(error: BufferError) -> Self {
        let kind = match error {
            BufferError::OutOfMemory { .. } => std::io::ErrorKind::OutOfMemory,
            _ => std::io::ErrorKind::InvalidInput,
        };
        std::io::Error::new(kind, error)
    }
}

/// An owned buffer at an aligned address, with a length that counts initialised bytes and a fixed capacity.
///
/// Bytes beyond the length are not readable through the safe interface, so whatever the memory held before stays
/// hidden. The buffer never grows: growing would need a new address.
pub struct AlignedBuf {
    ptr: NonNull<u8>,
    len: usize,
    layout: Layout,
}

// SAFETY: the buffer owns its memory exclusively, like a `Vec<u8>`.
unsafe impl Send for AlignedBuf {}
// SAFETY: shared references only allow reads of initialised bytes.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// An empty buffer with room for at least `capacity` bytes (rounded up to whole pages) at a page boundary.
    ///
    /// # Errors
    ///
    /// [`BufferError`] when the size is impossible or memory is short.
    pub fn with_capacity(capacity: usize) -> Result<Self, BufferError> {
        Self::with_alignment(capacity, DEFAULT_ALIGNMENT)
    }

    /// As [`with_capacity`](Self::with_capacity) with an alignment of the caller's choice, a power of two.
    ///
    /// # Errors
    ///
    /// [`BufferError`] when alignment or size is impossible or memory is short.
    pub fn with_alignment(capacity: usize, alignment: usize) -> Result<Self, BufferError> {
        Self::allocate(capacity, alignment, |layout| {
            // SAFETY: `layout` has a non-zero size.
            unsafe { alloc(layout) }
        })
    }

    /// A buffer of `len` zero bytes at a page boundary.
    ///
    /// # Errors
    ///
    /// [`BufferError`] when the size is impossible or memory is short.
    pub fn zeroed(len: usize) -> Result<Self, BufferError> {
        let mut buffer = Self::allocate(len, DEFAULT_ALIGNMENT, |layout| {
            // SAFETY: `layout` has a non-zero size.
            unsafe { alloc_zeroed(layout) }
        })?;
        buffer.len = len;
        Ok(buffer)
    }

    /// A page-aligned copy of `data`.
    ///
    /// # Errors
    ///
    /// [`BufferError`] when memory is short.
    pub fn copy_from(data: &[u8]) -> Result<Self, BufferError> {
        let mut buffer = Self::with_capacity(data.len())?;
        buffer.extend_from_slice(data);
        Ok(buffer)
    }

    fn allocate(
        capacity: usize,
        alignment: usize,
        source: impl FnOnce(Layout) -> *mut u8,
    ) -> Result<Self, BufferError> {
        if !alignment.is_power_of_two() {
            return Err(BufferError::Alignment { requested: alignment });
        }
        let too_large = BufferError::TooLarge { requested: capacity };
        let size = capacity.max(1).checked_next_multiple_of(alignment).ok_or(too_large)?;
        let layout = Layout::from_size_align(size, alignment).map_err(|_| too_large)?;
        let ptr = NonNull::new(source(layout)).ok_or(BufferError::OutOfMemory { requested: capacity })?;
        Ok(Self { ptr, len: 0, layout })
    }

    /// Bytes that fit, initialised or not.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.layout.size()
    }

    /// Alignment of the first byte.
    #[must_use]
    pub fn alignment(&self) -> usize {
        self.layout.align()
    }

    /// Initialised bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no byte is initialised.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets the content; the capacity stays.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Shortens to `len` bytes; does nothing if the buffer is already that short.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Drops the first `count` bytes (at most all), moving the rest to the front so that the start stays aligned.
    pub fn discard_front(&mut self, count: usize) {
        let count = count.min(self.len);
        self.copy_within(count.., 0);
        self.len -= count;
    }

    /// Appends as much of `data` as fits and returns how much that was.
    pub fn extend_from_slice(&mut self, data: &[u8]) -> usize {
        let count = data.len().min(self.capacity() - self.len);
        // SAFETY: `count` bytes are free behind `len` inside the allocation, and `data` cannot overlap memory that
        // this buffer owns exclusively.
        unsafe {
            std::ptr::copy_nonoverlapping(data.as_ptr(), self.ptr.as_ptr().add(self.len), count);
        }
        self.len += count;
        count
    }

    /// Grows or shrinks the length to `len` (at most the capacity), filling new bytes with `value`.
    pub fn resize(&mut self, len: usize, value: u8) {
        let len = len.min(self.capacity());
        if len > self.len {
            // SAFETY: the range lies inside the allocation.
            unsafe { std::ptr::write_bytes(self.ptr.as_ptr().add(self.len), value, len - self.len) };
        }
        self.len = len;
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        // SAFETY: `ptr` came from the global allocator with this very layout and is freed once.
        unsafe { dealloc(self.ptr.as_ptr(), self.layout) }
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: `len` bytes are initialised and exclusively owned.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for AlignedBuf {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl PartialEq<[u8]> for AlignedBuf {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl fmt::Debug for AlignedBuf {
    // Content is left out: buffers carry users' data, and logs must not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuf")
            .field("len", &self.len)
            .field("capacity", &self.capacity())
            .field("alignment", &self.alignment())
            .finish()
    }
}

// SAFETY: heap memory at a fixed address, owned exclusively; `len` bytes of it are initialised.
unsafe impl IoBuf for AlignedBuf {
    fn stable_ptr(&self) -> *const u8 {
        self.ptr.as_ptr()
    }
    fn bytes_init(&self) -> usize {
        self.len
    }
}

// SAFETY: as above; the whole allocation is writable.
unsafe impl IoBufMut for AlignedBuf {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.ptr.as_ptr()
    }
    fn bytes_total(&self) -> usize {
        self.capacity()
    }
    unsafe fn set_init(&mut self, len: usize) {
        debug_assert!(len <= self.capacity());
        self.len = len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn starts_at_the_alignment_and_is_empty() {
        for alignment in [1, 512, 4096, 1 << 20] {
            let buffer = AlignedBuf::with_alignment(10, alignment).unwrap();
            assert_eq!(buffer.stable_ptr() as usize % alignment, 0);
            assert!(buffer.is_empty() && buffer.capacity() >= 10);
        }
    }

    #[test]
    fn impossible_requests_are_typed_errors() {
        assert_eq!(AlignedBuf::with_alignment(1, 3).unwrap_err(), BufferError::Alignment { requested: 3 });
        assert_eq!(AlignedBuf::with_alignment(1, 0).unwrap_err(), BufferError::Alignment { requested: 0 });
        assert_eq!(
            AlignedBuf::with_capacity(usize::MAX).unwrap_err(),
            BufferError::TooLarge { requested: usize::MAX }
        );
        let huge = isize::MAX as usize - 4096;
        assert_eq!(
            AlignedBuf::with_capacity(huge).unwrap_err(),
            BufferError::OutOfMemory { requested: huge }
        );
    }

    #[test]
    fn zero_length_is_a_valid_empty_buffer() {
        assert!(AlignedBuf::zeroed(0).unwrap().is_empty());
    }

    #[test]
    fn debug_output_does_not_contain_content() {
        let buffer = AlignedBuf::copy_from(b"secret").unwrap();
        assert!(!format!("{buffer:?}").contains("secret"));
    }

    proptest! {
        // The buffer behaves like a Vec with a fixed capacity.
        #[test]
        fn behaves_like_a_bounded_vec(steps in prop::collection::vec((0u8..4, 0usize..6000), 1..40)) {
            let mut buffer = AlignedBuf::with_capacity(8192).unwrap();
            let mut model: Vec<u8> = Vec::new();
            for (index, (step, n)) in steps.into_iter().enumerate() {
                match step {
                    0 => {
                        let data = vec![index as u8; n];
                        let taken = buffer.extend_from_slice(&data);
                        prop_assert_eq!(taken, n.min(8192 - model.len()));
                        model.extend_from_slice(&data[..taken]);
                    }
                    1 => { buffer.truncate(n); model.truncate(n); }
                    2 => { buffer.resize(n, 7); model.resize(n, 7); }
                    _ => { buffer.discard_front(n); model.drain(..n.min(model.len())); }
                }
                prop_assert_eq!(&*buffer, &model[..]);
            }
        }
    }
}
