//! A buffer from a pool.

use super::block::Block;
use super::shared::Shared;
use crate::traits::{IoBuf, IoBufMut};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

/// Page-aligned memory that goes back to its pool when it is dropped, on any thread, with or without a runtime.
///
/// The length counts the bytes that were written; what lies beyond it may be left from an earlier user and cannot be read.
/// The capacity is that of the size that the pool chose and never changes.
pub struct PooledBuf {
    block: ManuallyDrop<Block>,
    len: usize,
    home: &'static Shared,
}

/// There is no room for bytes that were to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{len} bytes do not fit into the {room} that are left of the buffer; take one with a larger size hint"
)]
pub struct NoRoom {
    /// Bytes that were to be added.
    pub len: usize,
    /// Bytes that would fit.
    pub room: usize,
}

impl PooledBuf {
    #[inline]
    pub(super) fn new(home: &'static Shared, block: Block) -> Self {
        if home.has_extras() {
            home.note_origin(&block);
        }
        Self { block: ManuallyDrop::new(block), len: 0, home }
    }

    /// Bytes that fit, initialised or not.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.block.bytes().min(self.home.capacity_max())
    }

    /// Shortens the buffer to at most `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Empties the buffer.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Removes the first `count` bytes, or all if there are fewer; the others move to the front.
    pub fn discard_front(&mut self, count: usize) {
        let count = count.min(self.len);
        self.copy_within(count.., 0);
        self.len -= count;
    }

    /// Appends `data`.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if it does not fit; nothing is appended then.
    pub fn extend_from_slice(&mut self, data: &[u8]) -> Result<(), NoRoom> {
        let room = self.capacity() - self.len;
        if data.len() > room {
            return Err(NoRoom { len: data.len(), room });
        }
        // SAFETY: `data.len()` bytes fit behind the first `len`, and a shared slice cannot overlap memory that this buffer owns.
        unsafe {
            let end = self.block.as_ptr().add(self.len);
            std::ptr::copy_nonoverlapping(data.as_ptr(), end, data.len());
        }
        self.len += data.len();
        Ok(())
    }

    /// Makes the buffer `len` bytes long, with `fill` in what is added.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if `len` exceeds the capacity; nothing changes then.
    pub fn resize(&mut self, len: usize, fill: u8) -> Result<(), NoRoom> {
        let room = self.capacity() - self.len;
        let added = len.saturating_sub(self.len);
        if added > room {
            return Err(NoRoom { len: added, room });
        }
        // SAFETY: `added` bytes fit behind the first `len`.
        unsafe { std::ptr::write_bytes(self.block.as_ptr().add(self.len), fill, added) };
        self.len = len;
        Ok(())
    }
}

impl Drop for PooledBuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: taken once, here, and not used afterwards.
        let block = unsafe { ManuallyDrop::take(&mut self.block) };
        self.home.give(block);
    }
}

impl Deref for PooledBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the first `len` bytes are initialised and owned by this buffer.
        unsafe { std::slice::from_raw_parts(self.block.as_ptr(), self.len) }
    }
}

impl DerefMut for PooledBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` makes the borrow exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.block.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for PooledBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for PooledBuf {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl fmt::Debug for PooledBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Content may be secret.
        f.debug_struct("PooledBuf").field("len", &self.len).field("capacity", &self.capacity()).finish()
    }
}

// SAFETY: the memory is a mapping whose address does not change when this value moves; the first `len` bytes are
// initialised, and nobody else has the address.
unsafe impl IoBuf for PooledBuf {
    fn stable_ptr(&self) -> *const u8 {
        self.block.as_ptr()
    }
    fn bytes_init(&self) -> usize {
        self.len
    }
}

// SAFETY: as above; the mapping is writable and as long as the capacity.
unsafe impl IoBufMut for PooledBuf {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.block.as_ptr()
    }
    fn bytes_total(&self) -> usize {
        self.capacity()
    }
    unsafe fn set_init(&mut self, len: usize) {
        self.len = len;
    }
}
