//! A range of another buffer, as a buffer.

use crate::traits::{IoBuf, IoBufMut};

/// Part of a buffer: lets an operation use some bytes of `B` and hands the whole `B` back with
/// [`into_inner`](Slice::into_inner).
#[derive(Debug)]
pub struct Slice<B> {
    inner: B,
    begin: usize,
    end: usize,
}

impl<B: IoBuf> Slice<B> {
    /// The bytes `begin..end` of `inner`, for writing them out. Bounds beyond the initialised bytes are clipped to
    /// them.
    #[must_use]
    pub fn of_init(inner: B, begin: usize, end: usize) -> Self {
        let end = end.min(inner.bytes_init());
        Self { begin: begin.min(end), end, inner }
    }
}

impl<B: IoBufMut> Slice<B> {
    /// The bytes `begin..end` of `inner`, for reading into them. `end` is clipped to the capacity and `begin` to the
    /// initialised bytes, so that what precedes the slice is always initialised.
    #[must_use]
    pub fn of_capacity(inner: B, begin: usize, end: usize) -> Self {
        let end = end.min(inner.bytes_total());
        Self { begin: begin.min(inner.bytes_init()).min(end), end, inner }
    }
}

impl<B> Slice<B> {
    /// The whole buffer.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.inner
    }

    /// The whole buffer, by reference.
    #[must_use]
    pub fn get_ref(&self) -> &B {
        &self.inner
    }
}

// SAFETY: a stable range inside a stable buffer; `begin <= bytes_total` by construction.
unsafe impl<B: IoBuf> IoBuf for Slice<B> {
    fn stable_ptr(&self) -> *const u8 {
        self.inner.stable_ptr().wrapping_add(self.begin)
    }
    fn bytes_init(&self) -> usize {
        self.inner.bytes_init().min(self.end).saturating_sub(self.begin)
    }
}

// SAFETY: as above; bytes from `begin` to `end` are inside the writable capacity.
unsafe impl<B: IoBufMut> IoBufMut for Slice<B> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.inner.stable_mut_ptr().wrapping_add(self.begin)
    }
    fn bytes_total(&self) -> usize {
        self.end - self.begin
    }
    unsafe fn set_init(&mut self, len: usize) {
        // Bytes after the slice keep their state when they were initialised before, so the length only grows.
        let len = (self.begin + len).max(self.inner.bytes_init());
        // SAFETY: everything before `begin` is initialised by construction, the next bytes by the caller's promise.
        unsafe { self.inner.set_init(len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_to_what_the_buffer_has() {
        let slice = Slice::of_init(vec![1u8, 2, 3], 1, 99);
        assert_eq!(slice.as_slice(), [2, 3]);
        let slice = Slice::of_init(vec![1u8, 2, 3], 7, 2);
        assert_eq!(slice.as_slice(), []);
        assert_eq!(slice.into_inner(), [1, 2, 3]);
    }

    #[test]
    fn a_shorter_read_keeps_what_was_there() {
        let mut slice = Slice::of_capacity(vec![9u8; 8], 2, 6);
        assert_eq!(slice.bytes_total(), 4);
        // SAFETY: the bytes are initialised by the Vec.
        unsafe { slice.set_init(1) };
        assert_eq!(slice.into_inner().len(), 8);
    }

    #[test]
    fn uninitialised_bytes_before_the_slice_are_ruled_out() {
        let buffer: Vec<u8> = Vec::with_capacity(16);
        let mut slice = Slice::of_capacity(buffer, 8, 16);
        assert_eq!(slice.stable_mut_ptr() as *const u8, slice.get_ref().as_ptr());
    }
}
