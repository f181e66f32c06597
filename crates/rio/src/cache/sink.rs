//! Where the bytes of a read go, front to back.

use rustfs_rio_buf::{IoBufMut, PooledBuf};

/// Takes bytes in order, never more than it has room for.
pub(crate) trait Sink: Send {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for PooledBuf {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let fits = self.extend_from_slice(bytes);
        debug_assert!(fits.is_ok(), "the buffer was taken for the whole read");
    }
}

/// A borrowed slice.
pub(crate) struct Slot<'a> {
    bytes: &'a mut [u8],
    filled: usize,
}

impl<'a> Slot<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, filled: 0 }
    }
}

impl Sink for Slot<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        self.bytes[self.filled..end].copy_from_slice(bytes);
        self.filled = end;
    }
}

/// A buffer of the caller's.
pub(crate) struct Given<B> {
    buffer: B,
    filled: usize,
}

impl<B: IoBufMut> Given<B> {
    pub(crate) fn new(mut buffer: B) -> Self {
        buffer.fill_at(0, &[]);
        Self { buffer, filled: 0 }
    }

    pub(crate) fn into_inner(self) -> B {
        self.buffer
    }
}

impl<B: IoBufMut> Sink for Given<B> {
    fn put(&mut self, bytes: &[u8]) {
        self.filled += self.buffer.fill_at(self.filled, bytes);
    }
}
